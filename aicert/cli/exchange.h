/*
 * exchange.h -- files that `aicert enroll` and `aicert ca` read from each other and write for each other.
 *
 * Depends on: attest.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_EXCHANGE_H
#define AI_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "attest/enrol/enrolment.h"

/* A file that another party made. AI_EINPUT. */
int ai_exchange_read(ai_enrolment kind, const char *path, json_t **out, struct ai_err *err) AI_CHECKED;
/* The certificates in these files (PEM or DER), appended to list. */
int ai_exchange_certificates(const char *const *paths, size_t n, json_t *list, struct ai_err *err) AI_CHECKED;
/* Can there be something written? AI_EUSAGE when a file is there and force is not set. path NULL: standard output. */
int ai_exchange_room(const char *path, bool force, struct ai_err *err) AI_CHECKED;
/* Writes it there, all or nothing. */
int ai_exchange_write(const char *path, const struct ai_buf *text, struct ai_err *err) AI_CHECKED;
/* Seconds since 1970. */
int64_t ai_exchange_now(void);

#endif
