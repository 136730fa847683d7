/* lineage.c -- see lineage.h; and the checks of verify on it.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proof/check.h"
#include "proof/index.h"

/* --- the output that is meant ------------------------------------------------ */

static int
no_output(const json_t *outputs, const char *output, struct ai_err *err)
{
	AI_BUF_AUTO names = AI_BUF(AI_MAX_TEXT);
	size_t i;
	json_t *o;
	json_array_foreach(outputs, i, o)
		if (i < 20)
			ai_buf_printf(&names, "%s'%s'", i ? ", " : "", ai_json_str(o, "name"));
	const char *list = names.len ? names.data : "none";
	if (output)
		return ai_fail(err, AI_ENO, "the run has no output '%s': it has %s", output, list);
	return ai_fail(err, AI_ENO, "the run has %zu outputs and none is called 'model': it has %s", json_array_size(outputs), list);
}

/* by_name: the run's outputs. */
static int
output_of(const json_t *run, const json_t *by_name, const char *output, struct ai_ref *out, const char **name, struct ai_err *err)
{
	const json_t *outputs = ai_json_arr(run, "outputs"), *the = json_object_get(by_name, output ? output : "model");
	if (!the && !output && json_array_size(outputs) == 1)
		the = json_array_get(outputs, 0);
	if (!the)
		return no_output(outputs, output, err);
	if (ai_ref_get(the, out, err) < 0)
		return err->code;
	if (name)
		*name = ai_json_str(the, "name");
	return 0;
}

int
ai_lineage_output(const json_t *run, const char *output, struct ai_ref *out, const char **name, struct ai_err *err)
{
	AI_JSON *by_name = NULL;
	if (ai_index_by(ai_json_arr(run, "outputs"), "name", &by_name, err) < 0)
		return err->code;
	return output_of(run, by_name, output, out, name, err);
}

/* --- the carried proofs ------------------------------------------------------- */

struct ai_kin *
ai_lineage_find(const struct ai_lineage *l, const char *root)
{
	const json_t *place = root ? json_object_get(l->places, root) : NULL;
	return place ? &l->kin[json_integer_value(place)] : NULL;
}

/* Nothing in it is believed yet: only what the walk needs is looked at. */
static int
take_kin(const char *root, const json_t *proof, struct ai_kin *out, struct ai_err *err)
{
	struct ai_digest id;
	const char *version = ai_json_str(proof, "version"), *own = ai_json_str(proof, "root");
	if (!ai_unhex(root, &id))
		return ai_fail(err, AI_ENO, "proofs: '%.100s' is not 64 lower-case hex digits", root);
	if (!version || strcmp(version, "v1") != 0)
		return ai_fail(err, AI_ENO, "proof %s: expected a proof of version 'v1'", root);
	if (!own || strcmp(own, root) != 0)
		return ai_fail(err, AI_ENO, "proof %s: it is of the root %.64s", root, own ? own : "(none)");
	if (!ai_json_obj(proof, "proofs") || json_object_size(ai_json_obj(proof, "proofs")) > 0)
		return ai_fail(err, AI_ENO, "proof %s: its own 'proofs' must be an empty object: the proofs of its inputs stand beside it", root);
	*out = (struct ai_kin){ .proof = proof, .run = json_object_get(ai_json_obj(proof, "nodes"), root) };
	memcpy(out->root, root, AI_HEX);
	return 0;
}

static int
list_kin(const json_t *proofs, struct ai_lineage *l, struct ai_err *err)
{
	const char *root;
	json_t *proof;
	json_object_foreach((json_t *)proofs, root, proof) {
		if (take_kin(root, proof, &l->kin[l->n], err) < 0)
			return err->code;
		if (json_object_set_new(l->places, root, json_integer((json_int_t)l->n)) < 0)
			return ai_nomem(err);
		l->n++;
	}
	return 0;
}

struct walk {
	struct ai_lineage *l;
	struct { const json_t *lineage; size_t next; struct ai_kin *kin; } stack[AI_MAX_LINEAGE_DEPTH + 1];
	size_t depth;
};

