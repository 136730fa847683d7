/*
 * quote.h -- TPM 2.0 structures as bytes, and the checks on them. No TPM, no TSS: pure functions.
 *
 * Algorithms are fixed by the key's public area and never tried in turn. Every
 * parse is bounded and refuses trailing bytes.
 *
 * quote_key.c: keys and names; quote_sign.c: signatures; quote.c: quotes and PCRs.
 *
 * Depends on: base, libcrypto.  Threads: pure.
 * Source: TPM 2.0 Library, Part 2: TPMT_PUBLIC, TPMS_ATTEST, TPMS_QUOTE_INFO, TPMT_SIGNATURE, TPMA_OBJECT; Part 1: Names.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_QUOTE_H
#define AI_QUOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* An attestation key's public area (TPMT_PUBLIC), judged. */
struct ai_ak {
	uint16_t type;          /* TPM2_ALG_ECC or TPM2_ALG_RSA */
	uint16_t scheme, hash;  /* fixed by the key: ECDSA, RSASSA or RSAPSS; SHA256 or SHA384 */
	uint16_t curve;         /* ECC */
	uint16_t bits;          /* RSA */
	uint16_t name_alg;      /* of its Name; 0: the key is not from a public area, so attributes and fingerprint are not known */
	uint32_t attributes;    /* TPMA_OBJECT */
	struct ai_digest fingerprint; /* SHA-256 of the TPMT_PUBLIC: what --key and claims.ak name */
	void *pkey;             /* EVP_PKEY; ai_ak_done */
};

/*
 * Strict parse. AI_EINPUT: malformed. AI_ENO: a key, but not restricted, fixedTPM, fixedParent, sensitiveDataOrigin and for signing alone, or of
 * other algorithms than these.
 */
int ai_ak_parse(const uint8_t *p, size_t n, struct ai_ak *out, struct ai_err *err) AI_CHECKED;
/* As ai_ak_parse, but takes a key that signs or is named with SHA-1: for people who look at old quotes, never for a proof. */
int ai_ak_parse_sha1(const uint8_t *p, size_t n, struct ai_ak *out, struct ai_err *err) AI_CHECKED;
/*
 * The SHA-256 of its SubjectPublicKeyInfo: the key itself, whatever is said about it. Whoever holds a key can write another public area around it
 * (a quote signs none), and so give it another fingerprint; not another of these.
 */
int ai_ak_spki(const struct ai_ak *ak, struct ai_digest *out, struct ai_err *err) AI_CHECKED;
void ai_ak_done(struct ai_ak *ak);

/*
 * ai_ak_from_pem -- a key of which only its SubjectPublicKeyInfo is known: one "PUBLIC KEY" block and nothing else but white space.
 *   scheme, hash   what it signs with, which the caller has to know: the key does not say
 * Whether a TPM holds the key, and whether it signs what a TPM did not make, is not known: name_alg is 0. AI_EINPUT; AI_ENO as above.
 */
int ai_ak_from_pem(const char *text, size_t n, uint16_t scheme, uint16_t hash, bool allow_sha1, struct ai_ak *out, struct ai_err *err) AI_CHECKED;

/* A TPM2B_NAME's content: the algorithm's id and a digest by it. */
struct ai_name { uint8_t b[66]; size_t n; };

/* The Name of an object: its name algorithm, then the hash of its TPMT_PUBLIC (any object's, not only a key's that attests). AI_EINPUT. */
int ai_name_of(const uint8_t *public, size_t n, struct ai_name *out, struct ai_err *err) AI_CHECKED;
/* A qualified name: that of the parent hashed with the object's Name. A hierarchy's is its handle. False when name is none. */
bool ai_name_qualify(const void *parent, size_t n, const struct ai_name *name, struct ai_name *out);

struct ai_selection { uint16_t bank; uint32_t mask; };

enum { AI_MAX_SELECTIONS = 16 };

struct ai_quote {
	uint8_t extra[64]; size_t extra_len;
	uint8_t signer[68]; size_t signer_len;     /* qualifiedSigner */
	uint64_t clock; uint32_t reset_count, restart_count; bool safe;
	uint64_t firmware;
	uint16_t bank;                             /* hash algorithm of the one selected PCR bank (of several: the first) */
	uint32_t pcr_mask;                         /* bit i = PCR i, of that bank */
	struct ai_selection banks[AI_MAX_SELECTIONS]; size_t n_banks;
	uint8_t pcr_digest[64]; size_t pcr_digest_len;
};

/* TPMS_ATTEST of type ATTEST_QUOTE with TPM_GENERATED_VALUE, one bank selected, nothing after it. AI_EINPUT; AI_ENO for another magic or type. */
int ai_quote_parse(const uint8_t *p, size_t n, struct ai_quote *out, struct ai_err *err) AI_CHECKED;
/* As ai_quote_parse, of any number of banks, each at most once. */
int ai_quote_parse_banks(const uint8_t *p, size_t n, struct ai_quote *out, struct ai_err *err) AI_CHECKED;

/* Did this key sign these TPMS_ATTEST bytes? sig is a TPMT_SIGNATURE whose scheme and hash must be the key's. AI_ENO if not. */
int ai_quote_signature(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *sig, size_t sig_len,
	struct ai_err *err) AI_CHECKED;
/* The same for a bare signature: RSA's bytes; ECDSA's r and s in DER, or one after the other at the curve's full size. */
int ai_quote_signature_bare(const struct ai_ak *ak, const uint8_t *attest, size_t n, const uint8_t *sig, size_t sig_len,
	struct ai_err *err) AI_CHECKED;
/* Scheme and hash as a TPMT_SIGNATURE names them: for a key that does not say. AI_EINPUT when there are not even those. */
int ai_quote_signature_words(const uint8_t *sig, size_t sig_len, uint16_t *scheme, uint16_t *hash, struct ai_err *err) AI_CHECKED;

/* SHA-256 over the n presented PCR values (ascending index, those of mask) equals the quote's pcrDigest, and mask and bank its selection. AI_ENO if not. */
int ai_quote_pcrs(const struct ai_quote *q, const struct ai_digest *pcrs, uint32_t mask, struct ai_err *err) AI_CHECKED;
/*
 * ai_quote_values -- are these the values quoted? Any banks.
 *   hash      the signature's: pcrDigest is by it, whatever the bank
 *   values    those of the quote's selections, one after the other, ascending, each as long as its bank's digest
 * AI_ENO if not.
 */
int ai_quote_values(const struct ai_quote *q, uint16_t hash, const void *values, size_t n, struct ai_err *err) AI_CHECKED;
/* How many bytes those values are. */
size_t ai_quote_values_size(const struct ai_quote *q);

/* Is extraData these bytes, all of them? Takes the same time wherever they differ. */
bool ai_quote_extra_is(const struct ai_quote *q, const void *want, size_t n);

/*
 * ai_quote_hierarchy -- of which hierarchy does the quote's qualifiedSigner show the object with this Name to be a primary?
 * "endorsement", "owner", "platform" or "null"; NULL: of none, its parent is another object (or it is another object's quote).
 */
const char *ai_quote_hierarchy(const struct ai_quote *q, const struct ai_name *name);
/* The same where the parent is known, by its Name, and is a primary itself. */
const char *ai_quote_hierarchy_through(const struct ai_quote *q, const struct ai_name *parent, const struct ai_name *name);

/* "RSASSA", "RSAPSS", "ECDSA"; "SHA-1"…; NULL for what is not known. */
const char *ai_scheme_word(uint16_t scheme);
const char *ai_hash_word(uint16_t hash);

#endif
