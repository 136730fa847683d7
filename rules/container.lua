-- container: run what an image runs by itself: its entry point with its command, or a command of one's own.
--
-- As `docker run IMAGE [COMMAND…]` does, but without a network, as a user without rights, and with nothing of the machine but the inputs.

return rule {
  name = "container",
  doc = "Run the command of the step's image, or another in it, without a network.",
  example = [[
inputs:
  corpus: { path: corpus.txt }
steps:
  train:
    use: container
    environment: { image: "registry.example/team/trainer:1" }
    args: [--data, "${corpus}", --out, "${out.model}"]
    outputs: { model: model.bin }
]],

  attrs = {
    entrypoint = attr.list(attr.template) { optional = true, doc = "instead of the image's own; [] for none" },
    args       = attr.list(attr.template) { optional = true, alias = "command", doc = "instead of the image's CMD: what follows the entry point" },
    workdir    = attr.text { optional = true, doc = "where it starts: in the image, or below /workspace; the image's own WORKDIR if left out" },
    inputs     = attr.map(attr.artifact) { default = {}, under = "resources", alias = "resources",
      doc = "files and folders, read-only in resources/" },
    source     = attr.artifact { optional = true, at = "src", only = "dir", doc = "a folder or repository, writable scratch at src" },
    env        = attr.env { default = {}, doc = "variables, over the image's" },
    outputs    = attr.outputs { doc = "what is kept: a folder, or names and paths in outputs/" },
  },

  plan = function(a, out, image)
    if not image then fail("runs an image's command, and this step runs in the host", "write environment: { image: NAME }, or use shell") end
    -- As in docker: who replaces the entry point does without the image's command.
    local cmd = a.args or (a.entrypoint and {} or image.cmd)
    local argv = { a.entrypoint or image.entrypoint, cmd }
    if #argv[1] + #argv[2] == 0 then
      fail("the image names no command that would be run, as far as aicert.lock knows",
        "write args: [COMMAND, …]; a lock made before entry points were pinned is renewed by `aicert lock --update IMAGE`")
    end
    return action.run { argv = argv, env = a.env, cwd = a.workdir or image.workdir, inputs = { a.inputs, a.source and { a.source } or {} } }
  end,
}
