-- qemu: the machine of this host, by QEMU with OVMF for firmware and swtpm for a TPM. Where `aicert run --in vm` runs unless told otherwise.
--
-- What a measured boot says of it (PCR 0, 1, 2 and 7) goes by firmware, devices and their order here, so a change to them is a change to the
-- reference values. It has a console, a TPM and two disks, which the runner finds by their serials: no network, no other way in or out.
--
-- run: paths that aicert knows. uki: the runner; job, result: the two disks; firmware, variables: OVMF's code, and a copy of its variables that
-- is this boot's own; tpm: the folder of the TPM's state; control: the socket that QEMU reaches it by; listen: what swtpm is told of that socket
-- ("fd=N": aicert listens before it starts swtpm; by hand "path=…"). All three settings are set when a stage is asked: aicert settles those
-- left open.
-- SPDX-License-Identifier: Apache-2.0

-- A path within an option: QEMU wants its commas twice.
local function path(text)
	return text:replace(",", ",,")
end

-- QEMU's own processor knows AVX, and numpy and glibc then take it; but TCG emulates such code 40 times slower than SSE. So: a processor of before
-- AVX that has what distributions build for (x86-64-v2), and random numbers for the guest's kernel. With KVM it is the host's, but for how wide its
-- addresses are: firmware keeps that where it is measured, and values are known for 40 bits (aicert/vm/uki/reference_firmware.c).
local processors = { tcg = "Westmere,+rdrand", kvm = "host,host-phys-bits=off,phys-bits=40" }

return provider {
	name = "qemu",
	doc = "This host, by QEMU with a software TPM: where a run goes without --provider.",
	disks = "raw",

	settings = {
		memory      = setting.number { optional = true, from = 64, to = 16777216, doc = "in MiB; else what the job needs" },
		cpus        = setting.number { optional = true, from = 1, to = 999, doc = "processors; else what the steps ask for" },
		accelerator = setting.choice { optional = true, of = { "kvm", "tcg" }, doc = "kvm or tcg; else kvm where it proves to run" },
	},

	stages = {
		tpm = function(s, run)
			return {
				call { package = "swtpm",
					argv = { "swtpm", "socket", "--tpm2", "--tpmstate", "dir=" .. run.tpm, "--ctrl", "type=unixio," .. run.listen, "--terminate" } },
			}
		end,

		machine = function(s, run)
			return {
				call { package = "qemu-system-x86", argv = { "qemu-system-x86_64", "-M", "q35,smm=off", "-nodefaults", "-no-user-config",
					"-display", "none", "-monitor", "none", "-no-reboot", "-rtc", "base=utc",
					"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
					"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
					"-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0",
					"-device", "virtio-blk-pci,drive=job,serial=aicert-job",
					"-device", "virtio-blk-pci,drive=result,serial=aicert-result",
					"-accel", s.accelerator, "-cpu", processors[s.accelerator], "-m", s.memory, "-smp", s.cpus,
					"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" .. path(run.firmware),
					"-drive", "if=pflash,unit=1,format=raw,file=" .. path(run.variables),
					"-chardev", "socket,id=tpm,path=" .. path(run.control),
					"-drive", "if=none,id=job,format=raw,readonly=on,file=" .. path(run.job),
					-- What it holds is taken into the store when the machine is gone, so nothing need be on the platters before. A full disk of the host's
					-- is the guest's to know: by default QEMU would wait for room, without a word.
					"-drive", "if=none,id=result,format=raw,cache=unsafe,discard=unmap,werror=report,file=" .. path(run.result),
					"-kernel", run.uki } },
			}
		end,
	},
}
