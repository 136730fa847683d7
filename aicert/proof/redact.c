/* redact.c -- see redact.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/redact.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/node.h"
#include "proof/index.h"

enum { SHORTEST_ID = 8 };

/* A proof being redacted; borrowed from proof but for wanted. */
struct redaction {
	json_t *proof, *nodes, *blobs;
	const json_t *run, *plan;
	json_t *wanted;              /* {id: the node that stands there now} */
};

static const json_t *
node_of(const struct redaction *r, const char *id)
{
	return id ? json_object_get(r->nodes, id) : NULL;
}

/* The result of a step; NULL: there is no step of that name. */
static const json_t *
result_of(const struct redaction *r, const char *step)
{
	size_t i;
	json_t *v;
	json_array_foreach(ai_json_arr(r->run, "results"), i, v)
		if (strcmp(ai_json_str(v, "name"), step) == 0)
			return node_of(r, ai_json_str(v, "id"));
	return NULL;
}

static const char *
environment_of(const struct redaction *r, const json_t *result)
{
	return ai_json_str(node_of(r, ai_json_str(result, "step")), "environment");
}

static const char *
source_id(const struct redaction *r, const char *name)
{
	size_t i;
	json_t *v;
	json_array_foreach(ai_json_arr(r->plan, "sources"), i, v)
		if (strcmp(ai_json_str(v, "name"), name) == 0)
			return ai_json_str(v, "id");
	return NULL;
}

/* --- what is meant ----------------------------------------------------------- */

static bool
may_be_withheld(ai_kind kind)
{
	return kind == AI_KIND_SOURCE || kind == AI_KIND_ENVIRONMENT || kind == AI_KIND_USED || kind == AI_KIND_TREE;
}

static int
want(const struct redaction *r, const char *word, const char *id, struct ai_err *err)
{
	json_t *node = json_object_get(r->nodes, id);
	ai_kind kind = ai_node_kind(node);
	if (!node)
		return ai_fail(err, AI_EUSAGE, "'%s': node %s is not in the proof", word, id);
	if (kind == AI_KIND_WITHHELD)
		return ai_fail(err, AI_EUSAGE, "'%s': node %s is withheld already", word, id);
	if (!may_be_withheld(kind))
		return ai_fail(err, AI_EUSAGE, "'%s': node %s is a %s: expected a source, environment, used or tree: nothing else may be withheld", word, id, ai_kind_word(kind));
	return json_object_set(r->wanted, id, node) < 0 ? ai_nomem(err) : 0;
}

/* The one node whose id begins so. */
static int
want_id(const struct redaction *r, const char *word, struct ai_err *err)
{
	const char *id, *found = NULL;
	json_t *v;
	json_object_foreach(r->nodes, id, v) {
		if (strncmp(id, word, strlen(word)) != 0)
			continue;
		if (found)
			return ai_fail(err, AI_EUSAGE, "'%s': begins the ids of several nodes", word);
		found = id;
	}
	return found ? want(r, word, found, err) : ai_fail(err, AI_EUSAGE, "'%s': the proof has no node whose id begins so", word);
}

/* `environment:STEP` and `used:STEP`. */
static int
want_of_step(const struct redaction *r, const char *word, const char *step, bool used, struct ai_err *err)
{
	const json_t *result = result_of(r, step);
	if (!result)
		return ai_fail(err, AI_EUSAGE, "'%s': the run has no step '%s'", word, step);
	const char *id = used ? ai_json_str(result, "used") : environment_of(r, result);
	return id ? want(r, word, id, err) : ai_fail(err, AI_EUSAGE, "'%s': the result of step '%s' used nothing of a host", word, step);
}

static int
want_word(const struct redaction *r, const char *word, struct ai_err *err)
{
	const char *source = source_id(r, strncmp(word, "source:", 7) == 0 ? word + 7 : word);
	const size_t n = strlen(word);
	if (source)
		return want(r, word, source, err);
	if (strncmp(word, "environment:", 12) == 0)
		return want_of_step(r, word, word + 12, false, err);
	if (strncmp(word, "used:", 5) == 0)
		return want_of_step(r, word, word + 5, true, err);
	if (n >= SHORTEST_ID && n < AI_HEX && strspn(word, "0123456789abcdef") == n)
		return want_id(r, word, err);
	(void)ai_fail(err, AI_EUSAGE, "'%s': expected an id of at least %d digits, a source's name, 'environment:STEP' or 'used:STEP'", word, SHORTEST_ID);
	return result_of(r, word) ? ai_hint(err, "of step '%s' it is 'environment:%s' or 'used:%s'", word, word, word) : err->code;
}

