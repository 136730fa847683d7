/* test_tpm_certs.c -- certificates on their way into a proof: lengths, answers, chains and those who would spoil them.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "attest/tpm/tpm_parts.h"
#include "base/fs.h"
#include "fake_cert.h"

enum { N = 7 }; /* keys: 0 the leaf's, 1… those of CAs above it */

/* A chain of N certificates: 0 is signed by 1, and so on; N - 1 by itself. Each but the last names an address, "http://ca/<i + 1>". */
struct ground {
	char *dir;
	EVP_PKEY *key[N];
	struct ai_buf der[N];
	json_t *text[N];
	/* What the addresses answer, by number; empty: an error. And how often they were asked. */
	struct ai_buf answers[N + 1];
	unsigned asked;
};

static void
name_of(size_t i, char out[16])
{
	snprintf(out, 16, i == 0 ? "leaf" : "CA %zu", i);
}

static void
make(struct ground *g, size_t i, size_t signer, struct ai_buf *out)
{
	char subject[16], issuer[16];
	name_of(i, subject);
	name_of(signer, issuer);
	AI_FREE char *access = ai_format("caIssuers;URI:http://ca/%zu", i + 1);
	struct fake_cert c = { .subject = subject, .issuer = issuer, .key = g->key[i], .signer = g->key[signer], .access = i + 1 < N ? access : NULL,
		.constraints = i ? "critical,CA:TRUE" : "critical,CA:FALSE", .usage = i ? "critical,keyCertSign" : "critical,digitalSignature" };
	fake_cert_der(&c, out);
}

static int
set_up(void **state)
{
	struct ground *g = calloc(1, sizeof *g);
	ok(ai_mkdtemp("/tmp/aicert-certs", &g->dir, &err));
	for (size_t i = 0; i < N; i++)
		g->key[i] = EVP_EC_gen("P-256");
	for (size_t i = 0; i < N; i++) {
		AI_BUF_AUTO b64 = AI_BUF(AI_MAX_TEXT);
		g->der[i] = AI_BUF(AI_MAX_CERT);
		g->answers[i] = AI_BUF(1 << 20);
		make(g, i, i + 1 < N ? i + 1 : i, &g->der[i]);
		ai_b64_put(&b64, g->der[i].data, g->der[i].len);
		g->text[i] = json_stringn(b64.data, b64.len);
	}
	g->answers[N] = AI_BUF(1 << 20);
	*state = g;
	return 0;
}

static int
tear_down(void **state)
{
	struct ground *g = *state;
	for (size_t i = 0; i < N; i++) {
		EVP_PKEY_free(g->key[i]);
		ai_buf_done(&g->der[i]);
		json_decref(g->text[i]);
	}
	for (size_t i = 0; i <= N; i++)
		ai_buf_done(&g->answers[i]);
	ok(ai_remove_tree(AT_FDCWD, g->dir, &err));
	free(g->dir);
	free(g);
	return 0;
}

static int
ask(void *ctx, const char *url, struct ai_buf *out, struct ai_err *err)
{
	struct ground *g = ctx;
	unsigned i = 0;
	g->asked++;
	assert_int_equal(sscanf(url, "http://ca/%u", &i), 1);
	assert_true(i <= N);
	if (g->answers[i].len == 0)
		return ai_fail(err, AI_EENV, "'%s': nobody there", url);
	ai_buf_put(out, g->answers[i].data, g->answers[i].len);
	return 0;
}

static void
answer(struct ground *g, size_t address, size_t certificate)
{
	ai_buf_clear(&g->answers[address]);
	ai_buf_put(&g->answers[address], g->der[certificate].data, g->der[certificate].len);
}

/* Completes a chain that begins with certificate `first`; how long it is then, and what was said. */
static size_t
complete(struct ground *g, size_t first, const json_t *pool, bool online, struct ai_buf *note)
{
	AI_JSON *list = json_pack("[O]", g->text[first]);
	struct ai_certs_from from = { .pool = pool, .dir = g->dir, .issuer = online ? ask : NULL, .ctx = g };
	ok(ai_tpm_certs_complete(list, &from, note, &err));
	for (size_t i = 1; i < json_array_size(list); i++)
		assert_true(json_equal(json_array_get(list, i), g->text[first + i]));
	return json_array_size(list);
}

