/*
 * compare.h -- two contents compared file by file: what differs, where, and of what kind.
 *
 * For people who ask whether a step is deterministic. The ids have already said that two contents differ; this says in
 * which file and at which byte or line, as far as the contents are known here.
 *
 * Depends on: base, model, parting.  Threads: a comparison belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_COMPARE_H
#define AI_COMPARE_H

#include <stdbool.h>

#include "base/json.h"
#include "model/ref.h"

/* Where contents are found. */
struct ai_compare_io {
	/* The tree node: 1 and a new reference, 0 not known here. */
	int (*tree)(void *ctx, const struct ai_digest *id, json_t **node, struct ai_err *err);
	/* A blob for reading: 1 and a descriptor, 0 not known here. */
	int (*blob)(void *ctx, const struct ai_digest *id, int *fd, struct ai_err *err);
	void *ctx;
};

enum { AI_COMPARE_SHOWN = 20 };

struct ai_compare {
	const struct ai_compare_io *io;
	json_t *list;        /* array, the caller's: the first AI_COMPARE_SHOWN differences are appended */
	size_t total;        /* how many there are */
	bool by_id_only;     /* a folder's or file's content is not known here: there may be more to say */
};

/*
 * ai_compare -- appends what differs between two contents of the output of that name; nothing when they are the same.
 *   {"output", "path": "" for the output itself, "kind": "missing"|"type"|"exec"|"link"|"content",
 *    "first", "second": {"type": "file"|"exec"|"dir"|"link", "id" | "target", "size"?}, absent on the side where it is missing,
 *    "offset"?: first byte that differs, "line"?: {"number", "first", "second"} of text, cut, "hint"?: a usual cause that the bytes show}
 * A file that is also executable on one side only counts twice. O(what differs).
 */
int ai_compare(struct ai_compare *c, const char *output, const struct ai_ref *first, const struct ai_ref *second, struct ai_err *err) AI_CHECKED;

/*
 * ai_compare_outputs -- the outputs of two results of one step ([{"name", "blob"|"tree"}], matched by name). *report is a new reference:
 *   {"same": bool, "outputs": [{"name", "same", "first", "second": {"blob"|"tree"}}], "differences": […], "total": n, "by_id_only": bool}
 */
int ai_compare_outputs(const struct ai_compare_io *io, const json_t *first, const json_t *second, json_t **report, struct ai_err *err) AI_CHECKED;

#endif
