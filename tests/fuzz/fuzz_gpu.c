/* fuzz_gpu.c -- any bytes as the NVIDIA driver's texts; what is taken from them is short and plain.  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "run/box/gpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
plain(const char *s, size_t max)
{
	size_t n = strlen(s);
	if (n == 0 || n > max || !ai_utf8_valid(s, n))
		abort();
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_gpu gpu = { 0 };
	AI_FREE char *text = ai_strndup((const char *)data, size);
	AI_FREE char *version = text ? ai_gpu_version(text) : NULL;
	if (version) {
		plain(version, 32);
		if (strspn(version, "0123456789.") != strlen(version))
			abort();
	}
	int r = text ? ai_gpu_information(text, &gpu, &err) : 0;
	if ((r < 0) != (err.text[0] != '\0') || (r <= 0 && (gpu.model || gpu.uuid)))
		abort();
	if (r > 0) {
		plain(gpu.model, 200);
		plain(gpu.uuid, 200);
	}
	free(gpu.model);
	free(gpu.uuid);
	return 0;
}
