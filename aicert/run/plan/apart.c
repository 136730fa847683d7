/* apart.c -- see apart.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/plan/apart.h"

#include <string.h>

#include "base/buf.h"
#include "model/node.h"
#include "model/yaml_flat.h"
#include "run/plan/confined.h"
#include "run/plan/plan_select.h"

enum {
	CPU_SECONDS = 70,        /* plan.c gives up by itself, with better words, at 60 */
	SECONDS = 300,
	MEMORY = 1 << 30,
	MAX_TREE = 64 << 20,     /* of an Aicertfile of a megabyte */
};

/* What is wrong with the child is wrong with what it was given. */
static int
confined(ai_confined_fn *fn, void *ctx, const char *who, size_t max_bytes, struct ai_buf *out, struct ai_err *err)
{
	const struct ai_confined_limits limits = { .who = who, .max_bytes = max_bytes, .memory = MEMORY, .cpu_seconds = CPU_SECONDS, .seconds = SECONDS };
	*out = AI_BUF(max_bytes);
	int r = ai_confined(fn, ctx, &limits, out, err);
	return r == AI_ENO ? (err->code = AI_EINPUT) : r;
}

/* --- the Aicertfile ------------------------------------------------------------ */

struct text { const char *p; size_t n; const char *file; };

/* In the child. */
static int
parse(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	const struct text *t = ctx;
	struct ai_yaml *y = NULL;
	if (ai_yaml_parse(t->p, t->n, t->file, &y, err) < 0)
		return err->code;
	int r = ai_yaml_flat(y, out, err);
	ai_yaml_free(y);
	return r;
}

int
ai_manifest_apart(const char *text, size_t len, const char *file, const json_t *parameters, struct ai_manifest **out, struct ai_err *err)
{
	struct text t = { text, len, file };
	struct ai_yaml *y = NULL;
	AI_BUF_AUTO said = AI_BUF(0);
	if (confined(parse, &t, "the reader of the Aicertfile", MAX_TREE, &said, err) < 0)
		return err->code;
	if (ai_yaml_unflat(said.data ? said.data : "", said.len, &y, err) < 0)
		return ai_in(err, "what the reader of the Aicertfile gave");
	return ai_manifest_of(y, file, parameters, out, err);
}

/* --- chosen steps ------------------------------------------------------------------ */

struct choice { struct ai_manifest *m; const struct ai_rule_text *rules; size_t n_rules; };

/* In the child. */
static int
choose(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	const struct choice *c = ctx;
	return ai_plan_choose(c->m, c->rules, c->n_rules, out, err);
}

int
ai_plan_select_apart(struct ai_manifest *m, const struct ai_rule_text *rules, size_t n_rules, struct ai_err *err)
{
	struct choice c = { m, rules, n_rules };
	AI_BUF_AUTO said = AI_BUF(0);
	if (!m->selected.n)
		return 0;
	if (confined(choose, &c, "the planner", m->n_steps + m->n_inputs + 1, &said, err) < 0)
		return err->code;
	return ai_plan_keep(m, said.data ? said.data : "", said.len, err) < 0 ? ai_in(err, "what the planner gave") : 0;
}

/* --- the plan --------------------------------------------------------------------- */

/* In the child. */
static int
make(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	AI_JSON *plan = NULL, *environments = NULL;
	if (ai_plan_make(ctx, &plan, &environments, err) < 0)
		return err->code;
	AI_JSON *both = json_pack("{s:O, s:O}", "environments", environments, "plan", plan);
	return both ? ai_canon(both, out, err) : ai_nomem(err);
}

/* A node of this kind, checked. */
static int
is_node(const json_t *node, ai_kind kind, struct ai_err *err)
{
	if (ai_node_kind(node) != kind)
		return ai_fail(err, AI_EINPUT, "got something else, expected a %s", ai_kind_word(kind));
	return ai_node_check(node, err);
}

int
ai_plan_answer_parse(const char *bytes, size_t n, json_t **plan, json_t **environments, struct ai_err *err)
{
	AI_JSON *both = NULL;
	size_t i;
	json_t *env;
	if (ai_json_parse(bytes, n, "answer", &both, err) < 0)
		return err->code;
	json_t *node = ai_json_obj(both, "plan"), *list = ai_json_arr(both, "environments");
	if (!node || !list || json_object_size(both) != 2)
		return ai_fail(err, AI_EINPUT, "answer: expected plan and environments, and nothing else");
	if (is_node(node, AI_KIND_PLAN, err) < 0)
		return ai_in(err, "answer: plan");
	json_array_foreach(list, i, env)
		if (is_node(env, AI_KIND_ENVIRONMENT, err) < 0)
			return ai_in(err, "answer: environment %zu", i);
	*plan = json_incref(node);
	if (environments)
		*environments = json_incref(list);
	return 0;
}

int
ai_plan_apart(const struct ai_plan_in *in, json_t **plan, json_t **environments, struct ai_err *err)
{
	AI_BUF_AUTO said = AI_BUF(0);
	if (confined(make, (void *)(uintptr_t)in, "the planner", AI_MAX_NODE, &said, err) < 0)
		return err->code;
	return ai_plan_answer_parse(said.data ? said.data : "", said.len, plan, environments, err) < 0 ? ai_in(err, "what the planner gave") : 0;
}
