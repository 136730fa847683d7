/*
 * tpm_ek.c -- the endorsement key: which, its certificate, and what it opens; see tpm_parts.h.
 *
 * Source: TCG EK Credential Profile 2.5: templates L-1, L-2 (annex B.3), H-1, H-2, H-3 (B.4); NV indices (2.2.1.4, 2.2.1.5); Part 3,
 * TPM2_ActivateCredential. SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include "attest/x509/roots.h"
#include "attest/tpm/tpm_parts.h"

/* The low range has templates and nonces of the maker's; the high range has its templates fixed. */
static const struct ai_ek_slot slots[] = {
	{ "RSA 2048", 0x01c00002, 0x01c00003, 0x01c00004 },
	{ "ECC P-256", 0x01c0000a, 0x01c0000b, 0x01c0000c },
	{ "RSA 2048", 0x01c00012, 0, 0 },
	{ "ECC P-256", 0x01c00014, 0, 0 },
	{ "ECC P-384", 0x01c00016, 0, 0 },
};
enum { N_SLOTS = sizeof slots / sizeof *slots, BY_DEFAULT = 1 };

/* PolicyA: PolicySecret(endorsement). PolicyB: PolicyA or the one of an NV index of the maker's. */
static const uint8_t policy_a[32] = {
	0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
	0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};
static const uint8_t policy_b256[32] = {
	0xca, 0x3d, 0x0a, 0x99, 0xa2, 0xb9, 0x39, 0x06, 0xf7, 0xa3, 0x34, 0x24, 0x14, 0xef, 0xcf, 0xb3,
	0xa3, 0x85, 0xd4, 0x4c, 0xd1, 0xfd, 0x45, 0x90, 0x89, 0xd1, 0x9b, 0x50, 0x71, 0xc0, 0xb7, 0xa0,
};
static const uint8_t policy_b384[48] = {
	0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a,
	0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca,
	0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12,
};

const struct ai_ek_slot *
ai_ek_slot(size_t i)
{
	return i < N_SLOTS ? &slots[i] : NULL;
}

/* --- templates ---------------------------------------------------------------- */

static void
set_policy(TPMT_PUBLIC *p, size_t slot)
{
	const uint8_t *policy = slot < 2 ? policy_a : slot == 4 ? policy_b384 : policy_b256;
	p->authPolicy.size = slot == 4 ? sizeof policy_b384 : sizeof policy_a;
	memcpy(p->authPolicy.buffer, policy, p->authPolicy.size);
}

static TPMT_PUBLIC
default_template(size_t slot)
{
	bool rsa = slot == 0 || slot == 2, low = slot < 2, p384 = slot == 4;
	TPMT_PUBLIC p = { .type = rsa ? TPM2_ALG_RSA : TPM2_ALG_ECC, .nameAlg = p384 ? TPM2_ALG_SHA384 : TPM2_ALG_SHA256 };
	p.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY
		| TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | (low ? 0 : TPMA_OBJECT_USERWITHAUTH);
	set_policy(&p, slot);
	TPMT_SYM_DEF_OBJECT symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = p384 ? 256 : 128, .mode.aes = TPM2_ALG_CFB };
	if (rsa) {
		p.parameters.rsaDetail.symmetric = symmetric;
		p.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
		p.parameters.rsaDetail.keyBits = 2048;
		p.unique.rsa.size = low ? 256 : 0;
	} else {
		p.parameters.eccDetail.symmetric = symmetric;
		p.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
		p.parameters.eccDetail.curveID = p384 ? TPM2_ECC_NIST_P384 : TPM2_ECC_NIST_P256;
		p.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
		p.unique.ecc.x.size = p.unique.ecc.y.size = low ? 32 : 0;
	}
	return p;
}

