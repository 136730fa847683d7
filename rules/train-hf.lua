-- train-hf: train with the libraries of Hugging Face: a script that uses Transformers' Trainer or Accelerate, or a command of TRL.
--
-- A script is started as their documentation starts it (python, `accelerate launch`, torchrun), a command of TRL as `trl sft --config FILE`.
-- All of it is offline: models and data sets are inputs. Those in the layout hub-cache are found by their names, as from_pretrained("owner/name")
-- and load_dataset("owner/name") look for them; others are folders and files in resources/.
-- checkpoint: outputs/checkpoints (any step has it) keeps what the Trainer saves there for a retry that says --resume_from_checkpoint.

-- Nothing is reported or asked for outside; what the libraries keep for themselves is thrown away with the step.
local offline = {
  HF_HUB_OFFLINE = "1", TRANSFORMERS_OFFLINE = "1", HF_DATASETS_OFFLINE = "1", HF_HUB_DISABLE_TELEMETRY = "1", DO_NOT_TRACK = "1",
  WANDB_MODE = "offline", WANDB_DIR = "/tmp",
  HF_HOME = "/tmp/huggingface", HF_HUB_CACHE = "/tmp/hub", HF_DATASETS_CACHE = "/tmp/huggingface/datasets",
  TRITON_CACHE_DIR = "/tmp/triton", TORCHINDUCTOR_CACHE_DIR = "/tmp/inductor",
}

local function count(option, n)
  return n and { option, n } or {}
end

local launchers = {
  python = function(a) return {} end,
  accelerate = function(a)
    return { "-m", "accelerate.commands.launch", a.accelerate and { "--config_file", a.accelerate } or {},
      count("--num_processes", a.processes), a.launcher_args }
  end,
  -- --standalone: the processes find each other on this machine, by a free port.
  torchrun = function(a) return { "-m", "torch.distributed.run", "--standalone", count("--nproc_per_node", a.processes), a.launcher_args } end,
}

local python = python -- named here, it is read once and not for each step

return rule {
  name = "train-hf",
  doc = "Train with Transformers, Accelerate or TRL, offline: a script of one's own, or a command of TRL with its YAML. "
    .. "The libraries are the image's (docker.io/huggingface/trl has them), those of the host's python3, or what requirements.txt of source asks for. "
    .. "One machine: several processes and GPUs, not several nodes.",
  example = [[
inputs:
  code: { git: "https://github.com/mithril-security/AICert-example" }
  falcon: { path: hub/falcon }
  alpaca: { path: alpaca.jsonl }
steps:
  train:
    use: train-hf
    source: code
    entry: train.py
    hub: [falcon]
    resources: [alpaca]
    args: [--model_name_or_path, tiiuae/falcon-7b, --train_file, "${alpaca}", --output_dir, "${out.model}"]
    outputs: { model: model/ }
    limits: { gpus: 1 }
]],

  attrs = {
    source    = attr.artifact { optional = true, at = "src", only = "dir", doc = "the folder or repository that holds the script" },
    entry     = attr.path { optional = true, doc = "the script, inside source" },
    trl       = attr.choice { optional = true, of = { "sft", "dpo", "grpo", "kto", "reward", "rloo", "distillation" },
      doc = "instead of entry: a command of TRL" },
    config    = attr.artifact { optional = true, under = "resources", only = "file",
      doc = "a YAML file: --config of TRL; a script gets it as its first argument" },
    launcher  = attr.choice { of = { "accelerate", "torchrun", "python" }, default = "accelerate", doc = "what starts a script; TRL starts itself" },
    launcher_args = attr.list(attr.template) { default = {}, doc = "further arguments of accelerate launch or torchrun" },
    accelerate = attr.artifact { optional = true, under = "resources", only = "file", doc = "the YAML file of `accelerate config`" },
    processes = attr.integer { optional = true, min = 1, max = 1024, doc = "how many processes; the launcher's own choice if left out" },
    hub       = attr.list(attr.artifact) { default = {}, under = "resources", only = "dir",
      doc = "models and data sets, inputs with layout: hub-cache, found by from_pretrained(\"owner/name\") and load_dataset" },
    resources = attr.list(attr.artifact) { default = {}, under = "resources", doc = "other data and models, read-only in resources/" },
    args      = attr.list(attr.template) { default = {}, doc = "arguments; ${input}, ${step.output} and ${out.name} are paths" },
    env       = attr.env { default = {}, doc = "variables, over the offline ones" },
    version   = attr.version { optional = true, parts = 2, doc = "of Python: 3.11, or 11 for short; any Python 3 if left out" },
    wheels    = attr.artifact { optional = true, at = "wheels", only = "dir", doc = "a folder of wheels; left out: what requirements.txt asks for" },
    built     = attr.artifact { optional = true, at = "built", only = "dir", doc = "a further folder of wheels: those that a step has built" },
    sdists    = attr.lines { default = "", doc = "projects that may be built from source, or all; else only wheels are used" },
    outputs   = attr.outputs { doc = "what is kept: a folder, or names and paths in outputs/" },
  },

  plan = function(a, out)
    local argv, program
    if a.trl then
      if a.entry then fail("'entry' and 'trl' say the same: write one of them") end
      program = "trl"
      argv = { a.trl, a.config and { "--config", a.config } or {}, a.accelerate and { "--accelerate_config", a.accelerate } or {},
        count("--num_processes", a.processes), a.launcher_args, a.args }
    else
      if not a.entry then fail("needs 'entry', a script of its source, or 'trl', a command of TRL") end
      if not a.source then fail("needs the attribute 'source': the folder or repository that holds the script") end
      if a.accelerate and a.launcher ~= "accelerate" then fail("'accelerate' is a file for the launcher accelerate, and the launcher is " .. a.launcher) end
      if a.launcher == "python" and (a.processes or #a.launcher_args > 0) then
        fail("'processes' and 'launcher_args' are for a launcher", "write launcher: accelerate, or torchrun")
      end
      argv = { launchers[a.launcher](a), "src/" .. a.entry, a.config and { a.config } or {}, a.args }
    end
    return action.run {
      argv = python { version = a.version, wheels = a.wheels, built = a.built, hub = a.hub, program = program, argv = argv },
      env = copy(offline, a.env),
      inputs = { a.source and { a.source } or {}, a.resources },
    }
  end,
}