static int
want_kind(const struct redaction *r, const char *word, struct ai_err *err)
{
	const char *id;
	json_t *node;
	size_t n = 0;
	json_object_foreach(r->nodes, id, node) {
		ai_kind kind = ai_node_kind(node);
		if (strcmp(ai_kind_word(kind), word) != 0 || !may_be_withheld(kind))
			continue;
		n++;
		if (want(r, word, id, err) < 0)
			return err->code;
	}
	if (n > 0)
		return 0;
	static const ai_kind kinds[] = { AI_KIND_SOURCE, AI_KIND_ENVIRONMENT, AI_KIND_USED, AI_KIND_TREE };
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(ai_kind_word(kinds[i]), word) == 0)
			return ai_fail(err, AI_EUSAGE, "kind '%s': the proof shows no node of it", word);
	return ai_fail(err, AI_EUSAGE, "kind '%s': expected 'source', 'environment', 'used' or 'tree': nothing else may be withheld", word);
}

static int
want_all(const struct redaction *r, const struct ai_redact *what, struct ai_err *err)
{
	for (size_t i = 0; i < what->n_nodes; i++)
		if (want_word(r, what->nodes[i], err) < 0)
			return err->code;
	for (size_t i = 0; i < what->n_kinds; i++)
		if (want_kind(r, what->kinds[i], err) < 0)
			return err->code;
	return json_object_size(r->wanted) > 0 ? 0 : ai_fail(err, AI_EUSAGE, "nothing is named that shall be withheld");
}

/* --- taking it out ----------------------------------------------------------- */

/* What the root still leads to. */
struct reach {
	const struct redaction *r;
	json_t *nodes, *blobs;       /* {id: true} */
	const json_t **todo;         /* each node enters once */
	size_t n_todo;
};

static int
reach_edge(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	struct reach *w = ctx;
	const bool blob = kind == AI_KIND_BLOB;
	json_t *seen = blob ? w->blobs : w->nodes;
	char hex[AI_HEX];
	(void)where;
	ai_hex(id, hex);
	const json_t *target = json_object_get(blob ? w->r->blobs : w->r->nodes, hex);
	if (!target || json_object_get(seen, hex))
		return 0;
	if (json_object_set_new(seen, hex, json_true()) < 0)
		return ai_nomem(err);
	if (!blob && ai_node_kind(target) != AI_KIND_WITHHELD)
		w->todo[w->n_todo++] = target;
	return 0;
}

static int
keep_only(json_t *all, const json_t *seen)
{
	const char *id;
	json_t *v;
	void *next;
	json_object_foreach_safe(all, next, id, v)
		if (!json_object_get(seen, id) && json_object_del(all, id) < 0)
			return -1;
	return 0;
}

/* Drops what nothing refers to any more. */
static int
prune(const struct redaction *r, struct ai_err *err)
{
	AI_JSON *nodes = json_object(), *blobs = json_object();
	AI_FREE const json_t **todo = ai_calloc(json_object_size(r->nodes) + 1, sizeof *todo);
	struct reach w = { .r = r, .nodes = nodes, .blobs = blobs, .todo = todo };
	struct ai_digest root;
	if (!nodes || !blobs || !todo)
		return ai_nomem(err);
	if (!ai_json_digest(r->proof, "root", &root) || reach_edge(&w, AI_KIND_RUN, &root, "root", err) < 0)
		return err->code ? err->code : ai_fail(err, AI_EINPUT, "proof: no root");
	while (w.n_todo > 0)
		if (ai_node_edges(w.todo[--w.n_todo], reach_edge, &w, err) < 0)
			return err->code;
	return keep_only(r->nodes, nodes) < 0 || keep_only(r->blobs, blobs) < 0 ? ai_nomem(err) : 0;
}

static int
withhold(const struct redaction *r, struct ai_err *err)
{
	const char *id;
	json_t *v;
	json_object_foreach(r->wanted, id, v)
		if (json_object_set_new(r->nodes, id, json_pack("{s:s}", "kind", "withheld")) < 0)
			return ai_nomem(err);
	return prune(r, err);
}

/* --- what was done, and what shows all the same ------------------------------ */

/* The names that a node has in the run: of sources, of steps. */
static int
names_of(const struct redaction *r, const char *id, json_t *list, struct ai_err *err)
{
	size_t i;
	json_t *v;
	json_array_foreach(ai_json_arr(r->plan, "sources"), i, v)
		if (strcmp(ai_json_str(v, "id"), id) == 0 && json_array_append(list, json_object_get(v, "name")) < 0)
			return ai_nomem(err);
	json_array_foreach(ai_json_arr(r->run, "results"), i, v) {
		const json_t *result = node_of(r, ai_json_str(v, "id"));
		const char *used = ai_json_str(result, "used"), *environment = environment_of(r, result);
		bool named = (used && strcmp(used, id) == 0) || (environment && strcmp(environment, id) == 0);
		if (named && json_array_append(list, json_object_get(v, "name")) < 0)
			return ai_nomem(err);
	}
	return 0;
}

