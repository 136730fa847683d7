/*
 * api_replan.c -- the plan made again from what a proof carries (api_hooks.h).
 *
 * What a stranger wrote goes to libyaml and Lua in a confined child only (run/plan/confined.h). The child's answer is believed to be
 * what the child says, no more: a plan as JSON, which is read here as strictly as the proof was.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "api_hooks.h"
#include "base/buf.h"
#include "run/plan/confined.h"
#include "run/plan/plan.h"

enum {
	CPU_SECONDS = 70,        /* run/plan/plan.c gives up by itself, with better words, at 60 */
	SECONDS = 120,
	MEMORY = 1 << 30,
	MEMORY_BY_BYTE = 16,     /* and more, by the length of the plan: what is made in memory is so much larger than what is written of it */
	ROOM = 1 << 20,          /* by how much the plan may be longer than the one that it is compared with */
};

static int
carried(const struct ai_dag *dag, const json_t *obj, const char *key, const struct ai_buf **out, struct ai_err *err)
{
	struct ai_digest id;
	*out = ai_json_digest(obj, key, &id) ? ai_dag_blob(dag, &id) : NULL;
	return *out ? 0 : ai_fail(err, AI_ENO, "plan: the proof does not carry its %s", key);
}

static int
carried_rules(const struct ai_dag *dag, const json_t *rules, struct ai_rule_text *out, struct ai_err *err)
{
	for (size_t i = 0; i < json_array_size(rules); i++) {
		const json_t *r = json_array_get(rules, i);
		const struct ai_buf *text;
		if (carried(dag, r, "blob", &text, err) < 0)
			return ai_in(err, "rule '%s'", ai_json_str(r, "name"));
		out[i] = (struct ai_rule_text){ .name = (char *)ai_json_str(r, "name"), .text = text->data, .len = text->len };
	}
	return 0;
}

static int
carried_sources(const struct ai_dag *dag, const json_t *sources, struct ai_plan_source *out, struct ai_err *err)
{
	for (size_t i = 0; i < json_array_size(sources); i++) {
		const json_t *s = json_array_get(sources, i);
		struct ai_digest id;
		const json_t *node = ai_json_digest(s, "id", &id) ? ai_dag_node(dag, AI_KIND_SOURCE, &id) : NULL;
		if (!node)
			return ai_fail(err, AI_ENO, "plan: source '%s' is not in the proof", ai_json_str(s, "name"));
		out[i] = (struct ai_plan_source){ ai_json_str(s, "name"), (json_t *)node };
	}
	return 0;
}

/* Platform and GPUs are facts about the machine that ran: they are read off the environments that the plan's steps name. */
static void
facts_of(const struct ai_dag *dag, const json_t *plan, struct ai_plan_in *in)
{
	size_t i;
	json_t *step;
	json_array_foreach(ai_json_arr(plan, "steps"), i, step) {
		struct ai_digest id;
		const json_t *env = ai_json_digest(ai_json_obj(step, "recipe"), "environment", &id) ? ai_dag_node(dag, AI_KIND_ENVIRONMENT, &id) : NULL;
		const json_t *gpus = ai_json_arr(env, "gpus");
		if (!in->platform)
			in->platform = ai_json_str(env, "platform");
		/* A step with fewer has the first of those that one with more has. */
		if (json_array_size(gpus) > json_array_size(in->gpus))
			in->gpus = gpus;
	}
}

/* In the child. */
static int
plan_again(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	AI_JSON *plan = NULL;
	return ai_plan_make(ctx, &plan, NULL, err) < 0 ? err->code : ai_canon(plan, out, err);
}

/*
 * A plan much longer than the one in the proof is not that plan, and is not read to its end. One of the same bytes is that plan, and not read
 * either; another is, so that it can be told where they part.
 */
static int
plan_confined(struct ai_plan_in *in, const json_t *expected, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO want = AI_BUF(AI_MAX_PROOF);
	if (ai_canon(expected, &want, err) < 0 || ai_buf_ok(&want, "plan", err) < 0)
		return err->code;
	const struct ai_confined_limits limits = {
		.who = "the planner", .max_bytes = want.len + ROOM, .memory = MEMORY + MEMORY_BY_BYTE * want.len, .cpu_seconds = CPU_SECONDS, .seconds = SECONDS,
	};
	AI_BUF_AUTO text = AI_BUF(limits.max_bytes);
	if (ai_confined(plan_again, in, &limits, &text, err) < 0)
		return err->code;
	if (text.len == want.len && memcmp(text.data, want.data, want.len) == 0) {
		*out = json_incref((json_t *)(uintptr_t)expected);
		return 0;
	}
	return ai_json_parse(text.data, text.len, "what the planner gave", out, err) < 0 ? (err->code = AI_ENO) : 0;
}

int
ai_replan(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err)
{
	(void)ctx;
	const json_t *rules = ai_json_arr(plan, "rules"), *sources = ai_json_arr(plan, "sources");
	AI_FREE struct ai_rule_text *r = ai_calloc(json_array_size(rules), sizeof *r);
	AI_FREE struct ai_plan_source *s = ai_calloc(json_array_size(sources), sizeof *s);
	const struct ai_buf *file, *lock;
	if (!r || !s)
		return ai_nomem(err);
	if (carried(dag, plan, "aicertfile", &file, err) < 0 || carried(dag, plan, "lock", &lock, err) < 0 ||
		carried_rules(dag, rules, r, err) < 0 || carried_sources(dag, sources, s, err) < 0)
		return err->code;
	struct ai_plan_in in = {
		.aicertfile = file->data, .aicertfile_len = file->len, .file = "Aicertfile (in the proof)",
		.lock = lock->data, .lock_len = lock->len, .rules = r, .n_rules = json_array_size(rules),
		.sources = s, .n_sources = json_array_size(sources),
		.n_steps = json_array_size(ai_json_arr(plan, "steps")), .parameters = ai_json_arr(plan, "parameters"), .name = ai_json_str(run, "name"),
	};
	facts_of(dag, plan, &in);
	if (!in.platform)
		return ai_fail(err, AI_ENO, "plan: no environment to plan for");
	return plan_confined(&in, plan, out, err);
}
