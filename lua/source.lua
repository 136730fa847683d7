-- source.lua -- what a source file can name beside a rule's words, and the way from an input's attributes to its pin.
--
--   source { name, doc, attrs, example, resolve }     one type of input; resolve(a, net) returns a pin
--   pin.files { uri = …, ref = …, revision = …, single = true, files = { { path = …, url = …, sha256 = …, size = …, git_sha1 = …, exec = true }, … } }
--     a file may also be { path = …, text = … }, made of that text, or { path = …, target = … }, a link inside the folder
--   pin.git { url = …, ref = …, revision = … }
--   pin.url { url = …, sha256 = …, size = …, unpack = true, strip = 1 }
--   net.get(url, { headers = { … }, max = BYTES })    { status, url, body, header(name), json() }, whatever the status
--   net.json(url, { … })                              what the body says; a status other than 200 is an error. null is left out (in a list: false)
-- SPDX-License-Identifier: Apache-2.0

local fields = { "name", "doc", "attrs", "example", "resolve" }
local made = {}

-- An input has no workspace and no other inputs: these types are a step's.
local of_steps = { artifact = true, template = true, env = true, outputs = true }

local function source(given)
	local checked = declare.file("source", given, fields, "resolve", 3)
	for _, name in ipairs(checked.shape.names) do
		local decl = checked.shape.attrs[name]
		while decl.elem do decl = decl.elem end
		if of_steps[decl.kind] then error(("source: attribute '%s': attr.%s is for rules of steps"):format(name, decl.kind), 2) end
	end
	local self = {}
	made[self] = checked
	return self
end

-- Each pin: its fields, and the type of each. C looks at the values (model/pin.h).
local pin_fields = {
	files = { uri = "string", ref = "string", revision = "string", single = "boolean", files = "table" },
	git = { url = "string", ref = "string", revision = "string" },
	url = { url = "string", sha256 = "string", size = "number", unpack = "boolean", strip = "number" },
}
local file_fields = { path = "string", url = "string", sha256 = "string", size = "number", git_sha1 = "string", exec = "boolean", text = "string", target = "string" }

-- A new table of the known fields. What is false is left out: `exec = name:ends(".sh")`.
local function taken(given, known, what)
	if type(given) ~= "table" then error(("%s: got a %s, expected a table"):format(what, type(given)), 3) end
	local out = {}
	for _, key in ipairs(keys(given)) do
		if not known[key] then error(("%s has no field '%s'%s"):format(what, key, attr.meant(key, keys(known))), 3) end
		local value = given[key]
		if type(value) ~= known[key] then error(("%s: %s: got a %s, expected a %s"):format(what, key, type(value), known[key]), 3) end
		if type(value) == "number" and not integer(value) then error(("%s: %s: expected a whole number"):format(what, key), 3) end
		if value ~= false then out[key] = value end
	end
	return out
end

local pins, pin = {}, {}

for _, kind in ipairs(keys(pin_fields)) do
	pin[kind] = function(given)
		local out = taken(given, pin_fields[kind], "pin." .. kind)
		if out.files then
			local by_path, list = {}, {}
			local files, named = items(out.files)
			if named then error("pin.files: files: got a table with names, expected a list", 2) end
			for i, one in ipairs(files) do
				local file = taken(one, file_fields, ("pin.files: files[%d]"):format(i))
				if not file.path then error(("pin.files: files[%d]: path: is missing"):format(i), 2) end
				if by_path[file.path] then error(("pin.files: path '%s' is there twice"):format(file.path), 2) end
				by_path[file.path] = file
			end
			for i, path in ipairs(keys(by_path)) do list[i] = by_path[path] end
			out.files = list
		end
		out.pin = kind
		local self = {}
		pins[self] = out
		return self
	end
end

local call_options = { headers = "table", max = "number" }

-- The net that resolve gets: ask is C's.
local function network(ask)
	local function get(url, options, level)
		if type(url) ~= "string" then error(("net: got a %s, expected a URL"):format(type(url)), level) end
		local o, headers = taken(options or {}, call_options, "net"), {}
		for _, name in ipairs(keys(o.headers or {})) do
			if type(o.headers[name]) ~= "string" then error(("net: header '%s': expected a text"):format(name), level) end
			headers[#headers + 1] = name
			headers[#headers + 1] = o.headers[name]
		end
		local got = ask(url, headers, o.max or 0)
		local said = got.headers
		got.headers = nil
		got.header = function(name)
			if type(name) ~= "string" then error("header: expected a name", 2) end
			return said[name:lower()]
		end
		got.json = function()
			local value, fault = from_json(got.body)
			if fault then error(("%s: is not JSON: %s"):format(url_public(url), fault), 2) end
			return value
		end
		return got
	end
	return rule.sealed({
		get = function(url, options) return get(url, options, 3) end,
		json = function(url, options)
			local got = get(url, options, 3)
			if got.status ~= 200 then error(("%s: got status %d, expected 200"):format(url_public(url), got.status), 2) end
			local value, fault = from_json(got.body)
			if fault then error(("%s: is not JSON: %s"):format(url_public(url), fault), 2) end
			return value, got
		end,
	}, "net")
end

-- ctx: where (the rule's file), file, what ("input"), name, rule, line, column, ask; without ask only the attributes are looked at.
local function evaluate(loaded, ctx, node)
	local given = made[loaded]
	if not given then error(ctx.where .. (rule.made[loaded] and ": is a type of steps, expected one of inputs" or ": expected 'return source { … }'"), 0) end
	if given.name ~= ctx.rule then error(("%s: the source calls itself '%s', expected '%s'"):format(ctx.where, given.name, ctx.rule), 0) end
	rule.begin(ctx)
	local values = declare.check(ctx, given.shape, node, {})
	if not ctx.ask then return {} end
	local answer = given.resolve(values, network(ctx.ask))
	local out = pins[answer]
	if not out then error(("%s: resolve: got a %s, expected pin.files, pin.git or pin.url"):format(ctx.where, type(answer)), 0) end
	return out
end

return { word = source, made = made, pins = pin, made_pins = pins, evaluate = evaluate }
