/*
 * partial.h -- a download that is not finished yet, kept so that the next attempt goes on where it stopped.
 *
 * cache/partial/<sha256 of what may be said of the URL> holds the bytes so far;
 * the same name with .meta one line, the validator (`etag "…"` or `modified <date>`)
 * of the response they came from. Locked while it is written, so two processes that
 * want one URL do not mix their bytes.
 *
 * Depends on: base, sink.  Threads: a partial belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PARTIAL_H
#define AI_PARTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "fetch/sink.h"

struct ai_partial {
	int fd;
	char *path, *meta;
	uint64_t have;         /* bytes so far */
	char *validator;       /* of those bytes; NULL when the server gave none */
};

/* name: what may be said of the URL. Waits for another process that has it. */
int ai_partial_open(const char *dir, const char *name, struct ai_partial *out, struct ai_err *err) AI_CHECKED;
/* Throws away what is there; what comes now is of the response with this validator (may be NULL). */
int ai_partial_restart(struct ai_partial *p, const char *validator, struct ai_err *err) AI_CHECKED;
int ai_partial_append(struct ai_partial *p, const void *bytes, size_t n, struct ai_err *err) AI_CHECKED;
/* All of it into the sink. 1 done; 0 when it hashes to something else than want (may be NULL): out is set, the sink has nothing. */
int ai_partial_into(struct ai_partial *p, const struct ai_sink *sink, const struct ai_digest *want, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
/* finished: the files are removed. */
void ai_partial_close(struct ai_partial *p, bool finished);
/* What stands under that name goes. Waits for nobody: a process that is at it has the file open, and finishes without its name. */
void ai_partial_remove(const char *dir, const char *name);

#endif
