-- attr.lua -- the types of attributes: the check of what an Aicertfile says. How a rule declares them: declare.lua.
--
-- What is checked is the text that was written: { text, line, column }, { list } or { map }. A failure names its place.
-- SPDX-License-Identifier: Apache-2.0

-- The place and the step or input before what is wrong.
local function bad(ctx, node, what)
	error(("%s:%d:%d: %s '%s': %s"):format(ctx.file, node.line, node.column, ctx.what, ctx.name, what), 0)
end

local function meant(word, list)
	local word_near = near(word, list)
	return word_near and (" (did you mean '%s'?)"):format(word_near) or ""
end

local function scalar(ctx, node, expected)
	if not node.text then
		bad(ctx, node, ("%s: got a %s, expected %s"):format(ctx.attr, node.list and "list" or "map", expected))
	end
	return node.text
end

local function expect(ctx, node, good, expected)
	if not good then bad(ctx, node, ("%s: expected %s, got '%s'"):format(ctx.attr, expected, node.text)) end
end

local LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
local DIGITS = "0123456789"

local function is_name(name)
	return only(name, LETTERS .. DIGITS .. "-") and name:len() <= 100
end

-- Below /workspace, written in full or relative to base.
local function workspace_path(ctx, node, path, base)
	local full, wrong = workspace(path, base)
	if not full then bad(ctx, node, ("%s: %s"):format(ctx.attr, wrong)) end
	return full
end

