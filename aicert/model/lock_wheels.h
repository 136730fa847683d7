/*
 * lock_wheels.h -- the lock's pins of what requirements.txt asks for, and the sources that follow from them.
 *
 *   "wheels": {"train": {"requirements": "<sha256>", "files": [{"name": "x-1.0-py3-none-any.whl", "sha256", "size", "uri"}],
 *                        "sdists": [{…}], "build": [{…}]}}
 *
 * requirements is of everything that decided which files these are (run/pip/resolve.c); files are wheels, sorted by name; no files means
 * that the step's environment has all that is asked for. sdists and build (the wheels that building them takes) are there when source
 * distributions were allowed and chosen.
 *
 * A source's content follows from names and hashes alone, so a planner checks it without looking at the files.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LOCK_WHEELS_H
#define AI_LOCK_WHEELS_H

#include <stdbool.h>

#include "base/json.h"
#include "model/ref.h"
#include "model/tree.h"

/* Part of reading and writing a lock. */
int ai_lock_check_wheels(const json_t *lock, struct ai_err *err) AI_CHECKED;

/* The pin of a step, or NULL. Borrowed. */
json_t *ai_lock_wheels(const json_t *lock, const char *step);
/* Adds or replaces it; NULL removes it. */
int ai_lock_set_wheels(json_t *lock, const char *step, json_t *pin, struct ai_err *err) AI_CHECKED;

/* The two kinds of source that a pin can give a step: "<step>/wheels" and "<step>/sdists". */
typedef enum ai_wheels_part { AI_WHEELS, AI_SDISTS } ai_wheels_part;

bool ai_wheels_has(const json_t *pin, ai_wheels_part part);
/* Fresh; NULL when memory is out. */
char *ai_wheels_name(const char *step, ai_wheels_part part);
/* New reference to the source node. A folder of the files; of source distributions, with the folder "build" of the wheels. */
int ai_wheels_source(const json_t *pin, ai_wheels_part part, json_t **node, struct ai_err *err) AI_CHECKED;
/* Calls put() for each folder of the content, inner ones first: what must be in the store. */
int ai_wheels_trees(const json_t *pin, ai_wheels_part part, int (*put)(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out,
	struct ai_err *err), void *ctx, struct ai_ref *out, struct ai_err *err) AI_CHECKED;

#endif
