-- expect.lua -- what a file of a rule's tests can say: tables in, actions (or a pin, or an error) out.
--
-- rules/NAME_test.lua tests rules/NAME.lua, and returns   expect.tests { { … }, … }   Each test:
--   name                        what it shows
--   attrs                       the attributes: YAML as in an Aicertfile, or a table
--   artifacts                   what the names in them stand for: { data = "file", code = "dir", ["step.output"] = { type = "file", base = "x.csv", to = … } }
--   image                       what the step runs in, if not in the host: { entrypoint = { "serve" }, cmd = { … }, workdir = "/srv" }
--   actions, inputs, outputs    of a step: { action.run { … } }, { ["resources/x.csv"] = "data" }, { model = "outputs/model" }; what is left out is not looked at
--   net, pin                    of an input: { ["https://…"] = "body", ["https://…"] = { status, body or json, headers, url } }, pin.files { … }
--   error                       instead of those: words that the error must hold
-- SPDX-License-Identifier: Apache-2.0

local fields = { "name", "attrs", "artifacts", "image", "actions", "inputs", "outputs", "net", "pin", "error" }
local made = {}

-- A new table of texts, whole numbers, flags and tables of them: what C can take.
local function plain(value, what, depth)
	if depth > 7 then error(what .. ": nested too deep", 0) end
	if type(value) == "number" and not integer(value) then error(what .. ": expected a whole number (write others as texts)", 0) end
	if type(value) == "string" or type(value) == "boolean" or type(value) == "number" then return value end
	if type(value) ~= "table" then error(("%s: got a %s, expected a text, number, flag or table"):format(what, type(value)), 0) end
	local out = {}
	local list, named = items(value)
	if named and #list > 0 then error(what .. ": got a list with names in it", 0) end
	for i, one in ipairs(list) do out[i] = plain(one, ("%s[%d]"):format(what, i), depth + 1) end
	for _, key in ipairs(named and keys(named) or {}) do out[key] = plain(value[key], what .. "." .. key, depth + 1) end
	return out
end

local function test(given, i, at)
	local what = ("%stest %d"):format(at, i)
	if type(given) ~= "table" then error(what .. ": expected a table", 0) end
	if type(given.name) ~= "string" then error(what .. ": name: expected a text", 0) end
	what = ("%stest '%s'"):format(at, given.name)
	for _, key in ipairs(keys(given)) do
		local known = false
		for _, one in ipairs(fields) do known = known or one == key end
		if not known then error(("%s: there is no '%s'%s"):format(what, key, attr.meant(key, fields)), 0) end
	end
	local out = { name = given.name }
	for _, key in ipairs { "attrs", "artifacts", "image", "inputs", "outputs", "net", "error" } do
		if given[key] ~= nil then out[key] = plain(given[key], ("%s: %s"):format(what, key), 0) end
	end
	if type(out.error or "") ~= "string" then error(what .. ": error: expected words", 0) end
	if given.actions ~= nil then out.actions = action.finish(what, given.actions, {}, { variables = {}, image = given.image }) end
	if given.pin ~= nil then
		out.pin = source.made_pins[given.pin]
		if not out.pin then error(what .. ": pin: expected pin.files, pin.git or pin.url", 0) end
	end
	return out
end

local function tests(list)
	if type(list) ~= "table" then error("expect.tests: expected a list of tests", 2) end
	local out, at = {}, where(2)
	for i, one in ipairs(list) do out[i] = test(one, i, at) end
	if #out == 0 then error("expect.tests: there are none", 2) end
	local self = {}
	made[self] = out
	return self
end

local function evaluate(loaded, ctx)
	return made[loaded] or error(ctx.where .. ": expected 'return expect.tests { … }'", 0)
end

return { tests = tests, evaluate = evaluate }
