local env = { HF_HOME = "/tmp/huggingface", HF_HUB_CACHE = "/tmp/hub", WANDB_MODE = "offline" }

return expect.tests {
  { name = "metrics.json is carried", attrs = "{source: code, resources: [m], args: ['${m}', '${out.metrics}']}", artifacts = { code = "dir", m = "file" },
    actions = { action.run { argv = { "python3", "src/evaluate.py", "/workspace/resources/m", "/workspace/outputs/metrics.json" }, env = env } },
    outputs = { metrics = "outputs/metrics.json" } },
  { name = "what a library writes elsewhere is copied", attrs = "{source: code, entry: e.py, metrics: eval/eval_results.json}", artifacts = { code = "dir" },
    actions = {
      action.run { argv = { "python3", "src/e.py" }, env = env },
      action.copy { from = "outputs/eval/eval_results.json", to = "outputs/metrics.json" },
    } },
  { name = "further outputs", attrs = "{source: code, outputs: {predictions: p.csv}}", artifacts = { code = "dir" },
    outputs = { metrics = "outputs/metrics.json", predictions = "outputs/p.csv" } },
  { name = "a module needs no source", attrs = "{module: lm_eval, args: [run]}",
    actions = { action.run { argv = { "python3", "-m", "lm_eval", "run" }, env = env } } },
  { name = "a program does", attrs = "{entry: e.py}", error = "needs the attribute 'source'" },
  { name = "metrics are the rule's", attrs = "{source: code, outputs: {metrics: m.json}}", artifacts = { code = "dir" },
    error = "the rule has one of that name" },
}
