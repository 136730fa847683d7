return expect.tests {
  { name = "what lies inside a folder",
    attrs = "{from: release, path: docs/card.md, outputs: {card: README.md}}", artifacts = { release = "dir" },
    actions = { action.copy { from = "resources/release/docs/card.md", to = "outputs/README.md" } },
    inputs = { ["resources/release"] = "release" }, outputs = { card = "outputs/README.md" } },
  { name = "all of it", attrs = "{from: train.model, outputs: {model: model/}}", artifacts = { ["train.model"] = "dir" },
    actions = { action.copy { from = "resources/model", to = "outputs/model" } } },
  { name = "nothing lies in a file", attrs = "{from: data, path: x, outputs: {x: x}}", artifacts = { data = "file" }, error = "'data' is a file" },
  { name = "one output", attrs = "{from: data, outputs: {a: a, b: b}}", artifacts = { data = "file" }, error = "outputs: got 2, expected one" },
  { name = "no way out", attrs = "{from: data, path: ../x, outputs: {x: x}}", artifacts = { data = "dir" }, error = "'..'" },
}