static int
enter(struct walk *w, const json_t *run, struct ai_kin *kin, struct ai_err *err)
{
	if (w->depth > AI_MAX_LINEAGE_DEPTH)
		return ai_fail(err, AI_ENO, "it is more than %d proofs deep", AI_MAX_LINEAGE_DEPTH);
	w->stack[w->depth].lineage = json_object_get(run, "lineage");
	w->stack[w->depth].next = 0;
	w->stack[w->depth++].kin = kin;
	if (kin)
		kin->state = AI_KIN_OPEN;
	return 0;
}

/* The next root that the run on top of the stack names. */
static int
step_down(struct walk *w, struct ai_err *err)
{
	const size_t top = w->depth - 1;
	const char *root = json_string_value(json_array_get(w->stack[top].lineage, w->stack[top].next++));
	struct ai_kin *kin = ai_lineage_find(w->l, root);
	if (!kin)
		return ai_fail(err, AI_ENO, "no proof of %.64s is carried, which %s%s names", root ? root : "(no root)", w->stack[top].kin ? "run " : "the run",
			w->stack[top].kin ? w->stack[top].kin->root : "");
	if (kin->state == AI_KIN_OPEN)
		return ai_fail(err, AI_ENO, "run %s leads back to itself", kin->root);
	return kin->state == AI_KIN_SEEN ? 0 : enter(w, kin->run, kin, err);
}

/* By a list of our own, and not by calls: how deep it goes is a stranger's to say. */
static int
walk(struct ai_lineage *l, const json_t *run, struct ai_err *err)
{
	struct walk w = { .l = l };
	if (enter(&w, run, NULL, err) < 0)
		return err->code;
	while (w.depth > 0) {
		const size_t top = w.depth - 1;
		if (w.stack[top].next < json_array_size(w.stack[top].lineage)) {
			if (step_down(&w, err) < 0)
				return err->code;
			continue;
		}
		struct ai_kin *kin = w.stack[top].kin;
		if (kin) {
			kin->state = AI_KIN_SEEN;
			l->order[l->n_order++] = (size_t)(kin - l->kin);
		}
		w.depth--;
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->kin[i].state != AI_KIN_SEEN)
			return ai_fail(err, AI_ENO, "proof %s is of no input: no run here names its root", l->kin[i].root);
	return 0;
}

int
ai_lineage_open(const json_t *proofs, const json_t *run, struct ai_lineage *out, struct ai_err *err)
{
	const size_t n = json_object_size(proofs);
	if (n > AI_MAX_LINEAGE)
		return ai_fail(err, AI_ENO, "'proofs' holds %zu proofs, expected at most %d", n, AI_MAX_LINEAGE);
	struct ai_lineage l = { .kin = ai_calloc(n + 1, sizeof *l.kin), .places = json_object(), .order = ai_calloc(n + 1, sizeof *l.order),
		.taken = json_array() };
	int r = l.kin && l.places && l.order && l.taken ? list_kin(proofs, &l, err) : ai_nomem(err);
	if (r == 0)
		r = walk(&l, run, err);
	if (r < 0)
		ai_lineage_done(&l);
	else
		*out = l;
	return r;
}

void
ai_lineage_done(struct ai_lineage *l)
{
	for (size_t i = 0; i < l->n; i++) {
		json_decref(l->kin[i].report);
		json_decref(l->kin[i].outputs);
	}
	free(l->kin);
	free(l->order);
	json_decref(l->places);
	json_decref(l->taken);
	*l = (struct ai_lineage){ 0 };
}

const struct ai_kin *
ai_lineage_weakest(const struct ai_lineage *l)
{
	const struct ai_kin *weakest = NULL;
	for (size_t i = 0; i < l->n_order; i++) {
		const struct ai_kin *kin = &l->kin[l->order[i]];
		if (!weakest || kin->level < weakest->level)
			weakest = kin;
	}
	return weakest;
}

char *
ai_lineage_who(const struct ai_lineage *l, const char *root, const char *own)
{
	size_t i;
	json_t *t;
	const json_t *by_other = NULL;
	json_array_foreach(l->taken, i, t) {
		if (strcmp(ai_json_str(t, "root"), root) != 0)
			continue;
		if (strcmp(ai_json_str(t, "by"), own) == 0)
			return ai_format("input '%s'", ai_json_str(t, "input"));
		by_other = t;
	}
	const struct ai_kin *taker = by_other ? ai_lineage_find(l, ai_json_str(by_other, "by")) : NULL;
	const char *name = taker ? ai_json_str(taker->run, "name") : NULL;
	return name ? ai_format("input '%s' of run '%s'", ai_json_str(by_other, "input"), name) : ai_format("run %s", root);
}

