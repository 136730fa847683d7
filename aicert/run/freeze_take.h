/*
 * freeze_take.h -- which paths of the machine go into a frozen environment, each as it looks to others.
 *
 * The same rule as in a step: what others may not read is not there. Of a named folder all is taken but what lies apart (/run, homes, aicert's own
 * folders, names that say "key"), which must be named itself; accounts' secrets and what a step sees in no image are never taken.
 *
 * Depends on: base, run/observe.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FREEZE_TAKE_H
#define AI_FREEZE_TAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hash.h"
#include "base/json.h"
#include "run/observe/used.h"

struct ai_taken {
	char *path;              /* absolute, through no link */
	ai_look look;            /* FILE, EXEC, DIR or LINK */
	char *target;            /* LINK */
	struct ai_digest id;     /* known: of the content that the run used */
	bool known;
	bool whole;              /* DIR: with all that is in it */
	bool made;               /* not the machine's: stands there whatever the machine has */
	const char *text;        /* made, FILE: its content; borrowed */
};

struct ai_taking {
	void *tree;              /* tsearch(3), by path */
	struct ai_taken **todo;  /* folders whose content is still to be taken */
	size_t n, n_todo, cap_todo;
	const char *const *named; size_t n_named; /* borrowed */
	const char *own[3];      /* borrowed: home of the user, folders of aicert; NULL when there is none */
	json_t *left_out;        /* paths */
};

/* named: all the paths that ai_taking_path will be called with; home: the user's, may be NULL; cache, data: aicert's, may be NULL. */
int ai_taking_begin(struct ai_taking *t, const char *const *named, size_t n_named, const char *home, const char *cache, const char *data,
	struct ai_err *err) AI_CHECKED;
void ai_taking_done(struct ai_taking *t);

/* A link (target) or a file (text, which is borrowed) that the machine need not have; before anything else. */
int ai_taking_made(struct ai_taking *t, const char *path, const char *target, const char *text, struct ai_err *err) AI_CHECKED;
/* Everything that a `used` node says was there. AI_EINPUT when it is not so now (contents are compared by whoever reads them). */
int ai_taking_used(struct ai_taking *t, const json_t *used, struct ai_err *err) AI_CHECKED;
/* One named path; AI_EUSAGE when it may not be taken or is not there. */
int ai_taking_path(struct ai_taking *t, const char *path, struct ai_err *err) AI_CHECKED;

/* All of it in the order of paths' bytes, each with the folders above it; caller frees the array. */
int ai_taking_list(struct ai_taking *t, struct ai_taken ***out, size_t *n, struct ai_err *err) AI_CHECKED;

#endif