-- The artifact that a name stands for, placed as the declaration says unless the input has a `to:`.
local function artifact(ctx, decl, node, name)
	local info = ctx.find(name)
	if info.several then
		bad(ctx, node, ("%s: '%s' is an output of every step of a matrix, expected one: %s"):format(ctx.attr, name, info.several))
	end
	if not info.found then
		bad(ctx, node, ("%s: there is no input or step output '%s'%s"):format(ctx.attr, name,
			info.near and (" (did you mean '%s'?)"):format(info.near) or ""))
	end
	if decl.at and info.to then
		bad(ctx, node, ("%s: '%s' always stands at '%s': leave its 'to' out"):format(ctx.attr, name, decl.at))
	end
	if decl.only and not ctx.needs_only and (decl.only == "dir") ~= info.is_dir then
		bad(ctx, node, ("%s: '%s' is a %s, expected a %s"):format(ctx.attr, name, info.is_dir and "folder" or "file",
			decl.only == "dir" and "folder" or "file"))
	end
	if info.step and not ctx.needed[info.step] then
		ctx.needed[info.step] = true
		ctx.needs[#ctx.needs + 1] = info.step
	end
	ctx.attr = name
	local path = workspace_path(ctx, node, info.to or decl.at or (decl.under or "resources") .. "/" .. info.base, "")
	if path == "/workspace/outputs" or path:starts("/workspace/outputs/") then
		bad(ctx, node, ("%s: '%s' is where results are collected: expected another place"):format(name, path:sub(12)))
	end
	return wrap {
		kind = "input", name = name, line = node.line, column = node.column, is_dir = info.is_dir,
		path = path, blob = info.blob, tree = info.tree, step = info.step, output = info.output,
	}
end

-- "--data=${alpaca} ${out.model}" is one value: a text with artifacts in it. "$${" is "${".
local function template(ctx, decl, node)
	local text, parts = scalar(ctx, node, "a text"), {}
	local attr, from, plain = ctx.attr, 1, ""
	while true do
		local at = text:find("${", from)
		if not at then break end
		plain = plain .. text:sub(from, at - 1)
		if at > 1 and text:sub(at - 1, at - 1) == "$" then
			plain, from = plain .. "{", at + 2
		else
			local to = text:find("}", at)
			if not to then bad(ctx, node, ("%s: '${' without '}': write '$${' for the characters themselves"):format(attr)) end
			local name = text:sub(at + 2, to - 1)
			local part
			if name:starts("out.") then
				part = ctx.out[name:sub(5)]
				if not part then
					bad(ctx, node, ("%s: there is no output '%s'%s"):format(attr, name:sub(5), meant(name:sub(5), keys(ctx.out))))
				end
			else
				part = artifact(ctx, decl, node, name)
				ctx.attr = attr
			end
			if plain ~= "" then parts[#parts + 1] = plain end
			parts[#parts + 1] = part
			plain, from = "", to + 1
		end
	end
	plain = plain .. text:sub(from)
	if #parts == 0 then return plain end
	if plain ~= "" then parts[#parts + 1] = plain end
	return #parts == 1 and parts[1] or wrap { kind = "text", parts = parts }
end

-- The nodes that the name of a matrix's output stands for, one for each of its steps; nil: it is no such name.
local function several(ctx, node)
	local names = node.text and node.text:find(".") and ctx.all(node.text)
	for i, name in ipairs(names or {}) do names[i] = { text = name, line = node.line, column = node.column } end
	return names
end

local function list(ctx, decl, node)
	if not node.list then bad(ctx, node, ("%s: got a %s, expected a list"):format(ctx.attr, node.text and "text" or "map")) end
	local out, attr = {}, ctx.attr
	for _, item in ipairs(node.list) do
		for _, one in ipairs(decl.elem.kind == "artifact" and several(ctx, item) or { item }) do
			ctx.attr = attr
			out[#out + 1] = decl.elem.check(ctx, decl.elem, one)
		end
	end
	return out
end

-- A list of artifacts is also a map of them: each is called what it is called.
local function named_list(ctx, decl, node)
	local out, attr = {}, ctx.attr
	local function add(key, item)
		if out[key] then bad(ctx, item, ("%s: two are called '%s': write a map with names of your own"):format(attr, key)) end
		ctx.attr = attr
		out[key] = decl.elem.check(ctx, decl.elem, item)
	end
	for _, item in ipairs(node.list) do
		ctx.attr = attr
		local name = scalar(ctx, item, "the name of an input")
		local dot, many = name:find("."), several(ctx, item)
		for _, one in ipairs(many or {}) do add(one.text:sub(1, one.text:find(".") - 1), one) end
		if not many then add(dot and name:sub(dot + 1) or name, item) end
	end
	return out
end

local function map(ctx, decl, node)
	if node.list and decl.elem.kind == "artifact" then return named_list(ctx, decl, node) end
	if not node.map then bad(ctx, node, ("%s: got a %s, expected a map"):format(ctx.attr, node.text and "text" or "list")) end
	local out, attr = {}, ctx.attr
	for _, pair in ipairs(node.map) do
		ctx.attr = attr
		local fault = decl.keys == "path" and path_fault(pair.key)
		if fault then bad(ctx, pair, ("%s: %s"):format(attr, fault)) end
		if decl.keys ~= "path" and not is_name(pair.key) then
			bad(ctx, pair, ("%s: name '%s': expected letters, digits, '_' and '-' only"):format(attr, pair.key))
		end
		out[pair.key] = decl.elem.check(ctx, decl.elem, pair.value)
	end
	return out
end

local function env(ctx, decl, node)
	if not node.map then bad(ctx, node, ("%s: expected a map of variables"):format(ctx.attr)) end
	local out, attr = {}, ctx.attr
	for _, pair in ipairs(node.map) do
		ctx.attr = attr .. ": " .. pair.key
		if not is_variable(pair.key) then
			bad(ctx, pair, ("%s: '%s' is not a variable's name: expected letters, digits and '_'"):format(attr, pair.key))
		end
		if is_secret(pair.key) then
			bad(ctx, pair, ("%s: '%s' is the name of a secret, and a step's environment is published with the proof\nhint: "
				.. "take the variable out; what a step needs a secret for is an input"):format(attr, pair.key))
		end
		out[pair.key] = template(ctx, decl, pair.value)
	end
	return out
end

local output_keys = { "path", "type", "exclude", "carried" }

local function flag(ctx, node)
	local word = scalar(ctx, node, "true or false"):lower()
	expect(ctx, node, word == "true" or word == "false", "true or false")
	return word == "true"
end

local function excludes(ctx, node)
	local out = {}
	for i, item in ipairs(node.list or { node }) do out[i] = scalar(ctx, item, "a pattern") end
	return #out > 0 and out or nil
end

-- One output of a map: `name: path`, or `name: { path, type, exclude, carried }`.
local function output(ctx, name, node)
	local path, kind, exclude, carried = name, nil, nil, nil
	ctx.attr = "output '" .. name .. "'"
	if node.text then
		path = node.text
		if path == "file" or path == "dir" then
			bad(ctx, node, ("%s: got '%s', expected a path\nhint: write {type: %s} to say what it is"):format(ctx.attr, path, path))
		end
	elseif node.map then
		for _, pair in ipairs(node.map) do
			if pair.key == "path" then path = scalar(ctx, pair.value, "a path")
			elseif pair.key == "type" then kind = scalar(ctx, pair.value, "file or dir")
			elseif pair.key == "exclude" then exclude = excludes(ctx, pair.value)
			elseif pair.key == "carried" then carried = flag(ctx, pair.value)
			else bad(ctx, pair, ("%s has no key '%s'%s"):format(ctx.attr, pair.key, meant(pair.key, output_keys))) end
		end
	else
		bad(ctx, node, ("%s: got a list, expected a path or {path, type, exclude, carried}"):format(ctx.attr))
	end
	if path == "" then bad(ctx, node, ctx.attr .. ": the path is empty") end
	if kind and kind ~= "file" and kind ~= "dir" then bad(ctx, node, ("%s: type: expected file or dir, got '%s'"):format(ctx.attr, kind)) end
	local folder = path == "." or path:ends("/") or path == "/workspace/outputs"
	if kind == "file" and folder then bad(ctx, node, ("%s: '%s' is a folder, expected a file"):format(ctx.attr, path)) end
	kind = kind or (folder and "dir" or "file")
	if exclude and kind == "file" then bad(ctx, node, ctx.attr .. ": 'exclude' is for folders") end
	if carried and kind == "dir" then bad(ctx, node, ctx.attr .. ": 'carried' is for files: a proof carries no folder") end
	return { kind = "output", name = name, path = workspace_path(ctx, node, path, "outputs"), type = kind, exclude = exclude,
		carried = carried or nil, is_dir = kind == "dir", line = node.line, column = node.column }
end

-- A scalar is the folder to collect, a map names files and folders in /workspace/outputs.
local function outputs(ctx, decl, node)
	local out = {}
	if node.text and node.text ~= "" then
		out.outputs = { kind = "output", name = "outputs", path = workspace_path(ctx, node, node.text, ""), type = "dir", is_dir = true,
			line = node.line, column = node.column }
		return out
	end
	if not node.map or #node.map == 0 then bad(ctx, node, ("%s: expected a folder, or a map of names and paths"):format(ctx.attr)) end
	for _, pair in ipairs(node.map) do
		if not is_name(pair.key) then
			bad(ctx, pair, ("output '%s': expected letters, digits, '_' and '-' only"):format(pair.key))
		end
		out[pair.key] = output(ctx, pair.key, pair.value)
	end
	return out
end

-- Each type: the options it takes beside the common ones, the check, and the type of a default that stands in a rule (nil: it has none).
local types = {
	text = { {}, function(ctx, decl, node) return scalar(ctx, node, "a text") end, "string" },
	lines = { {}, function(ctx, decl, node)
		if not node.list then return scalar(ctx, node, "a text or a list of lines") end
		local out = {}
		for i, item in ipairs(node.list) do out[i] = scalar(ctx, item, "a line of text") end
		return join(out, "\n")
	end, "string" },
	integer = { { "min", "max" }, function(ctx, decl, node)
		local n = integer(scalar(ctx, node, "a whole number"))
		expect(ctx, node, n, "a whole number")
		expect(ctx, node, not decl.min or n >= decl.min, ("at least %d"):format(decl.min or 0))
		expect(ctx, node, not decl.max or n <= decl.max, ("at most %d"):format(decl.max or 0))
		return n
	end, "number" },
	-- Stays the text that was written: 1e-4 and 0.0001 are two.
	number = { { "min", "max" }, function(ctx, decl, node)
		local text = scalar(ctx, node, "a number")
		local n = decimal(text)
		expect(ctx, node, n, "a number like 0.5 or 1e-4")
		expect(ctx, node, not decl.min or n >= decl.min, "a larger number")
		expect(ctx, node, not decl.max or n <= decl.max, "a smaller number")
		return text
	end, "string" },
	flag = { {}, function(ctx, decl, node) return flag(ctx, node) end, "boolean" },
	choice = { { "of" }, function(ctx, decl, node)
		local word = scalar(ctx, node, "one word")
		for _, one in ipairs(decl.of) do
			if word == one then return word end
		end
		bad(ctx, node, ("%s: expected one of %s, got '%s'%s"):format(ctx.attr, join(decl.of, ", "), word, meant(word, decl.of)))
	end, "string" },
	version = { { "parts" }, function(ctx, decl, node)
		local v = scalar(ctx, node, "a version")
		local good = true
		for _, part in ipairs(v:split(".")) do good = good and only(part, DIGITS) and part:len() <= 4 end
		expect(ctx, node, good and #v:split(".") <= (decl.parts or 3), "a version like 3.11")
		return v
	end, "string" },
	path = { {}, function(ctx, decl, node)
		local path = tidy(scalar(ctx, node, "a path"))
		local fault = path_fault(path)
		if fault then bad(ctx, node, ("%s: %s"):format(ctx.attr, fault)) end
		return path
	end, "string" },
	url = { {}, function(ctx, decl, node)
		local url = scalar(ctx, node, "a URL")
		if url_has_secret(url) then bad(ctx, node, ctx.attr .. ": the URL holds a secret, and is published with the proof") end
		expect(ctx, node, url:find("://"), "a URL like https://…")
		return url
	end, "string" },
	hex = { { "len" }, function(ctx, decl, node)
		local s, good, want = scalar(ctx, node, "hex digits"), decl.len == nil, {}
		for i, n in ipairs(decl.len or {}) do
			good = good or s:len() == n
			want[i] = ("%d"):format(n)
		end
		expect(ctx, node, good and only(s, "0123456789abcdef"), (#want > 0 and join(want, " or ") .. " " or "") .. "lower-case hex digits")
		return s
	end, "string" },
	artifact = { { "at", "under", "only" }, function(ctx, decl, node)
		return artifact(ctx, decl, node, scalar(ctx, node, "the name of an input or of a step's output"))
	end },
	template = { { "under" }, template, "string" },
	env = { { "under" }, env, "table" },
	outputs = { {}, outputs },
}

-- A list of one type, a map of one type: made of an element's declaration. Each: the options it takes, and the check.
local containers = { list = { {}, list }, map = { { "keys" }, map } }

return { types = types, containers = containers, outputs = outputs, bad = bad, meant = meant, is_name = is_name }
