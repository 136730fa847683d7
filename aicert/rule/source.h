/*
 * source.h -- source types as Lua: what an input is, and which exact bytes its name stands for today.
 *
 * A source file returns source{ name, doc, attrs, resolve }. attrs is data and is checked before any of its code runs;
 * resolve(a, net) turns checked attributes into a pin. It runs in the closed state of rules, and has one thing more:
 * net.get(url, {headers, max}) and net.json(url, {headers, max}), which come out here. What a name meant on the day it
 * was resolved goes to the lock; nothing else of the network reaches a plan.
 *
 * A state's ceilings hold (larger ones than a step's: AI_SOURCE_*), and calls of the network have theirs.
 *
 * Depends on: base, model, Lua.  Threads: a call belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SOURCE_H
#define AI_SOURCE_H

#include <stddef.h>

#include "base/json.h"
#include "model/manifest.h"
#include "rule/rule.h"

struct ai_buf;

#define AI_SOURCE_CALLS 10000            /* of the network, in one resolve */
#define AI_SOURCE_BYTES (64u << 20)      /* of all answers together */
#define AI_SOURCE_BODY (16u << 20)       /* of one answer, if the rule says no `max` */

struct ai_source_net {
	/*
	 * One request, redirects followed.
	 *   url      http, https or what else the caller knows; without user info
	 *   headers  {"name": "value"} that the rule adds, or NULL
	 *   max      the body may have so many bytes; one that is longer is an error
	 *   body     empty, with a ceiling of max
	 *   answer   new reference to {"status": 200, "url": <where it came from at last>, "headers": {"link": …}}: names in lower case,
	 *            values of a repeated one joined by ", "
	 * Any status is an answer. Negative only when there is none (unreachable, interrupted, too long, an address that is refused): its code is
	 * ai_source_resolve's. What it knows of credentials it adds itself; rules see none.
	 */
	int (*get)(void *ctx, const char *url, const json_t *headers, size_t max, struct ai_buf *body, json_t **answer, struct ai_err *err);
	void *ctx;
};

/*
 * ai_source_resolve -- what does this input stand for now?
 *   rule     its text (built-in or the project's own)
 *   file     the Aicertfile, for errors
 *   input    use and attrs are its declaration
 *   pin      new reference to a pin that model/pin.h has checked
 * AI_EUSAGE with `file:line:column: input 'x': …` for attributes and for what the rule refuses, `rules/x.lua:line: …` for its code;
 * what net->get failed with, with the place of the input before it.
 */
int ai_source_resolve(const struct ai_rule_text *rule, const char *file, const struct ai_input *input, const struct ai_source_net *net, json_t **pin,
	struct ai_err *err) AI_CHECKED;

/* The attributes against the declaration; neither network nor resolve. */
int ai_source_check(const struct ai_rule_text *rule, const char *file, const struct ai_input *input, struct ai_err *err) AI_CHECKED;

#endif
