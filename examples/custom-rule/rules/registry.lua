-- registry: a model of our team's registry, pinned to a version and to the SHA-256 of each file.
--
-- The registry answers GET SERVER/NAME.json with { "latest": "1.2", "versions": { "1.2": [ { "path", "sha256", "size" } ] } }, and has the files
-- under SERVER/NAME/VERSION/.

return source {
  name = "registry",
  doc = "A model of our team's registry. 'latest' is what it is when it is pinned; `aicert lock --update` asks again.",
  example = [[
inputs:
  weights: { registry: tiny, version: "1.2", server: "https://models.example.org" }
]],

  attrs = {
    registry = attr.text { doc = "the model's name" },
    version  = attr.text { default = "latest", doc = "a version, or latest" },
    server   = attr.url { doc = "where the registry is" },
  },

  resolve = function(a, net)
    local base = a.server .. "/" .. url_escape(a.registry)
    local known = net.json(base .. ".json")
    local version = a.version == "latest" and known.latest or a.version
    local list = known.versions[version]
    if not list then fail(("registry: '%s' has no version '%s'"):format(a.registry, version)) end
    local files = {}
    for i, f in ipairs(list) do
      files[i] = { path = f.path, url = ("%s/%s/%s"):format(base, url_escape(version), url_escape(f.path)), sha256 = f.sha256, size = f.size }
    end
    return pin.files { uri = base, ref = a.version, revision = version, files = files }
  end,
}
