/*
 * operators.c -- two operators of Lua are not the same everywhere, and this is where a file's text loses them.
 *
 * `#` of a table with holes is any of its borders: which one depends on where its keys were hashed to, and so on a seed that differs in every
 * process. It becomes a call of ours, which gives the same one always, and of a list without holes what `#` gives. `x^y` is computed by libm,
 * whose last digit depends on the processor (with FMA and without): it is refused. What is left of arithmetic is exact or rounded as IEEE 754 says.
 *
 * `#x` becomes `_LENGTH^x`, with a metamethod: `^` binds its right side as `#` binds its operand, so nothing has to be parsed but comments and texts.
 * Wherever this reader and Lua's would part, Lua's has an error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <lauxlib.h>
#include <string.h>

#include "rule/state.h"

static const char name_of_length[] = "_LENGTH";

/* The border that is found by doubling and halving: no other is seen, however the table came about. */
static lua_Integer
border(lua_State *L, int at)
{
	lua_Integer full = 0, empty = 1;
	while (lua_rawgeti(L, at, empty) != LUA_TNIL) {
		full = empty;
		empty *= 2; /* memory ends long before it overflows */
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	while (empty - full > 1) {
		lua_Integer mid = full + (empty - full) / 2;
		if (lua_rawgeti(L, at, mid) != LUA_TNIL)
			full = mid;
		else
			empty = mid;
		lua_pop(L, 1);
	}
	return full;
}

/* The metamethod: (itself, value). */
static int
length(lua_State *L)
{
	int type = lua_type(L, 2);
	if (type == LUA_TTABLE)
		lua_pushinteger(L, border(L, 2));
	else if (type == LUA_TSTRING)
		lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 2));
	else if (type == LUA_TUSERDATA)
		return luaL_error(L, "an artifact is not text; it has no length");
	else
		return luaL_error(L, "attempt to get length of a %s value", lua_typename(L, type));
	return 1;
}

/* p at '[': behind the long text that begins there; p: none does. One without end goes to the end. */
static const char *
behind_long(const char *p, const char *end)
{
	const char *q = p + 1;
	while (q < end && *q == '=')
		q++;
	if (q == end || *q != '[')
		return p;
	size_t level = (size_t)(q - p) - 1;
	for (q++; q < end; q++) {
		if (*q != ']')
			continue;
		size_t n = 0;
		while (q + 1 + n < end && q[1 + n] == '=')
			n++;
		if (n == level && q + 1 + n < end && q[1 + n] == ']')
			return q + n + 2;
	}
	return end;
}

/* p at a quote. */
static const char *
behind_text(const char *p, const char *end)
{
	char quote = *p++;
	while (p < end && *p != quote)
		p += *p == '\\' && p + 1 < end ? 2 : 1;
	return p < end ? p + 1 : end;
}

/* p at "--". */
static const char *
behind_comment(const char *p, const char *end)
{
	p += 2;
	const char *q = p < end && *p == '[' ? behind_long(p, end) : p;
	while (q == p && p < end && *p != '\n' && *p != '\r')
		q = ++p;
	return q;
}

/* What is not code and begins at p: where it ends; p: it is code. */
static const char *
behind(const char *p, const char *end)
{
	if (*p == '-' && p + 1 < end && p[1] == '-')
		return behind_comment(p, end);
	if (*p == '[')
		return behind_long(p, end);
	return *p == '"' || *p == '\'' ? behind_text(p, end) : p;
}

static void
refuse_power(lua_State *L, const char *text, const char *at, const char *name)
{
	int line = 1;
	for (const char *p = text; p < at; p++)
		line += *p == '\n';
	lua_pushfstring(L, "%s:%d: rules have no '^': its last digits are not the same on every processor\nhint: write a product, like x * x", name, line);
	lua_error(L);
}

/* [-0, +1, e] The text without the two. */
static void
push_text(lua_State *L, const char *text, size_t len, const char *name)
{
	const char *end = text + len, *from = text, *p = text;
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	while (p < end) {
		const char *q = behind(p, end);
		if (q == p && *p == '^')
			refuse_power(L, text, p, name);
		if (q == p && *p == '#') {
			luaL_addlstring(&b, from, (size_t)(p - from));
			luaL_addchar(&b, ' ');
			luaL_addstring(&b, name_of_length);
			luaL_addchar(&b, '^');
			from = p + 1;
		}
		p = q == p ? p + 1 : q;
	}
	luaL_addlstring(&b, from, (size_t)(end - from));
	luaL_pushresult(&b);
}

void
ai_state_load_file(lua_State *L, const char *text, size_t len, const char *name, int env)
{
	env = lua_absindex(L, env);
	if (memmem(text, len, name_of_length, sizeof name_of_length - 1))
		luaL_error(L, "%s: rules have no use for '%s'", name, name_of_length);
	lua_pushstring(L, name_of_length);
	lua_newuserdatauv(L, 0, 0);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, length);
	lua_setfield(L, -2, "__pow");
	lua_setmetatable(L, -2);
	lua_rawset(L, env);
	push_text(L, text, len, name);
	size_t n;
	const char *without = lua_tolstring(L, -1, &n);
	ai_state_load(L, without, n, name, env);
	lua_remove(L, -2);
}
