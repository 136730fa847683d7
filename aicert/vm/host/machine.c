/*
 * machine.c -- see machine.h.
 *
 * Shape of the machine: what a measured boot says of it (PCR 0, 1, 2 and 7) goes by firmware, devices and their order here, so a change
 * to them is a change to the reference values.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vm/host/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "vm/host/swtpm.h"

#define OVMF "/usr/share/OVMF/"
enum { MAX_FIRMWARE = 64 << 20, MAX_LINE = 64 << 10, TICK_MS = 250, AFTER_MS = 10000, MIB = 1 << 20 };

/*
 * QEMU's own processor knows AVX, and numpy and glibc then take it; but TCG emulates such code 40 times slower than SSE. So: a processor of
 * before AVX that has what distributions build for (x86-64-v2), and random numbers for the guest's kernel.
 */
static const char tcg_cpu[] = "Westmere,+rdrand";
/* The host's, but for how wide its addresses are: firmware keeps that where it is measured, and values are known for 40 bits (vm/uki/reference_firmware.c). */
static const char kvm_cpu[] = "host,host-phys-bits=off,phys-bits=40";

/* --- what there must be -------------------------------------------------------- */

static int
need_file(const char *path, const char *package, struct ai_err *err)
{
	if (access(path, R_OK) == 0)
		return 0;
	(void)ai_fail_errno(err, AI_EENV, "machine: %s", path);
	return ai_hint(err, package ? "install it: apt-get install %s" : "%s", package ? package : "aicert vm build makes it");
}

static int
need_program(const char *name, const char *package, struct ai_err *err)
{
	const char *path = getenv("PATH");
	for (path = path ? path : "/usr/bin:/bin"; *path; path += strcspn(path, ":"), path += *path == ':') {
		AI_FREE char *file = ai_format("%.*s/%s", (int)strcspn(path, ":"), path, name);
		if (file && access(file, X_OK) == 0)
			return 0;
	}
	(void)ai_fail(err, AI_EENV, "machine: there is no %s on this host", name);
	return ai_hint(err, "install it: apt-get install %s", package);
}

int
ai_machine_check(const char *uki, struct ai_err *err)
{
	if (need_file(uki, NULL, err) < 0 || need_program("qemu-system-x86_64", "qemu-system-x86", err) < 0 || need_program("swtpm", "swtpm", err) < 0)
		return err->code;
	return need_file(OVMF "OVMF_CODE_4M.fd", "ovmf", err) < 0 ? err->code : need_file(OVMF "OVMF_VARS_4M.fd", "ovmf", err);
}

/* The firmware's variables are the machine's own to write: each boot begins with the distribution's. */
static int
copy_variables(const char *to, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(MAX_FIRMWARE);
	if (ai_read_file(AT_FDCWD, OVMF "OVMF_VARS_4M.fd", &bytes, err) < 0)
		return err->code;
	return ai_write_file(AT_FDCWD, to, bytes.data, bytes.len, 0600, err);
}

/* A path within an option of QEMU, where a comma is written twice; fresh. */
static char *
quoted(const char *path)
{
	size_t n = 0;
	char *out = ai_calloc(2 * strlen(path) + 1, 1);
	for (; out && *path; path++) {
		if (*path == ',')
			out[n++] = ',';
		out[n++] = *path;
	}
	return out;
}

static void
add_file(struct ai_argv *a, const char *option, const char *before, const char *path)
{
	AI_FREE char *file = quoted(path);
	if (!file) {
		a->failed = true;
		return;
	}
	ai_argv_add(a, "%s", option);
	ai_argv_add(a, "%s%s", before, file);
}

static void
add_all(struct ai_argv *a, const char *const *words)
{
	for (; *words; words++)
		ai_argv_add(a, "%s", *words);
}

