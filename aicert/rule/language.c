/* language.c -- see language.h.  SPDX-License-Identifier: Apache-2.0 */
#include "rule/language.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/yaml.h"
#include "rule/embed.h"
#include "rule/state.h"

/* [-0, +1, e] Runs lua/NAME.lua in the table at env, keeps its result as the table's field NAME, and pushes it; false: there is no such file. */
static bool
load_module(lua_State *L, int env, const char *name)
{
	for (const struct ai_embedded *e = ai_embedded; e->path; e++) {
		size_t n = strlen(name);
		if (strncmp(e->path, "lua/", 4) != 0 || strncmp(e->path + 4, name, n) != 0 || strcmp(e->path + 4 + n, ".lua") != 0)
			continue;
		ai_state_load(L, e->text, e->len, e->path, env);
		lua_call(L, 0, 1);
		lua_pushstring(L, name);
		lua_pushvalue(L, -2);
		lua_rawset(L, env);
		return true;
	}
	return false;
}

/* index of the table that lua/ runs in: a file of lua/ is read when another names it first; a misspelt name is an error, not nil. */
static int
module(lua_State *L)
{
	const char *name = luaL_checkstring(L, 2);
	return load_module(L, 1, name) ? 1 : luaL_error(L, "internal: lua/ has no name '%s'", name);
}

/* newindex of it. */
static int
strict(lua_State *L)
{
	return luaL_error(L, "internal: lua/ sets '%s'", luaL_checkstring(L, 2));
}

void
ai_language_push(lua_State *L)
{
	ai_text_methods(L);
	ai_words_push(L);
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, module);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, strict);
	lua_setfield(L, -2, "__newindex");
	lua_setmetatable(L, -2);
}

void
ai_set_text(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

void
ai_set_integer(lua_State *L, const char *key, long long value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, key);
}

void
ai_set_flag(lua_State *L, const char *key, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, key);
}

size_t
ai_yaml_weight(const struct ai_yaml *y)
{
	size_t n = 1;
	for (size_t i = 0; y->type != AI_YAML_SCALAR && i < y->n; i++)
		n += ai_yaml_weight(y->type == AI_YAML_LIST ? y->items[i] : y->pairs[i].value);
	return n;
}

/* [-0, +1, e] A node as lua/attr.lua reads it. YAML is at most 64 deep. */
void
ai_push_yaml(lua_State *L, const struct ai_yaml *y)
{
	luaL_checkstack(L, 6, "YAML");
	lua_createtable(L, 0, 3);
	ai_set_integer(L, "line", y->line);
	ai_set_integer(L, "column", y->column);
	if (y->type == AI_YAML_SCALAR) {
		ai_set_text(L, "text", y->text);
		return;
	}
	lua_createtable(L, y->n < 1u << 20 ? (int)y->n : 0, 0);
	for (size_t i = 0; i < y->n; i++) {
		if (y->type == AI_YAML_LIST) {
			ai_push_yaml(L, y->items[i]);
		} else {
			lua_createtable(L, 0, 4);
			ai_set_text(L, "key", y->pairs[i].key->text);
			ai_set_integer(L, "line", y->pairs[i].key->line);
			ai_set_integer(L, "column", y->pairs[i].key->column);
			ai_push_yaml(L, y->pairs[i].value);
			lua_setfield(L, -2, "value");
		}
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, y->type == AI_YAML_LIST ? "list" : "map");
}

static int take_json(lua_State *L, int depth, const char *what, json_t **out, struct ai_err *err);

static int
take_list(lua_State *L, size_t n, int depth, const char *what, json_t *list, struct ai_err *err)
{
	for (size_t i = 1; i <= n; i++) {
		json_t *item = NULL;
		lua_rawgeti(L, -1, (lua_Integer)i);
		if (take_json(L, depth + 1, what, &item, err) < 0)
			return err->code;
		if (json_array_append_new(list, item) < 0)
			return ai_nomem(err);
	}
	return 0;
}

struct field {
	const char *name; /* the state's, while it is in its table */
	size_t n;
	json_t *value;
};

static int
by_bytes(const void *a, const void *b)
{
	const struct field *x = a, *y = b;
	int c = memcmp(x->name, y->name, x->n < y->n ? x->n : y->n);
	return c ? c : (x->n > y->n) - (x->n < y->n);
}

/*
 * The fields of the table on top, into f: Lua hands them out in an order that differs in every process. *n counts what f then owns.
 * lua/ gives these tables text keys only.
 */
static int
read_fields(lua_State *L, int depth, const char *what, struct field *f, size_t *n, struct ai_err *err)
{
	for (lua_pushnil(L); lua_next(L, -2); ++*n) {
		if (lua_type(L, -2) != LUA_TSTRING)
			return ai_fail(err, AI_EUSAGE, "%s holds a name that is a %s", what, lua_typename(L, lua_type(L, -2)));
		f[*n].name = lua_tolstring(L, -2, &f[*n].n);
		if (strlen(f[*n].name) != f[*n].n)
			return ai_fail(err, AI_EUSAGE, "%s holds a name with NUL", what);
		if (take_json(L, depth + 1, what, &f[*n].value, err) < 0)
			return err->code;
	}
	return 0;
}

static int
take_fields(lua_State *L, int depth, const char *what, json_t *object, struct ai_err *err)
{
	size_t n = 0, i = 0;
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		n++;
	AI_FREE struct field *f = ai_calloc(n + 1, sizeof *f);
	if (!f)
		return ai_nomem(err);
	n = 0;
	int rc = read_fields(L, depth, what, f, &n, err);
	if (rc == 0 && n > 1)
		qsort(f, n, sizeof *f, by_bytes);
	for (; rc == 0 && i < n; i++)
		if (json_object_set_new(object, f[i].name, f[i].value) < 0)
			rc = ai_nomem(err); /* and the value is released */
	for (; i < n; i++)
		json_decref(f[i].value);
	return rc;
}

