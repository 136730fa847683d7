/* fuzz_requirements.c -- any bytes as a requirements file and as pip.conf; what pip is given is read again to the same text.  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "run/pip/pip_settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
include(void *ctx, const char *path, struct ai_err *err)
{
	(void)ctx, (void)err;
	/* Never out of the source. */
	if (path[0] == '/' || strncmp(path, "../", 3) == 0 || strstr(path, "/../") || strcmp(path, "..") == 0)
		abort();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_indexes x = { 0 };
	struct ai_pip_settings s = { 0 };
	const struct ai_requirements_reader r = { .include = include, .indexes = &x };
	AI_BUF_AUTO one = AI_BUF(1 << 22);
	AI_BUF_AUTO two = AI_BUF(1 << 22);
	if (ai_requirements_read("requirements.txt", (const char *)data, size, &r, &one, &err) == 0) {
		const char *text = one.data ? one.data : "";
		if (strstr(text, "://") && !strchr(text, ';'))
			abort();
		if (ai_requirements_read("requirements.txt", text, one.len, &r, &two, &err) < 0 || one.len != two.len || (one.len && memcmp(text, two.data, one.len) != 0))
			abort();
	}
	err.code = 0;
	(void)!ai_pip_config(&s, (const char *)data, size, "pip.conf", &err);
	ai_pip_settings_done(&s);
	ai_indexes_done(&x);
	return 0;
}
