/*
 * words.c -- the few C functions that lua/ is written with.
 *
 * Rules see only what lua/rule.lua hands on. Each function holds nothing but memory of
 * the state while it may raise an error, for an error jumps over it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "rule/state.h"

static const char *
text(lua_State *L, int arg)
{
	luaL_checktype(L, arg, LUA_TSTRING);
	return lua_tostring(L, arg);
}

/* error(text [, level]): as the stock one, but text only. */
static int
word_error(lua_State *L)
{
	if (lua_type(L, 1) != LUA_TSTRING)
		return luaL_error(L, "error: got a %s, expected a text", luaL_typename(L, 1));
	lua_Integer level = luaL_optinteger(L, 2, 1);
	if (level > 0 && level < 100)
		ai_state_where(L, (int)level);
	else
		lua_pushliteral(L, "");
	lua_pushvalue(L, 1);
	lua_concat(L, 2);
	return lua_error(L);
}

/* where(level): "rules/x.lua:12: " of the caller at that level. */
static int
word_where(lua_State *L)
{
	ai_state_where(L, (int)luaL_checkinteger(L, 1));
	return 1;
}

/* type(v): as the stock one; artifacts say "artifact". */
static int
word_type(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushstring(L, lua_type(L, 1) == LUA_TUSERDATA ? AI_ARTIFACT : luaL_typename(L, 1));
	return 1;
}

static int
ipairs_next(lua_State *L)
{
	lua_Integer i = luaL_checkinteger(L, 2) + 1;
	lua_pushinteger(L, i);
	return lua_rawgeti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

static int
word_ipairs(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushcfunction(L, ipairs_next);
	lua_pushvalue(L, 1);
	lua_pushinteger(L, 0);
	return 3;
}

struct key {
	const char *s;
	size_t n;
};

static int
by_bytes(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int c = memcmp(x->s, y->s, n);
	return c ? c : (x->n > y->n) - (x->n < y->n);
}

/* Pushes a block of the keys of the table at index, sorted; all must be texts. */
static struct key *
push_keys(lua_State *L, int index, size_t *n_out)
{
	size_t n = 0, i = 0;
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		n++;
	ai_state_charge(L, n * 8);
	struct key *keys = lua_newuserdatauv(L, (n + 1) * sizeof *keys, 0);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1), i++) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "expected names as keys, got a %s (is it a list?)", luaL_typename(L, -2));
		keys[i].s = lua_tolstring(L, -2, &keys[i].n);
	}
	if (n > 1)
		qsort(keys, n, sizeof *keys, by_bytes);
	*n_out = n;
	return keys;
}

