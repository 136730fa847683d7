/* tpm_ak.c -- the attestation key; see tpm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include "attest/tpm_parts.h"
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
create_failed(struct ai_err *err, TSS2_RC rc)
{
	ai_tpm_rc(err, rc, "cannot make the attestation key");
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

int
ai_tpm_ak_load(struct ai_tpm_link *link, bool rsa, uint32_t *handle, struct ai_buf *out, struct ai_err *err)
{
	static const TPM2B_SENSITIVE_CREATE no_secret;
	static const TPM2B_DATA no_info;
	static const TPML_PCR_SELECTION no_pcrs;
	TPM2B_PUBLIC in = template(rsa);
	TPM2B_PUBLIC *public = NULL;
	TPM2B_CREATION_DATA *data = NULL;
	TPM2B_DIGEST *hash = NULL;
	TPMT_TK_CREATION *ticket = NULL;
	ESYS_TR key = ESYS_TR_NONE;
	TSS2_RC rc = Esys_CreatePrimary(link->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret,
		&in, &no_info, &no_pcrs, &key, &public, &data, &hash, &ticket);
	if (rc != TSS2_RC_SUCCESS)
		return create_failed(err, rc);
	int r = marshal_public(&public->publicArea, out, err);
	Esys_Free(public);
	Esys_Free(data);
	Esys_Free(hash);
	Esys_Free(ticket);
	if (r < 0)
		ai_tpm_ak_flush(link, key);
	else
		*handle = key;
	return r;
}

void
ai_tpm_ak_flush(struct ai_tpm_link *link, uint32_t handle)
{
	/* A failure leaves an object in the TPM until its resource manager or a reset removes it; there is no more to do here. */
	(void)Esys_FlushContext(link->esys, handle);
}

int
ai_tpm_ak_quote(struct ai_tpm_link *link, uint32_t handle, const struct ai_digest *extra, struct ai_buf *attest,
	struct ai_buf *signature, struct ai_err *err)
{
	TPM2B_DATA data = { .size = sizeof extra->b };
	memcpy(data.buffer, extra->b, sizeof extra->b);
	TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL }; /* the key's own */
	TPML_PCR_SELECTION pcrs = { .count = 1, .pcrSelections = { { TPM2_ALG_SHA256, 3, { 0xff, 0xff, 0, 0 } } } };
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
