-- huggingface: a model or data set of the Hugging Face hub, pinned to a commit and to the SHA-256 of every file.

local HUB = "https://huggingface.co"
local CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

local function is_name(part)
  for i = 1, part:len() do
    if not CHARACTERS:find(part:sub(i, i)) then return false end
  end
  return part ~= "" and part ~= "." and part ~= ".." and part:len() <= 96
end

local function is_commit(ref)
  for i = 1, ref:len() do
    if not ("0123456789abcdef"):find(ref:sub(i, i)) then return false end
  end
  return ref:len() == 40
end

-- "owner/name", "datasets/owner/name", or either as an address of the hub, which may end in "/tree/REF".
local function repository(text)
  local rest, kind, ref = text, "models", nil
  if rest:find("://") then
    if not rest:starts(HUB .. "/") then fail(("huggingface: '%s': expected owner/name, or an address below %s"):format(text, HUB)) end
    rest = rest:sub(HUB:len() + 2)
  end
  if rest:starts("datasets/") then kind, rest = "datasets", rest:sub(10) end
  local tree = rest:find("/tree/")
  if tree then rest, ref = rest:sub(1, tree - 1), rest:sub(tree + 6) end
  if rest:ends("/") then rest = rest:sub(1, -2) end
  local parts = rest:split("/")
  local good = #parts <= 2
  for _, part in ipairs(parts) do good = good and is_name(part) end
  if not good then fail(("huggingface: '%s': expected owner/name or datasets/owner/name"):format(text)) end
  return { id = rest, kind = kind, ref = ref, uri = HUB .. "/" .. (kind == "datasets" and "datasets/" or "") .. rest,
    api = HUB .. "/api/" .. kind .. "/" .. rest, cache = kind .. "--" .. rest:replace("/", "--") }
end

-- What the hub's API says, or why it does not.
local function ask(net, url, what, hint)
  local got = net.get(url)
  if got.status == 200 then return got.json(), got end
  if got.status == 401 or got.status == 403 or got.status == 404 then
    fail(("huggingface: the hub shows no %s: it answers %d"):format(what, got.status), hint)
  end
  error(("%s: got status %d, expected 200"):format(url, got.status), 1)
end

-- The address in a Link header that leads on: <…>; rel="next".
local function next_page(link)
  local to = link and link:find('>; rel="next"')
  if not to then return nil end
  local from = 0
  while true do
    local at = link:find("<", from + 1)
    if not at or at > to then break end
    from = at
  end
  return link:sub(from + 1, to - 1)
end

-- "https://host:port/", of an address.
local function server(url)
  local from = url:find("://") or 0
  local slash = url:find("/", from + 3)
  return slash and url:sub(1, slash) or url .. "/"
end

local function matches(path, globs)
  for _, pattern in ipairs(globs) do
    if glob(pattern, path) then return true end
  end
  return false
end

-- The files of a commit that are asked for, each with its hash: of large ones the SHA-256, of others the id of the git blob.
local function listing(net, repo, commit, a)
  local files, url, seen = {}, repo.api .. "/tree/" .. commit .. "?recursive=true", {}
  while url do
    if seen[url] then error("huggingface: the hub's list of files repeats itself", 1) end
    seen[url] = true
    local list, got = ask(net, url, "files of " .. repo.id)
    if type(list) ~= "table" then error("huggingface: the hub's list of files is none", 1) end
    for _, f in ipairs(list) do
      local oid = type(f) == "table" and (type(f.lfs) == "table" and f.lfs.oid or not f.lfs and f.oid)
      if type(f) ~= "table" or (f.type == "file" and (type(f.path) ~= "string" or type(f.size) ~= "number" or type(oid) ~= "string")) then
        error("huggingface: the hub's list of files is none: a file has a path, a size and a hash", 1)
      end
      local wanted = f.type == "file" and (#a.files == 0 or matches(f.path, a.files)) and not matches(f.path, a.exclude)
      if wanted then
        local file = { path = f.path, size = f.size, url = repo.uri .. "/resolve/" .. commit .. "/" .. url_escape(f.path) }
        if f.lfs then file.sha256 = f.lfs.oid else file.git_sha1 = f.oid end
        files[#files + 1] = file
      end
    end
    url = next_page(got.header("link"))
    -- A login for another server than the hub is nobody's to ask for in its name.
    if url and server(url) ~= server(got.url) then error("huggingface: the hub's list of files goes on at another server", 1) end
  end
  return files
end

-- As `huggingface_hub` keeps what it downloaded, so that from_pretrained finds it offline: contents once each, links to them from the commit's folder.
local function hub_cache(repo, commit, ref, files)
  local out, there = {}, {}
  for _, f in ipairs(files) do
    local name, up = f.sha256 or f.git_sha1, ""
    for _ in ipairs(f.path:split("/")) do up = up .. "../" end
    if not there[name] then
      there[name] = true
      out[#out + 1] = copy(f, { path = repo.cache .. "/blobs/" .. name })
    end
    out[#out + 1] = { path = repo.cache .. "/snapshots/" .. commit .. "/" .. f.path, target = up .. "../blobs/" .. name }
  end
  -- What is pinned here is what a script means that names no revision.
  out[#out + 1] = { path = repo.cache .. "/refs/main", text = commit }
  if ref ~= "main" and not is_commit(ref) then out[#out + 1] = { path = repo.cache .. "/refs/" .. ref, text = commit } end
  return out
end

return source {
  name = "huggingface",
  doc = "A model or data set of the Hugging Face hub: the files of one commit. "
    .. "Private and gated ones need HF_TOKEN or `huggingface-cli login`; HF_ENDPOINT names a mirror.",
  example = [[
inputs:
  falcon: { huggingface: tiiuae/falcon-7b, ref: main, exclude: ["*.bin"], layout: hub-cache }
]],

  attrs = {
    huggingface = attr.text { doc = "owner/name, datasets/owner/name, or its address" },
    ref = attr.text { optional = true, alias = "revision", doc = "branch, tag or commit; main if nothing is said" },
    files = attr.list(attr.text) { default = {}, doc = "patterns of the files to take; all if there are none" },
    exclude = attr.list(attr.text) { default = {}, doc = "patterns of files to leave out" },
    layout = attr.choice { of = { "plain", "hub-cache" }, default = "plain",
      doc = "plain: the files as they are in the repository. hub-cache: a folder for HF_HUB_CACHE, in which from_pretrained(\"owner/name\") finds them offline" },
  },

  resolve = function(a, net)
    local repo = repository(a.huggingface)
    if a.ref and repo.ref then fail("huggingface: 'ref' beside an address with one: write one of them") end
    local ref = a.ref or repo.ref or "main"
    local info = ask(net, repo.api .. "/revision/" .. url_escape(ref):replace("/", "%2F"), ("'%s' at '%s'"):format(repo.id, ref),
      "check the name; what is private or gated needs HF_TOKEN or `huggingface-cli login`")
    local commit = type(info) == "table" and info.sha
    if type(commit) ~= "string" or not is_commit(commit) or (is_commit(ref) and ref ~= commit) then error("huggingface: the hub names no commit", 1) end
    local files = listing(net, repo, commit, a)
    if #files == 0 then fail(("huggingface: '%s' at '%s' has no file that is asked for"):format(repo.id, ref)) end
    if a.layout == "hub-cache" then files = hub_cache(repo, commit, ref, files) end
    return pin.files { uri = repo.uri, ref = ref, revision = commit, files = files }
  end,
}
