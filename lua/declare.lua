-- declare.lua -- how a file of rules/ declares itself: the words attr.*, what rule {} and source {} have in common, and the check of a map of attributes.
--
-- A rule declares   attrs = { entry = attr.path { default = "main.py", doc = "…" } }   and gets a.entry, checked.
-- Every type takes doc, default, optional and alias (a second name). Without default or optional it must be given.
-- SPDX-License-Identifier: Apache-2.0

local common = { doc = "string", optional = "boolean", alias = "string" }
local option_types = { min = "number", max = "number", of = "table", len = "table", parts = "number", at = "string", under = "string", only = "string",
	keys = "string" }
local of_elements = { at = true, under = true, only = true }

-- Each declaration by what the word returned: a file cannot look into it, nor change it.
local made = {}

-- The option as it is kept: a list is the declaration's own.
local function check_option(what, key, value, level)
	local want = common[key] or option_types[key]
	if want and type(value) ~= want then error(("%s: %s: got a %s, expected a %s"):format(what, key, type(value), want), level + 1) end
	if key == "only" and value ~= "file" and value ~= "dir" then error(("%s: only: expected \"file\" or \"dir\""):format(what), level + 1) end
	if key == "keys" and value ~= "path" and value ~= "name" then error(("%s: keys: expected \"name\" or \"path\""):format(what), level + 1) end
	if key == "alias" and value == "" then error(what .. ": alias: is empty", level + 1) end
	if want ~= "table" then return value end
	local list, named = items(value)
	if named then error(("%s: %s: expected a list"):format(what, key), level + 1) end
	for i, one in ipairs(list) do
		local good = key == "of" and type(one) == "string" or key == "len" and type(one) == "number" and integer(one)
		if not good then error(("%s: %s: item %d is not one"):format(what, key, i), level + 1) end
	end
	return list
end

local function check_default(what, decl, want, level)
	local value = decl.default
	if value == nil then return end
	if not want then error(what .. " has no default: make it optional", level + 1) end
	local good = type(value) == want
	if good and decl.kind == "integer" then
		good = integer(value) and not (decl.min and value < decl.min) and not (decl.max and value > decl.max)
	elseif good and decl.kind == "number" then
		good = decimal(value)
	elseif good and decl.kind == "choice" then
		local known = false
		for _, one in ipairs(decl.of) do known = known or one == value end
		good = known
	elseif good and decl.kind == "path" then
		good = not path_fault(value)
	end
	if not good then error(("%s: default: is not what the attribute takes"):format(what), level + 1) end
end