static void
a_chain_is_completed_and_kept(void **state)
{
	struct ground *g = *state;
	AI_BUF_AUTO note = AI_BUF(4096);
	for (size_t i = 3; i < N; i++)
		answer(g, i, i);
	assert_int_equal(complete(g, 2, NULL, true, &note), 5);
	assert_int_equal(note.len, 0);
	assert_int_equal(g->asked, 4);
	/* The next time without a network. */
	assert_int_equal(complete(g, 2, NULL, false, &note), 5);
	assert_int_equal(note.len, 0);
	assert_int_equal(g->asked, 4);
	/* A self-signed one asks for nothing more. */
	assert_int_equal(complete(g, N - 1, NULL, true, &note), 1);
	assert_int_equal(g->asked, 4);
}

static void
what_the_tpm_holds_is_asked_first(void **state)
{
	struct ground *g = *state;
	AI_BUF_AUTO note = AI_BUF(4096);
	AI_JSON *pool = json_pack("[O,O,O]", g->text[N - 1], g->text[0], g->text[N - 2]);
	assert_int_equal(complete(g, N - 3, pool, true, &note), 3);
	assert_int_equal(g->asked, 0);
	assert_int_equal(note.len, 0);
}

static void
says(const struct ai_buf *note, const char *words)
{
	if (!note->data || !strstr(note->data, words))
		fail_msg("note '%s' lacks '%s'", note->data ? note->data : "", words);
}

static void
what_is_missing_is_said(void **state)
{
	struct ground *g = *state;
	AI_BUF_AUTO note = AI_BUF(4096);
	assert_int_equal(complete(g, 0, NULL, true, &note), 1);
	says(&note, "'CN = CA 1' is not to be had: 'http://ca/1': nobody there");
	ai_buf_clear(&note);
	assert_int_equal(complete(g, 0, NULL, false, &note), 1);
	says(&note, "was not asked");
	/* Halfway up. */
	ai_buf_clear(&note);
	answer(g, 1, 1);
	assert_int_equal(complete(g, 0, NULL, true, &note), 2);
	says(&note, "'CN = CA 2' is not to be had");
}

static void
a_certificate_that_signed_nothing_is_not_taken(void **state)
{
	struct ground *g = *state;
	AI_BUF_AUTO note = AI_BUF(4096);
	/* Somebody else's, of another name. */
	answer(g, 1, 3);
	assert_int_equal(complete(g, 0, NULL, true, &note), 1);
	says(&note, "did not sign the certificate");
	/* The right name, another key: self-signed, as who would like to be this CA makes it. */
	struct fake_cert c = { .subject = "CA 1", .issuer = "CA 1", .key = g->key[4], .signer = g->key[4], .constraints = "critical,CA:TRUE" };
	ai_buf_clear(&g->answers[1]);
	fake_cert_der(&c, &g->answers[1]);
	ai_buf_clear(&note);
	assert_int_equal(complete(g, 0, NULL, true, &note), 1);
	says(&note, "did not sign the certificate");
	/* The same in the file that an earlier run kept. */
	struct ai_digest d;
	char hex[AI_HEX];
	ai_sha256(g->der[0].data, g->der[0].len, &d);
	ai_hex(&d, hex);
	AI_FREE char *kept = ai_format("%s/issuer-%.32s.der", g->dir, hex);
	ok(ai_write_file(AT_FDCWD, kept, g->answers[1].data, g->answers[1].len, 0600, &err));
	ai_buf_clear(&note);
	assert_int_equal(complete(g, 0, NULL, false, &note), 1);
	/* And no certificate at all. */
	static const char *const rubbish[] = { "x", "<html>", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\x30\x82\xff\xff" };
	for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
		ai_buf_clear(&g->answers[1]);
		ai_buf_puts(&g->answers[1], rubbish[i]);
		assert_int_equal(complete(g, 0, NULL, true, &note), 1);
	}
}

static void
an_endless_chain_ends(void **state)
{
	struct ground *g = *state;
	AI_BUF_AUTO note = AI_BUF(4096);
	for (size_t i = 1; i < N; i++)
		answer(g, i, i);
	assert_int_equal(complete(g, 0, NULL, true, &note), 5);
	says(&note, "do not end after 5");
	assert_int_equal(g->asked, 4);
}

