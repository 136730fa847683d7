/* foresee.c -- see foresee.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/foresee.h"

#include <string.h>

#include "cache/idset.h"
#include "fetch/fetch.h"
#include "model/lock.h"
#include "model/lock_files.h"
#include "rule/source.h"
#include "run/images.h"
#include "run/inputs.h"
#include "run/pip/resolve.h"
#include "run/plan/plan_wheels.h"
#include "run/why.h"

struct foresight {
	struct ai_job *job;
	bool shape;                   /* ai_graph: all contents are made up, so that each says which source it is of */
	struct ai_idset unknown;      /* made-up ids -> the source that each stands for */
	json_t *sources, *steps;      /* of the report */
	size_t pin, fetch, reuse, run, wait;
	json_int_t size;
};

/* --- sources --------------------------------------------------------------------- */

/* An id that stands for what source i holds. */
static int
make_up(struct foresight *f, size_t i, struct ai_digest *out, char hex[AI_HEX], struct ai_err *err)
{
	AI_FREE char *text = ai_format("what source %zu holds", i);
	if (!text)
		return ai_nomem(err);
	ai_sha256(text, strlen(text), out);
	ai_hex(out, hex);
	return ai_idset_put(&f->unknown, out, i, err);
}

/* How many bytes a pin says are to be fetched; files that are here already are not. -1: it does not say. */
static int
size_of(struct foresight *f, const json_t *pin, json_int_t *out, struct ai_err *err)
{
	const json_t *size = json_object_get(pin, "size");
	size_t i;
	json_t *file;
	*out = json_is_integer(size) ? json_integer_value(size) : json_object_get(pin, "files") ? 0 : -1;
	json_array_foreach(ai_json_arr(pin, "files"), i, file) {
		struct ai_ref ref = { .type = AI_REF_BLOB };
		int there = ai_json_digest(file, "sha256", &ref.id) ? ai_store_has(f->job->store, &ref, err) : 1;
		if (there < 0)
			return there;
		*out += there ? 0 : json_integer_value(json_object_get(file, "size"));
	}
	return 0;
}

static int
tell_source(struct foresight *f, const struct ai_job_source *s, const char *would, json_int_t size, struct ai_err *err)
{
	const char *type = ai_json_str(s->node, "type"), *uri = ai_json_str(s->node, "uri");
	/* Until it is pinned, a rule's input is what was asked for. */
	const struct ai_yaml *asked = s->input && s->input->type == AI_INPUT_RULE && strcmp(would, "pin") == 0 ? ai_yaml_get(s->input->attrs, s->input->use) : NULL;
	if (asked && asked->type == AI_YAML_SCALAR)
		uri = asked->text;
	json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "name", s->name, "type", type, "uri", uri, "would", would);
	if (line && size >= 0 && strcmp(would, "fetch") == 0)
		json_object_set_new(line, "size", json_integer(size));
	f->fetch += strcmp(would, "fetch") == 0;
	f->pin += strcmp(would, "pin") == 0;
	f->size += size > 0 && strcmp(would, "fetch") == 0 ? size : 0;
	return json_array_append_new(f->sources, line) < 0 ? ai_nomem(err) : 0;
}

/* What a path holds is hashed where it lies. */
static int
look_at_path(struct foresight *f, struct ai_job_source *s, struct ai_err *err)
{
	struct ai_job *job = f->job;
	const char *leave[] = { job->output_dir, job->proof, job->lock_file };
	const struct ai_fetch fetch = { .sink = ai_store_sink(job->store), .talk = job->opt->talk, .project = job->project, .cache = job->home.cache,
		.leave_out = leave, .n_leave_out = sizeof leave / sizeof *leave };
	if (ai_job_stays_inside(job, s->input, err) < 0)
		return err->code;
	if (ai_fetch_content(&fetch, s->input, NULL, &s->content, &s->how, err) < 0)
		return ai_in(err, "input '%s'", s->name);
	if (ai_job_source_node(job, s, NULL, err) < 0)
		return err->code;
	return tell_source(f, s, "nothing", -1, err);
}