-- Called by a tail call: level 2 is the line of the file.
local function declare(kind, options, check, want, given, elem)
	local what, decl = "attr." .. kind, { kind = kind, check = check, elem = elem }
	if type(given) ~= "table" then error(("%s: expected a table of options: %s {}"):format(what, what), 2) end
	for _, key in ipairs(keys(given)) do
		local good = common[key] or key == "default" or (elem and of_elements[key])
		for _, one in ipairs(options) do good = good or one == key end
		if not good then
			local known = { "default" }
			for _, list in ipairs { keys(common), options, elem and keys(of_elements) or {} } do
				for _, one in ipairs(list) do known[#known + 1] = one end
			end
			error(("%s has no option '%s'%s"):format(what, key, attr.meant(key, known)), 2)
		end
		decl[key] = check_option(what, key, given[key], 2)
	end
	if kind == "choice" and not (decl.of and #decl.of > 0) then error("attr.choice: of: expected a list of words", 2) end
	check_default(what, decl, want, 2)
	local self = {}
	made[self] = decl
	return self
end

local words = {}

for _, kind in ipairs(keys(attr.types)) do
	local options, check, want = attr.types[kind][1], attr.types[kind][2], attr.types[kind][3]
	words[kind] = function(given) return declare(kind, options, check, want, given) end
end

-- attr.list(attr.text) { doc = "…" }: of a type, or of a declaration.
for _, kind in ipairs(keys(attr.containers)) do
	words[kind] = function(elem)
		if type(elem) == "function" then elem = elem {} end
		local inner = made[elem]
		if not inner then error(("attr.%s: expected a type: attr.%s(attr.text) {}"):format(kind, kind), 2) end
		if inner.kind == "outputs" then error(("attr.%s: outputs are one attribute"):format(kind), 2) end
		return function(given)
			-- One declaration may be the element of several, each with its own place for artifacts.
			local own = {}
			for _, key in ipairs(keys(inner)) do own[key] = inner[key] end
			for _, key in ipairs(type(given) == "table" and keys(of_elements) or {}) do own[key] = given[key] or own[key] end
			return declare(kind, attr.containers[kind][1], attr.containers[kind][2], "table", given, own)
		end
	end
end

-- The attributes of a file, as check() wants them.
local function shape_of(word, given, level)
	local shape = { attrs = {}, names = keys(given), by_key = {} }
	for _, name in ipairs(shape.names) do
		local decl = made[given[name]]
		if not decl then
			error(("%s: attribute '%s': expected a type like attr.text {} (containers: attr.list(attr.text) {})"):format(word, name), level + 1)
		end
		if decl.kind == "outputs" then
			if shape.outputs then error(word .. ": attrs: there are two of attr.outputs", level + 1) end
			shape.outputs = name
		end
		shape.attrs[name] = decl
		shape.by_key[name] = name
	end
	for _, name in ipairs(shape.names) do
		local alias = shape.attrs[name].alias
		if alias and shape.by_key[alias] then error(("%s: alias '%s' of '%s' is another attribute's name"):format(word, alias, name), level + 1) end
		if alias then shape.by_key[alias] = name end
	end
	-- What the rule's code asks of its attributes: one that was not given is nil, and one that was never declared is misspelt.
	shape.absent = function(_, key)
		if shape.attrs[key] then return nil end
		error(("the %s declares no attribute '%s'%s"):format(word, key, type(key) == "string" and attr.meant(key, shape.names) or ""), 2)
	end
	return shape
end

-- What rule {} and source {} have in common. code: the field that is its function. Returns a copy: what the file does to its table later changes nothing.
local function file(word, given, fields, code, level)
	if type(given) ~= "table" then error(word .. ": expected a table", level) end
	for _, key in ipairs(keys(given)) do
		local known = false
		for _, one in ipairs(fields) do known = known or one == key end
		if not known then error(("%s has no field '%s'%s"):format(word, key, attr.meant(key, fields)), level) end
	end
	local want = { name = "string", attrs = "table", doc = "string", example = "string", outputs = "table", [code] = "function" }
	local other = { doc = "", example = "", outputs = {} }
	local self = { kind = word }
	for _, key in ipairs(fields) do
		local value = given[key]
		if value == nil then value = other[key] end
		if type(value) ~= want[key] then error(("%s: %s: got a %s, expected a %s"):format(word, key, type(value), want[key]), level) end
		self[key] = value
	end
	self.shape = shape_of(word, given.attrs, level)
	return self
end

-- The keys of a step or input beside its rule's attributes: for near names only.
local frame = { "use", "environment", "limits", "matrix", "checkpoint" }
local short_frame = { "kind", "name", "environment", "limits", "inputs", "image" }
local input_frame = { "use", "type", "name", "to" }

local function unknown(ctx, shape, pair)
	local known = keys(shape.by_key)
	for _, one in ipairs(ctx.what == "input" and input_frame or ctx.short and short_frame or frame) do known[#known + 1] = one end
	-- The short form's word for what the long form calls environment.
	local other = pair.key == "image" and ctx.what == "step" and " (an image is written 'environment: { image: NAME }')" or attr.meant(pair.key, known)
	attr.bad(ctx, pair, ("'%s' takes no attribute '%s'%s"):format(ctx.rule, pair.key, other))
end

-- The values of the attributes in node, and the outputs. ctx: see evaluate in rule.lua.
local function check(ctx, shape, node, outs)
	local given, values, by_key, attrs = {}, {}, shape.by_key, shape.attrs
	for _, pair in ipairs(node.map) do
		local name = by_key[pair.key]
		if not name then unknown(ctx, shape, pair) end
		if given[name] then attr.bad(ctx, pair, ("'%s' and '%s' say the same: write one of them"):format(given[name].key, pair.key)) end
		given[name] = pair
	end
	if shape.outputs then
		local pair = given[shape.outputs]
		ctx.attr = pair and pair.key or shape.outputs
		if pair or not attrs[shape.outputs].optional then
			local written = attr.outputs(ctx, attrs[shape.outputs], pair and pair.value or { text = "outputs", line = ctx.line, column = ctx.column })
			for _, name in ipairs(keys(outs)) do
				if written[name] then attr.bad(ctx, written[name], ("output '%s': the rule has one of that name"):format(name)) end
				written[name] = outs[name]
			end
			outs = written
		end
	end
	ctx.out = {}
	for _, name in ipairs(keys(outs)) do ctx.out[name] = wrap(outs[name]) end
	-- In the order written, so that the first mistake of the file is the one that is told.
	for _, pair in ipairs(node.map) do
		local name = by_key[pair.key]
		ctx.attr = pair.key
		if name ~= shape.outputs then values[name] = attrs[name].check(ctx, attrs[name], pair.value) end
	end
	for _, name in ipairs(shape.names) do
		if values[name] == nil and name ~= shape.outputs then
			local decl = attrs[name]
			values[name] = decl.default
			if decl.default == nil and not decl.optional then
				attr.bad(ctx, ctx, ("'%s' needs the attribute '%s'%s"):format(ctx.rule, name, decl.doc and ": " .. decl.doc or ""))
			end
		end
	end
	return guard(values, shape.absent, nil), outs
end

-- "list of artifact", "one of a, b", "hex of 40 or 64".
local function type_name(decl, depth)
	if decl.elem then return depth < 8 and decl.kind .. " of " .. type_name(decl.elem, depth + 1) or decl.kind end
	if decl.kind == "choice" then return "one of " .. join(decl.of, ", ") end
	if decl.kind == "artifact" and decl.only then return decl.only == "dir" and "folder" or "file" end
	return decl.kind
end

-- A default as an Aicertfile would have it.
local function shown(value)
	if type(value) == "string" then return value end
	if type(value) == "number" then return ("%d"):format(value) end
	if type(value) == "boolean" then return value and "true" or "false" end
	local parts = {}
	for i, one in ipairs(value) do parts[i] = type(one) == "string" and one or "…" end
	return #parts > 0 and "[" .. join(parts, ", ") .. "]" or "none"
end

-- What a file says of itself; aicert rules NAME prints it.
local function about(self)
	local list, outs = {}, {}
	for i, name in ipairs(self.shape.names) do
		local decl = self.shape.attrs[name]
		list[i] = { name = name, type = type_name(decl, 0), doc = decl.doc, alias = decl.alias, optional = decl.optional and true or nil }
		if decl.default ~= nil then list[i].default = shown(decl.default) end
	end
	for i, name in ipairs(keys(self.outputs or {})) do outs[i] = { name = name, type = self.outputs[name].type } end
	return { name = self.name, kind = self.kind, doc = self.doc, example = self.example, attrs = list, outputs = outs }
end

return { words = words, made = made, file = file, check = check, about = about }
