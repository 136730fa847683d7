-- s3: an object, or all objects below a prefix, of an S3 bucket: AWS's or another server's, public or signed.

-- "s3://bucket/some/key": bucket and key, as text.
local function place(text)
  if not text:starts("s3://") then fail(("s3: '%s': expected s3://BUCKET/KEY"):format(text)) end
  local rest = text:sub(6)
  local slash = rest:find("/")
  local bucket, key = slash and rest:sub(1, slash - 1) or rest, slash and rest:sub(slash + 1) or ""
  if bucket == "" or key:find("?") or key:find("#") then fail(("s3: '%s': expected s3://BUCKET/KEY"):format(text)) end
  return bucket, key
end

-- The URI that the engine signs and asks for: its own forms of s3:// (fetch/s3.h), without the region.
local function base_of(endpoint, bucket)
  if not endpoint then return "s3://" .. bucket .. "/" end
  if not endpoint:starts("https://") and not endpoint:starts("http://") then fail(("s3: endpoint '%s': expected https://HOST"):format(endpoint)) end
  if endpoint:ends("/") then endpoint = endpoint:sub(1, -2) end
  if endpoint:sub(endpoint:find("://") + 3):find("/") then fail(("s3: endpoint '%s': expected https://HOST, without a path"):format(endpoint)) end
  return "s3+" .. endpoint .. "/" .. bucket .. "/"
end

local function with(uri, name, value)
  if not value then return uri end
  return uri .. (uri:find("?") and "&" or "?") .. name .. "=" .. value
end

local function refused(what, got)
  fail(("s3: the server shows no %s: it answers %d"):format(what, got.status),
    "keys are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE in ~/.aws/credentials")
end

-- All keys below a prefix; the region may turn out to be another one. nil: the server does not list this bucket to us.
local function list(net, s, prefix)
  local keys, after, seen = {}, nil, {}
  while true do
    local got = net.get(with(with(with(s.base .. "?list", "prefix", s.escape(prefix)), "after", after and s.escape(after)), "region", s.region))
    local region = got.header("x-amz-bucket-region")
    if got.status ~= 200 and region and region ~= s.region and not s.moved then
      s.region, s.moved = region, true
    elseif got.status == 403 then
      return nil, got
    elseif got.status ~= 200 then
      refused("bucket '" .. s.bucket .. "'", got)
    else
      local page = got.json()
      for _, file in ipairs(page.files) do keys[#keys + 1] = file end
      if not page.more or #page.files == 0 then return keys end
      after = page.files[#page.files].key
      if seen[after] then error("s3: the server's listing repeats itself", 1) end
      seen[after] = true
    end
  end
end

local function matches(path, globs)
  for _, pattern in ipairs(globs) do
    if glob(pattern, path) then return true end
  end
  return false
end

-- Where an object is; its version too, if the bucket keeps them and they are asked for.
local function object(net, s, key, versions)
  local uri = with(s.base .. url_escape(key), "region", s.region)
  if not versions then return uri end
  local got = net.get(uri, { headers = { Range = "bytes=0-0" } })
  if got.status ~= 200 and got.status ~= 206 and got.status ~= 416 then refused("object '" .. key .. "'", got) end
  local version = got.header("x-amz-version-id")
  return version and version ~= "null" and with(uri, "versionId", s.escape(version)) or uri
end

return source {
  name = "s3",
  doc = "An object of an S3 bucket, or all below a prefix. Requests are signed when there are keys in the usual places; "
    .. "AWS_ENDPOINT_URL names another server for everybody's s3:// addresses.",
  example = [[
inputs:
  corpus: { s3: "s3://my-bucket/corpus/2024/", exclude: ["*.tmp"] }
]],

  attrs = {
    s3 = attr.text { doc = "s3://BUCKET/KEY, one object; or s3://BUCKET/PREFIX/, a folder of all below it" },
    endpoint = attr.url { optional = true, doc = "the server, if it is not AWS: https://HOST" },
    region = attr.text { optional = true, doc = "the bucket's region; found out on AWS" },
    files = attr.list(attr.text) { default = {}, doc = "patterns of the files to take, below the prefix; all if there are none" },
    exclude = attr.list(attr.text) { default = {}, doc = "patterns of files to leave out" },
    versions = attr.flag { default = false,
      doc = "pin version ids too, so that what is overwritten can still be fetched: for buckets that keep versions" },
  },

  resolve = function(a, net)
    local bucket, key = place(a.s3)
    local s = { bucket = bucket, base = base_of(a.endpoint, bucket), region = a.region,
      escape = function(text) return url_escape(text):replace("/", "%2F") end }
    local listed, got = list(net, s, key)
    if not listed then
      -- Who may not list may still get, if the name is whole.
      if key == "" or key:ends("/") then refused("listing of '" .. a.s3 .. "'", got) end
      return pin.files { uri = a.s3, single = true, files = { { path = key:split("/")[#key:split("/")], url = object(net, s, key, a.versions) } } }
    end
    local prefix, files, one = key, {}, nil
    if key ~= "" and not key:ends("/") then prefix = key .. "/" end
    for _, file in ipairs(listed) do
      local path = file.key:starts(prefix) and file.key:sub(prefix:len() + 1)
      if file.key == key and key ~= "" and not key:ends("/") then
        one = file
      elseif path and path ~= "" and not path:ends("/") and (#a.files == 0 or matches(path, a.files)) and not matches(path, a.exclude) then
        files[#files + 1] = { path = path, size = file.size, url = object(net, s, file.key, a.versions) }
      end
    end
    if one then
      local parts = key:split("/")
      return pin.files { uri = a.s3, single = true, files = { { path = parts[#parts], size = one.size, url = object(net, s, key, a.versions) } } }
    end
    if #files == 0 then fail(("s3: '%s': there is nothing that is asked for"):format(a.s3)) end
    return pin.files { uri = a.s3, files = files }
  end,
}
