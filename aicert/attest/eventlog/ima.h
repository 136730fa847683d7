/*
 * ima.h -- what Linux's IMA extends into PCR 10.
 *
 * A kernel with IMA built in and no IMA policy measures one thing: boot_aggregate, the digest of PCRs 0 to 9 as they were when it
 * started. So PCR 10 is never zero there, and follows from the other PCRs that are quoted.
 *
 * Depends on: base.  Threads: pure.
 * Source: Linux 6.1 security/integrity/ima: ima_init.c (ima_add_boot_aggregate), ima_crypto.c, ima_template_lib.c (templates ima-ng, ima-sig).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_IMA_H
#define AI_IMA_H

#include <stdbool.h>

#include "base/hash.h"

enum { AI_PCR_IMA = 10 };

/* Is the value at AI_PCR_IMA what boot_aggregate alone leaves there, of the values before it? Of SHA-256 all. */
bool ai_ima_is_boot_aggregate(const struct ai_digest *pcrs);

#endif
