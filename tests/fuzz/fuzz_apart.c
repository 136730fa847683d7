/*
 * fuzz_apart.c -- what a confined child answers that read an Aicertfile, or planned (run/plan/apart.h): it may have been taken over.
 *
 * The first byte says which: y a tree of YAML, p a plan with its environments.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/node.h"
#include "model/yaml_flat.h"
#include "run/plan/apart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int holds)
{
	if (!holds)
		abort();
}

/* What is taken says itself again, and reads the same; whatever the manifest's reader makes of it, it ends. */
static void
tree(const char *p, size_t n)
{
	struct ai_yaml *y = NULL, *again = NULL;
	struct ai_manifest *m = NULL;
	struct ai_err err = { 0 };
	AI_BUF_AUTO one = AI_BUF(64u << 20), two = AI_BUF(64u << 20);
	if (ai_yaml_unflat(p, n, &y, &err) < 0)
		return;
	must(ai_yaml_flat(y, &one, &err) == 0 && ai_yaml_unflat(one.data, one.len, &again, &err) == 0 && ai_yaml_flat(again, &two, &err) == 0);
	must(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
	ai_yaml_free(again);
	if (ai_manifest_of(y, "Aicertfile", NULL, &m, &err) == 0)
		ai_manifest_free(m);
}

static void
plan(const char *p, size_t n)
{
	AI_JSON *node = NULL, *environments = NULL;
	struct ai_err err = { 0 };
	size_t i;
	json_t *e;
	if (ai_plan_answer_parse(p, n, &node, &environments, &err) < 0)
		return;
	must(ai_node_kind(node) == AI_KIND_PLAN && ai_node_check(node, &err) == 0);
	json_array_foreach(environments, i, e)
		must(ai_node_kind(e) == AI_KIND_ENVIRONMENT && ai_node_check(e, &err) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own, so that a byte too far is seen. */
	AI_FREE char *p = size ? malloc(size) : NULL;
	if (!p)
		return 0;
	memcpy(p, data, size);
	if (*p == 'y')
		tree(p + 1, size - 1);
	else if (*p == 'p')
		plan(p + 1, size - 1);
	return 0;
}
