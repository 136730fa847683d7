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

struct ai_store {
	char *cache;                  /* absolute path */
	int cache_fd, objects_fd;
	struct ai_db *db;             /* <cache>/store.db */
	struct ai_db *attest;         /* <data>/attest.db */
	struct ai_session session;
	struct ai_batch batch;        /* what the disk does not have for sure yet */
	struct ai_idset sound;        /* objects and whole trees that this process has seen to be there, with AI_AS_ bits */
	struct ai_idset laid;         /* trees whose kept checkout this process has looked through */
	struct { struct ai_digest id; json_t *text; } attestation; /* the one that was read last: results of one run share theirs. text NULL: none */
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
