return expect.tests {
  { name = "main.py with any Python 3", attrs = "{source: code}", artifacts = { code = "dir" },
    actions = { action.run { argv = { "python3", "src/main.py" } } }, inputs = { src = "code" }, outputs = { outputs = "outputs" } },
  { name = "pythonVersion: 11", attrs = "{source: code, pythonVersion: 11, entry: a/b.py, args: [--x, 1]}", artifacts = { code = "dir" },
    actions = { action.run { argv = { "python3.11", "src/a/b.py", "--x", "1" } } } },
  { name = "a module, with the source on its path", attrs = "{source: code, module: pkg.train}", artifacts = { code = "dir" },
    actions = { action.run { argv = { "python3", "-m", "pkg.train" }, env = { PYTHONPATH = "/workspace/src" } } } },
  { name = "one's own path stands", attrs = "{source: code, module: m, env: {PYTHONPATH: src/lib}}", artifacts = { code = "dir" },
    actions = { action.run { argv = { "python3", "-m", "m" }, env = { PYTHONPATH = "src/lib" } } } },
  { name = "entry or module", attrs = "{source: code, module: m, entry: main.py}", artifacts = { code = "dir" }, error = "write one of them" },
}
