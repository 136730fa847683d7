-- copy: one file or folder of an input or of an earlier step, as an output of its own. No program runs.

return rule {
  name = "copy",
  doc = "Take one file or folder out of an input or of an earlier step's output.",
  example = [[
inputs:
  release: { path: release }
steps:
  card: { use: copy, from: release, path: docs/card.md, outputs: { card: README.md } }
]],

  attrs = {
    from    = attr.artifact { under = "resources", doc = "an input, or step.output" },
    path    = attr.path { optional = true, doc = "what to take inside it; all of it if left out" },
    outputs = attr.outputs { doc = "one output: its name, and where it lies in outputs/" },
  },

  plan = function(a, out)
    local to, n = nil, 0
    for _, artifact in sorted(out) do to, n = artifact, n + 1 end
    if n ~= 1 then fail(("outputs: got %d, expected one"):format(n), "for several files in one folder use collect") end
    return action.copy { from = a.path and a.from / a.path or a.from, to = to }
  end,
}
