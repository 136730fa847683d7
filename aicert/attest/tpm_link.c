/* tpm_link.c -- a connection to a TPM; see tpm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "attest/tpm_parts.h"
#include "base/err.h"

int
ai_tpm_rc(struct ai_err *err, uint32_t rc, const char *what)
{
	return ai_fail(err, AI_EENV, "%s: %s (0x%x)", what, Tss2_RC_Decode(rc), (unsigned)rc);
}

/*
 * TPM2_Startup(CLEAR), sent as bytes: through ESYS a TPM that is started already, which is
 * the common case, would make tss2 print an error to stderr.
 */
static int
startup(TSS2_TCTI_CONTEXT *tcti, struct ai_err *err)
{
	static const uint8_t command[] = { 0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0 };
	uint8_t answer[TPM2_MAX_RESPONSE_SIZE];
	size_t n = sizeof answer;
	TSS2_RC rc = Tss2_Tcti_Transmit(tcti, sizeof command, command);
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_Tcti_Receive(tcti, &n, answer, TSS2_TCTI_TIMEOUT_BLOCK);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "does not answer");
	if (n < 10)
		return ai_fail(err, AI_EENV, "TPM2_Startup: answer of %zu bytes, expected 10", n);
	rc = (TSS2_RC)answer[6] << 24 | (TSS2_RC)answer[7] << 16 | (TSS2_RC)answer[8] << 8 | answer[9];
	if (rc != TPM2_RC_SUCCESS && rc != TPM2_RC_INITIALIZE)
		return ai_tpm_rc(err, rc, "TPM2_Startup");
	return 0;
}

static int
begin(struct ai_tpm_link *link, struct ai_err *err)
{
	if (startup(link->tcti, err) < 0)
		return err->code;
	TSS2_RC rc = Esys_Initialize(&link->esys, link->tcti, NULL);
	return rc == TSS2_RC_SUCCESS ? 0 : ai_tpm_rc(err, rc, "ESYS");
}

int
ai_link_open(const char *tcti, struct ai_tpm_link *out, struct ai_err *err)
{
	struct ai_tpm_link link = { .loaded = true };
	TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti, &link.tcti);
	if (rc != TSS2_RC_SUCCESS)
		return ai_tpm_rc(err, rc, "cannot be reached");
	if (begin(&link, err) < 0) {
		ai_link_close(&link);
		return err->code;
	}
	*out = link;
	return 0;
}

int
ai_link_wrap(TSS2_TCTI_CONTEXT *tcti, struct ai_tpm_link *out, struct ai_err *err)
{
	struct ai_tpm_link link = { .tcti = tcti };
	if (begin(&link, err) < 0) {
		ai_link_close(&link);
		return err->code;
	}
	*out = link;
	return 0;
}

void
ai_link_close(struct ai_tpm_link *link)
{
	if (link->esys)
		Esys_Finalize(&link->esys);
	if (link->tcti && link->loaded)
		Tss2_TctiLdr_Finalize(&link->tcti);
	else
		Tss2_Tcti_Finalize(link->tcti);
	link->tcti = NULL;
}

int
ai_link_extend(struct ai_tpm_link *link, const struct ai_digest *digest, struct ai_err *err)
{
	TPML_DIGEST_VALUES values = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256 } } };
	memcpy(values.digests[0].digest.sha256, digest->b, sizeof digest->b);
	TSS2_RC rc = Esys_PCR_Extend(link->esys, ESYS_TR_PCR15, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &values);
	return rc == TSS2_RC_SUCCESS ? 0 : ai_tpm_rc(err, rc, "TPM2_PCR_Extend");
}

/* Moves what one TPM2_PCR_Read answered into out; takes it off *mask. */
static int
store_values(const TPML_PCR_SELECTION *got, const TPML_DIGEST *values, uint32_t *mask, struct ai_digest *out, struct ai_err *err)
{
	size_t n = 0;
	uint32_t bits = 0;
	if (got->count == 1 && got->pcrSelections[0].hash == TPM2_ALG_SHA256)
		bits = got->pcrSelections[0].pcrSelect[0] | (uint32_t)got->pcrSelections[0].pcrSelect[1] << 8;
	bits &= *mask;
	if (bits == 0)
		return ai_fail(err, AI_EENV, "the TPM has no SHA-256 bank of PCRs");
	for (unsigned i = 0; i < AI_N_PCRS; i++) {
		if (!(bits & 1u << i))
			continue;
		if (n >= values->count || values->digests[n].size != sizeof out->b)
			return ai_fail(err, AI_EENV, "TPM2_PCR_Read: the answer lacks PCR %u", i);
		memcpy(out[i].b, values->digests[n++].buffer, sizeof out->b);
	}
	*mask &= ~bits;
	return 0;
}

int
ai_link_pcrs(struct ai_tpm_link *link, uint32_t mask, struct ai_digest out[AI_N_PCRS], struct ai_err *err)
{
	/* One answer holds at most eight values. */
	while (mask) {
		TPML_PCR_SELECTION want = { .count = 1, .pcrSelections = { { TPM2_ALG_SHA256, 3, { (BYTE)mask, (BYTE)(mask >> 8), 0, 0 } } } };
		TPML_PCR_SELECTION *got = NULL;
		TPML_DIGEST *values = NULL;
		UINT32 counter;
		TSS2_RC rc = Esys_PCR_Read(link->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &want, &counter, &got, &values);
		if (rc != TSS2_RC_SUCCESS)
			return ai_tpm_rc(err, rc, "TPM2_PCR_Read");
		int r = store_values(got, values, &mask, out, err);
		Esys_Free(got);
		Esys_Free(values);
		if (r < 0)
			return r;
	}
	return 0;
}
