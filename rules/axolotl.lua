-- axolotl: fine-tune as an Axolotl configuration says.
--
-- Runs `axolotl train CONFIG` (launcher axolotl), or the module that it starts, `accelerate launch -m axolotl.cli.train CONFIG`.
-- What the configuration names by "owner/name" are inputs in the layout hub-cache; what it names by path lies in resources/, and paths of its own
-- are relative to the workspace: `output_dir: outputs/model` is what the output `model: model/` keeps.

-- As Axolotl's guide for machines without a network has them; what is cached is thrown away with the step. HF_HUB_OFFLINE must be just "1".
local offline = {
  HF_HUB_OFFLINE = "1", TRANSFORMERS_OFFLINE = "1", HF_DATASETS_OFFLINE = "1", HF_HUB_DISABLE_TELEMETRY = "1",
  DO_NOT_TRACK = "1", AXOLOTL_DO_NOT_TRACK = "1", WANDB_MODE = "offline", WANDB_DIR = "/tmp",
  HF_HOME = "/tmp/huggingface", HF_HUB_CACHE = "/tmp/hub", HF_DATASETS_CACHE = "/tmp/huggingface/datasets",
  TRITON_CACHE_DIR = "/tmp/triton", TORCHINDUCTOR_CACHE_DIR = "/tmp/inductor",
}

local python = python -- named here, it is read once and not for each step

return rule {
  name = "axolotl",
  doc = "Fine-tune as an Axolotl YAML configuration says, offline. "
    .. "Axolotl is the image's, the host's, or what requirements.txt of source asks for. "
    .. "Its own images have it in /workspace, where a step has its own files: build one with FROM docker.io/axolotlai/axolotl:main-latest "
    .. "and RUN mv /workspace/axolotl /opt/axolotl && pip install --no-deps --no-build-isolation -e /opt/axolotl. "
    .. "Of its commands this is train alone, on one machine; others (preprocess, merge-lora) are for steps of type shell.",
  example = [[
inputs:
  recipe: { path: lora.yml }
  llama: { path: hub/llama }
  alpaca: { path: alpaca.jsonl }
steps:
  train:
    use: axolotl
    config: recipe
    hub: [llama]
    resources: [alpaca]
    outputs: { model: model/ }
    environment: { image: "registry.example/team/axolotl:1" }
]],

  attrs = {
    config    = attr.artifact { under = "resources", only = "file", doc = "Axolotl's YAML file" },
    source    = attr.artifact { optional = true, at = "src", only = "dir",
      doc = "code of one's own that the configuration names (plugins, prompt strategies)" },
    launcher  = attr.choice { of = { "axolotl", "accelerate", "torchrun", "python" }, default = "axolotl",
      doc = "axolotl: its command, which starts what it needs. Others start the module axolotl.cli.train" },
    launcher_args = attr.list(attr.template) { default = {}, doc = "further arguments of accelerate launch or torchrun" },
    hub       = attr.list(attr.artifact) { default = {}, under = "resources", only = "dir",
      doc = "models and data sets, inputs with layout: hub-cache, found by the owner/name in the configuration" },
    resources = attr.list(attr.artifact) { default = {}, under = "resources", doc = "other data and models, read-only in resources/" },
    args      = attr.list(attr.template) { default = {},
      doc = "options over the configuration's: --learning-rate=1e-4; with another launcher than axolotl as the YAML has them: --learning_rate=1e-4" },
    env       = attr.env { default = {}, doc = "variables, over the offline ones" },
    version   = attr.version { optional = true, parts = 2, doc = "of Python: 3.11, or 11 for short; any Python 3 if left out" },
    wheels    = attr.artifact { optional = true, at = "wheels", only = "dir",
      doc = "a folder of wheels; left out: what requirements.txt of source asks for" },
    built     = attr.artifact { optional = true, at = "built", only = "dir", doc = "a further folder of wheels: those that a step has built" },
    sdists    = attr.lines { default = "", doc = "projects that may be built from source, or all; else only wheels are used" },
    outputs   = attr.outputs { doc = "what is kept: a folder, or names and paths in outputs/" },
  },

  plan = function(a, out)
    local train = { "-m", "axolotl.cli.train", a.config, a.args }
    local argv, program = train, nil
    if a.launcher == "axolotl" then
      argv, program = { "train", a.config, a.args }, "axolotl"
    elseif a.launcher == "accelerate" then
      argv = { "-m", "accelerate.commands.launch", a.launcher_args, train }
    elseif a.launcher == "torchrun" then
      argv = { "-m", "torch.distributed.run", "--standalone", a.launcher_args, train }
    end
    if #a.launcher_args > 0 and a.launcher ~= "accelerate" and a.launcher ~= "torchrun" then
      fail("'launcher_args' are for the launchers accelerate and torchrun, and the launcher is " .. a.launcher)
    end
    local env = copy(offline, a.env)
    if a.source then env = copy({ PYTHONPATH = "/workspace/src" }, env) end
    return action.run {
      argv = python { version = a.version, wheels = a.wheels, built = a.built, hub = a.hub, program = program, argv = argv },
      env = env,
      inputs = { a.source and { a.source } or {}, a.resources },
    }
  end,
}
