-- collect: files and folders of inputs and earlier steps, put together in one folder. No program runs.

return rule {
  name = "collect",
  doc = "Put files and folders of inputs and earlier steps together in one folder.",
  example = [[
inputs:
  release: { path: release }
  card: { path: card.md }
steps:
  bundle: { use: collect, files: { README.md: card, model: release, "extra/card.md": card } }
]],

  attrs = {
    files = attr.map(attr.artifact) { keys = "path", under = "resources",
      doc = "where each goes in the folder, and what goes there; or a list, and each goes by its name" },
  },

  outputs = { tree = "dir" },

  plan = function(a, out)
    local actions = {}
    for path, artifact in sorted(a.files) do actions[#actions + 1] = action.copy { from = artifact, to = out.tree / path } end
    if #actions == 0 then fail("files: there are none") end
    return actions
  end,
}
