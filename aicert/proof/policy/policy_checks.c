/*
 * policy_checks.c -- what a policy asks of the run: inputs, outputs, rules, images, steps, environments, who is denied, what may be withheld.
 *
 * Each is skipped where the policy does not speak of it, and fails where it does and there is nothing to look at.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/buf.h"
#include "proof/check.h"
#include "proof/index.h"
#include "proof/policy/policy_parts.h"

/* What the policy says under a key; NULL with the check's words when it says nothing. */
static const json_t *
asked(const struct ai_verify *v, const char *key, struct ai_buf *said)
{
	const json_t *rule = v->options->policy ? json_object_get(v->options->policy->j, key) : NULL;
	if (!rule)
		ai_buf_printf(said, v->options->policy ? "the policy says nothing of '%s'" : "there is no policy", key);
	return rule;
}

/* --- inputs -------------------------------------------------------------------- */

/* How the claims say that a source's revision and content were tied; "none" when they do not. */
static const char *
how_verified(const struct ai_verify *v, const char *id)
{
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(v->main.claims, "verified"), i, item)
		if (strcmp(ai_json_str(item, "id"), id) == 0)
			return ai_json_str(item, "how");
	return "none";
}

static int
same_field(const json_t *source, const json_t *want, const char *field, struct ai_err *err)
{
	const char *w = ai_json_str(want, field), *got = ai_json_str(source, field);
	if (!w || (got && strcmp(got, w) == 0))
		return 0;
	return ai_fail(err, AI_ENO, "%s: got %s%s%s, expected '%s'", field, got ? "'" : "", got ? got : "none", got ? "'" : "", w);
}

/* The hash that a proof shows of an input: its content's, or its revision where that was computed from the content. */
static int
check_input(const struct ai_verify *v, const json_t *named, const json_t *want, struct ai_err *err)
{
	struct ai_digest id;
	const json_t *source = ai_json_digest(named, "id", &id) ? ai_dag_node(v->dag, AI_KIND_SOURCE, &id) : NULL;
	if (!source)
		return ai_fail(err, AI_ENO, "the source is withheld, so nothing can be compared");
	const json_t *reference = json_object_get(source, "content");
	const char *content = ai_json_str(reference, "blob") ? ai_json_str(reference, "blob") : ai_json_str(reference, "tree");
	const char *revision = ai_json_str(source, "revision"), *how = how_verified(v, ai_json_str(named, "id")), *hash = ai_json_str(want, "hash");
	bool computed = revision && (strcmp(how, "git") == 0 || strcmp(how, "oci") == 0);
	bool hashed = hash && (strcmp(hash, content) == 0 || (computed && strcmp(hash, revision) == 0));
	if (hash && !hashed)
		return ai_fail(err, AI_ENO, "hash: got %s%s%s, expected %s", content, computed ? ", of revision " : "", computed ? revision : "", hash);
	if (same_field(source, want, "type", err) < 0 || same_field(source, want, "uri", err) < 0 || same_field(source, want, "revision", err) < 0)
		return err->code;
	/* A revision that nobody computed from the content is a word: other content could go by it. The run of a carried proof gave it. */
	if (ai_json_str(want, "revision") && !computed && !hashed && strcmp(ai_json_str(source, "type"), "proof") != 0) {
		(void)ai_fail(err, AI_ENO, "revision: the content was not tied to '%s' when it was fetched (verified: %s)", revision, how);
		return ai_hint(err, "name the content as well, by 'hash:'");
	}
	return 0;
}

int
ai_check_policy_inputs(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *wanted = asked(v, "inputs", said);
	const char *name;
	json_t *want, *named;
	if (!wanted)
		return CHECK_SKIPPED;
	json_object_foreach((json_t *)wanted, name, want) {
		named = json_object_get(v->sources, name);
		if (!named)
			return ai_fail(err, AI_ENO, "input '%s': the plan has none of that name", name);
		if (check_input(v, named, want, err) < 0)
			return ai_in(err, "input '%s'", name);
	}
	bool only = json_is_true(json_object_get(v->options->policy->j, "inputs-only"));
	json_object_foreach(v->sources, name, named)
		if (only && !json_object_get(wanted, name))
			return ai_fail(err, AI_ENO, "input '%s' is none of those that the policy lists, and it allows no other", name);
	if (json_object_size(wanted) == 0 && json_object_size(v->sources) == 0)
		return ai_fail(err, AI_ENO, "the policy lists no input and the plan has none: nothing was compared");
	ai_buf_printf(said, "%zu inputs with what the policy says of them%s", json_object_size(wanted), only ? "; the plan has no other" : "");
	return CHECK_PASSED;
}

/* --- root, outputs, rules, steps -------------------------------------------------- */

