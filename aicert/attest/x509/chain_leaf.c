/*
 * chain_leaf.c -- what the certificate of a TPM's key must look like, by who issued it.
 *
 * A signing key's certificate says digitalSignature and nothing else that a key could do; an endorsement key's says how secrets are sent to it. That
 * tells the two apart everywhere: Google issues both from the same CA, and its older attestation keys say the purpose of an
 * endorsement key (2.23.133.8.1) of themselves, as the real ones in go-tpm-tools show.
 *
 * Source: TCG EK Credential Profile 2.x (3.2: keyUsage, extended key usage); TCG Credential Profiles (tcg-kp-AIKCertificate); RFC 5280 4.2.1.12;
 * RFC 3161 2.3; certificates issued by Azure (Global Virtual TPM CA, Azure Cloud Virtual TPM CA) and by Google (both generations).
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "attest/x509/chain_parts.h"

#define KP_EK "2.23.133.8.1"  /* tcg-kp-EKCertificate */
#define KP_AIK "2.23.133.8.3" /* tcg-kp-AIKCertificate */
#define KP_STAMP "1.3.6.1.5.5.7.3.8"
#define KP_ANY "2.5.29.37.0"
#define GCE_INSTANCE "1.3.6.1.4.1.11129.2.1.21" /* project, zone and instance of a virtual machine */
#define TPM_MANUFACTURER "2.23.133.2.1"

enum {
	SIGNS = KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION,
	TAKES_SECRETS = KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT | KU_DATA_ENCIPHERMENT,
	ISSUES = KU_KEY_CERT_SIGN | KU_CRL_SIGN,
};

/* --- reading ------------------------------------------------------------------ */

/* -1: no extended key usage; 0: it lacks this purpose; 1: it has it. any: anyExtendedKeyUsage is this one too. */
static int
has_purpose(X509 *x, const char *oid, bool any)
{
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	int has = usage ? 0 : -1;
	for (int i = 0; i < sk_ASN1_OBJECT_num(usage) && has == 0; i++) {
		char text[80];
		OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(usage, i), 1);
		has = strcmp(text, oid) == 0 || (any && strcmp(text, KP_ANY) == 0);
	}
	EXTENDED_KEY_USAGE_free(usage);
	return has;
}

/* Is it there, once (that none comes twice was seen before), and not empty? */
static bool
has_extension(X509 *x, const char *oid)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	int at = object ? X509_get_ext_by_OBJ(x, object, -1) : -1;
	ASN1_OBJECT_free(object);
	return at >= 0 && ASN1_STRING_length(X509_EXTENSION_get_data(X509_get_ext(x, at))) > 0;
}

/* Does a directory name among the alternative names say this of the TPM's maker? */
static bool
has_manufacturer(X509 *x, const char *id)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	ASN1_OBJECT *object = OBJ_txt2obj(TPM_MANUFACTURER, 1);
	bool has = false;
	for (int i = 0; object && i < sk_GENERAL_NAME_num(names) && !has; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		int at = g->type == GEN_DIRNAME ? X509_NAME_get_index_by_OBJ(g->d.directoryName, object, -1) : -1;
		const ASN1_STRING *value = at >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(g->d.directoryName, at)) : NULL;
		has = value && (size_t)ASN1_STRING_length(value) == strlen(id) && memcmp(ASN1_STRING_get0_data(value), id, strlen(id)) == 0;
	}
	ASN1_OBJECT_free(object);
	GENERAL_NAMES_free(names);
	return has;
}

/* --- rules -------------------------------------------------------------------- */

static int
must_sign_only(X509 *x, struct ai_err *err)
{
	uint32_t usage = X509_get_key_usage(x);
	if (!(X509_get_extension_flags(x) & EXFLAG_KUSAGE))
		return ai_fail(err, AI_ENO, "says not what its key is for (no key usage)");
	if (usage & TAKES_SECRETS)
		return ai_fail(err, AI_ENO, "is for a key that secrets are sent to (an endorsement key's): expected one that signs");
	if ((usage & ISSUES) || !(usage & KU_DIGITAL_SIGNATURE))
		return ai_fail(err, AI_ENO, "key usage is not that of a key that signs statements");
	return 0;
}

/* purpose in the extended key usage; if_there: there may be no extended key usage at all. */
static int
must_have_purpose(X509 *x, const char *oid, bool if_there, struct ai_err *err)
{
	int has = has_purpose(x, oid, false);
	if (has == 1 || (if_there && has < 0))
		return 0;
	return ai_fail(err, AI_ENO, "%s %s", has < 0 ? "has no extended key usage: expected" : "its extended key usage lacks", oid);
}

