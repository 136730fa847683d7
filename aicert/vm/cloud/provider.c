/* provider.c -- see provider.h: the file, its settings, and its stages as data.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/cloud/provider.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "rule/embed.h"
#include "rule/language.h"
#include "vm/cloud/provider_parts.h"

static const char FOLDER[] = "rules/providers/";
const char *const ai_provider_stages[] = { "create", "upload", "start", "wait", "collect", "destroy", NULL };

const char *
ai_provider_builtin(size_t i)
{
	static const char *const names[] = { "azure", "gcp", "qemu" };
	return i < sizeof names / sizeof *names ? names[i] : NULL;
}

/* The file of a built-in provider. */
static int
find_builtin(const char *name, const char **text, size_t *n, struct ai_err *err)
{
	const char *names[16];
	size_t k = 0;
	AI_FREE char *path = ai_format("%s%s.lua", FOLDER, name);
	if (!path)
		return ai_nomem(err);
	for (const struct ai_embedded *e = ai_embedded; e->path; e++) {
		if (strcmp(e->path, path) == 0) {
			*text = e->text;
			*n = e->len;
			return 0;
		}
	}
	for (; k < 16 && ai_provider_builtin(k); k++)
		names[k] = ai_provider_builtin(k);
	const char *near = ai_near(name, names, k);
	ai_fail(err, AI_EUSAGE, "provider: there is none called '%s'%s%s%s", name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return ai_hint(err, "built in are azure, gcp and qemu; one of your own is a file: --provider ./mine.lua");
}

static bool
is_path(const char *name)
{
	size_t n = strlen(name);
	return n > 4 && strcmp(name + n - 4, ".lua") == 0;
}

static int
load(struct ai_provider *p, const char *name, const char *text, size_t n, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_RULE);
	if (!text && is_path(name)) {
		if (ai_read_file(AT_FDCWD, name, &b, err) < 0)
			return err->code;
		p->n = b.len;
		p->text = ai_buf_take(&b);
		p->where = ai_strdup(name);
	} else {
		if (!text && find_builtin(name, &text, &n, err) < 0)
			return err->code;
		p->n = n;
		p->text = ai_strndup(text, n);
		p->where = ai_format("%s%s.lua", FOLDER, name);
	}
	/* What says how to destroy a machine must hold in any folder. */
	p->name = is_path(name) ? ai_abspath(name) : ai_strdup(name);
	return p->text && p->where && p->name ? 0 : ai_nomem(err);
}

int
ai_provider_settings(const char *const *set, size_t n, json_t **out, struct ai_err *err)
{
	AI_JSON *j = json_object();
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(set[i], "=");
		AI_FREE char *name = ai_strndup(set[i], len);
		if (!j || !name)
			return ai_nomem(err);
		if (len == 0 || !set[i][len])
			return ai_fail(err, AI_EUSAGE, "usage: '--set': got '%s', expected NAME=VALUE", set[i]);
		if (!ai_utf8_valid(set[i], strlen(set[i])))
			return ai_fail(err, AI_EUSAGE, "usage: '--set': '%s': not UTF-8", name);
		if (json_object_get(j, name))
			return ai_fail(err, AI_EUSAGE, "usage: '--set': '%s' is set twice", name);
		if (json_object_set_new(j, name, json_string(set[i] + len + 1)) < 0)
			return ai_nomem(err);
	}
	*out = json_incref(j);
	return 0;
}

static int
ask(struct ai_provider *p, const json_t *asked, json_t **out, struct ai_err *err)
{
	return ai_language_ask("provider", p->where, p->text, p->n, asked, out, err);
}

void
ai_provider_close(struct ai_provider *p)
{
	if (!p)
		return;
	json_decref(p->about);
	json_decref(p->settings);
	free(p->name);
	free(p->where);
	free(p->text);
	free(p);
}

static int
check(struct ai_provider *p, const json_t *settings, struct ai_err *err)
{
	AI_JSON *nothing = json_object();
	AI_JSON *asked = json_object();
	AI_JSON *answer = NULL;
	p->settings = settings ? json_deep_copy(settings) : json_object();
	if (!nothing || !asked || !p->settings || json_object_set(asked, "settings", p->settings) < 0)
		return ai_nomem(err);
	if (ask(p, nothing, &p->about, err) < 0)
		return err->code;
	return ask(p, asked, &answer, err);
}

