/*
 * tpm_eventlog.h -- what the files of `aicert tpm eventlog` share: the log that was read, what it is compared with, how it is shown.
 *
 * Depends on: attest, base.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_TPM_EVENTLOG_H
#define AI_CLI_TPM_EVENTLOG_H

#include "attest/eventlog/eventlog.h"

/* PCR values that somebody knows, by bank. */
struct ai_known_pcrs {
	struct ai_known_bank { uint16_t bank; uint32_t mask; struct ai_pcr_value pcrs[AI_LOG_PCRS]; } banks[AI_LOG_BANKS];
	size_t n;
};

/* {"sha256": {"0": hex}}, {"0": hex} (the bank by its length), or either under "pcrs". AI_EINPUT for anything else. */
int ai_known_pcrs_parse(const char *text, size_t len, const char *what, struct ai_known_pcrs *out, struct ai_err *err) AI_CHECKED;

/* One bank of the log, replayed; why: "" or the reason that it could not be. */
struct ai_replayed { uint16_t bank; bool done; uint32_t mask; struct ai_pcr_value pcrs[AI_LOG_PCRS]; char why[256]; };

/* One known value held against the log. */
struct ai_compared { uint16_t bank; unsigned pcr; struct ai_pcr_value known, replayed; bool equal; char why[256]; };
struct ai_comparison { struct ai_compared items[AI_LOG_BANKS * AI_LOG_PCRS]; size_t n, n_equal; };

/* only: 0 or the one bank to compare. */
int ai_known_pcrs_compare(const struct ai_known_pcrs *known, const struct ai_eventlog *log, const struct ai_replayed *replayed, uint16_t only,
	struct ai_comparison *out, struct ai_err *err) AI_CHECKED;

struct ai_log_shown {
	const struct ai_eventlog *log;
	const struct ai_replayed *replayed;    /* as the log's banks */
	size_t bank;                           /* of the digests that are shown: index into them */
	const json_t *facts, *faults;
	uint32_t pcrs;                         /* which are shown */
	bool all;                              /* --pcr was not given: events without a PCR too */
	const struct ai_comparison *compared;  /* or NULL */
};

/* For people, on standard output. */
void ai_log_show(const struct ai_log_shown *s);
/* For machines: a new object. NULL when memory is out. */
json_t *ai_log_json(const struct ai_log_shown *s);

#endif