static int
take_table(lua_State *L, int depth, const char *what, json_t **out, struct ai_err *err)
{
	size_t n = (size_t)lua_rawlen(L, -1);
	lua_pushnil(L);
	bool empty = lua_next(L, -2) == 0;
	lua_pop(L, empty ? 0 : 2);
	bool is_list = n > 0 || empty;
	AI_JSON *j = is_list ? json_array() : json_object();
	if (!j)
		return ai_nomem(err);
	if ((is_list ? take_list(L, n, depth, what, j, err) : take_fields(L, depth, what, j, err)) < 0)
		return err->code;
	*out = json_incref(j);
	return 0;
}

/*
 * The JSON of the value on top of the stack, which it pops: texts, whole numbers, flags, lists and tables with names, as lua/ makes them. An empty
 * table is a list. Uses no call that raises errors. *out is a new reference; after a failure the state is only good for closing.
 */
static int
take_json(lua_State *L, int depth, const char *what, json_t **out, struct ai_err *err)
{
	json_t *j = NULL;
	if (depth > 8 || !lua_checkstack(L, 4))
		return ai_fail(err, AI_EUSAGE, "%s is nested too deep", what);
	if (lua_isinteger(L, -1)) {
		if (!(j = json_integer(lua_tointeger(L, -1))))
			return ai_nomem(err);
	} else if (lua_type(L, -1) == LUA_TLIGHTUSERDATA) {
		j = json_incref(lua_touserdata(L, -1)); /* constant(): rules have no other, and this one only in what lua/ hands out */
	} else if (lua_isboolean(L, -1)) {
		j = json_boolean(lua_toboolean(L, -1));
	} else if (lua_type(L, -1) == LUA_TSTRING) {
		size_t n;
		const char *s = lua_tolstring(L, -1, &n);
		if (!ai_utf8_valid(s, n) || memchr(s, 0x7f, n))
			return ai_fail(err, AI_EUSAGE, "a text of %s is not UTF-8 or holds NUL or DEL", what);
		if (!(j = json_stringn(s, n)))
			return ai_nomem(err);
	} else if (lua_type(L, -1) != LUA_TTABLE) {
		return ai_fail(err, AI_EUSAGE, "%s holds a %s", what, lua_typename(L, lua_type(L, -1)));
	} else if (take_table(L, depth, what, &j, err) < 0) {
		return err->code;
	}
	lua_pop(L, 1);
	*out = j;
	return 0;
}

int
ai_language_take(lua_State *L, const char *what, json_t **out, struct ai_err *err)
{
	return take_json(L, 0, what, out, err);
}

/* --- a question ------------------------------------------------------------- */

struct question {
	const char *module, *where, *text;
	size_t n;
	const json_t *asked;
};

/* [-0, +1, e] Texts, lists and objects; its depth is the caller's to bound. */
static void
push_json(lua_State *L, const json_t *j)
{
	luaL_checkstack(L, 4, "question");
	if (json_is_string(j)) {
		lua_pushlstring(L, json_string_value(j), json_string_length(j));
		return;
	}
	lua_newtable(L);
	const char *key;
	json_t *value;
	size_t i;
	json_array_foreach(j, i, value) {
		push_json(L, value);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	json_object_foreach((json_t *)(uintptr_t)j, key, value) {
		push_json(L, value);
		lua_setfield(L, -2, key);
	}
}

static int
answer(lua_State *L)
{
	const struct question *q = lua_touserdata(L, 1);
	luaL_checkstack(L, 20, NULL);
	ai_language_push(L);
	lua_getfield(L, -1, q->module);
	int module = lua_gettop(L);
	lua_getfield(L, module, "evaluate");
	lua_getfield(L, module, "vocabulary");
	lua_call(L, 0, 1);
	ai_state_load_file(L, q->text, q->n, q->where, -1);
	lua_remove(L, -2);
	lua_call(L, 0, 1);
	lua_pushstring(L, q->where);
	push_json(L, q->asked);
	lua_call(L, 3, 1);
	return 1;
}

int
ai_language_text(const char *where, const char *text, size_t n, struct ai_err *err)
{
	size_t at;
	if (n > AI_MAX_RULE)
		return ai_fail(err, AI_EUSAGE, "%s: too large: got %zu bytes, expected at most %u", where, n, AI_MAX_RULE);
	if (ai_text_turns(text, n, &at))
		return ai_fail(err, AI_EUSAGE, "%s: byte %zu: a character that turns the direction of text: what is shown would not be what runs", where, at + 1);
	/* No honest rule writes it, and Lua 5.4 compiles some uses of it wrongly (`local _ENV <const>`). */
	if (memmem(text, n, "_ENV", 4))
		return ai_fail(err, AI_EUSAGE, "%s: rules have no globals, and no use for '_ENV'", where);
	return 0;
}

int
ai_language_ask(const char *module, const char *where, const char *text, size_t n, const json_t *asked, json_t **out, struct ai_err *err)
{
	struct question q = { module, where, text, n, asked };
	if (ai_language_text(where, text, n, err) < 0)
		return err->code;
	struct ai_state *s = ai_state_new(NULL);
	if (!s)
		return ai_nomem(err);
	int rc = ai_state_run(s, answer, &q, where, err);
	if (rc == 0 && ai_language_take(ai_state_lua(s), "the answer", out, err) < 0)
		rc = ai_in(err, "%s", where);
	ai_state_free(s);
	return rc;
}