/* The maker's template, or the profile's, with the maker's nonce in it if there is one; marshalled. */
static int
get_template(struct ai_tpm_link *link, size_t slot, struct ai_buf *out, struct ai_err *err)
{
	const struct ai_ek_slot *s = &slots[slot];
	int r = s->template ? ai_nv_read(link, s->template, out, err) : 0;
	if (r != 0)
		return r;
	AI_BUF_AUTO nonce = AI_BUF(AI_MAX_CERT);
	TPMT_PUBLIC p = default_template(slot);
	r = s->nonce ? ai_nv_read(link, s->nonce, &nonce, err) : 0;
	if (r < 0)
		return r;
	size_t room = p.type == TPM2_ALG_RSA ? p.unique.rsa.size : p.unique.ecc.x.size;
	if (nonce.len > room)
		return ai_fail(err, AI_EENV, "NV %08x: nonce of %zu bytes, expected at most %zu", (unsigned)s->nonce, nonce.len, room);
	if (nonce.len)
		memcpy(p.type == TPM2_ALG_RSA ? p.unique.rsa.buffer : p.unique.ecc.x.buffer, nonce.data, nonce.len);
	uint8_t bytes[sizeof p];
	size_t n = 0;
	TSS2_RC rc = Tss2_MU_TPMT_PUBLIC_Marshal(&p, bytes, sizeof bytes, &n);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "template of the endorsement key");
	ai_buf_put(out, bytes, n);
	return ai_buf_ok(out, "template", err);
}

static int
load(struct ai_tpm_link *link, size_t slot, uint32_t *handle, struct ai_buf *public, struct ai_err *err)
{
	AI_BUF_AUTO template = AI_BUF(AI_MAX_CERT);
	if (get_template(link, slot, &template, err) < 0)
		return err->code;
	return ai_tpm_primary(link, template.data, template.len, "endorsement key", handle, public, err);
}

/* --- which one ------------------------------------------------------------------ */

/* The slot whose certificate there is, and it; or the default one, and no certificate. */
static int
choose(struct ai_tpm_link *link, size_t *slot, struct ai_buf *der, struct ai_err *err)
{
	for (size_t i = 0; i < N_SLOTS; i++) {
		struct ai_err why = { 0 };
		/* One that cannot be read is as good as none: there may be another. */
		if (ai_nv_certificate(link, slots[i].certificate, der, &why) == 1) {
			*slot = i;
			return 0;
		}
		if (why.code == AI_EINTR) {
			*err = why;
			return err->code;
		}
		ai_buf_clear(der);
	}
	*slot = BY_DEFAULT;
	return 0;
}

/* Within begin and end. */
static int
get_ek(struct ai_tpm *t, struct ai_buf *public, struct ai_buf *der, struct ai_err *err)
{
	size_t slot;
	uint32_t handle;
	if (choose(&t->link, &slot, der, err) < 0 || load(&t->link, slot, &handle, public, err) < 0)
		return err->code;
	ai_tpm_flush(&t->link, handle);
	return 0;
}

int
ai_tpm_ek(struct ai_tpm *t, struct ai_buf *public, json_t **certificates, struct ai_err *err)
{
	AI_BUF_AUTO key = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO note = AI_BUF(AI_MAX_QUOTE);
	AI_JSON *list = json_array();
	struct ai_roots *roots = NULL;
	if (!list)
		return ai_nomem(err);
	int r = ai_tpm_begin(t, err);
	if (r == 0)
		r = get_ek(t, &key, &der, err);
	ai_tpm_end(t);
	if (r == 0 && der.len > 0)
		r = ai_tpm_certs_push(list, der.data, der.len, err);
	if (r == 0)
		r = ai_roots_new(true, &roots, err);
	struct ai_certs_from from = { .pool = t->pool, .dir = t->dir, .roots = roots, .issuer = t->options.issuer, .ctx = t->options.ctx };
	if (r == 0)
		r = ai_tpm_certs_complete(list, &from, &note, err);
	ai_roots_free(roots);
	if (r < 0)
		return ai_in(err, "tpm: %s", t->name);
	ai_buf_put(public, key.data, key.len);
	if (ai_buf_ok(public, "endorsement key", err) < 0)
		return err->code;
	*certificates = json_incref(list);
	return 0;
}

/* --- what it opens ---------------------------------------------------------------- */

