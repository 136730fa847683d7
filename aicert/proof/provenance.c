/*
 * provenance.c -- nothing comes from nowhere: plan against results, and the origin of every input.
 *
 * Steps are taken in the order of the plan. What a step may use are the origins
 * known before it: contents of the plan's sources, carried blobs that are no outputs, outputs of the results
 * before it, and whatever lies inside one of those by trees that the proof carries.
 * An output becomes an origin only after its step, so no two results can vouch for each other.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "model/recipe.h"
#include "proof/check.h"
#include "proof/index.h"

/* --- plan and results ------------------------------------------------------ */

static const json_t *
result_of(const struct ai_verify *v, const char *step)
{
	struct ai_digest id;
	const json_t *named = json_object_get(v->results, step);
	return named && ai_json_digest(named, "id", &id) ? ai_dag_node(v->dag, AI_KIND_RESULT, &id) : NULL;
}

struct substitution {
	const struct ai_verify *v;
	json_t *done;      /* {step: {output: reference}} of the steps before this one */
};

static int
output_of(void *ctx, const char *step, const char *output, struct ai_ref *out, struct ai_err *err)
{
	struct substitution *s = ctx;
	const json_t *outputs = json_object_get(s->done, step), *ref = json_object_get(outputs, output);
	if (!outputs)
		return ai_fail(err, AI_ENO, "step '%s' does not stand before it in the plan", step);
	if (!ref)
		return ai_fail(err, AI_ENO, "the result of step '%s' has no output '%s'", step, output);
	return ai_ref_get(ref, out, err);
}

/* The declared outputs, in the same number, under the same names, as file or folder. */
static int
check_outputs(const json_t *step, const json_t *result, struct ai_err *err)
{
	const json_t *declared = json_object_get(step, "outputs"), *made = json_object_get(result, "outputs");
	AI_JSON *by_name = NULL;
	size_t i;
	json_t *o;
	if (json_array_size(declared) != json_array_size(made))
		return ai_fail(err, AI_ENO, "outputs: got %zu, expected %zu", json_array_size(made), json_array_size(declared));
	if (ai_index_by(declared, "name", &by_name, err) < 0)
		return err->code;
	json_array_foreach((json_t *)made, i, o) {
		const char *name = ai_json_str(o, "name"), *type = ai_json_str(json_object_get(by_name, name), "type");
		const char *got = json_object_get(o, "tree") ? "dir" : "file";
		if (!type)
			return ai_fail(err, AI_ENO, "output '%s' is not declared", name);
		if (strcmp(type, got) != 0)
			return ai_fail(err, AI_ENO, "output '%s': got a %s, expected a %s", name, got, type);
	}
	return 0;
}

/* The environment of a step or recipe; NULL: withheld. */
static const json_t *
environment_of(const struct ai_verify *v, const json_t *step)
{
	struct ai_digest id;
	return ai_json_digest(step, "environment", &id) ? ai_dag_node(v->dag, AI_KIND_ENVIRONMENT, &id) : NULL;
}

/* Observed on the host, or nothing to observe: `used` belongs to the host environment and to no other. */
static int
check_used(const struct ai_verify *v, const json_t *step, const json_t *result, struct ai_err *err)
{
	const json_t *environment = environment_of(v, step);
	if (!environment)
		return 0; /* withheld, which its own check reports */
	bool host = json_object_get(environment, "host") != NULL, used = json_object_get(result, "used") != NULL;
	if (host == used)
		return 0;
	return ai_fail(err, AI_ENO, "%s", host ? "it ran in the host environment, and its result does not say what it used of it"
		: "its environment is an image, and its result says that it used the host");
}

/* How many recipes of the plan have an environment that is withheld. */
static size_t
withheld_environments(const struct ai_verify *v)
{
	size_t i, n = 0;
	json_t *planned;
	json_array_foreach(json_object_get(v->plan, "steps"), i, planned)
		n += environment_of(v, json_object_get(planned, "recipe")) == NULL;
	return n;
}

