/*
 * ready.h -- a rule file and a question to it, each answered as if nothing had ever been asked before.
 *
 * To compile lua/ and the file takes a thousand times longer than the question. So a thread keeps the last few files in states that
 * were marked when the file had returned, and goes back to that mark after each question (rule/state.h): the same bytes, the same
 * ceilings, whatever was asked in between and however it ended. A file that grew too large for that, and a question with very many
 * attributes, get a state of their own.
 *
 * Depends on: base, Lua.  Threads: each keeps its own; released when it ends.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_READY_H
#define AI_READY_H

#include <stddef.h>

#include "base/json.h"

struct ai_ceilings;
struct ai_rule_text;
struct lua_State;

struct ai_question {
	const char *module, *function;   /* of lua/: called with what the file returned, and what push() pushes */
	void (*push)(struct lua_State *L, void *ctx); /* [-0, +2, e] the context, the attributes */
	void *ctx;
	size_t weight;                   /* attributes to look at: over the usual, ceilings grow with it */
	const struct ai_ceilings *own;   /* not NULL: a fresh state with these, closed afterwards: push()'s values may have a __gc */
	const char *what;                /* the answer, in errors: "the recipe" */
};

/* where: "rules/x.lua". AI_EUSAGE with the file's line when it is wrong, or says so itself. *out is a new reference. */
int ai_ready_ask(const struct ai_rule_text *rule, const char *where, const struct ai_question *q, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