/* keys(t): the list of t's keys, all texts, in the order of their bytes. Lua's own order differs in every process. */
static int
word_keys(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	size_t n;
	const struct key *keys = push_keys(L, 1, &n);
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_pushlstring(L, keys[i].s, keys[i].n);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static int
by_number(const void *a, const void *b)
{
	lua_Integer x = *(const lua_Integer *)a, y = *(const lua_Integer *)b;
	return (x > y) - (x < y);
}

/*
 * items(t): the list of what t has under numbers, in their order, and the table of what it has under names, nil if there is none. A field that is
 * nil leaves a hole in a list that a file writes ({ a.first, a.second }): it is left out, and not all that comes behind it.
 */
static int
word_items(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	size_t n = 0, named = 0, i = 0;
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
		*(lua_isinteger(L, -2) ? &n : &named) += 1;
	ai_state_charge(L, (n + named) * 8);
	lua_Integer *at = lua_newuserdatauv(L, (n + 1) * sizeof *at, 0);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
		if (lua_isinteger(L, -2))
			at[i++] = lua_tointeger(L, -2);
	if (n > 1)
		qsort(at, n, sizeof *at, by_number);
	lua_createtable(L, n < 1u << 26 ? (int)n : 0, 0);
	for (i = 0; i < n; i++) {
		lua_rawgeti(L, 1, at[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	if (named == 0)
		return 1;
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, 1);)
		if (lua_isinteger(L, -2)) {
			lua_pop(L, 1);
		} else {
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			lua_rawset(L, -4);
		}
	return 2;
}

/* overlay(names, t, u): the values of t, whose names are that sorted list, and of u, in the order of the names; where both have one, u's. */
static int
word_overlay(lua_State *L)
{
	for (int i = 1; i <= 3; i++)
		luaL_checktype(L, i, LUA_TTABLE);
	lua_settop(L, 3);
	size_t n = (size_t)lua_rawlen(L, 1), m, i = 0, j = 0;
	const struct key *u = push_keys(L, 3, &m);
	lua_createtable(L, (int)(n + m), 0);
	for (lua_Integer k = 1; i < n || j < m; k++) {
		struct key t = { 0 };
		lua_rawgeti(L, 1, (lua_Integer)i + 1);
		if (i < n)
			t.s = lua_tolstring(L, -1, &t.n);
		int c = i == n ? 1 : j == m ? -1 : by_bytes(&t, &u[j]);
		if (c >= 0) {
			lua_pop(L, 1);
			lua_pushlstring(L, u[j].s, u[j].n);
		}
		lua_rawget(L, c < 0 ? 2 : 3);
		lua_rawseti(L, -2, k);
		i += c <= 0;
		j += c >= 0;
	}
	return 1;
}

/* constant(name, value): stands for {"name", "value"} in what C takes out, one JSON value for all of them. For lua/, while it is loaded. */
static int
word_constant(lua_State *L)
{
	void *c = ai_state_constant(L, text(L, 1), text(L, 2));
	if (!c)
		return luaL_error(L, "internal: too many constants");
	lua_pushlightuserdata(L, c);
	return 1;
}

/* near(word, list): the nearest text of the list, or nil. */
static int
word_near(lua_State *L)
{
	const char *word = text(L, 1);
	luaL_checktype(L, 2, LUA_TTABLE);
	size_t n = (size_t)lua_rawlen(L, 2);
	const char **list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 0);
	luaL_checkstack(L, (int)n, "too many names");
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		list[i] = text(L, -1);
	}
	lua_pushstring(L, ai_near(word, list, n));
	return 1;
}

/* path_fault(text): nil for a relative path without "." and "..", else what is wrong with it. */
static int
word_path_fault(lua_State *L)
{
	struct ai_err err;
	const char *s = text(L, 1);
	bool whole = strlen(s) == lua_rawlen(L, 1);
	if (!whole)
		lua_pushliteral(L, "a path holds NUL");
	else if (ai_relpath_check(s, &err) < 0)
		lua_pushstring(L, err.text);
	else
		lua_pushnil(L);
	return 1;
}

/* The folder's own writing of a path: no "./" before it, no '/' behind it. */
static void
tidy(const char **s, size_t *n)
{
	while (*n > 2 && (*s)[0] == '.' && (*s)[1] == '/') {
		*s += 2;
		*n -= 2;
	}
	if (*n > 1 && (*s)[*n - 1] == '/')
		--*n;
}

/* tidy(path): a path without "./" before and '/' behind it. */
static int
word_tidy(lua_State *L)
{
	const char *s = text(L, 1);
	size_t n = lua_rawlen(L, 1);
	tidy(&s, &n);
	lua_pushlstring(L, s, n);
	return 1;
}

/*
 * workspace(path, base): the path below /workspace that was written in full or relative to base ("": the workspace itself), or nil and what is
 * wrong with it. "workspace" is a link to the workspace.
 */
static int
word_workspace(lua_State *L)
{
	static const char top[] = "/workspace/";
	const char *given = text(L, 1), *s = given, *base = text(L, 2);
	size_t n = lua_rawlen(L, 1);
	bool whole = strlen(s) == n, absolute;
	struct ai_err err;
	tidy(&s, &n);
	absolute = whole && *s == '/';
	if (absolute && strncmp(s, top, sizeof top - 1) == 0) {
		s += sizeof top - 1;
		n -= sizeof top - 1;
		tidy(&s, &n);
		absolute = false;
		base = "";
	}
	if (!whole || absolute) {
		lua_pushnil(L);
		lua_pushfstring(L, whole ? "'%s' lies outside the workspace: expected a path below /workspace" : "the path holds NUL", given);
		return 2;
	}
	lua_pushstring(L, top);
	lua_pushstring(L, base);
	lua_pushstring(L, *base && !(n == 1 && *s == '.') ? "/" : "");
	lua_pushlstring(L, s, *base && n == 1 && *s == '.' ? 0 : n);
	lua_concat(L, 4);
	const char *rel = lua_tostring(L, -1) + sizeof top - 1, *link = "workspace";
	size_t m = strlen(link);
	bool bad = ai_relpath_check(rel, &err) < 0;
	if (!bad && (strncmp(rel, link, m) != 0 || (rel[m] && rel[m] != '/')))
		return 1;
	lua_pushnil(L);
	if (bad)
		lua_pushstring(L, err.text);
	else
		lua_pushfstring(L, "'%s': 'workspace' is a link to the workspace itself: leave it out", given);
	return 2;
}

