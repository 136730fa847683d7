/*
 * store.h -- everything that is kept by hash: content, nodes, results, attestations.
 *
 * objects/ holds content by SHA-256 (objects/ab/cdef…, mode 0444, fixed mtime);
 * store.db (SQLite, WAL, synchronous=FULL) holds nodes, edges, step -> results,
 * file stat -> hash, pins, attestations and runs. Content is on disk and synced
 * before a row names it, so a row never names what is not there. Attestations
 * live in the data folder's database, which no cleaning of the cache touches.
 *
 * Knows keys and bytes, not what a step means.
 *
 * Depends on: base, model, fetch (the sink it implements).
 * Threads: one ai_store per thread; many processes may share the folders.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_STORE_H
#define AI_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/home.h"
#include "base/json.h"
#include "fetch/sink.h"
#include "model/ref.h"

struct ai_store;
struct ai_buf;
struct stat;
struct timespec;

/* Opens (makes) the store. AI_EENV when the disk refuses or the store is of a newer format. */
int ai_store_open(const struct ai_home *home, struct ai_store **out, struct ai_err *err) AI_CHECKED;
void ai_store_close(struct ai_store *s);

/* The sink that puts content into this store; lives as long as the store. */
const struct ai_sink *ai_store_sink(struct ai_store *s);

/*
 * ai_store_look -- from now on nothing is kept: what is put is only hashed, the sink hashes (files that are known, and still look so, it does not
 * read), and no hash is remembered. For who wants to know what would be.
 */
int ai_store_look(struct ai_store *s, struct ai_err *err) AI_CHECKED;

/* --- when what is put becomes durable (cache/batch.h) ------------------- */
/*
 * ai_store_defer -- from now on what is put may be used at once and is durable after ai_store_flush, or before anything is written that says
 * so to others (an attestation, a record, a pin), or when much has come together. A result that was added is not found before that.
 */
void ai_store_defer(struct ai_store *s);
int ai_store_flush(struct ai_store *s, struct ai_err *err) AI_CHECKED;
/* Does something wait? A tree that waits can be used by no other process. */
bool ai_store_waits(const struct ai_store *s);
bool ai_store_tree_waits(const struct ai_store *s, const struct ai_digest *tree);
/*
 * ai_store_hand_over -- what waits in a deferring store, as bytes for ai_store_take_over in another process that has the same store open: that
 * one then keeps the promises. Much is settled here instead. Bytes of one process's memory for another's of the same program: no format.
 */
