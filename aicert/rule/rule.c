/*
 * rule.c -- see rule.h: one evaluation, from a step's YAML to its recipe.
 *
 * The checks and the rendering are written in lua/ and run in the same closed state as the
 * rule. All that enters it is pushed here; what comes back is read after Lua has returned,
 * by calls that cannot raise an error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/rule.h"

#include <lauxlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "rule/language.h"
#include "rule/ready.h"
#include "rule/state.h"

struct request {
	const struct ai_rule_text *rule;
	const char *file, *where;      /* where: "rules/x.lua" */
	const struct ai_step_spec *step;
	ai_find_artifact *find;
	void *find_ctx;
	const json_t *image;           /* what the step's image says of itself */
	bool needs_only;
	const char *takes;             /* asked for is only whether the rule declares it */
};

/* The names that an output of a matrix stands for: ", "-joined and no more than a reader wants to see. */
static void
push_several(lua_State *L, const struct ai_artifact *a)
{
	size_t n = a->n_all < 4 ? a->n_all : 4;
	luaL_checkstack(L, 12, NULL);
	int top = lua_gettop(L);
	for (size_t i = 0; i < n; i++)
		lua_pushfstring(L, "%s%s.%s", i ? ", " : "", a->all[i].name, a->output);
	lua_pushstring(L, n < a->n_all ? ", …" : "");
	lua_concat(L, lua_gettop(L) - top);
}