/* How many steps ran in what: a run with an image may have steps beside it in the host. */
static void
count_environments(struct ai_verify *v, struct ai_buf *said)
{
	size_t i;
	json_t *planned;
	json_array_foreach(json_object_get(v->plan, "steps"), i, planned) {
		const json_t *env = environment_of(v, json_object_get(planned, "recipe"));
		v->n_in_images += json_object_get(env, "image") != NULL;
		v->n_in_host += json_object_get(env, "host") != NULL;
	}
	ai_buf_printf(said, "; %zu ran in an image, %zu in the host environment", v->n_in_images, v->n_in_host);
}

/* An image is its manifest with its content: under that key in a set. */
static int
add_image(json_t *set, const char *manifest, const char *tree, const char *name, struct ai_err *err)
{
	AI_FREE char *key = manifest && tree ? ai_format("%s %s", manifest, tree) : NULL;
	return key && json_object_set_new(set, key, json_string(name)) == 0 ? 0 : ai_nomem(err);
}

/* The images of steps and of sources, each with the name of one that has it. Withheld nodes have a check of their own. */
static int
collect_images(const struct ai_verify *v, json_t *steps, json_t *sources, struct ai_err *err)
{
	size_t i;
	json_t *named;
	json_array_foreach(json_object_get(v->plan, "steps"), i, named) {
		const json_t *image = ai_json_obj(environment_of(v, json_object_get(named, "recipe")), "image");
		if (image && add_image(steps, ai_json_str(image, "manifest"), ai_json_str(image, "content"), ai_json_str(named, "name"), err) < 0)
			return err->code;
	}
	json_array_foreach(json_object_get(v->plan, "sources"), i, named) {
		struct ai_digest id;
		const json_t *s = ai_json_digest(named, "id", &id) ? ai_dag_node(v->dag, AI_KIND_SOURCE, &id) : NULL;
		const char *type = ai_json_str(s, "type");
		if (type && strcmp(type, "image") == 0 && add_image(sources, ai_json_str(s, "revision"), ai_json_str(ai_json_obj(s, "content"), "tree"),
			ai_json_str(named, "name"), err) < 0)
			return err->code;
	}
	return 0;
}

/*
 * What steps ran in is a source of the plan; and an image among the sources, which the summary shows, is one that some step ran in.
 * Sets, because a hostile proof may have very many of both.
 */
static int
check_images(const struct ai_verify *v, struct ai_err *err)
{
	AI_JSON *steps = json_object();
	AI_JSON *sources = json_object();
	const size_t hidden = withheld_environments(v);
	const char *key;
	json_t *name;
	if (!steps || !sources)
		return ai_nomem(err);
	if (collect_images(v, steps, sources, err) < 0)
		return err->code;
	json_object_foreach(steps, key, name)
		if (!v->sources_withheld && !json_object_get(sources, key))
			return ai_fail(err, AI_ENO, "step '%s': its environment is image %.71s, which is no source of the plan", json_string_value(name), key);
	json_object_foreach(sources, key, name)
		if (hidden == 0 && !json_object_get(steps, key))
			return ai_fail(err, AI_ENO, "source '%s' is an image, and no step ran in it", json_string_value(name));
	return 0;
}

/* Does the log of events begin with the job that a measured runner was given? */
static bool
given_a_job(const struct ai_verify *v)
{
	const char *first = ai_json_str(json_array_get(v->main.run_log, 0), "event");
	return first && strcmp(first, "job") == 0;
}

/* Which steps went on from checkpoints: that is to be seen, for of what was in those nothing is proven but the id. */
static void
say_resumed(const struct ai_verify *v, struct ai_buf *said)
{
	size_t i, n = 0;
	json_t *planned;
	json_array_foreach(json_object_get(v->plan, "steps"), i, planned) {
		const char *name = ai_json_str(planned, "name");
		if (!json_object_get(result_of(v, name), "resumed"))
			continue;
		ai_buf_printf(said, "%s '%s'", n++ ? "," : "; not where the checkpoints came from, which a run that had not ended left, and from which went on", name);
	}
}

