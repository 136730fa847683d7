/*
 * text.c -- the methods of strings in a rule: bounded, and the same on every machine.
 *
 * Patterns are left out because they can take a polynomial of the text's length in one
 * instruction; rep because it makes much of little; format knows %s (a text or an integer)
 * and %d, for the stock one prints addresses, which differ in every run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#include "rule/state.h"

static const char *
text(lua_State *L, int arg, size_t *n)
{
	luaL_checktype(L, arg, LUA_TSTRING);
	const char *s = lua_tolstring(L, arg, n);
	ai_state_charge(L, *n / 16);
	return s;
}

static int
text_len(lua_State *L)
{
	size_t n;
	text(L, 1, &n);
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

/* A position as string.sub has it: from 1, negative from the end; clipped to 0..n+1. */
static size_t
position(lua_Integer i, size_t n)
{
	if (i < 0)
		i = i < -(lua_Integer)n ? 0 : (lua_Integer)n + i + 1;
	return i > (lua_Integer)n ? n + 1 : (size_t)i;
}

static int
text_sub(lua_State *L)
{
	size_t n;
	const char *s = text(L, 1, &n);
	size_t from = position(luaL_optinteger(L, 2, 1), n), to = position(luaL_optinteger(L, 3, -1), n);
	from = from ? from : 1;
	to = to > n ? n : to;
	lua_pushlstring(L, from <= to ? s + from - 1 : "", from <= to ? to - from + 1 : 0);
	return 1;
}

/* ASCII only: the locale of the machine has no say. */
static int
change_case(lua_State *L, char lo, char hi)
{
	size_t n;
	const char *s = text(L, 1, &n);
	luaL_Buffer b;
	char *out = luaL_buffinitsize(L, &b, n);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(s[i] >= lo && s[i] <= hi ? s[i] ^ 0x20 : s[i]);
	luaL_pushresultsize(&b, n);
	return 1;
}

static int
text_upper(lua_State *L)
{
	return change_case(L, 'a', 'z');
}

static int
text_lower(lua_State *L)
{
	return change_case(L, 'A', 'Z');
}

/* s:find(word [, from]): where the word stands, or nil. Plain text, no pattern. */
static int
text_find(lua_State *L)
{
	size_t n, m;
	const char *s = text(L, 1, &n), *w = text(L, 2, &m);
	size_t from = position(luaL_optinteger(L, 3, 1), n);
	from = from ? from : 1;
	const char *hit = from <= n + 1 ? memmem(s + from - 1, n - (from - 1), w, m) : NULL;
	if (!hit)
		return 0;
	lua_pushinteger(L, hit - s + 1);
	lua_pushinteger(L, hit - s + (lua_Integer)m);
	return 2;
}

static int
text_starts(lua_State *L)
{
	size_t n, m;
	const char *s = text(L, 1, &n), *w = text(L, 2, &m);
	lua_pushboolean(L, m <= n && memcmp(s, w, m) == 0);
	return 1;
}

static int
text_ends(lua_State *L)
{
	size_t n, m;
	const char *s = text(L, 1, &n), *w = text(L, 2, &m);
	lua_pushboolean(L, m <= n && memcmp(s + n - m, w, m) == 0);
	return 1;
}

/* s:replace(word, by): every word, plain text. */
static int
text_replace(lua_State *L)
{
	size_t n, m, k;
	const char *s = text(L, 1, &n), *w = text(L, 2, &m), *by = text(L, 3, &k);
	luaL_argcheck(L, m > 0, 2, "is empty");
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	for (const char *hit, *end = s + n; ; n = (size_t)(end - s)) {
		hit = memmem(s, n, w, m);
		luaL_addlstring(&b, s, hit ? (size_t)(hit - s) : n);
		if (!hit)
			break;
		luaL_addlstring(&b, by, k);
		s = hit + m;
	}
	luaL_pushresult(&b);
	return 1;
}

/* s:split(sep): the list of parts. */
static int
text_split(lua_State *L)
{
	size_t n, m;
	const char *s = text(L, 1, &n), *sep = text(L, 2, &m), *end = s + n;
	luaL_argcheck(L, m > 0, 2, "is empty");
	lua_newtable(L);
	for (lua_Integer i = 1;; i++) {
		const char *hit = memmem(s, (size_t)(end - s), sep, m);
		lua_pushlstring(L, s, (size_t)((hit ? hit : end) - s));
		lua_rawseti(L, -2, i);
		if (!hit)
			return 1;
		s = hit + m;
	}
}

/* f:format(…): %s a text or an integer, %d an integer, %% itself. */
static int
text_format(lua_State *L)
{
	size_t n;
	const char *f = text(L, 1, &n), *end = f + n;
	int arg = 1;
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	for (; f < end; f++) {
		if (*f != '%') {
			luaL_addchar(&b, *f);
			continue;
		}
		char c = ++f < end ? *f : '\0';
		if (c == '%') {
			luaL_addchar(&b, '%');
			continue;
		}
		if (c != 's' && c != 'd')
			return luaL_error(L, "format: '%%%c' is unknown: expected %%s, %%d or %%%%", isprint((unsigned char)c) ? c : '?');
		arg++;
		if (!lua_isinteger(L, arg) && !(c == 's' && lua_type(L, arg) == LUA_TSTRING))
			return luaL_error(L, "format: argument %d: got a %s, expected %s", arg,
				lua_type(L, arg) == LUA_TUSERDATA ? AI_ARTIFACT : luaL_typename(L, arg), c == 's' ? "a text" : "an integer");
		size_t m;
		lua_pushvalue(L, arg); /* a copy: tolstring would turn the argument itself into a text */
		lua_tolstring(L, -1, &m);
		ai_state_charge(L, m / 16);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	return 1;
}

void
ai_text_methods(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "len", text_len }, { "sub", text_sub }, { "upper", text_upper }, { "lower", text_lower }, { "find", text_find },
		{ "starts", text_starts }, { "ends", text_ends }, { "replace", text_replace }, { "split", text_split }, { "format", text_format },
		{ NULL, NULL },
	};
	lua_pushliteral(L, "");
	lua_createtable(L, 0, 1);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2); /* of all strings */
	lua_pop(L, 1);
}
