-- python: run one program with the Python of the step's environment.
--
-- The program's repository stands at src, its resources in resources/, and what it leaves in outputs/ is the result.
-- What src/requirements.txt asks for is chosen and pinned before anything runs (aicert.lock) and arrives as `wheels`, unless
-- the environment has it all already; without wheels the run checks requirements.txt against the environment before it starts.

local python = python -- named here, it is read once and not for each step

return rule {
  name = "python",
  doc = "Run a Python program over its source and resources, without a network.",
  example = [[
inputs:
  code: { git: "https://github.com/mithril-security/AICert-example" }
  data: { path: data/train.csv }
steps:
  train:
    use: python
    source: code
    entry: src/main.py
    resources: [data]
    args: [--epochs, "3", --out, "${out.model}"]
    outputs: { model: model.bin }
]],

  attrs = {
    source    = attr.artifact { at = "src", only = "dir", doc = "the folder or repository that holds the program" },
    entry     = attr.path { optional = true, alias = "pythonEntryPoint", doc = "the program, inside source; main.py if nothing is said" },
    module    = attr.text { optional = true, doc = "instead of entry: a module, run as python -m does; source is on its path" },
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
    local what, env = { "src/" .. (a.entry or "main.py") }, a.env
    if a.module then
      if a.entry then fail("'entry' and 'module' say the same: write one of them") end
      what, env = { "-m", a.module }, copy({ PYTHONPATH = "/workspace/src" }, a.env)
    end
    return action.run {
      argv = python { version = a.version, wheels = a.wheels, built = a.built, argv = { what, a.args } },
      env = env,
      inputs = { a.source, a.resources },
    }
  end,
}
