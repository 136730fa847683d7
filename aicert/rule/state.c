/* state.c -- see state.h.  SPDX-License-Identifier: Apache-2.0 */
#include "rule/state.h"

#include <lauxlib.h>
#include <locale.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "rule/arena.h"

enum {
	STRIDE = 1000,                /* instructions between two looks at the ceilings */
	ARENA = 2 * AI_RULE_MEMORY,   /* blocks that are free for one size are not for another */
	LOOK = 10 * STRIDE,           /* and between two looks at the time */
	CONSTANTS = 32,
	MARK = AI_RULE_MEMORY / 16,   /* what is copied at every way back */
	FULL = 4,                     /* so often in a row has a whole collection found next to nothing */
};

struct spent {
	size_t held, churned;
	size_t refused_at;            /* churned, when memory was refused last */
	int full;
	long long instructions;       /* left */
};

struct ai_state {
	lua_State *L;
	struct ai_arena *arena; /* NULL: malloc's */
	struct ai_ceilings ceilings;
	struct spent now, mark;
	json_t *constants[CONSTANTS];
	size_t n_constants;
	long long look_at;     /* so many instructions left: look at the time */
	double cpu_end;        /* 0: has not been looked at */
	bool too_long;         /* instructions or time are used up */
	const char *where;     /* the rule's file; borrowed */
};

static struct ai_state *
of(lua_State *L)
{
	return *(struct ai_state **)lua_getextraspace(L);
}

/* Lua collects all garbage when it is refused memory, and asks again: at the ceiling it would do nothing else. */
static bool
is_full(struct ai_state *s, size_t more, size_t size)
{
	struct spent *now = &s->now;
	if (now->full < FULL && now->held + more <= s->ceilings.memory && now->churned + size <= s->ceilings.churn)
		return false;
	now->full = now->churned - now->refused_at < s->ceilings.memory / 32 ? now->full + 1 : now->full < FULL ? 0 : FULL;
	now->refused_at = now->churned;
	return true;
}

/* The allocator's refusal is Lua's "not enough memory", which nothing in the state can catch. */
static void *
allocate(void *ud, void *p, size_t old, size_t size)
{
	struct ai_state *s = ud;
	if (!p)
		old = 0; /* then Lua tells the type of object here */
	size_t more = size > old ? size - old : 0;
	if (more && is_full(s, more, size))
		return NULL;
	void *q = NULL;
	if (s->arena)
		q = ai_arena_resize(s->arena, p, old, size);
	else if (size)
		q = realloc(p, size);
	else
		free(p);
	if (size && !q)
		return size <= old ? p : NULL; /* Lua relies on shrinking to succeed */
	s->now.held = s->now.held - old + size;
	s->now.churned += more ? size : 0;
	return q;
}

static double
cpu_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
spend(lua_State *L, size_t n)
{
	struct ai_state *s = of(L);
	s->now.instructions -= n < (size_t)s->ceilings.instructions ? (long long)n : s->ceilings.instructions;
	s->too_long = s->now.instructions < 0;
	/* To ask the kernel for the time costs as much as many instructions. */
	if (!s->too_long && s->now.instructions < s->look_at) {
		double now = cpu_now();
		s->look_at = s->now.instructions - LOOK;
		s->cpu_end = s->cpu_end > 0 ? s->cpu_end : now + s->ceilings.seconds;
		s->too_long = now > s->cpu_end;
	}
	if (s->too_long)
		luaL_error(L, "the rule takes too long");
}

static void
on_count(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	spend(L, STRIDE);
}

void
ai_state_charge(lua_State *L, size_t n)
{
	struct ai_state *s = of(L);
	if (n >= STRIDE || s->now.instructions < (long long)n)
		spend(L, n); /* many small charges end too, while one function makes them */
	else
		s->now.instructions -= (long long)n;
}

/* A tail call (`return action.run {…}`) leaves no trace of the rule's line: then the file alone is named, and not one of ours. */
void
ai_state_where(lua_State *L, int level)
{
	luaL_where(L, level);
	const char *at = lua_tostring(L, -1);
	if (*at && strncmp(at, "lua/", 4) != 0)
		return;
	lua_pop(L, 1);
	lua_pushfstring(L, "%s: ", of(L)->where);
}

static struct ai_state *
make(const struct ai_ceilings *ceilings, bool marked)
{
	static const struct ai_ceilings usual = { AI_RULE_MEMORY, AI_RULE_CHURN, AI_RULE_INSTRUCTIONS, AI_RULE_SECONDS };
	struct ai_state *s = ai_calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->ceilings = ceilings ? *ceilings : usual;
	s->now.instructions = s->ceilings.instructions;
	s->look_at = s->now.instructions;
	s->arena = marked ? ai_arena_new(ARENA) : NULL;
	s->L = marked && !s->arena ? NULL : lua_newstate(allocate, s);
	if (!s->L) {
		ai_arena_free(s->arena);
		free(s);
		return NULL;
	}
	*(struct ai_state **)lua_getextraspace(s->L) = s;
	lua_sethook(s->L, on_count, LUA_MASKCOUNT, STRIDE);
	return s;
}

