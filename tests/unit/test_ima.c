/* test_ima.c -- IMA's boot_aggregate, by what a machine measured; and a policy that asks for it.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/eventlog/ima.h"

#include "policy_help.h"

/* QEMU, OVMF and swtpm with Debian 12's cloud kernel, and by hand with hashlib: template ima-sig. */
static const char *const machine[11] = {
	"177e29c417b6b61c7cf46ed30b4468931f58642527a268b556254e39b941ec6a", "8e9d1fe23131f12d6a523e9c32eb3223d4dc25e14eb5fd60163e7ba8de0f248c",
	"3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969", "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969",
	"ff6ab41d8ff4483ca640ff579ed27ccc382b640fcec65d3702532d4c8d5197d1", "a5ceb755d043f32431d63e39f5161464620a3437280494b5850dc1b47cc074e0",
	"3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969", "65caf8dd1e0ea7a6347b635d2b379c93b9a1351edc2afc3ecda700e534eb3068",
	"0000000000000000000000000000000000000000000000000000000000000000", "c10a642908ccdfc1b217f18dd05f0fafccbbf71b3f680847b0d983cc31f6ea12",
	"d9dc048da0f0bac97b7d9c59d212c7987fb901a4e87ace937cfe71470e39a818",
};
/* The same with template ima-ng, by hand. */
static const char ima_ng[] = "b0a91882319821ed475537eba3dbafe6d16ae5cdfd2e6f6e7aada197510b7f35";

static void
read_values(struct ai_digest out[11])
{
	for (int i = 0; i < 11; i++)
		assert_true(ai_unhex(machine[i], &out[i]));
}

static void
is_of_the_other_pcrs(void **state)
{
	(void)state;
	struct ai_digest pcrs[11];
	read_values(pcrs);
	assert_true(ai_ima_is_boot_aggregate(pcrs));
	assert_true(ai_unhex(ima_ng, &pcrs[10]));
	assert_true(ai_ima_is_boot_aggregate(pcrs));
}

/* One bit of any of them. */
static void
is_of_no_others(void **state)
{
	(void)state;
	struct ai_digest pcrs[11];
	for (int i = 0; i < 11; i++) {
		read_values(pcrs);
		pcrs[i].b[7 + i] ^= 1;
		assert_false(ai_ima_is_boot_aggregate(pcrs));
	}
	read_values(pcrs);
	pcrs[10] = (struct ai_digest){ { 0 } };
	assert_false(ai_ima_is_boot_aggregate(pcrs));
	memset(pcrs, 0, sizeof pcrs);
	assert_false(ai_ima_is_boot_aggregate(pcrs));
}

static void
a_policy_asks_for_it(void **state)
{
	(void)state;
	struct boot b;
	struct ai_evidence e;
	struct ai_digest pcrs[11];
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	make_boot(&b);
	quote_boot(&b, &e);
	assert_true(ai_evidence_replays(&e));
	read_values(pcrs);
	memcpy(e.pcrs, pcrs, sizeof pcrs);
	struct ai_policy *p = policy_of("aicert-policy: 1\npcrs: { 10: boot-aggregate }\n");
	ok(ai_policy_boot_holds(p, &e, &said, &err));
	assert_non_null(strstr(said.data, "PCR 10 with IMA's boot_aggregate"));
	e.pcrs[3].b[0] ^= 1;
	refused(AI_ENO, "PCR 10: got d9dc", ai_policy_boot_holds(p, &e, &said, &err));
	ai_policy_free(p);
	ai_buf_done(&e.boot_log);
	boot_free(&b);
}

/* What the log does not speak of is zero, or IMA's. */
static void
the_log_gives_all_that_was_quoted(void **state)
{
	(void)state;
	struct boot b;
	struct ai_evidence e;
	make_boot(&b);
	quote_boot(&b, &e);
	e.pcrs[10].b[0] = 1;
	assert_false(ai_evidence_replays(&e));
	ai_buf_done(&e.boot_log);
	quote_boot(&b, &e);
	e.pcrs[12].b[0] = 1;
	assert_false(ai_evidence_replays(&e));
	ai_buf_clear(&e.boot_log);
	assert_false(ai_evidence_replays(&e));
	ai_buf_puts(&e.boot_log, "no log");
	assert_false(ai_evidence_replays(&e));
	ai_buf_done(&e.boot_log);
	boot_free(&b);
}

static void
is_said_of_pcr_10_alone(void **state)
{
	(void)state;
	struct ai_policy *p = NULL;
	static const char text[] = "aicert-policy: 1\npcrs: { 9-10: boot-aggregate }\n";
	refused(AI_EUSAGE, "'boot-aggregate' is said of PCR 10 alone", ai_policy_parse(text, sizeof text - 1, "p.yaml", NULL, NULL, &p, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_of_the_other_pcrs), cmocka_unit_test(is_of_no_others), cmocka_unit_test(a_policy_asks_for_it),
		cmocka_unit_test(the_log_gives_all_that_was_quoted), cmocka_unit_test(is_said_of_pcr_10_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
