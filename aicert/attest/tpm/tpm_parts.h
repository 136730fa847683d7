/*
 * tpm_parts.h -- what the files of the TPM tell each other. Nobody else includes it.
 *
 * tss2's headers stay in tpm*.c, so its types are named here without them: an
 * ESYS_TR is a uint32_t, a TSS2_RC too.
 *
 * Depends on: base, runlog.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_TPM_PARTS_H
#define AI_TPM_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest/quote/quote.h"
#include "attest/runlog.h"
#include "attest/tpm/tpm.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"

struct ai_roots;
struct ESYS_CONTEXT;
struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB;

enum { AI_BANK_BYTES = 64, AI_TPM_PCRS = 24, AI_MAX_OBJECT = 2048 };

/* --- tpm_link.c: a connection, and the commands that need no key ----------- */

struct ai_tpm_link {
	struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *tcti;
	struct ESYS_CONTEXT *esys;
	bool loaded;   /* the tcti came from the loader, not from tpm_embedded.c */
};

/* AI_EENV with the decoded text of a TSS2_RC. */
int ai_tpm_rc(struct ai_err *err, uint32_t rc, const char *what);
/* Connects to the TPM that the TCTI names, and starts it if nobody has. */
int ai_link_open(const char *tcti, struct ai_tpm_link *out, struct ai_err *err) AI_CHECKED;
/* As ai_link_open over a TCTI that is ours; owns it from the call on, also on failure. */
int ai_link_wrap(struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *tcti, struct ai_tpm_link *out, struct ai_err *err) AI_CHECKED;
void ai_link_close(struct ai_tpm_link *link);
/* Extends digest into the SHA-256 bank of PCR 15. */
int ai_link_extend(struct ai_tpm_link *link, const struct ai_digest *digest, struct ai_err *err) AI_CHECKED;
/* Reads the PCRs of mask (bits 0-15) into out[their index]. */
int ai_link_pcrs(struct ai_tpm_link *link, uint32_t mask, struct ai_digest out[AI_N_PCRS], struct ai_err *err) AI_CHECKED;

/* A PCR's value in any bank. */
struct ai_tpm_pcr { uint8_t b[AI_BANK_BYTES]; size_t n; };
/* Reads the PCRs of mask (bits 0-23) of a bank into out[their index]. AI_EENV names the active banks when it is none of them. */
int ai_link_bank(struct ai_tpm_link *link, uint16_t bank, uint32_t mask, struct ai_tpm_pcr out[AI_TPM_PCRS], struct ai_err *err) AI_CHECKED;
/* The active banks: bank and the mask of its PCRs; at most 16. */
struct ai_tpm_bank { uint16_t bank; uint32_t mask; };
int ai_link_banks(struct ai_tpm_link *link, struct ai_tpm_bank out[16], size_t *n_out, struct ai_err *err) AI_CHECKED;
/* The handles in [first, last] that the TPM has, at most max. */
int ai_link_handles(struct ai_tpm_link *link, uint32_t first, uint32_t last, uint32_t *out, size_t max, size_t *n_out, struct ai_err *err) AI_CHECKED;
/* One of the TPM's fixed properties (TPM2_PT_…); 0 when it does not say. */
int ai_link_property(struct ai_tpm_link *link, uint32_t property, uint32_t *out, struct ai_err *err) AI_CHECKED;

/* --- tpm_nv.c: NV indices --------------------------------------------------- */