/* CA 1 signed by CA 2, and CA 2 by CA 1: no end either, and none is taken twice. */
static void
a_loop_ends(void **state)
{
	struct ground *g = *state;
	AI_BUF_AUTO note = AI_BUF(4096);
	AI_BUF_AUTO back = AI_BUF(AI_MAX_CERT);
	AI_JSON *list = json_pack("[O]", g->text[0]);
	make(g, 2, 1, &back);
	answer(g, 1, 1);
	ai_buf_put(&g->answers[2], back.data, back.len);
	answer(g, 3, 1);
	struct ai_certs_from from = { .dir = g->dir, .issuer = ask, .ctx = g };
	ok(ai_tpm_certs_complete(list, &from, &note, &err));
	assert_int_equal(json_array_size(list), 3);
	says(&note, "not to be had");
}

/* --- answers ------------------------------------------------------------------- */

static X509 *
read_der(const struct ai_buf *der)
{
	const unsigned char *p = (const unsigned char *)der->data;
	return d2i_X509(NULL, &p, (long)der->len);
}

static PKCS7 *
bundle(struct ground *g, size_t n)
{
	PKCS7 *p7 = PKCS7_new();
	assert_int_equal(PKCS7_set_type(p7, NID_pkcs7_signed), 1);
	assert_int_equal(PKCS7_content_new(p7, NID_pkcs7_data), 1);
	for (size_t i = 0; i < n; i++) {
		X509 *x = read_der(&g->der[i]);
		assert_int_equal(PKCS7_add_certificate(p7, x), 1);
		X509_free(x);
	}
	return p7;
}

static void
holds(const void *p, size_t n, size_t want)
{
	AI_JSON *list = NULL;
	ok(ai_tpm_certs_in_answer(p, n, &list, &err));
	assert_int_equal(json_array_size(list), want);
}

static void
answers_in_every_form(void **state)
{
	struct ground *g = *state;
	BIO *bio = BIO_new(BIO_s_mem());
	PKCS7 *p7 = bundle(g, 3);
	unsigned char *der = NULL;
	char *text;
	int n = i2d_PKCS7(p7, &der);
	holds(g->der[0].data, g->der[0].len, 1);
	holds(der, (size_t)n, 3);
	/* Text around the blocks, a key among them, and a PKCS#7. */
	BIO_puts(bio, "a list of authorities\n");
	for (size_t i = 0; i < 2; i++) {
		X509 *x = read_der(&g->der[i]);
		PEM_write_bio_X509(bio, x);
		X509_free(x);
	}
	PEM_write_bio_PUBKEY(bio, g->key[0]);
	PEM_write_bio_PKCS7(bio, p7);
	long len = BIO_get_mem_data(bio, &text);
	holds(text, (size_t)len, 5);
	holds("", 0, 0);
	/* Cut anywhere, and with any byte spoilt: fewer, or none, and no crash. */
	for (int i = 0; i < n; i++) {
		AI_JSON *list = NULL;
		unsigned char *copy = malloc((size_t)n);
		memcpy(copy, der, (size_t)n);
		ok(ai_tpm_certs_in_answer(copy, (size_t)i, &list, &err));
		json_decref(list);
		list = NULL;
		copy[i] ^= 0x41;
		ok(ai_tpm_certs_in_answer(copy, (size_t)n, &list, &err));
		free(copy);
	}
	OPENSSL_free(der);
	PKCS7_free(p7);
	BIO_free(bio);
	/* A server that sends a hundred. */
	AI_BUF_AUTO many = AI_BUF(1 << 20);
	X509 *x = read_der(&g->der[0]);
	bio = BIO_new(BIO_s_mem());
	for (int i = 0; i < 100; i++)
		PEM_write_bio_X509(bio, x);
	len = BIO_get_mem_data(bio, &text);
	holds(text, (size_t)len, 16);
	X509_free(x);
	BIO_free(bio);
}