/* above(t, path): what t has under the path of a folder in which path lies, the nearest one; or nil. */
static int
word_above(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	const char *s = text(L, 2);
	for (size_t n = lua_rawlen(L, 2); n > 0;) {
		n--;
		if (s[n] != '/')
			continue;
		lua_pushlstring(L, s, n);
		if (lua_rawget(L, 1) != LUA_TNIL)
			return 1;
		lua_pop(L, 1);
	}
	return 0;
}

static int
word_is_secret(lua_State *L)
{
	lua_pushboolean(L, ai_env_is_secret(text(L, 1)));
	return 1;
}

static int
word_url_has_secret(lua_State *L)
{
	lua_pushboolean(L, ai_url_has_secret(text(L, 1)));
	return 1;
}

/* url_public(url): without user info, and without a query that holds a secret. */
static int
word_url_public(lua_State *L)
{
	const char *url = text(L, 1);
	size_t n = lua_rawlen(L, 1);
	char *copy = lua_newuserdatauv(L, n + 1, 0);
	char *shown = ai_url_public(url);
	snprintf(copy, n + 1, "%s", shown ? shown : "");
	free(shown); /* nothing of C is held when Lua may raise an error */
	lua_pushstring(L, copy);
	return 1;
}

/* url_escape(text): with %XX for all but letters, digits, "-._~" and '/'. */
static int
word_url_escape(lua_State *L)
{
	static const char hex[] = "0123456789ABCDEF";
	const char *s = text(L, 1);
	size_t n = lua_rawlen(L, 1);
	ai_state_charge(L, n / 4);
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x80 && (isalnum(c) || (c && strchr("-._~/", c)))) {
			luaL_addchar(&b, (char)c);
			continue;
		}
		luaL_addchar(&b, '%');
		luaL_addchar(&b, hex[c >> 4]);
		luaL_addchar(&b, hex[c & 15]);
	}
	luaL_pushresult(&b);
	return 1;
}

/* glob(pattern, path): does the whole path match? As `exclude` has it (base/path.h). */
static int
word_glob(lua_State *L)
{
	const char *pattern = text(L, 1), *path = text(L, 2);
	size_t n = lua_rawlen(L, 1) + 1, m = lua_rawlen(L, 2) + 1;
	ai_state_charge(L, n < 4096 && m < 65536 ? n * m / 4 : AI_RULE_INSTRUCTIONS);
	lua_pushboolean(L, ai_glob(pattern, path));
	return 1;
}

/* only(text, set): is the text made of the characters of the set alone, and not empty? */
static int
word_only(lua_State *L)
{
	const char *s = text(L, 1), *set = text(L, 2);
	size_t n = lua_rawlen(L, 1);
	lua_pushboolean(L, n > 0 && strspn(s, set) == n);
	return 1;
}

/* integer(v): v as a whole number, or nil. A text has at most fifteen digits and an optional '-'. */
static int
word_integer(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TNUMBER) {
		lua_settop(L, 1);
		return lua_isinteger(L, 1);
	}
	const char *s = text(L, 1), *digits = s + (*s == '-');
	size_t n = strlen(digits);
	if (n == 0 || n > 15 || strspn(digits, "0123456789") != n)
		return 0;
	long long v = (long long)strtoull(digits, NULL, 10);
	lua_pushinteger(L, *s == '-' ? -v : v);
	return 1;
}

