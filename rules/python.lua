-- python: run one program with the Python of the step's environment.
--
-- The program's repository stands at src, its resources in resources/, and what it leaves in outputs/ is the result.
-- What src/requirements.txt asks for is chosen and pinned before anything runs (aicert.lock) and arrives as `wheels`, unless
-- the environment has it all already; without wheels the run checks requirements.txt against the environment before it starts.

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

return rule {
  name = "python",
  doc = "Run a Python program over its source and resources, without a network.",

  attrs = {
    source    = attr.artifact { at = "src", only = "dir", doc = "the folder or repository that holds the program" },
    entry     = attr.path { default = "main.py", alias = "pythonEntryPoint", doc = "the program, inside source" },
    version   = attr.version { optional = true, parts = 2, alias = "pythonVersion", doc = "3.11, or 11 for short; any Python 3 if left out" },
    resources = attr.list(attr.artifact) { default = {}, under = "resources", alias = "inputs", doc = "data and models, read-only in resources/" },
    args      = attr.list(attr.template) { default = {}, doc = "arguments; ${input}, ${step.output} and ${out.name} are paths" },
    env       = attr.env { default = {}, doc = "variables, over the fixed environment" },
    wheels    = attr.artifact { optional = true, at = "wheels", only = "dir", doc = "a folder of wheels; left out: what requirements.txt asks for" },
    built     = attr.artifact { optional = true, at = "built", only = "dir", doc = "a further folder of wheels: those that a step has built" },
    sdists    = attr.lines { default = "", doc = "projects that may be built from source, or all; else only wheels are used" },
    outputs   = attr.outputs { doc = "what is kept: a folder, or names and paths in outputs/" },
  },

  plan = function(a, out)
    local python = "python3"
    if a.version and a.version:find(".") then
      python = "python" .. a.version
    elseif a.version and a.version ~= "3" then
      python = "python3." .. a.version
    end
    local command = { python, "src/" .. a.entry, a.args }
    local folders = {}
    if a.wheels then folders[#folders + 1] = a.wheels end
    if a.built then folders[#folders + 1] = a.built end
    if #folders > 0 then
      command = { python, "-I", "-B", "-c", installer, folders, "--", command }
    end
    return action.run {
      argv = command,
      env = a.env,
      inputs = { a.source, a.resources },
    }
  end,
}
