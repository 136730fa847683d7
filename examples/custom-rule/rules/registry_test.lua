local ONE = "1111111111111111111111111111111111111111111111111111111111111111"
local TWO = "2222222222222222222222222222222222222222222222222222222222222222"
local net = { ["https://models.test/tiny.json"] = { json = {
  latest = "1.2",
  versions = {
    ["1.1"] = { { path = "weights.json", sha256 = ONE, size = 10 } },
    ["1.2"] = { { path = "weights.json", sha256 = TWO, size = 20 } },
  },
} } }

return expect.tests {
  { name = "latest is pinned to what it is",
    attrs = "{registry: tiny, server: 'https://models.test'}", net = net,
    pin = pin.files { uri = "https://models.test/tiny", ref = "latest", revision = "1.2",
      files = { { path = "weights.json", url = "https://models.test/tiny/1.2/weights.json", sha256 = TWO, size = 20 } } } },
  { name = "an older version",
    attrs = "{registry: tiny, version: '1.1', server: 'https://models.test'}", net = net,
    pin = pin.files { uri = "https://models.test/tiny", ref = "1.1", revision = "1.1",
      files = { { path = "weights.json", url = "https://models.test/tiny/1.1/weights.json", sha256 = ONE, size = 10 } } } },
  { name = "an unknown version is told",
    attrs = "{registry: tiny, version: '9', server: 'https://models.test'}", net = net, error = "'tiny' has no version '9'" },
  { name = "the server is a URL", attrs = "{registry: tiny, server: models}", error = "server: expected a URL" },
}
