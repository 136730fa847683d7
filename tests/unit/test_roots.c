/* test_roots.c -- the built-in anchors against the certificates that they were taken from, and sets of anchors.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/roots.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/fs.h"
#include "unit.h"

/* --- the certificates ---------------------------------------------------------- */

enum { MAX_FILES = 200 };

struct file {
	struct ai_digest der, spki;
	char der_hex[AI_HEX], spki_hex[AI_HEX];
	char cn[200];
	int64_t not_before, not_after;
	bool self;
	X509 *x;
};
static struct file files[MAX_FILES];
static size_t n_files;
static struct ai_roots *all;

static int64_t
seconds(const ASN1_TIME *t)
{
	struct tm tm;
	assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
	return timegm(&tm);
}

static void
read_one(const char *path)
{
	struct file *f = &files[n_files++];
	AI_BUF_AUTO b = AI_BUF(AI_MAX_CERT);
	assert_true(n_files <= MAX_FILES);
	ok(ai_read_file(AT_FDCWD, path, &b, &err));
	const unsigned char *p = (const unsigned char *)b.data;
	f->x = d2i_X509(NULL, &p, (long)b.len);
	assert_non_null(f->x);
	ai_sha256(b.data, b.len, &f->der);
	unsigned char *spki = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(f->x), &spki);
	ai_sha256(spki, (size_t)n, &f->spki);
	OPENSSL_free(spki);
	ai_hex(&f->der, f->der_hex);
	ai_hex(&f->spki, f->spki_hex);
	f->not_before = seconds(X509_get0_notBefore(f->x));
	f->not_after = seconds(X509_get0_notAfter(f->x));
	f->self = X509_NAME_cmp(X509_get_issuer_name(f->x), X509_get_subject_name(f->x)) == 0;
	X509_NAME_get_text_by_NID(X509_get_subject_name(f->x), NID_commonName, f->cn, sizeof f->cn);
}

static int
read_all(void **state)
{
	(void)state;
	ok(ai_roots_new(true, &all, &err));
	if (!shared_dir())
		return 0;
	AI_FREE char *dir = ai_format("%s/roots", shared_dir());
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));)
		if (strlen(e->d_name) > 4 && strcmp(e->d_name + strlen(e->d_name) - 4, ".der") == 0) {
			AI_FREE char *path = ai_format("%s/%s", dir, e->d_name);
			read_one(path);
		}
	if (d)
		closedir(d);
	return 0;
}

static int
free_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_files; i++)
		X509_free(files[i].x);
	ai_roots_free(all);
	return 0;
}

static const struct file *
issuer_of(const struct file *f)
{
	for (size_t i = 0; i < n_files; i++)
		if (&files[i] != f && X509_NAME_cmp(X509_get_issuer_name(f->x), X509_get_subject_name(files[i].x)) == 0
			&& X509_verify(f->x, X509_get0_pubkey(files[i].x)) == 1)
			return &files[i];
	return NULL;
}

/* --- the table ------------------------------------------------------------------- */

/* Names that are not the certificate's CN, since that tells people too little. */
static const struct { const char *name, *cn; } renamed[] = {
	{ "AMDTPM ECC", "AMDTPM" }, { "AMDTPM RSA", "AMDTPM" },
	{ "GCE EK/AK CA Root", "EK/AK CA Root" },
	{ "GCE tpm_ek_v1_cloud_host root", "tpm_ek_v1_cloud_host_root-signer-0-2018-04-06T10:58:26-07:00 K:1, 1:Pw003HsFYO4:0:18" },
	{ "Intel OnDie CA Root Cert Signing", "www.intel.com" }, { "Intel TPM EK root cert signing", "www.intel.com" },
};

static const char *
cn_of(const char *name)
{
	for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
		if (strcmp(renamed[i].name, name) == 0)
			return renamed[i].cn;
	return name;
}

