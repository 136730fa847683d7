/* test_tpm_keys.c -- endorsement keys, credentials, kept certificates, quotes of anything, and TPMs that go away.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/tpm/tpm.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "attest/enrol/credential.h"
#include "attest/eventlog/eventlog.h"
#include "attest/quote/quote.h"
#include "attest/tpm/tpm_parts.h"
#include "fake_cert.h"
#include "swtpm.h"

struct place {
	char *state;
	struct swtpm sw;
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	ok(ai_mkdtemp("/tmp/aicert-keys", &p->state, &err));
	if (have_swtpm())
		swtpm_start(&p->sw);
	else
		print_message("swtpm is not installed\n");
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	if (p->sw.dir)
		swtpm_end(&p->sw);
	ok(ai_remove_tree(AT_FDCWD, p->state, &err));
	free(p->state);
	free(p);
	return 0;
}

static struct place *
needs_swtpm(void **state)
{
	struct place *p = *state;
	if (!p->sw.pid)
		skip();
	return p;
}

static struct ai_tpm *
open_tpm(const struct place *p, const char *tcti, bool look)
{
	struct ai_tpm_options o = { .tcti = tcti, .state = p->state, .look = look };
	struct ai_tpm *t = NULL;
	ok(ai_tpm_open(&o, &t, &err));
	return t;
}

/* --- what somebody else does to the TPM ------------------------------------------- */

struct other { TSS2_TCTI_CONTEXT *tcti; ESYS_CONTEXT *esys; };

static struct other
other_begin(const struct place *p)
{
	struct other o = { NULL, NULL };
	assert_int_equal(Tss2_TctiLdr_Initialize(p->sw.tcti, &o.tcti), 0);
	assert_int_equal(Esys_Initialize(&o.esys, o.tcti, NULL), 0);
	return o;
}

static void
other_end(struct other *o)
{
	Esys_Finalize(&o->esys);
	Tss2_TctiLdr_Finalize(&o->tcti);
}

/* As a maker does: n bytes of data in an index of size bytes, which whoever likes may read. */
static void
nv_put(const struct place *p, uint32_t index, const void *data, size_t n, size_t size, uint32_t attributes)
{
	struct other o = other_begin(p);
	TPM2B_NV_PUBLIC public = { .nvPublic = { .nvIndex = index, .nameAlg = TPM2_ALG_SHA256, .dataSize = (UINT16)size,
		.attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_NO_DA | attributes } };
	TPM2B_AUTH none = { .size = 0 };
	ESYS_TR nv;
	assert_int_equal(Esys_NV_DefineSpace(o.esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &none, &public, &nv), 0);
	for (size_t at = 0; at < size; at += 512) {
		TPM2B_MAX_NV_BUFFER part = { .size = (UINT16)(size - at < 512 ? size - at : 512) };
		if (at < n)
			memcpy(part.buffer, (const char *)data + at, n - at < part.size ? n - at : part.size);
		assert_int_equal(Esys_NV_Write(o.esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &part, (UINT16)at), 0);
	}
	other_end(&o);
}

static void
extend_pcr15(const struct place *p)
{
	struct other o = other_begin(p);
	TPML_DIGEST_VALUES v = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256, .digest = { .sha256 = { 9 } } } } };
	assert_int_equal(Esys_PCR_Extend(o.esys, ESYS_TR_PCR15, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &v), 0);
	other_end(&o);
}

/* --- endorsement keys and credentials ---------------------------------------------- */

