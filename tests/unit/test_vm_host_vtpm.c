/*
 * test_vm_host_vtpm.c -- the vTPM of this host's machines: made once, its key among this machine's own, certified by an operator's CA.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/file.h>
#include <sys/stat.h>

#include "attest/enrol/ca_dir.h"
#include "attest/ownkeys.h"
#include "attest/quote/quote.h"
#include "swtpm.h"
#include "vm/host/vtpm_parts.h"

/* A home and a CA of one's own. */
struct ground { char *dir, *ca; struct ai_home home; };

static void
ground_make(struct ground *g)
{
	AI_BUF_AUTO key = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
	ok(ai_mkdtemp("/tmp/aicert-vtpm", &g->dir, &err));
	AI_FREE char *over = ai_format("%s/home", g->dir);
	ok(ai_home_find(over, &g->home, &err));
	ok(ai_home_make(&g->home, &err));
	g->ca = ai_format("%s/ca", g->dir);
	AI_FREE char *key_path = ai_format("%s/ca.key", g->ca);
	AI_FREE char *root_path = ai_format("%s/ca.pem", g->ca);
	ok(ai_mkdirs(g->ca, 0700, &err));
	ok(ai_authority_make("operator", "P-256", 30, (int64_t)time(NULL), NULL, &key, &root, &err));
	ok(ai_write_file(AT_FDCWD, key_path, key.data, key.len, 0600, &err));
	ok(ai_write_file(AT_FDCWD, root_path, root.data, root.len, 0644, &err));
}

static void
ground_done(struct ground *g)
{
	ai_home_done(&g->home);
	ok(ai_remove_tree(AT_FDCWD, g->dir, &err));
	free(g->dir);
	free(g->ca);
}

static bool
can_run(void)
{
	return have_swtpm() && ai_exists("/usr/bin/swtpm_setup") && ai_exists("/usr/bin/certtool");
}

