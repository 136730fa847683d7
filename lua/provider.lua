-- provider.lua -- what a file of rules/providers can name, and the way from settings to the command lines of a stage.
--
--   provider { name, doc, disks, settings, stages }     disks: the form in which it takes disks (raw, vhd or gcp)
--   setting.text { … }  setting.number { … }  setting.choice { … }
--   call { argv = { "az", "group", "create", … } }      one command line, run as it is; lists in it are flattened, false is nothing
--
-- A cloud has the stages create, upload, start, wait, collect and destroy, each a list of calls. A machine of this host has the stages tpm and
-- machine, each one call: two programs that are started together, watched, and surely ended.
--
-- Of a call of a cloud:
--             keep = NAME      what it prints (one text, without its end of line) is run.said.NAME from then on
--             secret = true    that text is a secret: it may go into env, and is refused in a command line
--             like = TEXT      an example of it, for a dry run
--             env = {…}        variables beside the user's own; "" takes one away
--             expect = TEXT    it must print this
--             wait_for = TEXT  it is called every `every` seconds until it prints this
--             every = SECONDS  a text; in destroy, how long to wait before all is tried again
--             maybe = true     its failure is none
--             show = true      what it prints goes to the log
-- Of a call of this host:
--             package = NAME   which package brings the program, for whoever lacks it
-- SPDX-License-Identifier: Apache-2.0

local fields = { "name", "doc", "disks", "settings", "stages" }
local places = {
	cloud = { "create", "upload", "start", "wait", "collect", "destroy" },
	host = { "tpm", "machine" },
}
local disk_forms = { "raw", "vhd", "gcp" }
local call_texts = { "keep", "like", "expect", "wait_for" }
local call_flags = { "secret", "maybe", "show" }
local call_others = { "env", "every" }
local program_fields = { "argv", "package" }

local providers, calls, settings = {}, {}, {}

local function among(word, list)
	for _, one in ipairs(list) do
		if one == word then return true end
	end
	return false
end

