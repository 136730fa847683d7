/*
 * inside.h -- what an open store consists of; for the files of cache/ only.
 *
 * Depends on: base, model, fetch (sink).  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_INSIDE_H
#define AI_INSIDE_H

#include <stdbool.h>

#include "cache/batch.h"
#include "cache/db.h"
#include "cache/hashsink.h"
#include "cache/idset.h"
#include "cache/session.h"
#include "cache/store.h"

struct ai_new_object;

/* Attestations that this process has read, so that steps that rest on a few of them by turns read each once. */
struct ai_read {
	json_t **texts; size_t n, cap;
	struct ai_idset at;           /* id -> index of texts */
	size_t bytes;                 /* of their texts as stored; with too many all are let go */
};
void ai_read_done(struct ai_read *r);

struct ai_store {
	char *cache;                  /* absolute path */
	int cache_fd, objects_fd;
	struct ai_db *db;             /* <cache>/store.db */
	struct ai_db *attest;         /* <data>/attest.db */
	struct ai_session session;
	struct ai_batch batch;        /* what the disk does not have for sure yet */
	struct ai_idset sound;        /* objects and whole trees that this process has seen to be there, with AI_AS_ bits */
	struct ai_idset laid;         /* trees whose kept checkout this process has looked through */
	struct ai_read read;          /* attestations: results of one run share theirs */
	struct ai_sink sink;
	bool looks;                   /* ai_store_look: nothing is kept */
	struct ai_hashsink *hashes;   /* what hashes then, else NULL */
	struct ai_new_object *open;   /* objects begun through the sink and not ended */
	char *chunk;                  /* SMALL_MAX bytes for reading small files; made at first use */
};

#define AI_SHORT 16
/* The first twelve digits and "…", as errors show an id. */
void ai_short_id(const struct ai_digest *d, char out[AI_SHORT]);

#endif
