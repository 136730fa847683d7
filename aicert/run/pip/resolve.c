/* resolve.c -- see resolve.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/pip/resolve.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "fetch/http.h"
#include "model/lock.h"
#include "model/lock_wheels.h"
#include "run/plan/plan_wheels.h"
#include "run/pip/requirements.h"
#include "run/pip/resolve_parts.h"

/* A rule that never writes the word cannot declare it; most projects so pay nothing for all of this. */
static bool
may_take(const struct ai_job *job, const char *use)
{
	for (size_t i = 0; i < job->n_rules; i++)
		if (strcmp(job->rules[i].name, use) == 0)
			return memmem(job->rules[i].text, job->rules[i].len, "wheels", 6) != NULL;
	return false;
}

size_t
ai_wheels_sources(const struct ai_job *job)
{
	size_t n = 0;
	for (size_t i = 0; i < job->manifest->n_steps; i++)
		n += may_take(job, job->manifest->steps[i].use) ? 2 : 0;
	return n;
}

bool
ai_wheels_step(const struct ai_job *job, const char *name)
{
	for (size_t i = 0; i < job->manifest->n_steps; i++)
		if (strcmp(job->manifest->steps[i].name, name) == 0)
			return may_take(job, job->manifest->steps[i].use);
	return false;
}

/* --- does this step ask? ------------------------------------------------------------- */

static int
takes_wheels(const struct ai_job *job, const char *use, struct ai_err *err)
{
	for (size_t i = 0; i < job->n_rules; i++)
		if (strcmp(job->rules[i].name, use) == 0)
			return may_take(job, use) ? ai_rule_takes(&job->rules[i], "wheels", err) : 0;
	return 0;
}

static const struct ai_step_spec *
spec_of(const struct ai_job *job, const char *name)
{
	for (size_t i = 0; i < job->manifest->n_steps; i++)
		if (strcmp(job->manifest->steps[i].name, name) == 0)
			return &job->manifest->steps[i];
	return NULL;
}

/* The first command of a recipe, when it is a Python of the environment's. */
static const json_t *
python_action(const json_t *recipe)
{
	size_t i;
	json_t *a;
	json_array_foreach(ai_json_arr(recipe, "actions"), i, a) {
		if (strcmp(ai_json_str(a, "do"), "run") != 0)
			continue;
		const char *command = json_string_value(json_array_get(ai_json_arr(a, "argv"), 0));
		return command && strncmp(command, "python", 6) == 0 && !strchr(command, '/') ? a : NULL;
	}
	return NULL;
}

static const json_t *
environment_of(const json_t *environments, const json_t *recipe)
{
	struct ai_digest want, id;
	struct ai_err ignored = { 0 };
	size_t i;
	json_t *env;
	json_array_foreach(environments, i, env)
		if (ai_json_digest(recipe, "environment", &want) && ai_json_id(env, &id, &ignored) == 0 && ai_digest_eq(&want, &id))
			return env;
	return NULL;
}

/* `sdists: all`, or names in a list or in lines of a text. */
static int
read_sdists(const struct ai_job *job, const struct ai_step_spec *spec, json_t **out, struct ai_err *err)
{
	const struct ai_yaml *y = ai_yaml_get(spec->attrs, "sdists");
	if (!y || (y->type == AI_YAML_SCALAR && !*y->text))
		return 0;
	if (y->type == AI_YAML_SCALAR && strcmp(y->text, "all") == 0)
		return (*out = json_string("all")) ? 0 : ai_nomem(err);
	AI_JSON *list = json_array();
	for (size_t i = 0; i < (y->type == AI_YAML_LIST ? y->n : 1); i++) {
		const struct ai_yaml *item = y->type == AI_YAML_LIST ? y->items[i] : y;
		const char *text = item->type == AI_YAML_SCALAR ? item->text : "";
		size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
		AI_FREE char *name = ai_project_name(text, n);
		if (!name || !list)
			return ai_nomem(err);
		if (!n || text[n])
			return ai_fail(err, AI_EUSAGE, "%s:%d:%d: step '%s': sdists: expected names of projects, or 'all'", job->shown, item->line,
				item->column, spec->name);
		if (json_array_append_new(list, json_string(name)) < 0)
			return ai_nomem(err);
	}
	*out = json_incref(list);
	return 0;
}

