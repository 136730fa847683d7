/* plan_sources.c -- the plan's sources against what Aicertfile and lock say of them (plan_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/lock.h"
#include "model/node.h"
#include "run/plan/plan_parts.h"
#include "run/plan/plan_wheels.h"

const json_t *
ai_plan_source(const struct plan *p, const char *name)
{
	size_t i;
	return ai_names_find(&p->source_names, name, strlen(name), &i) ? p->in->sources[i].node : NULL;
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A full commit id in the Aicertfile says all: no lock makes it mean another. */
static bool
is_commit(const char *ref)
{
	return ref && strlen(ref) == 40 && strspn(ref, "0123456789abcdef") == 40;
}

/* The output of a run that the lock pins. That the run gave it, its proof says (proof/lineage.c). */
static int
check_output(const struct plan *p, const struct ai_input *in, const json_t *node, const json_t *pin, const char *uri)
{
	const json_t *content = ai_json_obj(node, "content");
	const struct { const char *what, *got, *want; } facts[] = {
		{ "type", ai_json_str(node, "type"), "proof" }, { "uri", ai_json_str(node, "uri"), uri }, { "ref", ai_json_str(node, "ref"), in->output },
		{ "revision", ai_json_str(node, "revision"), pin ? ai_json_str(pin, "revision") : ai_json_str(node, "revision") },
		{ "content", ai_json_str(content, "blob"), pin ? ai_json_str(pin, "blob") : ai_json_str(content, "blob") },
		{ "content", ai_json_str(content, "tree"), pin ? ai_json_str(pin, "tree") : ai_json_str(content, "tree") },
	};
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		if (!same_text(facts[i].got, facts[i].want))
			return ai_fail(p->err, AI_EINPUT, "%s:%d:%d: input '%s': %s: got %s, expected %s", p->in->file, in->line, in->column, in->name,
				facts[i].what, facts[i].got ? facts[i].got : "none", facts[i].want ? facts[i].want : "none");
	return 0;
}

/* A source is what the Aicertfile asked for and the lock pinned, or the plan would vouch for another. */
static int
check_source(const struct plan *p, const struct ai_input *in, const json_t *node, const json_t *pin)
{
	AI_FREE char *uri = in->type == AI_INPUT_RULE ? NULL : ai_source_uri(in);
	if (!uri && in->type != AI_INPUT_RULE)
		return ai_nomem(p->err);
	/* A run pins before it fetches: without a pin nobody was told which commit or bytes were meant. */
	if (p->in->lock && !pin && in->type != AI_INPUT_PATH)
		return ai_fail(p->err, AI_EINPUT, "%s:%d:%d: input '%s': aicert.lock has no pin for what is asked for here", p->in->file, in->line,
			in->column, in->name);
	if (in->type == AI_INPUT_RULE)
		return ai_plan_check_resolved(p, in, node, pin);
	if (in->type == AI_INPUT_PROOF)
		return check_output(p, in, node, pin, uri);
	const json_t *content = ai_json_obj(node, "content");
	const char *want_sha = in->unpack ? NULL : in->sha256 ? in->sha256 : ai_json_str(pin, "sha256");
	const struct { const char *what, *got, *want; bool matters; } facts[] = {
		{ "type", ai_json_str(node, "type"), ai_input_word(in), true },
		{ "uri", ai_json_str(node, "uri"), uri, true },
		{ "ref", ai_json_str(node, "ref"), in->ref, true },
		{ "revision", ai_json_str(node, "revision"), ai_json_str(pin, "revision"), pin && in->type == AI_INPUT_GIT },
		{ "revision", ai_json_str(node, "revision"), in->ref, in->type == AI_INPUT_GIT && is_commit(in->ref) },
		{ "content", ai_json_str(content, "blob"), want_sha, want_sha != NULL },
	};
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		if (facts[i].matters && !same_text(facts[i].got, facts[i].want))
			return ai_fail(p->err, AI_EINPUT, "%s:%d:%d: input '%s': %s: got %s, expected %s", p->in->file, in->line, in->column, in->name,
				facts[i].what, facts[i].got ? facts[i].got : "none", facts[i].want ? facts[i].want : "none");
	return pin && in->type == AI_INPUT_URL ? ai_plan_check_urls(p, in, node, pin) : 0;
}

static int
check_node(const struct plan *p, const char *name, const json_t *node)
{
	if (ai_node_kind(node) != AI_KIND_SOURCE || ai_node_check(node, p->err) < 0)
		return ai_fail(p->err, AI_EINPUT, "source '%s' is not a source node", name);
	return 0;
}

