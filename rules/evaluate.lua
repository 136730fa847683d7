-- evaluate: run a Python program that measures, and carry what it measured in the proof.
--
-- The program writes a small file of metrics into outputs/: whoever gets the proof reads it there (`aicert show`, `aicert verify --json`), without the
-- model or the data. It is the step's output `metrics`, a file of at most 64 KiB.

local python = python -- named here, it is read once and not for each step

return rule {
  name = "evaluate",
  doc = "Run a Python program that measures something; its file of metrics is carried in the proof.",
  example = [[
inputs:
  code: { git: "https://github.com/mithril-security/AICert-example" }
  model: { path: model.bin }
  held-out: { path: test.csv }
steps:
  eval:
    use: evaluate
    source: code
    entry: evaluate.py
    resources: [model, held-out]
    args: ["${model}", "${held-out}", --out, "${out.metrics}"]
]],

  attrs = {
    source    = attr.artifact { optional = true, at = "src", only = "dir", doc = "the folder or repository that holds the program" },
    entry     = attr.path { optional = true, doc = "the program, inside source; evaluate.py if nothing is said" },
    module    = attr.text { optional = true, doc = "instead of entry: a module, run as python -m does; source, if there is one, is on its path" },
    metrics   = attr.path { default = "metrics.json", doc = "where in outputs/ the program leaves its metrics" },
    version   = attr.version { optional = true, parts = 2, alias = "pythonVersion", doc = "3.11, or 11 for short; any Python 3 if left out" },
    hub       = attr.list(attr.artifact) { default = {}, under = "resources", only = "dir", doc = "models and data sets in the layout hub-cache" },
    resources = attr.list(attr.artifact) { default = {}, under = "resources", alias = "inputs", doc = "data and models, read-only in resources/" },
    args      = attr.list(attr.template) { default = {}, doc = "arguments; ${input}, ${step.output} and ${out.name} are paths" },
    env       = attr.env { default = {}, doc = "variables, over the fixed environment" },
    wheels    = attr.artifact { optional = true, at = "wheels", only = "dir", doc = "a folder of wheels; left out: what requirements.txt asks for" },
    built     = attr.artifact { optional = true, at = "built", only = "dir", doc = "a further folder of wheels: those that a step has built" },
    sdists    = attr.lines { default = "", doc = "projects that may be built from source, or all; else only wheels are used" },
    outputs   = attr.outputs { optional = true, doc = "what is kept besides: names and paths in outputs/" },
  },

  outputs = { metrics = { type = "file", path = "metrics.json", carried = true } },

  plan = function(a, out)
    if a.entry and a.module then fail("'entry' and 'module' say the same: write one of them") end
    if not a.module and not a.source then fail("needs the attribute 'source': the folder or repository that holds the program") end
    local env = copy({ HF_HOME = "/tmp/huggingface", HF_HUB_CACHE = "/tmp/hub", WANDB_MODE = "offline" }, a.env)
    if a.module and a.source then env = copy({ PYTHONPATH = "/workspace/src" }, env) end
    local run = action.run {
      argv = python {
        version = a.version, wheels = a.wheels, built = a.built, hub = a.hub,
        argv = { a.module and { "-m", a.module } or { "src/" .. (a.entry or "evaluate.py") }, a.args },
      },
      env = env,
      inputs = { a.source and { a.source } or {}, a.resources },
    }
    if a.metrics == "metrics.json" then return run end
    return { run, action.copy { from = "outputs/" .. a.metrics, to = out.metrics } }
  end,
}
