/*
 * home.h -- where aicert keeps things on this machine.
 *
 * cache: what can be fetched or built again (~/.cache/aicert). data: keys, TPM
 * state, attestations, trust (~/.local/share/aicert). $AICERT_HOME moves both
 * under one folder; XDG_CACHE_HOME and XDG_DATA_HOME are honoured.
 *
 * Depends on: base.  Threads: a home is constant once opened.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_HOME_H
#define AI_HOME_H

#include "base/err.h"

struct ai_home {
	char *cache;   /* absolute */
	char *data;    /* absolute, mode 0700 once made */
};

/* override (may be NULL) stands for $AICERT_HOME. Makes no folder. */
int ai_home_find(const char *override, struct ai_home *out, struct ai_err *err) AI_CHECKED;
/* Makes both folders; they must be this user's (or root's), and not for anybody to write. */
int ai_home_make(const struct ai_home *home, struct ai_err *err) AI_CHECKED;
void ai_home_done(struct ai_home *home);

#endif
