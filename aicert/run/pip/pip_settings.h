/*
 * pip_settings.h -- where the user's pip looks for packages: its configuration files and PIP_ variables, read out here.
 *
 * pip itself runs inside the sandbox and sees none of them, for they hold logins. What would change which files are chosen is honoured
 * or refused by name; what only changes how pip talks or waits is passed over.
 *
 * Depends on: base.  Threads: reads the environment.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PIP_SETTINGS_H
#define AI_PIP_SETTINGS_H

#include "run/pip/requirements_text.h"

/* From weakest to strongest: [global] of any file, [install] of any file, the environment. Within each the last one wins. */
typedef enum ai_pip_rank { AI_PIP_GLOBAL, AI_PIP_INSTALL, AI_PIP_ENV, AI_PIP_RANKS } ai_pip_rank;

struct ai_pip_settings {
	struct { char *index, *extra, *cert; bool no_index, no_index_set; } rank[AI_PIP_RANKS];
	bool pre, prefer_binary, require_hashes;
};

void ai_pip_settings_done(struct ai_pip_settings *s);

/* One setting as it was written. AI_EUSAGE for those that are refused. */
int ai_pip_setting(struct ai_pip_settings *s, ai_pip_rank rank, const char *key, const char *value, const char *whose, struct ai_err *err) AI_CHECKED;
/* The text of a configuration file. Pure. */
int ai_pip_config(struct ai_pip_settings *s, const char *text, size_t len, const char *whose, struct ai_err *err) AI_CHECKED;
/* Files and variables of this user. */
int ai_pip_settings_read(struct ai_pip_settings *s, struct ai_err *err) AI_CHECKED;
/* The bundle of authorities that PIP_CERT or a file names, or NULL. Borrowed. */
const char *ai_pip_cert(const struct ai_pip_settings *s);
/* The indexes that all of it means, the first one first; none after no-index. */
int ai_pip_indexes(const struct ai_pip_settings *s, struct ai_indexes *out, struct ai_err *err) AI_CHECKED;

#endif