/* The content that a pin names, whether it is here or not: 1; 0 when that shows only once it is fetched. */
static int
pinned_content(const struct ai_input *in, const json_t *pin, struct ai_ref *out, struct ai_err *err)
{
	if (in->type == AI_INPUT_PROOF)
		return ai_ref_get(pin, out, err) < 0 ? err->code : 1;
	return ai_pin_content(pin, out, err);
}

/* What a run would refuse before it asks anybody. */
static int
check_attributes(const struct ai_job *job, const struct ai_input *in, struct ai_err *err)
{
	for (size_t i = 0; in->type == AI_INPUT_RULE && i < job->n_rules; i++)
		if (strcmp(job->rules[i].name, in->use) == 0)
			return ai_source_check(&job->rules[i], job->shown, in, err);
	return 0;
}

static int
look_at_input(struct foresight *f, struct ai_job_source *s, size_t i, struct ai_err *err)
{
	struct ai_job *job = f->job;
	const struct ai_input *in = s->input;
	char hex[AI_HEX];
	struct ai_ref unknown = { .type = AI_REF_TREE };
	if (in->type == AI_INPUT_PATH && !f->shape)
		return look_at_path(f, s, err);
	if (make_up(f, i, &unknown.id, hex, err) < 0 || check_attributes(job, in, err) < 0)
		return err->code;
	s->content = unknown;
	if (in->type == AI_INPUT_PATH && in->sha256) {
		/* Then it is a file, and this one. */
		s->content.type = AI_REF_BLOB;
		if (!ai_unhex(in->sha256, &s->content.id) || ai_idset_put(&f->unknown, &s->content.id, i, err) < 0)
			return err->code ? err->code : ai_fail(err, AI_EUSAGE, "input '%s': sha256: expected hex digits", s->name);
	}
	if (in->type == AI_INPUT_PATH)
		return ai_job_source_node(job, s, NULL, err);
	json_t *pin = f->shape ? NULL : ai_lock_pin(job->lock, in);
	bool pinned = pin != NULL;
	if (!pinned) {
		AI_JSON *made = ai_provisional_pin(in, hex);
		if (!made)
			return ai_nomem(err);
		if (ai_lock_set(job->lock, in->name, made, err) < 0)
			return ai_in(err, "internal");
		pin = ai_lock_pin(job->lock, in);
		if (!pin)
			return ai_fail(err, AI_EINPUT, "internal: no pin can be made up for input '%s'", in->name);
	}
	int there = pinned ? ai_job_input_there(job, in, pin, &s->content, err) : 0;
	int known = there == 0 ? pinned_content(in, pin, &s->content, err) : there;
	/* A run reads a proof again, and takes what it names from the store. */
	if (pinned && in->type == AI_INPUT_PROOF && known == 1)
		there = ai_store_has(job->store, &s->content, err);
	if (there < 0 || known < 0)
		return err->code;
	if (known == 0)
		s->content = unknown;
	/* Of a list, the made-up part makes the whole unknown. */
	bool given = in->type == AI_INPUT_URL && in->sha256 && !in->unpack && !f->shape;
	if (!pinned && known == 1 && !given && ai_idset_put(&f->unknown, &s->content.id, i, err) < 0)
		return err->code;
	json_int_t size = -1;
	if (ai_job_source_node(job, s, pin, err) < 0 || (pinned && size_of(f, pin, &size, err) < 0))
		return err->code;
	return tell_source(f, s, there ? "nothing" : pinned ? "fetch" : "pin", size, err);
}

static int
look_at_image(struct foresight *f, const struct ai_image_ref *image, struct ai_err *err)
{
	struct ai_job *job = f->job;
	char hex[AI_HEX];
	struct ai_ref content = { .type = AI_REF_TREE }, found;
	if (make_up(f, job->n_sources, &content.id, hex, err) < 0)
		return err->code;
	json_t *pin = f->shape ? NULL : ai_lock_image(job->lock, image, AI_PLATFORM);
	bool pinned = pin != NULL;
	if (!pinned) {
		AI_JSON *made = ai_provisional_image(image, hex);
		if (!made)
			return ai_nomem(err);
		if (ai_lock_set_image(job->lock, image, made, err) < 0)
			return ai_in(err, "internal");
		pin = ai_lock_image(job->lock, image, AI_PLATFORM);
	}
	int there = pinned ? ai_job_image_there(job, image, pin, &found, err) : 0;
	if (there < 0)
		return there;
	if (ai_job_image_source(job, image, pin, there ? &found : &content, err) < 0)
		return err->code;
	return tell_source(f, &job->sources[job->n_sources - 1], there ? "nothing" : pinned ? "fetch" : "pin", -1, err);
}

