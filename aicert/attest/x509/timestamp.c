/*
 * timestamp.c -- see timestamp.h: asking, and what a token says and holds.
 *
 * OpenSSL's TS_* verifier is not used: it trusts what its caller forgot to ask for, takes SHA-1, and reads BER. A token is CMS, read
 * here with the general reader; each thing that RFC 3161 asks for is compared by a line of this file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "attest/x509/timestamp.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/x509/timestamp_parts.h"
#include "base/buf.h"
#include "base/when.h"

enum { MAX_TOKEN = 64 << 10, MAX_CERTIFICATES = 16, MAX_ACCURACY_S = 24 * 60 * 60, MAX_TIME = 40, DIGEST = 32 };

/* --- what is stamped, and asking for it ------------------------------------- */

int
ai_timestamp_imprint(const json_t *attestation, struct ai_digest *out, struct ai_err *err)
{
	const json_t *evidence = json_object_get(attestation, "evidence");
	json_t *quote = json_object_get(attestation, "low_level_quote"), *signature = json_object_get(attestation, "signature");
	json_t *key = json_object_get(evidence, "ak_public"), *certificates = json_object_get(evidence, "ak_certificates");
	if (!json_is_string(quote) || !json_is_string(signature) || !json_is_string(key) || !json_is_array(certificates))
		return ai_fail(err, AI_EINPUT, "is no attestation: expected low_level_quote, signature and evidence with ak_public and ak_certificates");
	AI_JSON *stamped = json_pack("{s:O, s:O, s:O, s:O}", "quote", quote, "signature", signature, "ak_public", key, "ak_certificates", certificates);
	return stamped ? ai_json_id(stamped, out, err) : ai_nomem(err);
}

static TS_MSG_IMPRINT *
make_imprint(const struct ai_digest *imprint)
{
	TS_MSG_IMPRINT *m = TS_MSG_IMPRINT_new();
	X509_ALGOR *a = X509_ALGOR_new();
	struct ai_digest copy = *imprint;
	bool good = m && a && X509_ALGOR_set0(a, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) == 1 && TS_MSG_IMPRINT_set_algo(m, a) == 1
		&& TS_MSG_IMPRINT_set_msg(m, copy.b, sizeof copy.b) == 1;
	X509_ALGOR_free(a);
	if (good)
		return m;
	TS_MSG_IMPRINT_free(m);
	return NULL;
}

static ASN1_INTEGER *
make_nonce(const uint8_t *nonce)
{
	BIGNUM *bn = BN_bin2bn(nonce, 8, NULL);
	ASN1_INTEGER *n = bn ? BN_to_ASN1_INTEGER(bn, NULL) : NULL;
	BN_free(bn);
	return n;
}

int
ai_timestamp_request(const struct ai_digest *imprint, const uint8_t nonce[8], struct ai_buf *out, struct ai_err *err)
{
	TS_REQ *req = TS_REQ_new();
	TS_MSG_IMPRINT *m = make_imprint(imprint);
	ASN1_INTEGER *n = make_nonce(nonce);
	unsigned char *der = NULL;
	int len = req && m && n && TS_REQ_set_version(req, 1) == 1 && TS_REQ_set_msg_imprint(req, m) == 1 && TS_REQ_set_nonce(req, n) == 1
		&& TS_REQ_set_cert_req(req, 1) == 1 ? i2d_TS_REQ(req, &der) : -1;
	if (len > 0)
		ai_buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	ASN1_INTEGER_free(n);
	TS_MSG_IMPRINT_free(m);
	TS_REQ_free(req);
	return len > 0 ? ai_buf_ok(out, "timestamp request", err) : ai_nomem(err);
}

/* --- the token taken apart --------------------------------------------------- */

struct token {
	CMS_ContentInfo *cms;
	STACK_OF(X509) *certificates;
	CMS_SignerInfo *si;          /* of cms */
	X509 *signer;                /* of certificates */
	const EVP_MD *md;            /* what the signer hashed with */
	const ASN1_OCTET_STRING *content;
	TS_TST_INFO *info;
};

static void
token_done(struct token *t)
{
	TS_TST_INFO_free(t->info);
	sk_X509_pop_free(t->certificates, X509_free);
	CMS_ContentInfo_free(t->cms);
	/* What failed to parse or verify is already said in our words. */
	ERR_clear_error();
}

