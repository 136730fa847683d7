-- azure: a Trusted Launch machine, by the Azure CLI (`az`, logged in with `az login`).
--
-- Everything stands in a resource group of its own, so that destroying is deleting the group. The machine has no address that the
-- world sees, no login, and rules that let nothing in or out; secure boot is off, for the UKI is not signed by a key that Azure knows, and
-- what boots is measured all the same.
--
-- Trusted Launch wants an image of a gallery whose definition says so; a specialized one is booted as it is, without provisioning. Data
-- disks are made from VHDs in the group's storage account. The result disk is read through a URL that Azure signs: a secret, which
-- `az storage` takes from its environment, not from a command line that every user of this machine could read.
--
-- Sources: learn.microsoft.com/azure/virtual-machines/trusted-launch; …/linux/disks-upload-vhd-to-managed-disk-cli;
-- …/image-version (sig image-version create --os-vhd-uri); …/cli/azure/storage/blob (AZURE_STORAGE_SAS_TOKEN, AZURE_STORAGE_SERVICE_ENDPOINT).
-- SPDX-License-Identifier: Apache-2.0

local NAMES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

-- The storage account's name: letters and digits, of all the world's accounts this one.
local function account(run)
	return run.machine:replace("-", "")
end

local function az(s, words)
	return { "az", words, "--output", "none", "--only-show-errors", s.subscription and { "--subscription", s.subscription } }
end

-- As az(), for one text that is wanted.
local function ask(s, words, query)
	return { "az", words, "--query", query, "--output", "tsv", "--only-show-errors", s.subscription and { "--subscription", s.subscription } }
end

-- What the user's own shell may say of other storage accounts.
local nobody = { AZURE_STORAGE_ACCOUNT = "", AZURE_STORAGE_KEY = "", AZURE_STORAGE_CONNECTION_STRING = "", AZURE_STORAGE_AUTH_MODE = "",
  AZURE_STORAGE_SAS_TOKEN = "", AZURE_STORAGE_SERVICE_ENDPOINT = "" }

local function blob_url(s, run, name)
	return ("https://%s.blob.%s/disks/%s"):format(account(run), s.storage_suffix, name)
end

-- "https://host/container/blob?query": the parts that az storage takes.
local function parts_of(url)
	local query = url:find("?")
	local host = query and url:find("/", 9)
	local slash = host and url:find("/", host + 1)
	if not slash or slash > query or not url:starts("https://") then error("az disk grant-access gave no signed URL") end
	return { endpoint = url:sub(1, host - 1), container = url:sub(host + 1, slash - 1), blob = url:sub(slash + 1, query - 1),
		token = url:sub(query + 1) }
end