/* Wheels that the lock pins: hashes, so their content is known. */
static int
look_at_wheels(void *ctx, const char *name, const json_t *node, struct ai_err *err)
{
	struct foresight *f = ctx;
	struct ai_job *job = f->job;
	struct ai_job_source *s = &job->sources[job->n_sources];
	*s = (struct ai_job_source){ .owned = ai_strdup(name), .node = json_incref((json_t *)(uintptr_t)node), .how = "sha256" };
	s->name = s->owned;
	job->n_sources++;
	if (!s->owned)
		return ai_nomem(err);
	if (ai_ref_get(ai_json_obj(node, "content"), &s->content, err) < 0 || ai_json_id(node, &s->id, err) < 0)
		return err->code;
	int there = ai_store_has(job->store, &s->content, err);
	return there < 0 ? there : tell_source(f, s, there ? "nothing" : "fetch", -1, err);
}

static int
look_at_sources(struct foresight *f, struct ai_err *err)
{
	struct ai_job *job = f->job;
	job->sources = ai_calloc(job->manifest->n_inputs + job->manifest->n_images + ai_wheels_sources(job), sizeof *job->sources);
	if (!job->sources)
		return ai_nomem(err);
	for (size_t i = 0; i < job->manifest->n_inputs; i++) {
		struct ai_job_source *s = &job->sources[job->n_sources++];
		*s = (struct ai_job_source){ .name = job->manifest->inputs[i].name, .input = &job->manifest->inputs[i] };
		if (ai_check_interrupt(err) < 0 || look_at_input(f, s, i, err) < 0)
			return err->code;
	}
	for (size_t i = 0; i < job->manifest->n_images; i++)
		if (look_at_image(f, job->manifest->images[i], err) < 0)
			return err->code;
	if (f->shape && json_object_get(job->lock, "wheels") && json_object_del(job->lock, "wheels") < 0)
		return ai_nomem(err);
	if (ai_job_wheels_pinned(job, err) < 0)
		return err->code;
	return ai_wheels_each(job->manifest, job->lock, look_at_wheels, f, err);
}

/* --- steps -------------------------------------------------------------------------- */

/* The source whose content the step needs and nobody knows yet, or NULL. */
static const char *
unknown_source(const struct foresight *f, const struct ai_job_step *s)
{
	struct ai_digest id;
	uint64_t at;
	size_t i;
	json_t *in;
	if (ai_json_digest(ai_json_obj(s->environment, "image"), "content", &id) && ai_idset_get(&f->unknown, &id, &at))
		return f->job->sources[at].name;
	json_array_foreach(ai_json_arr(s->recipe, "inputs"), i, in)
		if ((ai_json_digest(in, "tree", &id) || ai_json_digest(in, "blob", &id)) && ai_idset_get(&f->unknown, &id, &at))
			return f->job->sources[at].name;
	return NULL;
}

/* The steps whose outputs it takes, once each, in the order in which it names them; *first: of these the first without a result. */
static json_t *
needs_of(const struct foresight *f, const struct ai_job_step *s, const char **first)
{
	AI_JSON *list = json_array();
	struct ai_names seen = { 0 };
	struct ai_err ignored = { 0 };
	size_t i;
	json_t *in;
	*first = NULL;
	json_array_foreach(ai_json_arr(s->recipe, "inputs"), i, in) {
		const char *from = ai_json_str(in, "step");
		const struct ai_job_step *other = from ? ai_job_step_named(f->job, from) : NULL;
		if (!other || ai_names_put(&seen, from, strlen(from), i, &ignored) != 1)
			continue;
		json_array_append_new(list, json_string(from));
		if (!*first && !other->result)
			*first = from;
	}
	ai_names_done(&seen);
	return list ? json_incref(list) : NULL;
}

