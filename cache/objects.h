/*
 * objects.h -- content as files: objects/ab/<62 digits>, one per SHA-256.
 *
 * An object has mode 0444 and mtime 315532800 (1980-01-01), like every file of a
 * checkout that is a hard link to it. The table `objects` holds the size of each
 * one that is durable. A file without a row is what a power cut left between
 * two steps of a batch: it counts as absent until the next import adopts it.
 * Size, mode and mtime are looked at whenever an object is used; one whose
 * mode or mtime moved is read again, because whoever writes moves them.
 *
 * Depends on: base, db, batch.  Threads: as the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OBJECTS_H
#define AI_OBJECTS_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/hash.h"

struct ai_store;
struct ai_buf;

enum { AI_OBJECT_MTIME = 315532800 };
#define AI_OBJECT_NAME 68 /* "ab/", 62 digits, NUL and some */

/* The object's path below objects/. */
void ai_object_name(const struct ai_digest *id, char out[AI_OBJECT_NAME]);
/* The fixed mtime for utimensat: access time is left alone. */
extern const struct timespec ai_object_times[2];

typedef enum ai_object_state { AI_OBJECT_ABSENT, AI_OBJECT_SOUND, AI_OBJECT_DAMAGED } ai_object_state;
/*
 * ai_object_look -- is the object there, as far as stat can tell? An ai_object_state, or negative.
 * Damaged: it has been removed, and err says what was wrong (its code is AI_EINPUT). st_out (may be NULL) is set when sound.
 */
int ai_object_look(struct ai_store *s, const struct ai_digest *id, struct stat *st_out, struct ai_err *err) AI_CHECKED;
/* As ai_object_look, but everything except sound is an error with a hint. */
int ai_object_need(struct ai_store *s, const struct ai_digest *id, struct stat *st_out, struct ai_err *err) AI_CHECKED;
/* Opens a sound object for reading: descriptor or negative. */
int ai_object_open(struct ai_store *s, const struct ai_digest *id, struct stat *st_out, struct ai_err *err) AI_CHECKED;
/* The object whose file was st turned out to hash to got: removes it and returns AI_EINPUT. */
int ai_object_damaged(struct ai_store *s, const struct ai_digest *id, const struct ai_digest *got, const struct stat *st, struct ai_err *err) AI_CHECKED;

/* Writing one: bytes are kept in memory while they are few, so that what is there already is never written again. */
struct ai_new_object;
int ai_object_begin(struct ai_store *s, struct ai_new_object **out, struct ai_err *err) AI_CHECKED;
int ai_object_write(struct ai_new_object *o, const void *p, size_t n, struct ai_err *err) AI_CHECKED;
/* Ends the object. After a failure it is only good for ai_object_abort (which the closing of the store does otherwise). */
int ai_object_commit(struct ai_new_object *o, struct ai_digest *out, uint64_t *size_out, struct ai_err *err) AI_CHECKED;
void ai_object_abort(struct ai_new_object *o);

/* Will the object be there once the batch is settled? 1, 0; damage counts as absent. */
int ai_object_is_here(struct ai_store *s, const struct ai_digest *id, struct ai_err *err) AI_CHECKED;
/* n bytes in memory as an object of the batch. */
int ai_object_put(struct ai_store *s, const void *p, size_t n, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
/* The rest of an open file as an object of the batch; st is its stat. */
int ai_object_take_file(struct ai_store *s, int fd, const struct stat *st, const char *what, struct ai_digest *out, uint64_t *size_out,
	struct ai_err *err) AI_CHECKED;

#endif