/* all(name): the list of names that an output of a matrix stands for; nil: it stands for itself. */
static int
all(lua_State *L)
{
	const struct request *q = lua_touserdata(L, lua_upvalueindex(1));
	luaL_checktype(L, 1, LUA_TSTRING);
	struct ai_artifact a = { 0 };
	if (q->find(q->find_ctx, lua_tostring(L, 1), &a) != 1 || !a.n_all)
		return 0;
	lua_createtable(L, (int)a.n_all, 0);
	for (size_t i = 0; i < a.n_all; i++) {
		lua_pushfstring(L, "%s.%s", a.all[i].name, a.output);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* find(name): { found, base, to, is_dir, blob or tree or step and output }, or { several }, or { near }. */
static int
find(lua_State *L)
{
	const struct request *q = lua_touserdata(L, lua_upvalueindex(1));
	luaL_checktype(L, 1, LUA_TSTRING);
	struct ai_artifact a = { 0 };
	char hex[AI_HEX];
	bool found = q->find(q->find_ctx, lua_tostring(L, 1), &a) == 1;
	lua_createtable(L, 0, 8);
	if (!found) {
		ai_set_text(L, "near", a.name);
		return 1;
	}
	if (a.n_all) {
		push_several(L, &a);
		lua_setfield(L, -2, "several");
		return 1;
	}
	ai_set_flag(L, "found", true);
	ai_set_text(L, "base", a.base);
	ai_set_text(L, "to", a.to);
	ai_set_text(L, "step", a.step);
	ai_set_text(L, "output", a.output);
	ai_set_flag(L, "is_dir", a.is_dir);
	if (!a.step) {
		ai_hex(&a.ref.id, hex);
		ai_set_text(L, a.ref.type == AI_REF_TREE ? "tree" : "blob", hex);
	}
	return 1;
}

static void
push_words(lua_State *L, const json_t *list)
{
	lua_createtable(L, (int)json_array_size(list), 0);
	for (size_t i = 0; i < json_array_size(list); i++) {
		lua_pushstring(L, json_string_value(json_array_get(list, i)));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* image: { entrypoint, cmd, workdir }, each there in any case. */
static void
push_image(lua_State *L, const json_t *image)
{
	const char *workdir = ai_json_str(image, "workdir");
	lua_createtable(L, 0, 3);
	push_words(L, ai_json_arr(image, "entrypoint"));
	lua_setfield(L, -2, "entrypoint");
	push_words(L, ai_json_arr(image, "cmd"));
	lua_setfield(L, -2, "cmd");
	ai_set_text(L, "workdir", workdir ? workdir : "/");
	lua_setfield(L, -2, "image");
}

static void
push_context(lua_State *L, const struct request *q)
{
	lua_createtable(L, 0, 16);
	ai_set_text(L, "where", q->where);
	ai_set_text(L, "file", q->file);
	ai_set_text(L, "rule", q->rule->name);
	ai_set_text(L, "what", "step");
	ai_set_text(L, "name", q->step->name);
	ai_set_integer(L, "line", q->step->line);
	ai_set_integer(L, "column", q->step->column);
	ai_set_flag(L, "short", q->step->short_form);
	ai_set_flag(L, "needs_only", q->needs_only);
	ai_set_text(L, "takes", q->takes);
	const json_t *variables = ai_json_arr(q->image, "env");
	lua_createtable(L, 0, (int)json_array_size(variables));
	for (size_t i = 0; i < json_array_size(variables); i++) {
		const json_t *v = json_array_get(variables, i);
		ai_set_text(L, ai_json_str(v, "name"), ai_json_str(v, "value"));
	}
	lua_setfield(L, -2, "variables");
	if (q->image)
		push_image(L, q->image);
	lua_pushlightuserdata(L, (void *)(uintptr_t)q);
	lua_pushcclosure(L, find, 1);
	lua_setfield(L, -2, "find");
	lua_pushlightuserdata(L, (void *)(uintptr_t)q);
	lua_pushcclosure(L, all, 1);
	lua_setfield(L, -2, "all");
}

static void
push(lua_State *L, void *ctx)
{
	const struct request *q = ctx;
	push_context(L, q);
	ai_push_yaml(L, q->step->attrs);
}

static int
run(const struct request *q, const char *what, json_t **out, struct ai_err *err)
{
	const struct ai_question question = { "rule", "evaluate", push, (void *)(uintptr_t)q, ai_yaml_weight(q->step->attrs) + 2 * q->step->stands_for, NULL, what };
	return q->where ? ai_ready_ask(q->rule, q->where, &question, out, err) : ai_nomem(err);
}

/* Is one of the paths the other, or in it? */
static bool
meet(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	return strncmp(a, b, n < m ? n : m) == 0 && (n == m || (n < m ? b[n] : a[m]) == '/');
}

/* A checkpoint is no part of the step's key: it may not lie over an input, where it would hide some of it from the step alone. */
static int
check_checkpoint(const char *file, const struct ai_step_spec *step, const json_t *recipe, struct ai_err *err)
{
	const json_t *inputs = ai_json_arr(recipe, "inputs"), *in;
	size_t i;
	json_array_foreach(inputs, i, in) {
		const char *path = ai_json_str(in, "path") + sizeof "/workspace/" - 1;
		if (!step->checkpoint || !meet(path, step->checkpoint))
			continue;
		ai_fail(err, AI_EUSAGE, "%s:%d:%d: step '%s': checkpoint: '%s' and the input at '%s' come to the same place", file, step->line, step->column, step->name,
			step->checkpoint, path);
		return ai_hint(err, "choose a folder beside the inputs, like 'checkpoints'");
	}
	return 0;
}

int
ai_rule_recipe(const struct ai_rule_text *rule, const char *file, const struct ai_step_spec *step,
	const struct ai_rule_environment *environment, ai_find_artifact *find_artifact, void *ctx, json_t **recipe, struct ai_err *err)
{
	AI_FREE char *where = ai_format("rules/%s.lua", rule->name);
	struct request q = { .rule = rule, .file = file, .where = where, .step = step, .find = find_artifact, .find_ctx = ctx,
		.image = environment->image };
	AI_JSON *j = NULL;
	struct ai_digest id;
	if (ai_json_id(environment->node, &id, err) < 0 || run(&q, "the recipe", &j, err) < 0 || check_checkpoint(file, step, j, err) < 0)
		return err->code;
	if (json_object_set_new(j, "kind", json_string("step")) < 0 || json_object_set_new(j, "environment", ai_json_hex(&id)) < 0)
		return ai_nomem(err);
	*recipe = json_incref(j);
	return 0;
}

int
ai_rule_takes(const struct ai_rule_text *rule, const char *attribute, struct ai_err *err)
{
	static const struct ai_yaml nothing = { .type = AI_YAML_MAP };
	static const struct ai_step_spec step = { .name = (char *)"", .attrs = &nothing };
	AI_FREE char *where = ai_format("rules/%s.lua", rule->name);
	struct request q = { .rule = rule, .file = "", .where = where, .step = &step, .takes = attribute };
	AI_JSON *j = NULL;
	return run(&q, "the recipe", &j, err) < 0 ? err->code : json_array_size(j) > 0;
}

int
ai_rule_needs(const struct ai_rule_text *rule, const char *file, const struct ai_step_spec *step,
	ai_find_artifact *find_artifact, void *find_ctx, int (*need)(void *ctx, const char *step_name), void *ctx, struct ai_err *err)
{
	AI_FREE char *where = ai_format("rules/%s.lua", rule->name);
	struct request q = { .rule = rule, .file = file, .where = where, .step = step, .find = find_artifact, .find_ctx = find_ctx, .needs_only = true };
	AI_JSON *j = NULL;
	if (run(&q, "the recipe", &j, err) < 0)
		return err->code;
	for (size_t i = 0; i < json_array_size(j); i++)
		if (need(ctx, json_string_value(json_array_get(j, i))) < 0)
			return ai_nomem(err);
	return 0;
}

static void
push_about(lua_State *L, void *ctx)
{
	const struct request *q = ctx;
	lua_createtable(L, 0, 2);
	ai_set_text(L, "where", q->where);
	ai_set_text(L, "rule", q->rule->name);
	lua_pushnil(L);
}

int
ai_rule_about(const struct ai_rule_text *rule, json_t **about, struct ai_err *err)
{
	AI_FREE char *where = ai_format("rules/%s.lua", rule->name);
	struct request q = { .rule = rule, .where = where };
	const struct ai_question question = { "rule", "about", push_about, &q, 0, NULL, "what it says of itself" };
	return where ? ai_ready_ask(rule, where, &question, about, err) : ai_nomem(err);
}

int
ai_rule_kind(const struct ai_rule_text *rule, struct ai_err *err)
{
	AI_JSON *about = NULL;
	if (ai_rule_about(rule, &about, err) < 0)
		return err->code;
	return strcmp(ai_json_str(about, "kind"), "source") == 0 ? AI_RULE_SOURCE : AI_RULE_STEP;
}