local function known(t, lists, what)
	for _, key in ipairs(keys(t)) do
		local all = {}
		for _, list in ipairs(lists) do
			for _, one in ipairs(list) do all[#all + 1] = one end
		end
		if not among(key, all) then error(("%s has no field '%s'%s"):format(what, key, attr.meant(key, all)), 3) end
	end
end

-- Each type: its options, and what is wrong with a text, or nil.
local types = {
	text = { { "only", "max" }, function(d, text)
		local set = d.only or "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
		if not only(text, set) then return "expected characters of '" .. set .. "' only" end
		-- It would be read as an option of the command that it is given to.
		if text:starts("-") then return "expected a text that does not begin with '-'" end
		if text:len() > (d.max or 100) then return ("expected at most %d characters"):format(d.max or 100) end
	end },
	number = { { "from", "to" }, function(d, text)
		local n = only(text, "0123456789") and integer(text)
		if not n or n < d.from or n > d.to then return ("expected a number from %d to %d"):format(d.from, d.to) end
	end },
	choice = { { "of" }, function(d, text)
		if not among(text, d.of) then return "expected one of " .. join(d.of, ", ") .. attr.meant(text, d.of) end
	end },
}

local setting = {}
for _, kind in ipairs(keys(types)) do
	setting[kind] = function(given)
		if type(given) ~= "table" then error(("setting.%s: expected a table"):format(kind), 2) end
		known(given, { { "doc", "default", "optional" }, types[kind][1] }, "setting." .. kind)
		local self = { kind = kind, given = given, fault = types[kind][2] }
		settings[self] = true
		return self
	end
end

local function call(given)
	if type(given) ~= "table" then error("call: expected a table", 2) end
	known(given, { program_fields, call_texts, call_flags, call_others }, "call")
	local self = {}
	calls[self] = { given = given, where = where(2) }
	return self
end

-- Where its machines are.
local function place_of(given)
	return given.stages.machine and "host" or "cloud"
end

local function provider(given)
	if type(given) ~= "table" then error("provider: expected a table", 2) end
	known(given, { fields }, "provider")
	for _, key in ipairs(fields) do
		local want = (key == "settings" or key == "stages") and "table" or "string"
		if type(given[key]) ~= want then error(("provider: %s: got a %s, expected a %s"):format(key, type(given[key]), want), 2) end
	end
	if not among(given.disks, disk_forms) then error("provider: disks: expected one of " .. join(disk_forms, ", "), 2) end
	local names = places[place_of(given)]
	known(given.stages, { names }, "provider: stages")
	for _, key in ipairs(names) do
		if type(given.stages[key]) ~= "function" then error(("provider: stage '%s' is missing: expected a function"):format(key), 2) end
	end
	for _, key in ipairs(keys(given.settings)) do
		if not settings[given.settings[key]] then error(("provider: setting '%s': expected a type like setting.text {}"):format(key), 2) end
	end
	local self = {}
	providers[self] = given
	return self
end

-- A setting that has no text is false: a stage writes `s.zone and { "--zone", s.zone }`.
local function values_of(given, chosen)
	local out = {}
	for _, key in ipairs(keys(chosen)) do
		if not given.settings[key] then
			error(("provider '%s' has no setting '%s'%s"):format(given.name, key, attr.meant(key, keys(given.settings))), 0)
		end
	end
	for _, key in ipairs(keys(given.settings)) do
		local s = given.settings[key]
		local text = chosen[key] or s.given.default
		if text == nil and not s.given.optional then
			error(("provider '%s' needs the setting '%s': %s\nhint: --set %s=…"):format(given.name, key, s.given.doc or "", key), 0)
		end
		local fault = text and s.fault(s.given, text)
		if fault then error(("provider '%s': setting '%s': got '%s', %s"):format(given.name, key, text, fault), 0) end
		out[key] = text or false
	end
	return out
end

local function flatten(value, at, out, depth)
	if type(value) == "string" then
		out[#out + 1] = value
	elseif value == false then
		return out
	elseif type(value) == "table" and depth < 8 and not calls[value] then
		for _, one in ipairs(value) do flatten(one, at, out, depth + 1) end
	else
		error(at .. ("call: got a %s, expected texts"):format(type(value)), 0)
	end
	return out
end

-- One of the two of a machine of this host.
local function program(self, out)
	for _, key in ipairs(keys(self.given)) do
		if not among(key, program_fields) then error(self.where .. ("call: %s: is for a cloud: expected argv and package only"):format(key), 0) end
	end
	if type(out.package) ~= "string" then error(self.where .. "call: package: expected the name of the package that brings the program", 0) end
	return out
end

local function line(self, host)
	local o = self.given
	local out = { argv = flatten(o.argv or {}, self.where, {}, 0), package = o.package }
	if #out.argv == 0 then error(self.where .. "call: no command", 0) end
	if host then return program(self, out) end
	if o.package ~= nil then error(self.where .. "call: package: is for a machine of this host", 0) end
	for _, key in ipairs(call_texts) do
		if o[key] ~= nil and type(o[key]) ~= "string" then error(self.where .. ("call: %s: expected a text"):format(key), 0) end
		out[key] = o[key]
	end
	for _, key in ipairs(call_flags) do out[key] = o[key] and "yes" or nil end
	if o.secret and not o.keep then error(self.where .. "call: secret: there is nothing kept: expected keep too", 0) end
	if o.keep and not o.like then error(self.where .. "call: keep: expected like too, an example of what it prints", 0) end
	if o.wait_for or o.every then
		if type(o.every) ~= "string" or not only(o.every, "0123456789") or o.every:len() > 5 then
			error(self.where .. "call: every: expected a text of digits, in seconds", 0)
		end
		out.every = o.every
	end
	for _, key in ipairs(keys(o.env or {})) do
		out.env = out.env or {}
		if not is_variable(key) or type(o.env[key]) ~= "string" then
			error(self.where .. ("call: env: '%s': expected a variable's name and a text"):format(key), 0)
		end
		out.env[key] = o.env[key]
	end
	return out
end

local function about(given)
	local list = {}
	for i, key in ipairs(keys(given.settings)) do
		local s = given.settings[key]
		local needed = s.given.default == nil and not s.given.optional
		list[i] = { name = key, type = s.kind, doc = s.given.doc, default = s.given.default, needed = needed and "yes" or nil }
	end
	return { name = given.name, doc = given.doc, disks = given.disks, place = place_of(given), settings = list }
end

-- asked: { stage, settings, run }, or {} for what the file says of itself.
local function evaluate(loaded, at, asked)
	local given = providers[loaded]
	if not given then error(at .. ": expected 'return provider { … }'", 0) end
	if not asked.settings then return about(given) end
	local values = values_of(given, asked.settings)
	if not asked.stage then return {} end
	local place = place_of(given)
	if not given.stages[asked.stage] then error(("%s: a machine of this host has no stage '%s'"):format(at, asked.stage), 0) end
	-- A stage that asks for what nobody said would write half a command line.
	if place == "cloud" then asked.run.said = rule.sealed(asked.run.said, "run.said") end
	local planned, out = given.stages[asked.stage](rule.sealed(values, "settings"), rule.sealed(asked.run, "run")), {}
	if type(planned) ~= "table" then error(("%s: stage '%s': expected a list of calls"):format(at, asked.stage), 0) end
	for i, one in ipairs(planned) do
		if not calls[one] then error(("%s: stage '%s': item %d is not a call"):format(at, asked.stage, i), 0) end
		out[i] = line(calls[one], place == "host")
	end
	if place == "host" and #out ~= 1 then error(("%s: stage '%s': got %d calls, expected one"):format(at, asked.stage, #out), 0) end
	return out
end

local function vocabulary()
	return rule.closed({
		provider = provider, setting = rule.sealed(setting, "setting"), call = call,
		sorted = rule.sorted, copy = rule.copy, ipairs = ipairs, error = error, type = type,
	}, "a provider")
end

return { vocabulary = vocabulary, evaluate = evaluate }
