/* test_chain_trust.c -- what a verifier believes of a chain: anchor, role, time, revocation, profile. Each refusal is somebody's hope.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/chain.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "unit.h"

#define NOON 1500000000
#define FROM (NOON - 1000)
#define TO (NOON + 1000)

static EVP_PKEY *ec_key, *rsa_key, *root_key, *sub_key, *other_key;

static int
make_keys(void **state)
{
	(void)state;
	ec_key = EVP_EC_gen("P-256");
	root_key = EVP_EC_gen("P-384");
	sub_key = EVP_EC_gen("P-256");
	other_key = EVP_EC_gen("P-256");
	rsa_key = EVP_RSA_gen(2048);
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(ec_key), EVP_PKEY_free(rsa_key), EVP_PKEY_free(root_key), EVP_PKEY_free(sub_key), EVP_PKEY_free(other_key);
	return 0;
}

/* --- making certificates --------------------------------------------------------- */

struct spec {
	const char *subject, *issuer;
	EVP_PKEY *key, *signer;
	const char *constraints, *usage, *purpose; /* as in openssl.cnf; NULL: not there */
	const char *more[3];                       /* further ones: "NID-NAME=value", or "OID" critical and unknown, or "-OID" not critical */
	int64_t from, to;                          /* 0: FROM, TO */
	long serial;
};

static void
add_ext(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	CONF *empty = NCONF_new(NULL); /* policies are not made without one */
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, empty);
	X509_EXTENSION *e = X509V3_EXT_nconf_nid(empty, &ctx, nid, value);
	NCONF_free(empty);
	if (!e)
		fail_msg("OpenSSL makes no extension of '%s'", value);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static void
add_more(X509 *x, const char *text)
{
	const char *eq = strchr(text, '=');
	if (eq) {
		AI_FREE char *name = ai_strndup(text, (size_t)(eq - text));
		add_ext(x, OBJ_txt2nid(name), eq + 1);
		return;
	}
	ASN1_OBJECT *oid = OBJ_txt2obj(text + (*text == '-'), 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5", 2);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, *text != '-', value);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
}

static X509 *
make(const struct spec *s)
{
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), s->serial ? s->serial : 9);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)s->subject, -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_get_issuer_name(x), "CN", MBSTRING_ASC, (const unsigned char *)s->issuer, -1, -1, 0);
	ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(s->from ? s->from : FROM));
	ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(s->to ? s->to : TO));
	X509_set_pubkey(x, s->key);
	if (s->constraints)
		add_ext(x, NID_basic_constraints, s->constraints);
	if (s->usage)
		add_ext(x, NID_key_usage, s->usage);
	if (s->purpose)
		add_ext(x, NID_ext_key_usage, s->purpose);
	for (size_t i = 0; i < 3 && s->more[i]; i++)
		add_more(x, s->more[i]);
	assert_true(X509_sign(x, s->signer, EVP_sha256()) > 0);
	return x;
}

static void
der_of(const struct spec *s, struct ai_buf *out)
{
	X509 *x = make(s);
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	ai_buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
	X509_free(x);
}

static json_t *
b64(const void *p, size_t n)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_CERT);
	ai_b64_put(&text, p, n);
	return json_stringn(text.data, text.len);
}

static json_t *
chain_of(const struct spec *a, const struct spec *b, const struct spec *c)
{
	json_t *list = json_array();
	const struct spec *all[] = { a, b, c };
	for (size_t i = 0; i < 3 && all[i]; i++) {
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		der_of(all[i], &der);
		json_array_append_new(list, b64(der.data, der.len));
	}
	return list;
}

#define LEAF (struct spec){ "leaf", "sub", ec_key, sub_key, "critical,CA:FALSE", "critical,digitalSignature", "2.23.133.8.3", { NULL }, 0, 0, 0 }
#define SUB (struct spec){ "sub", "root", sub_key, root_key, "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign", NULL, { NULL }, 0, 0, 0 }
#define ROOT (struct spec){ "root", "root", root_key, root_key, "critical,CA:TRUE", "critical,keyCertSign,cRLSign", NULL, { NULL }, 0, 0, 0 }

static struct ai_roots *
roots_with(const struct spec *s, ai_role role)
{
	struct ai_roots *r = NULL;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	der_of(s, &der);
	ok(ai_roots_new(false, &r, &err));
	ok(ai_roots_add(r, der.data, der.len, "the root", role, "us", &err));
	return r;
}