static int
foresee_step(struct foresight *f, struct ai_job_step *s, struct ai_err *err)
{
	const char *first, *would = "wait", *source = unknown_source(f, s);
	AI_FREE char *why = NULL;
	AI_JSON *needs = needs_of(f, s, &first);
	if (source) {
		why = ai_format("'%s' is not here yet", source);
	} else if (first) {
		why = ai_format("'%s' comes first", first);
	} else {
		int r = ai_job_step_node(f->job, s, err) < 0 ? err->code : ai_job_find_result(f->job, s, err);
		if (r < 0)
			return r;
		would = r ? "reuse" : "run";
		if (r)
			why = ai_strdup("its result is known");
		else if (ai_why_step(f->job, s, &why, err) < 0)
			return err->code;
	}
	f->run += strcmp(would, "run") == 0;
	f->wait += strcmp(would, "wait") == 0;
	f->reuse += strcmp(would, "reuse") == 0;
	json_t *line = why && needs ? json_pack("{s:s, s:s, s:s, s:O}", "step", s->name, "would", would, "why", why, "needs", needs) : NULL;
	return json_array_append_new(f->steps, line) < 0 ? ai_nomem(err) : 0;
}

static int
foresee(struct foresight *f, json_t **report, struct ai_err *err)
{
	struct ai_job *job = f->job;
	if (look_at_sources(f, err) < 0 || ai_lock_format(job->lock, &job->lock_text, err) < 0 || ai_job_plan(job, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_steps; i++)
		if (ai_check_interrupt(err) < 0 || foresee_step(f, &job->steps[i], err) < 0)
			return err->code;
	*report = json_pack("{s:s, s:O, s:O, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "name", job->manifest->name, "sources", f->sources, "steps", f->steps,
		"totals", "steps", (json_int_t)job->n_steps, "reuse", (json_int_t)f->reuse, "run", (json_int_t)f->run, "wait", (json_int_t)f->wait,
		"fetch", (json_int_t)f->fetch, "pin", (json_int_t)f->pin, "size", f->size);
	return *report ? 0 : ai_nomem(err);
}

static int
look(struct foresight *f, const struct ai_run_options *options, int (*say)(struct foresight *f, json_t **report, struct ai_err *err), json_t **report,
	struct ai_err *err)
{
	struct ai_run_options o = *options;
	o.look = true;
	struct ai_job job;
	AI_JSON *sources = json_array();
	AI_JSON *steps = json_array();
	f->job = &job;
	f->sources = sources;
	f->steps = steps;
	if (!sources || !steps)
		return ai_nomem(err);
	int r = ai_job_open(&o, &job, err);
	if (r == 0)
		r = say(f, report, err);
	ai_idset_done(&f->unknown);
	ai_job_done(&job);
	return r;
}

int
ai_foresee(const struct ai_run_options *options, json_t **report, struct ai_err *err)
{
	struct foresight f = { 0 };
	return look(&f, options, foresee, report, err);
}

/* --- the graph --------------------------------------------------------------------------- */

struct graph {
	struct foresight *f;
	json_t *nodes, *edges;
	size_t first_step;            /* nodes: sources, then steps, then outputs */
};

static int
add_node(struct graph *g, const char *kind, const char *name, const char *type, const char *state, struct ai_err *err)
{
	json_t *node = json_pack("{s:s, s:s}", "kind", kind, "name", name);
	if (node && type)
		json_object_set_new(node, "type", json_string(type));
	if (node && state)
		json_object_set_new(node, "state", json_string(state));
	return json_array_append_new(g->nodes, node) < 0 ? ai_nomem(err) : 0;
}

static int
add_edge(struct graph *g, size_t from, size_t to, struct ai_err *err)
{
	return json_array_append_new(g->edges, json_pack("{s:I, s:I}", "from", (json_int_t)from, "to", (json_int_t)to)) < 0 ? ai_nomem(err) : 0;
}

/* What a step takes, once each. */
static int
add_needs(struct graph *g, size_t step, struct ai_err *err)
{
	const struct ai_job *job = g->f->job;
	const struct ai_job_step *s = &job->steps[step];
	struct ai_idset seen = { 0 };
	struct ai_digest id;
	size_t i;
	json_t *in;
	uint64_t at, before;
	int rc = 0;
	if (ai_json_digest(ai_json_obj(s->environment, "image"), "content", &id) && ai_idset_get(&g->f->unknown, &id, &at))
		rc = add_edge(g, (size_t)at, g->first_step + step, err);
	json_array_foreach(ai_json_arr(s->recipe, "inputs"), i, in) {
		const char *from = ai_json_str(in, "step");
		const struct ai_job_step *other = from ? ai_job_step_named(job, from) : NULL;
		if (other)
			at = g->first_step + (size_t)(other - job->steps);
		else if (!((ai_json_digest(in, "tree", &id) || ai_json_digest(in, "blob", &id)) && ai_idset_get(&g->f->unknown, &id, &at)))
			continue;
		if (from)
			ai_sha256(from, strlen(from), &id);
		if (rc == 0 && !ai_idset_get(&seen, &id, &before))
			rc = add_edge(g, (size_t)at, g->first_step + step, err) < 0 || ai_idset_put(&seen, &id, at, err) < 0 ? err->code : 0;
	}
	ai_idset_done(&seen);
	return rc;
}

static int
add_outputs(struct graph *g, struct ai_err *err)
{
	const struct ai_job *job = g->f->job;
	size_t i;
	json_t *o;
	json_array_foreach(ai_json_arr(job->plan, "outputs"), i, o) {
		const struct ai_job_step *s = ai_job_step_named(job, ai_json_str(o, "step"));
		if (add_node(g, "output", ai_json_str(o, "name"), NULL, NULL, err) < 0)
			return err->code;
		if (s && add_edge(g, g->first_step + (size_t)(s - job->steps), json_array_size(g->nodes) - 1, err) < 0)
			return err->code;
	}
	return 0;
}

static int
add_steps(struct graph *g, struct ai_err *err)
{
	const struct ai_job *job = g->f->job;
	struct ai_names last = { 0 };
	const json_t *before = ai_json_arr(job->previous, "steps");
	size_t i, at;
	json_t *s;
	int rc = 0;
	json_array_foreach(before, i, s)
		if (rc >= 0 && ai_json_str(s, "name"))
			rc = ai_names_put(&last, ai_json_str(s, "name"), strlen(ai_json_str(s, "name")), i, err);
	for (i = 0; i < job->n_steps && rc >= 0; i++) {
		const char *name = job->steps[i].name;
		bool ran = ai_names_find(&last, name, strlen(name), &at);
		rc = add_node(g, "step", name, job->steps[i].spec->use, ran ? ai_json_str(json_array_get(before, at), "state") : NULL, err);
	}
	ai_names_done(&last);
	return rc < 0 ? rc : 0;
}

static int
draw(struct foresight *f, json_t **report, struct ai_err *err)
{
	struct ai_job *job = f->job;
	AI_JSON *nodes = json_array();
	AI_JSON *edges = json_array();
	struct graph g = { .f = f, .nodes = nodes, .edges = edges };
	if (!nodes || !edges)
		return ai_nomem(err);
	if (look_at_sources(f, err) < 0 || ai_lock_format(job->lock, &job->lock_text, err) < 0 || ai_job_plan(job, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_sources; i++) {
		const struct ai_input *in = job->sources[i].input;
		if (add_node(&g, in ? "input" : "image", job->sources[i].name, in ? ai_input_word(in) : NULL, NULL, err) < 0)
			return err->code;
	}
	g.first_step = job->n_sources;
	if (add_steps(&g, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_steps; i++)
		if (add_needs(&g, i, err) < 0)
			return err->code;
	if (add_outputs(&g, err) < 0)
		return err->code;
	*report = json_pack("{s:s, s:O, s:O}", "name", job->manifest->name, "nodes", nodes, "edges", edges);
	return *report ? 0 : ai_nomem(err);
}

int
ai_graph(const struct ai_run_options *options, json_t **report, struct ai_err *err)
{
	struct foresight f = { .shape = true };
	return look(&f, options, draw, report, err);
}
