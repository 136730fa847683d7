/* tpm_ak.c -- the attestation key, wherever it comes from, and quotes; see tpm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include "attest/tpm/tpm_parts.h"
#include "base/buf.h"

/*
 * A primary key of the endorsement hierarchy: made from the TPM's seed and this template alone, so it is the same on every
 * run and nothing needs to be kept. Changing a byte here changes every user's key. noDA: its password is empty, so there is
 * nothing to guess, and somebody else's lockout shall not stop us.
 */
static const TPMA_OBJECT attributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN
	| TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT;

static TPM2B_PUBLIC
template(bool rsa)
{
	TPM2B_PUBLIC t = { .publicArea = { .nameAlg = TPM2_ALG_SHA256, .objectAttributes = attributes } };
	TPMT_PUBLIC *p = &t.publicArea;
	p->type = rsa ? TPM2_ALG_RSA : TPM2_ALG_ECC;
	if (rsa) {
		p->parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
		p->parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
		p->parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
		p->parameters.rsaDetail.keyBits = 2048;
	} else {
		p->parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
		p->parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
		p->parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
		p->parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
		p->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
	}
	return t;
}

static int
create_failed(struct ai_err *err, TSS2_RC rc, const char *what)
{
	ai_tpm_rc(err, rc, "TPM2_CreatePrimary");
	ai_in(err, "cannot make the %s", what);
	if ((rc & ~0xfffu) != TSS2_TPM_RC_LAYER && (rc & ~0xfffu) != TSS2_RESMGR_TPM_RC_LAYER)
		return err->code;
	/* Format-one codes carry the number of the session or parameter beside the error. */
	TSS2_RC code = rc & TPM2_RC_FMT1 ? rc & (TPM2_RC_FMT1 | 0x3f) : rc & 0xfff;
	if (code == TPM2_RC_BAD_AUTH || code == TPM2_RC_AUTH_FAIL) {
		ai_in(err, "the endorsement hierarchy has a password, expected none");
		ai_hint(err, "clear it with 'tpm2_changeauth -c e -p OLD', or use '--tpm embedded'");
	} else if (code == TPM2_RC_HIERARCHY) {
		ai_in(err, "the endorsement hierarchy is disabled");
		ai_hint(err, "enable it in the firmware's settings, or use '--tpm embedded'");
	} else if (code == TPM2_RC_OBJECT_MEMORY) {
		ai_hint(err, "others left objects in the TPM: 'tpm2_flushcontext -t' removes them");
	}
	return err->code;
}

static int
marshal_public(const TPMT_PUBLIC *p, struct ai_buf *out, struct ai_err *err)
{
	uint8_t bytes[sizeof *p];
	size_t n = 0;
	TSS2_RC rc = Tss2_MU_TPMT_PUBLIC_Marshal(p, bytes, sizeof bytes, &n);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "public area");
	ai_buf_put(out, bytes, n);
	return ai_buf_ok(out, "public area", err);
}

static int
primary(struct ai_tpm_link *link, const TPM2B_PUBLIC *in, const char *what, uint32_t *handle, struct ai_buf *out, struct ai_err *err)
{
	static const TPM2B_SENSITIVE_CREATE no_secret;
	static const TPM2B_DATA no_info;
	static const TPML_PCR_SELECTION no_pcrs;
	TPM2B_PUBLIC *public = NULL;
	TPM2B_CREATION_DATA *data = NULL;
	TPM2B_DIGEST *hash = NULL;
	TPMT_TK_CREATION *ticket = NULL;
	ESYS_TR key = ESYS_TR_NONE;
	TSS2_RC rc = Esys_CreatePrimary(link->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret,
		in, &no_info, &no_pcrs, &key, &public, &data, &hash, &ticket);
	if (rc != TSS2_RC_SUCCESS)
		return create_failed(err, rc, what);
	int r = marshal_public(&public->publicArea, out, err);
	Esys_Free(public);
	Esys_Free(data);
	Esys_Free(hash);
	Esys_Free(ticket);
	if (r < 0)
		ai_tpm_flush(link, key);
	else
		*handle = key;
	return r;
}

int
ai_tpm_primary(struct ai_tpm_link *link, const void *bytes, size_t n, const char *what, uint32_t *handle, struct ai_buf *out, struct ai_err *err)
{
	TPM2B_PUBLIC in = { .size = 0 };
	size_t at = 0;
	TSS2_RC rc = Tss2_MU_TPMT_PUBLIC_Unmarshal(bytes, n, &at, &in.publicArea);
	if (rc != TSS2_RC_SUCCESS)
		return ai_fail(err, AI_EENV, "template of the %s: malformed", what);
	return primary(link, &in, what, handle, out, err);
}