/* decimal(text): 0.5, -3 or 1e-4 as a number, for comparing; or nil. */
static int
word_decimal(lua_State *L)
{
	static const char digits[] = "0123456789";
	const char *s = text(L, 1), *p = s + (*s == '-');
	size_t n = strspn(p, digits);
	bool good = n > 0;
	p += n;
	if (*p == '.') {
		n = strspn(p + 1, digits);
		good = good && n > 0;
		p += 1 + n;
	}
	if (*p == 'e' || *p == 'E') {
		p += 1 + (p[1] == '-' || p[1] == '+');
		n = strspn(p, digits);
		good = good && n > 0 && n <= 3;
		p += n;
	}
	if (!good || *p || (size_t)(p - s) != lua_rawlen(L, 1) || p - s > 40)
		return 0;
	return lua_stringtonumber(L, s) > 0;
}

/* is_variable(name): letters, digits and '_', not beginning with a digit. */
static int
word_is_variable(lua_State *L)
{
	static const char set[] = "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *s = text(L, 1);
	size_t n = lua_rawlen(L, 1);
	lua_pushboolean(L, n > 0 && strspn(s, set) == n && !(*s >= '0' && *s <= '9'));
	return 1;
}

/* join(list, separator): one text of a list of texts. */
static int
word_join(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	const char *sep = text(L, 2);
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
		if (lua_type(L, -1) != LUA_TSTRING)
			return luaL_error(L, "join: item %d: got a %s, expected a text", (int)i, luaL_typename(L, -1));
		ai_state_charge(L, 4 + lua_rawlen(L, -1) / 16);
		/* The buffer wants the value on top, the separator before it. */
		if (i > 1) {
			lua_pushstring(L, sep);
			lua_insert(L, -2);
			lua_concat(L, 2);
		}
		luaL_addvalue(&b);
	}
	lua_pop(L, 1);
	luaL_pushresult(&b);
	return 1;
}

/* wrap(record): an artifact, whose record only lua/ can see. */
static int
word_wrap(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_newuserdatauv(L, 0, 1);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	luaL_setmetatable(L, AI_ARTIFACT);
	return 1;
}

/* unwrap(v): the record of an artifact, nil for anything else. */
static int
word_unwrap(lua_State *L)
{
	if (!luaL_testudata(L, 1, AI_ARTIFACT))
		return 0;
	lua_getiuservalue(L, 1, 1);
	return 1;
}

/* meta(t): gives all artifacts the metamethods of t. Called once, by lua/. */
static int
word_artifact_meta(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_newmetatable(L, AI_ARTIFACT);
	for (lua_pushnil(L); lua_next(L, 1);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
	return 0;
}

/* guard(t, index, newindex): t, whose absent fields are now looked up by index, and whose new ones are refused by newindex. */
static int
word_guard(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_createtable(L, 0, 2);
	lua_pushvalue(L, 2);
	lua_setfield(L, -2, "__index");
	lua_pushvalue(L, 3);
	lua_setfield(L, -2, "__newindex");
	lua_setmetatable(L, 1);
	lua_settop(L, 1);
	return 1;
}

void
ai_words_push(lua_State *L)
{
	static const luaL_Reg words[] = {
		{ "error", word_error }, { "where", word_where }, { "type", word_type }, { "ipairs", word_ipairs }, { "keys", word_keys }, { "items", word_items }, { "overlay", word_overlay }, { "constant", word_constant }, { "near", word_near },
		{ "path_fault", word_path_fault }, { "tidy", word_tidy }, { "workspace", word_workspace }, { "above", word_above }, { "is_variable", word_is_variable }, { "is_secret", word_is_secret }, { "url_has_secret", word_url_has_secret }, { "url_public", word_url_public }, { "url_escape", word_url_escape }, { "glob", word_glob }, { "only", word_only },
		{ "integer", word_integer }, { "decimal", word_decimal }, { "join", word_join }, { "wrap", word_wrap }, { "unwrap", word_unwrap },
		{ "artifact_meta", word_artifact_meta }, { "guard", word_guard }, { "from_json", ai_from_json },
		{ NULL, NULL },
	};
	luaL_newlib(L, words);
}
