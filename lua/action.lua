-- action.lua -- the closed set of what a step can do, and how values become texts of the recipe.
--
--   action.run { argv = {…}, env = {…}, cwd = "…", inputs = {…} }   runs one command
--   action.write { path = "…", text = "…" }                         writes a text file
--   action.copy { from = …, to = "…" }                              copies a file
--     A list may have holes: what is nil (an attribute that was not given) is left out.
--   temporary "name"                                                a path that one action of the step writes and another reads; gone with the step
--
-- An artifact placed anywhere in an action, or in its `inputs`, becomes an input of the step and renders as its path.
-- SPDX-License-Identifier: Apache-2.0

-- What every command starts with: the same on every machine. A rule's or a user's env goes over it.
local base_env = {
	PATH = "/usr/local/bin:/usr/bin:/bin", HOME = "/home/aicert", USER = "aicert", LOGNAME = "aicert", TMPDIR = "/tmp",
	LANG = "C.UTF-8", LC_ALL = "C.UTF-8", TZ = "UTC", SOURCE_DATE_EPOCH = "315532800",
	PYTHONHASHSEED = "0", PYTHONDONTWRITEBYTECODE = "1", PYTHONUNBUFFERED = "1", PYTHONNOUSERSITE = "1",
	HF_HUB_OFFLINE = "1", TRANSFORMERS_OFFLINE = "1", HF_DATASETS_OFFLINE = "1",
}

-- Where the action that is being finished was written: "rules/x.lua:12: ".
local here = ""

local function fault(what)
	error(here .. what, 0)
end

local function path_of(record)
	return record.sub and record.path .. "/" .. record.sub or record.path
end

