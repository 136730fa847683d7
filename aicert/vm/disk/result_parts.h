/*
 * result_parts.h -- `about` of a result disk, which packing writes and taking in reads: foreign there, pure, fuzzed.
 *
 * Depends on: base, run (states of steps).  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_RESULT_PARTS_H
#define AI_VM_RESULT_PARTS_H

#include "base/json.h"
#include "run/job.h"

/* A log is at most this long on the disk. */
enum { AI_RESULT_MAX_LOG = 16 << 20 };

/* EXECUTED has step and result; FAILED perhaps step and failure; WAITING nothing. REUSED there is none: a measured run executes everything. */
struct ai_result_step { const char *name; ai_step_state state; bool has_step; struct ai_digest step, result; const char *failure; };

struct ai_result_about {
	bool planned;                   /* has a plan; not so when the machine failed before it had one: then there is nothing but the error */
	bool done;                      /* has a root, every step executed, and no error; else an error and no root */
	struct ai_digest plan, root;
	struct ai_result_step *steps; size_t n_steps;
	int code; const char *text, *hint; /* of the error: a documented code; hint may be NULL */
};
/* Texts are borrowed from about. AI_EINPUT. */
int ai_result_about_parse(const json_t *about, struct ai_result_about *out, struct ai_err *err) AI_CHECKED;
void ai_result_about_done(struct ai_result_about *a);

/* The word of a state. */
const char *ai_result_state_word(ai_step_state state);

#endif
