/* tpm_link.c -- a connection to a TPM; see tpm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "attest/eventlog/eventlog.h"
#include "attest/tpm/tpm_parts.h"
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

/* --- what the TPM says of itself -------------------------------------------- */

static int
capability(struct ai_tpm_link *link, uint32_t what, uint32_t first, uint32_t count, TPMS_CAPABILITY_DATA **out, bool *more, struct ai_err *err)
{
	TPMI_YES_NO rest = TPM2_NO;
	TSS2_RC rc = Esys_GetCapability(link->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, what, first, count, &rest, out);
	*more = rest == TPM2_YES;
	return rc == TSS2_RC_SUCCESS ? 0 : ai_tpm_rc(err, rc, "TPM2_GetCapability");
}

int
ai_link_property(struct ai_tpm_link *link, uint32_t property, uint32_t *out, struct ai_err *err)
{
	TPMS_CAPABILITY_DATA *data = NULL;
	bool more;
	if (capability(link, TPM2_CAP_TPM_PROPERTIES, property, 1, &data, &more, err) < 0)
		return err->code;
	const TPML_TAGGED_TPM_PROPERTY *p = &data->data.tpmProperties;
	*out = p->count >= 1 && p->tpmProperty[0].property == property ? p->tpmProperty[0].value : 0;
	Esys_Free(data);
	return 0;
}

int
ai_link_handles(struct ai_tpm_link *link, uint32_t first, uint32_t last, uint32_t *out, size_t max, size_t *n_out, struct ai_err *err)
{
	size_t n = 0;
	bool more = true;
	while (more && n < max && first <= last) {
		TPMS_CAPABILITY_DATA *data = NULL;
		if (capability(link, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &data, &more, err) < 0)
			return err->code;
		const TPML_HANDLE *h = &data->data.handles;
		more = more && h->count > 0;
		for (UINT32 i = 0; i < h->count && h->count <= TPM2_MAX_CAP_HANDLES; i++) {
			/* A TPM that answers with a handle below what was asked for would keep us here. */
			more = more && h->handle[i] >= first && h->handle[i] < last;
			if (h->handle[i] >= first && h->handle[i] <= last && n < max)
				out[n++] = h->handle[i];
		}
		if (more)
			first = h->handle[h->count - 1] + 1;
		Esys_Free(data);
	}
	*n_out = n;
	return 0;
}

static uint32_t
selected(const TPMS_PCR_SELECTION *s)
{
	uint32_t mask = 0;
	for (size_t i = 0; i < s->sizeofSelect && i < 3; i++)
		mask |= (uint32_t)s->pcrSelect[i] << (8 * i);
	return mask;
}

int
ai_link_banks(struct ai_tpm_link *link, struct ai_tpm_bank out[16], size_t *n_out, struct ai_err *err)
{
	TPMS_CAPABILITY_DATA *data = NULL;
	bool more;
	size_t n = 0;
	if (capability(link, TPM2_CAP_PCRS, 0, 1, &data, &more, err) < 0)
		return err->code;
	const TPML_PCR_SELECTION *p = &data->data.assignedPCR;
	for (UINT32 i = 0; i < p->count && i < TPM2_NUM_PCR_BANKS; i++) {
		struct ai_tpm_bank b = { p->pcrSelections[i].hash, selected(&p->pcrSelections[i]) };
		if (b.mask != 0 && n < 16)
			out[n++] = b;
	}
	*n_out = n;
	Esys_Free(data);
	return 0;
}

/* --- PCRs -------------------------------------------------------------------- */

int
ai_link_extend(struct ai_tpm_link *link, const struct ai_digest *digest, struct ai_err *err)
{
	TPML_DIGEST_VALUES values = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256 } } };
	memcpy(values.digests[0].digest.sha256, digest->b, sizeof digest->b);
	TSS2_RC rc = Esys_PCR_Extend(link->esys, ESYS_TR_PCR15, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &values);
	return rc == TSS2_RC_SUCCESS ? 0 : ai_tpm_rc(err, rc, "TPM2_PCR_Extend");
}

