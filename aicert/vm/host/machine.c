/* machine.c -- see machine.h.  SPDX-License-Identifier: Apache-2.0 */
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
#include "vm/host/machine_parts.h"
#include "vm/host/swtpm.h"

enum { MAX_FIRMWARE = 64 << 20, MAX_LINE = 64 << 10, TICK_MS = 250, AFTER_MS = 10000, MIB = 1 << 20 };

/* The firmware's variables are the machine's own to write: each boot begins with the distribution's. */
static int
copy_variables(const char *to, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(MAX_FIRMWARE);
	if (ai_read_file(AT_FDCWD, AI_OVMF "OVMF_VARS_4M.fd", &bytes, err) < 0)
		return err->code;
	return ai_write_file(AT_FDCWD, to, bytes.data, bytes.len, 0600, err);
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
run(const struct ai_machine *m, const struct ai_machine_program *program, const char *errors, struct ai_err *err)
{
	AI_FD out = -1;
	pid_t pid = 0;
	int status = 0;
	const struct ai_child_io io = { .errors = errors, .out = &out };
	AI_FREE struct console *c = ai_calloc(1, sizeof *c);
	if (!c)
		return ai_nomem(err);
	if (ai_child_start(&program->argv, program->package, &io, &pid, err) < 0)
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

/* The TPM first: it holds the socket that the machine connects to. */
static int
start_tpm(const struct ai_machine *m, const struct ai_machine_facts *known, struct ai_swtpm *tpm, struct ai_machine_program *machine, struct ai_err *err)
{
	char listen[32];
	struct ai_machine_facts f = *known;
	struct ai_machine_program program = { 0 };
	if (ai_swtpm_listen(m->tpm_state, m->scratch, m->talk, tpm, err) < 0)
		return err->code;
	snprintf(listen, sizeof listen, "fd=%d", tpm->listen);
	f.listen = listen;
	f.control = tpm->control;
	int r = ai_machine_program(m->shape, "machine", &f, machine, err);
	r = r < 0 ? r : ai_machine_program(m->shape, "tpm", &f, &program, err);
	r = r < 0 ? r : ai_swtpm_launch(tpm, &program.argv, program.package, err);
	ai_machine_program_done(&program);
	return r;
}

int
ai_machine_run(const struct ai_machine *m, struct ai_err *err)
{
	AI_FREE char *variables = ai_join(m->scratch, "vars.fd");
	AI_FREE char *errors = ai_join(m->scratch, "qemu.err");
	struct ai_swtpm tpm = AI_SWTPM_NONE;
	struct ai_machine_program machine = { 0 };
	if (!variables || !errors)
		return ai_nomem(err);
	const struct ai_machine_facts known = { .uki = m->uki, .job = m->job, .result = m->result, .variables = variables, .tpm = m->tpm_state,
		.accelerator = m->accelerator, .memory = m->memory, .cpus = m->cpus };
	if (ai_machine_check(m->shape, m->uki, err) < 0 || copy_variables(variables, err) < 0)
		return err->code;
	int r = start_tpm(m, &known, &tpm, &machine, err);
	if (r == 0) {
		ai_say(m->talk, AI_TALK_DETAIL, "machine: %s, %llu MiB", m->accelerator, (unsigned long long)(m->memory / MIB));
		r = run(m, &machine, errors, err);
	}
	ai_machine_program_done(&machine);
	ai_swtpm_stop(&tpm);
	return r;
}