/* Each row is recomputed from a certificate. */
static void
every_anchor_is_a_certificate(void **state)
{
	(void)state;
	if (!n_files)
		skip();
	for (size_t i = 0; i < ai_roots_n(all); i++) {
		const struct ai_anchor *a = ai_roots_at(all, i);
		size_t n = 0;
		for (size_t k = 0; k < n_files; k++) {
			const struct file *f = &files[k];
			if (!ai_digest_eq(&f->spki, &a->spki))
				continue;
			n++;
			assert_true(a->builtin);
			assert_int_equal(a->exact, !f->self);
			if (a->exact && !ai_digest_eq(&a->der, &f->der))
				fail_msg("%s: its DER is %s", a->name, f->der_hex);
			if (a->not_before != f->not_before || a->not_after != f->not_after)
				fail_msg("%s: its times are others in %s", a->name, f->der_hex);
			if (strcmp(cn_of(a->name), f->cn) != 0)
				fail_msg("'%s': the name in %s is '%s'", a->name, f->der_hex, f->cn);
			assert_int_equal(X509_check_ca(f->x), 1);
			if (!a->exact)
				assert_int_equal(X509_verify(f->x, X509_get0_pubkey(f->x)), 1);
		}
		if (n == 0)
			fail_msg("%s: no certificate has its key", a->name);
		for (size_t k = i + 1; k < ai_roots_n(all); k++)
			if (ai_digest_eq(&a->spki, &ai_roots_at(all, k)->spki) || strcmp(a->name, ai_roots_at(all, k)->name) == 0)
				fail_msg("%s: stands there twice", a->name);
	}
	print_message("# %zu built-in anchors recomputed from %zu certificates\n", ai_roots_n(all), n_files);
}

/* Each certificate is in the table, or below one that is, or left out for a reason that is named here. */
static void
every_certificate_is_spoken_for(void **state)
{
	(void)state;
	if (!n_files)
		skip();
	static const char *const left_out[] = { "ameroot", "Microsoft RSA Devices Root CA 2021", "IFX TPM EK Root CA" };
	size_t n_left = 0, n_pinned = 0, n_below = 0;
	for (size_t k = 0; k < n_files; k++) {
		const struct file *f = &files[k];
		bool left = false;
		for (size_t i = 0; i < 3; i++)
			left = left || strcmp(left_out[i], f->cn) == 0;
		bool pinned = ai_roots_find(all, &f->spki, &f->der, ~0u);
		const struct file *top = f;
		for (const struct file *up; (up = issuer_of(top)) && !top->self && up != top;)
			top = up;
		bool below = top != f && ai_roots_find(all, &top->spki, &top->der, ~0u);
		if (left + pinned + below != 1)
			fail_msg("%s '%s': left out %d, pinned %d, below a pinned one %d: expected exactly one", f->der_hex, f->cn, left, pinned, below);
		n_left += left, n_pinned += pinned, n_below += below;
	}
	assert_int_equal(n_left, 3);
	print_message("# %zu certificates: %zu pinned, %zu below a pinned one, %zu left out\n", n_files, n_pinned, n_below, n_left);
}

/* The list that came with the certificates says the same fingerprints and days. */
static void
the_list_agrees(void **state)
{
	(void)state;
	if (!n_files)
		skip();
	AI_FREE char *path = ai_format("%s/roots/roots.tsv", shared_dir());
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	ok(ai_read_file(AT_FDCWD, path, &b, &err));
	size_t n = 0;
	char *save = NULL, *line = strtok_r(b.data, "\n", &save);
	while ((line = strtok_r(NULL, "\n", &save))) {
		char *field[10] = { 0 }, *p = line;
		for (size_t i = 0; i < 10; i++)
			field[i] = strsep(&p, "\t");
		const struct file *f = NULL;
		for (size_t k = 0; k < n_files; k++)
			if (field[3] && strcmp(files[k].der_hex, field[3]) == 0)
				f = &files[k];
		assert_non_null(f);
		assert_string_equal(f->spki_hex, field[4]);
		char day[12];
		struct tm tm;
		time_t t = (time_t)f->not_after;
		strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(&t, &tm));
		assert_string_equal(day, field[2]);
		n++;
	}
	assert_int_equal(n, n_files);
}

