/* authority_request.c -- judging a request, the challenge and its answer; and the builder's look at what came back (authority.h).  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "attest/enrol/authority.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/when.h"

enum { MAX_CERTIFICATES = 8, SECRET_BYTES = 32, MAX_TPM_WORD = 128 };

static const uint32_t admin_with_policy = 1u << 7; /* TPMA_OBJECT */

/* --- certificates ------------------------------------------------------------ */

static X509 *
parse_certificate(const json_t *base64)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_err err;
	if (!json_is_string(base64) || ai_b64_get(json_string_value(base64), json_string_length(base64), &der, &err) < 0 || !der.len)
		return NULL;
	const unsigned char *p = (const unsigned char *)der.data;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	if (x && p != (const unsigned char *)der.data + der.len) {
		X509_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

static int
add_certificate(json_t *list, const void *der, size_t n, struct ai_err *err)
{
	AI_JSON *text = ai_enrolment_text(der, n);
	if (!text)
		return ai_nomem(err);
	X509 *x = n <= AI_MAX_CERT ? parse_certificate(text) : NULL;
	X509_free(x);
	if (!x)
		return ai_fail(err, AI_EINPUT, "not an X.509 certificate in DER or PEM");
	return json_array_append(list, text) < 0 ? ai_nomem(err) : 0;
}

int
ai_certificates_add(json_t *list, const void *p, size_t n, struct ai_err *err)
{
	if (n > 0 && *(const char *)p == 0x30)
		return add_certificate(list, p, n, err);
	BIO *bio = BIO_new_mem_buf(p, (int)n);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	int r = bio ? 0 : ai_nomem(err), found = 0;
	while (r == 0 && PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
		if (strcmp(name, PEM_STRING_X509) == 0 && ++found)
			r = add_certificate(list, der, (size_t)len, err);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	BIO_free(bio);
	ERR_clear_error();
	return r < 0 || found ? r : ai_fail(err, AI_EINPUT, "not an X.509 certificate in DER or PEM");
}

int
ai_certificate_names(const json_t *certificate, const void *pkey, struct ai_err *err)
{
	X509 *x = parse_certificate(certificate);
	if (!x)
		return ai_fail(err, AI_EINPUT, "not an X.509 certificate");
	int same = EVP_PKEY_eq(X509_get0_pubkey(x), pkey);
	X509_free(x);
	ERR_clear_error();
	return same == 1 ? 0 : ai_fail(err, AI_ENO, "its certificate is of another key");
}

/* SHA-256 of an EVP_PKEY's SubjectPublicKeyInfo as we write it, whatever form a certificate has it in. */
static int
key_fingerprint(EVP_PKEY *key, struct ai_digest *out, struct ai_err *err)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	if (n > 0)
		ai_sha256(der, (size_t)n, out);
	OPENSSL_free(der);
	return n > 0 ? 0 : ai_nomem(err);
}

static bool
ends_chain(X509 *x, const json_t *text, const struct ai_roots *roots)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_digest spki, whole;
	struct ai_err err;
	unsigned char *p = NULL;
	if (X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(x)) == 0)
		return true;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &p);
	if (n > 0)
		ai_sha256(p, (size_t)n, &spki);
	OPENSSL_free(p);
	if (n <= 0 || !roots || ai_b64_get(json_string_value(text), json_string_length(text), &der, &err) < 0)
		return false;
	ai_sha256(der.data, der.len, &whole);
	return ai_roots_find(roots, &spki, &whole, AI_ROLE_EK) != NULL;
}

/* The first of the issuers whose key signed x; borrowed; NULL. */
static json_t *
find_issuer(X509 *x, const json_t *issuers)
{
	for (size_t i = 0; i < json_array_size(issuers); i++) {
		X509 *candidate = parse_certificate(json_array_get(issuers, i));
		bool fits = candidate && X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(candidate)) == 0
			&& X509_verify(x, X509_get0_pubkey(candidate)) == 1;
		X509_free(candidate);
		ERR_clear_error();
		if (fits)
			return json_array_get(issuers, i);
	}
	return NULL;
}