/* --- asking --------------------------------------------------------------------------- */

/* words NULL: believed, by an anchor of that name. The chain itself holds. */
static void
judged(json_t *list, EVP_PKEY *key, const struct ai_roots *roots, unsigned roles, int64_t at, const char *words)
{
	struct ai_chain c;
	const struct ai_anchor *a = (const struct ai_anchor *)list;
	ok(ai_chain_check_key(list, key, roots, &c, &err));
	if (words)
		refused(AI_ENO, words, ai_chain_trust(&c, roots, roles, at, &a, &err));
	else
		ok(ai_chain_trust(&c, roots, roles, at, &a, &err));
	if (words)
		assert_ptr_equal(a, list);
	else
		assert_string_equal(a->name, "the root");
	ai_chain_done(&c);
	json_decref(list);
}

/* As an AIK's chain, by a CA that the verifier chose. */
static void
aik(const struct spec *leaf, const struct spec *sub, const struct spec *root, int64_t at, const char *words)
{
	struct spec anchor = ROOT;
	struct ai_roots *r = roots_with(&anchor, AI_ROLE_AK_CA);
	judged(chain_of(leaf, sub, root), leaf->key, r, AI_ROLE_AK_CA, at, words);
	ai_roots_free(r);
}

/* As an endorsement key's, straight below a maker's root. */
static void
ek(EVP_PKEY *key, const char *usage, const char *purpose, const char *words)
{
	struct spec leaf = LEAF, root = ROOT;
	struct ai_roots *r = roots_with(&root, AI_ROLE_EK);
	leaf.issuer = "root", leaf.signer = root_key, leaf.key = key, leaf.usage = usage, leaf.purpose = purpose;
	judged(chain_of(&leaf, &root, NULL), key, r, AI_ROLE_EK, NOON, words);
	ai_roots_free(r);
}

/* --- anchors and roles -------------------------------------------------------------------- */

static void
only_an_anchor_is_believed(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT, forged = ROOT;
	aik(&leaf, &sub, &root, NOON, NULL);
	/* A root that the forger made, of the same name. */
	forged.key = forged.signer = other_key;
	sub.signer = other_key;
	aik(&leaf, &sub, &forged, NOON, "end at 'CN = root', which is not an anchor of this verifier");
}

static void
each_role_is_its_own(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	static const struct { ai_role role; const char *words; } roles[] = {
		{ AI_ROLE_EK, "which is an anchor for endorsement keys only" }, { AI_ROLE_TSA, "which is an anchor for time stamps only" },
		{ AI_ROLE_AK_CLOUD, "which is an anchor for the attestation keys of a cloud only" },
	};
	for (size_t i = 0; i < 3; i++) {
		struct ai_roots *r = roots_with(&root, roles[i].role);
		judged(chain_of(&leaf, &sub, &root), ec_key, r, AI_ROLE_AK_CA, NOON, roles[i].words);
		ai_roots_free(r);
	}
	/* And a team's CA vouches for no endorsement key. */
	struct ai_roots *r = roots_with(&root, AI_ROLE_AK_CA);
	leaf.purpose = "2.23.133.8.1", leaf.usage = "critical,keyAgreement";
	judged(chain_of(&leaf, &sub, &root), ec_key, r, AI_ROLE_EK, NOON, "which is an anchor for the attestation keys that a CA enrolled only");
	ai_roots_free(r);
}

/* --- time ------------------------------------------------------------------------------------ */

static void
every_certificate_is_valid_then(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	aik(&leaf, &sub, &root, FROM, NULL);
	aik(&leaf, &sub, &root, TO, NULL);
	aik(&leaf, &sub, &root, FROM - 1, "not yet valid at 2017-07-14T02:23:19Z: it begins at 2017-07-14T02:23:20Z");
	aik(&leaf, &sub, &root, TO + 1, "certificate 0 'CN = leaf': expired at 2017-07-14T02:56:40Z: judged at 2017-07-14T02:56:41Z");
	sub.to = NOON - 1;
	aik(&leaf, &sub, &root, NOON, "certificate 1 'CN = sub': expired");
	sub.to = 0, sub.from = NOON + 1;
	aik(&leaf, &sub, &root, NOON, "certificate 1 'CN = sub': not yet valid");
	sub = SUB, root.to = NOON - 1;
	aik(&leaf, &sub, &root, NOON, "certificate 2 'CN = root': expired");
	root.to = 253402300799; /* the year 9999: no end */
	aik(&leaf, &sub, &root, NOON, NULL);
}