/* Who may vouch for what: nothing that vouches for an endorsement key alone vouches for an attestation key. */
static void
roles_are_narrow(void **state)
{
	(void)state;
	size_t clouds = 0;
	for (size_t i = 0; i < ai_roots_n(all); i++) {
		const struct ai_anchor *a = ai_roots_at(all, i);
		bool cloud = a->roles & AI_ROLE_AK_CLOUD;
		clouds += cloud;
		assert_false(a->roles & (AI_ROLE_AK_CA | AI_ROLE_TSA));
		assert_int_equal(cloud, strcmp(a->authority, "azure") == 0 || strcmp(a->authority, "gcp") == 0);
		assert_int_equal(a->profile == AI_PROFILE_EK, !cloud);
		assert_false(a->exact && cloud);
	}
	assert_int_equal(clouds, 3);
}

/* --- sets --------------------------------------------------------------------------- */

static X509 *
make(const char *cn, const char *issuer, EVP_PKEY *key, EVP_PKEY *signer, const char *constraints)
{
	X509 *x = X509_new();
	X509V3_CTX ctx;
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 5);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_get_issuer_name(x), "CN", MBSTRING_ASC, (const unsigned char *)issuer, -1, -1, 0);
	ASN1_TIME_set(X509_getm_notBefore(x), 1000000);
	ASN1_TIME_set(X509_getm_notAfter(x), 2000000000);
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, constraints);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
	return x;
}

static void
der_of(X509 *x, struct ai_buf *out)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	ai_buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
}

static void
pem_of(X509 *x, struct ai_buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	PEM_write_bio_X509(bio, x);
	long n = BIO_get_mem_data(bio, &p);
	ai_buf_put(out, p, (size_t)n);
	BIO_free(bio);
}

static void
anchors_are_added(void **state)
{
	(void)state;
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	X509 *root = make("team root", "team root", key, key, "critical,CA:TRUE"), *sub = make("sub", "team root", other, key, "critical,CA:TRUE"),
		*leaf = make("leaf", "team root", other, key, "critical,CA:FALSE"), *bent = make("team root", "team root", key, other, "critical,CA:TRUE");
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO pem = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO b = AI_BUF(AI_MAX_CERT);
	struct ai_roots *r;
	struct ai_digest spki, d;
	ok(ai_roots_new(false, &r, &err));
	assert_int_equal(ai_roots_n(r), 0);
	der_of(root, &der);
	pem_of(root, &pem);
	ok(ai_roots_add(r, der.data, der.len, NULL, AI_ROLE_AK_CA, NULL, &err));
	const struct ai_anchor *a = ai_roots_at(r, 0);
	assert_string_equal(a->name, "team root");
	assert_string_equal(a->authority, "");
	assert_false(a->exact || a->builtin);
	assert_int_equal(a->roles, AI_ROLE_AK_CA);
	assert_int_equal(a->profile, AI_PROFILE_AIK);
	assert_true(a->not_before == 1000000 && a->not_after == 2000000000);
	refused(AI_EUSAGE, "is an anchor already, as 'team root'", ai_roots_add(r, pem.data, pem.len, "again", AI_ROLE_AK_CA, NULL, &err));
	ok(ai_roots_add(r, pem.data, pem.len, "stamps", AI_ROLE_TSA, "us", &err));
	assert_int_equal(ai_roots_at(r, 1)->profile, AI_PROFILE_TSA);
	ok(ai_roots_spki(pem.data, pem.len, &spki, &err));
	ai_sha256(der.data, der.len, &d);
	assert_string_equal(ai_roots_find(r, &spki, &d, AI_ROLE_TSA)->name, "stamps");
	assert_string_equal(ai_roots_find(r, &spki, &d, AI_ROLE_TSA | AI_ROLE_AK_CA)->name, "team root");
	assert_null(ai_roots_find(r, &spki, &d, AI_ROLE_EK | AI_ROLE_AK_CLOUD));
	/* One that is not self-signed is pinned to its very bytes. */
	der_of(sub, &b);
	ok(ai_roots_add(r, b.data, b.len, NULL, AI_ROLE_AK_CA, "us", &err));
	a = ai_roots_at(r, 2);
	assert_true(a->exact);
	assert_null(ai_roots_find(r, &a->spki, &d, ~0u));
	assert_ptr_equal(ai_roots_find(r, &a->spki, &a->der, ~0u), a);
	/* What is no CA's, or not one certificate. */
	ai_buf_clear(&b);
	der_of(leaf, &b);
	refused(AI_EINPUT, "not a CA certificate", ai_roots_add(r, b.data, b.len, NULL, AI_ROLE_AK_CA, NULL, &err));
	ai_buf_clear(&b);
	der_of(bent, &b);
	refused(AI_EINPUT, "its signature is not its own", ai_roots_add(r, b.data, b.len, NULL, AI_ROLE_EK, NULL, &err));
	ai_buf_putc(&der, 0);
	refused(AI_EINPUT, "bytes follow its end", ai_roots_add(r, der.data, der.len, NULL, AI_ROLE_EK, NULL, &err));
	pem_of(leaf, &pem);
	refused(AI_EINPUT, "more follows", ai_roots_add(r, pem.data, pem.len, NULL, AI_ROLE_EK, NULL, &err));
	refused(AI_EINPUT, "not an X.509", ai_roots_add(r, "hello", 5, NULL, AI_ROLE_EK, NULL, &err));
	refused(AI_EINPUT, "not an X.509", ai_roots_add(r, "", 0, NULL, AI_ROLE_EK, NULL, &err));
	assert_int_equal(ai_roots_n(r), 3);
	ai_roots_free(r);
	X509_free(root), X509_free(sub), X509_free(leaf), X509_free(bent);
	EVP_PKEY_free(key), EVP_PKEY_free(other);
}

