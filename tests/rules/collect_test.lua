return expect.tests {
  { name = "each goes where it is said to",
    attrs = "{files: {b/model: train.model, a.txt: data}}", artifacts = { data = { type = "file", base = "x.csv" }, ["train.model"] = "dir" },
    actions = {
      action.copy { from = "resources/x.csv", to = "outputs/tree/a.txt" },
      action.copy { from = "resources/model", to = "outputs/tree/b/model" },
    },
    outputs = { tree = "outputs/tree" } },
  { name = "a list goes by names", attrs = "{files: [data, train.model]}", artifacts = { data = "file", ["train.model"] = "file" },
    actions = {
      action.copy { from = "resources/data", to = "outputs/tree/data" },
      action.copy { from = "resources/model", to = "outputs/tree/model" },
    } },
  { name = "no way out", attrs = "{files: {../x: data}}", artifacts = { data = "file" }, error = "'..'" },
  { name = "absolute places", attrs = "{files: {/x: data}}", artifacts = { data = "file" }, error = "files" },
  { name = "nothing", attrs = "{files: {}}", error = "there are none" },
}
