local image = { entrypoint = { "trainer", "--quiet" }, cmd = { "--help" }, workdir = "/srv" }

return expect.tests {
  { name = "what the image runs by itself", attrs = "{}", image = image,
    actions = { action.run { argv = { "trainer", "--quiet", "--help" }, cwd = "/srv" } }, outputs = { outputs = "outputs" } },
  { name = "arguments instead of its command", attrs = "{args: [--data, '${d}'], inputs: {d: d}}", image = image, artifacts = { d = "file" },
    actions = { action.run { argv = { "trainer", "--quiet", "--data", "/workspace/resources/d" }, cwd = "/srv" } },
    inputs = { ["resources/d"] = "d" } },
  { name = "another entry point goes without the command", attrs = "{entrypoint: [sh, -c, ls], workdir: /workspace}", image = image,
    actions = { action.run { argv = { "sh", "-c", "ls" } } } },
  { name = "no entry point at all", attrs = "{entrypoint: [], command: [ls]}", image = image, actions = { action.run { argv = { "ls" }, cwd = "/srv" } } },
  { name = "an image that says nothing", attrs = "{}", image = { workdir = "/" }, error = "names no command" },
  { name = "no image", attrs = "{}", error = "this step runs in the host" },
  { name = "no way out of the image", attrs = "{workdir: /srv/../etc}", image = image, error = "'..'" },
}
