/* run_vm_needs.c -- see run_vm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "vm/host/run_vm_parts.h"
#include "vm/uki/reference.h"

/* What a kernel, the runner itself and a step without a limit of its own get by with. */
#define BASE_MEMORY (512ull << 20)
#define LEAST_MEMORY (1ull << 30)
/* Of content, in a cloud's machine, whose memory nobody told us: little enough for the smallest. */
#define CLOUD_ROOM (1ull << 30)
enum { DAY = 24 * 60 * 60, SPARE = 30 * 60, MAX_TIME = 365 * DAY, MAX_CPUS = 64, MAX_UKI = 1 << 30 };

static int
check_step(const struct ai_step_spec *s, const char *file, struct ai_err *err)
{
	if (!s->image) {
		(void)ai_fail(err, AI_EUSAGE, "%s:%d:%d: step '%s': runs in the host environment, of which the measured machine has nothing", file, s->line, s->column,
			s->name);
		return ai_hint(err, "give it an image ('image: …'); `aicert env freeze` makes one of this machine's own files");
	}
	if (s->limits.gpus)
		return ai_fail(err, AI_EENV, "%s:%d:%d: step '%s': limits: gpus: got %u: the measured machine has no GPUs yet", file, s->line, s->column, s->name,
			s->limits.gpus);
	return 0;
}

int
ai_vm_check_steps(const struct ai_manifest *m, const char *file, struct ai_err *err)
{
	for (size_t i = 0; i < m->n_steps; i++)
		if (check_step(&m->steps[i], file, err) < 0)
			return err->code;
	return 0;
}

static uint64_t
step_memory(const struct ai_manifest *m)
{
	uint64_t step = 0;
	for (size_t i = 0; i < m->n_steps; i++)
		step = m->steps[i].limits.memory > step ? m->steps[i].limits.memory : step;
	return step;
}

int
ai_vm_check_uki(const char *path, struct ai_err *err)
{
	AI_BUF_AUTO uki = AI_BUF(MAX_UKI);
	struct ai_reference r;
	int code = ai_read_file(AT_FDCWD, path, &uki, err);
	code = code < 0 ? code : ai_reference_compute(uki.data, uki.len, &r, err);
	if (code == 0) {
		ai_reference_done(&r);
		return 0;
	}
	(void)ai_in(err, "machine: %s", path);
	return ai_hint(err, "a runner is what `aicert vm build` writes");
}

uint64_t
ai_vm_memory(const struct ai_manifest *m, uint64_t content)
{
	const uint64_t step = step_memory(m);
	/* Content that is not on the shelf lies in the machine's memory, once as it was brought and once laid out for a step. */
	uint64_t room = content > UINT64_MAX / 4 || step > UINT64_MAX / 4 ? UINT64_MAX / 2 : 2 * content + BASE_MEMORY + step;
	return room > LEAST_MEMORY ? room : LEAST_MEMORY;
}

uint64_t
ai_vm_room(const struct ai_manifest *m, uint64_t memory)
{
	const uint64_t step = step_memory(m);
	const uint64_t rest = memory > BASE_MEMORY ? memory - BASE_MEMORY : 0;
	return rest > step && rest - step > 2 ? (rest - step) / 2 : 1;
}

/* A line of /proc/meminfo in bytes; 0: it has none. */
static uint64_t
amount(const char *meminfo, const char *key)
{
	const char *at = strstr(meminfo, key);
	return at ? (uint64_t)strtoull(at + strlen(key), NULL, 10) << 10 : 0;
}

uint64_t
ai_vm_room_on(const struct ai_manifest *m, const char *meminfo, bool cloud, uint64_t memory)
{
	if (!memory && cloud)
		return CLOUD_ROOM;
	/* A little less than there is now: it is asked again before the machine starts. */
	if (!memory)
		memory = amount(meminfo, "MemAvailable:") / 16 * 15;
	return memory ? ai_vm_room(m, memory) : 0;
}

int
ai_vm_shape(const char *meminfo, uint64_t *memory, unsigned *cpus, bool *known, struct ai_err *err)
{
	uint64_t have = amount(meminfo, "MemAvailable:"), all = amount(meminfo, "MemTotal:"), m = *memory;
	unsigned c = *cpus;
	if (have && have < m) {
		(void)ai_fail(err, AI_EENV, "machine: needs %llu MiB of memory: this host has %llu MiB to give", (unsigned long long)(m >> 20),
			(unsigned long long)(have >> 20));
		return ai_hint(err, "--vm-memory SIZE takes less, where you know that the steps do");
	}
	/* What a machine never touches costs the host nothing; but no host lends more than it has. */
	ai_reference_shape(&m, &c);
	*known = m >= *memory && c >= *cpus && (!all || m <= all);
	if (!*known)
		return 0;
	*memory = m;
	*cpus = c;
	return 0;
}

unsigned
ai_vm_cpus(const struct ai_manifest *m)
{
	unsigned n = 1;
	for (size_t i = 0; i < m->n_steps; i++)
		n = m->steps[i].limits.cpus > n ? m->steps[i].limits.cpus : n;
	return n < MAX_CPUS ? n : MAX_CPUS;
}

unsigned
ai_vm_time(const struct ai_manifest *m)
{
	double sum = SPARE;
	for (size_t i = 0; i < m->n_steps; i++)
		sum += m->steps[i].limits.time_s > 0 ? m->steps[i].limits.time_s : DAY;
	return sum < MAX_TIME ? (unsigned)sum : MAX_TIME;
}