int
ai_check_policy_root(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *wanted = asked(v, "root", said);
	char root[AI_HEX];
	if (!wanted)
		return CHECK_SKIPPED;
	ai_hex(&v->root, root);
	if (!ai_policy_lists(wanted, root))
		return ai_fail(err, AI_ENO, "got %s, which is none of the %zu roots that the policy lists", root, json_array_size(wanted));
	ai_buf_printf(said, "the root %s with the policy's", root);
	return CHECK_PASSED;
}

int
ai_check_policy_outputs(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *wanted = asked(v, "outputs", said);
	AI_JSON *by_name = NULL;
	const char *name;
	json_t *want;
	if (!wanted)
		return CHECK_SKIPPED;
	if (ai_index_by(json_object_get(v->run, "outputs"), "name", &by_name, err) < 0)
		return err->code;
	json_object_foreach((json_t *)wanted, name, want) {
		const json_t *output = json_object_get(by_name, name);
		const char *got = ai_json_str(output, "blob") ? ai_json_str(output, "blob") : ai_json_str(output, "tree");
		if (!got)
			return ai_fail(err, AI_ENO, "output '%s': the run has none of that name", name);
		if (strcmp(got, json_string_value(want)) != 0)
			return ai_fail(err, AI_ENO, "output '%s': got %s, expected %s", name, got, json_string_value(want));
	}
	if (json_object_size(wanted) == 0)
		return ai_fail(err, AI_ENO, "the policy lists no output: nothing was compared");
	ai_buf_printf(said, "%zu outputs with their hashes in the policy", json_object_size(wanted));
	return CHECK_PASSED;
}

int
ai_check_policy_rules(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *wanted = asked(v, "rules", said), *rules = json_object_get(v->plan, "rules");
	size_t i;
	json_t *rule;
	if (!wanted)
		return CHECK_SKIPPED;
	json_array_foreach((json_t *)rules, i, rule) {
		const char *name = ai_json_str(rule, "name"), *blob = ai_json_str(rule, "blob");
		const json_t *list = json_object_get(wanted, name);
		if (!list)
			return ai_fail(err, AI_ENO, "rule '%s' is none of those that the policy lists", name);
		if (!ai_policy_lists(list, blob))
			return ai_fail(err, AI_ENO, "rule '%s': got %s, which is none of the %zu that the policy lists", name, blob, json_array_size(list));
	}
	if (i == 0)
		return ai_fail(err, AI_ENO, "the plan names no rule: nothing was compared");
	ai_buf_printf(said, "each of the plan's %zu rules with its hashes in the policy", i);
	return CHECK_PASSED;
}

int
ai_check_policy_steps(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *steps = asked(v, "steps", said), *wanted = json_object_get(steps, "require");
	size_t i;
	json_t *name;
	if (!steps)
		return CHECK_SKIPPED;
	json_array_foreach((json_t *)wanted, i, name)
		if (!json_object_get(v->results, json_string_value(name)))
			return ai_fail(err, AI_ENO, "step '%s': the run has none of that name", json_string_value(name));
	if (i == 0)
		return ai_fail(err, AI_ENO, "the policy requires no step: nothing was compared");
	ai_buf_printf(said, "%zu steps that the policy requires with the run's", i);
	return CHECK_PASSED;
}

/* --- environments ------------------------------------------------------------------ */

/* The environments that the run's steps ran in: {id: node}. AI_ENO when one is withheld. */
static int
environments(const struct ai_verify *v, json_t **out, struct ai_err *err)
{
	AI_JSON *found = json_object();
	const char *name;
	json_t *item;
	json_object_foreach(v->results, name, item) {
		struct ai_digest id;
		const json_t *result = ai_json_digest(item, "id", &id) ? ai_dag_node(v->dag, AI_KIND_RESULT, &id) : NULL;
		const json_t *step = result && ai_json_digest(result, "step", &id) ? ai_dag_node(v->dag, AI_KIND_STEP, &id) : NULL;
		const char *hex = ai_json_str(step, "environment");
		if (!hex || !ai_json_digest(step, "environment", &id))
			return ai_fail(err, AI_ENO, "step '%s' has no environment", name);
		const json_t *environment = ai_dag_node(v->dag, AI_KIND_ENVIRONMENT, &id);
		if (!environment)
			return ai_fail(err, AI_ENO, "step '%s': its environment is withheld, so nothing can be compared", name);
		if (json_object_set(found, hex, (json_t *)environment) < 0)
			return ai_nomem(err);
	}
	if (json_object_size(found) == 0)
		return ai_fail(err, AI_ENO, "the run has no step: nothing was compared");
	*out = json_incref(found);
	return 0;
}

