/* trial.c -- see trial.h.  SPDX-License-Identifier: Apache-2.0 */
#include "rule/trial.h"

#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "rule/difference.h"
#include "rule/language.h"
#include "rule/ready.h"
#include "rule/source.h"

static void
push(lua_State *L, void *ctx)
{
	lua_createtable(L, 0, 1);
	ai_set_text(L, "where", ctx);
	lua_pushnil(L);
}

/* --- the attributes ---------------------------------------------------------- */

static const char shown[] = "attrs"; /* the name of a test's attributes in errors */

static struct ai_yaml *yaml_of(const json_t *j, const struct ai_yaml *at);

static struct ai_yaml *
scalar_of(const json_t *j, const struct ai_yaml *at)
{
	char number[32];
	snprintf(number, sizeof number, "%lld", (long long)json_integer_value(j));
	return ai_yaml_new(AI_YAML_SCALAR, json_is_string(j) ? json_string_value(j) : json_is_integer(j) ? number : json_is_true(j) ? "true" : "false", at);
}

/* Adds a member, the list's if key is NULL. */
static int
add(struct ai_yaml *to, const char *key, const json_t *j)
{
	struct ai_err err;
	struct ai_yaml *value = yaml_of(j, to), *k = key && value ? ai_yaml_new(AI_YAML_SCALAR, key, to) : NULL;
	if (value && !key)
		return ai_yaml_append(to, value, &err);
	if (value && k)
		return ai_yaml_set(to, k, value, &err);
	ai_yaml_free(value);
	return -1;
}

/* What an Aicertfile would have been read as. The depth is bounded by lua/expect.lua. */
static struct ai_yaml *
yaml_of(const json_t *j, const struct ai_yaml *at)
{
	if (!json_is_object(j) && !json_is_array(j))
		return scalar_of(j, at);
	struct ai_yaml *y = ai_yaml_new(json_is_array(j) ? AI_YAML_LIST : AI_YAML_MAP, NULL, at);
	int rc = y ? 0 : -1;
	const char *key;
	json_t *value;
	size_t i;
	json_array_foreach(j, i, value)
		rc = rc < 0 ? rc : add(y, NULL, value);
	json_object_foreach((json_t *)(uintptr_t)j, key, value)
		rc = rc < 0 ? rc : add(y, key, value);
	if (rc == 0)
		return y;
	ai_yaml_free(y);
	return NULL;
}

/* attrs as YAML text or as a table; a map in either case. */
static int
attributes(const json_t *test, struct ai_yaml **out, struct ai_err *err)
{
	static const struct ai_yaml top = { .type = AI_YAML_MAP, .line = 1, .column = 1 };
	const json_t *j = json_object_get(test, "attrs");
	if (json_is_string(j) && *json_string_value(j)) {
		if (ai_yaml_parse(json_string_value(j), json_string_length(j), shown, out, err) < 0)
			return err->code;
	} else if (json_is_object(j)) {
		if (!(*out = yaml_of(j, &top)))
			return ai_nomem(err);
	} else if (!(*out = ai_yaml_new(AI_YAML_MAP, NULL, &top))) { /* absent or empty */
		return ai_nomem(err);
	}
	if ((*out)->type == AI_YAML_MAP)
		return 0;
	ai_yaml_free(*out);
	*out = NULL;
	return ai_fail(err, AI_EUSAGE, "attrs: expected a map");
}

/* --- a step ------------------------------------------------------------------ */

struct world {
	const json_t *test;
	char *step;           /* of the artifact that was looked up last */
};

/* What a test's artifact stands for; its content is the hash of its name. */
static int
find(void *ctx, const char *name, struct ai_artifact *out)
{
	struct world *w = ctx;
	const json_t *all = ai_json_obj(w->test, "artifacts"), *a = json_object_get(all, name);
	const char *type = json_is_string(a) ? json_string_value(a) : ai_json_str(a, "type"), *dot = strchr(name, '.'), *base = ai_json_str(a, "base");
	*out = (struct ai_artifact){ .name = name, .base = base ? base : dot ? dot + 1 : name, .to = ai_json_str(a, "to") };
	if (!a) {
		AI_FREE const char **names = ai_calloc(json_object_size(all), sizeof *names);
		size_t n = 0;
		const char *key;
		json_t *value;
		json_object_foreach(names ? (json_t *)(uintptr_t)all : NULL, key, value)
			names[n++] = key;
		*out = (struct ai_artifact){ .name = names ? ai_near(name, names, n) : NULL };
		return 0;
	}
	out->is_dir = type && strcmp(type, "dir") == 0;
	if (dot) {
		free(w->step);
		w->step = ai_strndup(name, (size_t)(dot - name));
		out->step = w->step ? w->step : "";
		out->output = dot + 1;
		return 1;
	}
	out->ref.type = out->is_dir ? AI_REF_TREE : AI_REF_BLOB;
	ai_sha256(name, strlen(name), &out->ref.id);
	return 1;
}

static const char *
below_workspace(const char *path)
{
	return strncmp(path, "/workspace/", 11) == 0 ? path + 11 : path;
}

