/*
 * from_json.c -- JSON of a stranger as tables of a state.
 *
 * Read straight onto Lua's stack, so that all it makes is under the state's ceilings: a C library's tree would not be, and would be
 * lost when Lua raises an error. Objects are tables, null is absent there and false in a list; numbers are integers where they are
 * whole, else floats. Strict otherwise: UTF-8 is not checked here (what goes to a pin is), a name that stands twice is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <lauxlib.h>
#include <string.h>

#include "rule/state.h"

enum { MAX_DEPTH = 64 };

struct reader {
	lua_State *L;
	const char *p, *end;
	const char *fault;     /* set: reading is over */
	int depth;
};

static bool read_value(struct reader *r);

static bool
fault(struct reader *r, const char *what)
{
	r->fault = what;
	return false;
}

static char
peek(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
	return r->p < r->end ? *r->p : '\0';
}

static bool
take(struct reader *r, char c)
{
	if (peek(r) != c || r->p == r->end)
		return false;
	r->p++;
	return true;
}

static int
hex4(const char *p)
{
	int v = 0;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

static void
add_utf8(luaL_Buffer *b, unsigned c)
{
	if (c < 0x80) {
		luaL_addchar(b, (char)c);
		return;
	}
	if (c < 0x800) {
		luaL_addchar(b, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			luaL_addchar(b, (char)(0xe0 | c >> 12));
		} else {
			luaL_addchar(b, (char)(0xf0 | c >> 18));
			luaL_addchar(b, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		luaL_addchar(b, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	luaL_addchar(b, (char)(0x80 | (c & 0x3f)));
}

/* Behind "\u". */
static bool
read_unicode(struct reader *r, luaL_Buffer *b)
{
	int c = r->end - r->p >= 4 ? hex4(r->p) : -1;
	r->p += c < 0 ? 0 : 4;
	if (c >= 0xd800 && c < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
		int low = hex4(r->p + 2);
		if (low < 0xdc00 || low > 0xdfff)
			return fault(r, "half of a surrogate pair");
		r->p += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	if (c < 0 || (c >= 0xd800 && c < 0xe000))
		return fault(r, "a bad \\u");
	add_utf8(b, (unsigned)c);
	return true;
}

/* Behind the opening quote: pushes the text, on failure too. */
static bool
read_text(struct reader *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	luaL_Buffer b;
	luaL_buffinit(r->L, &b);
	bool good = true;
	for (;;) {
		size_t n = 0;
		while (r->p + n < r->end && r->p[n] != '"' && r->p[n] != '\\' && (unsigned char)r->p[n] >= 0x20)
			n++;
		luaL_addlstring(&b, r->p, n);
		r->p += n;
		if (r->p == r->end || (unsigned char)*r->p < 0x20) {
			good = fault(r, "a text without end");
			break;
		}
		if (*r->p++ == '"')
			break;
		const char *at = r->p < r->end && *r->p ? strchr(from, *r->p) : NULL;
		if (at) {
			luaL_addchar(&b, to[at - from]);
			r->p++;
		} else if (r->p == r->end || *r->p++ != 'u') {
			good = fault(r, "a bad escape");
			break;
		} else if (!read_unicode(r, &b)) {
			good = false;
			break;
		}
	}
	luaL_pushresult(&b);
	return good;
}

static size_t
digits(struct reader *r)
{
	const char *from = r->p;
	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return (size_t)(r->p - from);
}

static bool
read_number(struct reader *r)
{
	const char *from = r->p;
	r->p += *r->p == '-';
	const char *first = r->p;
	size_t n = digits(r);
	bool good = n > 0 && (n == 1 || *first != '0');
	if (good && r->p < r->end && *r->p == '.') {
		r->p++;
		good = digits(r) > 0;
	}
	if (good && r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
		r->p++;
		r->p += r->p < r->end && (*r->p == '+' || *r->p == '-');
		good = digits(r) > 0;
	}
	if (!good || r->p - from > 40)
		return fault(r, "a bad number");
	lua_pushlstring(r->L, from, (size_t)(r->p - from));
	if (lua_stringtonumber(r->L, lua_tostring(r->L, -1)) == 0)
		return fault(r, "a bad number");
	lua_remove(r->L, -2);
	return true;
}

static bool
read_list(struct reader *r)
{
	lua_newtable(r->L);
	if (take(r, ']'))
		return true;
	for (lua_Integer i = 1;; i++) {
		if (!read_value(r))
			return false;
		if (lua_isnil(r->L, -1)) {
			lua_pop(r->L, 1);
			lua_pushboolean(r->L, 0);
		}
		lua_rawseti(r->L, -2, i);
		if (take(r, ']'))
			return true;
		if (!take(r, ','))
			return fault(r, "a list without end");
	}
}

static bool
read_object(struct reader *r)
{
	lua_newtable(r->L);
	if (take(r, '}'))
		return true;
	for (;;) {
		if (!take(r, '"') || !read_text(r))
			return fault(r, r->fault ? r->fault : "an object whose names are no texts");
		lua_pushvalue(r->L, -1);
		if (lua_rawget(r->L, -3) != LUA_TNIL)
			return fault(r, "a name that stands twice");
		lua_pop(r->L, 1);
		if (!take(r, ':') || !read_value(r))
			return fault(r, r->fault ? r->fault : "a name without a value");
		lua_rawset(r->L, -3);
		if (take(r, '}'))
			return true;
		if (!take(r, ','))
			return fault(r, "an object without end");
	}
}

static bool
read_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return fault(r, "a word that is none");
	r->p += n;
	return true;
}

/* Pushes a value; after a failure the stack holds what was begun. */
static bool
read_value(struct reader *r)
{
	char c = peek(r);
	ai_state_charge(r->L, 4);
	if (++r->depth > MAX_DEPTH || !lua_checkstack(r->L, 8))
		return fault(r, "nested too deep");
	bool good;
	if (c == '{' || c == '[' || c == '"') {
		r->p++;
		good = c == '{' ? read_object(r) : c == '[' ? read_list(r) : read_text(r);
	} else if (c == 't' || c == 'f') {
		lua_pushboolean(r->L, c == 't');
		good = read_word(r, c == 't' ? "true" : "false");
	} else if (c == 'n') {
		lua_pushnil(r->L);
		good = read_word(r, "null");
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		good = read_number(r);
	} else {
		good = fault(r, "no value");
	}
	r->depth--;
	return good;
}

int
ai_from_json(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TSTRING);
	size_t n;
	const char *s = lua_tolstring(L, 1, &n);
	struct reader r = { .L = L, .p = s, .end = s + n };
	ai_state_charge(L, n / 4);
	if (read_value(&r)) {
		peek(&r);
		if (r.p == r.end)
			return 1;
		r.fault = "something behind it";
	}
	lua_settop(L, 1);
	lua_pushnil(L);
	lua_pushstring(L, r.fault);
	return 2;
}
