/*
 * stamp.h -- asks a time-stamping authority (RFC 3161) for its word on an attestation, and puts it beside the evidence.
 *
 * The request says nothing of the run but a hash. The answer is checked against the request before it is kept; whether
 * anybody believes the authority is for a verifier to say.
 *
 * Depends on: base, fetch, attest.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RUN_STAMP_H
#define AI_RUN_STAMP_H

#include <stdbool.h>

#include "base/json.h"
#include "base/talk.h"

/* An http or https URL? AI_EUSAGE if not. */
int ai_stamp_check_url(const char *url, struct ai_err *err) AI_CHECKED;

/*
 * ai_stamp_attestation -- sets evidence.timestamp of an attestation (or a proof) to the authority's token; unchanged on failure.
 * AI_EENV: the authority cannot be reached; AI_ENO: it gives no timestamp, or one that does not hold; AI_EINPUT: it speaks something else.
 */
int ai_stamp_attestation(json_t *attestation, const char *url, const struct ai_talk *talk, struct ai_err *err) AI_CHECKED;

struct ai_stamp_options {
	const char *proof;
	const char *url;        /* the authority; NULL with request or response */
	const char *out;        /* NULL: the proof itself is replaced */
	const char *request;    /* only writes the request there (DER) */
	const char *response;   /* the answer (DER), got by other means */
	bool force;             /* replaces a timestamp, or a file at out */
	const struct ai_talk *talk;
};

/*
 * ai_stamp_file -- `aicert timestamp`. *report: {"proof", "timestamp": when, "authority": whose}, or {"request", "imprint"}. New reference.
 */
int ai_stamp_file(const struct ai_stamp_options *options, json_t **report, struct ai_err *err) AI_CHECKED;

#endif