static void
made_once_and_own(void **state)
{
	(void)state;
	struct ground g;
	AI_JSON *certificates = NULL;
	AI_JSON *own = NULL;
	struct ai_digest ak, again;
	struct stat st;
	AI_FREE char *path = NULL;
	AI_FREE char *path2 = NULL;
	if (!can_run())
		skip();
	ground_make(&g);
	ok(ai_vtpm_state(&g.home, NULL, &path, &err));
	ok(ai_vtpm_certificates(&g.home, &certificates, &ak, &err));
	assert_int_equal(json_array_size(certificates), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	ok(ai_ownkeys_read(g.home.data, &own, &err));
	char hex[AI_HEX];
	ai_hex(&ak, hex);
	assert_int_equal(json_array_size(own), 1);
	assert_string_equal(json_string_value(json_array_get(own, 0)), hex);
	/* Asked again it is the same; its key comes of the endorsement seed, so also for whoever forgot it. */
	AI_FREE char *known = ai_format("%s/vm/certificates.json", g.home.data);
	assert_int_equal(unlink(known), 0);
	ok(ai_vtpm_state(&g.home, NULL, &path2, &err));
	assert_string_equal(path, path2);
	json_decref(certificates);
	ok(ai_vtpm_certificates(&g.home, &certificates, &again, &err));
	assert_true(ai_digest_eq(&ak, &again));
	ground_done(&g);
}

static void
enrolled_by_activation(void **state)
{
	(void)state;
	struct ground g;
	struct ai_ca_dir d;
	AI_JSON *certificates = NULL;
	AI_JSON *issued = NULL;
	struct ai_digest ak, named;
	if (!can_run())
		skip();
	ground_make(&g);
	ok(ai_vtpm_enroll(&g.home, g.ca, NULL, NULL, &err));
	ok(ai_vtpm_certificates(&g.home, &certificates, &ak, &err));
	assert_true(json_array_size(certificates) >= 1);
	ok(ai_ca_open(g.ca, &d, &err));
	ok(ai_ca_issued(&d, &issued, &err));
	ai_ca_close(&d);
	assert_int_equal(json_array_size(issued), 1);
	assert_true(ai_json_digest(json_array_get(issued, 0), "ak", &named));
	assert_true(ai_digest_eq(&ak, &named));
	/* Its certificate is the key's, and ends at the operator's root alone. */
	AI_FREE char *pem_path = ai_format("%s/ca.pem", g.ca);
	AI_BUF_AUTO pem = AI_BUF(AI_MAX_CERT);
	struct ai_roots *roots = NULL;
	struct ai_vtpm v;
	struct ai_ak key;
	struct ai_chain chain;
	AI_FREE char *path = NULL;
	ok(ai_read_file(AT_FDCWD, pem_path, &pem, &err));
	ok(ai_roots_new(false, &roots, &err));
	ok(ai_roots_add(roots, pem.data, pem.len, NULL, AI_ROLE_AK_CA, "operator", &err));
	ok(ai_vtpm_state(&g.home, NULL, &path, &err));
	ok(ai_vtpm_open(path, NULL, &v, &err));
	size_t n;
	const void *public = ai_tpm_ak_public(v.tpm, &n);
	ok(ai_ak_parse(public, n, &key, &err));
	assert_true(ai_digest_eq(&key.fingerprint, &ak));
	ok(ai_chain_check(certificates, &key, roots, &chain, &err));
	ai_chain_done(&chain);
	ai_ak_done(&key);
	ai_vtpm_close(&v);
	ai_roots_free(roots);
	/* When the certificate ends, once more. */
	ok(ai_vtpm_enroll(&g.home, g.ca, NULL, NULL, &err));
	ground_done(&g);
}

static void
a_denied_vtpm_gets_nothing(void **state)
{
	(void)state;
	struct ground g;
	AI_JSON *certificates = NULL;
	struct ai_digest ak;
	char line[AI_HEX + 1];
	AI_FREE char *path = NULL;
	if (!can_run())
		skip();
	ground_make(&g);
	ok(ai_vtpm_state(&g.home, NULL, &path, &err));
	ok(ai_vtpm_certificates(&g.home, &certificates, &ak, &err));
	ai_hex(&ak, line);
	AI_FREE char *denied = ai_format("%s/denied", g.ca);
	ok(ai_write_file(AT_FDCWD, denied, line, strlen(line), 0600, &err));
	refused(AI_ENO, "denied", ai_vtpm_enroll(&g.home, g.ca, NULL, NULL, &err));
	json_decref(certificates);
	ok(ai_vtpm_certificates(&g.home, &certificates, &ak, &err));
	assert_int_equal(json_array_size(certificates), 0);
	/* Nor does one whose CA is none, or whose key others could have read. */
	refused(AI_EENV, "holds no attestation CA", ai_vtpm_enroll(&g.home, g.dir, NULL, NULL, &err));
	AI_FREE char *key = ai_format("%s/ca.key", g.ca);
	assert_int_equal(chmod(key, 0644), 0);
	refused(AI_EENV, "could have copied", ai_vtpm_enroll(&g.home, g.ca, NULL, NULL, &err));
	ground_done(&g);
}

/* Two at once never share a state: the second waits until it is interrupted. */
static void
one_at_a_time(void **state)
{
	(void)state;
	struct ground g;
	AI_FREE char *path = NULL;
	struct ai_vtpm first, second;
	if (!can_run())
		skip();
	ground_make(&g);
	ok(ai_vtpm_state(&g.home, NULL, &path, &err));
	ok(ai_vtpm_open(path, NULL, &first, &err));
	ai_interrupted = 1;
	refused(AI_EINTR, "interrupted", ai_vtpm_open(path, NULL, &second, &err));
	ai_interrupted = 0;
	ai_vtpm_close(&second);
	ai_vtpm_close(&first);
	ok(ai_vtpm_open(path, NULL, &second, &err));
	ai_vtpm_close(&second);
	ground_done(&g);
}

static void
a_damaged_record_is_said(void **state)
{
	(void)state;
	struct ground g;
	AI_JSON *certificates = NULL;
	struct ai_digest ak;
	ground_make(&g);
	AI_FREE char *folder = ai_format("%s/vm", g.home.data);
	AI_FREE char *path = ai_format("%s/certificates.json", folder);
	ok(ai_mkdirs(folder, 0700, &err));
	ok(ai_write_file(AT_FDCWD, path, "{}", 2, 0600, &err));
	refused(AI_EENV, "damaged", ai_vtpm_certificates(&g.home, &certificates, &ak, &err));
	assert_null(certificates);
	ground_done(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_once_and_own), cmocka_unit_test(enrolled_by_activation), cmocka_unit_test(a_denied_vtpm_gets_nothing),
		cmocka_unit_test(one_at_a_time), cmocka_unit_test(a_damaged_record_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