/* Gets the EK, makes a credential for the AK as a CA does, and has the TPM open it. */
static void
enroll(struct ai_tpm *t, uint16_t type, uint16_t curve, size_t n_certificates)
{
	AI_BUF_AUTO public = AI_BUF(4096);
	AI_BUF_AUTO object = AI_BUF(4096);
	AI_BUF_AUTO seed = AI_BUF(4096);
	AI_BUF_AUTO secret = AI_BUF(4096);
	AI_JSON *certificates = NULL;
	struct ai_ek ek;
	uint8_t name[66];
	size_t name_len, n;
	ok(ai_tpm_ek(t, &public, &certificates, &err));
	assert_int_equal(json_array_size(certificates), n_certificates);
	ok(ai_ek_parse(public.data, public.len, &ek, &err));
	assert_int_equal(ek.type, type);
	assert_int_equal(ek.curve, curve);
	const void *ak = ai_tpm_ak_public(t, &n);
	ok(ai_credential_name(ak, n, name, &name_len, &err));
	ok(ai_credential_make(&ek, name, name_len, "a secret of the CA's", 20, &object, &seed, &err));
	ok(ai_tpm_activate(t, object.data, object.len, seed.data, seed.len, &secret, &err));
	assert_int_equal(secret.len, 20);
	assert_memory_equal(secret.data, "a secret of the CA's", 20);
	/* For another key of the same TPM it stays shut. */
	ai_buf_clear(&object);
	ai_buf_clear(&seed);
	ai_buf_clear(&secret);
	name[10] ^= 1;
	ok(ai_credential_make(&ek, name, name_len, "a secret of the CA's", 20, &object, &seed, &err));
	refused(AI_EENV, "for another TPM, or for another attestation key",
		ai_tpm_activate(t, object.data, object.len, seed.data, seed.len, &secret, &err));
	assert_int_equal(secret.len, 0);
	/* Cut, or with something behind it. */
	refused(AI_EINPUT, "malformed", ai_tpm_activate(t, object.data, object.len - 1, seed.data, seed.len, &secret, &err));
	ai_buf_putc(&seed, 0);
	refused(AI_EINPUT, "malformed", ai_tpm_activate(t, object.data, object.len, seed.data, seed.len, &secret, &err));
	ai_ek_done(&ek);
}

/* The EK's certificate is for the EK. */
static void
same_key(struct ai_tpm *t)
{
	AI_BUF_AUTO public = AI_BUF(4096);
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_JSON *certificates = NULL;
	struct ai_ek ek;
	ok(ai_tpm_ek(t, &public, &certificates, &err));
	const json_t *leaf = json_array_get(certificates, 0);
	ok(ai_b64_get(json_string_value(leaf), json_string_length(leaf), &der, &err));
	ok(ai_ek_parse(public.data, public.len, &ek, &err));
	ok(ai_tpm_cert_names(der.data, der.len, ek.pkey, &err));
	ai_ek_done(&ek);
}

static void
embedded_enrolls(void **state)
{
	struct ai_tpm *t = open_tpm(*state, "embedded", false);
	enroll(t, TPM2_ALG_ECC, TPM2_ECC_NIST_P256, 0);
	ai_tpm_close(t);
}

/* What a certificate's place in NV says of the key that it is for. */
static void
each_place_of_an_ek_gives_its_key(void **state)
{
	static const struct { uint32_t nv; uint16_t type, curve; } slots[] = {
		{ 0x01c00016, TPM2_ALG_ECC, TPM2_ECC_NIST_P384 }, { 0x01c00014, TPM2_ALG_ECC, TPM2_ECC_NIST_P256 }, { 0x01c00012, TPM2_ALG_RSA, 0 },
		{ 0x01c0000a, TPM2_ALG_ECC, TPM2_ECC_NIST_P256 }, { 0x01c00002, TPM2_ALG_RSA, 0 },
	};
	struct place *p = needs_swtpm(state);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct fake_cert c = { .subject = "ek", .issuer = "ek", .key = key, .signer = key };
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	fake_cert_der(&c, &der);
	struct ai_tpm *t = open_tpm(p, p->sw.tcti, false);
	enroll(t, TPM2_ALG_ECC, TPM2_ECC_NIST_P256, 0);
	/* The earlier ones in the list come last here, as they go before. */
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
		nv_put(p, slots[i].nv, der.data, der.len, 1024, TPMA_NV_AUTHREAD);
		enroll(t, slots[i].type, slots[i].curve, 1);
	}
	ai_tpm_close(t);
	EVP_PKEY_free(key);
}

