return expect.tests {
  { name = "the weights become an input, the report an output",
    attrs = "{weights: release, bits: 4}", artifacts = { release = "dir" },
    inputs = { ["resources/release"] = "release" },
    outputs = { weights = "outputs/weights.json", report = "outputs/report.json" } },
  { name = "weights are a folder", attrs = "{weights: release}", artifacts = { release = "file" }, error = "'release' is a file, expected a folder" },
  { name = "bits have limits", attrs = "{weights: release, bits: 64}", artifacts = { release = "dir" }, error = "bits: expected at most 16" },
  { name = "a misspelt attribute", attrs = "{weigths: release}", artifacts = { release = "dir" }, error = "did you mean 'weights'?" },
}