static void
the_common_time_is_told(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	struct ai_chain c;
	sub.from = NOON - 5, root.to = NOON + 7;
	AI_JSON *list = chain_of(&leaf, &sub, &root);
	ok(ai_chain_check_key(list, ec_key, NULL, &c, &err));
	assert_true(c.not_before == NOON - 5 && c.not_after == NOON + 7 && c.n == 3);
	ai_chain_done(&c);
}

/* --- revocation -------------------------------------------------------------------------------- */

static void
revoked_by(const struct ai_digest *id, const char *words)
{
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	struct ai_roots *r = roots_with(&root, AI_ROLE_AK_CA);
	ok(ai_roots_revoke(r, id, &err));
	judged(chain_of(&leaf, &sub, &root), ec_key, r, AI_ROLE_AK_CA, NOON, words);
	ai_roots_free(r);
}

static void
what_is_revoked_vouches_for_nothing(void **state)
{
	(void)state;
	struct spec all[] = { LEAF, SUB, ROOT };
	for (size_t i = 0; i < 3; i++) {
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		struct ai_digest spki;
		AI_FREE char *words = ai_format("certificate %zu 'CN = %s': was revoked", i, all[i].subject);
		der_of(&all[i], &der);
		ok(ai_roots_spki(der.data, der.len, &spki, &err));
		revoked_by(&spki, words);
	}
	struct ai_digest nobody = { { 7 } };
	revoked_by(&nobody, NULL);
}

static void
one_certificate_can_be_revoked_by_its_bytes(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	struct ai_roots *r = roots_with(&root, AI_ROLE_AK_CA);
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_digest d;
	der_of(&sub, &der);
	json_t *list = chain_of(&leaf, NULL, NULL);
	json_array_append_new(list, b64(der.data, der.len));
	AI_JSON *last = chain_of(&root, NULL, NULL);
	json_array_append(list, json_array_get(last, 0));
	ai_sha256(der.data, der.len, &d);
	ok(ai_roots_revoke(r, &d, &err));
	judged(list, ec_key, r, AI_ROLE_AK_CA, NOON, "certificate 1 'CN = sub': was revoked");
	ai_roots_free(r);
}

/* --- the leaf of an attestation key --------------------------------------------------------------- */

static void
attestation_leaf_says_what_it_is(void **state)
{
	(void)state;
	struct spec root = ROOT, sub = SUB, s = LEAF;
	s.purpose = "2.23.133.8.3,2.23.133.8.1";
	aik(&s, &sub, &root, NOON, NULL);
	s.purpose = NULL;
	aik(&s, &sub, &root, NOON, "certificate 0: has no extended key usage: expected 2.23.133.8.3");
	s.purpose = "2.23.133.8.1";
	aik(&s, &sub, &root, NOON, "certificate 0: its extended key usage lacks 2.23.133.8.3");
	s.purpose = "serverAuth,clientAuth";
	aik(&s, &sub, &root, NOON, "lacks 2.23.133.8.3");
	s.purpose = "anyExtendedKeyUsage";
	aik(&s, &sub, &root, NOON, "lacks 2.23.133.8.3");
	s = LEAF, s.usage = NULL;
	aik(&s, &sub, &root, NOON, "says not what its key is for");
	s.usage = "critical,digitalSignature,keyEncipherment", s.key = rsa_key;
	aik(&s, &sub, &root, NOON, "a key that secrets are sent to");
	s.usage = "critical,keyAgreement";
	aik(&s, &sub, &root, NOON, "a key that secrets are sent to");
	s.usage = "critical,nonRepudiation";
	aik(&s, &sub, &root, NOON, "not that of a key that signs");
	s.usage = "critical,digitalSignature,cRLSign";
	aik(&s, &sub, &root, NOON, "not that of a key that signs");
}

static void
an_issuer_for_something_else_does_not_vouch(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	sub.purpose = "2.23.133.8.1,2.23.133.8.3";
	aik(&leaf, &sub, &root, NOON, NULL);
	sub.purpose = "anyExtendedKeyUsage";
	aik(&leaf, &sub, &root, NOON, NULL);
	sub.purpose = "2.23.133.8.1";
	aik(&leaf, &sub, &root, NOON, "certificate 1: its extended key usage lacks 2.23.133.8.3");
	sub.purpose = "serverAuth";
	aik(&leaf, &sub, &root, NOON, "certificate 1: its extended key usage lacks 2.23.133.8.3");
}

