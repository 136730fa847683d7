-- wheels: builds source distributions into wheels, without a network.
--
-- Steps of this kind are added by the planner for steps whose `sdists` the lock pins. The folder holds the source distributions, and in
-- `build` the wheels that building them takes; these stand on the build's PYTHONPATH, so nothing is looked for in an index.

local builder = [[
import os, sys, zipfile
folder, out = sys.argv[1:]
target, build = "/workspace/packages", os.path.join(folder, "build")
for name in sorted(os.listdir(build)) if os.path.isdir(build) else []:
    with zipfile.ZipFile(os.path.join(build, name)) as z:
        z.extractall(target)
os.makedirs(out, exist_ok=True)
os.environ["PYTHONPATH"] = target
os.environ["PIP_CONFIG_FILE"] = "/dev/null"
files = sorted(os.path.join(folder, n) for n in os.listdir(folder) if n != "build")
os.execv(sys.executable, [sys.executable, "-B", "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir",
    "--disable-pip-version-check", "--progress-bar", "off", "-w", out] + files)
]]

return rule {
  name = "wheels",
  doc = "Build source distributions into wheels, without a network.",

  attrs = {
    sdists  = attr.artifact { at = "sdists", only = "dir", doc = "a folder of source distributions; its folder build holds what building takes" },
    version = attr.version { optional = true, parts = 2, alias = "pythonVersion", doc = "3.11, or 11 for short; any Python 3 if left out" },
  },

  outputs = { wheels = "dir" },

  plan = function(a, out)
    local python = "python3"
    if a.version and a.version:find(".") then
      python = "python" .. a.version
    elseif a.version and a.version ~= "3" then
      python = "python3." .. a.version
    end
    return action.run { argv = { python, "-I", "-B", "-c", builder, a.sdists, out.wheels } }
  end,
}