/* A nonce of the maker's changes the key; what is no certificate, or not for users, is passed over. */
static void
nonces_and_rubbish(void **state)
{
	struct place *p = needs_swtpm(state);
	struct ai_tpm *t = open_tpm(p, p->sw.tcti, false);
	AI_BUF_AUTO before = AI_BUF(4096);
	AI_BUF_AUTO after = AI_BUF(4096);
	AI_JSON *a = NULL;
	AI_JSON *b = NULL;
	nv_put(p, 0x01c00002, "\xff\xff\xff\xff", 4, 8, TPMA_NV_AUTHREAD);
	ok(ai_tpm_ek(t, &before, &a, &err));
	nv_put(p, 0x01c0000b, "a nonce", 7, 7, 0);
	ok(ai_tpm_ek(t, &after, &b, &err));
	assert_true(before.len == after.len && memcmp(before.data, after.data, before.len) != 0);
	enroll(t, TPM2_ALG_ECC, TPM2_ECC_NIST_P256, 0);
	/* A template of the maker's goes before the nonce: the profile's own, so that the key is the first one again. */
	AI_BUF_AUTO template = AI_BUF(4096);
	AI_BUF_AUTO again = AI_BUF(4096);
	AI_JSON *c = NULL;
	ai_buf_put(&template, before.data, before.len);
	memset(template.data + before.len - 32, 0, 32);
	memset(template.data + before.len - 66, 0, 32);
	nv_put(p, 0x01c0000c, template.data, template.len, template.len, 0);
	ok(ai_tpm_ek(t, &again, &c, &err));
	assert_int_equal(again.len, before.len);
	assert_memory_equal(again.data, before.data, before.len);
	ai_tpm_close(t);
}

