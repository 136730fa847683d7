/*
 * requirements_text.h -- a requirements file read the way pip reads it, and only as far as it can be honoured.
 *
 * What goes on to pip is our own text: one requirement or harmless option per line, without comments. Everything that names a place
 * (an index, another requirements file) is taken out or held to the source's folder; everything that would make pip leave the index
 * (URLs, paths, version control, editable installs, variables) is refused by name. So pip can be handed the result of a stranger's
 * file, and two readers of it cannot see two things.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_REQUIREMENTS_TEXT_H
#define AI_REQUIREMENTS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define AI_MAX_REQUIREMENT_FILES 64
#define AI_MAX_INDEXES 16

/* Where packages are looked for: URLs as they were written, which may hold secrets. */
struct ai_indexes { char **url; size_t n, cap; };

void ai_indexes_done(struct ai_indexes *x);
/* http or https only; whose says who asks, for errors. */
int ai_indexes_add(struct ai_indexes *x, const char *url, const char *whose, struct ai_err *err) AI_CHECKED;
void ai_indexes_clear(struct ai_indexes *x);

struct ai_requirements_reader {
	/* Another file of the source that a line names: path is relative to the source's root. */
	int (*include)(void *ctx, const char *path, struct ai_err *err);
	void *ctx;
	struct ai_indexes *indexes;   /* changed as --index-url, --extra-index-url and --no-index say */
};

/*
 * ai_requirements_read -- one file's lines.
 *   path   relative to the source's root, for errors and for what the file includes
 *   out    what pip is given
 * AI_EUSAGE with `path:line: …` for what is refused.
 */
int ai_requirements_read(const char *path, const char *text, size_t len, const struct ai_requirements_reader *reader, struct ai_buf *out,
	struct ai_err *err) AI_CHECKED;

/* A project's name as indexes write it (PEP 503): lower case, runs of '-', '_' and '.' are one '-'. name has n bytes. Caller frees. */
char *ai_project_name(const char *name, size_t n);

#endif