static void
make_argv(const struct ai_machine *m, const char *variables, const char *control, struct ai_argv *a)
{
	const char *accelerator = ai_machine_accelerator();
	static const char *const fixed[] = { "qemu-system-x86_64", "-M", "q35,smm=off", "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
		"-no-reboot", "-rtc", "base=utc", "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
		"-device", "tpm-crb,tpmdev=tpm0", "-device", "virtio-blk-pci,drive=job,serial=aicert-job",
		"-device", "virtio-blk-pci,drive=result,serial=aicert-result", NULL };
	add_all(a, fixed);
	ai_argv_add(a, "-accel");
	ai_argv_add(a, "%s", accelerator);
	ai_argv_add(a, "-cpu");
	ai_argv_add(a, "%s", strcmp(accelerator, "kvm") == 0 ? kvm_cpu : tcg_cpu);
	ai_argv_add(a, "-m");
	ai_argv_add(a, "%llu", (unsigned long long)((m->memory + MIB - 1) / MIB));
	ai_argv_add(a, "-smp");
	ai_argv_add(a, "%u", m->cpus ? m->cpus : 1);
	add_file(a, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=", OVMF "OVMF_CODE_4M.fd");
	add_file(a, "-drive", "if=pflash,unit=1,format=raw,file=", variables);
	add_file(a, "-chardev", "socket,id=tpm,path=", control);
	add_file(a, "-drive", "if=none,id=job,format=raw,readonly=on,file=", m->job);
	/* What it holds is taken into the store when the machine is gone, so nothing need be on the platters before. */
	add_file(a, "-drive", "if=none,id=result,format=raw,cache=unsafe,discard=unmap,file=", m->result);
	ai_argv_add(a, "-kernel");
	ai_argv_add(a, "%s", m->uki);
}

/* --- its console ---------------------------------------------------------------- */

struct console {
	const struct ai_machine *m;
	int fd;
	size_t n;
	char line[MAX_LINE];
};

static void
end_line(struct console *c)
{
	while (c->n && c->line[c->n - 1] == '\r')
		c->n--;
	if (c->m->line)
		c->m->line(c->m->ctx, c->line, c->n);
	c->n = 0;
}

/* 1 there may be more, 0 the machine closed it. */
static int
read_console(struct console *c)
{
	char bytes[8192];
	ssize_t n = read(c->fd, bytes, sizeof bytes);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] != '\n')
			c->line[c->n++] = bytes[i];
		if (bytes[i] == '\n' || c->n == sizeof c->line)
			end_line(c);
	}
	if (n <= 0 && c->n)
		end_line(c);
	return n > 0;
}

/* --- one boot --------------------------------------------------------------------- */

static int64_t
now_ms(void)
{
	struct timespec t = { 0 };
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the machine closes its console. */
static int
watch(struct console *c, struct ai_err *err)
{
	int64_t deadline = c->m->time_s ? now_ms() + (int64_t)c->m->time_s * 1000 : INT64_MAX;
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		if (ai_check_interrupt(err) < 0)
			return err->code;
		if (now_ms() >= deadline) {
			(void)ai_fail(err, AI_EENV, "machine: was not done after %u s, and was ended", c->m->time_s);
			return ai_hint(err, "--vm-time gives it longer");
		}
		if (poll(&p, 1, TICK_MS) > 0 && !read_console(c))
			return 0;
	}
}

static int
died(int status, const char *errors, struct ai_err *err)
{
	char words[400];
	ai_child_last_words(errors, words, sizeof words);
	if (WIFSIGNALED(status))
		return ai_fail(err, AI_EENV, "machine: QEMU was killed by signal %d%s%s", WTERMSIG(status), *words ? ": " : "", words);
	return ai_fail(err, AI_EENV, "machine: QEMU failed: %s", *words ? words : "it said nothing");
}

static int
run(const struct ai_machine *m, const struct ai_argv *argv, const char *errors, struct ai_err *err)
{
	AI_FD out = -1;
	pid_t pid = 0;
	int status = 0;
	const struct ai_child_io io = { .errors = errors, .out = &out };
	AI_FREE struct console *c = ai_calloc(1, sizeof *c);
	if (!c)
		return ai_nomem(err);
	if (ai_child_start(argv, "qemu-system-x86", &io, &pid, err) < 0)
		return err->code;
	c->m = m;
	c->fd = out;
	int r = watch(c, err);
	int ended = r == 0 && ai_child_wait(&pid, AFTER_MS, &status);
	ai_child_end(&pid);
	if (r == 0 && !ended)
		r = ai_fail(err, AI_EENV, "machine: QEMU closed its console and did not end");
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		r = died(status, errors, err);
	return r;
}

int
ai_machine_run(const struct ai_machine *m, struct ai_err *err)
{
	AI_FREE char *variables = ai_join(m->scratch, "vars.fd");
	AI_FREE char *errors = ai_join(m->scratch, "qemu.err");
	struct ai_swtpm tpm = AI_SWTPM_NONE;
	struct ai_argv argv = { 0 };
	if (!variables || !errors)
		return ai_nomem(err);
	if (ai_machine_check(m->uki, err) < 0 || copy_variables(variables, err) < 0)
		return err->code;
	int r = ai_swtpm_start(m->tpm_state, m->scratch, false, m->talk, &tpm, err);
	if (r == 0) {
		make_argv(m, variables, tpm.control, &argv);
		ai_say(m->talk, AI_TALK_DETAIL, "machine: %s, %llu MiB", ai_machine_accelerator(), (unsigned long long)(m->memory / MIB));
		r = run(m, &argv, errors, err);
	}
	ai_argv_done(&argv);
	ai_swtpm_stop(&tpm);
	return r;
}