int
ai_check_policy_images(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *wanted = asked(v, "images", said);
	AI_JSON *found = NULL;
	size_t n = 0;
	const char *id;
	json_t *e;
	if (!wanted)
		return CHECK_SKIPPED;
	if (environments(v, &found, err) < 0)
		return err->code;
	json_object_foreach(found, id, e) {
		const char *manifest = ai_json_str(json_object_get(e, "image"), "manifest");
		if (!manifest)
			continue;
		n++;
		if (!ai_policy_lists(wanted, manifest))
			return ai_fail(err, AI_ENO, "a step ran in image %s, which is none of the %zu that the policy lists", manifest, json_array_size(wanted));
	}
	if (n == 0)
		return ai_fail(err, AI_ENO, "no step ran in an image: nothing was compared");
	ai_buf_printf(said, "the manifests of %zu images that steps ran in with the policy's", n);
	return CHECK_PASSED;
}

int
ai_check_policy_environments(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *wanted = asked(v, "environments", said);
	AI_JSON *found = NULL;
	const char *id;
	json_t *e;
	if (!wanted)
		return CHECK_SKIPPED;
	if (environments(v, &found, err) < 0)
		return err->code;
	json_object_foreach(found, id, e) {
		const char *kind = json_object_get(e, "image") ? "image" : "host";
		if (!ai_policy_lists(wanted, kind))
			return ai_fail(err, AI_ENO, "a step ran in an environment of kind '%s' (%s), which the policy does not allow", kind, id);
	}
	ai_buf_printf(said, "the kinds of the %zu environments that steps ran in with those that the policy allows", json_object_size(found));
	return CHECK_PASSED;
}

/* --- who is denied, and what was booted ----------------------------------------------- */

int
ai_evidence_denied(const struct ai_policy *p, const struct ai_evidence *e, struct ai_err *err)
{
	struct ai_digest spki;
	char hex[AI_HEX];
	bool asked_for = json_object_get(json_object_get(p->j, "keys"), "deny") || json_object_get(json_object_get(p->j, "deny"), "keys");
	if (!asked_for)
		return 0;
	if (ai_ak_spki(&e->ak, &spki, err) < 0)
		return err->code;
	ai_hex(&spki, hex);
	return ai_policy_key(p, e->key) < 0 || ai_policy_key(p, hex) < 0;
}

static int
check_denied(const struct ai_policy *p, const struct ai_evidence *e, struct ai_err *err)
{
	const json_t *programs = json_object_get(json_object_get(p->j, "deny"), "programs");
	const char *program = ai_json_str(json_object_get(e->claims, "program"), "sha256");
	int denied = ai_evidence_denied(p, e, err);
	if (denied < 0)
		return denied;
	if (denied)
		return ai_fail(err, AI_ENO, "the policy denies the attestation key %s", e->key);
	if (programs && !program)
		return ai_fail(err, AI_ENO, "the claims name no program");
	if (programs && ai_policy_lists(programs, program))
		return ai_fail(err, AI_ENO, "the policy denies the program %s", program);
	return 0;
}

typedef int one_fn(const struct ai_policy *p, const struct ai_evidence *e, struct ai_err *err);

/* The proof's own attestation, and those of others. */
static int
each_attestation(const struct ai_verify *v, bool cosigned, one_fn *one, struct ai_err *err)
{
	char hex[AI_HEX];
	if (one(v->options->policy, &v->main, err) < 0)
		return err->code;
	for (size_t i = 0; i < v->n_reused; i++)
		if (one(v->options->policy, &v->reused[i], err) < 0) {
			ai_hex(&v->reused[i].id, hex);
			return ai_in(err, "attestation %s", hex);
		}
	for (size_t i = 0; cosigned && i < v->n_cosigned; i++)
		if (one(v->options->policy, &v->cosigned[i], err) < 0)
			return ai_in(err, "cosigned[%zu]", i);
	for (size_t i = 0; cosigned && i < v->n_lent; i++)
		if (one(v->options->policy, &v->lent[i], err) < 0) {
			ai_hex(&v->lent[i].id, hex);
			return ai_in(err, "attestation %s", hex);
		}
	return 0;
}

int
ai_check_policy_denied(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const struct ai_policy *p = v->options->policy;
	bool keys = p && json_object_get(json_object_get(p->j, "keys"), "deny");
	if (!keys && !asked(v, "deny", said))
		return CHECK_SKIPPED;
	if (each_attestation(v, true, check_denied, err) < 0)
		return err->code;
	ai_buf_printf(said, "the keys and programs of %zu attestations with those that the policy denies", 1 + v->n_reused + v->n_cosigned + v->n_lent);
	return CHECK_PASSED;
}

static int
check_boot(const struct ai_policy *p, const struct ai_evidence *e, struct ai_err *err)
{
	AI_BUF_AUTO unsaid = AI_BUF(AI_MAX_TEXT);
	return ai_policy_boot_holds(p, e, &unsaid, err);
}

