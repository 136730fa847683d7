/*
 * language.h -- what lua/ makes of a closed state: its words in, JSON out; and a file of it that is asked one question.
 *
 * A file returns what a word of a module of lua/ made (rule {…}, provider {…}); the module's evaluate(returned, where, asked) gives the answer.
 *
 * Depends on: base, model, Lua.  Threads: a state belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LANGUAGE_H
#define AI_LANGUAGE_H

#include <stdbool.h>

#include "base/json.h"

struct ai_yaml;
struct lua_State;

/* [-0, +0, e] A field of the table on top. A NULL text becomes nil: the field is absent. */
void ai_set_text(struct lua_State *L, const char *key, const char *value);
void ai_set_integer(struct lua_State *L, const char *key, long long value);
void ai_set_flag(struct lua_State *L, const char *key, bool value);
/* How many nodes it has. */
size_t ai_yaml_weight(const struct ai_yaml *y);
/* [-0, +1, e] A node as lua/attr.lua reads it. YAML is at most 64 deep. */
void ai_push_yaml(struct lua_State *L, const struct ai_yaml *y);

/* [-0, +1, e] The table that lua/ runs in; each of its files is read when its name is first looked up there. */
void ai_language_push(struct lua_State *L);
/*
 * The JSON of the value on top of the stack, which it pops: texts, whole numbers, flags, lists and tables with names, as lua/ makes them. After Lua has returned:
 * it uses no call that raises errors. what: "the recipe". After a failure the state is only good for closing.
 */
int ai_language_take(struct lua_State *L, const char *what, json_t **out, struct ai_err *err) AI_CHECKED;
/* Is it short enough, and without what no file needs? */
int ai_language_text(const char *where, const char *text, size_t n, struct ai_err *err) AI_CHECKED;

/*
 * One question in a fresh state.
 *   module   "provider"
 *   where    the file, for errors ("rules/providers/azure.lua")
 *   asked    texts, lists and objects only
 * AI_EUSAGE with the file's line when it is wrong, or says so itself.
 */
int ai_language_ask(const char *module, const char *where, const char *text, size_t n, const json_t *asked, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
