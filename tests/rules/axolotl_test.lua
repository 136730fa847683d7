local env = {
  HF_HUB_OFFLINE = "1", TRANSFORMERS_OFFLINE = "1", HF_DATASETS_OFFLINE = "1", HF_HUB_DISABLE_TELEMETRY = "1",
  DO_NOT_TRACK = "1", AXOLOTL_DO_NOT_TRACK = "1", WANDB_MODE = "offline", WANDB_DIR = "/tmp",
  HF_HOME = "/tmp/huggingface", HF_HUB_CACHE = "/tmp/hub", HF_DATASETS_CACHE = "/tmp/huggingface/datasets",
  TRITON_CACHE_DIR = "/tmp/triton", TORCHINDUCTOR_CACHE_DIR = "/tmp/inductor",
}

return expect.tests {
  { name = "accelerate launch -m axolotl.cli.train", attrs = "{config: lora, launcher: accelerate, launcher_args: [--num_processes, 2], args: [--debug]}",
    artifacts = { lora = { type = "file", base = "lora.yml" } },
    actions = { action.run { env = env,
      argv = { "python3", "-m", "accelerate.commands.launch", "--num_processes", "2", "-m", "axolotl.cli.train", "/workspace/resources/lora.yml", "--debug" } } } },
  { name = "the module alone, with code of one's own", attrs = "{config: lora, launcher: python, source: code}", artifacts = { lora = "file", code = "dir" },
    actions = { action.run { env = copy(env, { PYTHONPATH = "/workspace/src" }), argv = { "python3", "-m", "axolotl.cli.train", "/workspace/resources/lora" } } },
    inputs = { src = "code", ["resources/lora"] = "lora" } },
  { name = "torchrun", attrs = "{config: lora, launcher: torchrun}", artifacts = { lora = "file" },
    actions = { action.run { env = env, argv = { "python3", "-m", "torch.distributed.run", "--standalone", "-m", "axolotl.cli.train", "/workspace/resources/lora" } } } },
  { name = "arguments of no launcher", attrs = "{config: lora, launcher_args: [x]}", artifacts = { lora = "file" }, error = "are for the launchers" },
  { name = "a configuration is needed", attrs = "{}", error = "needs the attribute 'config'" },
}