static void
sets_are_narrowed_and_revoked(void **state)
{
	(void)state;
	struct ai_roots *r, *copy;
	struct ai_digest d = { { 1, 2, 3 } };
	ok(ai_roots_copy(all, &r, &err));
	assert_int_equal(ai_roots_n(r), ai_roots_n(all));
	refused(AI_EUSAGE, "root 'gpc'", ai_roots_only(r, (const char *const[]){ "azure", "gpc" }, 2, &err));
	assert_int_equal(ai_roots_n(r), ai_roots_n(all));
	ok(ai_roots_only(r, (const char *const[]){ "gcp", "AMDTPM ECC" }, 2, &err));
	assert_int_equal(ai_roots_n(r), 3);
	ok(ai_roots_revoke(r, &d, &err));
	ok(ai_roots_revoke(r, &d, &err));
	ok(ai_roots_copy(r, &copy, &err));
	ai_roots_free(r);
	assert_true(ai_roots_revoked(copy, &d));
	d.b[31] = 1;
	assert_false(ai_roots_revoked(copy, &d));
	refused(AI_EUSAGE, "root 'azure'", ai_roots_drop(copy, (const char *const[]){ "azure" }, 1, &err));
	ok(ai_roots_drop(copy, (const char *const[]){ "gcp" }, 1, &err));
	assert_int_equal(ai_roots_n(copy), 1);
	assert_string_equal(ai_roots_at(copy, 0)->authority, "amd");
	ok(ai_roots_only(copy, NULL, 0, &err));
	assert_int_equal(ai_roots_n(copy), 0);
	ai_roots_free(copy);
}

static void
roles_have_words(void **state)
{
	(void)state;
	ai_role role = 0;
	for (unsigned bit = 1; bit <= AI_ROLE_TSA; bit <<= 1) {
		ok(ai_role_parse(ai_role_word((ai_role)bit), &role, &err));
		assert_int_equal(role, bit);
	}
	refused(AI_EUSAGE, "role 'any'", ai_role_parse("any", &role, &err));
	refused(AI_EUSAGE, "role ''", ai_role_parse("", &role, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_anchor_is_a_certificate), cmocka_unit_test(every_certificate_is_spoken_for), cmocka_unit_test(the_list_agrees),
		cmocka_unit_test(roles_are_narrow), cmocka_unit_test(anchors_are_added), cmocka_unit_test(sets_are_narrowed_and_revoked),
		cmocka_unit_test(roles_have_words),
	};
	return cmocka_run_group_tests(tests, read_all, free_all);
}
