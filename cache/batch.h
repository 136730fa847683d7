/*
 * batch.h -- what was taken in and is made durable together.
 *
 * One fsync per object would make a folder of ten thousand files wait ten
 * thousand times for the disk. So content is first written to the session's
 * folder, and a batch of it becomes part of the store in this order:
 *
 *   1. the files of the batch are synced (a few by fsync, many by one syncfs);
 *   2. each is renamed to objects/ab/<62 digits>, unless another process has just put it there;
 *   3. the folders with new names are synced;
 *   4. one transaction (synchronous=FULL) writes the rows of objects, nodes,
 *      edges and file hashes.
 *
 * So a name under objects/ has its whole content on disk, and a row names only
 * what is there, wherever the power fails. The rule for callers: an id that
 * ai_sink gave (commit, file, tree) is a promise that is kept before any row that
 * could name it: every ai_store_ function that writes a row or reads content
 * settles the batch first, and so does closing the store. What ai_store_put_bytes
 * and the other ai_store_put_ functions acknowledged is durable when they return.
 * A batch that cannot be settled (full disk) loses what was promised, so every later
 * write fails with that same error; what older rows name is untouched.
 *
 * Errors of writing back reach syncfs(2) from Linux 5.8 on; the session's folder is opened
 * before the first write, so none is missed.
 *
 * Depends on: base.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_BATCH_H
#define AI_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "cache/filehash.h"
#include "cache/idset.h"
#include "cache/session.h"

struct ai_db;
struct ai_store;

/* A blob of a tree's canonical bytes has the tree's id: what is known of an id says which of the two is meant. */
enum { AI_AS_BLOB = 1, AI_AS_NODE = 2 };

struct ai_batch_object { struct ai_digest id; uint64_t size; char tmp[AI_SESSION_NAME]; };
struct ai_batch_node { struct ai_digest id; char *bytes; size_t n; json_t *json; /* NULL for trees: their entries are their edges */ };
struct ai_batch_hash { struct ai_file_key key; struct ai_digest id; };

struct ai_batch {
	struct ai_batch_object *objects; size_t n_objects, cap_objects;
	struct ai_batch_node *nodes;     size_t n_nodes, cap_nodes;
	struct ai_batch_hash *hashes;    size_t n_hashes, cap_hashes;
	struct ai_idset ids;             /* of objects and nodes that wait, with AI_AS_ bits */
	struct ai_idset files;           /* key of a file -> index in hashes */
	uint64_t bytes;                  /* of what waits */
	struct ai_err lost;              /* why a batch could not be settled */
};

/* A complete file of the session's folder becomes object id. Settles when the batch has grown large. */
int ai_batch_object(struct ai_store *s, const struct ai_digest *id, uint64_t size, const char *tmp, struct ai_err *err) AI_CHECKED;
/* Canonical bytes of a node; json (borrowed, may be NULL for a tree) gives its edges. */
int ai_batch_node(struct ai_store *s, const struct ai_digest *id, const char *bytes, size_t n, json_t *json, struct ai_err *err) AI_CHECKED;
/* A file's hash, for the file-hash cache: no promise hangs on it. */
int ai_batch_hash(struct ai_store *s, const struct ai_file_key *key, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;
/* What waits: an object or node (as: AI_AS_BLOB or AI_AS_NODE), the hash of a file. */
bool ai_batch_has(const struct ai_store *s, const struct ai_digest *id, uint64_t as);
bool ai_batch_hash_of(const struct ai_store *s, const struct ai_file_key *key, struct ai_digest *out);

/* The row of an object that is durable. */
int ai_batch_row(struct ai_db *db, const struct ai_digest *id, uint64_t size, struct ai_err *err) AI_CHECKED;

/* Makes everything acknowledged so far durable; nothing to do when nothing waits. */
int ai_batch_settle(struct ai_store *s, struct ai_err *err) AI_CHECKED;
/* Settles file hashes too (best effort) and frees. */
void ai_batch_close(struct ai_store *s);

#endif