/* An image is the one that the lock pinned: its manifest binds all of its content. */
static int
check_image(const struct plan *p, const struct ai_image_ref *image)
{
	const json_t *node = ai_plan_source(p, image->text), *pin = ai_lock_image(p->lock, image, p->in->platform);
	AI_FREE char *uri = ai_image_uri(image);
	if (!uri)
		return ai_nomem(p->err);
	if (!node)
		return ai_fail(p->err, AI_EINPUT, "%s: image '%s' has no source", p->in->file, image->text);
	if (check_node(p, image->text, node) < 0)
		return p->err->code;
	if (!pin)
		return ai_fail(p->err, AI_EINPUT, "%s: image '%s': aicert.lock has no pin for it", p->in->file, image->text);
	const struct { const char *what, *got, *want; } facts[] = {
		{ "type", ai_json_str(node, "type"), "image" },
		{ "uri", ai_json_str(node, "uri"), uri },
		{ "ref", ai_json_str(node, "ref"), NULL },
		{ "revision", ai_json_str(node, "revision"), ai_json_str(pin, "revision") },
	};
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		if (!same_text(facts[i].got, facts[i].want))
			return ai_fail(p->err, AI_EINPUT, "%s: image '%s': %s: got %s, expected %s", p->in->file, image->text, facts[i].what,
				facts[i].got ? facts[i].got : "none", facts[i].want ? facts[i].want : "none");
	return ai_json_str(ai_json_obj(node, "content"), "tree") ? 0
		: ai_fail(p->err, AI_EINPUT, "%s: image '%s': its content is not a folder", p->in->file, image->text);
}

/* The sources that the plan has a place for: as in->sources. */
struct claims { const struct plan *p; bool *claimed; };

static void
claim(struct claims *c, const char *name)
{
	size_t i;
	if (ai_names_find(&c->p->source_names, name, strlen(name), &i))
		c->claimed[i] = true;
}

/* Wheels are those that the lock pins: name and hash of each give the content's id. */
static int
check_wheels(void *ctx, const char *name, const json_t *want, struct ai_err *err)
{
	struct claims *c = ctx;
	const json_t *node = ai_plan_source(c->p, name);
	if (!node)
		return ai_fail(err, AI_EINPUT, "%s: '%s' has no source", c->p->in->file, name);
	if (check_node(c->p, name, node) < 0)
		return err->code;
	claim(c, name);
	return json_equal(node, want) ? 0 : ai_fail(err, AI_EINPUT, "%s: '%s' is not what aicert.lock pins", c->p->in->file, name);
}

static int
check_input(const struct plan *p, const struct ai_input *in)
{
	const json_t *node = ai_plan_source(p, in->name);
	bool secret = ai_url_has_secret(in->where) || (in->content && ai_url_has_secret(in->content));
	for (size_t i = 0; i < in->n_urls; i++)
		secret = secret || ai_url_has_secret(in->urls[i]);
	if (secret) {
		ai_fail(p->err, AI_EUSAGE, "%s:%d:%d: input '%s': its URL holds a secret, and the Aicertfile is published with the proof", p->in->file,
			in->line, in->column, in->name);
		return ai_hint(p->err, "leave it out and use a credential helper, ssh-agent or ~/.netrc");
	}
	if (!node)
		return ai_fail(p->err, AI_EINPUT, "%s:%d:%d: input '%s' has no source", p->in->file, in->line, in->column, in->name);
	return check_node(p, in->name, node) < 0 ? p->err->code : check_source(p, in, node, ai_lock_pin(p->lock, in));
}

int
ai_plan_check_sources(const struct plan *p)
{
	AI_FREE bool *claimed = ai_calloc(p->in->n_sources, sizeof *claimed);
	struct claims c = { p, claimed };
	if (!claimed)
		return ai_nomem(p->err);
	for (size_t i = 0; i < p->m->n_inputs; i++) {
		if (check_input(p, &p->m->inputs[i]) < 0)
			return p->err->code;
		claim(&c, p->m->inputs[i].name);
	}
	for (size_t i = 0; i < p->m->n_images; i++) {
		if (check_image(p, p->m->images[i]) < 0)
			return p->err->code;
		claim(&c, p->m->images[i]->text);
	}
	if (ai_wheels_each(p->m, p->lock, check_wheels, &c, p->err) < 0)
		return p->err->code;
	for (size_t i = 0; i < p->in->n_sources; i++)
		if (!claimed[i])
			return ai_fail(p->err, AI_EINPUT, "source '%s' is no input of %s", p->in->sources[i].name, p->in->file);
	return 0;
}

json_t *
ai_plan_sources_part(const struct plan *p)
{
	AI_JSON *list = json_array();
	for (size_t i = 0; list && i < p->in->n_sources; i++) {
		struct ai_digest id;
		if (ai_json_id(p->in->sources[i].node, &id, p->err) < 0
			|| json_array_append_new(list, json_pack("{s:s,s:o}", "name", p->in->sources[i].name, "id", ai_json_hex(&id))) < 0)
			return NULL;
	}
	return ai_plan_sorted(list);
}