int
ai_check_policy_boot(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const struct ai_policy *p = v->options->policy;
	bool pcrs = p && json_object_get(p->j, "pcrs");
	if (!pcrs && !asked(v, "boot", said))
		return CHECK_SKIPPED;
	if (each_attestation(v, false, check_boot, err) < 0)
		return err->code;
	ai_buf_printf(said, "the boot of %zu attestations with the policy's values and rules", 1 + v->n_reused);
	return CHECK_PASSED;
}

int
ai_evidence_job(const struct ai_evidence *e, struct ai_err *err)
{
	if (!e->job)
		return ai_fail(err, AI_ENO, "PCR 15: the run log has no job event: it is not a measured machine's");
	return e->alone ? 0 : ai_fail(err, AI_ENO, "PCR 15: the run log holds events beside this job's own: a measured machine does one job and begins with it");
}

static int
check_job(const struct ai_policy *p, const struct ai_evidence *e, struct ai_err *err)
{
	const json_t *wanted = json_object_get(p->j, "job");
	if (ai_evidence_job(e, err) < 0)
		return err->code;
	if (json_is_array(wanted) && !ai_policy_lists(wanted, e->job))
		return ai_fail(err, AI_ENO, "given as job disk %s, which is none of the %zu that the policy lists", e->job, json_array_size(wanted));
	return 0;
}

int
ai_check_policy_job(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *wanted = asked(v, "job", said);
	if (!wanted)
		return CHECK_SKIPPED;
	if (v->is_kin && json_is_array(wanted)) {
		ai_buf_puts(said, "which job disk, is asked of the proof itself, and not of those of its inputs");
		return CHECK_SKIPPED;
	}
	if (each_attestation(v, false, check_job, err) < 0)
		return err->code;
	ai_buf_printf(said, "the run logs of %zu attestations with a measured machine's: it was given a job disk, and did nothing else", 1 + v->n_reused);
	return CHECK_PASSED;
}

/* --- what is withheld ------------------------------------------------------------------ */

struct withheld {
	const struct ai_verify *v;
	json_t *names;      /* the plan's sources by id: {id: [names]} */
	size_t n;
};

/* Every name that the plan has for a withheld source must be allowed, or all sources are. */
static bool
may_withhold_source(const struct withheld *w, const struct ai_digest *id)
{
	const struct ai_policy *p = w->v->options->policy;
	char hex[AI_HEX];
	size_t i;
	json_t *name;
	ai_hex(id, hex);
	const json_t *names = json_object_get(w->names, hex);
	json_array_foreach((json_t *)names, i, name)
		if (!ai_policy_may_withhold(p, "source", json_string_value(name)))
			return false;
	return json_array_size(names) > 0 || ai_policy_may_withhold(p, "source", NULL);
}

static int
look_at_edge(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	struct withheld *w = ctx;
	char hex[AI_HEX];
	if (ai_dag_kind(w->v->dag, id) != AI_KIND_WITHHELD)
		return 0;
	w->n++;
	bool may = kind == AI_KIND_SOURCE ? may_withhold_source(w, id) : ai_policy_may_withhold(w->v->options->policy, ai_kind_word(kind), NULL);
	ai_hex(id, hex);
	return may ? 0 : ai_fail(err, AI_ENO, "%s: %s %s is withheld, which the policy does not allow", where, ai_kind_word(kind), hex);
}

/* {id: [names]} of the plan's sources. */
static int
names_of_sources(const struct ai_verify *v, json_t *out, struct ai_err *err)
{
	const char *name;
	json_t *s;
	json_object_foreach(v->sources, name, s) {
		const char *id = ai_json_str(s, "id");
		if (!json_object_get(out, id) && json_object_set_new(out, id, json_array()) < 0)
			return ai_nomem(err);
		if (json_array_append_new(json_object_get(out, id), json_string(name)) < 0)
			return ai_nomem(err);
	}
	return 0;
}

int
ai_check_policy_withheld(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	AI_JSON *names = json_object();
	struct withheld w = { v, names, 0 };
	const char *hex;
	json_t *node;
	if (!asked(v, "withhold", said))
		return CHECK_SKIPPED;
	if (!names || names_of_sources(v, names, err) < 0)
		return names ? err->code : ai_nomem(err);
	json_object_foreach(json_object_get(v->proof, "nodes"), hex, node)
		if (ai_node_kind(node) != AI_KIND_WITHHELD && ai_node_edges(node, look_at_edge, &w, err) < 0)
			return ai_in(err, "node %s", hex);
	if (w.n == 0) {
		ai_buf_puts(said, "no node is withheld");
		return CHECK_SKIPPED;
	}
	ai_buf_printf(said, "each of %zu references to withheld nodes with what the policy allows to be withheld", w.n);
	return CHECK_PASSED;
}