static bool
has_own_wheels(const json_t *recipe)
{
	size_t i;
	json_t *in;
	json_array_foreach(ai_json_arr(recipe, "inputs"), i, in)
		if (strcmp(ai_json_str(in, "path"), "/workspace/wheels") == 0 || strcmp(ai_json_str(in, "path"), "/workspace/built") == 0)
			return true;
	return false;
}

/* 1 it asks for something (*a is filled in), 0 it does not. */
static int
asks(struct ai_job *job, const json_t *step, const json_t *environments, struct ai_asked *a, struct ai_err *err)
{
	const json_t *recipe = ai_json_obj(step, "recipe");
	const struct ai_step_spec *spec = spec_of(job, ai_json_str(step, "name"));
	a->name = ai_json_str(step, "name");
	a->action = python_action(recipe);
	a->environment = environment_of(environments, recipe);
	if (!spec || !a->action || !a->environment || has_own_wheels(recipe))
		return 0;
	a->python = json_string_value(json_array_get(ai_json_arr(a->action, "argv"), 0));
	a->host = json_is_true(json_object_get(a->environment, "host"));
	a->complete = a->host;
	int r = takes_wheels(job, spec->use, err);
	if (r == 1 && read_sdists(job, spec, &a->sdists, err) < 0)
		return err->code;
	return r == 1 ? ai_asked_read(job, recipe, a, err) : r;
}

/* --- the pin ------------------------------------------------------------------------------- */

static bool
to_renew(const struct ai_job *job, const struct ai_asked *a)
{
	if (!job->renew_wheels)
		return false;
	if (!job->renew || strcmp(job->renew, a->name) == 0)
		return true;
	for (size_t i = 0; i < job->n_sources; i++)
		if (strcmp(job->sources[i].name, job->renew) == 0 && job->sources[i].content.type == AI_REF_TREE &&
			ai_digest_eq(&job->sources[i].content.id, &a->source))
			return true;
	return false;
}

static int
no_pin(const struct ai_asked *a, bool stale, struct ai_err *err)
{
	ai_fail(err, AI_EINPUT, "aicert.lock: step '%s' has no pin for what its requirements.txt asks for%s, and --locked adds none", a->name,
		stale ? " now" : "");
	return ai_hint(err, "run 'aicert lock' and commit aicert.lock");
}

/* The user's settings are of no concern to a project that needs nothing of an index, and neither is a setting that is refused. */
struct settings { struct ai_pip_settings s; bool read; };

static int
read_settings(struct settings *s, struct ai_err *err)
{
	if (!s->read && ai_pip_settings_read(&s->s, err) < 0)
		return err->code;
	s->read = true;
	return 0;
}

/* Has the host all of it? Only the first file can be looked at so; what includes others, or names hashes, is for pip. */
static int
host_has_it(const struct ai_asked *a, struct ai_buf *said, struct ai_err *err)
{
	return a->host && !a->sdists ? ai_host_satisfies(a->interpreter, &a->files[0].text, said, err) : 0;
}

static int
pin_step(struct ai_job *job, struct ai_asked *a, struct settings *settings, json_t **pin, struct ai_err *err)
{
	struct ai_digest had;
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	*pin = ai_lock_wheels(job->lock, a->name);
	bool stale = *pin && !(ai_json_digest(*pin, "requirements", &had) && ai_digest_eq(&had, &a->requirements));
	if (*pin && !stale && !to_renew(job, a))
		return 0;
	if (!*pin || stale) {
		int r = host_has_it(a, &said, err);
		if (r != 0) {
			*pin = NULL;
			return r < 0 ? r : stale && job->opt->locked ? no_pin(a, true, err) : ai_lock_set_wheels(job->lock, a->name, NULL, err);
		}
	}
	if (job->opt->locked)
		return no_pin(a, stale, err);
	if (read_settings(settings, err) < 0 || ai_asked_indexes(job, &settings->s, a, err) < 0)
		return err->code;
	if (a->host && a->indexes.n == 0)
		return ai_host_lacks(a->name, &said, err);
	ai_say(job->opt->talk, AI_TALK_STAGE, "lock    %s/wheels%s", a->name, stale ? ": its requirements or its environment changed" : "");
	AI_JSON *fresh = NULL;
	if (ai_asked_resolve(job, &settings->s, a, &fresh, err) < 0 || ai_lock_set_wheels(job->lock, a->name, fresh, err) < 0)
		return err->code;
	*pin = ai_lock_wheels(job->lock, a->name);
	return 0;
}

