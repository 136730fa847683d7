/* why.c -- see why.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/why.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"

static const char *
text_of(const json_t *v, char *buf, size_t size)
{
	if (json_is_string(v))
		return json_string_value(v);
	char *s = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	snprintf(buf, size, "%s", s ? s : "?");
	free(s);
	return buf;
}

/* Elements of two arrays of objects matched by the field that names them; what tells the first that differs. */
static char *
list_differs(const json_t *a, const json_t *b, const char *key, const char *word)
{
	size_t i, k;
	json_t *x, *y;
	json_array_foreach(b, i, y) {
		const char *name = ai_json_str(y, key);
		json_t *same = NULL;
		json_array_foreach(a, k, x)
			if (name && ai_json_str(x, key) && strcmp(ai_json_str(x, key), name) == 0)
				same = x;
		if (!same)
			return ai_format("%s %s is new", word, name ? name : "?");
		if (json_equal(same, y))
			continue;
		const char *old = ai_json_str(same, "value"), *now = ai_json_str(y, "value");
		if (old && now)
			return ai_format("%s %s: was '%s', is '%s'", word, name, old, now);
		return ai_format("%s %s: content differs", word, name);
	}
	if (json_array_size(a) > json_array_size(b))
		return ai_format("one %s fewer", word);
	return a == b || json_equal(a, b) ? NULL : ai_format("the order of %ss differs", word);
}

/* Two scripts part at a line; NULL when neither has more than one. what: "command", or the file that a rule writes. */
static char *
script_differs(const char *what, const char *was, const char *is)
{
	if (!was || !is || (!strchr(was, '\n') && !strchr(is, '\n')))
		return NULL;
	for (size_t line = 1;; line++) {
		size_t n = strcspn(was, "\n"), m = strcspn(is, "\n");
		if (n != m || memcmp(was, is, n) != 0 || !was[n] || !is[n])
			return ai_format("%s: line %zu was '%.*s', is '%.*s'", what, line, n > 150 ? 150 : (int)n, was, m > 150 ? 150 : (int)m, is);
		was += n + 1;
		is += n + 1;
	}
}

/* What is no command: a file written, or something copied. */
static char *
other_differs(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "path", "from", "to" };
	const char *then = ai_json_str(a, "text"), *now = ai_json_str(b, "text"), *path = ai_json_str(b, "path");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const char *was = ai_json_str(a, keys[i]), *is = ai_json_str(b, keys[i]);
		if (was && is && strcmp(was, is) != 0)
			return ai_format("action: its %s was '%s', is '%s'", keys[i], was, is);
	}
	if (!then || !now || !path || strcmp(then, now) == 0)
		return NULL;
	AI_FREE char *file = ai_format("file %s", path);
	char *line = file ? script_differs(file, then, now) : NULL;
	return line ? line : ai_format("file %s: was '%.150s', is '%.150s'", path, then, now);
}

static char *
action_differs(const json_t *a, const json_t *b)
{
	char was[200], is[200];
	char *other = other_differs(a, b);
	if (other)
		return other;
	const json_t *argv_a = ai_json_arr(a, "argv"), *argv_b = ai_json_arr(b, "argv");
	for (size_t i = 0; i < json_array_size(argv_b) || i < json_array_size(argv_a); i++) {
		const json_t *x = json_array_get(argv_a, i), *y = json_array_get(argv_b, i);
		if (!x || !y)
			return ai_format("command: has %s argument '%s'", y ? "a further" : "lost the", text_of(y ? y : x, was, sizeof was));
		char *line = json_equal(x, y) ? NULL : script_differs("command", json_string_value(x), json_string_value(y));
		if (line)
			return line;
		if (!json_equal(x, y))
			return ai_format("command: argument was '%.150s', is '%.150s'", text_of(x, was, sizeof was), text_of(y, is, sizeof is));
	}
	char *env = list_differs(ai_json_arr(a, "env"), ai_json_arr(b, "env"), "name", "variable");
	if (env)
		return env;
	return json_equal(a, b) ? NULL : ai_strdup("action: differs");
}

