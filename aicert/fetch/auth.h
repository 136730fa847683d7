/*
 * auth.h -- logins that the user already keeps somewhere: token variables, netrc, git's credential helpers.
 *
 * Nothing here asks anybody. What is found is used on the wire only.
 *
 *   GITHUB_TOKEN, GH_TOKEN      github.com
 *   GITLAB_TOKEN                gitlab.com
 *   HF_TOKEN, and the file that `huggingface-cli login` writes ($HF_TOKEN_PATH, $HF_HOME/token, ~/.cache/huggingface/token)
 *                               huggingface.co, and the host of HF_ENDPOINT
 *   AICERT_GIT_TOKEN            the https host that AICERT_GIT_TOKEN_HOST names
 *   $NETRC, else ~/.netrc       machine, login, password, default
 *   git credential fill         whatever credential.helper is set up, if git is installed
 *
 * Depends on: base.  Threads: reads the environment.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_AUTH_H
#define AI_AUTH_H

#include <stddef.h>

#include "base/err.h"

struct ai_buf;
struct ai_login { char *user, *password; };

void ai_login_done(struct ai_login *l);

/* The token for this host as a password, with the user that goes with it where one is asked for: 1 found, 0 none, negative: memory. For https, or this very machine. */
int ai_auth_token(const char *host, struct ai_login *out, struct ai_err *err) AI_CHECKED;

/* The login that a netrc text has for host (and user, unless NULL). 1 found, 0 none, negative: memory. Pure. */
int ai_netrc_find(const char *text, size_t n, const char *host, const char *user, struct ai_login *out, struct ai_err *err) AI_CHECKED;
/* The same from the user's netrc; an absent or unreadable one has none. */
int ai_auth_netrc(const char *host, const char *user, struct ai_login *out, struct ai_err *err) AI_CHECKED;

/*
 * What a credential helper, a program on PATH, answers on stdout to what it is asked on stdin (less than 4 KiB) within 30 s: 1 and *exit_code,
 * 0 when it is not installed or was stopped, negative: interrupted, memory. It has no terminal, no stderr, and starts in "/".
 */
int ai_auth_ask(char *const argv[], const char *ask, size_t n, struct ai_buf *answer, int *exit_code, struct ai_err *err) AI_CHECKED;

/* What `git credential fill` answers within 30 s. 1 found, 0 none or no git, negative: interrupted, memory. scheme is "http" or "https". */
int ai_auth_helper(const char *scheme, const char *host, unsigned port, const char *user, struct ai_login *out, struct ai_err *err) AI_CHECKED;

#endif