static int
check_step(const struct substitution *s, const json_t *planned, struct ai_err *err)
{
	AI_JSON *step = NULL;
	struct ai_digest made, said;
	const json_t *result = result_of(s->v, ai_json_str(planned, "name"));
	if (!result)
		return ai_fail(err, AI_ENO, "the run has no result for it");
	if (ai_recipe_step(json_object_get(planned, "recipe"), output_of, (void *)s, &step, err) < 0 || ai_json_id(step, &made, err) < 0)
		return err->code;
	if (!ai_json_digest(result, "step", &said) || !ai_digest_eq(&made, &said)) {
		char a[AI_HEX], b[AI_HEX];
		ai_hex(&said, a);
		ai_hex(&made, b);
		return ai_fail(err, AI_ENO, "its result is of step %s, expected %s", a, b);
	}
	/* A builder's own machine may go on from what a crash left; where that came from nothing says. A measured one has nothing from before. */
	if (json_object_get(result, "resumed") && given_a_job(s->v))
		return ai_fail(err, AI_ENO, "its result went on from checkpoints ('resumed'), and a measured runner has none");
	return check_outputs(step, result, err) < 0 || check_used(s->v, step, result, err) < 0 ? err->code : 0;
}

static int
check_run_outputs(struct substitution *s, struct ai_err *err)
{
	const struct ai_verify *v = s->v;
	const json_t *planned = json_object_get(v->plan, "outputs"), *made = json_object_get(v->run, "outputs");
	AI_JSON *by_name = NULL;
	size_t i;
	json_t *o;
	if (json_array_size(planned) != json_array_size(made))
		return ai_fail(err, AI_ENO, "run outputs: got %zu, expected %zu", json_array_size(made), json_array_size(planned));
	if (ai_index_by(planned, "name", &by_name, err) < 0)
		return err->code;
	json_array_foreach((json_t *)made, i, o) {
		struct ai_ref want, got;
		const char *name = ai_json_str(o, "name");
		const json_t *p = json_object_get(by_name, name);
		if (!p)
			return ai_fail(err, AI_ENO, "run output '%s': the plan has none of that name", name);
		if (output_of(s, ai_json_str(p, "step"), ai_json_str(p, "output"), &want, err) < 0 || ai_ref_get(o, &got, err) < 0)
			return ai_in(err, "run output '%s'", name);
		if (!ai_ref_eq(&want, &got)) {
			char a[AI_HEX], b[AI_HEX];
			ai_hex(&got.id, a);
			ai_hex(&want.id, b);
			return ai_fail(err, AI_ENO, "run output '%s': got %s, expected %s, which its step gave", name, a, b);
		}
	}
	return 0;
}

int
ai_check_plan(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	AI_JSON *done = json_object();
	struct substitution s = { .v = v, .done = done };
	const json_t *steps = json_object_get(v->plan, "steps");
	size_t i, n = json_array_size(steps);
	json_t *planned;
	if (n != json_object_size(v->results))
		return ai_fail(err, AI_ENO, "the run has %zu results, expected %zu, one for each step of the plan", json_object_size(v->results), n);
	json_array_foreach((json_t *)steps, i, planned) {
		const char *name = ai_json_str(planned, "name");
		AI_JSON *outputs = NULL;
		if (check_step(&s, planned, err) < 0 || ai_index_by(json_object_get(result_of(v, name), "outputs"), "name", &outputs, err) < 0)
			return ai_in(err, "step '%s'", name);
		if (json_object_set(done, name, outputs) < 0)
			return ai_nomem(err);
	}
	if (check_images(v, err) < 0 || check_run_outputs(&s, err) < 0)
		return err->code;
	size_t hidden = withheld_environments(v);
	ai_buf_printf(said, "the plan's %zu recipes, with results put in place of names, with the steps of the run's %zu results; the images that they ran in with the "
		"plan's sources; their outputs with what is declared; and the run's %zu outputs with those results", n, n,
		json_array_size(json_object_get(v->run, "outputs")));
	count_environments(v, said);
	say_resumed(v, said);
	if (hidden || v->sources_withheld)
		ai_buf_printf(said, "; but not what %zu steps ran in, whose environment is withheld, nor any image of a withheld source", hidden);
	return CHECK_PASSED;
}

