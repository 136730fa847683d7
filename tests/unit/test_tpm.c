/* test_tpm.c -- the same life of a run over the embedded TPM and over swtpm; what must be refused.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/tpm/tpm.h"

#include <sys/stat.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "attest/x509/chain.h"
#include "attest/ownkeys.h"
#include "attest/quote/quote.h"
#include "swtpm.h"

static const struct ai_digest plan = { { 1 } }, claims = { { 2 } }, results[2] = { { { 3 } }, { { 4 } } };

/* A state folder, and swtpm where there is one. */
struct place {
	char *state;
	struct swtpm sw;
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	ok(ai_mkdtemp("/tmp/aicert-tpm", &p->state, &err));
	*state = p;
	return 0;
}

static int
set_up_sw(void **state)
{
	set_up(state);
	if (have_swtpm())
		swtpm_start(&((struct place *)*state)->sw);
	else
		print_message("swtpm is not installed\n");
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

static struct ai_tpm *
open_tpm(const struct place *p, const char *tcti, const char *ak)
{
	struct ai_tpm_options o = { .tcti = tcti, .state = p->state, .ak = ak };
	struct ai_tpm *t = NULL;
	ok(ai_tpm_open(&o, &t, &err));
	return t;
}

static void
extend(struct ai_tpm *t, json_t *event)
{
	ok(ai_tpm_event(t, event, &err));
	json_decref(event);
}

/* What ai_tpm_quote gave. */
struct given {
	struct ai_buf attest, signature;
	struct ai_digest pcrs[AI_N_PCRS];
	json_t *log;
};

static void
quote(struct ai_tpm *t, struct given *g)
{
	AI_JSON *event = ai_event_claims(&claims);
	g->attest = g->signature = AI_BUF(AI_MAX_QUOTE);
	g->log = NULL;
	ok(ai_tpm_quote(t, event, &claims, &g->attest, &g->signature, g->pcrs, &g->log, &err));
}

static void
given_done(struct given *g)
{
	ai_buf_done(&g->attest);
	ai_buf_done(&g->signature);
	json_decref(g->log);
}

/* Judges it as a verifier would; returns how many events of the log are others'. */
static size_t
judge(const struct ai_tpm *t, const struct given *g)
{
	struct ai_ak ak;
	struct ai_quote q;
	struct ai_digest pcr15;
	AI_JSON *executed = NULL;
	size_t n, n_opaque;
	const void *public = ai_tpm_ak_public(t, &n);
	const uint8_t *attest = (const uint8_t *)g->attest.data, *sig = (const uint8_t *)g->signature.data;
	ok(ai_ak_parse(public, n, &ak, &err));
	ok(ai_quote_signature(&ak, attest, g->attest.len, sig, g->signature.len, &err));
	ok(ai_quote_parse(attest, g->attest.len, &q, &err));
	assert_int_equal(q.extra_len, 32);
	assert_memory_equal(q.extra, claims.b, 32);
	ok(ai_quote_pcrs(&q, g->pcrs, 0xffff, &err));
	ok(ai_runlog_check(g->log, &plan, &claims, &pcr15, &executed, &n_opaque, &err));
	assert_true(ai_digest_eq(&pcr15, &g->pcrs[15]));
	assert_int_equal(json_array_size(executed), 2);
	ai_ak_done(&ak);
	return n_opaque;
}

/* One run from open to close; *ak_out is the key's fingerprint. */
static size_t
run_once(const struct place *p, const char *tcti, const char *kind, struct ai_digest *ak_out)
{
	struct given g;
	size_t n;
	struct ai_tpm *t = open_tpm(p, tcti, kind);
	assert_string_equal(ai_tpm_name(t), tcti);
	extend(t, ai_event_plan(&plan));
	extend(t, ai_event_results(results, 2));
	quote(t, &g);
	size_t n_opaque = judge(t, &g);
	AI_JSON *late = ai_event_results(results, 1);
	refused(AI_EENV, "nothing can follow the claims", ai_tpm_event(t, late, &err));
	const void *public = ai_tpm_ak_public(t, &n);
	ai_sha256(public, n, ak_out);
	given_done(&g);
	ai_tpm_close(t);
	return n_opaque;
}

static void
life(const struct place *p, const char *tcti, size_t opaque_per_run)
{
	static const char *const kinds[] = { "ecc", "rsa" };
	struct ai_digest first[2], again;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(run_once(p, tcti, kinds[i], &first[i]), i * opaque_per_run);
	assert_false(ai_digest_eq(&first[0], &first[1]));
	/* Opened again, in this process: the same keys. */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(run_once(p, tcti, i ? "rsa" : NULL, &again), (2 + i) * opaque_per_run);
		assert_true(ai_digest_eq(&first[i], &again));
	}
	AI_JSON *own = NULL;
	char hex[AI_HEX];
	ok(ai_ownkeys_read(p->state, &own, &err));
	assert_int_equal(json_array_size(own), 2);
	ai_hex(&first[0], hex);
	assert_string_equal(json_string_value(json_array_get(own, 0)), hex);
}