/* {"resources/x.csv": "data"} of a recipe's inputs. */
static json_t *
inputs_by_path(const json_t *recipe, const json_t *artifacts)
{
	json_t *out = json_object(), *in, *value;
	const char *name;
	size_t i;
	json_array_foreach(ai_json_arr(recipe, "inputs"), i, in) {
		const char *path = below_workspace(ai_json_str(in, "path"));
		json_object_foreach((json_t *)(uintptr_t)artifacts, name, value) {
			struct ai_digest id;
			char hex[AI_HEX], of_step[300];
			ai_sha256(name, strlen(name), &id);
			ai_hex(&id, hex);
			snprintf(of_step, sizeof of_step, "%s.%s", ai_json_str(in, "step") ? ai_json_str(in, "step") : "", ai_json_str(in, "output") ? ai_json_str(in, "output") : "");
			const char *blob = ai_json_str(in, "blob"), *tree = ai_json_str(in, "tree");
			if (strcmp(of_step, name) == 0 || (blob && strcmp(blob, hex) == 0) || (tree && strcmp(tree, hex) == 0))
				json_object_set_new(out, path, json_string(name));
		}
	}
	return out;
}

/* {"model": {"path": "outputs/model", "type": "file"}}; just the path where the test says just a path. */
static json_t *
outputs_by_name(const json_t *recipe, const json_t *wanted)
{
	json_t *out = json_object(), *o;
	size_t i;
	json_array_foreach(ai_json_arr(recipe, "outputs"), i, o) {
		const char *name = ai_json_str(o, "name"), *path = below_workspace(ai_json_str(o, "path"));
		if (json_is_string(json_object_get(wanted, name))) {
			json_object_set_new(out, name, json_string(path));
			continue;
		}
		json_t *copy = json_copy(o);
		json_object_set_new(copy, "path", json_string(path));
		json_object_del(copy, "name");
		json_object_set_new(out, name, copy);
	}
	return out;
}

/* The actions with each env as {name: value}, where a difference is easier to read. */
static json_t *
actions_by_name(const json_t *actions)
{
	json_t *out = json_array(), *action, *variable;
	size_t i, k;
	json_array_foreach(actions, i, action) {
		json_t *copy = json_copy(action), *env = ai_json_arr(action, "env");
		if (env) {
			json_t *by_name = json_object();
			json_array_foreach(env, k, variable)
				json_object_set(by_name, ai_json_str(variable, "name"), json_object_get(variable, "value"));
			json_object_set_new(copy, "env", by_name);
		}
		json_array_append_new(out, copy);
	}
	return out;
}

static bool
compare_step(const json_t *test, const json_t *recipe, struct ai_buf *fault)
{
	const json_t *inputs = json_object_get(test, "inputs"), *outputs = json_object_get(test, "outputs"), *actions = json_object_get(test, "actions");
	AI_JSON *got_inputs = inputs_by_path(recipe, ai_json_obj(test, "artifacts")), *got_outputs = outputs_by_name(recipe, outputs);
	AI_JSON *got_actions = actions_by_name(ai_json_arr(recipe, "actions")), *wanted = actions_by_name(actions);
	return (!actions || ai_difference(got_actions, wanted, "actions", fault)) && (!inputs || ai_difference(got_inputs, inputs, "inputs", fault))
		&& (!outputs || ai_difference(got_outputs, outputs, "outputs", fault));
}

static int
run_step(const struct ai_rule_text *rule, const json_t *test, const struct ai_yaml *attrs, json_t **out, struct ai_err *err)
{
	struct world w = { .test = test };
	const struct ai_step_spec step = { .name = (char *)(uintptr_t)"test", .use = rule->name, .attrs = attrs, .line = 1, .column = 1 };
	AI_JSON *node = json_pack("{s:s,s:b,s:s}", "kind", "environment", "host", 1, "platform", "linux/amd64");
	const struct ai_rule_environment environment = { .node = node, .image = json_object_get(test, "image") };
	int rc = node ? ai_rule_recipe(rule, shown, &step, &environment, find, &w, out, err) : ai_nomem(err);
	free(w.step);
	return rc;
}

/* --- an input ---------------------------------------------------------------- */

/* The network as the test has it: a text, or {"status", "body" or "json", "headers", "url"}. */
static int
get(void *ctx, const char *url, const json_t *headers, size_t max, struct ai_buf *body, json_t **answer, struct ai_err *err)
{
	const json_t *page = json_object_get(ai_json_obj(ctx, "net"), url), *json = json_object_get(page, "json"), *status = json_object_get(page, "status");
	(void)headers;
	if (!page)
		return ai_fail(err, AI_EENV, "%s: the test's net has no answer for it", url);
	char *text = json ? json_dumps(json, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT) : NULL;
	const char *given = json_is_string(page) ? json_string_value(page) : ai_json_str(page, "body");
	ai_buf_puts(body, text ? text : given ? given : "");
	free(text);
	if (body->len > max || ai_buf_ok(body, url, err) < 0)
		return ai_fail(err, AI_EINPUT, "%s: more than %zu bytes", url, max);
	const char *from = ai_json_str(page, "url"), *key;
	json_t *value, *said = json_object();
	json_object_foreach(ai_json_obj(page, "headers"), key, value) {
		char name[100];
		snprintf(name, sizeof name, "%s", key);
		for (char *c = name; *c; c++)
			*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
		json_object_set(said, name, value);
	}
	*answer = json_pack("{s:I,s:s,s:o}", "status", status ? json_integer_value(status) : (json_int_t)200, "url", from ? from : url, "headers", said);
	return *answer ? 0 : ai_nomem(err);
}