static void
a_cloud_of_ones_own_has_plain_leaves(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	struct ai_roots *r = roots_with(&root, AI_ROLE_AK_CLOUD);
	leaf.purpose = NULL;
	judged(chain_of(&leaf, &sub, &root), ec_key, r, AI_ROLE_AK_CLOUD | AI_ROLE_AK_CA, NOON, NULL);
	leaf.usage = "critical,keyAgreement";
	judged(chain_of(&leaf, &sub, &root), ec_key, r, AI_ROLE_AK_CLOUD | AI_ROLE_AK_CA, NOON, "a key that secrets are sent to");
	ai_roots_free(r);
}

/* --- the leaf of an endorsement key ------------------------------------------------------------------ */

static void
endorsement_leaf_says_what_it_is(void **state)
{
	(void)state;
	ek(rsa_key, "critical,keyEncipherment", "2.23.133.8.1", NULL);
	ek(rsa_key, "critical,keyEncipherment", NULL, NULL);       /* early ones of some makers */
	ek(rsa_key, NULL, "2.23.133.8.1", NULL);
	ek(ec_key, "critical,keyAgreement", "2.23.133.8.1", NULL);
	ek(ec_key, NULL, NULL, "has no extended key usage: expected 2.23.133.8.1");
	ek(ec_key, "critical,keyEncipherment", "2.23.133.8.1", "not that of an endorsement key");
	ek(rsa_key, "critical,keyAgreement", "2.23.133.8.1", "not that of an endorsement key");
	ek(rsa_key, "critical,digitalSignature", "2.23.133.8.1", "not that of an endorsement key");
	ek(rsa_key, "critical,keyEncipherment,digitalSignature", "2.23.133.8.1", "not that of an endorsement key");
	ek(rsa_key, "critical,keyEncipherment", "serverAuth", "lacks 2.23.133.8.1");
	ek(rsa_key, "critical,keyEncipherment", "2.23.133.8.3", "lacks 2.23.133.8.1");
}

/* --- the leaf of a time-stamping authority -------------------------------------------------------------- */

static void
stamp(const char *usage, const char *purpose, const char *words)
{
	struct spec leaf = LEAF, root = ROOT;
	struct ai_roots *r = roots_with(&root, AI_ROLE_TSA);
	leaf.issuer = "root", leaf.signer = root_key, leaf.usage = usage, leaf.purpose = purpose;
	judged(chain_of(&leaf, &root, NULL), ec_key, r, AI_ROLE_TSA, NOON, words);
	ai_roots_free(r);
}

static void
stamping_leaf_is_for_nothing_else(void **state)
{
	(void)state;
	stamp("critical,digitalSignature", "critical,timeStamping", NULL);
	stamp("critical,nonRepudiation", "critical,timeStamping", NULL);
	stamp(NULL, "critical,timeStamping", NULL);
	stamp("critical,digitalSignature", "timeStamping", "is not for time stamps, and only for them");
	stamp("critical,digitalSignature", "critical,timeStamping,codeSigning", "is not for time stamps, and only for them");
	stamp("critical,digitalSignature", "critical,codeSigning", "is not for time stamps, and only for them");
	stamp("critical,digitalSignature", NULL, "is not for time stamps, and only for them");
	stamp("critical,digitalSignature,keyCertSign", "critical,timeStamping", "not that of a key that signs");
	stamp("critical,keyAgreement", "critical,timeStamping", "not that of a key that signs");
}

/* --- exact anchors ----------------------------------------------------------------------------------------- */

