-- gcp: a Shielded VM in Google Compute Engine, by the Google Cloud CLI (`gcloud`, logged in with `gcloud auth login`).
--
-- Everything is named after the machine: a bucket, a network from which nothing gets out (and into which nothing gets: that is any new
-- network's rule), two images, three disks, the machine. It has no address that the world sees, no service account and no login;
-- secure boot is off, for the UKI is not signed by a key that Google knows, and what boots is measured all the same. Should nobody be there to
-- destroy it any more, Google deletes the machine an hour after its time was up.
--
-- The result disk comes back as an image that Google exports into the bucket (by Cloud Build, whose service must be enabled in the project and
-- which uses the network `default` unless told).
--
-- Sources: cloud.google.com/compute/docs/import/import-existing-image (disk.raw in an oldgnu tar.gz, sizes in whole GiB); …/images/export-image;
-- …/instances/limit-vm-runtime; cloud.google.com/sdk/gcloud/reference/compute/{images,disks,instances}/create.
-- SPDX-License-Identifier: Apache-2.0

local function gcloud(s, words)
	return { "gcloud", words, "--project=" .. s.project, "--quiet" }
end

local function compute(s, words)
	return gcloud(s, { "compute", words })
end

local function bucket(run)
	return "gs://" .. run.machine .. "-disks"
end

return provider {
  name = "gcp",
  doc = "A Shielded VM in Google Cloud, by `gcloud`.",
  disks = "gcp",

  settings = {
    project        = setting.text { only = "abcdefghijklmnopqrstuvwxyz0123456789-:.", doc = "id of the project that pays" },
    region         = setting.text { doc = "the region, like europe-west1" },
    zone           = setting.text { doc = "a zone of it, like europe-west1-b" },
    size           = setting.text { default = "n2-standard-4", doc = "the machine's type; one that can be shielded" },
    result_gb      = setting.number { default = "16", from = 10, to = 4095, doc = "size of the result disk in GiB" },
    disk_type      = setting.choice { default = "pd-balanced", of = { "pd-standard", "pd-balanced", "pd-ssd" }, doc = "what disks are made of" },
    export_network = setting.text { default = "default", doc = "the network that Google's export of the result disk works in" },
    poll           = setting.number { default = "15", from = 1, to = 600, doc = "seconds between two looks at the machine" },
  },

  stages = {
    create = function(s, run)
      return {
        call { argv = gcloud(s, { "storage", "buckets", "create", bucket(run), "--location=" .. s.region, "--uniform-bucket-level-access",
          "--public-access-prevention" }) },
        call { argv = compute(s, { "networks", "create", run.machine, "--subnet-mode=custom" }) },
        call { argv = compute(s, { "networks", "subnets", "create", run.machine, "--network=" .. run.machine, "--region=" .. s.region,
          "--range=10.0.0.0/24" }) },
        call { argv = compute(s, { "firewall-rules", "create", run.machine .. "-shut", "--network=" .. run.machine, "--direction=EGRESS",
          "--action=DENY", "--rules=all", "--priority=1", "--destination-ranges=0.0.0.0/0" }) },
      }
    end,

    upload = function(s, run)
      local function put(file, name)
        return call { argv = gcloud(s, { "storage", "cp", file, bucket(run) .. "/" .. name }) }
      end
      local function image(name, features)
        return call { argv = compute(s, { "images", "create", run.machine .. "-" .. name, "--source-uri=" .. bucket(run) .. "/" .. name .. ".tar.gz",
          "--storage-location=" .. s.region, features or {} }) }
      end
      local zone = "--zone=" .. s.zone
      return {
        put(run.image, "boot.tar.gz"),
        put(run.job, "job.tar.gz"),
        image("boot", { "--architecture=X86_64", "--guest-os-features=UEFI_COMPATIBLE,GVNIC" }),
        image("job"),
        call { argv = compute(s, { "disks", "create", run.machine .. "-job", zone, "--type=" .. s.disk_type, "--image=" .. run.machine .. "-job" }) },
        call { argv = compute(s, { "disks", "create", run.machine .. "-result", zone, "--type=" .. s.disk_type, "--size=" .. s.result_gb .. "GB" }) },
      }
    end,

    start = function(s, run)
      local function disk(name, mode)
        return ("--disk=name=%s-%s,device-name=aicert-%s,mode=%s,boot=no,auto-delete=no"):format(run.machine, name, name, mode)
      end
      return {
        call { argv = compute(s, { "instances", "create", run.machine, "--zone=" .. s.zone, "--machine-type=" .. s.size,
          "--image=" .. run.machine .. "-boot", "--boot-disk-auto-delete", disk("job", "ro"), disk("result", "rw"),
          "--subnet=" .. run.machine, "--no-address", "--no-service-account", "--no-scopes",
          "--shielded-vtpm", "--shielded-integrity-monitoring", "--no-shielded-secure-boot", "--no-restart-on-failure",
          run.limit ~= "0" and { "--max-run-duration=" .. run.limit .. "s", "--instance-termination-action=DELETE" } }) },
      }
    end,

    wait = function(s, run)
      local machine = { run.machine, "--zone=" .. s.zone }
      return {
        call { argv = compute(s, { "instances", "describe", machine, "--format=value(status)" }), wait_for = "TERMINATED", every = s.poll },
        call { argv = compute(s, { "instances", "get-serial-port-output", machine }), maybe = true, show = true },
      }
    end,

    collect = function(s, run)
      local result, archive = run.machine .. "-result", run.scratch .. "/result.tar.gz"
      return {
        call { argv = compute(s, { "images", "create", result, "--source-disk=" .. result, "--source-disk-zone=" .. s.zone,
          "--storage-location=" .. s.region }) },
        call { argv = compute(s, { "images", "export", "--image=" .. result, "--destination-uri=" .. bucket(run) .. "/result.tar.gz",
          "--zone=" .. s.zone, "--network=" .. s.export_network }) },
        call { argv = gcloud(s, { "storage", "cp", bucket(run) .. "/result.tar.gz", archive }) },
        call { argv = { "tar", "--extract", "--gzip", "--sparse", "--file", archive, "--directory", run.scratch, "disk.raw" } },
        call { argv = { "mv", "--", run.scratch .. "/disk.raw", run.result } },
      }
    end,

    -- Whatever of it there is; and then nothing may be there any more.
    destroy = function(s, run)
      local zone, region = "--zone=" .. s.zone, "--region=" .. s.region
      local function gone(words)
        return call { argv = compute(s, { words, "--filter=name~^" .. run.machine, "--format=value(name)" }), expect = "" }
      end
      local function remove(words)
        return call { argv = compute(s, words), maybe = true }
      end
      local m = run.machine
      return {
        remove { "instances", "delete", m, zone, "--delete-disks=all" },
        remove { "disks", "delete", m .. "-job", zone },
        remove { "disks", "delete", m .. "-result", zone },
        remove { "images", "delete", m .. "-boot" },
        remove { "images", "delete", m .. "-job" },
        remove { "images", "delete", m .. "-result" },
        remove { "firewall-rules", "delete", m .. "-shut" },
        remove { "networks", "subnets", "delete", m, region },
        remove { "networks", "delete", m },
        call { argv = gcloud(s, { "storage", "rm", "--recursive", bucket(run) }), maybe = true },
        gone { "instances", "list" },
        gone { "disks", "list" },
        gone { "images", "list", "--no-standard-images" },
        gone { "networks", "list" },
        call { argv = gcloud(s, { "storage", "buckets", "list", "--filter=name=" .. m .. "-disks", "--format=value(name)" }), expect = "",
          every = s.poll },
      }
    end,
  },
}