/* --- embedded ---------------------------------------------------------------- */

static void
embedded_life(void **state)
{
	life(*state, "embedded", 0);
}

static void
embedded_is_the_default_and_says_software(void **state)
{
	const struct place *p = *state;
	if (ai_exists("/dev/tpmrm0"))
		skip();
	struct ai_tpm *t = open_tpm(p, NULL, NULL);
	struct ai_ak ak;
	struct ai_chain c;
	size_t n;
	AI_BUF_AUTO boot = AI_BUF(AI_MAX_BOOT_LOG);
	assert_string_equal(ai_tpm_name(t), "embedded");
	const void *public = ai_tpm_ak_public(t, &n);
	ok(ai_ak_parse(public, n, &ak, &err));
	ok(ai_chain_check(ai_tpm_certificates(t), &ak, NULL, &c, &err));
	assert_true(c.software && c.self_signed);
	ok(ai_tpm_boot_log(t, &boot, &err));
	assert_int_equal(boot.len, 0);
	ai_chain_done(&c);
	ai_ak_done(&ak);
	/* libtpms is one per process. */
	struct ai_tpm_options o = { .tcti = "embedded", .state = p->state };
	struct ai_tpm *second = NULL;
	refused(AI_EENV, "already open in this process", ai_tpm_open(&o, &second, &err));
	assert_null(second);
	ai_tpm_close(t);
	/* Everything in the folder is its owner's alone. */
	static const char *const files[] = { "state", "ca.key", "ca.der", "ak-ecc.der", "own-keys.json", "state.lock" };
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		AI_FREE char *path = ai_format("%s/tpm/%s", p->state, files[i]);
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

/* Six processes on a fresh folder at once: all succeed, with one key. */
static void
embedded_many_at_once(void **state)
{
	enum { PROCESSES = 6 };
	const struct place *p = *state;
	pid_t pid[PROCESSES];
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			struct ai_tpm_options o = { .tcti = "embedded", .state = p->state };
			struct ai_tpm *t = NULL;
			struct ai_err err = { 0 };
			struct ai_digest d;
			size_t n;
			AI_JSON *e = ai_event_plan(&plan);
			int bad = ai_tpm_open(&o, &t, &err) < 0 || ai_tpm_event(t, e, &err) < 0;
			if (!bad) {
				const void *public = ai_tpm_ak_public(t, &n);
				ai_sha256(public, n, &d);
				bad = write(fds[1], d.b, sizeof d.b) != sizeof d.b;
			}
			ai_tpm_close(t);
			if (bad)
				fprintf(stderr, "%s\n", err.text);
			_exit(bad);
		}
	}
	struct ai_digest first, d;
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
		assert_int_equal(read(fds[0], i ? d.b : first.b, 32), 32);
		assert_true(i == 0 || ai_digest_eq(&d, &first));
	}
	close(fds[0]);
	close(fds[1]);
}

