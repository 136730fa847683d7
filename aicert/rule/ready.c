/* ready.c -- see ready.h.  SPDX-License-Identifier: Apache-2.0 */
#include "rule/ready.h"

#include <lauxlib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "rule/language.h"
#include "rule/rule.h"
#include "rule/state.h"

enum {
	KEEP = 32,         /* files that a thread has ready */
	LIGHT = 4096,      /* attributes that fit under the usual ceilings */
	HEAVY_BYTES = 4096, HEAVY_WORK = 4000, /* what each one more may take */
	HEAVY_MOST = 1 << 30,                  /* and all together: bytes */
};

struct ready {
	char *where, *text;
	size_t len;
	struct ai_state *state;
	unsigned long last;    /* question */
};

struct shelf {
	struct ready slots[KEEP];
	unsigned long questions;
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_key;

static void
clear(struct ready *r)
{
	ai_state_free(r->state);
	free(r->where);
	free(r->text);
	*r = (struct ready){ 0 };
}

static void
free_shelf(void *p)
{
	struct shelf *s = p;
	for (size_t i = 0; i < KEEP; i++)
		clear(&s->slots[i]);
	free(s);
}

static void
make_key(void)
{
	have_key = pthread_key_create(&key, free_shelf) == 0;
}

static struct shelf *
shelf(void)
{
	pthread_once(&once, make_key);
	struct shelf *s = have_key ? pthread_getspecific(key) : NULL;
	if (s || !have_key || !(s = ai_calloc(1, sizeof *s)))
		return s;
	if (pthread_setspecific(key, s) == 0)
		return s;
	free(s);
	return NULL;
}

/* In the registry: the table of lua/, and what the file returned. */
static const char modules_at, loaded_at;

struct file {
	const struct ai_rule_text *rule;
	const char *where;
};

/* Runs protected: lua/, then the file. */
static int
load(lua_State *L)
{
	const struct file *f = lua_touserdata(L, 1);
	luaL_checkstack(L, 20, NULL);
	ai_language_push(L);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_at);
	lua_getfield(L, -1, "rule");
	lua_getfield(L, -1, "vocabulary");
	lua_call(L, 0, 1);
	ai_state_load_file(L, f->rule->text, f->rule->len, f->where, -1);
	lua_call(L, 0, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_at);
	return 0;
}

static int
answer(lua_State *L)
{
	const struct ai_question *q = lua_touserdata(L, 1);
	luaL_checkstack(L, 20, NULL);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_at);
	lua_getfield(L, -1, q->module);
	lua_getfield(L, -1, q->function);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_at);
	q->push(L, q->ctx);
	lua_call(L, 3, 1);
	return 1;
}

static int
load_into(struct ai_state *s, const struct ai_rule_text *rule, const char *where, struct ai_err *err)
{
	struct file f = { rule, where };
	if (!s)
		return ai_nomem(err);
	if (ai_language_text(where, rule->text, rule->len, err) < 0)
		return err->code;
	if (ai_state_run(s, load, &f, where, err) < 0)
		return err->code;
	lua_settop(ai_state_lua(s), 0);
	return 0;
}

static int
ask(struct ai_state *s, const char *where, const struct ai_question *q, json_t **out, struct ai_err *err)
{
	if (ai_state_run(s, answer, (void *)(uintptr_t)q, where, err) < 0)
		return err->code;
	return ai_language_take(ai_state_lua(s), q->what, out, err) < 0 ? ai_in(err, "%s", where) : 0;
}

/* A state for this one question. */
static int
ask_once(const struct ai_rule_text *rule, const char *where, const struct ai_question *q, json_t **out, struct ai_err *err)
{
	const size_t more = q->weight > LIGHT ? q->weight - LIGHT : 0;
	const size_t bytes = more < HEAVY_MOST / HEAVY_BYTES ? more * HEAVY_BYTES : HEAVY_MOST;
	const struct ai_ceilings grown = { AI_RULE_MEMORY + bytes, AI_RULE_CHURN + bytes * 4,
		AI_RULE_INSTRUCTIONS + (long long)(more * HEAVY_WORK), AI_RULE_SECONDS + (int)(more / 10000) };
	struct ai_state *s = ai_state_new(q->own ? q->own : &grown);
	int rc = load_into(s, rule, where, err);
	if (rc == 0)
		rc = ask(s, where, q, out, err);
	ai_state_free(s);
	return rc;
}

static bool
is_same(const struct ready *r, const struct ai_rule_text *rule, const char *where)
{
	return r->state && r->len == rule->len && strcmp(r->where, where) == 0 && memcmp(r->text, rule->text, rule->len) == 0;
}

/* The slot that has the file; else the one that was asked longest ago, emptied. */
static struct ready *
slot_for(struct shelf *s, const struct ai_rule_text *rule, const char *where)
{
	struct ready *oldest = &s->slots[0];
	for (struct ready *r = s->slots; r < s->slots + KEEP; r++) {
		if (is_same(r, rule, where))
			return r;
		if (r->last < oldest->last)
			oldest = r;
	}
	clear(oldest);
	return oldest;
}

/* Reads the file into a state and keeps it there: 1; 0: there is no room for that, or the file grew too large. */
static int
make_ready(struct ready *r, const struct ai_rule_text *rule, const char *where, struct ai_err *err)
{
	struct ai_state *s = ai_state_new_marked();
	if (!s)
		return 0;
	int rc = load_into(s, rule, where, err);
	if (rc == 0 && ai_state_mark(s) && (r->where = ai_strdup(where)) && (r->text = ai_calloc(rule->len + 1, 1))) {
		memcpy(r->text, rule->text, rule->len);
		r->len = rule->len;
		r->state = s;
		return 1;
	}
	clear(r);
	ai_state_free(s);
	return rc;
}

int
ai_ready_ask(const struct ai_rule_text *rule, const char *where, const struct ai_question *q, json_t **out, struct ai_err *err)
{
	struct shelf *shelves = shelf();
	if (!shelves || q->own || q->weight > LIGHT)
		return ask_once(rule, where, q, out, err);
	struct ready *r = slot_for(shelves, rule, where);
	int rc = r->state ? 1 : make_ready(r, rule, where, err);
	if (rc == 0)
		return ask_once(rule, where, q, out, err);
	if (rc < 0)
		return rc;
	r->last = ++shelves->questions;
	rc = ask(r->state, where, q, out, err);
	ai_state_back(r->state); /* now, so that what was needed for the answer is given back too */
	return rc;
}