/* An issuer that says what its certificates are for, says this too. */
static int
issuers_must_allow(const struct ai_certs *certs, const char *oid, struct ai_err *err)
{
	for (size_t i = 1; i < certs->n; i++)
		if (has_purpose(certs->c[i].x, oid, true) == 0)
			return ai_fail(err, AI_ENO, "certificate %zu: its extended key usage lacks %s, which the leaf is for", i, oid);
	return 0;
}

/*
 * The usage must fit the key where it is stated. It, or the purpose, may be missing: early endorsement certificates of some makers have the one or the
 * other only (the profile made the purpose mandatory with version 2.1). Without both there is nothing that says "endorsement key".
 */
static int
endorsement_leaf(X509 *x, struct ai_err *err)
{
	X509_ALGOR *alg;
	const ASN1_OBJECT *kind = NULL;
	if (X509_PUBKEY_get0_param(NULL, NULL, NULL, &alg, X509_get_X509_PUBKEY(x)) == 1)
		X509_ALGOR_get0(&kind, NULL, NULL, alg);
	bool stated = X509_get_extension_flags(x) & EXFLAG_KUSAGE;
	uint32_t usage = X509_get_key_usage(x), wanted = kind && OBJ_obj2nid(kind) == NID_X9_62_id_ecPublicKey ? KU_KEY_AGREEMENT : KU_KEY_ENCIPHERMENT;
	if (stated && (!(usage & wanted) || (usage & (SIGNS | ISSUES))))
		return ai_fail(err, AI_ENO, "key usage is not that of an endorsement key");
	return must_have_purpose(x, KP_EK, stated, err);
}

/* RFC 3161, 2.3: the one purpose, and critical. */
static int
stamp_leaf(X509 *x, struct ai_err *err)
{
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	int n = sk_ASN1_OBJECT_num(usage);
	EXTENDED_KEY_USAGE_free(usage);
	int at = X509_get_ext_by_NID(x, NID_ext_key_usage, -1);
	if (has_purpose(x, KP_STAMP, false) != 1 || n != 1 || !X509_EXTENSION_get_critical(X509_get_ext(x, at)))
		return ai_fail(err, AI_ENO, "is not for time stamps, and only for them (critical extended key usage)");
	if ((X509_get_extension_flags(x) & EXFLAG_KUSAGE) && (!(X509_get_key_usage(x) & SIGNS) || (X509_get_key_usage(x) & ~(uint32_t)SIGNS)))
		return ai_fail(err, AI_ENO, "key usage is not that of a key that signs statements");
	return 0;
}

/* Google's, of both generations: a virtual machine's, and where it is. */
static int
google_leaf(X509 *x, bool old, struct ai_err *err)
{
	if (must_sign_only(x, err) < 0)
		return err->code;
	if (!has_extension(x, GCE_INSTANCE))
		return ai_fail(err, AI_ENO, "names no instance of Google's cloud (%s)", GCE_INSTANCE);
	/* The older ones have the endorsement key's purpose and name Google ("GOOG") as the TPM's maker; the newer ones state neither. */
	if (must_have_purpose(x, KP_EK, !old, err) < 0)
		return err->code;
	if (old && !has_manufacturer(x, "id:474F4F47"))
		return ai_fail(err, AI_ENO, "names no TPM of Google's");
	return 0;
}

static int
leaf(X509 *x, ai_profile profile, struct ai_err *err)
{
	switch (profile) {
	case AI_PROFILE_PLAIN:
		return must_sign_only(x, err);
	case AI_PROFILE_AZURE:
	case AI_PROFILE_AIK:
		return must_sign_only(x, err) < 0 ? err->code : must_have_purpose(x, KP_AIK, false, err);
	case AI_PROFILE_GCE_UCA:
		return google_leaf(x, true, err);
	case AI_PROFILE_GCE_CAS:
		return google_leaf(x, false, err);
	case AI_PROFILE_EK:
		return endorsement_leaf(x, err);
	case AI_PROFILE_TSA:
		return stamp_leaf(x, err);
	}
	return ai_fail(err, AI_ENO, "internal: no such profile");
}

/* What the issuers must be allowed to vouch for; NULL: nothing that they would state. */
static const char *
purpose_of(ai_profile profile)
{
	switch (profile) {
	case AI_PROFILE_AZURE:
	case AI_PROFILE_AIK:
		return KP_AIK;
	case AI_PROFILE_GCE_UCA:
	case AI_PROFILE_GCE_CAS:
	case AI_PROFILE_EK:
		return KP_EK;
	case AI_PROFILE_TSA:
		return KP_STAMP;
	case AI_PROFILE_PLAIN:
		break;
	}
	return NULL;
}

int
ai_chain_leaf(const struct ai_certs *certs, ai_profile profile, struct ai_err *err)
{
	int r = leaf(certs->c[0].x, profile, err);
	ERR_clear_error();
	if (r < 0)
		return ai_in(err, "certificate 0");
	return purpose_of(profile) ? issuers_must_allow(certs, purpose_of(profile), err) : 0;
}