void
ai_tpm_flush(struct ai_tpm_link *link, uint32_t handle)
{
	/* A failure leaves an object in the TPM until its resource manager or a reset removes it; there is no more to do here. */
	(void)Esys_FlushContext(link->esys, handle);
}

/* A key that stays in the TPM. */
static int
persistent(struct ai_tpm_link *link, uint32_t at, uint32_t *handle, struct ai_buf *out, struct ai_err *err)
{
	ESYS_TR key = ESYS_TR_NONE;
	TPM2B_PUBLIC *public = NULL;
	TPM2B_NAME *name = NULL, *qualified = NULL;
	TSS2_RC rc = Esys_TR_FromTPMPublic(link->esys, at, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &key);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "TPM2_ReadPublic");
	rc = Esys_ReadPublic(link->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, &name, &qualified);
	int r = rc == TSS2_RC_SUCCESS ? marshal_public(&public->publicArea, out, err) : ai_tpm_rc(err, rc, "TPM2_ReadPublic");
	Esys_Free(public);
	Esys_Free(name);
	Esys_Free(qualified);
	if (r < 0)
		(void)Esys_TR_Close(link->esys, &key);
	else
		*handle = key;
	return r;
}

static int
from_template(struct ai_tpm_link *link, uint32_t index, uint32_t *handle, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
	int r = ai_nv_read(link, index, &bytes, err);
	if (r == 0)
		return ai_fail(err, AI_EENV, "NV %08x: is not there, expected the template of the attestation key", (unsigned)index);
	return r < 0 ? r : ai_tpm_primary(link, bytes.data, bytes.len, "attestation key", handle, out, err);
}

int
ai_tpm_ak_load(struct ai_tpm_link *link, const struct ai_ak_from *from, uint32_t *handle, struct ai_buf *out, struct ai_err *err)
{
	if (from->kind == AI_AK_AZURE)
		return persistent(link, AI_AZURE_AK, handle, out, err);
	if (from->kind == AI_AK_GCE)
		return from_template(link, from->rsa ? AI_GCE_RSA_TEMPLATE : AI_GCE_ECC_TEMPLATE, handle, out, err);
	TPM2B_PUBLIC own = template(from->rsa);
	return primary(link, &own, "attestation key", handle, out, err);
}

void
ai_tpm_ak_flush(struct ai_tpm_link *link, const struct ai_ak_from *from, uint32_t handle)
{
	if (from->kind == AI_AK_AZURE)
		(void)Esys_TR_Close(link->esys, &handle); /* the key stays in the TPM */
	else
		ai_tpm_flush(link, handle);
}

int
ai_tpm_ak_quote(struct ai_tpm_link *link, uint32_t handle, uint16_t bank, uint32_t mask, const void *extra, size_t extra_len,
	struct ai_buf *attest, struct ai_buf *signature, struct ai_err *err)
{
	TPM2B_DATA data = { .size = (UINT16)extra_len };
	if (extra_len > sizeof data.buffer)
		return ai_fail(err, AI_EUSAGE, "extraData: got %zu bytes, expected at most %zu", extra_len, sizeof data.buffer);
	if (extra_len)
		memcpy(data.buffer, extra, extra_len);
	TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL }; /* the key's own */
	TPML_PCR_SELECTION pcrs = { .count = 1, .pcrSelections = { { bank, 3, { (BYTE)mask, (BYTE)(mask >> 8), (BYTE)(mask >> 16), 0 } } } };
	TPM2B_ATTEST *quoted = NULL;
	TPMT_SIGNATURE *signed_ = NULL;
	uint8_t bytes[sizeof *signed_];
	size_t n = 0;
	TSS2_RC rc = Esys_Quote(link->esys, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, &scheme, &pcrs, &quoted,
		&signed_);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "TPM2_Quote");
	rc = Tss2_MU_TPMT_SIGNATURE_Marshal(signed_, bytes, sizeof bytes, &n);
	ai_buf_put(attest, quoted->attestationData, quoted->size);
	ai_buf_put(signature, bytes, rc == TSS2_RC_SUCCESS ? n : 0);
	Esys_Free(quoted);
	Esys_Free(signed_);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "signature");
	return ai_buf_ok(attest, "quote", err) < 0 ? err->code : ai_buf_ok(signature, "signature", err);
}