int
ai_provider_open(const char *name, const char *text, size_t n, const json_t *settings, struct ai_provider **out, struct ai_err *err)
{
	struct ai_provider *p = ai_calloc(1, sizeof *p);
	if (!p)
		return ai_nomem(err);
	if (load(p, name, text, n, err) < 0 || check(p, settings, err) < 0) {
		ai_provider_close(p);
		return err->code;
	}
	*out = p;
	return 0;
}

int
ai_provider_about(const char *name, json_t **about, struct ai_err *err)
{
	struct ai_provider *p = ai_calloc(1, sizeof *p);
	AI_JSON *nothing = json_object();
	int r = p && nothing ? load(p, name, NULL, 0, err) : ai_nomem(err);
	if (r == 0)
		r = ask(p, nothing, about, err);
	ai_provider_close(p);
	return r;
}

bool
ai_provider_is_host(const struct ai_provider *p)
{
	const char *place = ai_json_str(p->about, "place");
	return place && strcmp(place, "host") == 0;
}

const char *
ai_provider_given(const struct ai_provider *p, const char *name)
{
	return ai_json_str(p->settings, name);
}

static int
ask_stage(struct ai_provider *p, const char *stage, const json_t *settings, const json_t *run, json_t **calls, struct ai_err *err)
{
	AI_JSON *asked = json_pack("{s:s, s:O, s:O}", "stage", stage, "settings", settings, "run", run);
	return asked ? ask(p, asked, calls, err) : ai_nomem(err);
}

int
ai_provider_stage(struct ai_provider *p, const char *stage, const json_t *run, json_t **calls, struct ai_err *err)
{
	return ask_stage(p, stage, p->settings, run, calls, err);
}

int
ai_provider_program(struct ai_provider *p, const char *stage, const json_t *settled, const json_t *run, json_t **program, struct ai_err *err)
{
	AI_JSON *settings = json_deep_copy(p->settings);
	AI_JSON *calls = NULL;
	if (!settings || json_object_update(settings, (json_t *)(uintptr_t)settled) < 0)
		return ai_nomem(err);
	if (ask_stage(p, stage, settings, run, &calls, err) < 0)
		return err->code;
	*program = json_incref(json_array_get(calls, 0));
	return 0;
}

int
ai_machine_name(const char *name, struct ai_err *err)
{
	size_t n = strlen(name);
	if (n < 3 || n > 20 || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] || name[0] < 'a' || name[n - 1] == '-')
		return ai_fail(err, AI_EUSAGE, "machine: got '%s', expected 3 to 20 lower-case letters, digits and '-', a letter first", name);
	return 0;
}

/* What the calls would print, as they say themselves. */
static int
pretend(const json_t *calls, json_t *said, struct ai_err *err)
{
	size_t i;
	json_t *call;
	json_array_foreach(calls, i, call) {
		const char *keep = ai_json_str(call, "keep");
		if (keep && json_object_set(said, keep, json_object_get(call, "like")) < 0)
			return ai_nomem(err);
	}
	return 0;
}

int
ai_provider_plan(struct ai_provider *p, const char *machine, json_t **plan, struct ai_err *err)
{
	if (ai_machine_name(machine, err) < 0)
		return err->code;
	AI_JSON *run = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{}}", "machine", machine, "image", "IMAGE", "job", "JOB", "result", "RESULT",
		"scratch", "SCRATCH", "limit", "90000", "said");
	AI_JSON *all = json_object();
	if (!run || !all)
		return ai_nomem(err);
	for (size_t i = 0; ai_provider_stages[i]; i++) {
		json_t *calls = NULL;
		if (ai_provider_stage(p, ai_provider_stages[i], run, &calls, err) < 0)
			return err->code;
		if (json_object_set_new(all, ai_provider_stages[i], calls) < 0)
			return ai_nomem(err);
		if (pretend(calls, json_object_get(run, "said"), err) < 0)
			return err->code;
	}
	*plan = json_incref(all);
	return 0;
}