/* "image sha256:1bf1333f56d1" or "the host". */
static void
put_place(struct ai_buf *out, const json_t *env)
{
	const json_t *image = ai_json_obj(env, "image");
	const char *manifest = ai_json_str(image, "manifest");
	if (image)
		ai_buf_printf(out, "image %.*s", manifest && strncmp(manifest, "sha256:", 7) == 0 ? 7 + 12 : 12, manifest ? manifest : "?");
	else
		ai_buf_puts(out, "the host");
}

static void
put_gpus(struct ai_buf *out, const json_t *env)
{
	const json_t *gpus = ai_json_arr(env, "gpus");
	size_t i;
	json_t *g;
	json_array_foreach(gpus, i, g) {
		const char *model = ai_json_str(g, "model"), *driver = ai_json_str(g, "driver");
		ai_buf_printf(out, "%s%s (driver %s)", i ? ", " : "", model ? model : "?", driver ? driver : "?");
	}
	if (!json_array_size(gpus))
		ai_buf_puts(out, "none");
}

/* "environment: was image sha256:1bf1333f56d1, is the host": what two environment nodes differ in; fresh. */
static char *
environment_differs(const json_t *before, const json_t *now)
{
	AI_BUF_AUTO out = AI_BUF(4096);
	const json_t *image = ai_json_obj(now, "image");
	bool place = json_is_true(json_object_get(before, "host")) != json_is_true(json_object_get(now, "host")) ||
		(image && !json_equal(ai_json_obj(before, "image"), image));
	void (*put)(struct ai_buf *, const json_t *) = place ? put_place : put_gpus;
	ai_buf_puts(&out, place ? "environment: was " : "environment: GPUs: was ");
	put(&out, before);
	ai_buf_puts(&out, ", is ");
	put(&out, now);
	return ai_strdup(out.state != AI_BUF_GOOD ? "environment: differs" : out.data);
}

char *
ai_why_differs(const json_t *before, const json_t *now, const json_t *env_before, const json_t *env_now)
{
	char *d = list_differs(ai_json_arr(before, "inputs"), ai_json_arr(now, "inputs"), "path", "input");
	if (d)
		return d;
	/* Before the actions: what changed in those may be the new image's variables. */
	if (env_before && env_now && !json_equal(env_before, env_now))
		return environment_differs(env_before, env_now);
	const json_t *a = ai_json_arr(before, "actions"), *b = ai_json_arr(now, "actions");
	if (json_array_size(a) != json_array_size(b))
		return ai_format("it has %zu actions, had %zu", json_array_size(b), json_array_size(a));
	for (size_t i = 0; i < json_array_size(b); i++) {
		d = action_differs(json_array_get(a, i), json_array_get(b, i));
		if (d)
			return d;
	}
	d = list_differs(ai_json_arr(before, "outputs"), ai_json_arr(now, "outputs"), "name", "output");
	if (d)
		return d;
	return json_equal(before, now) ? NULL : ai_strdup("environment: differs");
}

/* The step node of that name in the record of the last run; 1 found. */
static int
previous_step(struct ai_job *job, const char *name, json_t **out, struct ai_err *err)
{
	/* What that run left out, or did not come to, earlier ones may have run. */
	const json_t *lists[] = { ai_json_arr(job->previous, "steps"), ai_json_arr(job->previous, "earlier") };
	struct ai_digest id;
	size_t i, at = 0;
	json_t *s;
	bool known = job->previous_names.n > 0;
	for (size_t k = 0; k < 2 && !known; k++, at = json_array_size(lists[0]))
		json_array_foreach(lists[k], i, s) {
			const char *was = ai_json_str(s, "step") ? ai_json_str(s, "name") : NULL;
			if (was && ai_names_put(&job->previous_names, was, strlen(was), at + i, err) < 0)
				return err->code;
		}
	if (!ai_names_find(&job->previous_names, name, strlen(name), &i))
		return 0;
	size_t n = json_array_size(lists[0]);
	if (!ai_json_digest(i < n ? json_array_get(lists[0], i) : json_array_get(lists[1], i - n), "step", &id))
		return 0;
	return ai_store_get_node(job->store, &id, out, err);
}