/* --- content -------------------------------------------------------------------------------- */

/* The URL with the login of an index on the same host, if one is set up. */
static char *
with_login(const struct ai_indexes *indexes, const char *uri)
{
	for (size_t i = 0; i < indexes->n; i++) {
		char *url = ai_url_with_login(uri, indexes->url[i]);
		if (!url || strcmp(url, uri) != 0)
			return url;
		free(url);
	}
	return ai_strdup(uri);
}

static int
fetch_file(struct ai_job *job, struct settings *settings, const json_t *file, struct ai_err *err)
{
	struct ai_indexes indexes = { 0 };
	struct ai_ref want = { .type = AI_REF_BLOB };
	const char *name = ai_json_str(file, "name");
	if (!ai_json_digest(file, "sha256", &want.id))
		return ai_fail(err, AI_EINPUT, "aicert.lock: '%s': no hash", name);
	int r = ai_store_has(job->store, &want, err);
	if (r != 0)
		return r < 0 ? r : 0;
	AI_FREE char *partial = ai_join(job->home.cache, "partial");
	if (read_settings(settings, err) < 0 || ai_pip_indexes(&settings->s, &indexes, err) < 0)
		return err->code;
	AI_FREE char *url = with_login(&indexes, ai_json_str(file, "uri"));
	ai_indexes_done(&indexes);
	if (!partial || !url)
		return ai_nomem(err);
	ai_say(job->opt->talk, AI_TALK_STAGE, "fetch   %s", name);
	struct ai_http_request q = { .url = url, .sha256 = &want.id, .size = json_integer_value(json_object_get(file, "size")), .partial = partial,
		.talk = job->opt->talk, .ca = ai_pip_cert(&settings->s) };
	struct ai_digest got;
	uint64_t size;
	if (ai_http_get(&q, ai_store_sink(job->store), &got, &size, err) < 0)
		return ai_in(err, "aicert.lock: '%s'", name);
	job->fetched++;
	return 0;
}

static int
put_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	const struct ai_sink *sink = ctx;
	return sink->tree(sink->ctx, entries, n, out, err);
}

static int
add_source(struct ai_job *job, const char *step, const json_t *pin, ai_wheels_part part, struct ai_err *err)
{
	if (!ai_wheels_has(pin, part))
		return 0;
	struct ai_job_source *s = &job->sources[job->n_sources++];
	*s = (struct ai_job_source){ .owned = ai_wheels_name(step, part), .how = "sha256" };
	s->name = s->owned;
	if (!s->owned)
		return ai_nomem(err);
	if (ai_wheels_trees(pin, part, put_tree, (void *)(uintptr_t)ai_store_sink(job->store), &s->content, err) < 0 ||
		ai_wheels_source(pin, part, &s->node, err) < 0)
		return err->code;
	return ai_store_put_node(job->store, s->node, &s->id, err);
}

static int
bring(struct ai_job *job, const struct ai_asked *a, const json_t *pin, struct settings *settings, struct ai_err *err)
{
	static const char *const lists[] = { "files", "sdists", "build" };
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		size_t k;
		json_t *f;
		json_array_foreach(ai_json_arr(pin, lists[i]), k, f)
			if (ai_check_interrupt(err) < 0 || fetch_file(job, settings, f, err) < 0)
				return err->code;
	}
	return add_source(job, a->name, pin, AI_WHEELS, err) < 0 || add_source(job, a->name, pin, AI_SDISTS, err) < 0 ? err->code : 0;
}

/* --- all of it --------------------------------------------------------------------------------- */