/* --- carrying them ------------------------------------------------------------- */

int
ai_lineage_put(json_t *proofs, const char *root, const json_t *proof, struct ai_err *err)
{
	if (json_object_get(proofs, root))
		return 0;
	AI_JSON *bare = json_copy((json_t *)proof);
	if (!bare || json_object_set_new(bare, "proofs", json_object()) < 0 || json_object_set(proofs, root, bare) < 0)
		return ai_nomem(err);
	return 0;
}

int
ai_lineage_put_carried(json_t *proofs, const json_t *proof, struct ai_err *err)
{
	const char *key;
	json_t *carried;
	json_object_foreach(ai_json_obj(proof, "proofs"), key, carried)
		if (ai_lineage_put(proofs, key, carried, err) < 0)
			return err->code;
	return 0;
}

int
ai_lineage_room(json_t *kin, const json_t *proof, struct ai_err *err)
{
	const char *root = ai_json_str(proof, "root"), *key;
	struct ai_lineage l;
	json_t *carried;
	AI_JSON *all = json_object(), *run = json_pack("{s:[s]}", "lineage", root);
	if (!all || !run)
		return ai_nomem(err);
	if (ai_lineage_put(all, root, proof, err) < 0 || ai_lineage_put_carried(all, proof, err) < 0)
		return err->code;
	if (ai_lineage_open(all, run, &l, err) < 0)
		return ai_in(err, "with the proofs that it carries");
	ai_lineage_done(&l);
	json_object_foreach(all, key, carried)
		if (json_object_set_new(kin, key, json_true()) < 0)
			return ai_nomem(err);
	return json_object_size(kin) <= AI_MAX_LINEAGE ? 0
		: ai_fail(err, AI_ENO, "the inputs come from %zu runs, expected at most %d, whose proofs can be carried", json_object_size(kin), AI_MAX_LINEAGE);
}

/* --- the checks ------------------------------------------------------------------ */

/* Is the source's content the output that it names of the run that it names? Notes whose input it is. */
static int
check_source(struct ai_verify *v, const char *input, const json_t *source, json_t *named, struct ai_err *err)
{
	const char *root = ai_json_str(source, "revision"), *output = NULL;
	struct ai_ref want, got;
	char own[AI_HEX], a[AI_HEX], b[AI_HEX];
	ai_hex(&v->root, own);
	if (!root || !json_object_get(named, root))
		return ai_fail(err, AI_ENO, "input '%s' is of the root %.64s, which the run's lineage does not name", input, root ? root : "(none)");
	struct ai_kin *kin = ai_lineage_find(v->lineage, root);
	if ((!kin->outputs && ai_index_by(ai_json_arr(kin->run, "outputs"), "name", &kin->outputs, err) < 0)
		|| output_of(kin->run, kin->outputs, ai_json_str(source, "ref"), &want, &output, err) < 0
		|| ai_ref_get(json_object_get(source, "content"), &got, err) < 0)
		return ai_in(err, "input '%s'", input);
	if (!ai_ref_eq(&got, &want)) {
		ai_hex(&got.id, a);
		ai_hex(&want.id, b);
		return ai_fail(err, AI_ENO, "input '%s': got %s %s, expected %s %s, which is output '%s' of the run that it names", input,
			ai_ref_word(got.type), a, ai_ref_word(want.type), b, output);
	}
	if (json_object_set_new(named, root, json_true()) < 0
		|| json_array_append_new(v->lineage->taken, json_pack("{s:s, s:s, s:s, s:s}", "root", root, "by", own, "input", input, "output", output)) < 0)
		return ai_nomem(err);
	return 0;
}

/*
 * Every source of type `proof` is of a root of the lineage, and every root of the lineage is some source's: one that is withheld can be of one
 * root at most. named: {root: is it?}
 */