/* Was the step's rule, of the project or ours, another text in the last run? */
static bool
rule_changed(const struct ai_job *job, const char *name)
{
	const char *then = NULL, *now = NULL;
	size_t i;
	json_t *r;
	json_array_foreach(ai_json_arr(job->previous, "rules"), i, r)
		if (strcmp(ai_json_str(r, "name"), name) == 0)
			then = ai_json_str(r, "blob");
	json_array_foreach(ai_json_arr(job->plan, "rules"), i, r)
		if (strcmp(ai_json_str(r, "name"), name) == 0)
			now = ai_json_str(r, "blob");
	return then && now && strcmp(then, now) != 0;
}

int
ai_why_step(struct ai_job *job, const struct ai_job_step *s, char **out, struct ai_err *err)
{
	AI_JSON *before = NULL, *environment = NULL;
	struct ai_digest id;
	char *text = NULL;
	int r = previous_step(job, s->name, &before, err);
	if (r < 0)
		return r;
	if (ai_json_digest(before, "environment", &id) && ai_store_get_node(job->store, &id, &environment, err) < 0)
		return err->code;
	bool differs = r == 1 && !json_equal(before, s->step);
	AI_FREE char *first = differs ? ai_why_differs(before, s->step, environment, s->environment) : NULL;
	/* What comes from elsewhere is no rule's doing. */
	if (first && strncmp(first, "input", 5) != 0 && rule_changed(job, s->spec->use))
		text = ai_format("its rule '%s' changed: %s", s->spec->use, first);
	else if (differs)
		text = first ? ai_strdup(first) : NULL;
	else if (r == 0 && s->why && strncmp(s->why, "no result", 9) == 0)
		text = ai_strdup("it never ran here");
	else
		text = ai_strdup(s->why ? s->why : "no result is known");
	if (!text)
		return ai_nomem(err);
	*out = text;
	return 0;
}

/* No name is every step; a matrix's, all that it made. */
static bool
is_meant(const struct ai_job_step *s, const char *name)
{
	return !name || strcmp(name, s->name) == 0 || (s->spec->matrix && strcmp(name, s->spec->matrix) == 0);
}

static int
no_step(const struct ai_job *job, const char *name, struct ai_err *err)
{
	AI_FREE const char **names = ai_calloc(job->n_steps ? job->n_steps : 1, sizeof *names);
	if (!names)
		return ai_nomem(err);
	for (size_t i = 0; i < job->n_steps; i++)
		names[i] = job->steps[i].name;
	const char *near = ai_near(name, names, job->n_steps);
	return ai_fail(err, AI_EUSAGE, "%s: there is no step '%s'%s%s%s", job->shown, name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static int
report_step(struct ai_job *job, struct ai_job_step *s, const char *only, json_t *report, struct ai_err *err)
{
	const char *would = "wait";
	AI_FREE char *why = NULL;
	struct ai_err unknown = { 0 };
	if (ai_job_step_node(job, s, &unknown) < 0) {
		/* The key cannot be known before the step that gives this one its input has run. */
		why = ai_strdup("its inputs come from a step that runs first");
	} else {
		int r = ai_job_find_result(job, s, err);
		if (r < 0)
			return r;
		would = r ? "reuse" : "run";
		if (r)
			why = ai_strdup("key, host files and attestation hold");
		else if (ai_why_step(job, s, &why, err) < 0)
			return err->code;
	}
	if (!is_meant(s, only))
		return 0;
	json_t *line = json_pack("{s:s, s:s, s:s}", "step", s->name, "would", would, "why", why ? why : "");
	return json_array_append_new(report, line) < 0 ? ai_nomem(err) : 0;
}

static int
why_job(struct ai_job *job, const char *step, json_t *report, struct ai_err *err)
{
	if (ai_job_fetch(job, err) < 0 || ai_job_plan(job, err) < 0)
		return err->code;
	bool found = !step;
	for (size_t i = 0; i < job->n_steps; i++) {
		found |= is_meant(&job->steps[i], step);
		if (report_step(job, &job->steps[i], step, report, err) < 0)
			return err->code;
	}
	return found ? 0 : no_step(job, step, err);
}

int
ai_why(const struct ai_run_options *options, const char *step, json_t **report, struct ai_err *err)
{
	struct ai_job job;
	AI_JSON *lines = json_array();
	if (!lines)
		return ai_nomem(err);
	int r = ai_job_open(options, &job, err);
	if (r == 0)
		r = why_job(&job, step, lines, err);
	ai_job_done(&job);
	if (r == 0)
		*report = json_incref(lines);
	return r;
}