static void
exact_anchor_ends_a_chain(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	struct ai_chain c;
	const struct ai_anchor *a = NULL;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_roots *r;
	ok(ai_roots_new(false, &r, &err));
	der_of(&sub, &der);
	ok(ai_roots_add(r, der.data, der.len, "the root", AI_ROLE_AK_CA, "us", &err));
	AI_JSON *list = chain_of(&leaf, NULL, NULL);
	json_array_append_new(list, b64(der.data, der.len));
	ok(ai_chain_check_key(list, ec_key, r, &c, &err));
	assert_false(c.self_signed);
	ok(ai_chain_trust(&c, r, AI_ROLE_AK_CA, NOON, &a, &err));
	assert_true(a->exact);
	ai_chain_done(&c);
	/* Without the anchor nobody checks the signature of its certificate: it could say anything. */
	refused(AI_ENO, "its issuer's certificate is missing", ai_chain_check_key(list, ec_key, NULL, &c, &err));
	/* One more after it is one too many, though it is the one that signed. */
	AI_JSON *last = chain_of(&root, NULL, NULL);
	json_array_append(list, json_array_get(last, 0));
	refused(AI_ENO, "certificate 1: is an anchor itself, and certificates are left over", ai_chain_check_key(list, ec_key, r, &c, &err));
	/* Any other certificate of the same key is not it. */
	sub.serial = 10;
	AI_JSON *twin = chain_of(&leaf, &sub, NULL);
	refused(AI_ENO, "its issuer's certificate is missing", ai_chain_check_key(twin, ec_key, r, &c, &err));
	/* Nor is one with any byte of it flipped, signed or not. */
	for (size_t i = 0; i < der.len; i++) {
		struct ai_err e = { 0 };
		der.data[i] ^= 1;
		json_array_set_new(twin, 1, b64(der.data, der.len));
		der.data[i] ^= 1;
		if (ai_chain_check_key(twin, ec_key, r, &c, &e) == 0)
			fail_msg("byte %zu of an exact anchor flipped passes", i);
	}
	ai_roots_free(r);
}

/* --- what no certificate may say ------------------------------------------------------------------------------ */

static void
broken(const struct spec *leaf, const struct spec *sub, const struct spec *root, const char *words)
{
	struct ai_chain c;
	AI_JSON *list = chain_of(leaf, sub, root);
	refused(AI_ENO, words, ai_chain_check_key(list, leaf->key, NULL, &c, &err));
}

static void
nothing_that_nobody_judges(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT, s;
	static const char *const dns = "nameConstraints=permitted;DNS:example.org";
	s = sub, s.more[0] = dns;
	broken(&leaf, &s, &root, "certificate 1: has name constraints");
	s = root, s.more[0] = "nameConstraints=critical,permitted;DNS:example.org";
	broken(&leaf, &sub, &s, "certificate 2: has name constraints");
	s = sub, s.more[0] = "policyConstraints=critical,requireExplicitPolicy:0";
	broken(&leaf, &s, &root, "certificate 1: has a critical extension that nobody here understands");
	s = sub, s.more[0] = "inhibitAnyPolicy=critical,0";
	broken(&leaf, &s, &root, "certificate 1: has a critical extension");
	s = leaf, s.more[0] = "1.2.3.4";
	broken(&s, &sub, &root, "certificate 0: has a critical extension");
	s = leaf, s.more[0] = "-1.2.3.4";
	aik(&s, &sub, &root, NOON, NULL);
	s.more[1] = "-1.2.3.4";
	broken(&s, &sub, &root, "certificate 0: has an extension twice");
	/* The second says what the first does not: which of them is read is chance. */
	s = leaf, s.more[0] = "keyUsage=keyAgreement";
	broken(&s, &sub, &root, "certificate 0: ");
	s = leaf, s.more[0] = "certificatePolicies=critical,1.2.3.4";
	aik(&s, &sub, &root, NOON, NULL);
}

static void
path_lengths_hold(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	root.constraints = "critical,CA:TRUE,pathlen:1";
	aik(&leaf, &sub, &root, NOON, NULL);
	root.constraints = "critical,CA:TRUE,pathlen:0";
	broken(&leaf, &sub, &root, "certificate 2: allows 0 CAs below it: got 1");
	root = ROOT, sub.usage = "critical,digitalSignature";
	broken(&leaf, &sub, &root, "certificate 1: is not a CA");
	sub = SUB, root.usage = "critical,cRLSign";
	broken(&leaf, &sub, &root, "certificate 2: is not a CA");
	root = ROOT, leaf.usage = "critical,digitalSignature,keyCertSign", leaf.constraints = NULL;
	broken(&leaf, &sub, &root, "certificate 0: is a CA");
}

static void
weak_keys_sign_nothing(void **state)
{
	(void)state;
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	struct spec leaf = LEAF, sub = SUB, root = ROOT;
	sub.key = leaf.signer = weak;
	broken(&leaf, &sub, &root, "certificate 0: its signature algorithm is too weak");
	EVP_PKEY_free(weak);
}

/* --- the memo ------------------------------------------------------------------------------------------------------ */