static void
refused_open(const struct place *p, const char *tcti, const char *words)
{
	struct ai_tpm_options o = { .tcti = tcti, .state = p->state };
	struct ai_tpm *t = NULL;
	refused(AI_EENV, words, ai_tpm_open(&o, &t, &err));
	assert_null(t);
}

static void
damaged_state_is_an_error(void **state)
{
	const struct place *p = *state;
	AI_FREE char *path = ai_format("%s/tpm/state", p->state);
	AI_BUF_AUTO good = AI_BUF(1 << 22);
	struct ai_digest first, again;
	run_once(p, "embedded", "ecc", &first);
	ok(ai_read_file(AT_FDCWD, path, &good, &err));
	for (size_t i = 0; i < good.len; i += 7) {
		good.data[i] ^= 1;
		ok(ai_write_file(AT_FDCWD, path, good.data, good.len, 0600, &err));
		good.data[i] ^= 1;
		refused_open(p, "embedded", "damaged");
	}
	static const size_t lengths[] = { 0, 10, 84, 85, 500 };
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		ok(ai_write_file(AT_FDCWD, path, good.data, lengths[i], 0600, &err));
		refused_open(p, "embedded", "damaged");
	}
	/* Gone, though a key was made from it: not made anew. */
	assert_int_equal(unlink(path), 0);
	refused_open(p, "embedded", "is gone");
	ok(ai_write_file(AT_FDCWD, path, good.data, good.len, 0600, &err));
	/* A well-formed state of another TPM has another key, which the certificate does not name. */
	struct place other = { .state = NULL };
	ok(ai_mkdtemp("/tmp/aicert-tpm", &other.state, &err));
	AI_FREE char *other_path = ai_format("%s/tpm/state", other.state);
	AI_BUF_AUTO foreign = AI_BUF(1 << 22);
	run_once(&other, "embedded", "ecc", &again);
	assert_false(ai_digest_eq(&first, &again));
	ok(ai_read_file(AT_FDCWD, other_path, &foreign, &err));
	ok(ai_write_file(AT_FDCWD, path, foreign.data, foreign.len, 0600, &err));
	refused_open(p, "embedded", "is not the attestation key");
	ok(ai_remove_tree(AT_FDCWD, other.state, &err));
	free(other.state);
	ok(ai_write_file(AT_FDCWD, path, good.data, good.len, 0600, &err));
	run_once(p, "embedded", "ecc", &again);
	assert_true(ai_digest_eq(&first, &again));
}

/* --- swtpm -------------------------------------------------------------------- */

static void
swtpm_life(void **state)
{
	struct place *p = *state;
	if (!p->sw.pid)
		skip();
	life(p, p->sw.tcti, 3);
}

static struct place *
needs_swtpm(void **state)
{
	struct place *p = *state;
	if (!p->sw.pid)
		skip();
	return p;
}

/* Two runs interleave on one TPM: each has its own events, and the other's as opaque ones. */
static void
swtpm_runs_interleave(void **state)
{
	struct place *p = needs_swtpm(state);
	struct given g;
	struct ai_tpm *a = open_tpm(p, p->sw.tcti, NULL), *b = open_tpm(p, p->sw.tcti, NULL);
	extend(a, ai_event_plan(&plan));
	extend(b, ai_event_plan(&plan));
	extend(b, ai_event_results(results, 2));
	extend(a, ai_event_results(results, 2));
	quote(a, &g);
	assert_int_equal(judge(a, &g), 2);
	given_done(&g);
	quote(b, &g);
	assert_int_equal(judge(b, &g), 3);
	given_done(&g);
	ai_tpm_close(a);
	ai_tpm_close(b);
}