int ai_store_hand_over(struct ai_store *s, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
int ai_store_take_over(struct ai_store *s, const void *p, size_t n, struct ai_err *err) AI_CHECKED;

/* --- content ------------------------------------------------------------ */
/* 1 there, 0 absent. For a tree: with everything under it. */
int ai_store_has(struct ai_store *s, const struct ai_ref *ref, struct ai_err *err) AI_CHECKED;
int ai_store_put_bytes(struct ai_store *s, const void *p, size_t n, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
/* A blob's bytes, re-hashed as they are read: damage is AI_EINPUT `cache: object …`, and the object is removed. */
int ai_store_get_bytes(struct ai_store *s, const struct ai_digest *id, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/*
 * An object file that stands in objects/ with mode and mtime as they must be, and that nobody put there through the store (it lies on a file
 * system of its own): read whole, and the store's from now on if its bytes are what it is named. AI_EINPUT if not, or if it is not there.
 */
int ai_store_adopt(struct ai_store *s, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;
/* Path of a blob's object file (caller frees); does not look whether it is there. */
char *ai_store_object_path(struct ai_store *s, const struct ai_digest *id);

/*
 * ai_store_checkout -- the content at a path that does not exist yet.
 * Plain files are hard links to objects where the file system allows (read-only: bind or overlay before use), executables are
 * copies; mtimes are fixed; folders 0755. Safe to call for the same dest from two processes (made aside, then renamed).
 */
int ai_store_checkout(struct ai_store *s, const struct ai_ref *ref, const char *dest, struct ai_err *err) AI_CHECKED;
/* A kept checkout of a tree under the cache folder, made once; *path_out is caller's to free. Read-only for users. */
int ai_store_checked_out(struct ai_store *s, const struct ai_digest *tree, char **path_out, struct ai_err *err) AI_CHECKED;
/* Copies content out to a folder of the user's (plain writable files, never links into the store). */
int ai_store_export(struct ai_store *s, const struct ai_ref *ref, const char *dest, struct ai_err *err) AI_CHECKED;
/*
 * The same for one of many: it is durable once ai_store_sync_at was called with the folder that it is in. *last is 0 at first; a folder of the
 * file system that was synced last costs nothing, so what is exported after that is not meant.
 */
int ai_store_export_soon(struct ai_store *s, const struct ai_ref *ref, const char *dest, struct ai_err *err) AI_CHECKED;
int ai_store_sync_at(const char *folder, uint64_t *last, struct ai_err *err) AI_CHECKED;

/*
 * ai_store_hash_file -- SHA-256 of a file without taking it in; from the file-hash cache when (device, inode, size, mtime ns,
 * ctime ns) are known and not racy (git's rule: younger than the time of hashing).
 */
int ai_store_hash_file(struct ai_store *s, int dirfd, const char *path, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

/* 1 and what that cache knows of a file that looks like this, or of a folder whose names were learnt; 0 nothing. Opens nothing. */
int ai_store_known_hash(struct ai_store *s, const struct stat *st, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
/*
 * Remembers the hash of a folder's names by the same rule: each name that comes, goes or changes moves its mtime. before is its
 * stat from before it was listed, began the clock (CLOCK_REALTIME_COARSE) from before that. Nothing is kept when in doubt.
 */
int ai_store_learn_names(struct ai_store *s, const char *path, const struct stat *before, const struct timespec *began,
	const struct ai_digest *names, struct ai_err *err) AI_CHECKED;

/* --- nodes -------------------------------------------------------------- */
int ai_store_put_node(struct ai_store *s, const json_t *node, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
/* 1 and a new reference, 0 absent. The id is recomputed. */
int ai_store_get_node(struct ai_store *s, const struct ai_digest *id, json_t **out, struct ai_err *err) AI_CHECKED;

/* --- pins: what (type, uri, revision) was found to hold ----------------- */
/* key is canonical text made by the caller. 1 and content and how, 0 absent or content gone. */
int ai_store_get_pin(struct ai_store *s, const char *key, struct ai_ref *out, char how_out[16], struct ai_err *err) AI_CHECKED;
int ai_store_put_pin(struct ai_store *s, const char *key, const struct ai_ref *ref, const char *how, struct ai_err *err) AI_CHECKED;

/* --- results of steps --------------------------------------------------- */
/* The result node (already put) becomes a candidate for its step. */
int ai_store_add_result(struct ai_store *s, const struct ai_digest *step, const struct ai_digest *result, struct ai_err *err) AI_CHECKED;
/* Candidates, newest first; *ids is fresh, caller frees. */
int ai_store_results(struct ai_store *s, const struct ai_digest *step, struct ai_digest **ids, size_t *n_out, struct ai_err *err) AI_CHECKED;

/* --- attestations -------------------------------------------------------- */
/* attestation: {"claims","signature","low_level_quote","evidence"}; id is the id of its claims; executed are indexed. Durable when it returns. */
int ai_store_put_attestation(struct ai_store *s, const json_t *attestation, struct ai_digest *id_out, struct ai_err *err) AI_CHECKED;
/* 1 and a new reference to the newest attestation whose claims list the result as executed; 0 none. */
int ai_store_attestation_of(struct ai_store *s, const struct ai_digest *result, struct ai_digest *id_out, json_t **out, struct ai_err *err) AI_CHECKED;

/* --- runs: for `why`, `log` and `show` ----------------------------------- */
/* The newest plan that was run for this project folder, for `aicert why`. record is free-form JSON; project an absolute path. */
int ai_store_put_run(struct ai_store *s, const char *project, const json_t *record, struct ai_err *err) AI_CHECKED;
int ai_store_last_run(struct ai_store *s, const char *project, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
