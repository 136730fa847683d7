/* tpm_nv.c -- what makers and clouds wrote into a TPM: certificates, templates; see tpm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <tss2/tss2_esys.h>

#include "attest/tpm/tpm_parts.h"

enum {
	CHUNK = 512,  /* every TPM 2.0 reads so much at once (PC Client Platform TPM Profile: at least 768) */
	CHAIN_FIRST = 0x01c00100, CHAIN_LAST = 0x01c001ff, /* TCG EK Credential Profile, 2.2.1.5.2 */
	MAX_CHAIN = 16,
};

static int
read_chunks(struct ai_tpm_link *link, ESYS_TR nv, ESYS_TR auth, size_t size, struct ai_buf *out, struct ai_err *err)
{
	for (size_t at = 0; at < size;) {
		TPM2B_MAX_NV_BUFFER *part = NULL;
		size_t n = size - at < CHUNK ? size - at : CHUNK;
		TSS2_RC rc = Esys_NV_Read(link->esys, auth, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, (UINT16)n, (UINT16)at, &part);
		if (rc != TSS2_RC_SUCCESS)
			return ai_tpm_rc(err, rc, "TPM2_NV_Read");
		bool whole = part->size == n;
		ai_buf_put(out, part->buffer, part->size);
		Esys_Free(part);
		if (!whole)
			return ai_fail(err, AI_EENV, "TPM2_NV_Read: fewer bytes than asked for");
		at += n;
	}
	return 0;
}

/* 1 read, 0 nobody wrote to it. */
static int
read_index(struct ai_tpm_link *link, ESYS_TR nv, struct ai_buf *out, struct ai_err *err)
{
	TPM2B_NV_PUBLIC *public = NULL;
	TPM2B_NAME *name = NULL;
	TSS2_RC rc = Esys_NV_ReadPublic(link->esys, nv, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, &name);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "TPM2_NV_ReadPublic");
	TPMA_NV attributes = public->nvPublic.attributes;
	size_t size = public->nvPublic.dataSize;
	Esys_Free(public);
	Esys_Free(name);
	if (!(attributes & TPMA_NV_WRITTEN))
		return 0;
	/* With its own authorization, which is empty for what is for everybody to read; else with the owner's. */
	if (attributes & TPMA_NV_AUTHREAD)
		return read_chunks(link, nv, nv, size, out, err) < 0 ? err->code : 1;
	if (attributes & TPMA_NV_OWNERREAD)
		return read_chunks(link, nv, ESYS_TR_RH_OWNER, size, out, err) < 0 ? err->code : 1;
	return ai_fail(err, AI_EENV, "is not for users to read (attributes %08x)", (unsigned)attributes);
}

int
ai_nv_read(struct ai_tpm_link *link, uint32_t index, struct ai_buf *out, struct ai_err *err)
{
	uint32_t found;
	size_t n;
	ESYS_TR nv;
	/* Asked first: tss2 would print an error of its own for an index that is not there, which is the common case. */
	if (ai_link_handles(link, index, index, &found, 1, &n, err) < 0)
		return err->code;
	if (n == 0)
		return 0;
	TSS2_RC rc = Esys_TR_FromTPMPublic(link->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &nv);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "TPM2_NV_ReadPublic");
	int r = read_index(link, nv, out, err);
	(void)Esys_TR_Close(link->esys, &nv); /* forgets what this process knows of it; the TPM has no part in it */
	if (r == 1 && ai_buf_ok(out, "NV index", err) < 0)
		r = err->code;
	return r < 0 ? ai_in(err, "NV %08x", (unsigned)index) : r;
}

int
ai_nv_certificate(struct ai_tpm_link *link, uint32_t index, struct ai_buf *der, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
	int r = ai_nv_read(link, index, &bytes, err);
	if (r <= 0)
		return r;
	/* The area is often larger than the certificate, and filled up with zeros, or with what a longer one left behind. */
	size_t n = ai_der_length((const uint8_t *)bytes.data, bytes.len);
	if (n == 0)
		return ai_fail(err, AI_EENV, "NV %08x: %zu bytes that are no certificate", (unsigned)index, bytes.len);
	ai_buf_put(der, bytes.data, n);
	return ai_buf_ok(der, "certificate", err) < 0 ? err->code : 1;
}

int
ai_nv_chain(struct ai_tpm_link *link, json_t **out, struct ai_err *err)
{
	uint32_t at[MAX_CHAIN];
	size_t n;
	AI_JSON *list = json_array();
	if (!list)
		return ai_nomem(err);
	if (ai_link_handles(link, CHAIN_FIRST, CHAIN_LAST, at, MAX_CHAIN, &n, err) < 0)
		return err->code;
	/* A certificate may be split over neighbouring indices, and an index may hold several. */
	AI_BUF_AUTO bytes = AI_BUF(MAX_CHAIN * (size_t)AI_MAX_CERT);
	for (size_t i = 0; i < n; i++) {
		struct ai_err ignored = { 0 };
		if (ai_nv_read(link, at[i], &bytes, &ignored) < 0)
			continue;
	}
	for (size_t from = 0, len; from < bytes.len; from += len) {
		const uint8_t *p = (const uint8_t *)bytes.data + from;
		len = ai_der_length(p, bytes.len - from);
		if (len == 0)
			len = 1; /* filling */
		else if (ai_tpm_certs_push(list, p, len, err) < 0)
			return err->code;
	}
	*out = json_incref(list);
	return 0;
}