/* A session that has proven knowledge of the endorsement hierarchy's password, which is empty. */
static int
start_session(struct ai_tpm_link *link, uint16_t hash, ESYS_TR *out, struct ai_err *err)
{
	static const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
	ESYS_TR session = ESYS_TR_NONE;
	TSS2_RC rc = Esys_StartAuthSession(link->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
		TPM2_SE_POLICY, &none, hash, &session);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "TPM2_StartAuthSession");
	rc = Esys_PolicySecret(link->esys, ESYS_TR_RH_ENDORSEMENT, session, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0,
		NULL, NULL);
	if (rc != TSS2_RC_SUCCESS) {
		ai_tpm_flush(link, session);
		return ai_tpm_rc(err, rc, "TPM2_PolicySecret");
	}
	*out = session;
	return 0;
}

struct credential {
	TPM2B_ID_OBJECT object;
	TPM2B_ENCRYPTED_SECRET seed;
};

static int
parse_credential(const void *id_object, size_t id_len, const void *seed, size_t seed_len, struct credential *out, struct ai_err *err)
{
	size_t i = 0, s = 0;
	if (Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(id_object, id_len, &i, &out->object) != TSS2_RC_SUCCESS || i != id_len
		|| Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(seed, seed_len, &s, &out->seed) != TSS2_RC_SUCCESS || s != seed_len)
		return ai_fail(err, AI_EINPUT, "credential: malformed: expected a TPM2B_ID_OBJECT and a TPM2B_ENCRYPTED_SECRET");
	return 0;
}

/* The attributes and the name algorithm of a TPMT_PUBLIC of the TPM's own making. */
static int
rights(const struct ai_buf *public, uint32_t *attributes, uint16_t *hash, struct ai_err *err)
{
	TPMT_PUBLIC p;
	size_t at = 0;
	TSS2_RC rc = Tss2_MU_TPMT_PUBLIC_Unmarshal((const uint8_t *)public->data, public->len, &at, &p);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "public area");
	*attributes = p.objectAttributes;
	*hash = p.nameAlg;
	return 0;
}

static int
activate(struct ai_tpm *t, ESYS_TR ek, const struct ai_buf *public, const struct credential *c, struct ai_buf *secret, struct ai_err *err)
{
	ESYS_TR session = ESYS_TR_PASSWORD;
	TPM2B_DIGEST *info = NULL;
	uint32_t attributes = 0;
	uint16_t hash = 0;
	if (rights(public, &attributes, &hash, err) < 0)
		return err->code;
	bool by_policy = !(attributes & TPMA_OBJECT_USERWITHAUTH);
	if (by_policy && start_session(&t->link, hash, &session, err) < 0)
		return err->code;
	TSS2_RC rc = Esys_ActivateCredential(t->link.esys, t->key, ek, ESYS_TR_PASSWORD, session, ESYS_TR_NONE, &c->object, &c->seed, &info);
	/* ESYS asks for sessions that stay, and a TPM has room for few. */
	if (by_policy)
		ai_tpm_flush(&t->link, session);
	if (rc != TSS2_RC_SUCCESS) {
		ai_tpm_rc(err, rc, "TPM2_ActivateCredential");
		return ai_in(err, "the credential was made for another TPM, or for another attestation key");
	}
	ai_buf_put(secret, info->buffer, info->size);
	Esys_Free(info);
	return ai_buf_ok(secret, "secret", err);
}

/* Within begin and end. */
static int
open_credential(struct ai_tpm *t, const struct credential *c, struct ai_buf *secret, struct ai_err *err)
{
	AI_BUF_AUTO public = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	size_t slot;
	uint32_t ek;
	if (choose(&t->link, &slot, &der, err) < 0 || ai_tpm_load_key(t, err) < 0 || load(&t->link, slot, &ek, &public, err) < 0)
		return err->code;
	int r = activate(t, ek, &public, c, secret, err);
	ai_tpm_flush(&t->link, ek);
	return r;
}

int
ai_tpm_activate(struct ai_tpm *t, const void *id_object, size_t id_len, const void *seed, size_t seed_len, struct ai_buf *secret, struct ai_err *err)
{
	struct credential c = { .object = { 0 } };
	if (parse_credential(id_object, id_len, seed, seed_len, &c, err) < 0)
		return err->code;
	int r = ai_tpm_begin(t, err);
	if (r == 0)
		r = open_credential(t, &c, secret, err);
	ai_tpm_end(t);
	return r < 0 ? ai_in(err, "tpm: %s", t->name) : 0;
}