/* What the index holds, appended: 1; 0 there is no such index, or nobody wrote to it. Needs no password. */
int ai_nv_read(struct ai_tpm_link *link, uint32_t index, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* The certificate that the index holds, without what follows it: 1; 0 there is none; AI_EENV: it holds something else. */
int ai_nv_certificate(struct ai_tpm_link *link, uint32_t index, struct ai_buf *der, struct ai_err *err) AI_CHECKED;
/* Every certificate of the EK chain's range (0x01c00100-0x01c001ff), as base64 DER. What cannot be read is left out. */
int ai_nv_chain(struct ai_tpm_link *link, json_t **out, struct ai_err *err) AI_CHECKED;

/* --- tpm_ak.c: keys, and what is done with them ------------------------------ */

/* Where clouds put their keys: Azure's is a persistent handle, GCE's are templates; each with its certificate in NV. */
#define AI_AZURE_AK 0x81000003u
enum {
	AI_AZURE_CERTIFICATE = 0x01c101d0,
	AI_GCE_RSA_CERTIFICATE = 0x01c10000, AI_GCE_RSA_TEMPLATE, AI_GCE_ECC_CERTIFICATE, AI_GCE_ECC_TEMPLATE,
};

/* Where the attestation key comes from. */
typedef enum ai_ak_kind { AI_AK_OWN, AI_AK_AZURE, AI_AK_GCE } ai_ak_kind;
struct ai_ak_from { ai_ak_kind kind; bool rsa; };   /* rsa: which of two; Azure has one */

/* Makes the key (always the same one), or finds it, and leaves it loaded; its TPMT_PUBLIC is appended to out. */
int ai_tpm_ak_load(struct ai_tpm_link *link, const struct ai_ak_from *from, uint32_t *handle, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
void ai_tpm_ak_flush(struct ai_tpm_link *link, const struct ai_ak_from *from, uint32_t handle);
/* A primary key of the endorsement hierarchy from a TPMT_PUBLIC as template (what follows it is not looked at); `what` names it in errors. */
int ai_tpm_primary(struct ai_tpm_link *link, const void *template, size_t n, const char *what, uint32_t *handle, struct ai_buf *out,
	struct ai_err *err) AI_CHECKED;
void ai_tpm_flush(struct ai_tpm_link *link, uint32_t handle);
/* Quotes PCRs of one bank: TPMS_ATTEST and TPMT_SIGNATURE appended. extra: at most 64 bytes. */
int ai_tpm_ak_quote(struct ai_tpm_link *link, uint32_t handle, uint16_t bank, uint32_t mask, const void *extra, size_t extra_len,
	struct ai_buf *attest, struct ai_buf *signature, struct ai_err *err) AI_CHECKED;

/* --- tpm_cloud.c: keys that a cloud put into its vTPMs ------------------------ */

/*
 * ai_cloud_find -- a cloud's attestation key with its certificate: 1, *from and *der are set; 0 there is none.
 *   note   (appended) why one that seems to be there is not taken
 */
int ai_cloud_find(struct ai_tpm_link *link, bool prefer_rsa, struct ai_ak_from *from, struct ai_buf *der, struct ai_buf *note,
	struct ai_err *err) AI_CHECKED;
/* [{kind, where, certificate}] for ai_tpm_status: what of it is there, used or not. */
int ai_cloud_list(struct ai_tpm_link *link, json_t *list, struct ai_err *err) AI_CHECKED;

/* --- tpm_ek.c: the endorsement key --------------------------------------------- */

struct ai_ek_slot { const char *type; uint32_t certificate, nonce, template; };
/* The i-th place where an EK's certificate may be; NULL: no more. */
const struct ai_ek_slot *ai_ek_slot(size_t i);

/* --- tpm_certs.c: certificates as bytes; no TPM --------------------------------- */

/* How long the DER value at p is by its own word; 0: no SEQUENCE begins here, or it is cut. */
size_t ai_der_length(const uint8_t *p, size_t n);
/* Is it an X.509 certificate for this key (EVP_PKEY)? AI_ENO if not. */
int ai_tpm_cert_names(const void *der, size_t n, const void *pkey, struct ai_err *err) AI_CHECKED;
/* {subject, issuer, not_after} for people; new reference. */
int ai_tpm_cert_about(const void *der, size_t n, json_t **out, struct ai_err *err) AI_CHECKED;
/* Appends it as base64. */
int ai_tpm_certs_push(json_t *list, const void *der, size_t n, struct ai_err *err) AI_CHECKED;
/* Every certificate in what an address answered: DER, PEM, or PKCS#7 with certificates only; as base64 DER; new reference, may be empty. */
int ai_tpm_certs_in_answer(const void *p, size_t n, json_t **out, struct ai_err *err) AI_CHECKED;

/* Where issuers' certificates come from. */
struct ai_certs_from {
	const json_t *pool;          /* base64 DER; may be NULL */
	const char *dir;             /* answers are kept here, as issuer-<hash of the certificate asked for>.der */
	const struct ai_roots *roots; /* a chain that has reached one of these is complete */
	int (*issuer)(void *ctx, const char *url, struct ai_buf *out, struct ai_err *err); /* may be NULL */
	void *ctx;
};
/*
 * ai_certs_complete -- appends issuers to a list of certificates (leaf first) until one is self-signed, or an anchor.
 * Each must have signed the one before it. Bounded in number and in time. What is missing at the end stands in note.
 */
int ai_tpm_certs_complete(json_t *list, const struct ai_certs_from *from, struct ai_buf *note, struct ai_err *err) AI_CHECKED;

/* --- tpm_chain.c: the certificates of an open TPM's AK ---------------------------- */

/* Those that an attestation CA issued and ai_tpm_keep_certificates kept: 1, 0 there are none. */
int ai_tpm_kept(const struct ai_tpm *t, const struct ai_ak *ak, json_t **out, struct ai_err *err) AI_CHECKED;
/* Completes t->certificates, and lets go of what no verifier could check; t->note says so. */
int ai_tpm_complete(struct ai_tpm *t, const struct ai_ak *ak, struct ai_err *err) AI_CHECKED;

/* --- tpm_bootlog.c ------------------------------------------------------------------ */

#define AI_SECURITYFS "/sys/kernel/security"

/*
 * ai_boot_log_read -- the kernel's log of the boot of the TPM of that name, appended: 1; 0 there is none to be had.
 *   path       where it is or should be, fresh; NULL: the kernel does not drive this TPM, so it has no log on this machine
 *   note       why it cannot be had, fresh; "" when that is no news
 *   security   where securityfs is mounted
 */
int ai_boot_log_read(const char *security, const char *name, struct ai_buf *out, char **path, char **note, struct ai_err *err) AI_CHECKED;

/* --- tpm_embedded.c: libtpms in this process ------------------------------- */

/* Takes the lock of the folder's state, waiting for it. Close the descriptor to let go. */
int ai_embedded_lock(const char *dir, int *fd, struct ai_err *err) AI_CHECKED;
/* A fresh instance over the state in dir, which is made if there never was one. One per process at a time. */
int ai_embedded_open(const char *dir, struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB **out, struct ai_err *err) AI_CHECKED;

/* --- tpm_log.c: what PCR 15 was extended with ------------------------------ */

struct ai_pcr_log {
	struct ai_digest *d;
	size_t n, cap;
	int fd;        /* locked file; -1: only in memory */
};

/* Waits for the lock of an open file, unless the user interrupts. */
int ai_tpm_flock(int fd, const char *path, struct ai_err *err) AI_CHECKED;
/* The value of a PCR that started at zero and was extended with the first n digests. */
void ai_pcr_log_replay(const struct ai_pcr_log *log, size_t n, struct ai_digest *out);
/* Opens and locks the log that dir keeps of the TPM of that name. */
int ai_pcr_log_lock(const char *dir, const char *tpm, struct ai_pcr_log *log, struct ai_err *err) AI_CHECKED;
/* Reads it and makes it agree with the PCR's value; AI_EENV when it cannot. */
int ai_pcr_log_load(struct ai_pcr_log *log, const struct ai_digest *pcr, struct ai_err *err) AI_CHECKED;
/* Adds a digest that is about to be extended. */
int ai_pcr_log_append(struct ai_pcr_log *log, const struct ai_digest *digest, struct ai_err *err) AI_CHECKED;
void ai_pcr_log_unlock(struct ai_pcr_log *log);

/* --- tpm.c: an open TPM ------------------------------------------------------ */

/* One of this run's events, and where it stands in the log of PCR 15. */
struct ai_own_event { size_t at; json_t *event; };

/*
 * The embedded TPM is connected to from open to close, with its key loaded. Any other is connected to only within an
 * operation, under the lock of its log: a raw TPM takes one client at a time, and a training lasts for hours.
 */
struct ai_tpm {
	struct ai_tpm_options options;  /* its texts are not kept */
	char *name, *state, *dir;
	bool embedded, sealed, key_loaded;
	struct ai_tpm_link link;
	struct ai_ak_from from;
	uint32_t key;
	struct ai_buf public;
	json_t *certificates, *pool;    /* pool: what else of certificates the TPM holds */
	bool enrolled;
	struct ai_buf note;             /* of the certificates */
	char *boot_note, *trouble;      /* trouble: options.look: why no key could be had */
	struct ai_pcr_log log;
	struct ai_own_event *own;
	size_t n_own, cap_own;
};

/* Between begin and end the TPM is connected to, and nobody else of this folder uses it. end also undoes a begin that failed. */
int ai_tpm_begin(struct ai_tpm *t, struct ai_err *err) AI_CHECKED;
void ai_tpm_end(struct ai_tpm *t);
/* Within begin and end: loads the key; AI_EENV when it is another than at open. */
int ai_tpm_load_key(struct ai_tpm *t, struct ai_err *err) AI_CHECKED;
/* Appends a sentence, parted from the one before. */
void ai_tpm_say(struct ai_buf *note, const char *fmt, ...) AI_PRINTF(2, 3);

#endif
