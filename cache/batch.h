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
 *      edges, results and file hashes.
 *
 * So a row names only what is whole and on disk, wherever the power fails. The rule for
 * callers: an id that ai_sink gave (commit, file, tree) is a promise that is kept before any
 * row that could name it: every ai_store_ function that writes a row or reads content
 * settles the batch first, and so does closing the store. What ai_store_put_bytes
 * and the other ai_store_put_ functions acknowledged is durable when they return.
 * A batch that cannot be settled (full disk) loses what was promised, so every later
 * write fails with that same error; what older rows name is untouched.
 *
 * A store that defers (ai_store_defer) gives all of that as promises: an object gets its
 * name at once (2 before 1), so that the next step can use it while it waits for its sync
 * and its row, and a batch is settled when it has grown large, when somebody needs a
 * row, and by ai_store_flush. What waits in a store can be handed over to another open
 * store of the same folder, of another process, which then keeps the promise.
 *
 * A name under objects/ without a row is so either somebody's who is about to write it or
 * what a power cut left of it. Who wants to put the same content there compares and syncs it,
 * and replaces it when it is not the same.
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

struct ai_batch_object { struct ai_digest id; uint64_t size; char tmp[AI_SESSION_NAME]; /* empty once it has its name */ };
struct ai_batch_node { struct ai_digest id; char *bytes; size_t n; json_t *json; /* NULL for trees: their entries are their edges */ };
struct ai_batch_hash { struct ai_file_key key; struct ai_digest id; };
struct ai_batch_result { struct ai_digest step, result; };

struct ai_batch {
	struct ai_batch_object *objects; size_t n_objects, cap_objects;
	struct ai_batch_node *nodes;     size_t n_nodes, cap_nodes;
	struct ai_batch_hash *hashes;    size_t n_hashes, cap_hashes;
	struct ai_batch_result *results; size_t n_results, cap_results;
	struct ai_idset ids;             /* of objects and nodes that wait, with AI_AS_ bits */
	struct ai_idset files;           /* key of a file -> index in hashes */
	uint64_t bytes;                  /* of what waits */
	bool defer;                      /* promises are kept later */
	bool new_folder;                 /* objects/ab was made since the last settling */
	struct ai_err lost;              /* why a batch could not be settled */
};

/* A complete file of the session's folder becomes object id (tmp "": it has its name already). Settles when the batch has grown large. */
int ai_batch_object(struct ai_store *s, const struct ai_digest *id, uint64_t size, const char *tmp, struct ai_err *err) AI_CHECKED;
/* Canonical bytes of a node; json (borrowed, may be NULL for a tree) gives its edges. */
int ai_batch_node(struct ai_store *s, const struct ai_digest *id, const char *bytes, size_t n, json_t *json, struct ai_err *err) AI_CHECKED;
/* A file's hash, for the file-hash cache: no promise hangs on it. */
int ai_batch_hash(struct ai_store *s, const struct ai_file_key *key, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;
/* A row of results, whose nodes wait or are there. */
int ai_batch_result(struct ai_store *s, const struct ai_digest *step, const struct ai_digest *result, struct ai_err *err) AI_CHECKED;
/* What waits: an object or node (as: AI_AS_BLOB or AI_AS_NODE), the hash of a file. */
bool ai_batch_has(const struct ai_store *s, const struct ai_digest *id, uint64_t as);
bool ai_batch_hash_of(const struct ai_store *s, const struct ai_file_key *key, struct ai_digest *out);

/* The row of an object that is durable. */
int ai_batch_row(struct ai_db *db, const struct ai_digest *id, uint64_t size, struct ai_err *err) AI_CHECKED;

/* Makes everything acknowledged so far durable; nothing to do when nothing waits. */
int ai_batch_settle(struct ai_store *s, struct ai_err *err) AI_CHECKED;
/* What a function of the store owes before it returns: settles, unless the store defers. */
int ai_batch_keep(struct ai_store *s, struct ai_err *err) AI_CHECKED;
/* Before the row of id is read: settles, unless the store defers and id does not wait. */
int ai_batch_need(struct ai_store *s, const struct ai_digest *id, uint64_t as, struct ai_err *err) AI_CHECKED;
/* Nothing waits any more: somebody else has it. */
void ai_batch_forget(struct ai_store *s);
/* Settles file hashes too (best effort) and frees. */
void ai_batch_close(struct ai_store *s);

#endif