/* Does a certificate, written anew with nothing cached, give the bytes that were read? */
static bool
certificate_is_der(X509 *x)
{
	unsigned char *was = NULL, *tbs = NULL, *now = NULL;
	int n = i2d_X509(x, &was);
	int m = n > 0 && i2d_re_X509_tbs(x, &tbs) > 0 ? i2d_X509(x, &now) : -1;
	bool same = n > 0 && m == n && memcmp(was, now, (size_t)n) == 0;
	OPENSSL_free(was);
	OPENSSL_free(tbs);
	OPENSSL_free(now);
	return same;
}

/* The bytes are one ContentInfo of signed data. strict: the only way to write it. */
static int
read_cms(const void *p, size_t n, bool strict, struct token *t, struct ai_err *err)
{
	const unsigned char *at = p;
	unsigned char *again = NULL;
	if (n == 0 || n > MAX_TOKEN)
		return ai_fail(err, AI_ENO, "got %zu bytes, expected 1 to %d", n, MAX_TOKEN);
	t->cms = d2i_CMS_ContentInfo(NULL, &at, (long)n);
	if (!t->cms || OBJ_obj2nid(CMS_get0_type(t->cms)) != NID_pkcs7_signed)
		return ai_fail(err, AI_ENO, "is no signed CMS message");
	if (at != (const unsigned char *)p + n)
		return ai_fail(err, AI_ENO, "%zu bytes follow its end", (size_t)((const unsigned char *)p + n - at));
	int m = strict ? i2d_CMS_ContentInfo(t->cms, &again) : 0;
	bool same = !strict || (m > 0 && (size_t)m == n && memcmp(again, p, n) == 0);
	OPENSSL_free(again);
	return same ? 0 : ai_fail(err, AI_ENO, "is not DER: its encoding is not the only one of its content");
}

static int
read_certificates(struct token *t, struct ai_err *err)
{
	t->certificates = CMS_get1_certs(t->cms);
	int n = t->certificates ? sk_X509_num(t->certificates) : 0;
	if (n < 1 || n > MAX_CERTIFICATES)
		return ai_fail(err, AI_ENO, "carries %d certificates, expected 1 to %d: the authority's among them", n, MAX_CERTIFICATES);
	for (int i = 0; i < n; i++)
		if (!certificate_is_der(sk_X509_value(t->certificates, i)))
			return ai_fail(err, AI_ENO, "a certificate is not DER: its encoding is not the only one of its content");
	return 0;
}