static void
lengths_by_der(void **state)
{
	(void)state;
	static const struct { const char *bytes; size_t n, want; } cases[] = {
		{ "\x30\x01\x00", 3, 3 }, { "\x30\x01\x00\x00\x00", 5, 3 }, { "\x30\x02\x00", 3, 0 }, { "\x30\x00", 2, 0 }, { "\x30", 1, 0 }, { "", 0, 0 },
		{ "\x31\x01\x00", 3, 0 }, { "\x30\x81\x01\x00", 4, 4 }, { "\x30\x80\x01\x00", 4, 0 }, { "\x30\x84\x00\x00\x00\x01\x00", 7, 0 },
		{ "\x30\x82\x00\x01\x00", 5, 5 }, { "\x30\x82\x00", 3, 0 }, { "\x30\x83\xff\xff\xff\x00", 6, 0 }, { "\x30\x82\xff\xff\x00", 5, 0 },
		{ "\x00\x00\x00\x00", 4, 0 }, { "\xff\xff\xff\xff", 4, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t *exact = malloc(cases[i].n ? cases[i].n : 1); /* so that a sanitizer sees a byte too far */
		memcpy(exact, cases[i].bytes, cases[i].n);
		if (ai_der_length(exact, cases[i].n) != cases[i].want)
			fail_msg("case %zu: got %zu, expected %zu", i, ai_der_length(exact, cases[i].n), cases[i].want);
		free(exact);
	}
}

static void
certificates_name_their_key(void **state)
{
	struct ground *g = *state;
	AI_JSON *about = NULL;
	ok(ai_tpm_cert_names(g->der[0].data, g->der[0].len, g->key[0], &err));
	refused(AI_ENO, "of another key", ai_tpm_cert_names(g->der[0].data, g->der[0].len, g->key[1], &err));
	refused(AI_ENO, "no X.509", ai_tpm_cert_names(g->der[0].data, g->der[0].len - 1, g->key[0], &err));
	refused(AI_ENO, "no X.509", ai_tpm_cert_names("", 0, g->key[0], &err));
	ok(ai_tpm_cert_about(g->der[0].data, g->der[0].len, &about, &err));
	assert_string_equal(ai_json_str(about, "subject"), "CN = leaf");
	assert_string_equal(ai_json_str(about, "issuer"), "CN = CA 1");
	assert_int_equal(strlen(ai_json_str(about, "not_after")), 20);
}

/* --- the boot log ---------------------------------------------------------------- */

/* What a process of nobody's is told; 0 when it is the words. */
static int
as_nobody(const char *root, const char *words)
{
	pid_t pid = fork();
	if (pid == 0) {
		AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
		char *path = NULL, *note = NULL;
		struct ai_err err = { 0 };
		int bad = setgid(65534) < 0 || setuid(65534) < 0 || ai_boot_log_read(root, "device:/dev/tpmrm0", &log, &path, &note, &err) != 0 || !strstr(note, words);
		_exit(bad);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
the_boot_log_or_why_not(void **state)
{
	struct ground *g = *state;
	AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
	char *path = NULL, *note = NULL;
	static const char *const foreign[] = { "embedded", "swtpm:host=127.0.0.1,port=1", "device:/dev/tpmrm0x", "device:/dev/tpmrm" };
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		assert_int_equal(ai_boot_log_read(g->dir, foreign[i], &log, &path, &note, &(struct ai_err){ 0 }), 0);
		assert_string_equal(note, "");
		assert_null(path);
		free(note);
	}
	assert_int_equal(ai_boot_log_read(g->dir, "device:/dev/tpmrm0", &log, &path, &note, &(struct ai_err){ 0 }), 0);
	assert_non_null(strstr(note, "there is no boot log"));
	free(note);
	free(path);
	note = path = NULL;
	AI_FREE char *folder = ai_format("%s/tpm0", g->dir);
	AI_FREE char *file = ai_format("%s/binary_bios_measurements", folder);
	ok(ai_mkdirs(folder, 0755, &err));
	ok(ai_write_file(AT_FDCWD, file, "events", 6, 0440, &err));
	assert_int_equal(ai_boot_log_read(g->dir, "device:/dev/tpm0", &log, &path, &note, &(struct ai_err){ 0 }), 1);
	assert_int_equal(log.len, 6);
	assert_string_equal(path, file);
	assert_null(note);
	free(path);
	if (geteuid() == 0) {
		assert_int_equal(chmod(g->dir, 0755), 0);
		assert_int_equal(as_nobody(g->dir, "cannot be read by this user"), 0);
	}
}

#define ON(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON(a_chain_is_completed_and_kept), ON(what_the_tpm_holds_is_asked_first), ON(what_is_missing_is_said),
		ON(a_certificate_that_signed_nothing_is_not_taken), ON(an_endless_chain_ends), ON(a_loop_ends), ON(answers_in_every_form),
		cmocka_unit_test(lengths_by_der), ON(certificates_name_their_key), ON(the_boot_log_or_why_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
