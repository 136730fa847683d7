/*
 * plan_help.h -- an Aicertfile with made-up sources, planned.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PLAN_HELP_H
#define AI_PLAN_HELP_H

#include "base/json.h"
#include "model/lock.h"
#include "run/plan/plan.h"
#include "run/plan/plan_select.h"
#include "unit.h"

#define TREE_ID "d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a"
#define BLOB_ID "f118858b606851b588ca986240b95eaf90a3e70a370b4a11b84785faef50425a"
#define COMMIT "036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2"

/* The source node that an input would give: git and paths without a dot in their last part are folders. */
static inline json_t *
made_up_source(const struct ai_input *in)
{
	static const char *const words[] = { "git", "url", "path" };
	char *uri = ai_source_uri(in);
	bool dir = in->type == AI_INPUT_GIT || (in->type == AI_INPUT_PATH && !strchr(strrchr(in->where, '/') ? strrchr(in->where, '/') : in->where, '.'));
	json_t *node = json_pack("{s:s,s:s,s:s,s:{s:s}}", "kind", "source", "type", words[in->type], "uri", uri, "content",
		dir ? "tree" : "blob", dir ? TREE_ID : in->sha256 ? in->sha256 : BLOB_ID);
	if (in->ref)
		json_object_set_new(node, "ref", json_string(in->ref));
	if (in->type == AI_INPUT_GIT)
		json_object_set_new(node, "revision", json_string(COMMIT));
	free(uri);
	return node;
}

/* rules NULL: the built-in ones; parameters NULL: none. */
static inline int
plan_given(const char *text, const json_t *parameters, const struct ai_rule_text *rules, size_t n_rules, json_t **plan, struct ai_err *err)
{
	struct ai_manifest *m = NULL;
	struct ai_rule_text builtin[64];
	size_t n = 0;
	const char *const *names = ai_rule_builtin_names(&n);
	for (size_t i = 0; i < n; i++)
		builtin[i] = *ai_rule_builtin(names[i]);
	struct ai_plan_in in = { .aicertfile = text, .aicertfile_len = strlen(text), .file = "Aicertfile", .rules = rules ? rules : builtin,
		.n_rules = rules ? n_rules : n, .parameters = parameters, .platform = "linux/amd64" };
	int rc = ai_manifest_parse(text, strlen(text), "Aicertfile", parameters, &m, err);
	if (rc == 0)
		rc = ai_plan_select(m, in.rules, in.n_rules, err);
	if (rc < 0) {
		ai_manifest_free(m);
		return rc;
	}
	struct ai_plan_source *sources = calloc(m->n_inputs + 1, sizeof *sources);
	for (; in.n_sources < m->n_inputs; in.n_sources++)
		sources[in.n_sources] = (struct ai_plan_source){ m->inputs[in.n_sources].name, made_up_source(&m->inputs[in.n_sources]) };
	in.sources = sources;
	rc = ai_plan_make(&in, plan, NULL, err);
	for (size_t i = 0; i < in.n_sources; i++)
		json_decref(sources[i].node);
	free(sources);
	ai_manifest_free(m);
	return rc;
}

static inline int
plan_with(const char *text, const struct ai_rule_text *rules, size_t n_rules, json_t **plan, struct ai_err *err)
{
	return plan_given(text, NULL, rules, n_rules, plan, err);
}

static inline int
plan(const char *text, json_t **out, struct ai_err *err)
{
	return plan_with(text, NULL, 0, out, err);
}

/* The recipe of the plan's i-th step. Borrowed. */
static inline json_t *
recipe_of(const json_t *p, size_t i)
{
	return json_object_get(json_array_get(json_object_get(p, "steps"), i), "recipe");
}

#endif