/* A TPM as swtpm's own tools make it: do our templates give the keys that its certificates are for? */
static void
a_makers_certificates_are_for_our_keys(void **state)
{
	static const char script[] = "cd \"$0\" && mkdir conf && printf 'statedir = %s/conf\\nsigningkey = %s/conf/key.pem\\nissuercert = %s/conf/cert.pem\\n"
		"certserial = %s/conf/serial\\n' \"$0\" \"$0\" \"$0\" \"$0\" >conf/ca && printf -- '--platform-manufacturer x\\n--platform-version 2.1\\n--platform-model y\\n' "
		">conf/options && printf 'create_certs_tool = %s\\ncreate_certs_tool_config = %s/conf/ca\\ncreate_certs_tool_options = %s/conf/options\\n' "
		"\"$(command -v swtpm_localca)\" \"$0\" \"$0\" >conf/setup && exec swtpm_setup --tpm2 --overwrite --tpmstate \"$0/made\" --create-ek-cert "
		"--config \"$0/conf/setup\" >conf/log 2>&1";
	struct place *p = needs_swtpm(state);
	if (!ai_exists("/usr/bin/swtpm_setup"))
		skip();
	AI_FREE char *made = ai_format("%s/made", p->state);
	ok(ai_mkdirs(made, 0700, &err));
	pid_t pid = fork();
	if (pid == 0) {
		execlp("sh", "sh", "-c", script, p->state, (char *)NULL);
		_exit(127);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	swtpm_power_off(&p->sw);
	AI_FREE char *own = p->sw.dir;
	p->sw.dir = made;
	swtpm_power_on(&p->sw);
	struct ai_tpm *t = open_tpm(p, p->sw.tcti, false);
	enroll(t, TPM2_ALG_RSA, 0, 1);
	same_key(t);
	/* Without its RSA certificate the ECC one is next, a P-384 key of the high range. */
	struct other o = other_begin(p);
	ESYS_TR nv;
	assert_int_equal(Esys_TR_FromTPMPublic(o.esys, 0x01c00002, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &nv), 0);
	assert_int_equal(Esys_NV_UndefineSpace(o.esys, ESYS_TR_RH_PLATFORM, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE), 0);
	other_end(&o);
	enroll(t, TPM2_ALG_ECC, TPM2_ECC_NIST_P384, 1);
	same_key(t);
	ai_tpm_close(t);
	swtpm_power_off(&p->sw);
	p->sw.dir = ai_strdup(own);
}

/* --- kept certificates ----------------------------------------------------------------- */

static json_t *
issued(EVP_PKEY *ca, EVP_PKEY *key, bool whole)
{
	struct fake_cert root = { .subject = "team CA", .issuer = "team CA", .key = ca, .signer = ca, .constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign" };
	struct fake_cert leaf = { .subject = "ak", .issuer = "team CA", .key = key, .signer = ca, .constraints = "critical,CA:FALSE", .usage = "critical,digitalSignature" };
	return whole ? json_pack("[o,o]", fake_cert_text(&leaf), fake_cert_text(&root)) : json_pack("[o]", fake_cert_text(&leaf));
}

static void
kept_certificates(const struct place *p, const char *tcti)
{
	struct ai_tpm *t = open_tpm(p, tcti, false);
	struct ai_ak ak;
	size_t n;
	const void *public = ai_tpm_ak_public(t, &n);
	ok(ai_ak_parse(public, n, &ak, &err));
	EVP_PKEY *ca = EVP_EC_gen("P-256");
	AI_JSON *good = issued(ca, ak.pkey, true);
	AI_JSON *foreign = issued(ca, ca, true);
	AI_JSON *part = issued(ca, ak.pkey, false);
	AI_JSON *none = json_array();
	AI_JSON *no_list = json_string("x");
	AI_JSON *other = json_deep_copy(ai_tpm_certificates(t));
	assert_string_equal(ai_tpm_ak_kind(t), "own");
	refused(AI_ENO, "not the attestation key", ai_tpm_keep_certificates(t, foreign, &err));
	refused(AI_ENO, "issuer", ai_tpm_keep_certificates(t, part, &err));
	refused(AI_ENO, "there are none", ai_tpm_keep_certificates(t, none, &err));
	refused(AI_EINPUT, "list", ai_tpm_keep_certificates(t, no_list, &err));
	assert_true(json_equal(ai_tpm_certificates(t), other));
	ok(ai_tpm_keep_certificates(t, good, &err));
	assert_true(json_equal(ai_tpm_certificates(t), good));
	ai_tpm_close(t);
	t = open_tpm(p, tcti, false);
	assert_string_equal(ai_tpm_ak_kind(t), "enrolled");
	assert_string_equal(ai_tpm_certificates_note(t), "");
	assert_true(json_equal(ai_tpm_certificates(t), good));
	ai_tpm_close(t);
	/* The other sort of key has no part in it. */
	struct ai_tpm_options o = { .tcti = tcti, .state = p->state, .ak = "rsa" };
	ok(ai_tpm_open(&o, &t, &err));
	assert_string_equal(ai_tpm_ak_kind(t), "own");
	ai_tpm_close(t);
	/* Damaged, or put there by somebody: an error, for a proof with it would be refused. */
	char hex[AI_HEX];
	ai_hex(&ak.fingerprint, hex);
	AI_FREE char *path = ai_format("%s/tpm/ak-%s.json", p->state, hex);
	static const char *const lies[] = { "{\"certificates\":[]}", "{", "{\"certificates\":[\"AAAA\"]}", "{\"certificates\":3}" };
	o = (struct ai_tpm_options){ .tcti = tcti, .state = p->state };
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct ai_tpm *no = NULL;
		ok(ai_write_file(AT_FDCWD, path, lies[i], strlen(lies[i]), 0600, &err));
		refused(AI_EENV, path, ai_tpm_open(&o, &no, &err));
		assert_null(no);
	}
	EVP_PKEY_free(ca);
	ai_ak_done(&ak);
}

/* They may have been good once: the run is told, as the verifiers of today will not be pleased. */
static void
expired_certificates_are_said(void **state)
{
	struct place *p = *state;
	struct ai_tpm *t = open_tpm(p, "embedded", false);
	struct ai_ak ak;
	size_t n;
	const void *public = ai_tpm_ak_public(t, &n);
	ok(ai_ak_parse(public, n, &ak, &err));
	EVP_PKEY *ca = EVP_EC_gen("P-256");
	struct fake_cert root = { .subject = "team CA", .issuer = "team CA", .key = ca, .signer = ca, .constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign" };
	struct fake_cert leaf = { .subject = "ak", .issuer = "team CA", .key = ak.pkey, .signer = ca, .constraints = "critical,CA:FALSE", .usage = "critical,digitalSignature",
		.not_before = 1000000000, .not_after = 1600000000 };
	AI_JSON *old = json_pack("[o,o]", fake_cert_text(&leaf), fake_cert_text(&root));
	ok(ai_tpm_keep_certificates(t, old, &err));
	ai_tpm_close(t);
	t = open_tpm(p, "embedded", false);
	assert_string_equal(ai_tpm_certificates_note(t), "the attestation key's certificates were valid until 2020-09-13T12:26:40Z");
	assert_int_equal(json_array_size(ai_tpm_certificates(t)), 2);
	ai_tpm_close(t);
	EVP_PKEY_free(ca);
	ai_ak_done(&ak);
}

static void
embedded_keeps_certificates(void **state)
{
	struct place *p = *state;
	kept_certificates(p, "embedded");
}

static void
swtpm_keeps_certificates(void **state)
{
	struct place *p = needs_swtpm(state);
	kept_certificates(p, p->sw.tcti);
}

/* --- for people who debug ------------------------------------------------------------------ */

static void
raw(struct ai_tpm *t, uint16_t bank, uint32_t mask, size_t extra_len)
{
	AI_BUF_AUTO attest = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO signature = AI_BUF(AI_MAX_QUOTE);
	AI_JSON *pcrs = NULL;
	uint8_t extra[64] = { 1, 2, 3 };
	struct ai_quote q;
	struct ai_ak ak;
	size_t n;
	ok(ai_tpm_quote_raw(t, bank, mask, extra, extra_len, &attest, &signature, &pcrs, &err));
	const void *public = ai_tpm_ak_public(t, &n);
	ok(ai_ak_parse(public, n, &ak, &err));
	ok(ai_quote_signature(&ak, (const uint8_t *)attest.data, attest.len, (const uint8_t *)signature.data, signature.len, &err));
	ok(ai_quote_parse((const uint8_t *)attest.data, attest.len, &q, &err));
	assert_int_equal(q.bank, bank);
	assert_int_equal(q.pcr_mask, mask);
	assert_int_equal(q.extra_len, extra_len);
	assert_memory_equal(q.extra, extra, extra_len);
	assert_int_equal(json_object_size(pcrs), __builtin_popcount(mask));
	const char *key;
	json_t *v;
	json_object_foreach(pcrs, key, v)
		assert_int_equal(json_string_length(v), 2 * ai_bank_size(bank));
	ai_ak_done(&ak);
}

static void
quotes_of_anything(void **state)
{
	struct place *p = *state;
	const char *const names[] = { "embedded", p->sw.tcti };
	for (size_t i = 0; i < 2 && names[i]; i++) {
		struct ai_tpm *t = open_tpm(p, names[i], true);
		AI_BUF_AUTO attest = AI_BUF(AI_MAX_QUOTE);
		AI_BUF_AUTO signature = AI_BUF(AI_MAX_QUOTE);
		AI_JSON *pcrs = NULL;
		raw(t, AI_BANK_SHA256, 0xffffff, 32);
		raw(t, AI_BANK_SHA384, 0x800001, 0);
		raw(t, AI_BANK_SHA1, 0x80, 64);
		raw(t, AI_BANK_SHA512, 0xffff, 20);
		refused(AI_EUSAGE, "65 bytes", ai_tpm_quote_raw(t, AI_BANK_SHA256, 1, "", 65, &attest, &signature, &pcrs, &err));
		refused(AI_EUSAGE, "some of PCRs 0-23", ai_tpm_quote_raw(t, AI_BANK_SHA256, 0, "", 0, &attest, &signature, &pcrs, &err));
		refused(AI_EUSAGE, "some of PCRs 0-23", ai_tpm_quote_raw(t, AI_BANK_SHA256, 1u << 24, "", 0, &attest, &signature, &pcrs, &err));
		refused(AI_EENV, "active are: sha1, sha256, sha384, sha512", ai_tpm_quote_raw(t, AI_BANK_SM3, 1, "", 0, &attest, &signature, &pcrs, &err));
		assert_null(pcrs);
		assert_int_equal(attest.len + signature.len, 0);
		ai_tpm_close(t);
	}
}

/* Where no claim can be made, one can still look: and only that. */
static void
looking_at_a_tpm_that_cannot_attest(void **state)
{
	static const struct ai_digest plan = { { 1 } };
	struct place *p = needs_swtpm(state);
	extend_pcr15(p);
	struct ai_tpm_options o = { .tcti = p->sw.tcti, .state = p->state };
	struct ai_tpm *t = NULL;
	refused(AI_EENV, "kept no log", ai_tpm_open(&o, &t, &err));
	t = open_tpm(p, p->sw.tcti, true);
	AI_JSON *status = NULL;
	ok(ai_tpm_status(t, &status, &err));
	assert_non_null(strstr(ai_json_str(ai_json_obj(status, "pcr15"), "trouble"), "kept no log"));
	assert_int_equal(json_array_size(ai_json_arr(status, "banks")), 4);
	raw(t, AI_BANK_SHA256, 0x8000, 8);
	AI_JSON *event = ai_event_plan(&plan);
	refused(AI_EENV, "looked at only", ai_tpm_event(t, event, &err));
	ai_tpm_close(t);
}

/* --- gone ------------------------------------------------------------------------------------ */

static void
a_tpm_that_goes_away_is_an_error(void **state)
{
	static const struct ai_digest plan = { { 1 } }, claims = { { 2 } };
	struct place *p = needs_swtpm(state);
	struct ai_tpm *t = open_tpm(p, p->sw.tcti, false);
	AI_JSON *event = ai_event_plan(&plan);
	AI_JSON *last = ai_event_claims(&claims);
	AI_JSON *log = NULL;
	AI_JSON *status = NULL;
	AI_BUF_AUTO attest = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO signature = AI_BUF(AI_MAX_QUOTE);
	struct ai_digest pcrs[AI_N_PCRS];
	ok(ai_tpm_event(t, event, &err));
	kill(p->sw.pid, SIGKILL);
	waitpid(p->sw.pid, NULL, 0);
	p->sw.pid = 0;
	refused(AI_EENV, p->sw.tcti, ai_tpm_event(t, event, &err));
	refused(AI_EENV, p->sw.tcti, ai_tpm_quote(t, last, &claims, &attest, &signature, pcrs, &log, &err));
	refused(AI_EENV, p->sw.tcti, ai_tpm_status(t, &status, &err));
	refused(AI_EENV, p->sw.tcti, ai_tpm_quote_raw(t, AI_BANK_SHA256, 1, "", 0, &attest, &signature, &status, &err));
	assert_null(log);
	ai_tpm_close(t);
}

#define ON(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON(embedded_enrolls), ON(each_place_of_an_ek_gives_its_key), ON(nonces_and_rubbish), ON(a_makers_certificates_are_for_our_keys), ON(embedded_keeps_certificates), ON(expired_certificates_are_said),
		ON(swtpm_keeps_certificates), ON(quotes_of_anything), ON(looking_at_a_tpm_that_cannot_attest), ON(a_tpm_that_goes_away_is_an_error),
	};
	unsetenv("AICERT_TPM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