-- The text of a value; artifacts in it are noted in `used`.
local function render(value, used, what)
	if type(value) == "string" then return value end
	if type(value) == "number" and integer(value) then return ("%d"):format(value) end
	local record = unwrap(value)
	if not record then fault(("%s: got a %s, expected a text or an artifact"):format(what, type(value))) end
	if record.kind == "text" then
		local parts = {}
		for i, part in ipairs(record.parts) do parts[i] = render(part, used, what) end
		return join(parts, "")
	end
	if record.kind ~= "output" then used[#used + 1] = record end
	return path_of(record)
end

-- Lists in lists are one list. The depth keeps a list that holds itself from going on.
local function flatten(value, used, what, out, depth)
	if type(value) ~= "table" then
		out[#out + 1] = render(value, used, what)
		return out
	end
	if depth > 8 then fault(what .. ": lists nested too deep") end
	local list, named = items(value)
	if named then fault(what .. ": got a table with names, expected a list") end
	for _, item in ipairs(list) do flatten(item, used, what, out, depth + 1) end
	return out
end

-- Artifacts of nested lists and maps, noted without becoming text.
local function note(value, used, depth)
	if depth > 8 then fault("inputs: nested too deep") end
	if type(value) ~= "table" then
		if not unwrap(value) then fault(("inputs: got a %s, expected artifacts"):format(type(value))) end
		render(value, used, "inputs")
		return
	end
	local list, named = items(value)
	for _, item in ipairs(list) do note(item, used, depth + 1) end
	for _, key in ipairs(named and keys(named) or {}) do note(named[key], used, depth + 1) end
end

local function inside(text, what)
	if text == "/workspace" or text == "." then return "/workspace" end
	local rel = text:starts("/workspace/") and text:sub(12) or text
	local wrong = path_fault(rel)
	if wrong then fault(("%s: %s"):format(what, wrong)) end
	return "/workspace/" .. rel
end

-- Of these an image knows nothing: the step's user, and where it may write, are the sandbox's.
local not_the_images = { HOME = true, USER = true, LOGNAME = true, TMPDIR = true }

-- What the image of the step's environment sets, and whether there is one, for the action list that is being finished.
local image_env, in_image = {}, false

-- Where a command starts: in the workspace, or in a folder of the step's image.
local function start(text)
	if in_image and text == "/" then return text end
	if not in_image or not text:starts("/") or text:starts("/workspace") then return inside(text, "cwd") end
	local wrong = path_fault(text:sub(2))
	if wrong then fault("cwd: " .. wrong) end
	return text
end

local base_names, base_entries = keys(base_env), {}
for _, name in ipairs(base_names) do base_entries[name] = constant(name, base_env[name]) end

local function env_list(given, used)
	local more = {}
	local function add(set, except)
		for _, name in ipairs(keys(set)) do
			if not except[name] then
				if not is_variable(name) then fault(("env: '%s' is not a variable's name"):format(name)) end
				-- Where something lies is none: 'tokens' are what a model is trained on.
				local record = unwrap(set[name])
				if is_secret(name) and (not record or record.kind == "text") then fault(("env: '%s' is the name of a secret"):format(name)) end
				more[name] = { name = name, value = render(set[name], used, "env: " .. name) }
			end
		end
	end
	add(image_env, not_the_images)
	if given then add(given, {}) end
	return overlay(base_names, base_entries, more)
end

-- Each kind: the fields it takes, and how it becomes the recipe's.
local kinds = {
	run = { { argv = true, env = true, cwd = true, inputs = true }, function(a, used)
		local argv = flatten(a.argv, used, "argv", {}, 0)
		if #argv == 0 then fault("argv: is empty") end
		if a.inputs then note(a.inputs, used, 0) end
		return { ["do"] = "run", argv = argv, env = env_list(a.env, used), cwd = start(render(a.cwd or "/workspace", used, "cwd")) }
	end },
	write = { { path = true, text = true }, function(a, used)
		return { ["do"] = "write", path = inside(render(a.path, used, "path"), "path"), text = render(a.text, used, "text") }
	end },
	copy = { { from = true, to = true }, function(a, used)
		return { ["do"] = "copy", from = inside(render(a.from, used, "from"), "from"), to = inside(render(a.to, used, "to"), "to") }
	end },
}

local made, action = {}, {}

for _, kind in ipairs(keys(kinds)) do
	local fields = kinds[kind][1]
	action[kind] = function(given)
		if type(given) ~= "table" then error(("action.%s: expected a table"):format(kind), 2) end
		for _, key in ipairs(keys(given)) do
			if not fields[key] then error(("action.%s has no field '%s'%s"):format(kind, key, attr.meant(key, keys(fields))), 2) end
		end
		local self = {}
		made[self] = { kind = kind, given = given, where = where(2) }
		return self
	end
end

-- The recipe's form of what plan() returned: one action or a list of them.
-- ctx: variables, what the image of the step's environment sets; image, nil in the host.
local function finish(file, planned, used, ctx)
	local list, out = planned, {}
	image_env, in_image = ctx.variables, ctx.image ~= nil
	here = file .. ": plan: "
	if made[planned] then list = { planned } end
	if type(list) ~= "table" then fault(("got a %s, expected an action or a list of them"):format(type(list))) end
	local named
	list, named = items(list)
	if named then fault("got a table with names, expected a list of actions") end
	for i, one in ipairs(list) do
		local self = made[one]
		if not self then fault(("item %d is not an action"):format(i)) end
		here = self.where
		out[i] = kinds[self.kind][2](self.given, used)
	end
	if #out == 0 then fault("no action") end
	return out
end

artifact_meta {
	__div = function(a, sub)
		local record = unwrap(a)
		if not record or record.kind == "text" or type(sub) ~= "string" then error("an artifact is followed by '/' and a text", 2) end
		if not record.is_dir then error(("'%s' is a file: there is nothing inside it"):format(record.name), 2) end
		local wrong = path_fault(sub)
		if wrong then error(wrong, 2) end
		local copy = {}
		for _, key in ipairs(keys(record)) do copy[key] = record[key] end
		copy.sub = record.sub and record.sub .. "/" .. sub or sub
		return wrap(copy)
	end,
	__concat = function() error("an artifact is not text; pass it as its own argument", 2) end,
	__index = function(_, key) error("an artifact has no fields", 2) end,
	__len = function() error("an artifact is not text; it has no length", 2) end,
}

-- temporary(name): it need not exist, so it may become a file or a folder.
local function temporary(name)
	if type(name) ~= "string" then error("temporary: expected a name", 2) end
	local wrong = name:find("/") and "expected a name without '/'" or path_fault(name)
	if wrong then error("temporary: " .. wrong, 2) end
	return wrap { kind = "temporary", name = name, path = "/workspace/tmp." .. name, is_dir = true }
end

return { kinds = action, temporary = temporary, finish = finish }
