/* gpu_text.c -- what the NVIDIA driver says of itself and of a GPU (gpu.h).  SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "run/box/gpu.h"

#define MAX_VALUE 200
#define MAX_MINOR 65535

/* "535.183.01": numbers with points between them, at least two. */
static bool
is_version(const char *s, size_t n)
{
	size_t points = 0;
	for (size_t i = 0; i < n; i++) {
		bool point = s[i] == '.';
		if (!point && !isdigit((unsigned char)s[i]))
			return false;
		if (point && (i == 0 || i + 1 == n || s[i - 1] == '.'))
			return false;
		points += point;
	}
	return n > 0 && n <= 32 && points > 0;
}

/*
 * "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024", or of the open modules
 * "… NVIDIA UNIX Open Kernel Module for x86_64  555.58.02  Release Build  (…)": the first word that is a version.
 */
char *
ai_gpu_version(const char *text)
{
	static const char label[] = "NVRM version:";
	const char *line = text;
	while (*line && strncmp(line, label, sizeof label - 1) != 0) {
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	for (const char *p = line; *p && *p != '\n';) {
		size_t n = strcspn(p, " \t\n");
		if (is_version(p, n))
			return ai_strndup(p, n);
		p += n + strspn(p + n, " \t");
	}
	return NULL;
}

/* The value after "key:" at the beginning of a line, blanks around it gone; NULL when there is no such line. */
static const char *
value(const char *text, const char *key, size_t *len)
{
	size_t n = strlen(key);
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, key, n) != 0 || line[n] != ':')
			continue;
		const char *v = line + n + 1;
		v += strspn(v, " \t");
		*len = strcspn(v, "\n");
		while (*len > 0 && strchr(" \t\r", v[*len - 1]))
			(*len)--;
		return v;
	}
	return NULL;
}

/* A value that may stand in a node: short, valid UTF-8, no control characters. NULL when it may not, or when memory is out. */
static char *
plain(const char *v, size_t n)
{
	if (!v || n == 0 || n > MAX_VALUE || !ai_utf8_valid(v, n))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)v[i] < 0x20 || v[i] == 0x7f)
			return NULL;
	return ai_strndup(v, n);
}

int
ai_gpu_information(const char *text, struct ai_gpu *out, struct ai_err *err)
{
	size_t n = 0, n_model = 0, n_uuid = 0;
	const char *v = value(text, "GPU Excluded", &n);
	if (v && n == 3 && strncmp(v, "Yes", 3) == 0)
		return 0;
	const char *uuid_at = value(text, "GPU UUID", &n_uuid), *model_at = value(text, "Model", &n_model);
	/* "GPU-????????-…": the driver has not started this one yet, for nobody has opened it. */
	if (uuid_at && memchr(uuid_at, '?', n_uuid)) {
		ai_fail(err, AI_EENV, "the GPU has not been started, its uuid is unknown");
		return ai_hint(err, "run nvidia-smi once, or nvidia-persistenced, then try again");
	}
	v = value(text, "Device Minor", &n);
	if (!v || n == 0 || n > 5 || strspn(v, "0123456789") != n || strtoull(v, NULL, 10) > MAX_MINOR)
		return ai_fail(err, AI_EENV, "no 'Device Minor' in the driver's information");
	AI_FREE char *uuid = plain(uuid_at, n_uuid);
	AI_FREE char *model = plain(model_at, n_model);
	if (!uuid || !model)
		return ai_fail(err, AI_EENV, "no '%s' in the driver's information", uuid ? "Model" : "GPU UUID");
	*out = (struct ai_gpu){ .model = model, .uuid = uuid, .minor = (unsigned)strtoull(v, NULL, 10) };
	model = uuid = NULL;
	return 1;
}
