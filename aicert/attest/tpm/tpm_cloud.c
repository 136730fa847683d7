/* tpm_cloud.c -- attestation keys that a cloud put into its vTPMs; see tpm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "attest/tpm/tpm_parts.h"

/*
 * Azure: "Trusted Launch" vTPMs; a persistent key, and its certificate in an area larger than it.
 * GCE: Shielded VMs; the template is a TPMT_PUBLIC, the key a primary one of the endorsement hierarchy (go-tpm-tools, client/keys.go).
 */
static const struct place {
	struct ai_ak_from from;
	uint32_t key, certificate;   /* a persistent handle, or the NV index of a template */
} places[] = {
	{ { AI_AK_AZURE, true }, AI_AZURE_AK, AI_AZURE_CERTIFICATE },
	{ { AI_AK_GCE, false }, AI_GCE_ECC_TEMPLATE, AI_GCE_ECC_CERTIFICATE },
	{ { AI_AK_GCE, true }, AI_GCE_RSA_TEMPLATE, AI_GCE_RSA_CERTIFICATE },
};
enum { N_PLACES = sizeof places / sizeof *places };

static const char *
word(const struct place *p)
{
	return p->from.kind == AI_AK_AZURE ? "azure" : "gce";
}

/* Is the handle or index in use? */
static int
there(struct ai_tpm_link *link, uint32_t handle, struct ai_err *err)
{
	uint32_t found;
	size_t n;
	return ai_link_handles(link, handle, handle, &found, 1, &n, err) < 0 ? err->code : n > 0;
}

/* Is it a key that a verifier would take, and does the certificate name it? */
static int
judge(struct ai_tpm_link *link, const struct place *p, const struct ai_buf *der, struct ai_err *err)
{
	AI_BUF_AUTO public = AI_BUF(AI_MAX_QUOTE);
	struct ai_ak ak;
	uint32_t handle;
	if (ai_tpm_ak_load(link, &p->from, &handle, &public, err) < 0)
		return err->code;
	ai_tpm_ak_flush(link, &p->from, handle);
	if (ai_ak_parse((const uint8_t *)public.data, public.len, &ak, err) < 0)
		return err->code;
	int r = ai_tpm_cert_names(der->data, der->len, ak.pkey, err);
	ai_ak_done(&ak);
	return r < 0 ? ai_in(err, "NV %08x", (unsigned)p->certificate) : 0;
}

/* 1 it can be used, *der is its certificate; 0 not, and note says why if there is anything to be said. */
static int
look(struct ai_tpm_link *link, const struct place *p, struct ai_buf *der, struct ai_buf *note, struct ai_err *err)
{
	int key = there(link, p->key, err), certificate = key < 0 ? key : there(link, p->certificate, err);
	if (certificate < 0)
		return certificate;
	/* A persistent handle alone may be anybody's. */
	if (!certificate && (!key || p->from.kind == AI_AK_AZURE))
		return 0;
	struct ai_err why = { 0 };
	int r = !key ? ai_fail(&why, AI_EENV, "%08x: is not there", (unsigned)p->key) : ai_nv_certificate(link, p->certificate, der, &why);
	if (r == 0)
		r = ai_fail(&why, AI_EENV, "NV %08x: there is no certificate", (unsigned)p->certificate);
	if (r == 1 && judge(link, p, der, &why) == 0)
		return 1;
	ai_buf_clear(der);
	ai_tpm_say(note, "the %s key of this vTPM is not used: %s", p->from.kind == AI_AK_AZURE ? "Azure" : "GCE", why.text);
	return 0;
}

int
ai_cloud_find(struct ai_tpm_link *link, bool prefer_rsa, struct ai_ak_from *from, struct ai_buf *der, struct ai_buf *note, struct ai_err *err)
{
	AI_BUF_AUTO said = AI_BUF(note->max);
	for (size_t i = 0; i < N_PLACES; i++) {
		const struct place *p = &places[i == 0 || !prefer_rsa ? i : N_PLACES - i];
		int r = look(link, p, der, &said, err);
		if (r < 0)
			return r;
		if (r == 1) {
			*from = p->from;
			return 1;
		}
	}
	/* Of a vTPM whose other key is good there is nothing to complain of. */
	if (said.len)
		ai_tpm_say(note, "%s", said.data);
	return 0;
}

int
ai_cloud_list(struct ai_tpm_link *link, json_t *list, struct ai_err *err)
{
	for (size_t i = 0; i < N_PLACES; i++) {
		const struct place *p = &places[i];
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		AI_BUF_AUTO note = AI_BUF(AI_MAX_QUOTE);
		AI_JSON *about = NULL;
		struct ai_err ignored = { 0 };
		AI_FREE char *where = ai_format(p->from.kind == AI_AK_AZURE ? "%08x, certificate in NV %08x" : "template in NV %08x, certificate in NV %08x",
			(unsigned)p->key, (unsigned)p->certificate);
		int r = look(link, p, &der, &note, err);
		if (r < 0)
			return r;
		if (r == 0 && note.len == 0)
			continue;
		if (der.len && ai_tpm_cert_about(der.data, der.len, &about, &ignored) < 0)
			about = NULL;
		if (json_array_append_new(list, json_pack("{s:s, s:s, s:O*, s:s*}", "kind", word(p), "where", where, "certificate", about,
				"trouble", note.len ? note.data : NULL)) < 0)
			return ai_nomem(err);
	}
	return 0;
}