/* A whole run, in a process of its own; what cmocka's checks cannot say there, its exit code does. */
static int
run_quietly(const struct place *p)
{
	struct ai_tpm_options o = { .tcti = p->sw.tcti, .state = p->state };
	struct ai_tpm *t = NULL;
	struct ai_err err = { 0 };
	struct given g = { .attest = AI_BUF(AI_MAX_QUOTE), .signature = AI_BUF(AI_MAX_QUOTE) };
	json_t *events[3] = { ai_event_plan(&plan), ai_event_results(results, 2), ai_event_claims(&claims) };
	AI_JSON *executed = NULL;
	struct ai_digest pcr15;
	size_t n;
	int bad = ai_tpm_open(&o, &t, &err) < 0 || ai_tpm_event(t, events[0], &err) < 0 || ai_tpm_event(t, events[1], &err) < 0
		|| ai_tpm_quote(t, events[2], &claims, &g.attest, &g.signature, g.pcrs, &g.log, &err) < 0
		|| ai_runlog_check(g.log, &plan, &claims, &pcr15, &executed, &n, &err) < 0 || !ai_digest_eq(&pcr15, &g.pcrs[15]);
	if (bad)
		fprintf(stderr, "%s\n", err.text);
	for (size_t i = 0; i < 3; i++)
		json_decref(events[i]);
	given_done(&g);
	ai_tpm_close(t);
	return bad;
}

static void
swtpm_many_at_once(void **state)
{
	enum { PROCESSES = 5 };
	struct place *p = needs_swtpm(state);
	struct ai_digest ak;
	pid_t pid[PROCESSES];
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(run_quietly(p));
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(run_once(p, p->sw.tcti, "ecc", &ak), 3 * PROCESSES);
}

/* Extends PCR 15, or sets the endorsement hierarchy's password, as somebody else would. */
static void
somebody_else(const char *tcti, bool password)
{
	TSS2_TCTI_CONTEXT *c = NULL;
	ESYS_CONTEXT *e = NULL;
	TPML_DIGEST_VALUES v = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256, .digest = { .sha256 = { 9 } } } } };
	TPM2B_AUTH auth = { .size = 3, .buffer = "abc" };
	assert_int_equal(Tss2_TctiLdr_Initialize(tcti, &c), 0);
	assert_int_equal(Esys_Initialize(&e, c, NULL), 0);
	if (password)
		assert_int_equal(Esys_HierarchyChangeAuth(e, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &auth), 0);
	else
		assert_int_equal(Esys_PCR_Extend(e, ESYS_TR_PCR15, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &v), 0);
	Esys_Finalize(&e);
	Tss2_TctiLdr_Finalize(&c);
}

static void
swtpm_foreign_extend_is_refused(void **state)
{
	struct place *p = needs_swtpm(state);
	struct ai_digest ak, again;
	run_once(p, p->sw.tcti, "ecc", &ak);
	struct ai_tpm *t = open_tpm(p, p->sw.tcti, NULL);
	extend(t, ai_event_plan(&plan));
	somebody_else(p->sw.tcti, false);
	AI_JSON *e = ai_event_results(results, 2);
	refused(AI_EENV, "kept no log", ai_tpm_event(t, e, &err));
	AI_JSON *c = ai_event_claims(&claims);
	AI_BUF_AUTO attest = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO sig = AI_BUF(AI_MAX_QUOTE);
	struct ai_digest pcrs[AI_N_PCRS];
	json_t *log = NULL;
	refused(AI_EENV, "kept no log", ai_tpm_quote(t, c, &claims, &attest, &sig, pcrs, &log, &err));
	assert_null(log);
	ai_tpm_close(t);
	refused_open(p, p->sw.tcti, "kept no log");
	/* A reset clears PCR 15, and the log starts anew. */
	swtpm_power_off(&p->sw);
	swtpm_power_on(&p->sw);
	assert_int_equal(run_once(p, p->sw.tcti, "ecc", &again), 0);
	assert_true(ai_digest_eq(&ak, &again));
}

