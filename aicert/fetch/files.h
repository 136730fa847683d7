/*
 * files.h -- the files that a pin lists (model/lock_files.h), several at once, and lists made into pins.
 *
 * A file that the sink has is not asked for again; one that was begun goes on where it stopped. What arrives is held to size, SHA-256 and, where
 * the pin has one, the id of the git blob.
 *
 * Depends on: base, model, sink, http.  Threads: as fetch.h; a call starts threads of its own, which share the sink one at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FILES_H
#define AI_FILES_H

#include "fetch/fetch.h"

/*
 * ai_fetch_files -- content of a pin with "files" into the sink. input: its urls are where the files are asked for (they may hold
 * a login); NULL: the pin's uris.
 */
int ai_fetch_files(const struct ai_fetch *f, const struct ai_input *input, const json_t *pin, struct ai_ref *out, struct ai_err *err) AI_CHECKED;

/*
 * ai_fetch_list -- the files of a list, some without sha256 or size, as a pin has them: *files is a new array, sorted by path. What the list does not
 * say of a file is learnt by downloading it, so it is in the sink afterwards. list: [{"path","uri","sha256"?,"size"?,"sha1"?,"exec"?} | {"path","text"} |
 * {"path","target"}]; a file with sha1 has a size.
 */
int ai_fetch_list(const struct ai_fetch *f, const struct ai_input *input, const json_t *list, json_t **files, struct ai_err *err) AI_CHECKED;

/* One file into the sink: sha256 NULL or size -1 where they are not known; headers as in http.h. */
struct ai_one_file {
	const char *uri;
	const char *const *headers; size_t n_headers; /* besides those of place.h */
	const struct ai_digest *sha256;
	int64_t size;
	const char *sha1;              /* id of a git blob; NULL: not known */
	const char *path;              /* for errors; NULL: the uri says enough */
	struct ai_digest got;
	uint64_t got_size;
};
/* All of them, several at once; the first fault ends the others. */
int ai_fetch_all(const struct ai_fetch *f, struct ai_one_file *files, size_t n, struct ai_err *err) AI_CHECKED;

#endif
