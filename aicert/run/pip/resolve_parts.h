/*
 * resolve_parts.h -- what the files of the resolver share; of no interest elsewhere.
 *
 * resolve_read.c reads what a step asks for; resolve_pip.c has pip choose; resolve.c pins, fetches and makes sources.
 *
 * Depends on: base, model, cache.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RESOLVE_PARTS_H
#define AI_RESOLVE_PARTS_H

#include "run/pip/index.h"
#include "run/job.h"
#include "run/pip/pip_settings.h"

struct ai_asked_file { char *path; struct ai_buf text; };

/* One step that has a requirements.txt. */
struct ai_asked {
	const char *name;                   /* of the step; these are borrowed from the plan */
	const json_t *action;               /* the step's first command: a Python */
	const char *python;                 /* its argv[0] */
	const json_t *environment;          /* node */
	bool host;
	bool complete;                      /* what is installed does not count */
	struct ai_digest source;            /* tree of /workspace/src */
	char *interpreter;                  /* host: the file that python means; NULL when there is none */
	struct ai_asked_file *files; size_t n_files, cap_files; /* requirements.txt first, as pip is given them */
	struct ai_indexes indexes;          /* where its packages are looked for */
	json_t *sdists;                     /* array of project names, or the text "all"; NULL: none */
	struct ai_digest requirements;      /* of all that decides, but for what the indexes hold */
};

void ai_asked_done(struct ai_asked *a);

/* --- resolve_read.c ------------------------------------------------------------ */
/* Fills in source, files and requirements: 1 it asks for something, 0 there is no requirements.txt that is known now. */
int ai_asked_read(struct ai_job *job, const json_t *recipe, struct ai_asked *a, struct ai_err *err) AI_CHECKED;
/* Fills in indexes, from the user's settings and what the files say. */
int ai_asked_indexes(struct ai_job *job, const struct ai_pip_settings *settings, struct ai_asked *a, struct ai_err *err) AI_CHECKED;

/* --- resolve_pip.c -------------------------------------------------------------- */
/* *pin is a new reference; the chosen files are in the store. */
int ai_asked_resolve(struct ai_job *job, const struct ai_pip_settings *settings, const struct ai_asked *a, json_t **pin, struct ai_err *err) AI_CHECKED;

/* Has the image what the first file asks for, without pip and index? 1, 0. For a source that is known only now. */
int ai_image_satisfies(struct ai_job *job, const struct ai_asked *a, struct ai_err *err) AI_CHECKED;

/* --- resolve_report.c: pure ------------------------------------------------------- */
/* The numbers of the files that pip's report says it would install; *out is fresh. AI_EINPUT when it is not such a report. */
int ai_pip_report(const char *text, size_t len, const char *prefix, size_t **out, size_t *n_out, struct ai_err *err) AI_CHECKED;
/* What pip's log says went wrong: its first complaint, one line, in b. project (may be "") is what was not found. */
void ai_pip_complaint(const char *log, size_t len, struct ai_buf *b, char project[256]);

#endif
