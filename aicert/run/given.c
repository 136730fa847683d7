/* given.c -- see given.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/given.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "model/lock.h"
#include "model/node.h"
#include "run/plan/apart.h"
#include "run/plan/plan_wheels.h"

/* The blob that where[key] names, appended. */
static int
get_text(struct ai_job *job, const json_t *where, const char *key, struct ai_buf *out, struct ai_err *err)
{
	struct ai_digest id;
	if (!ai_json_digest(where, key, &id))
		return ai_fail(err, AI_EINPUT, "names no %s", key);
	const struct ai_ref ref = { AI_REF_BLOB, id };
	int r = ai_store_has(job->store, &ref, err);
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "its %s is not in the store", key);
	return r < 0 ? r : ai_store_get_bytes(job->store, &id, out, err);
}

static int
get_rule(struct ai_job *job, const json_t *rule, struct ai_err *err)
{
	const char *name = ai_json_str(rule, "name");
	AI_BUF_AUTO text = AI_BUF(AI_MAX_RULE);
	if (ai_name_check(name, err) < 0 || get_text(job, rule, "blob", &text, err) < 0)
		return ai_in(err, "rule '%s'", name);
	struct ai_rule_text *out = &job->rules[job->n_rules++];
	size_t len = text.len;
	*out = (struct ai_rule_text){ .name = ai_strdup(name), .text = ai_buf_take(&text), .len = len };
	return out->name && out->text ? 0 : ai_nomem(err);
}

static int
get_rules(struct ai_job *job, const json_t *plan, struct ai_err *err)
{
	const json_t *rules = ai_json_arr(plan, "rules"), *rule;
	size_t i;
	job->rules = ai_calloc(json_array_size(rules), sizeof *job->rules);
	if (!job->rules)
		return ai_nomem(err);
	json_array_foreach(rules, i, rule)
		if (get_rule(job, rule, err) < 0)
			return err->code;
	return 0;
}

/* Aicertfile, rules and lock as they were planned from: what pinned wheels add to the first is added again. */
static int
get_texts(struct ai_job *job, const json_t *plan, struct ai_err *err)
{
	job->parameters = json_incref(ai_json_arr(plan, "parameters"));
	if (get_text(job, plan, "aicertfile", &job->text, err) < 0 || get_text(job, plan, "lock", &job->lock_text, err) < 0 || get_rules(job, plan, err) < 0 ||
		ai_manifest_apart(job->text.data, job->text.len, job->shown, job->parameters, &job->manifest, err) < 0 ||
		ai_plan_select_apart(job->manifest, job->rules, job->n_rules, err) < 0 ||
		ai_lock_parse(job->lock_text.data, job->lock_text.len, &job->lock, err) < 0)
		return err->code;
	return ai_manifest_add_wheels(job->manifest, job->lock, err);
}

/* The words that claims know. */
static const char *
how_word(const char *how)
{
	static const char *const words[] = { "git", "oci", "sha256" };
	for (size_t i = 0; how && i < sizeof words / sizeof *words; i++)
		if (strcmp(how, words[i]) == 0)
			return words[i];
	return "none";
}

static int
take_source(struct ai_job *job, const json_t *planned, const struct ai_given_source *given, struct ai_err *err)
{
	const char *name = ai_json_str(planned, "name");
	struct ai_digest want;
	struct ai_job_source *s = &job->sources[job->n_sources++];
	*s = (struct ai_job_source){ .owned = ai_strdup(name), .node = json_incref(given->node), .how = how_word(given->how) };
	s->name = s->owned;
	if (!s->owned)
		return ai_nomem(err);
	s->input = ai_manifest_input(job->manifest, name);
	if (strcmp(name, given->name) != 0)
		return ai_fail(err, AI_EINPUT, "source '%s': got '%s' in its place", name, given->name);
	if (ai_node_kind(s->node) != AI_KIND_SOURCE || ai_node_check(s->node, err) < 0 || ai_ref_get(ai_json_obj(s->node, "content"), &s->content, err) < 0)
		return ai_fail(err, AI_EINPUT, "source '%s' is not a source node", name);
	if (ai_store_put_node(job->store, s->node, &s->id, err) < 0)
		return err->code;
	if (!ai_json_digest(planned, "id", &want) || !ai_digest_eq(&want, &s->id))
		return ai_fail(err, AI_EINPUT, "source '%s' is not the one that the plan names", name);
	int r = ai_store_has(job->store, &s->content, err);
	return r == 0 ? ai_fail(err, AI_EINPUT, "the content of source '%s' is not in the store", name) : r < 0 ? r : 0;
}

static int
take_sources(struct ai_job *job, const json_t *plan, const struct ai_given_source *sources, size_t n, struct ai_err *err)
{
	const json_t *list = ai_json_arr(plan, "sources");
	if (json_array_size(list) != n)
		return ai_fail(err, AI_EINPUT, "got %zu sources, expected %zu", n, json_array_size(list));
	job->sources = ai_calloc(n, sizeof *job->sources);
	if (!job->sources)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++)
		if (take_source(job, json_array_get(list, i), &sources[i], err) < 0)
			return err->code;
	return 0;
}

int
ai_job_open_given(const struct ai_run_options *options, const json_t *plan, const struct ai_given_source *sources, size_t n,
	struct ai_job *job, struct ai_err *err)
{
	*job = (struct ai_job){ .opt = options, .text = AI_BUF(AI_MAX_AICERTFILE), .lock_text = AI_BUF(AI_MAX_LOCK), .lock_there = true, .apart = true };
	ai_now(job->started);
	/* There is no folder; a step's command is looked up in its image. */
	job->file = ai_strdup("Aicertfile");
	job->shown = job->file;
	job->project = ai_strdup("/");
	job->accepted = json_array();
	if (!job->file || !job->project || !job->accepted)
		return ai_nomem(err);
	if (ai_node_kind(plan) != AI_KIND_PLAN || ai_node_check(plan, err) < 0)
		return ai_fail(err, AI_EINPUT, "plan: is not a plan node");
	if (ai_home_find(options->home, &job->home, err) < 0 || ai_home_make(&job->home, err) < 0 || ai_store_open(&job->home, &job->store, err) < 0)
		return err->code;
	if (get_texts(job, plan, err) < 0 || take_sources(job, plan, sources, n, err) < 0)
		return ai_in(err, "plan");
	return 0;
}
