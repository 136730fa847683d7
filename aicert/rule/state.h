/*
 * state.h -- a closed Lua 5.4 state: it starts from nothing and can end only in time.
 *
 * No library is opened. What a chunk can name is the table it is given as _ENV, and
 * strings have the methods of text.c. Four ceilings hold for a state's whole life and
 * cannot be caught, since there is no pcall: bytes held, bytes ever allocated (so
 * that joining long strings in a loop ends), instructions (C functions charge for what
 * they copy), and, where these are not enough, processor time. Only the last depends on
 * the machine; it can turn a plan into a refusal, never into another plan.
 *
 * Depends on: base, Lua.  Threads: a state belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_STATE_H
#define AI_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

#define AI_RULE_MEMORY (32u << 20)        /* bytes held at once */
#define AI_RULE_CHURN (1024u << 20)       /* bytes ever allocated */
#define AI_RULE_INSTRUCTIONS 20000000     /* of the Lua machine */
#define AI_RULE_SECONDS 5                /* of this thread's processor time */

struct ai_ceilings {
	size_t memory, churn;
	long long instructions;
	int seconds;
};

struct ai_state;

/* NULL: those above. Copied. NULL is returned when memory is out. */
struct ai_state *ai_state_new(const struct ai_ceilings *ceilings);
/* One with the ceilings above that can be marked: see arena.h. */
struct ai_state *ai_state_new_marked(void);
void ai_state_free(struct ai_state *s);
lua_State *ai_state_lua(struct ai_state *s);

/* Runs body in protected mode with p as its only argument (a light userdata). Errors that Lua raises become AI_EUSAGE; where names the rule in those of the ceilings. */
int ai_state_run(struct ai_state *s, lua_CFunction body, void *p, const char *where, struct ai_err *err) AI_CHECKED;

/*
 * Between two runs of a state made for it: keeps it as it is now, with what its ceilings still leave; and puts it back to that, with a
 * processor time of its own for what comes. Whatever ran in between has left nothing. ai_state_mark is false when the state has grown too
 * large for that. lua_close is not to be relied on: no value in it may have a __gc.
 */
bool ai_state_mark(struct ai_state *s);
void ai_state_back(struct ai_state *s);

/* [-0, +1, e] Pushes the chunk, text only, its _ENV the table at index env. name is shown in errors ("rules/python.lua"). */
void ai_state_load(lua_State *L, const char *text, size_t len, const char *name, int env);

/* operators.c: [-0, +1, e] the same of a file that is not ours: without the operators that are not the same everywhere. Its _ENV gets a field that it cannot name. */
void ai_state_load_file(lua_State *L, const char *text, size_t len, const char *name, int env);

/* [-0, +0, e] Takes n instructions from what is left: for C functions whose work grows with their arguments. */
void ai_state_charge(lua_State *L, size_t n);

/* {"name", "value"} as one JSON value that the state owns; NULL when there are too many or memory is out. In the state it is a light userdata. */
json_t *ai_state_constant(lua_State *L, const char *name, const char *value);

/* [-0, +1, e] As luaL_where, but never a place in lua/. */
void ai_state_where(lua_State *L, int level);

/* text.c: [-0, +0, e] gives strings their methods: bounded, without patterns. */
void ai_text_methods(lua_State *L);
/* words.c: [-0, +1, e] pushes the table of C functions that lua/ is written with. */
void ai_words_push(lua_State *L);
/* from_json.c: from_json(text): the value, or nil and what is wrong. */
int ai_from_json(lua_State *L);
/* The type name of artifacts: userdata made by wrap(). */
#define AI_ARTIFACT "artifact"

#endif