/* A pin of a step that asks for nothing (any more) would give it wheels nevertheless. */
static int
drop_pin(struct ai_job *job, const char *step, struct ai_err *err)
{
	if (!ai_lock_wheels(job->lock, step))
		return 0;
	if (job->opt->locked) {
		ai_fail(err, AI_EINPUT, "aicert.lock: has wheels for step '%s', which asks for none, and --locked removes none", step);
		return ai_hint(err, "run 'aicert lock' and commit aicert.lock");
	}
	ai_say(job->opt->talk, AI_TALK_NOTE, "step '%s' asks for no packages any more: its pins are gone from aicert.lock", step);
	return ai_lock_set_wheels(job->lock, step, NULL, err);
}

static int
wheels_of(struct ai_job *job, const json_t *step, const json_t *environments, struct settings *settings, struct ai_err *err)
{
	struct ai_asked a = { 0 };
	json_t *pin = NULL;
	int r = asks(job, step, environments, &a, err);
	if (r == 0)
		r = drop_pin(job, a.name, err);
	else if (r == 1)
		r = pin_step(job, &a, settings, &pin, err) < 0 ? err->code : 0;
	if (r == 0 && pin)
		r = bring(job, &a, pin, settings, err);
	ai_asked_done(&a);
	return r;
}

/* Pins of steps that the Aicertfile has no more. */
static int
drop_unknown(struct ai_job *job, struct ai_err *err)
{
	const char *step;
	json_t *pin;
	void *next;
	json_object_foreach_safe(ai_json_obj(job->lock, "wheels"), next, step, pin)
		if (!spec_of(job, step) && drop_pin(job, step, err) < 0)
			return err->code;
	return 0;
}

/* The lock's bytes without wheels: for the plan that says which steps ask. */
static int
lock_without(const struct ai_job *job, struct ai_buf *out, struct ai_err *err)
{
	AI_JSON *bare = json_copy(job->lock);
	if (!bare)
		return ai_nomem(err);
	(void)json_object_del(bare, "wheels");
	return ai_lock_format(bare, out, err);
}

/* Steps that build source distributions use a rule that no step of the Aicertfile need use. */
static int
add_rule(struct ai_job *job, struct ai_err *err)
{
	bool wanted = false;
	for (size_t i = 0; i < job->manifest->n_steps; i++)
		wanted = wanted || strcmp(job->manifest->steps[i].use, "wheels") == 0;
	for (size_t i = 0; i < job->n_rules; i++)
		wanted = wanted && strcmp(job->rules[i].name, "wheels") != 0;
	const struct ai_rule_text *builtin = wanted ? ai_rule_builtin("wheels") : NULL;
	if (!builtin)
		return 0;
	struct ai_rule_text *more = realloc(job->rules, (job->n_rules + 1) * sizeof *more);
	if (!more)
		return ai_nomem(err);
	job->rules = more;
	more[job->n_rules] = (struct ai_rule_text){ .name = ai_strdup("wheels"), .text = ai_strndup(builtin->text, builtin->len), .len = builtin->len };
	job->n_rules++;
	return more[job->n_rules - 1].name && more[job->n_rules - 1].text ? 0 : ai_nomem(err);
}

int
ai_job_wheels(struct ai_job *job, struct ai_err *err)
{
	if (ai_wheels_sources(job) == 0)
		return drop_unknown(job, err);
	AI_BUF_AUTO lock = AI_BUF(AI_MAX_LOCK);
	AI_JSON *plan = NULL;
	AI_JSON *environments = NULL;
	if (drop_unknown(job, err) < 0 || lock_without(job, &lock, err) < 0 || ai_job_plan_make(job, &lock, &plan, &environments, err) < 0)
		return err->code;
	struct settings settings = { 0 };
	int r = 0;
	size_t i;
	json_t *step;
	json_array_foreach(ai_json_arr(plan, "steps"), i, step)
		if ((r = wheels_of(job, step, environments, &settings, err)) < 0)
			break;
	ai_pip_settings_done(&settings.s);
	if (r == 0)
		r = ai_manifest_add_wheels(job->manifest, job->lock, err);
	return r < 0 ? r : add_rule(job, err);
}

int
ai_job_wheels_pinned(struct ai_job *job, struct ai_err *err)
{
	return drop_unknown(job, err) < 0 || ai_manifest_add_wheels(job->manifest, job->lock, err) < 0 ? err->code : add_rule(job, err);
}
