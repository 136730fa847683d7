-- python.lua -- the word `python`, for rules whose step is a Python program.
--
--   python { version = "3.11", wheels = artifact, built = artifact, hub = { artifact, … }, argv = { "src/main.py", … } }
--
-- The command as an argv: the interpreter of the step's environment (argv = { "-m", "module" } runs one) behind what it needs first. wheels, built: folders of
-- wheels, installed before it starts. hub: folders laid out as the Hugging Face hub's cache, put together in one, /tmp/hub, for HF_HUB_CACHE.
-- program = "trl": that command instead of the interpreter, from the wheels or the environment.
-- SPDX-License-Identifier: Apache-2.0

local fields = { "version", "wheels", "built", "hub", "program", "argv" }

-- Unpacks every wheel of the folders before "--" into /workspace/packages, then becomes the command that follows. It needs no pip, makes
-- the same files every time, and writes nowhere else. What wheels keep in *.data goes where pip --target puts it; .pth files are not
-- followed, as on any PYTHONPATH.
local installer = [[
import configparser, os, shutil, sys, zipfile
cut = sys.argv.index("--")
folders, command = sys.argv[1:cut], sys.argv[cut + 1:]
target = "/workspace/packages"
def fail(what):
    sys.exit("wheels: " + what)
def place(name, data):
    parts = name.split("/")
    if len(parts) > 2 and parts[0] == data:
        root = {"purelib": "", "platlib": "", "scripts": "bin", "data": "", "headers": "include"}.get(parts[1])
        if root is None:
            fail("%s: no place for it" % name)
        return os.path.join(root, *parts[2:]), parts[1] == "scripts"
    return name, False
def write(path, body, mode):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "wb") as out:
        body(out)
    os.chmod(path, mode)
    os.utime(path, (315532800, 315532800))
def script(text):
    return lambda out: out.write(text)
def unpack(path):
    base = os.path.basename(path)
    stem = "-".join(base.split("-")[:2])
    with zipfile.ZipFile(path) as z:
        for info in sorted(z.infolist(), key=lambda i: i.filename):
            name = info.filename
            if name.endswith("/"):
                continue
            if name.startswith("/") or "\\" in name or any(p in ("", ".", "..") for p in name.split("/")):
                fail("%s: holds the name %r" % (base, name))
            rel, is_script = place(name, name.split("/")[0] if name.split("/")[0].endswith(".data") else stem + ".data")
            mode = 0o755 if is_script or info.external_attr >> 16 & 0o111 else 0o644
            with z.open(info) as member:
                first = member.readline() if is_script else b""
                if first.startswith(b"#!python"):
                    first = b"#!" + os.fsencode(sys.executable) + b"\n"
                def body(out):
                    out.write(first)
                    shutil.copyfileobj(member, out, 1 << 20)
                write(os.path.join(target, rel), body, mode)
            if name.endswith(".dist-info/entry_points.txt") and name.count("/") == 1:
                commands(z.read(info).decode())
def commands(text):
    c = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    c.optionxform = str
    c.read_string(text)
    for name, value in sorted(c.items("console_scripts") if c.has_section("console_scripts") else []):
        module, _, attr = value.split("[")[0].strip().partition(":")
        attr = attr.strip()
        if "/" in name or name.startswith(".") or not all(p.isidentifier() for p in module.strip().split(".") + attr.split(".")):
            continue
        text = "#!%s\nimport sys\nfrom %s import %s\nsys.exit(%s())\n" % (sys.executable, module.strip(), attr.split(".")[0], attr)
        write(os.path.join(target, "bin", name), script(text.encode()), 0o755)
for path in [os.path.join(folder, n) for folder in folders for n in sorted(os.listdir(folder))]:
    name = os.path.basename(path)
    if not name.endswith(".whl"):
        fail("%s: is not a wheel" % name)
    try:
        unpack(path)
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError, configparser.Error) as e:
        fail("%s: %s" % (name, e))
def before(new, old):
    return new + ":" + old if old else new
os.environ["PATH"] = before(target + "/bin", os.environ.get("PATH"))
os.environ["PYTHONPATH"] = before(target, os.environ.get("PYTHONPATH"))
os.execvp(command[0], command)
]]

-- Links what lies in the folders before "--" into one, which is the step's own to write locks into, then becomes the command that follows.
local linker = [[
import os, sys
cut = sys.argv.index("--")
os.makedirs("/tmp/hub", exist_ok=True)
for folder in sys.argv[1:cut]:
    for name in sorted(os.listdir(folder)):
        to = os.path.join("/tmp/hub", name)
        if os.path.lexists(to):
            sys.exit("hub: two inputs hold %r" % name)
        os.symlink(os.path.join("/workspace", folder, name), to)
os.execvp(sys.argv[cut + 1], sys.argv[cut + 1:])
]]

-- "3.11" and "11" are both Python 3.11; nil and "3" any Python 3.
local function interpreter(version)
	if version and version:find(".") then return "python" .. version end
	return version and version ~= "3" and "python3." .. version or "python3"
end

local function command(given)
	if type(given) ~= "table" then error("python: expected a table", 2) end
	for _, key in ipairs(keys(given)) do
		local known = false
		for _, one in ipairs(fields) do known = known or one == key end
		if not known then error(("python has no field '%s'%s"):format(key, attr.meant(key, fields)), 2) end
	end
	if type(given.argv) ~= "table" then error("python: argv: expected a list", 2) end
	local name, wheels = interpreter(given.version), {}
	local argv = { given.program or name, given.argv }
	if given.wheels then wheels[#wheels + 1] = given.wheels end
	if given.built then wheels[#wheels + 1] = given.built end
	if #wheels > 0 then argv = { name, "-I", "-B", "-c", installer, wheels, "--", argv } end
	-- Also where there is nothing to link: a step that asks for packages is known by its Python.
	if given.program or given.hub and #given.hub > 0 then argv = { name, "-I", "-B", "-c", linker, given.hub or {}, "--", argv } end
	return argv
end

return { command = command }