static int
run_source(const struct ai_rule_text *rule, const json_t *test, struct ai_yaml *attrs, json_t **out, struct ai_err *err)
{
	const struct ai_source_net net = { get, (void *)(uintptr_t)test };
	const struct ai_input input = { .name = (char *)(uintptr_t)"test", .use = rule->name, .attrs = attrs, .line = 1, .column = 1 };
	return ai_source_resolve(rule, shown, &input, &net, out, err);
}

/* --- a test ------------------------------------------------------------------ */

/* Was the failure the one that the test names? */
static bool
compare_error(const json_t *test, int rc, const struct ai_err *err, struct ai_buf *fault)
{
	const char *wanted = ai_json_str(test, "error");
	if (rc == 0)
		ai_buf_printf(fault, "got no error, expected '%s'", wanted);
	else if (!wanted)
		ai_buf_puts(fault, err->text);
	else if (!strstr(err->text, wanted) && !strstr(err->hint, wanted))
		ai_buf_printf(fault, "error: got '%s', expected '%s'", err->text, wanted);
	return fault->len == 0;
}

static bool
run_test(const struct ai_rule_text *rule, int sort, const json_t *test, struct ai_buf *fault)
{
	struct ai_err err = { 0 };
	struct ai_yaml *attrs = NULL;
	AI_JSON *got = NULL;
	int rc = attributes(test, &attrs, &err);
	if (rc == 0)
		rc = sort == AI_RULE_SOURCE ? run_source(rule, test, attrs, &got, &err) : run_step(rule, test, attrs, &got, &err);
	ai_yaml_free(attrs);
	if (rc < 0 || ai_json_str(test, "error"))
		return compare_error(test, rc, &err, fault);
	const json_t *pin = json_object_get(test, "pin");
	if (sort == AI_RULE_SOURCE)
		return !pin || ai_difference(got, pin, "pin", fault);
	return compare_step(test, got, fault);
}

/* What a test asks about that its rule does not give is a mistake in the test, which would pass for ever. */
static int
check_test(int sort, const json_t *test, struct ai_err *err)
{
	static const char *const of_steps[] = { "actions", "inputs", "outputs", "artifacts" }, *const of_inputs[] = { "net", "pin" };
	const char *const *others = sort == AI_RULE_SOURCE ? of_steps : of_inputs;
	for (size_t i = 0; i < (sort == AI_RULE_SOURCE ? 4u : 2u); i++)
		if (json_object_get(test, others[i]))
			return ai_fail(err, AI_EUSAGE, "test '%s': '%s' is for types of %s", ai_json_str(test, "name"), others[i], sort == AI_RULE_SOURCE ? "steps" : "inputs");
	if (sort == AI_RULE_STEP && !json_object_get(test, "actions") && !json_object_get(test, "inputs") && !json_object_get(test, "outputs") && !json_object_get(test, "error"))
		return ai_fail(err, AI_EUSAGE, "test '%s': expected actions, inputs, outputs or error", ai_json_str(test, "name"));
	if (sort == AI_RULE_SOURCE && !json_object_get(test, "pin") && !json_object_get(test, "error"))
		return ai_fail(err, AI_EUSAGE, "test '%s': expected pin or error", ai_json_str(test, "name"));
	return 0;
}

int
ai_rule_test(const struct ai_rule_text *rule, const struct ai_rule_text *tests, void (*each)(void *ctx, const char *name, const char *fault), void *ctx,
	struct ai_err *err)
{
	AI_FREE char *where = ai_format("rules/%s.lua", tests->name);
	const struct ai_question q = { "expect", "evaluate", push, where, 0, NULL, "the tests" };
	AI_JSON *list = NULL;
	json_t *test;
	size_t i;
	int failed = 0, sort = ai_rule_kind(rule, err);
	if (sort < 0)
		return sort;
	if (!where || ai_ready_ask(tests, where, &q, &list, err) < 0)
		return where ? err->code : ai_nomem(err);
	json_array_foreach(list, i, test)
		if (check_test(sort, test, err) < 0)
			return ai_in(err, "%s", where);
	json_array_foreach(list, i, test) {
		AI_BUF_AUTO fault = AI_BUF(1u << 16);
		bool good = run_test(rule, sort, test, &fault);
		failed += !good;
		each(ctx, ai_json_str(test, "name"), good ? NULL : fault.data ? fault.data : "differs");
	}
	return failed;
}
