/* manifest_limits.c -- `limits: {memory: 32G, time: 12h, cpus: 4, pids: 500}`.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "model/manifest_read.h"

/* Digits at *s, moved past them; false without digits or beyond what a limit can be. */
static bool
digits(const char **s, unsigned long long *out)
{
	size_t n = strspn(*s, "0123456789");
	if (n == 0 || n > 15)
		return false;
	*out = strtoull(*s, NULL, 10);
	*s += n;
	return true;
}

/* Powers of 1024, as everywhere where memory is meant. */
bool
ai_memory_parse(const char *p, unsigned long long *out)
{
	static const char units[] = "KMGT";
	unsigned long long v = 0;
	bool good = digits(&p, &v) && v > 0;
	const char *unit = good && *p ? strchr(units, *p) : NULL;
	if (unit) {
		p += 1;
		p += strncmp(p, "iB", 2) == 0 ? 2 : *p == 'i' || *p == 'B';
		unsigned shift = 10 * (unsigned)(unit - units + 1);
		good = v < 1ull << (62 - shift);
		v <<= good ? shift : 0;
	}
	if (!good || *p)
		return false;
	*out = v;
	return true;
}

static int
memory(struct reader *r, const struct ai_yaml *y, unsigned long long *out)
{
	const char *s = y->type == AI_YAML_SCALAR ? y->text : "";
	return ai_memory_parse(s, out) ? 0 : ai_at(r, y, "limits: memory: got '%s', expected a size like 512M or 32G", s);
}

bool
ai_duration_parse(const char *p, double *out)
{
	unsigned long long total = 0, v = 0;
	bool good = *p != '\0';
	while (good && *p) {
		good = digits(&p, &v) && v < 1000000000ull;
		unsigned long long each = *p == 'd' ? 86400 : *p == 'h' ? 3600 : *p == 'm' ? 60 : *p == 's' || (!*p && total == 0) ? 1 : 0;
		good = good && each > 0;
		total += v * each;
		p += *p != '\0';
	}
	if (!good || total == 0)
		return false;
	*out = (double)total;
	return true;
}

static int
duration(struct reader *r, const struct ai_yaml *y, double *out)
{
	const char *s = y->type == AI_YAML_SCALAR ? y->text : "";
	return ai_duration_parse(s, out) ? 0 : ai_at(r, y, "limits: time: got '%s', expected a time like 45s, 30m or 12h", s);
}

int
ai_read_limits(struct reader *r, const struct ai_yaml *map, struct ai_limits *out)
{
	static const char *const known[] = { "time", "memory", "cpus", "pids", "gpus" };
	if (map->type != AI_YAML_MAP)
		return ai_at(r, map, "limits: expected a map like {memory: 32G, time: 12h}");
	if (ai_known_keys(r, map, "limits", known, sizeof known / sizeof *known) < 0)
		return r->err->code;
	const struct ai_yaml *time = ai_yaml_get(map, "time"), *mem = ai_yaml_get(map, "memory");
	if ((time && duration(r, time, &out->time_s) < 0) || (mem && memory(r, mem, &out->memory) < 0))
		return r->err->code;
	static const struct { const char *key, *name; unsigned least, max; size_t at; } counts[] = {
		{ "cpus", "limits: cpus", 1, 1u << 16, offsetof(struct ai_limits, cpus) },
		{ "pids", "limits: pids", 1, 1u << 22, offsetof(struct ai_limits, pids) },
		{ "gpus", "limits: gpus", 0, 1u << 10, offsetof(struct ai_limits, gpus) },
	};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		const struct ai_yaml *y = ai_yaml_get(map, counts[i].key);
		unsigned long long v;
		if (y && ai_take_count(r, y, counts[i].name, counts[i].max, &v) < 0)
			return r->err->code;
		if (y && v < counts[i].least)
			return ai_at(r, y, "%s: got %llu, expected at least %u; without it there is no such limit", counts[i].name, v, counts[i].least);
		if (y)
			*(unsigned *)((char *)out + counts[i].at) = (unsigned)v;
	}
	return 0;
}
