/* policy_init.c -- `aicert policy init`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "aicert.h"
#include "attest/eventlog/eventlog.h"
#include "base/hash.h"
#include "cli/options.h"
#include "cli/policy.h"
#include "cli/print.h"
#include "cli/proofs.h"
#include "proof/policy/policy.h"

/* The verifier's own report of the proof; what it lacks for a level is no matter here. */
static int
report_of(const char *proof, json_t **out)
{
	const aicert_verify_options o = { .size = sizeof o, .allow_withheld = 1, .require = "unsigned" };
	char *text = NULL;
	aicert_error error;
	struct ai_err err = { 0 };
	int r = aicert_verify_file(proof, &o, &text, &error);
	if (r < 0) {
		aicert_free(text);
		return ai_print_error(&error);
	}
	r = ai_json_parse(text, strlen(text), "report", out, &err);
	aicert_free(text);
	return r < 0 ? ai_print_err(&err) : 0;
}

/* The facts of the proof's boot log; left NULL where there is none that can be read. */
static int
facts_of(const json_t *proof, json_t **out, struct ai_err *err)
{
	const char *text = ai_json_str(json_object_get(proof, "evidence"), "boot_log");
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_BOOT_LOG);
	struct ai_eventlog log;
	struct ai_err unreadable = { 0 };
	if (!text || ai_b64_get(text, strlen(text), &bytes, err) < 0)
		return text ? err->code : 0;
	if (ai_eventlog_parse((const uint8_t *)bytes.data, bytes.len, false, &log, &unreadable) < 0)
		return 0;
	int r = ai_eventlog_facts(&log, AI_BANK_SHA256, out, &unreadable);
	ai_eventlog_done(&log);
	return r == AI_EENV ? ai_nomem(err) : 0;
}

static int
init(const char *path, const char *out, int force)
{
	AI_BUF_AUTO text = { 0 };
	AI_BUF_AUTO policy = AI_BUF(AI_MAX_AICERTFILE);
	AI_JSON *proof = NULL, *report = NULL, *facts = NULL;
	struct ai_proof_text in;
	struct ai_err err = { 0 };
	int code = report_of(path, &report);
	if (code)
		return code;
	int r = ai_proofs_read(path, &text, &in, &err);
	if (r == 0)
		r = ai_json_parse(in.text, in.len, path, &proof, &err);
	if (r == 0)
		r = facts_of(proof, &facts, &err);
	if (r == 0)
		r = ai_policy_init(proof, report, facts, &policy, &err);
	if (r == 0)
		r = ai_proofs_write(out, &policy, force, &err);
	return r < 0 ? ai_print_err(&err) : 0;
}

int
ai_policy_cmd_init(int argc, char **argv)
{
	const char *out = NULL;
	int force = 0, help = 0, code = 0;
	const struct ai_option table[] = {
		{ "out", 'o', AI_OPTION_TEXT, (void *)&out, "FILE", "where to write the policy (default: standard output)" },
		{ "force", 0, AI_OPTION_FLAG, &force, NULL, "replace FILE if it differs" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 3, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert policy init PROOF [--out FILE]\n"
		     "\n"
		     "Writes a policy, with comments, that this proof passes and any other fails: its level, keys and authority, what was\n"
		     "booted, inputs, outputs, rules, images, steps. Take out of it, or add to it, what may differ in the next proof.\n"
		     "It says what was, not what is right: reference values are to be compared with what they should be.\n");
		ai_options_help(table, 3);
		puts("\nexample: aicert policy init proof.json --out policy.yaml && aicert verify --policy policy.yaml proof.json");
	} else if (r == 0 && words.n != 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert policy init PROOF: got %zu arguments, expected one proof", words.n);
	else if (r == 0)
		code = init(words.items[0], out, force);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : ai_print_end(code);
}