/* --- origins --------------------------------------------------------------- */

struct origins {
	const struct ai_verify *v;
	json_t *known;              /* {"blob:<hex>" or "tree:<hex>": true} */
	struct ai_digest *todo;     /* known trees that the proof carries and whose entries are not known yet */
	size_t n_todo, cap;
};

static void
origin_key(const struct ai_ref *ref, char out[AI_HEX + 5])
{
	char hex[AI_HEX];
	ai_hex(&ref->id, hex);
	snprintf(out, AI_HEX + 5, "%s:%s", ai_ref_word(ref->type), hex);
}

static int
add_origin(struct origins *o, const struct ai_ref *ref, struct ai_err *err)
{
	char key[AI_HEX + 5];
	origin_key(ref, key);
	if (json_object_get(o->known, key))
		return 0;
	if (json_object_set_new(o->known, key, json_true()) < 0)
		return ai_nomem(err);
	if (ref->type == AI_REF_BLOB || !ai_dag_node(o->v->dag, AI_KIND_TREE, &ref->id))
		return 0;
	if (ai_grow(&o->todo, &o->cap, o->n_todo, sizeof *o->todo, err) < 0)
		return err->code;
	o->todo[o->n_todo++] = ref->id;
	return 0;
}

static int
add_entry(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	(void)where;
	struct ai_ref ref = { .type = kind == AI_KIND_TREE ? AI_REF_TREE : AI_REF_BLOB, .id = *id };
	return add_origin(ctx, &ref, err);
}

/* An origin and what lies inside it. */
static int
add_deep(struct origins *o, const json_t *holder, struct ai_err *err)
{
	struct ai_ref ref;
	if (ai_ref_get(holder, &ref, err) < 0 || add_origin(o, &ref, err) < 0)
		return err->code;
	while (o->n_todo > 0) {
		const struct ai_digest id = o->todo[--o->n_todo];
		if (ai_node_edges(ai_dag_node(o->v->dag, AI_KIND_TREE, &id), add_entry, o, err) < 0)
			return err->code;
	}
	return 0;
}

static int
add_sources(struct origins *o, struct ai_err *err)
{
	const char *key;
	json_t *item;
	json_object_foreach(o->v->sources, key, item) {
		struct ai_digest id;
		const json_t *source = ai_json_digest(item, "id", &id) ? ai_dag_node(o->v->dag, AI_KIND_SOURCE, &id) : NULL;
		if (source && add_deep(o, json_object_get(source, "content"), err) < 0)
			return err->code;
	}
	AI_JSON *outputs = NULL;
	if (ai_carried_outputs(o->v, &outputs, err) < 0)
		return err->code;
	json_object_foreach(json_object_get(o->v->proof, "blobs"), key, item) {
		struct ai_ref ref = { .type = AI_REF_BLOB };
		if (!json_object_get(outputs, key) && ai_unhex(key, &ref.id) && add_origin(o, &ref, err) < 0)
			return err->code;
	}
	return 0;
}

/* How many inputs of this step have no known origin; those are an error unless a source is withheld. */
static int
check_origin(struct origins *o, const char *name, const json_t *step, size_t *n_inputs, size_t *n_unknown, struct ai_err *err)
{
	size_t i;
	json_t *input;
	json_array_foreach(json_object_get(step, "inputs"), i, input) {
		struct ai_ref ref;
		char key[AI_HEX + 5];
		if (ai_ref_get(input, &ref, err) < 0)
			return err->code;
		origin_key(&ref, key);
		++*n_inputs;
		if (json_object_get(o->known, key))
			continue;
		++*n_unknown;
		if (!o->v->sources_withheld)
			return ai_fail(err, AI_ENO, "step '%s': input '%s' (%s) is no source's content, no earlier output, no carried blob, and lies in none: "
				"it comes from nowhere", name, ai_json_str(input, "path"), key);
	}
	return 0;
}

