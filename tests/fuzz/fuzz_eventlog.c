/*
 * fuzz_eventlog.c -- a boot log: parsed, replayed in every bank, put in words, judged. What is taken must not depend on what is read of it,
 * and every word of the facts is text that a proof or a terminal can hold.  SPDX-License-Identifier: Apache-2.0
 */
#include "attest/eventlog/eventlog.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put_in_words(const struct ai_eventlog *log, uint16_t bank)
{
	struct ai_err err = { 0 };
	AI_JSON *facts = NULL;
	if (ai_eventlog_facts(log, bank, &facts, &err) < 0)
		return;
	AI_BUF_AUTO text = AI_BUF(1u << 28);
	if (json_array_size(facts) != log->n || ai_canon(facts, &text, &err) < 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_eventlog log;
	struct ai_pcr_value values[AI_LOG_PCRS];
	uint32_t mask;
	if (ai_eventlog_parse(data, size, true, &log, &err) < 0)
		return err.text[0] ? 0 : -1;
	AI_JSON *faults = NULL;
	(void)!ai_eventlog_rules(&log, &faults, &err);
	for (size_t i = 0; i < log.n_banks; i++) {
		put_in_words(&log, log.banks[i]);
		if (ai_eventlog_replay(&log, log.banks[i], values, &mask, &err) < 0)
			continue;
		for (unsigned pcr = 0; pcr < 8; pcr++) {
			AI_BUF_AUTO why = AI_BUF(1u << 10);
			values[pcr].b[0] ^= 1;
			(void)!ai_eventlog_explain(&log, log.banks[i], pcr, &values[pcr], &why, &err);
		}
	}
	ai_eventlog_done(&log);
	return 0;
}
