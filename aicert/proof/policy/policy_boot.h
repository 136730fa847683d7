/*
 * policy_boot.h -- a boot in front of a policy: the log's facts, what they replay to, and the rules; shared by the files that judge it.
 *
 * Depends on: base, attest (its pure half).  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_POLICY_BOOT_H
#define AI_POLICY_BOOT_H

#include <string.h>

#include "attest/eventlog/eventlog.h"
#include "base/buf.h"
#include "proof/check.h"
#include "proof/policy/policy_parts.h"

enum { PCR_FIRMWARE = 0, PCR_DRIVERS = 2, PCR_IMAGES = 4, PCR_GPT = 5, PCR_SECURE_BOOT = 7, LAST_FIRMWARE_PCR = 7, PCR_LOADER = 8, PCR_FILES = 9,
	PCR_UKI = 11 };

struct ai_boot {
	const json_t *pcrs, *rules;              /* of the policy; NULL: it says nothing of them */
	const struct ai_evidence *e;
	struct ai_eventlog log;
	json_t *facts;                           /* one for each event of the log */
	struct ai_digest replayed[AI_N_BOOT_PCRS];
	bool replays[AI_N_BOOT_PCRS];            /* to what was quoted: the PCR's events are real */
};

/* policy_demands.c: what the policy wants to see in the log, whichever way the PCRs are judged; said: which rules those were. */
int ai_boot_demands(const struct ai_boot *b, struct ai_buf *said, struct ai_err *err) AI_CHECKED;

/* AI_ENO: the PCR does not replay. */
int ai_boot_differs(const struct ai_boot *b, int pcr, struct ai_err *err) AI_CHECKED;
/* "PCR 4: event 12 (EV_EFI_ACTION, action 'Booting', 1f…)", for a refusal. */
void ai_boot_describe(const json_t *fact, size_t i, struct ai_buf *out);

static inline const char *
word_of(const json_t *fact, const char *key)
{
	const char *s = ai_json_str(fact, key);
	return s ? s : "";
}

static inline int
pcr_of(const json_t *fact)
{
	return (int)json_integer_value(json_object_get(fact, "pcr"));
}

/* Is this an event that a PCR was extended with? EV_NO_ACTION is none, and had it been, the replay would differ. */
static inline bool
is_extended(const json_t *fact)
{
	return strcmp(word_of(fact, "type"), "EV_NO_ACTION") != 0;
}

static inline bool
is_what(const json_t *fact, const char *what)
{
	return strcmp(word_of(fact, "what"), what) == 0;
}

static inline bool
is_believed(const json_t *fact)
{
	return json_is_true(json_object_get(fact, "believed"));
}

static inline bool
is_variable(const json_t *fact, const char *name, const char *guid)
{
	return is_what(fact, "variable") && strcmp(word_of(fact, "name"), name) == 0 && strcmp(word_of(fact, "guid"), guid) == 0;
}

/* A separator that says that all went well. */
static inline bool
is_separator(const json_t *fact)
{
	const char *value = word_of(fact, "value");
	return is_what(fact, "separator") && is_believed(fact) && !json_is_true(json_object_get(fact, "error"))
		&& (strcmp(value, "00000000") == 0 || strcmp(value, "ffffffff") == 0);
}

#endif