struct ai_state *
ai_state_new(const struct ai_ceilings *ceilings)
{
	return make(ceilings, false);
}

struct ai_state *
ai_state_new_marked(void)
{
	return make(NULL, true);
}

bool
ai_state_mark(struct ai_state *s)
{
	/* An evaluation ends long before there is much to collect. */
	lua_gc(s->L, LUA_GCINC, 1000, 0, 0);
	lua_gc(s->L, LUA_GCCOLLECT);
	s->mark = s->now;
	return ai_arena_mark(s->arena, MARK);
}

void
ai_state_back(struct ai_state *s)
{
	ai_arena_back(s->arena);
	s->now = s->mark;
	s->too_long = false;
	s->look_at = s->now.instructions - LOOK;
	s->cpu_end = 0;
}

void
ai_state_free(struct ai_state *s)
{
	if (!s)
		return;
	if (!s->arena)
		lua_close(s->L); /* what has a __gc holds memory of C */
	ai_arena_free(s->arena);
	for (size_t i = 0; i < s->n_constants; i++)
		json_decref(s->constants[i]);
	free(s);
}

json_t *
ai_state_constant(lua_State *L, const char *name, const char *value)
{
	struct ai_state *s = of(L);
	json_t *j = s->n_constants < CONSTANTS ? json_pack("{s:s,s:s}", "name", name, "value", value) : NULL;
	if (j)
		s->constants[s->n_constants++] = j;
	return j;
}

lua_State *
ai_state_lua(struct ai_state *s)
{
	return s->L;
}

/* The text on top of the stack, its NULs visible. */
static void
copy_text(lua_State *L, char *out, size_t size)
{
	size_t n;
	const char *s = lua_tolstring(L, -1, &n);
	n = n < size ? n : size - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = s[i] ? s[i] : '?';
	out[n] = '\0';
}

/* What went wrong, from the error value on top of the stack; "\nhint: " in it starts the hint. */
static int
say(struct ai_state *s, int status, const char *where, struct ai_err *err)
{
	static const char look[] = "a rule is data and one small function: look for a loop without an end";
	lua_State *L = s->L;
	char text[sizeof err->text + sizeof err->hint] = "";
	bool is_text = lua_type(L, -1) == LUA_TSTRING;
	if (is_text)
		copy_text(L, text, sizeof text);
	const char *ours = strncmp(text, "lua/", 4) == 0 ? strstr(text, ": ") : NULL;
	if (s->too_long)
		ai_fail(err, AI_EUSAGE, "%s: the rule takes too long: got more than %lld instructions or %d s", where,
			s->ceilings.instructions, s->ceilings.seconds);
	/* A growing luaL_Buffer says so by an ordinary error. */
	else if (status == LUA_ERRMEM || strstr(text, "not enough memory"))
		ai_fail(err, AI_EUSAGE, "%s: the rule uses too much memory: got more than %zu bytes at once, or %zu over time", where,
			s->ceilings.memory, s->ceilings.churn);
	else if (!is_text)
		return ai_fail(err, AI_EUSAGE, "%s: an error that is not a text (a %s)", where, lua_typename(L, lua_type(L, -1)));
	else if (ours)
		return ai_fail(err, AI_EUSAGE, "%s%s", where, ours); /* lua/ stumbled over what the file gave it: a line there tells its author nothing */
	else if (!strstr(text, ": "))
		return ai_fail(err, AI_EUSAGE, "%s: %s", where, *text ? text : "an error without text"); /* of Lua itself, without a line */
	else {
		const char *hint = strstr(text, "\nhint: ");
		ai_fail(err, AI_EUSAGE, "%.*s", hint ? (int)(hint - text) : (int)strlen(text), text);
		return hint ? ai_hint(err, "%s", hint + 7) : err->code;
	}
	return ai_hint(err, "%s", look);
}

static locale_t of_c;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_locale(void)
{
	of_c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

int
ai_state_run(struct ai_state *s, lua_CFunction body, void *p, const char *where, struct ai_err *err)
{
	/* Lua compares texts, and reads and writes numbers, as the locale of the program has it that we are a library of. */
	pthread_once(&once, make_locale);
	if (!of_c)
		return ai_nomem(err);
	locale_t before = uselocale(of_c);
	s->where = where;
	lua_pushcfunction(s->L, body);
	lua_pushlightuserdata(s->L, p);
	int status = lua_pcall(s->L, 1, 1, 0);
	int rc = status == LUA_OK ? 0 : say(s, status, where, err);
	uselocale(before);
	return rc;
}

void
ai_state_load(lua_State *L, const char *text, size_t len, const char *name, int env)
{
	env = lua_absindex(L, env);
	/* "t": what luac makes is not verified by Lua and can break out of it. '@' makes Lua show the name as a file's. */
	lua_pushfstring(L, "@%s", name);
	int status = luaL_loadbufferx(L, text, len, lua_tostring(L, -1), "t");
	if (status != LUA_OK)
		lua_error(L);
	lua_remove(L, -2);
	lua_pushvalue(L, env);
	lua_setupvalue(L, -2, 1); /* the first upvalue of a chunk is its _ENV */
}