static int
list_withheld(const struct redaction *r, json_t *list, struct ai_err *err)
{
	AI_JSON *sorted = json_object();
	const char *id;
	json_t *node;
	if (!sorted)
		return ai_nomem(err);
	if (ai_rewrite_append_sorted(sorted, r->wanted, err) < 0)
		return err->code;
	json_object_foreach(sorted, id, node) {
		AI_JSON *names = json_array();
		/* What another that was named led to is gone whole. */
		if (!node_of(r, id))
			continue;
		if (names_of(r, id, names, err) < 0)
			return err->code;
		if (json_array_append_new(list, json_pack("{s:s, s:s, s:O}", "id", id, "kind", ai_kind_word(ai_node_kind(node)), "of", names)) < 0)
			return ai_nomem(err);
	}
	return 0;
}

static int
add_note(json_t *notes, char *text, struct ai_err *err)
{
	int r = text ? json_array_append_new(notes, json_string(text)) : -1;
	free(text);
	return r < 0 ? ai_nomem(err) : 0;
}

/* What a withheld source pointed to may still be shown where steps take it. */
static int
note_content(const struct redaction *r, const json_t *source, json_t *notes, struct ai_err *err)
{
	const char *tree = ai_json_str(json_object_get(source, "content"), "tree"), *blob = ai_json_str(json_object_get(source, "content"), "blob");
	const json_t *shown = node_of(r, tree);
	if (shown && ai_node_kind(shown) == AI_KIND_TREE)
		return add_note(notes, ai_format("the listing of a withheld source's content is still there, because steps take it: tree %s (--node %.12s withholds it)", tree, tree), err);
	if (blob && json_object_get(r->blobs, blob))
		return add_note(notes, ai_format("the content of a withheld source is itself carried: blob %s", blob), err);
	return 0;
}

static int
note_leaks(const struct redaction *r, json_t *notes, struct ai_err *err)
{
	bool source = false, environment = false, used = false;
	const char *id;
	json_t *node;
	if (add_note(notes, ai_strdup("each withheld node's id stays, and ids are unsalted: whoever can guess what it says can confirm the guess"), err) < 0)
		return err->code;
	json_object_foreach(r->wanted, id, node) {
		ai_kind kind = ai_node_kind(node);
		source |= kind == AI_KIND_SOURCE;
		environment |= kind == AI_KIND_ENVIRONMENT;
		used |= kind == AI_KIND_USED;
		if (kind == AI_KIND_SOURCE && note_content(r, node, notes, err) < 0)
			return err->code;
	}
	if (source && add_note(notes, ai_strdup("sources: the Aicertfile and the lock are carried whole and still say what each input is and "
		"what it is pinned to; the plan keeps its name; and steps that take a source whole keep the id of its content"), err) < 0)
		return err->code;
	if (environment && add_note(notes, ai_strdup("environments: the Aicertfile and the lock still name the images, and an image is a source of "
		"the plan, too"), err) < 0)
		return err->code;
	if (json_object_size(json_object_get(r->proof, "proofs")) > 0 && add_note(notes, ai_strdup("the proofs of inputs are carried as they were and "
		"show all that they showed: to withhold of one, redact its own file, and run this again with that for the input"), err) < 0)
		return err->code;
	if ((environment || used) && add_note(notes, ai_strdup("the signed claims still say what the builder says of the machine (cpu, kernel, gpus)"), err) < 0)
		return err->code;
	return 0;
}

static int
redact(const struct ai_rewrite *how, const struct redaction *r, const struct ai_redact *what, struct ai_buf *out, json_t *list, json_t *notes, struct ai_err *err)
{
	if (want_all(r, what, err) < 0 || withhold(r, err) < 0 || list_withheld(r, list, err) < 0 || note_leaks(r, notes, err) < 0)
		return err->code;
	if (ai_rewrite_close(how, r->proof, "the redacted proof", out, err) < 0)
		return err->code == AI_ENO ? ai_in(err, "not withheld, because the rest would not hold without it") : err->code;
	return 0;
}

int
ai_proof_redact(const struct ai_rewrite *how, const struct ai_proof_text *in, const struct ai_redact *what, struct ai_buf *out,
	json_t **withheld, json_t **notes, struct ai_err *err)
{
	AI_JSON *proof = NULL, *wanted = json_object(), *list = json_array(), *said = json_array();
	if (!wanted || !list || !said)
		return ai_nomem(err);
	if (ai_rewrite_open(how, in, &proof, err) < 0)
		return err->code;
	struct redaction r = { .proof = proof, .nodes = json_object_get(proof, "nodes"), .blobs = json_object_get(proof, "blobs"), .wanted = wanted };
	r.run = node_of(&r, ai_json_str(proof, "root"));
	r.plan = node_of(&r, ai_json_str(r.run, "plan"));
	if (redact(how, &r, what, out, list, said, err) < 0)
		return err->code;
	*withheld = json_incref(list);
	*notes = json_incref(said);
	return 0;
}
