/* test_runlog.c -- the run log: its order, its digests, and the golden PCR 15.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/runlog.h"

#include <fcntl.h>

#include "base/fs.h"
#include "unit.h"

static const struct ai_digest plan = { { 1 } }, claims = { { 2 } }, result = { { 3 } }, other = { { 4 } };

static json_t *
opaque(void)
{
	return json_pack("{s:s, s:o}", "event", "opaque", "digest", ai_json_hex(&other));
}

/* A log from letters: p plan, r results, c claims, o opaque, j job, P another's plan, C another's claims. */
static json_t *
make(const char *letters)
{
	json_t *log = json_array();
	for (; *letters; letters++)
		json_array_append_new(log, *letters == 'p' ? ai_event_plan(&plan) : *letters == 'j' ? ai_event_job(&other) : *letters == 'P' ? ai_event_plan(&other)
			: *letters == 'r' ? ai_event_results(&result, 1) : *letters == 'c' ? ai_event_claims(&claims)
			: *letters == 'C' ? ai_event_claims(&other) : opaque());
	return log;
}

static void
accepts_logs_in_order(void **state)
{
	(void)state;
	static const struct { const char *letters; size_t n_results, n_opaque; } logs[] = {
		{ "pc", 0, 0 }, { "prc", 1, 0 }, { "prrc", 2, 0 }, { "oprc", 1, 1 }, { "opororoc", 2, 4 },
		{ "jprc", 1, 0 }, { "ojoprc", 1, 2 },
	};
	for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
		AI_JSON *log = make(logs[i].letters);
		AI_JSON *results = NULL;
		struct ai_digest pcr, want = { { 0 } };
		size_t n;
		ok(ai_runlog_check(log, &plan, &claims, &pcr, &results, &n, &err));
		assert_int_equal(json_array_size(results), logs[i].n_results);
		assert_int_equal(n, logs[i].n_opaque);
		for (size_t k = 0; k < json_array_size(log); k++) {
			struct ai_digest d;
			ok(ai_event_digest(json_array_get(log, k), &d, &err));
			ai_sha256_pair(&want, &d, &want);
		}
		assert_true(ai_digest_eq(&want, &pcr));
	}
}

static void
refuses_logs_out_of_order(void **state)
{
	(void)state;
	static const struct { const char *letters, *words; } logs[] = {
		{ "", "ends without a plan" }, { "o", "ends without a plan" }, { "p", "ends without claims" }, { "pr", "ends without claims" },
		{ "c", "before the plan" }, { "rpc", "before the plan" }, { "ppc", "second plan" }, { "pPc", "second plan" },
		{ "pcc", "follows claims" }, { "pcr", "follows claims" }, { "pco", "follows claims" }, { "pcp", "follows claims" },
		{ "jjprc", "second job" }, { "pjrc", "job event follows the plan" }, { "prjc", "job event follows the plan" }, { "prcj", "follows claims" }, { "j", "without a plan" },
		{ "jrpc", "before the plan" }, { "Pc", "names another plan" }, { "pC", "names another claims" },
	};
	for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
		AI_JSON *log = make(logs[i].letters);
		json_t *results = (json_t *)&plan;
		struct ai_digest pcr = other;
		size_t n = 77;
		refused(AI_ENO, logs[i].words, ai_runlog_check(log, &plan, &claims, &pcr, &results, &n, &err));
		assert_ptr_equal(results, &plan);
		assert_int_equal(n, 77);
		assert_true(ai_digest_eq(&pcr, &other));
	}
}

static void
refuses_what_is_no_event(void **state)
{
	(void)state;
	static const struct { const char *text, *words; } events[] = {
		{ "1", "lacks its 'event' word" }, { "{}", "lacks its 'event' word" }, { "{\"event\":1,\"id\":\"x\"}", "lacks its 'event' word" },
		{ "{\"event\":\"plan\"}", "expected 2" }, { "{\"event\":\"plan\",\"id\":\"00\"}", "not 64" },
		{ "{\"event\":\"claims\",\"id\":5}", "not 64" }, { "{\"event\":\"plan\",\"id\":\"00\",\"more\":1}", "expected 2" },
		{ "{\"event\":\"results\",\"ids\":[]}", "not a list of ids" }, { "{\"event\":\"results\",\"ids\":\"00\"}", "not a list" },
		{ "{\"event\":\"results\",\"ids\":[\"00\"]}", "ids[0]" }, { "{\"event\":\"results\",\"id\":\"00\"}", "not a list" },
		{ "{\"event\":\"opaque\",\"digest\":\"AA\"}", "'digest'" }, { "{\"event\":\"stop\",\"id\":\"00\"}", "unknown event 'stop'" },
	};
	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		AI_JSON *e = NULL;
		struct ai_digest d;
		ok(ai_json_parse(events[i].text, strlen(events[i].text), "event", &e, &err));
		refused(AI_EINPUT, events[i].words, ai_event_digest(e, &d, &err));
	}
	AI_JSON *none = json_object();
	json_t *results;
	struct ai_digest pcr;
	size_t n;
	refused(AI_EINPUT, "not a list", ai_runlog_check(none, &plan, &claims, &pcr, &results, &n, &err));
}

static void
gives_the_golden_pcr(void **state)
{
	(void)state;
	if (!shared_dir())
		skip();
	AI_FREE char *path = ai_format("%s/golden/golden.json", shared_dir());
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	AI_JSON *golden = NULL;
	AI_JSON *results = NULL;
	struct ai_digest want, got, p, c;
	size_t n;
	ok(ai_read_file(AT_FDCWD, path, &text, &err));
	ok(ai_json_parse(text.data, text.len, path, &golden, &err));
	const json_t *log = ai_json_arr(golden, "run_log");
	assert_true(ai_json_digest(golden, "pcr15", &want));
	assert_true(ai_json_digest(json_array_get(log, 0), "id", &p));
	assert_true(ai_json_digest(golden, "extraData", &c));
	ok(ai_runlog_check(log, &p, &c, &got, &results, &n, &err));
	assert_true(ai_digest_eq(&want, &got));
	assert_int_equal(json_array_size(results), 1);
	assert_int_equal(n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_logs_in_order), cmocka_unit_test(refuses_logs_out_of_order),
		cmocka_unit_test(refuses_what_is_no_event), cmocka_unit_test(gives_the_golden_pcr),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
