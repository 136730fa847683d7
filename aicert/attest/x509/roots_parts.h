/*
 * roots_parts.h -- the built-in table, for roots.c only.
 *
 * Depends on: roots.  Threads: constant.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ROOTS_PARTS_H
#define AI_ROOTS_PARTS_H

#include "attest/x509/roots.h"

/* One built-in anchor, as it stands in the source: fingerprints in hex. */
struct ai_root_fact {
	unsigned roles;
	ai_profile profile;
	const char *authority, *name;
	int64_t not_before, not_after; /* seconds since 1970 */
	const char *spki;
	const char *der; /* of an exact anchor; else NULL */
};

extern const struct ai_root_fact ai_root_facts[];
extern const size_t ai_n_root_facts;

#endif
