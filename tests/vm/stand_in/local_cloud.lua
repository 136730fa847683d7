-- local: a cloud that is this machine, by tests/vm/stand_in/local_cloud; what a cloud's file looks like when there is little to say.
-- SPDX-License-Identifier: Apache-2.0

local function ask(...)
	return { "local_cloud", ... }
end

return provider {
	name = "local",
	doc = "QEMU with a disk to boot from, as a cloud would have it.",
	disks = "raw",
	settings = { memory = setting.number { default = "1024", from = 512, to = 65536, doc = "in MiB" } },
	stages = {
		create = function(s, run) return { call { argv = ask("create", run.machine) } } end,
		upload = function(s, run) return { call { argv = ask("upload", run.machine, run.image, run.job) } } end,
		start = function(s, run) return { call { argv = ask("start", run.machine, s.memory) } } end,
		wait = function(s, run)
			return {
				call { argv = ask("look", run.machine), wait_for = "stopped", every = "1" },
				call { argv = ask("console", run.machine), maybe = true, show = true },
			}
		end,
		collect = function(s, run) return { call { argv = ask("fetch", run.machine, run.result) } } end,
		destroy = function(s, run)
			return { call { argv = ask("remove", run.machine), maybe = true }, call { argv = ask("left", run.machine), expect = "", every = "0" } }
		end,
	},
}
