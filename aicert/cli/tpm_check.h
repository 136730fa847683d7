/*
 * tpm_check.h -- inside of `aicert tpm check`: the files it was given, and the checks on them.
 *
 * Depends on: attest (its pure half), options.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TPM_CHECK_H
#define AI_TPM_CHECK_H

#include "attest/quote/quote.h"
#include "attest/x509/roots.h"
#include "base/buf.h"
#include "base/json.h"
#include "cli/options.h"

enum { AI_CHECK_PCRS = 32 };

/* PCR values as they were presented, before anything was believed of them. */
struct ai_presented {
	size_t n;
	struct {
		uint16_t bank;
		uint32_t mask;
		uint8_t values[AI_CHECK_PCRS][64];
	} banks[AI_MAX_SELECTIONS];
};

struct ai_tpm_files {
	struct ai_buf quote, signature, key, extra, pcrs, event_log, parent, earlier, earlier_signature;
	bool pem;                        /* the key is a PEM block; else a TPMT_PUBLIC */
	bool wrapped;                    /* the quote's file was a TPM2B_ATTEST */
	bool has_extra;
	struct ai_presented presented;   /* after ai_tpm_files_pcrs */
	const char *pcrs_form;           /* of which form their file was, in words */
	json_t *certificates;            /* base64 DER, leaf first; NULL: none given */
};

struct ai_tpm_check {
	/* as told */
	const char *quote, *signature, *key, *scheme, *pcrs, *extra, *nonce, *bank, *event_log, *parent, *after, *after_signature, *as_of;
	struct ai_text_list certificates;
	int allow_sha1, json, help;
	/* as read */
	struct ai_tpm_files f;
	uint16_t told_scheme, told_hash; /* --scheme; 0 without */
	int64_t at;                      /* when certificates are judged */
	/* as judged */
	bool has_ak, has_q;
	struct ai_ak ak;
	struct ai_quote q;
};

/* Reads what was named. AI_EINPUT: unreadable, or not of the form that it must have for anything to be judged. */
int ai_tpm_files_read(struct ai_tpm_check *c, struct ai_err *err) AI_CHECKED;
void ai_tpm_files_done(struct ai_tpm_files *f);
/* Reads --pcrs into f.presented: after the quote, whose selection says what values without an index are of. AI_EINPUT. */
int ai_tpm_files_pcrs(struct ai_tpm_check *c, struct ai_err *err) AI_CHECKED;

/* A check: 1 passed, 0 skipped (nothing to look at), negative failed; said: what was compared with what. */
typedef int ai_tpm_check_fn(struct ai_tpm_check *c, struct ai_buf *said, struct ai_err *err);
ai_tpm_check_fn ai_tpm_check_form, ai_tpm_check_key, ai_tpm_check_attributes, ai_tpm_check_signature, ai_tpm_check_bank, ai_tpm_check_extra, ai_tpm_check_pcrs,
	ai_tpm_check_event_log, ai_tpm_check_signer, ai_tpm_check_certificates, ai_tpm_check_after;

/* "sha256:0,1,2+sha1:4" */
void ai_tpm_selection_text(const struct ai_quote *q, struct ai_buf *out);

#endif
