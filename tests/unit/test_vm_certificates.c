/*
 * test_vm_certificates.c -- what a job brings as certificates is read apart from the TPM, and kept only where it is the key's.
 *
 * OpenSSL's way into X.509 is ours here: it notes who calls, and can be what a stranger's certificate makes of it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include <dlfcn.h>
#include <openssl/ec.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attest/quote/quote.h"
#include "attest/tpm/tpm.h"
#include "base/fs.h"
#include "fake_cert.h"
#include "run/plan/confined.h"
#include "vm/agent/certificates.h"

static bool watched, in_child;
static int in_agent;
static void (*attack)(void);

static void becomes_child(void) { in_child = true; }

X509 *
d2i_X509(X509 **a, const unsigned char **in, long len)
{
	X509 *(*real)(X509 **, const unsigned char **, long) = (X509 * (*)(X509 **, const unsigned char **, long))dlsym(RTLD_NEXT, "d2i_X509");
	if (watched && !in_child)
		in_agent++;
	else if (watched && attack)
		attack();
	return real(a, in, len);
}

static void
answer(const char *text)
{
	const uint32_t end[2] = { 1, 0 };
	struct ai_err err = { 0 };
	(void)!ai_confined_say(text, strlen(text), &err);
	(void)!write(3, end, sizeof end);
	_exit(0);
}

#ifndef __SANITIZE_ADDRESS__ /* whose confinement is no wall */
static void attack_ioctl(void) { (void)!ioctl(3, 0); }
static void attack_fork(void) { (void)!fork(); }
#endif
static void attack_end(void) { _exit(0); }
static void lie_nothing(void) { answer(""); }
static void lie_none(void) { answer("[]"); }
static void lie_text(void) { answer("\"x\""); }
static void lie_base64(void) { answer("[\"AAAA\",\"!\"]"); }
static void lie_number(void) { answer("[1]"); }
static void lie_many(void) { answer("[\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\",\"AAAA\"]"); }
static void lie_garbage(void) { answer("[\"AAAA\"]"); }

struct ground { char *state; struct ai_tpm *tpm; EVP_PKEY *ca; json_t *good, *foreign; };

static json_t *
issued(EVP_PKEY *ca, EVP_PKEY *key)
{
	struct fake_cert root = { .subject = "team CA", .issuer = "team CA", .key = ca, .signer = ca, .constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign" };
	struct fake_cert leaf = { .subject = "ak", .issuer = "team CA", .key = key, .signer = ca, .constraints = "critical,CA:FALSE", .usage = "critical,digitalSignature" };
	return json_pack("[o,o]", fake_cert_text(&leaf), fake_cert_text(&root));
}

static int
judge(struct ground *g, const json_t *list, struct ai_err *err)
{
	watched = true;
	in_agent = 0;
	int r = ai_agent_certificates(g->tpm, list, err);
	watched = false;
	return r;
}

static void
test_the_keys_own(void **state)
{
	struct ground *g = *state;
	AI_JSON *before = json_deep_copy(ai_tpm_certificates(g->tpm));
	refused(AI_ENO, "not the attestation key", judge(g, g->foreign, &err));
	assert_true(json_equal(ai_tpm_certificates(g->tpm), before));
	ok(judge(g, g->good, &err));
	assert_true(json_equal(ai_tpm_certificates(g->tpm), g->good));
	assert_int_equal(in_agent, 0);
	/* The watch can fail. */
	watched = true;
	ok(ai_tpm_keep_certificates(g->tpm, g->good, &err));
	watched = false;
	assert_true(in_agent > 0);
}

static void
test_openssl_taken_over(void **state)
{
	static const struct { void (*attack)(void); int code; const char *words; } attempts[] = {
#ifndef __SANITIZE_ADDRESS__
		{ attack_ioctl, AI_ENO, "was killed" }, { attack_fork, AI_ENO, "was killed" },
#endif
		{ attack_end, AI_ENO, "died before it answered" },
		{ lie_nothing, AI_EINPUT, "chain" }, { lie_none, AI_EINPUT, "expected 1 to 16" }, { lie_text, AI_EINPUT, "expected 1 to 16" },
		{ lie_base64, AI_EINPUT, "certificate 1 is not base64" }, { lie_number, AI_EINPUT, "certificate 0 is not base64" }, { lie_many, AI_EINPUT, "expected 1 to 16" },
	};
	struct ground *g = *state;
	AI_JSON *before = json_deep_copy(ai_tpm_certificates(g->tpm));
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		attack = attempts[i].attack;
		refused(attempts[i].code, attempts[i].words, judge(g, g->good, &err));
		attack = NULL;
		assert_int_equal(in_agent, 0);
		assert_true(json_equal(ai_tpm_certificates(g->tpm), before));
	}
	/* All that it can have is a chain that no verifier takes. */
	attack = lie_garbage;
	ok(judge(g, g->good, &err));
	attack = NULL;
	assert_int_equal(json_array_size(ai_tpm_certificates(g->tpm)), 1);
}

static int
setup(void **state)
{
	static struct ground g;
	struct ai_ak ak;
	size_t n;
	assert_int_equal(pthread_atfork(NULL, NULL, becomes_child), 0);
	ok(ai_mkdtemp("/tmp/aicert-certs", &g.state, &err));
	const struct ai_tpm_options o = { .tcti = "embedded", .state = g.state };
	ok(ai_tpm_open(&o, &g.tpm, &err));
	const void *public = ai_tpm_ak_public(g.tpm, &n);
	ok(ai_ak_parse(public, n, &ak, &err));
	g.ca = EVP_EC_gen("P-256");
	g.good = issued(g.ca, ak.pkey);
	g.foreign = issued(g.ca, g.ca);
	ai_ak_done(&ak);
	*state = &g;
	return 0;
}

static int
teardown(void **state)
{
	struct ground *g = *state;
	ai_tpm_close(g->tpm);
	EVP_PKEY_free(g->ca);
	json_decref(g->good);
	json_decref(g->foreign);
	ai_discard_tree(g->state);
	free(g->state);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_the_keys_own), cmocka_unit_test(test_openssl_taken_over) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
