/*
 * requirements.h -- the host's own interpreter, asked from outside the sandbox.
 *
 * Depends on: base, run/job.h.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_REQUIREMENTS_H
#define AI_REQUIREMENTS_H

#include "base/buf.h"
#include "base/json.h"

/* The file that an action's argv[0] means under its PATH, in the host's system folders but not in the project; NULL when there is none. Caller frees. */
char *ai_host_command(const json_t *action, const char *project);
/* The error for that: AI_EENV with a hint. */
int ai_no_host_command(const char *step, const json_t *action, struct ai_err *err);
/* The text of a script of ours that is embedded in the program ("aicert/run/x.py"), or NULL. */
const char *ai_embedded_script(const char *path);
/* Runs the interpreter, isolated, on a script; in is its standard input, *said what it printed. Its exit status, or negative. */
int ai_host_script(const char *python, const char *script, const struct ai_buf *in, struct ai_buf *said, struct ai_err *err) AI_CHECKED;
/* Is what the text asks for installed on the host? 1 yes, 0 no: said names what is not. */
int ai_host_satisfies(const char *python, const struct ai_buf *text, struct ai_buf *said, struct ai_err *err) AI_CHECKED;
/* The error for no: AI_EENV with a hint. */
int ai_host_lacks(const char *step, struct ai_buf *said, struct ai_err *err);

#endif