static int
check_sources(struct ai_verify *v, json_t *named, struct ai_err *err)
{
	const char *name;
	json_t *item;
	struct ai_digest id;
	size_t hidden = 0;
	json_object_foreach(v->source_ids, name, item)
		hidden += ai_unhex(name, &id) && ai_dag_kind(v->dag, &id) == AI_KIND_WITHHELD;
	json_object_foreach(v->sources, name, item) {
		const json_t *source = ai_json_digest(item, "id", &id) ? ai_dag_node(v->dag, AI_KIND_SOURCE, &id) : NULL;
		const char *type = ai_json_str(source, "type");
		if (type && strcmp(type, "proof") == 0 && check_source(v, name, source, named, err) < 0)
			return err->code;
	}
	json_object_foreach(named, name, item)
		if (!json_is_true(item) && hidden-- == 0)
			return ai_fail(err, AI_ENO, "the run's lineage names %s, and no input is of it%s", name,
				v->sources_withheld ? ": what is withheld can only be of the others" : "");
	return 0;
}

/* Those of the proof itself are judged here, each behind what it is made from; what is one of them relies on that. */
static int
judge_kin(struct ai_verify *v, const json_t *named, struct ai_err *err)
{
	const char *root;
	json_t *item;
	for (size_t i = 0; !v->is_kin && i < v->lineage->n_order; i++)
		if (ai_verify_kin(v, &v->lineage->kin[v->lineage->order[i]], err) < 0)
			return err->code;
	json_object_foreach((json_t *)named, root, item) {
		const struct ai_kin *kin = ai_lineage_find(v->lineage, root);
		if (kin && kin->report && kin->level == AI_LEVEL_NONE) {
			*err = kin->first;
			return ai_in(err, "proof %s", root);
		}
	}
	return 0;
}

static int
names_of(const struct ai_verify *v, json_t *named, struct ai_err *err)
{
	size_t i;
	json_t *root;
	json_array_foreach(json_object_get(v->run, "lineage"), i, root)
		if (json_object_set_new(named, json_string_value(root), json_false()) < 0)
			return ai_nomem(err);
	return 0;
}

int
ai_check_lineage(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	AI_JSON *named = json_object();
	if (!named)
		return ai_nomem(err);
	if (!v->is_kin && ai_lineage_open(json_object_get(v->proof, "proofs"), v->run, &v->own_lineage, err) < 0)
		return err->code;
	if (!v->is_kin)
		v->lineage = &v->own_lineage;
	if (names_of(v, named, err) < 0 || judge_kin(v, named, err) < 0 || check_sources(v, named, err) < 0)
		return err->code;
	if (json_object_size(named) == 0) {
		ai_buf_puts(said, "no input is an output of another proof");
		return CHECK_SKIPPED;
	}
	ai_buf_printf(said, "the contents of the inputs that are outputs of other runs with those outputs; %zu carried proofs with the roots that "
		"the lineage leads to, each proof by all that is checked here", v->is_kin ? json_object_size(named) : v->lineage->n);
	if (v->sources_withheld)
		ai_buf_puts(said, "; a withheld source was not compared");
	return CHECK_PASSED;
}

/* What the verifier asks for, it asks of each: a model is as good as the proof of what it was made from. */
int
ai_check_lineage_accepted(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	char own[AI_HEX];
	ai_hex(&v->root, own);
	if (v->is_kin || v->lineage->n == 0) {
		ai_buf_puts(said, v->is_kin ? "each is asked by itself" : "no input is an output of another proof");
		return CHECK_SKIPPED;
	}
	for (size_t i = 0; i < v->lineage->n_order; i++) {
		const struct ai_kin *kin = &v->lineage->kin[v->lineage->order[i]];
		if (kin->first.code == 0)
			continue;
		AI_FREE char *who = ai_lineage_who(v->lineage, kin->root, own);
		if (!who)
			return ai_nomem(err);
		*err = kin->first;
		err->code = AI_ENO;
		return ai_in(err, "%s: its proof reaches '%s'", who, ai_level_word(kin->level));
	}
	ai_buf_printf(said, "each of %zu proofs with what is asked of this one, but for nonce, root, inputs, outputs and steps", v->lineage->n);
	return CHECK_PASSED;
}