static int
no_bank(struct ai_tpm_link *link, uint16_t bank, struct ai_err *err)
{
	struct ai_tpm_bank banks[16];
	AI_BUF_AUTO names = AI_BUF(1024);
	char other[8];
	size_t n;
	if (ai_link_banks(link, banks, &n, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		const char *word = ai_bank_word(banks[i].bank);
		snprintf(other, sizeof other, "0x%04x", banks[i].bank);
		ai_buf_printf(&names, "%s%s", i ? ", " : "", word ? word : other);
	}
	if (ai_buf_ok(&names, "banks", err) < 0)
		return err->code;
	const char *word = ai_bank_word(bank);
	ai_fail(err, AI_EENV, "the PCR bank %s is not active: active are: %s", word ? word : "asked for", n ? names.data : "none");
	if (bank == TPM2_ALG_SHA256)
		ai_hint(err, "proofs are over SHA-256: switch it on in the firmware's settings, or with 'tpm2_pcrallocate sha256:all' and a reboot");
	return err->code;
}

/* Moves what one TPM2_PCR_Read answered into out; takes it off *mask. AI_ENO: it answered nothing. */
static int
store_values(const TPML_PCR_SELECTION *got, const TPML_DIGEST *values, uint16_t bank, uint32_t *mask, struct ai_tpm_pcr *out, struct ai_err *err)
{
	size_t n = 0;
	uint32_t bits = got->count == 1 && got->pcrSelections[0].hash == bank ? selected(&got->pcrSelections[0]) & *mask : 0;
	if (bits == 0)
		return ai_fail(err, AI_ENO, "TPM2_PCR_Read: no value");
	for (unsigned i = 0; i < AI_TPM_PCRS; i++) {
		if (!(bits & 1u << i))
			continue;
		if (n >= values->count || values->digests[n].size == 0 || values->digests[n].size > AI_BANK_BYTES)
			return ai_fail(err, AI_EENV, "TPM2_PCR_Read: the answer lacks PCR %u", i);
		out[i].n = values->digests[n].size;
		memcpy(out[i].b, values->digests[n++].buffer, out[i].n);
	}
	*mask &= ~bits;
	return 0;
}

int
ai_link_bank(struct ai_tpm_link *link, uint16_t bank, uint32_t mask, struct ai_tpm_pcr out[AI_TPM_PCRS], struct ai_err *err)
{
	/* One answer holds at most eight values. */
	while (mask) {
		TPML_PCR_SELECTION want = { .count = 1, .pcrSelections = { { bank, 3, { (BYTE)mask, (BYTE)(mask >> 8), (BYTE)(mask >> 16), 0 } } } };
		TPML_PCR_SELECTION *got = NULL;
		TPML_DIGEST *values = NULL;
		UINT32 counter;
		TSS2_RC rc = Esys_PCR_Read(link->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &want, &counter, &got, &values);
		/* A hash that the TPM does not even know. */
		if (rc != TSS2_RC_SUCCESS && (rc & (TPM2_RC_FMT1 | 0x3f)) == TPM2_RC_HASH)
			return no_bank(link, bank, err);
		if (rc != TSS2_RC_SUCCESS)
			return ai_tpm_rc(err, rc, "TPM2_PCR_Read");
		int r = store_values(got, values, bank, &mask, out, err);
		Esys_Free(got);
		Esys_Free(values);
		if (r == AI_ENO)
			return no_bank(link, bank, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int
ai_link_pcrs(struct ai_tpm_link *link, uint32_t mask, struct ai_digest out[AI_N_PCRS], struct ai_err *err)
{
	struct ai_tpm_pcr pcrs[AI_TPM_PCRS];
	if (ai_link_bank(link, TPM2_ALG_SHA256, mask, pcrs, err) < 0)
		return err->code;
	for (unsigned i = 0; i < AI_N_PCRS; i++) {
		if (!(mask & 1u << i))
			continue;
		if (pcrs[i].n != sizeof out->b)
			return ai_fail(err, AI_EENV, "TPM2_PCR_Read: PCR %u of %zu bytes, expected 32", i, pcrs[i].n);
		memcpy(out[i].b, pcrs[i].b, sizeof out->b);
	}
	return 0;
}
