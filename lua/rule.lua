-- rule.lua -- what a rule file can name, and the way from a step's attributes to its recipe.
--
-- The vocabulary is all there is: rule, source, attr, action, temporary, pin, expect, sorted, copy, upper, join, glob, integer, url_escape, ipairs, fail,
-- error, type.
-- SPDX-License-Identifier: Apache-2.0

local fields = { "name", "doc", "attrs", "outputs", "example", "plan" }
local made = {}

-- An output that a rule always has: "file", "dir", or { type = …, path = inside outputs/, carried = true }.
local function fixed_output(name, given)
	if given == "file" or given == "dir" then given = { type = given } end
	local what = ("rule: output '%s'"):format(name)
	if type(given) ~= "table" or (given.type ~= "file" and given.type ~= "dir") then error(what .. ": expected \"file\" or \"dir\"", 3) end
	local out = { type = given.type, path = given.path or name, carried = given.carried }
	if #keys(given) ~= 1 + (given.path and 1 or 0) + (given.carried and 1 or 0) then error(what .. ": expected type, path and carried", 3) end
	if type(out.path) ~= "string" or path_fault(out.path) then error(what .. ": path: expected one inside outputs/", 3) end
	if out.carried and (out.carried ~= true or out.type == "dir") then error(what .. ": carried: expected true, of a file", 3) end
	return out
end

-- rule { name, doc, attrs, outputs, example, plan }: one step type.
local function rule(given)
	local checked = declare.file("rule", given, fields, "plan", 3)
	local outs = {}
	for _, name in ipairs(keys(checked.outputs)) do
		if not attr.is_name(name) then error(("rule: output '%s': expected letters, digits, '_' and '-' only"):format(name), 2) end
		outs[name] = fixed_output(name, checked.outputs[name])
	end
	checked.outputs = outs
	-- What else may be asked for is the Aicertfile's to say, where it says outputs at all.
	checked.no_output = not checked.shape.outputs and function(_, key)
		error(("the rule has no output '%s'%s"):format(key, type(key) == "string" and attr.meant(key, keys(outs)) or ""), 2)
	end
	local more = checked.shape.attrs[checked.shape.outputs]
	if more and not more.optional and #keys(outs) > 0 then
		error("rule: outputs: the attribute of type outputs says them, unless it is optional", 2)
	end
	local self = {}
	made[self] = checked
	return self
end

-- The step or input that is looked at, for fail().
local current

-- fail(text, hint): the user's to mend, told with the place of his step or input.
local function fail(text, hint)
	if type(text) ~= "string" or type(hint or "") ~= "string" then error("fail: expected a text, and perhaps a hint", 2) end
	if not current then error(text, 2) end
	attr.bad(current, current, hint and text .. "\nhint: " .. hint or text)
end

local function begin(ctx)
	current = ctx
end

-- sorted(t): names and values in the order of the names' bytes. There is no pairs: its order differs in every process.
local function sorted(t)
	local names, i = keys(t), 0
	return function()
		i = i + 1
		if names[i] then return names[i], t[names[i]] end
	end
end

-- copy(t, u, …): a new table with the names of all, later ones over earlier ones.
local function copy(...)
	local out = {}
	for _, t in ipairs { ... } do
		for _, name in ipairs(keys(t)) do out[name] = t[name] end
	end
	return out
end

-- upper(s): as part of a variable's name: "my-data" becomes "MY_DATA".
local function upper(s)
	if type(s) ~= "string" then error("upper: expected a text", 2) end
	return (s:upper():replace("-", "_"))
end

-- A table that can be read and not changed.
local function sealed(t, what)
	return guard({}, function(_, key)
		local value = t[key]
		if value == nil then
			error(type(key) == "string" and ("%s has no '%s'%s"):format(what, key, attr.meant(key, keys(t))) or what .. " has names only", 2)
		end
		return value
	end, function() error(what .. " cannot be changed", 2) end)
end

-- The globals of a file: these words and no others. what: "a rule".
local function closed(words, what)
	return guard({}, function(_, key)
		if words[key] ~= nil then return words[key] end
		if type(key) ~= "string" then error(what .. "'s globals have names", 2) end
		error(("%s does not know '%s'%s"):format(what, key, attr.meant(key, keys(words))), 2)
	end, function(_, key)
		if words[key] ~= nil then error(("'%s' is a word of the rules' language: choose another name"):format(key), 2) end
		error(type(key) == "string" and ("rules have no globals: write 'local %s'"):format(key) or "rules have no globals", 2)
	end)
end

-- Words that few files need: their part of lua/ is read when one is named.
local seldom = {
	source = function() return source.word end,
	pin = function() return sealed(source.pins, "pin") end,
	expect = function() return sealed({ tests = expect.tests }, "expect") end,
	python = function() return python.command end,
}