int
ai_certificates_complete(json_t *certificates, const json_t *issuers, const struct ai_roots *roots, struct ai_err *err)
{
	while (json_array_size(certificates) > 0 && json_array_size(certificates) < MAX_CERTIFICATES) {
		const json_t *last = json_array_get(certificates, json_array_size(certificates) - 1);
		X509 *x = parse_certificate(last);
		/* What cannot be read is for the check of the whole chain to say. */
		json_t *next = x && !ends_chain(x, last, roots) ? find_issuer(x, issuers) : NULL;
		X509_free(x);
		if (!next)
			return 0;
		if (json_array_append(certificates, next) < 0)
			return ai_nomem(err);
	}
	return 0;
}

/* --- the request ------------------------------------------------------------- */

/* A text of the EK certificate's subjectAltName under its TCG name, if it is one that a person can read. */
static int
add_tpm_word(json_t *tpm, const char *key, X509_NAME *name, const char *oid, struct ai_err *err)
{
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	int at = o ? X509_NAME_get_index_by_OBJ(name, o, -1) : -1;
	unsigned char *text = NULL;
	int n = at >= 0 ? ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))) : -1, r = 0;
	bool good = n > 0 && n <= MAX_TPM_WORD && ai_utf8_valid((char *)text, (size_t)n);
	for (int i = 0; good && i < n; i++)
		good = text[i] >= 0x20 && text[i] != 0x7f;
	if (good && json_object_set_new(tpm, key, json_stringn((char *)text, (size_t)n)) < 0)
		r = ai_nomem(err);
	OPENSSL_free(text);
	ASN1_OBJECT_free(o);
	return r;
}

static int
read_tpm(const json_t *certificate, json_t **out, struct ai_err *err)
{
	AI_JSON *tpm = json_object();
	X509 *x = parse_certificate(certificate);
	GENERAL_NAMES *names = x ? X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL) : NULL;
	int r = tpm ? 0 : ai_nomem(err);
	for (int i = 0; r == 0 && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		if (g->type != GEN_DIRNAME)
			continue;
		r = add_tpm_word(tpm, "manufacturer", g->d.directoryName, "2.23.133.2.1", err);
		r = r < 0 ? r : add_tpm_word(tpm, "model", g->d.directoryName, "2.23.133.2.2", err);
		r = r < 0 ? r : add_tpm_word(tpm, "version", g->d.directoryName, "2.23.133.2.3", err);
	}
	GENERAL_NAMES_free(names);
	X509_free(x);
	ERR_clear_error();
	if (r == 0)
		*out = json_incref(tpm);
	return r;
}

static int
judge_keys(const json_t *request, struct ai_candidate *c, struct ai_err *err)
{
	AI_BUF_AUTO ek = AI_BUF(AI_MAX_QUOTE);
	if (ai_enrolment_bytes(request, "ek_public", &ek, err) < 0 || ai_enrolment_bytes(request, "ak_public", &c->ak_public, err) < 0)
		return err->code;
	if (ai_ek_parse(ek.data, ek.len, &c->ek, err) < 0)
		return err->code;
	if (ai_ak_parse((const uint8_t *)c->ak_public.data, c->ak_public.len, &c->ak, err) < 0)
		return err->code;
	/* TPMT_PUBLIC: type, nameAlg, attributes, and then the size of authPolicy. */
	if (c->ak_public.data[8] != 0 || c->ak_public.data[9] != 0 || (c->ak.attributes & admin_with_policy))
		return ai_fail(err, AI_ENO, "attestation key: a policy can stand for its authorization, expected a key without one");
	return key_fingerprint(c->ek.pkey, &c->ek_key, err);
}

