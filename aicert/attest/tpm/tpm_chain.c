/* tpm_chain.c -- the certificates of an open TPM's attestation key; see tpm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "attest/x509/chain.h"
#include "attest/x509/roots.h"
#include "attest/tpm/tpm_parts.h"
#include "base/fs.h"
#include "base/when.h"

enum { MAX_KEPT = 1 << 20 };

static void free_roots(struct ai_roots **r) { ai_roots_free(*r); }
#define ROOTS_AUTO __attribute__((cleanup(free_roots))) struct ai_roots

/* Where the certificates of this key are kept: fresh. */
static char *
kept_path(const struct ai_tpm *t)
{
	struct ai_digest d;
	char hex[AI_HEX];
	ai_sha256(t->public.data, t->public.len, &d);
	ai_hex(&d, hex);
	return ai_format("%s/ak-%s.json", t->dir, hex);
}

int
ai_tpm_kept(const struct ai_tpm *t, const struct ai_ak *ak, json_t **out, struct ai_err *err)
{
	AI_FREE char *path = kept_path(t);
	AI_BUF_AUTO text = AI_BUF(MAX_KEPT);
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_JSON *file = NULL;
	if (!path)
		return ai_nomem(err);
	int r = ai_read_file_if(AT_FDCWD, path, &text, err);
	if (r == 0)
		return 0;
	if (r < 0 || ai_json_parse(text.data, text.len, path, &file, err) < 0)
		return err->code = AI_EENV;
	json_t *list = ai_json_arr(file, "certificates");
	const json_t *leaf = json_array_get(list, 0);
	bool good = leaf && json_is_string(leaf) && ai_b64_get(json_string_value(leaf), json_string_length(leaf), &der, err) == 0;
	if (!good || ai_tpm_cert_names(der.data, der.len, ak->pkey, err) < 0) {
		ai_fail(err, AI_EENV, "%s: is damaged: its first certificate is not the attestation key's", path);
		return ai_hint(err, "remove it, and enroll again");
	}
	*out = json_incref(list);
	return 1;
}

/* Says so when the verifiers of today would find them too old. */
static void
say_if_expired(struct ai_tpm *t, const struct ai_chain *c)
{
	char when[AI_WHEN_TEXT];
	if (c->not_after >= time(NULL))
		return;
	ai_when_text(c->not_after, when);
	ai_tpm_say(&t->note, "the attestation key's certificates were valid until %s", when);
}

static struct ai_certs_from
sources(const struct ai_tpm *t, const struct ai_roots *roots)
{
	return (struct ai_certs_from){ .pool = t->pool, .dir = t->dir, .roots = roots, .issuer = t->options.issuer, .ctx = t->options.ctx };
}

int
ai_tpm_complete(struct ai_tpm *t, const struct ai_ak *ak, struct ai_err *err)
{
	ROOTS_AUTO *roots = NULL;
	struct ai_chain chain;
	struct ai_err why = { 0 };
	AI_BUF_AUTO missing = AI_BUF(AI_MAX_QUOTE);
	if (json_array_size(t->certificates) == 0)
		return 0;
	if (ai_roots_new(true, &roots, err) < 0)
		return err->code;
	struct ai_certs_from from = sources(t, roots);
	if (ai_tpm_certs_complete(t->certificates, &from, &missing, err) < 0)
		return err->code;
	/* Who asks no address does not miss what it would have answered. */
	if (missing.len && from.issuer)
		ai_tpm_say(&t->note, "%s", missing.data);
	if (ai_chain_check(t->certificates, ak, roots, &chain, &why) == 0) {
		say_if_expired(t, &chain);
		ai_chain_done(&chain);
		return 0;
	}
	if (t->options.look)
		return 0;
	/* A proof with certificates that nobody can check is refused whole; without them it is worth what its key is worth. */
	if (missing.len == 0 || !from.issuer)
		ai_tpm_say(&t->note, "%s", why.text);
	ai_tpm_say(&t->note, "so the attestation key's certificates are left out of the proof, which can reach level software at most");
	return json_array_clear(t->certificates) < 0 ? ai_nomem(err) : 0;
}

int
ai_tpm_judge_certificates(const struct ai_tpm *t, const json_t *certificates, json_t **chain_out, struct ai_err *err)
{
	ROOTS_AUTO *roots = NULL;
	struct ai_ak ak;
	struct ai_chain chain;
	AI_JSON *list = json_deep_copy(certificates);
	AI_BUF_AUTO note = AI_BUF(AI_MAX_QUOTE);
	if (!list)
		return ai_nomem(err);
	if (ai_roots_new(true, &roots, err) < 0 || ai_ak_parse((const uint8_t *)t->public.data, t->public.len, &ak, err) < 0)
		return err->code;
	struct ai_certs_from from = sources(t, roots);
	int r = json_is_array(list) ? ai_tpm_certs_complete(list, &from, &note, err) : 0;
	if (r == 0)
		r = ai_chain_check(list, &ak, roots, &chain, err);
	ai_ak_done(&ak);
	if (r < 0)
		return note.len ? ai_in(err, "%s", note.data) : r;
	ai_chain_done(&chain);
	*chain_out = json_incref(list);
	return 0;
}

int
ai_tpm_take_certificates(struct ai_tpm *t, const json_t *chain, struct ai_err *err)
{
	AI_JSON *list = json_deep_copy(chain);
	AI_JSON *file = json_pack("{s:O}", "certificates", list);
	AI_BUF_AUTO text = AI_BUF(MAX_KEPT);
	AI_FREE char *path = kept_path(t);
	if (!file || !path)
		return ai_nomem(err);
	if (ai_json_pretty(file, &text, err) < 0 || ai_write_file(AT_FDCWD, path, text.data, text.len, 0600, err) < 0)
		return err->code;
	json_decref(t->certificates);
	t->certificates = json_incref(list);
	t->enrolled = true;
	return 0;
}

int
ai_tpm_keep_certificates(struct ai_tpm *t, const json_t *certificates, struct ai_err *err)
{
	AI_JSON *chain = NULL;
	return ai_tpm_judge_certificates(t, certificates, &chain, err) < 0 ? err->code : ai_tpm_take_certificates(t, chain, err);
}