local function vocabulary()
	return closed(guard({
		rule = rule, attr = sealed(declare.words, "attr"), action = sealed(action.kinds, "action"), temporary = action.temporary,
		sorted = sorted, copy = copy, upper = upper, join = join, glob = glob, integer = integer, url_escape = url_escape,
		ipairs = ipairs, fail = fail, error = error, type = type,
	}, function(_, key) return seldom[key] and seldom[key]() end, error), "a rule")
end

-- Outputs that a rule always has: { tree = "dir" }.
local function fixed_outputs(given, ctx)
	local out = {}
	for _, name in ipairs(keys(given)) do
		local one = given[name]
		out[name] = { kind = "output", name = name, path = "/workspace/outputs/" .. one.path, type = one.type, is_dir = one.type == "dir", carried = one.carried,
			line = ctx.line, column = ctx.column }
	end
	return out
end

-- One input, named twice; not two inputs that happen to have the same bytes.
local function same(a, b)
	return a.name == b.name
end

-- Two things at one place, or one inside the other, would hide each other.
local function collide(ctx, taken, path, record)
	local other = taken[path]
	if other and other.kind == "input" and record.kind == "input" and same(other, record) then other = nil end
	other = other or above(taken, path)
	if other then
		-- What a step gives stands by its file's name, which only that step can say.
		local outputs_only = (other.step or other.kind == "output") and (record.step or record.kind == "output")
		attr.bad(ctx, record, ("%s '%s' and %s '%s' come to the same place '%s'\nhint: %s"):format(other.kind, other.name, record.kind, record.name, path:sub(12),
			outputs_only and "give one of the files another name in the outputs of its step" or "give an input another place with 'to:'"))
	end
end

-- Outputs by path, and what stands at each; none at another's.
local function by_place(ctx, outs)
	local taken = {}
	for _, name in ipairs(keys(outs)) do
		local record = outs[name]
		local other = taken[record.path]
		if other then attr.bad(ctx, record, ("outputs '%s' and '%s' are the same path"):format(other.name, name)) end
		taken[record.path] = record
	end
	return keys(taken), taken
end

local function output_list(paths, taken)
	local list = {}
	for i, path in ipairs(paths) do
		local record = taken[path]
		list[i] = { name = record.name, path = path, type = record.type, exclude = record.exclude, carried = record.carried }
	end
	return list
end

-- Inputs by path; every folder on the way is looked up, so the cost is the paths' depth. Longer paths come after shorter ones.
local function input_list(ctx, used, paths, taken)
	local by_path, inputs, list = {}, {}, {}
	for _, record in ipairs(used) do
		local path = record.path
		if record.kind == "temporary" then
			local other = taken[path]
			if other and other.kind == "output" then attr.bad(ctx, other, ("output '%s' is where a temporary stands"):format(other.name)) end
			taken[path] = record
		else
			local other = by_path[path]
			if other and not same(other, record) then collide(ctx, { [path] = other }, path, record) end
			by_path[path] = record
		end
	end
	for i, path in ipairs(keys(by_path)) do
		local record = by_path[path]
		collide(ctx, taken, path, record)
		collide(ctx, inputs, path, record)
		inputs[path] = record
		list[i] = { path = path, blob = record.blob, tree = record.tree, step = record.step, output = record.output }
	end
	for _, path in ipairs(paths) do collide(ctx, inputs, path, taken[path]) end
	return list
end

-- The whole way. ctx: where (the rule's file), file, what ("step"), name, rule, line, column, short, needs_only, takes, variables, find(name), image; node: the attributes.
local function evaluate(loaded, ctx, node)
	local given = made[loaded]
	if not given then error(ctx.where .. (source.made[loaded] and ": is a type of inputs, expected one of steps" or ": expected 'return rule { … }'"), 0) end
	if given.name ~= ctx.rule then error(("%s: the rule calls itself '%s', expected '%s'"):format(ctx.where, given.name, ctx.rule), 0) end
	if ctx.takes then return { given.shape.attrs[ctx.takes] and ctx.takes } end
	begin(ctx)
	ctx.needs, ctx.needed = {}, {}
	local values, outs = declare.check(ctx, given.shape, node, fixed_outputs(given.outputs, ctx))
	if ctx.needs_only then return ctx.needs end
	local used, out = {}, given.no_output and guard(ctx.out, given.no_output, nil) or ctx.out
	local actions = action.finish(ctx.where, given.plan(values, out, ctx.image), used, ctx)
	local paths, taken = by_place(ctx, outs)
	local outputs = output_list(paths, taken)
	return { actions = actions, inputs = input_list(ctx, used, paths, taken), outputs = outputs }
end

-- What the file says of itself.
local function about(loaded, ctx)
	local given = made[loaded] or source.made[loaded]
	if not given then error(ctx.where .. ": expected 'return rule { … }' or 'return source { … }'", 0) end
	if given.name ~= ctx.rule then error(("%s: the %s calls itself '%s', expected '%s'"):format(ctx.where, given.kind, given.name, ctx.rule), 0) end
	return declare.about(given)
end

return { about = about, made = made, begin = begin, vocabulary = vocabulary, evaluate = evaluate, closed = closed, sealed = sealed, sorted = sorted, copy = copy }