static int
judge_certificates(const json_t *request, const json_t *issuers, const struct ai_roots *roots, int64_t now, struct ai_candidate *c,
	struct ai_err *err)
{
	AI_JSON *list = json_copy(ai_json_arr(request, "ek_certificates"));
	struct ai_chain chain = { .n = 0 };
	const struct ai_anchor *anchor = NULL;
	if (!list)
		return ai_nomem(err);
	if (json_array_size(list) == 0) {
		(void)ai_fail(err, AI_ENO, "endorsement key: the request has no certificate for it, so any software could have made it");
		return ai_hint(err, "some makers keep them on a server: aicert enroll request --certificate FILE adds one");
	}
	if (ai_certificates_complete(list, issuers, roots, err) < 0)
		return err->code;
	if (ai_chain_check_key(list, c->ek.pkey, roots, &chain, err) < 0) {
		(void)ai_in(err, "endorsement key");
		return err->code == AI_ENO ? ai_hint(err, "aicert ca challenge: --issuer FILE adds certificates in between, --root FILE a maker's root to believe") : err->code;
	}
	int r = ai_chain_trust(&chain, roots, AI_ROLE_EK, now, &anchor, err);
	if (r < 0) {
		(void)ai_in(err, "endorsement key");
		if (!err->hint[0] && !ai_roots_find(roots, &chain.root_spki, &chain.root_spki, AI_ROLE_EK))
			(void)ai_hint(err, "a maker's root that you believe: --root FILE for one call, or aicert trust add --root FILE --role ek");
	} else {
		c->anchor = ai_strdup(anchor->name);
		r = c->anchor ? read_tpm(json_array_get(list, 0), &c->tpm, err) : ai_nomem(err);
	}
	ai_chain_done(&chain);
	return r;
}

int
ai_candidate_judge(const json_t *request, const json_t *issuers, const struct ai_roots *roots, int64_t now, struct ai_candidate *out,
	struct ai_err *err)
{
	struct ai_candidate c = { .ak_public = AI_BUF(AI_MAX_QUOTE) };
	if (judge_keys(request, &c, err) < 0 || judge_certificates(request, issuers, roots, now, &c, err) < 0) {
		ai_candidate_done(&c);
		return err->code;
	}
	*out = c;
	return 0;
}

void
ai_candidate_done(struct ai_candidate *c)
{
	ai_ek_done(&c->ek);
	ai_ak_done(&c->ak);
	ai_buf_done(&c->ak_public);
	free(c->anchor);
	json_decref(c->tpm);
	c->anchor = NULL;
	c->tpm = NULL;
}

/* --- challenge and answer ---------------------------------------------------- */

static int
format_challenge(const struct ai_authority *a, const struct ai_candidate *c, const struct ai_digest *id, const char *expires,
	const uint8_t *secret, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO object = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO seed = AI_BUF(AI_MAX_QUOTE);
	uint8_t name[66];
	size_t name_len;
	if (ai_credential_name(c->ak_public.data, c->ak_public.len, name, &name_len, err) < 0)
		return err->code;
	if (ai_credential_make(&c->ek, name, name_len, secret, SECRET_BYTES, &object, &seed, err) < 0)
		return err->code;
	AI_JSON *fields = json_pack("{s:o, s:s, s:o, s:o, s:o, s:s}", "id", ai_json_hex(id), "authority", ai_authority_name(a), "ak",
		ai_json_hex(&c->ak.fingerprint), "credential", ai_enrolment_text(object.data, object.len), "seed", ai_enrolment_text(seed.data, seed.len),
		"expires", expires);
	return fields ? ai_enrolment_format(AI_ENROLMENT_CHALLENGE, fields, out, err) : ai_nomem(err);
}

int
ai_authority_challenge(const struct ai_authority *a, const struct ai_candidate *c, int64_t now, struct ai_buf *challenge, struct ai_buf *pending,
	struct ai_err *err)
{
	uint8_t secret[SECRET_BYTES];
	struct ai_digest id, hash;
	char made[AI_WHEN_TEXT], expires[AI_WHEN_TEXT];
	ai_when_text(now, made);
	ai_when_text(now + AI_CHALLENGE_SECONDS, expires);
	if (RAND_priv_bytes(secret, sizeof secret) != 1 || RAND_bytes(id.b, sizeof id.b) != 1)
		return ai_fail(err, AI_EENV, "challenge: the machine gives no random numbers");
	ai_sha256(secret, sizeof secret, &hash);
	int r = format_challenge(a, c, &id, expires, secret, challenge, err);
	OPENSSL_cleanse(secret, sizeof secret);
	if (r < 0)
		return r;
	AI_JSON *fields = json_pack("{s:o, s:o, s:o, s:b, s:o, s:s, s:O, s:s, s:s}", "id", ai_json_hex(&id), "ak_public",
		ai_enrolment_text(c->ak_public.data, c->ak_public.len), "ek", ai_json_hex(&c->ek_key), "another", (int)c->another, "secret", ai_json_hex(&hash), "anchor", c->anchor,
		"tpm", c->tpm, "made", made, "expires", expires);
	return fields ? ai_enrolment_format(AI_ENROLMENT_PENDING, fields, pending, err) : ai_nomem(err);
}

