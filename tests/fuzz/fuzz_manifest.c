/* fuzz_manifest.c -- any bytes as an Aicertfile: a manifest whose names are names, or an error with its text.  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "model/lock.h"
#include "model/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_manifest *m = NULL;
	int r = ai_manifest_parse((const char *)data, size, "fuzz", NULL, &m, &err);
	if ((r == 0) != (m != NULL) || (r < 0) != (err.text[0] != '\0') || (r < 0 && r != AI_EUSAGE && r != AI_EENV))
		abort();
	for (size_t i = 0; m && i < m->n_inputs; i++) {
		char *uri = ai_source_uri(&m->inputs[i]);
		if (ai_name_check(m->inputs[i].name, &err) < 0 || (m->inputs[i].to && ai_relpath_check(m->inputs[i].to, &err) < 0) || !uri || uri[0] == '/')
			abort();
		free(uri);
	}
	for (size_t i = 0; m && i < m->n_steps; i++)
		if (!m->steps[i].use || m->steps[i].attrs->type != AI_YAML_MAP)
			abort();
	ai_manifest_free(m);
	return 0;
}
