/* fuzz_disclosure.c -- any bytes as a disclosure: what is read and leads somewhere, leads there by a tree for each part of its path.  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proof/disclose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	AI_JSON *d = NULL;
	struct ai_digest top, other = { 0 };
	struct ai_ref got;
	ai_entry_type type;
	if (ai_disclosure_parse((const char *)data, size, "fuzz", &d, &err) < 0) {
		if (d || !err.text[0])
			abort();
		return 0;
	}
	const json_t *trees = json_object_get(d, "trees");
	if (ai_json_id(json_array_get(trees, 0), &top, &err) < 0 || ai_disclosure_follow(d, &other, &got, &type, &err) != AI_ENO)
		abort();
	err = (struct ai_err){ 0 };
	if (ai_disclosure_follow(d, &top, &got, &type, &err) < 0)
		return 0;
	size_t parts = 1;
	for (const char *p = ai_json_str(d, "path"); *p; p++)
		parts += *p == '/';
	if (type == AI_ENTRY_LINK || (type == AI_ENTRY_DIR) != (got.type == AI_REF_TREE) || parts != json_array_size(trees))
		abort();
	return 0;
}