int
ai_authority_answered(const json_t *pending, const json_t *answer, int64_t now, struct ai_err *err)
{
	AI_BUF_AUTO secret = AI_BUF(64);
	AI_BUF_AUTO ak = AI_BUF(AI_MAX_QUOTE);
	struct ai_digest id, to, want, got, named, made;
	int64_t expires;
	if (ai_enrolment_bytes(answer, "secret", &secret, err) < 0 || ai_enrolment_bytes(pending, "ak_public", &ak, err) < 0)
		return err->code;
	if (ai_when_parse(ai_json_str(pending, "expires"), &expires, err) < 0)
		return err->code;
	bool whole = ai_json_digest(pending, "id", &id) && ai_json_digest(answer, "challenge", &to) && ai_json_digest(pending, "secret", &want)
		&& ai_json_digest(answer, "ak", &named);
	if (!whole || !ai_digest_eq(&id, &to))
		return ai_fail(err, AI_ENO, "answer: is to another challenge");
	if (now > expires)
		return ai_fail(err, AI_ENO, "answer: the challenge expired at %s", ai_json_str(pending, "expires"));
	ai_sha256(ak.data, ak.len, &made);
	if (!ai_digest_eq(&named, &made))
		return ai_fail(err, AI_ENO, "answer: names another attestation key than the challenge was made for");
	ai_sha256(secret.data, secret.len, &got);
	OPENSSL_cleanse(secret.data, secret.len);
	if (secret.len != SECRET_BYTES || CRYPTO_memcmp(got.b, want.b, sizeof got.b) != 0)
		return ai_fail(err, AI_ENO, "answer: its secret is not the challenge's: another TPM answered, or none");
	return 0;
}

/* --- the builder's side ------------------------------------------------------ */

/* A verifier who takes the last certificate as an attestation CA: would he take the rest? */
static int
check_as_verifier(const json_t *certificates, const struct ai_ak *ak, int64_t now, char **authority, struct ai_err *err)
{
	AI_BUF_AUTO last = AI_BUF(AI_MAX_CERT);
	struct ai_roots *roots = NULL;
	struct ai_chain chain = { .n = 0 };
	const struct ai_anchor *anchor = NULL;
	const json_t *text = json_array_get(certificates, json_array_size(certificates) - 1);
	if (!text)
		return ai_fail(err, AI_ENO, "there are no certificates");
	if (ai_b64_get(json_string_value(text), json_string_length(text), &last, err) < 0 || ai_roots_new(false, &roots, err) < 0)
		return err->code;
	int r = ai_chain_check(certificates, ak, NULL, &chain, err);
	r = r < 0 ? r : ai_roots_add(roots, last.data, last.len, "attestation CA", AI_ROLE_AK_CA, "", err);
	r = r < 0 ? r : ai_chain_trust(&chain, roots, AI_ROLE_AK_CA, now, &anchor, err);
	if (r == 0 && !(*authority = ai_strdup(chain.issuer)))
		r = ai_nomem(err);
	ai_chain_done(&chain);
	ai_roots_free(roots);
	return r;
}

int
ai_enrolled_check(const json_t *file, const void *ak_public, size_t n, int64_t now, char **authority, struct ai_err *err)
{
	struct ai_ak ak;
	struct ai_digest named;
	if (ai_ak_parse(ak_public, n, &ak, err) < 0)
		return err->code;
	int r = 0;
	if (!ai_json_digest(file, "ak", &named) || !ai_digest_eq(&named, &ak.fingerprint))
		r = ai_fail(err, AI_ENO, "certificate: was issued for another attestation key than this TPM's");
	else
		r = check_as_verifier(ai_json_arr(file, "certificates"), &ak, now, authority, err);
	ai_ak_done(&ak);
	return r;
}