/* A run that began before a reset has lost its plan: it must not be able to claim anything. */
static void
swtpm_reset_under_a_run_is_refused(void **state)
{
	struct place *p = needs_swtpm(state);
	struct ai_tpm *t = open_tpm(p, p->sw.tcti, NULL);
	extend(t, ai_event_plan(&plan));
	swtpm_power_off(&p->sw);
	swtpm_power_on(&p->sw);
	AI_JSON *e = ai_event_results(results, 2);
	refused(AI_EENV, "reset while this run went on", ai_tpm_event(t, e, &err));
	ai_tpm_close(t);
}

/* A crash between writing a line and extending it, and in the middle of writing it. */
static void
swtpm_log_survives_a_crash(void **state)
{
	struct place *p = needs_swtpm(state);
	struct ai_digest ak, d;
	char hex[AI_HEX], line[AI_HEX + 1];
	run_once(p, p->sw.tcti, "ecc", &ak);
	ai_sha256(p->sw.tcti, strlen(p->sw.tcti), &d);
	ai_hex(&d, hex);
	AI_FREE char *path = ai_format("%s/tpm/pcr15-%.16s.log", p->state, hex);
	static const size_t lengths[] = { 65, 30, 64 };
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		AI_FD fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		assert_true(fd >= 0);
		snprintf(line, sizeof line, "%s\n", hex);
		assert_int_equal(write(fd, line, lengths[i]), lengths[i]);
		assert_int_equal(run_once(p, p->sw.tcti, "ecc", &ak), 3 * (i + 1));
	}
	/* Without the log, nothing can be said of what is in the PCR. */
	assert_int_equal(unlink(path), 0);
	refused_open(p, p->sw.tcti, "kept no log");
}

static void
swtpm_with_a_password_is_refused(void **state)
{
	struct place *p = needs_swtpm(state);
	somebody_else(p->sw.tcti, true);
	refused_open(p, p->sw.tcti, "endorsement hierarchy has a password");
}

/* --- none ----------------------------------------------------------------------- */

static void
unusable_is_an_error_and_no_fall_back(void **state)
{
	const struct place *p = *state;
	AI_FREE char *closed = ai_format("swtpm:host=127.0.0.1,port=%d", free_ports());
	refused_open(p, closed, "cannot be reached");
	refused_open(p, "device:/dev/null", "cannot be reached");
	refused_open(p, "nosuchtcti:x=y", "cannot be reached");
	AI_FREE char *file = ai_format("%s/file", p->state);
	ok(ai_write_file(AT_FDCWD, file, "x", 1, 0600, &err));
	struct place in_file = { .state = file };
	refused_open(&in_file, "embedded", "folder");
	struct ai_tpm_options o = { .tcti = "embedded", .state = p->state, .ak = "dsa" };
	struct ai_tpm *t = NULL;
	refused(AI_EUSAGE, "expected 'ecc' or 'rsa'", ai_tpm_open(&o, &t, &err));
	o = (struct ai_tpm_options){ .tcti = "", .state = p->state };
	refused(AI_EUSAGE, "empty name", ai_tpm_open(&o, &t, &err));
}

#define EMBEDDED(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define SWTPM(f) cmocka_unit_test_setup_teardown(f, set_up_sw, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EMBEDDED(embedded_life), EMBEDDED(embedded_is_the_default_and_says_software), EMBEDDED(embedded_many_at_once),
		EMBEDDED(damaged_state_is_an_error), EMBEDDED(unusable_is_an_error_and_no_fall_back),
		SWTPM(swtpm_life), SWTPM(swtpm_runs_interleave), SWTPM(swtpm_many_at_once), SWTPM(swtpm_foreign_extend_is_refused),
		SWTPM(swtpm_reset_under_a_run_is_refused), SWTPM(swtpm_log_survives_a_crash), SWTPM(swtpm_with_a_password_is_refused),
	};
	unsetenv("AICERT_TPM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
