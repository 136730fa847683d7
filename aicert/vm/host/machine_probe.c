/* machine_probe.c -- does KVM run here? (machine.h)  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "vm/host/child.h"
#include "vm/host/machine.h"
#include "vm/host/scratch.h"

enum { ROM = 64 << 10, RESET = ROM - 16, CODE = 0x10, SECONDS = 5, MAX_CPUINFO = 8 << 20 };

/* Is the word among the processor's flags? The hypervisor that we may run in hides what it does not give. */
static bool
processor_can(void)
{
	struct ai_err ignored = { 0 };
	AI_BUF_AUTO text = AI_BUF(MAX_CPUINFO);
	if (ai_read_file(AT_FDCWD, "/proc/cpuinfo", &text, &ignored) < 0 || !text.data)
		return false;
	const char *flags = strstr(text.data, "\nflags");
	AI_FREE char *line = flags ? ai_strndup(flags + 1, strcspn(flags + 1, "\n")) : NULL;
	return line && (strstr(line, " vmx") || strstr(line, " svm"));
}

static bool
device_opens(void)
{
	AI_FD fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return fd >= 0;
}

/* A machine whose firmware is four instructions: they tell QEMU to exit with a number of ours. QEMU on a broken KVM stops and waits instead. */
static bool
runs(const char *scratch)
{
	static const unsigned char code[] = { 0xb0, CODE, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd }; /* mov al, CODE; out 0xf4, al; hlt; jmp hlt */
	struct ai_err ignored = { 0 };
	AI_FREE unsigned char *rom = ai_calloc(ROM, 1);
	AI_FREE char *path = ai_join(scratch, "probe.rom");
	AI_FREE char *errors = ai_join(scratch, "probe.err");
	static const char *const words[] = { "qemu-system-x86_64", "-M", "q35,smm=off", "-accel", "kvm", "-cpu", "host", "-m", "16", "-nodefaults", "-no-user-config",
		"-display", "none", "-monitor", "none", "-serial", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-bios" };
	struct ai_argv a = { 0 };
	pid_t pid = 0;
	int status = 0, ended = 0;
	if (!rom || !path || !errors)
		return false;
	memcpy(rom + RESET, code, sizeof code);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		ai_argv_add(&a, "%s", words[i]);
	ai_argv_add(&a, "%s", path);
	const struct ai_child_io io = { .errors = errors };
	if (ai_write_file(AT_FDCWD, path, rom, ROM, 0600, &ignored) == 0 && ai_child_start(&a, "qemu-system-x86", &io, &pid, &ignored) == 0)
		ended = ai_child_wait(&pid, SECONDS * 1000, &status);
	ai_child_end(&pid);
	ai_argv_done(&a);
	return ended && WIFEXITED(status) && WEXITSTATUS(status) == ((CODE << 1) | 1);
}

static bool
kvm_works(void)
{
	struct ai_err ignored = { 0 };
	struct ai_vm_scratch scratch = AI_VM_SCRATCH_NONE;
	if (!processor_can() || !device_opens() || ai_vm_scratch_make(&scratch, &ignored) < 0)
		return false;
	bool works = runs(scratch.path);
	ai_vm_scratch_done(&scratch);
	return works;
}

const char *
ai_machine_accelerator(void)
{
	static const char *known;
	if (!known)
		known = kvm_works() ? "kvm" : "tcg";
	return known;
}