static void
the_memo_changes_no_answer(void **state)
{
	(void)state;
	struct spec leaf = LEAF, sub = SUB, root = ROOT, forged = SUB;
	struct ai_ak ak = { .pkey = ec_key }, other = { .pkey = other_key };
	struct ai_chain_memo *memo;
	struct ai_chain c;
	AI_JSON *good = chain_of(&leaf, &sub, &root);
	AI_JSON *bad = json_copy(good);
	forged.signer = other_key;
	AI_JSON *by_other = chain_of(&forged, NULL, NULL);
	json_array_set(bad, 1, json_array_get(by_other, 0));
	AI_JSON *turned = json_pack("[O, O]", json_array_get(good, 1), json_array_get(good, 2));
	ok(ai_chain_memo_new(&memo, &err));
	for (int i = 0; i < 3; i++) {
		ok(ai_chain_check_memo(good, &ak, NULL, memo, &c, &err));
		ai_chain_done(&c);
		refused(AI_ENO, "certificate 1: its signature is not by the key", ai_chain_check_memo(bad, &ak, NULL, memo, &c, &err));
		refused(AI_ENO, "not the attestation key", ai_chain_check_memo(good, &other, NULL, memo, &c, &err));
		refused(AI_ENO, "not the attestation key", ai_chain_check_memo(turned, &ak, NULL, memo, &c, &err));
	}
	/* Far more certificates than it has room for. */
	for (long i = 0; i < 600; i++) {
		leaf.serial = 100 + i;
		AI_JSON *one = chain_of(&leaf, NULL, NULL);
		AI_JSON *list = json_copy(good);
		json_array_set(list, 0, json_array_get(one, 0));
		ok(ai_chain_check_memo(list, &ak, NULL, memo, &c, &err));
		ai_chain_done(&c);
	}
	refused(AI_ENO, "certificate 1: its signature is not by the key", ai_chain_check_memo(bad, &ak, NULL, memo, &c, &err));
	ai_chain_memo_free(memo);
	ai_chain_memo_free(NULL);
}

/* --- where the issuer is --------------------------------------------------------------------------------------------- */

static void
issuers_are_named(void **state)
{
	(void)state;
	struct spec s = LEAF;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	json_t *urls = NULL;
	s.more[0] = "authorityInfoAccess=caIssuers;URI:http://a.example/ca.crt,OCSP;URI:http://b.example/,caIssuers;URI:ldap://c.example/,"
		"caIssuers;URI:https://d.example/x y,caIssuers;URI:https://e.example/ca.crt,caIssuers;URI:file:///etc/passwd,caIssuers;email:a@example.org";
	der_of(&s, &der);
	ok(ai_chain_issuer_urls(der.data, der.len, &urls, &err));
	AI_FREE char *text = json_dumps(urls, JSON_COMPACT);
	assert_string_equal(text, "[\"http://a.example/ca.crt\",\"https://e.example/ca.crt\"]");
	json_decref(urls);
	s.more[0] = NULL;
	ai_buf_clear(&der);
	der_of(&s, &der);
	ok(ai_chain_issuer_urls(der.data, der.len, &urls, &err));
	assert_int_equal(json_array_size(urls), 0);
	json_decref(urls);
	urls = NULL;
	refused(AI_EINPUT, "not an X.509", ai_chain_issuer_urls("x", 1, &urls, &err));
	refused(AI_EINPUT, "not an X.509", ai_chain_issuer_urls("", 0, &urls, &err));
	assert_null(urls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_an_anchor_is_believed), cmocka_unit_test(each_role_is_its_own), cmocka_unit_test(every_certificate_is_valid_then),
		cmocka_unit_test(the_common_time_is_told), cmocka_unit_test(what_is_revoked_vouches_for_nothing),
		cmocka_unit_test(one_certificate_can_be_revoked_by_its_bytes), cmocka_unit_test(attestation_leaf_says_what_it_is),
		cmocka_unit_test(an_issuer_for_something_else_does_not_vouch), cmocka_unit_test(a_cloud_of_ones_own_has_plain_leaves),
		cmocka_unit_test(endorsement_leaf_says_what_it_is), cmocka_unit_test(stamping_leaf_is_for_nothing_else),
		cmocka_unit_test(exact_anchor_ends_a_chain), cmocka_unit_test(nothing_that_nobody_judges), cmocka_unit_test(path_lengths_hold),
		cmocka_unit_test(weak_keys_sign_nothing), cmocka_unit_test(the_memo_changes_no_answer), cmocka_unit_test(issuers_are_named),
	};
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