static int
walk_origins(struct origins *o, size_t *n_inputs, size_t *n_unknown, struct ai_err *err)
{
	size_t i, k;
	json_t *planned, *output;
	if (add_sources(o, err) < 0)
		return err->code;
	json_array_foreach(json_object_get(o->v->plan, "steps"), i, planned) {
		struct ai_digest id;
		const char *name = ai_json_str(planned, "name");
		const json_t *result = result_of(o->v, name);
		const json_t *step = result && ai_json_digest(result, "step", &id) ? ai_dag_node(o->v->dag, AI_KIND_STEP, &id) : NULL;
		if (!step)
			return ai_fail(err, AI_ENO, "step '%s': its node is absent", name);
		if (check_origin(o, name, step, n_inputs, n_unknown, err) < 0)
			return err->code;
		json_array_foreach(json_object_get(result, "outputs"), k, output)
			if (add_deep(o, output, err) < 0)
				return err->code;
	}
	return 0;
}

int
ai_check_provenance(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	AI_JSON *known = json_object();
	struct origins o = { .v = v, .known = known };
	size_t n_inputs = 0, n_unknown = 0;
	if (!known)
		return ai_nomem(err);
	int r = walk_origins(&o, &n_inputs, &n_unknown, err);
	free(o.todo);
	if (r < 0)
		return r;
	if (n_unknown > 0) {
		ai_buf_printf(said, "%zu of %zu step inputs may come from a withheld source: their origin was not compared", n_unknown, n_inputs);
		return CHECK_SKIPPED;
	}
	ai_buf_printf(said, "each of %zu step inputs with the contents of %zu sources, the carried blobs, the outputs of earlier steps, and what lies in them",
		n_inputs, json_object_size(v->sources));
	return CHECK_PASSED;
}

/* --- planned again --------------------------------------------------------- */

/* Of planning for all carried proofs together: each has its own limit, and a stranger may carry a thousand. */
enum { KIN_SECONDS = 600 };

static int64_t
milliseconds(void)
{
	struct timespec t = { 0 };
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int
plan_again(struct ai_verify *v, json_t **again, struct ai_err *err)
{
	if (v->is_kin && v->lineage->planning > (int64_t)KIN_SECONDS * 1000)
		return ai_fail(err, AI_ENO, "planning again for the carried proofs takes too long: got more than %d s", KIN_SECONDS);
	const int64_t began = milliseconds();
	int r = v->options->replan(v->options->ctx, v->run, v->plan, v->dag, again, err);
	if (v->is_kin)
		v->lineage->planning += milliseconds() - began;
	return r;
}

int
ai_check_replan(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	AI_JSON *again = NULL;
	struct ai_digest made, planned;
	bool hidden = v->sources_withheld || withheld_environments(v) > 0;
	if (!v->options->replan || hidden) {
		ai_buf_printf(said, "plan not rechecked: %s", v->options->replan ? "a source or an environment is withheld" : "this verifier has no planner");
		return CHECK_SKIPPED;
	}
	if (plan_again(v, &again, err) < 0) {
		/* A fault in what the proof carries is the proof's, not of how this verifier was called. */
		if (err->code == AI_EUSAGE)
			err->code = AI_ENO;
		return ai_in(err, "planning again from the carried Aicertfile, lock and rules");
	}
	if (ai_json_id(again, &made, err) < 0 || !ai_json_digest(v->run, "plan", &planned))
		return err->code ? err->code : ai_fail(err, AI_ENO, "run: no plan");
	char a[AI_HEX], b[AI_HEX];
	ai_hex(&planned, a);
	ai_hex(&made, b);
	if (!ai_digest_eq(&made, &planned))
		return ai_fail(err, AI_ENO, "the carried Aicertfile, lock and rules plan %s, expected %s, which the run names", b, a);
	ai_buf_printf(said, "the plan %s with the one made again from the carried Aicertfile, lock and rules", a);
	return CHECK_PASSED;
}