return provider {
  name = "azure",
  doc = "A Trusted Launch machine in Microsoft Azure, by `az`.",
  disks = "vhd",

  settings = {
    location       = setting.text { doc = "the region, as `az account list-locations` names it" },
    size           = setting.text { default = "Standard_D4s_v5", doc = "the machine's size; one that can Trusted Launch" },
    result_gb      = setting.number { default = "16", from = 1, to = 4095, doc = "size of the result disk in GiB; all of it is downloaded" },
    disk_type      = setting.choice { default = "StandardSSD_LRS", of = { "Standard_LRS", "StandardSSD_LRS", "Premium_LRS" },
                                      doc = "what disks are made of" },
    subscription   = setting.text { optional = true, only = NAMES .. " .", doc = "name or id of the subscription; else the one that az is set to" },
    auth           = setting.choice { default = "key", of = { "key", "login" },
                                      doc = "how az reaches the storage account: by its key, or as you (then you need a data role)" },
    storage_suffix = setting.text { default = "core.windows.net", only = NAMES .. ".", doc = "of storage in your cloud" },
    poll           = setting.number { default = "15", from = 1, to = 600, doc = "seconds between two looks at the machine" },
  },

  stages = {
    create = function(s, run)
      local group = { "--resource-group", run.machine }
      local at = { "--location", s.location }
      local function rule(name, direction)
        return call { argv = az(s, { "network", "nsg", "rule", "create", group, "--nsg-name", "shut", "--name", name, "--priority", "100",
          "--direction", direction, "--access", "Deny", "--protocol", "*", "--source-address-prefixes", "*", "--source-port-ranges", "*",
          "--destination-address-prefixes", "*", "--destination-port-ranges", "*" }) }
      end
      return {
        call { argv = ask(s, { "group", "create", "--name", run.machine, at, "--tags", "made-by=aicert" }, "id"),
          keep = "group", like = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/" .. run.machine },
        call { argv = az(s, { "network", "nsg", "create", group, at, "--name", "shut" }) },
        rule("nothing-in", "Inbound"),
        rule("nothing-out", "Outbound"),
        call { argv = az(s, { "network", "vnet", "create", group, at, "--name", "net", "--address-prefixes", "10.0.0.0/24",
          "--subnet-name", "sub", "--subnet-prefixes", "10.0.0.0/24", "--network-security-group", "shut" }) },
        call { argv = az(s, { "network", "nic", "create", group, at, "--name", "nic", "--vnet-name", "net", "--subnet", "sub",
          "--network-security-group", "shut" }) },
        call { argv = az(s, { "storage", "account", "create", group, at, "--name", account(run), "--sku", "Standard_LRS", "--kind", "StorageV2",
          "--min-tls-version", "TLS1_2", "--https-only", "true", "--allow-blob-public-access", "false" }) },
        call { argv = az(s, { "storage", "container", "create", "--account-name", account(run), "--name", "disks", "--auth-mode", s.auth }),
          env = nobody },
      }
    end,

    upload = function(s, run)
      local group = { "--resource-group", run.machine }
      local at = { "--location", s.location }
      local gallery = { group, "--gallery-name", account(run) }
      local definition = { gallery, "--gallery-image-definition", "aicert" }
      local function put(file, name)
        return call { argv = az(s, { "storage", "blob", "upload", "--account-name", account(run), "--container-name", "disks", "--name", name,
          "--type", "page", "--file", file, "--auth-mode", s.auth, "--no-progress" }), env = nobody }
      end
      return {
        put(run.image, "boot.vhd"),
        put(run.job, "job.vhd"),
        call { argv = az(s, { "sig", "create", gallery, at }) },
        call { argv = az(s, { "sig", "image-definition", "create", definition, at, "--publisher", "aicert", "--offer", "runner", "--sku", "uki",
          "--os-type", "Linux", "--os-state", "Specialized", "--hyper-v-generation", "V2", "--features", "SecurityType=TrustedLaunch" }) },
        call { argv = az(s, { "sig", "image-version", "create", definition, at, "--gallery-image-version", "1.0.0",
          "--os-vhd-uri", blob_url(s, run, "boot.vhd"), "--os-vhd-storage-account",
          run.said.group .. "/providers/Microsoft.Storage/storageAccounts/" .. account(run) }) },
        call { argv = az(s, { "disk", "create", group, at, "--name", "job", "--sku", s.disk_type, "--source", blob_url(s, run, "job.vhd") }) },
        call { argv = az(s, { "disk", "create", group, at, "--name", "result", "--sku", s.disk_type, "--size-gb", s.result_gb }) },
      }
    end,

    start = function(s, run)
      local group = { "--resource-group", run.machine }
      return {
        call { argv = az(s, { "vm", "create", group, "--location", s.location, "--name", "vm", "--size", s.size, "--nics", "nic",
          "--image", run.said.group .. "/providers/Microsoft.Compute/galleries/" .. account(run) .. "/images/aicert", "--specialized",
          "--security-type", "TrustedLaunch", "--enable-vtpm", "true", "--enable-secure-boot", "false",
          "--attach-data-disks", "job", "result" }) },
        -- The serial console, for people only.
        call { argv = az(s, { "vm", "boot-diagnostics", "enable", group, "--name", "vm" }), maybe = true },
      }
    end,

    -- The guest powers itself off; a disk can be read when its machine has no place any more.
    wait = function(s, run)
      local vm = { "--resource-group", run.machine, "--name", "vm" }
      return {
        call { argv = ask(s, { "vm", "get-instance-view", vm }, "instanceView.statuses[?starts_with(code, 'PowerState/')].code | [0]"),
          wait_for = "PowerState/stopped", every = s.poll },
        call { argv = { "az", "vm", "boot-diagnostics", "get-boot-log", vm, "--only-show-errors",
          s.subscription and { "--subscription", s.subscription } },
          maybe = true, show = true },
        call { argv = az(s, { "vm", "deallocate", vm }) },
        call { argv = ask(s, { "disk", "grant-access", "--resource-group", run.machine, "--name", "result", "--access-level", "Read",
          "--duration-in-seconds", "86400" }, "accessSAS || accessSas"), keep = "url", secret = true,
          like = "https://md-example.z1.blob.storage.azure.net/container/abcd?sv=2018-03-28&sr=b&si=example&sig=EXAMPLEOFASECRET" },
      }
    end,

    collect = function(s, run)
      local url = parts_of(run.said.url)
      return {
        call { argv = az(s, { "storage", "blob", "download", "--container-name", url.container, "--name", url.blob, "--file", run.result,
          "--no-progress" }),
          env = copy(nobody, { AZURE_STORAGE_SERVICE_ENDPOINT = url.endpoint, AZURE_STORAGE_SAS_TOKEN = url.token }) },
        call { argv = az(s, { "disk", "revoke-access", "--resource-group", run.machine, "--name", "result" }), maybe = true },
      }
    end,

    destroy = function(s, run)
      local with = s.subscription and { "--subscription", s.subscription }
      return {
        call { argv = { "az", "group", "delete", "--name", run.machine, "--yes", with }, maybe = true },
        call { argv = { "az", "group", "exists", "--name", run.machine, "--output", "json", "--only-show-errors", with },
          expect = "false", every = s.poll },
      }
    end,
  },
}