static bool
is_strong(int nid)
{
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

/* The signature's algorithm may name a hash of its own: it must be the one that the attributes were hashed with. */
static int
check_algorithms(struct token *t, struct ai_err *err)
{
	X509_ALGOR *digest = NULL, *signature = NULL;
	const ASN1_OBJECT *oid;
	int type, hash = NID_undef, pkey = NID_undef;
	const void *parameter;
	CMS_SignerInfo_get0_algs(t->si, NULL, NULL, &digest, &signature);
	X509_ALGOR_get0(&oid, NULL, NULL, digest);
	int nid = OBJ_obj2nid(oid);
	if (!is_strong(nid))
		return ai_fail(err, AI_ENO, "is signed over a '%s' hash, expected SHA-256, SHA-384 or SHA-512", OBJ_nid2sn(nid));
	X509_ALGOR_get0(&oid, &type, &parameter, signature);
	if (OBJ_obj2nid(oid) == NID_rsassaPss) {
		const ASN1_STRING *der = type == V_ASN1_SEQUENCE ? parameter : NULL;
		const unsigned char *p = der ? ASN1_STRING_get0_data(der) : NULL;
		RSA_PSS_PARAMS *pss = der ? d2i_RSA_PSS_PARAMS(NULL, &p, ASN1_STRING_length(der)) : NULL;
		if (pss && pss->hashAlgorithm)
			hash = OBJ_obj2nid(pss->hashAlgorithm->algorithm);
		RSA_PSS_PARAMS_free(pss);
		/* Without parameters it is SHA-1. */
		hash = hash == NID_undef ? NID_sha1 : hash;
	} else if (OBJ_obj2nid(oid) != NID_rsaEncryption && OBJ_find_sigid_algs(OBJ_obj2nid(oid), &hash, &pkey) != 1) {
		return ai_fail(err, AI_ENO, "is signed with '%s', expected RSA or ECDSA", OBJ_nid2sn(OBJ_obj2nid(oid)));
	}
	if (hash != NID_undef && hash != nid)
		return ai_fail(err, AI_ENO, "its signature names the hash '%s', and its digest '%s'", OBJ_nid2sn(hash), OBJ_nid2sn(nid));
	t->md = EVP_get_digestbynid(nid);
	return 0;
}

/* The one value of a signed attribute that stands there once. */
static const void *
attribute(const struct token *t, int nid, int type)
{
	return CMS_signed_get0_data_by_OBJ(t->si, OBJ_nid2obj(nid), -3, type);
}

/* Steps over one DER element: its content; NULL when it is another, or longer than what is there. */
static const unsigned char *
element(const unsigned char **p, const unsigned char *end, int tag, size_t *n)
{
	long len = 0;
	int got = 0, class = 0;
	const unsigned char *at = *p;
	if (at >= end || ASN1_get_object(&at, &len, &got, &class, end - at) & 0x81 || got != tag || class != V_ASN1_UNIVERSAL || len < 0)
		return NULL;
	*p = at + len;
	*n = (size_t)len;
	return at;
}

/*
 * The first ESSCertID of a signing-certificate attribute (RFC 2634, 5.4; v2: RFC 5035, 3): which hash of which certificate.
 * Its issuerSerial says nothing that the hash of the whole certificate does not.
 */
static bool
names_certificate(const ASN1_STRING *value, bool v2, X509 *x)
{
	const unsigned char *p = ASN1_STRING_get0_data(value), *end = p + ASN1_STRING_length(value), *hash;
	const EVP_MD *md = v2 ? EVP_sha256() : EVP_sha1();
	unsigned char got[EVP_MAX_MD_SIZE];
	unsigned got_len = 0;
	size_t n;
	for (int depth = 0; depth < 3; depth++) { /* SigningCertificate, certs, ESSCertID */
		p = element(&p, end, V_ASN1_SEQUENCE, &n);
		if (!p)
			return false;
		end = p + n;
	}
	if (v2 && p < end && *p == (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED)) {
		X509_ALGOR *a = d2i_X509_ALGOR(NULL, &p, end - p);
		int nid = a ? OBJ_obj2nid(a->algorithm) : NID_undef;
		X509_ALGOR_free(a);
		if (!is_strong(nid))
			return false;
		md = EVP_get_digestbynid(nid);
	}
	hash = element(&p, end, V_ASN1_OCTET_STRING, &n);
	return hash && X509_digest(x, md, got, &got_len) == 1 && n == got_len && memcmp(hash, got, n) == 0;
}

/* The certificate that the signer meant when it signed: of several with one key, one. */
static int
find_signer(struct token *t, struct ai_err *err)
{
	const ASN1_STRING *v1 = attribute(t, NID_id_smime_aa_signingCertificate, V_ASN1_SEQUENCE);
	const ASN1_STRING *v2 = attribute(t, NID_id_smime_aa_signingCertificateV2, V_ASN1_SEQUENCE);
	bool many = (!v1 && CMS_signed_get_attr_by_NID(t->si, NID_id_smime_aa_signingCertificate, -1) >= 0)
		|| (!v2 && CMS_signed_get_attr_by_NID(t->si, NID_id_smime_aa_signingCertificateV2, -1) >= 0);
	if (many || (!v1 && !v2))
		return ai_fail(err, AI_ENO, "does not say which certificate signed it: expected one signing-certificate attribute");
	for (int i = 0; i < sk_X509_num(t->certificates) && !t->signer; i++) {
		X509 *x = sk_X509_value(t->certificates, i);
		if (CMS_SignerInfo_cert_cmp(t->si, x) == 0 && (!v1 || names_certificate(v1, false, x)) && (!v2 || names_certificate(v2, true, x)))
			t->signer = x;
	}
	return t->signer ? 0 : ai_fail(err, AI_ENO, "carries no certificate that is the one its signing-certificate attribute names");
}

/* Signed attributes over the content, and a signature over them. */
static int
check_signature(struct token *t, struct ai_err *err)
{
	unsigned char got[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	const ASN1_STRING *digest = attribute(t, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING);
	const ASN1_OBJECT *type = attribute(t, NID_pkcs9_contentType, V_ASN1_OBJECT);
	if (!digest || !type || OBJ_obj2nid(type) != NID_id_smime_ct_TSTInfo)
		return ai_fail(err, AI_ENO, "its signed attributes do not speak of a time stamp");
	if (EVP_Digest(ASN1_STRING_get0_data(t->content), (size_t)ASN1_STRING_length(t->content), got, &n, t->md, NULL) != 1)
		return ai_nomem(err);
	if (ASN1_STRING_length(digest) != (int)n || memcmp(ASN1_STRING_get0_data(digest), got, n) != 0)
		return ai_fail(err, AI_ENO, "what it says is not what was signed: it was edited");
	CMS_SignerInfo_set1_signer_cert(t->si, t->signer);
	if (CMS_SignerInfo_verify(t->si) != 1)
		return ai_fail(err, AI_ENO, "its signature is not by the key of its certificate");
	return 0;
}

/* The content is one TSTInfo in its only encoding. */
static int
read_info(struct token *t, struct ai_err *err)
{
	const unsigned char *p = ASN1_STRING_get0_data(t->content), *at = p;
	long n = ASN1_STRING_length(t->content);
	unsigned char *again = NULL;
	t->info = d2i_TS_TST_INFO(NULL, &at, n);
	int m = t->info && at == p + n ? i2d_TS_TST_INFO(t->info, &again) : -1;
	bool same = m == n && memcmp(again, p, (size_t)n) == 0;
	OPENSSL_free(again);
	if (!same)
		return ai_fail(err, AI_ENO, "what was signed is no TSTInfo in DER");
	if (TS_TST_INFO_get_version(t->info) != 1)
		return ai_fail(err, AI_ENO, "version: got %ld, expected 1", TS_TST_INFO_get_version(t->info));
	for (int i = 0; i < TS_TST_INFO_get_ext_count(t->info); i++)
		if (X509_EXTENSION_get_critical(TS_TST_INFO_get_ext(t->info, i)))
			return ai_fail(err, AI_ENO, "has a critical extension that nobody here understands");
	return 0;
}

/* Everything but which bytes were stamped, and whose word it is. */
static int
open_token(const void *p, size_t n, struct token *t, struct ai_err *err)
{
	if (read_cms(p, n, true, t, err) < 0 || read_certificates(t, err) < 0)
		return err->code;
	ASN1_OCTET_STRING **content = CMS_get0_content(t->cms);
	t->content = content ? *content : NULL;
	if (OBJ_obj2nid(CMS_get0_eContentType(t->cms)) != NID_id_smime_ct_TSTInfo || !t->content)
		return ai_fail(err, AI_ENO, "is signed data, and no time stamp");
	STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(t->cms);
	if (sk_CMS_SignerInfo_num(signers) != 1)
		return ai_fail(err, AI_ENO, "has %d signers, expected one", sk_CMS_SignerInfo_num(signers));
	t->si = sk_CMS_SignerInfo_value(signers, 0);
	if (check_algorithms(t, err) < 0 || find_signer(t, err) < 0 || check_signature(t, err) < 0 || ai_tsa_profile(t->signer, err) < 0)
		return err->code;
	return read_info(t, err);
}

/* --- what it says --------------------------------------------------------------- */

static int
check_imprint(const struct token *t, const struct ai_digest *imprint, struct ai_err *err)
{
	TS_MSG_IMPRINT *m = TS_TST_INFO_get_msg_imprint(t->info);
	const ASN1_OCTET_STRING *got = TS_MSG_IMPRINT_get_msg(m);
	const ASN1_OBJECT *oid;
	int type;
	X509_ALGOR_get0(&oid, &type, NULL, TS_MSG_IMPRINT_get_algo(m));
	if (OBJ_obj2nid(oid) != NID_sha256 || (type != V_ASN1_NULL && type != V_ASN1_UNDEF))
		return ai_fail(err, AI_ENO, "its imprint is a '%s' hash, expected SHA-256", OBJ_nid2sn(OBJ_obj2nid(oid)));
	if (ASN1_STRING_length(got) == DIGEST && memcmp(ASN1_STRING_get0_data(got), imprint->b, DIGEST) == 0)
		return 0;
	return ai_fail(err, AI_ENO, "is the stamp of something else: its imprint is not that of this quote, signature, key and certificates");
}

/* Who the token says it is by must be a name of the certificate. */
static int
check_name(const struct token *t, struct ai_err *err)
{
	const GENERAL_NAME *tsa = TS_TST_INFO_get_tsa(t->info);
	GENERAL_NAMES *others = tsa ? X509_get_ext_d2i(t->signer, NID_subject_alt_name, NULL, NULL) : NULL;
	bool same = !tsa || (tsa->type == GEN_DIRNAME && X509_NAME_cmp(tsa->d.directoryName, X509_get_subject_name(t->signer)) == 0);
	for (int i = 0; i < sk_GENERAL_NAME_num(others) && !same; i++)
		same = GENERAL_NAME_cmp((GENERAL_NAME *)tsa, sk_GENERAL_NAME_value(others, i)) == 0;
	GENERAL_NAMES_free(others);
	return same ? 0 : ai_fail(err, AI_ENO, "names another authority than its certificate does");
}

/* GeneralizedTime as RFC 3161, 2.4.2 has it: YYYYMMDDhhmmss[.s...]Z, no zero at the end of a fraction. */
static int
read_time(const struct token *t, int64_t *out, bool *fraction, struct ai_err *err)
{
	const ASN1_GENERALIZEDTIME *g = TS_TST_INFO_get_time(t->info);
	char s[MAX_TIME] = "", whole[AI_WHEN_TEXT];
	size_t n = (size_t)ASN1_STRING_length(g);
	if (n < sizeof s)
		memcpy(s, ASN1_STRING_get0_data(g), n);
	*fraction = n > 15;
	bool good = n >= 15 && strlen(s) == n && strspn(s, "0123456789") == 14 && s[n - 1] == 'Z';
	if (good && *fraction)
		good = n >= 17 && s[14] == '.' && strspn(s + 15, "0123456789") == n - 16 && s[n - 2] != '0';
	if (good) {
		snprintf(whole, sizeof whole, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s, s + 4, s + 6, s + 8, s + 10, s + 12);
		good = ai_when_parse(whole, out, err) == 0;
	}
	return good ? 0 : ai_fail(err, AI_ENO, "its time is none, or not written as RFC 3161 asks for");
}

/* How far the authority says its clock may be off, rounded up to seconds. */
static int
read_accuracy(const struct token *t, int64_t *out, struct ai_err *err)
{
	TS_ACCURACY *a = TS_TST_INFO_get_accuracy(t->info);
	const ASN1_INTEGER *part[] = { a ? TS_ACCURACY_get_seconds(a) : NULL, a ? TS_ACCURACY_get_millis(a) : NULL, a ? TS_ACCURACY_get_micros(a) : NULL };
	static const int64_t most[] = { MAX_ACCURACY_S, 999, 999 };
	int64_t v[] = { 0, 0, 0 };
	for (int i = 0; i < 3; i++)
		if (part[i] && (ASN1_INTEGER_get_int64(&v[i], part[i]) != 1 || v[i] < 0 || v[i] > most[i]))
			return ai_fail(err, AI_ENO, "its accuracy is out of range");
	*out = v[0] + (v[1] > 0 || v[2] > 0);
	return 0;
}

int
ai_timestamp_check(const void *token, size_t n, const struct ai_digest *imprint, const struct ai_roots *roots, struct ai_stamp *out,
	struct ai_err *err)
{
	struct token t = { 0 };
	struct ai_stamp s = { 0 };
	int64_t time = 0, accuracy = 0;
	bool fraction = false;
	int r = open_token(token, n, &t, err);
	if (r == 0)
		r = check_imprint(&t, imprint, err);
	if (r == 0)
		r = check_name(&t, err);
	if (r == 0)
		r = read_time(&t, &time, &fraction, err);
	if (r == 0)
		r = read_accuracy(&t, &accuracy, err);
	if (r == 0)
		r = ai_tsa_trust(t.certificates, t.signer, roots, time, &s, err);
	if (r == 0) {
		s.time = time + fraction + accuracy;
		s.authority = ai_tsa_name(t.signer);
		r = s.authority ? 0 : ai_nomem(err);
	}
	token_done(&t);
	if (r == 0)
		*out = s;
	else
		ai_stamp_done(&s);
	return r < 0 ? ai_in(err, "timestamp") : 0;
}

void
ai_stamp_done(struct ai_stamp *s)
{
	free(s->authority);
	free(s->why_not);
	*s = (struct ai_stamp){ 0 };
}

/* --- an authority's answer -------------------------------------------------------- */

/* The authority's own words on why it said no: foreign text, on one line. */
static int
say_refused(const TS_STATUS_INFO *info, int64_t status, struct ai_err *err)
{
	const STACK_OF(ASN1_UTF8STRING) *words = TS_STATUS_INFO_get0_text(info);
	const ASN1_UTF8STRING *first = sk_ASN1_UTF8STRING_num(words) > 0 ? sk_ASN1_UTF8STRING_value(words, 0) : NULL;
	return ai_fail(err, AI_ENO, "the authority gives no timestamp: status %lld%s%.*s", (long long)status, first ? ": " : "",
		first ? ASN1_STRING_length(first) : 0, first ? (const char *)ASN1_STRING_get0_data(first) : "");
}

/* PKIStatusInfo (RFC 3161, 2.4.2): 0 granted, 1 granted with modifications; then a token follows. */
static int
check_status(const unsigned char **p, const unsigned char *end, struct ai_err *err)
{
	TS_STATUS_INFO *info = d2i_TS_STATUS_INFO(NULL, p, end - *p);
	int64_t status = -1;
	int r = 0;
	if (!info || ASN1_INTEGER_get_int64(&status, TS_STATUS_INFO_get0_status(info)) != 1)
		r = ai_fail(err, AI_EINPUT, "is no TimeStampResp: it has no status");
	else if (status != 0 && status != 1)
		r = say_refused(info, status, err);
	TS_STATUS_INFO_free(info);
	ERR_clear_error();
	return r;
}

/* Authorities write BER, or certificates in their own order: what a proof carries is DER. The signature is over what was DER before. */
static int
put_as_der(const unsigned char *p, size_t n, struct ai_buf *out, struct ai_err *err)
{
	struct token t = { 0 };
	unsigned char *der = NULL;
	int r = read_cms(p, n, false, &t, err);
	int m = r == 0 ? i2d_CMS_ContentInfo(t.cms, &der) : 0;
	if (r == 0 && m <= 0)
		r = ai_nomem(err);
	if (r == 0)
		ai_buf_put(out, der, (size_t)m);
	OPENSSL_free(der);
	token_done(&t);
	return r < 0 ? r : ai_buf_ok(out, "timestamp", err);
}

/* Is it an answer to this very request, and not to one of before? */
static int
check_nonce(const struct token *t, const uint8_t *nonce, struct ai_err *err)
{
	ASN1_INTEGER *sent = make_nonce(nonce);
	const ASN1_INTEGER *got = TS_TST_INFO_get_nonce(t->info);
	if (!sent)
		return ai_nomem(err);
	bool same = got && ASN1_INTEGER_cmp(sent, got) == 0;
	ASN1_INTEGER_free(sent);
	return same ? 0 : ai_fail(err, AI_ENO, "is no answer to this request: its nonce is another");
}

static int
take_token(const unsigned char *p, size_t n, const struct ai_digest *imprint, const uint8_t *nonce, struct ai_buf *token, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(MAX_TOKEN);
	struct token t = { 0 };
	struct ai_stamp s = { 0 };
	if (put_as_der(p, n, &der, err) < 0)
		return err->code;
	int r = open_token(der.data, der.len, &t, err);
	if (r == 0 && nonce)
		r = check_nonce(&t, nonce, err);
	token_done(&t);
	if (r < 0 || ai_timestamp_check(der.data, der.len, imprint, NULL, &s, err) < 0)
		return err->code;
	ai_stamp_done(&s);
	ai_buf_put(token, der.data, der.len);
	return ai_buf_ok(token, "timestamp", err);
}

int
ai_timestamp_answer(const void *answer, size_t n, const struct ai_digest *imprint, const uint8_t *nonce, struct ai_buf *token,
	struct ai_err *err)
{
	const unsigned char *p = answer, *end = p + n, *inside;
	size_t len = 0;
	if (n > MAX_TOKEN || !(inside = element(&p, end, V_ASN1_SEQUENCE, &len)) || p != end) {
		ERR_clear_error();
		return ai_fail(err, AI_EINPUT, "is no TimeStampResp: %zu bytes of something else", n);
	}
	if (check_status(&inside, end, err) < 0)
		return err->code;
	if (inside == end)
		return ai_fail(err, AI_EINPUT, "is no TimeStampResp: it grants a timestamp that it does not hold");
	return take_token(inside, (size_t)(end - inside), imprint, nonce, token, err);
}
