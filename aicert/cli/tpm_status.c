/* tpm_status.c -- `aicert tpm status`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/tpm/tpm.h"
#include "base/buf.h"
#include "base/home.h"
#include "base/json.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/tpm.h"

static void
line(const char *label, const char *text)
{
	printf("%-12s", label);
	ai_put_safe(text ? text : "");
	putchar('\n');
}

/* "0-7,10" */
static void
put_numbers(const json_t *list)
{
	size_t n = json_array_size(list);
	for (size_t i = 0; i < n;) {
		size_t j = i;
		json_int_t first = json_integer_value(json_array_get(list, i));
		while (j + 1 < n && json_integer_value(json_array_get(list, j + 1)) == first + (json_int_t)(j + 1 - i))
			j++;
		printf("%s%lld", i ? "," : "", (long long)first);
		if (j > i)
			printf("-%lld", (long long)(first + (json_int_t)(j - i)));
		i = j + 1;
	}
}

static void
put_certificate(const json_t *c)
{
	static const char *const fields[] = { "subject", "issuer", "not_after" };
	for (size_t i = 0; c && i < sizeof fields / sizeof *fields; i++) {
		const char *text = ai_json_str(c, fields[i]);
		if (text) {
			printf("%-12s  %-10s", "", fields[i]);
			ai_put_safe(*text ? text : "(none)");
			putchar('\n');
		}
	}
}

static void
put_keys(const json_t *status)
{
	size_t i;
	json_t *k;
	json_array_foreach(ai_json_arr(status, "ek"), i, k) {
		AI_FREE char *head = ai_format("%s, certificate in NV %s%s%s", ai_json_str(k, "type"), ai_json_str(k, "nv"),
			ai_json_str(k, "trouble") ? ": " : "", ai_json_str(k, "trouble") ? ai_json_str(k, "trouble") : "");
		line("ek", head);
		put_certificate(k);
	}
	if (json_array_size(ai_json_arr(status, "ek")) == 0)
		line("ek", "no certificate");
	json_array_foreach(ai_json_arr(status, "ak"), i, k) {
		const char *where = ai_json_str(k, "where"), *trouble = ai_json_str(k, "trouble");
		AI_FREE char *head = ai_format("%s%s%s%s%s", ai_json_str(k, "kind"), where ? ": " : "", where ? where : "", trouble ? ": " : "", trouble ? trouble : "");
		line(json_is_true(json_object_get(k, "used")) ? "ak (used)" : "ak", head);
		if (ai_json_str(k, "fingerprint"))
			printf("%-12s  %-10s%s\n", "", "key", ai_json_str(k, "fingerprint"));
		put_certificate(ai_json_obj(k, "certificate"));
	}
}

static void
put_state(const json_t *status)
{
	const json_t *pcr = ai_json_obj(status, "pcr15"), *clock = ai_json_obj(status, "clock"), *log = ai_json_obj(status, "boot_log");
	const json_t *n = json_object_get(pcr, "extended_since_boot");
	const char *why = ai_json_str(pcr, "trouble");
	AI_FREE char *said = n ? ai_format("extended %lld times since boot", (long long)json_integer_value(n)) : ai_strdup(why ? why : "");
	line("pcr 15", ai_json_str(pcr, "value") ? ai_json_str(pcr, "value") : said);
	if (ai_json_str(pcr, "value"))
		line("", said);
	AI_FREE char *time = ai_format("%lld ms, reset %lld times, restarted %lld times%s", (long long)json_integer_value(json_object_get(clock, "clock")),
		(long long)json_integer_value(json_object_get(clock, "reset_count")), (long long)json_integer_value(json_object_get(clock, "restart_count")),
		json_is_true(json_object_get(clock, "safe")) ? "" : " (not safe: it may have been set back)");
	line("clock", time);
	AI_FREE char *boot = ai_json_str(log, "trouble") ? ai_strdup(ai_json_str(log, "trouble"))
		: ai_format("%s, %lld bytes", ai_json_str(log, "path"), (long long)json_integer_value(json_object_get(log, "bytes")));
	line("boot log", boot);
}

static void
put_status(const json_t *status)
{
	size_t i;
	json_t *b;
	line("tpm", ai_json_str(status, "tpm"));
	AI_FREE char *maker = ai_format("%s %s, firmware %s", ai_json_str(status, "maker"), ai_json_str(status, "model"), ai_json_str(status, "firmware"));
	line("maker", maker);
	json_array_foreach(ai_json_arr(status, "banks"), i, b) {
		printf("%-12s%s: PCRs ", i ? "" : "banks", ai_json_str(b, "bank"));
		put_numbers(ai_json_arr(b, "pcrs"));
		putchar('\n');
	}
	put_keys(status);
	put_state(status);
	if (ai_json_str(status, "note"))
		line("note", ai_json_str(status, "note"));
}

static int
show(const char *tcti, const char *ak, int json, struct ai_err *err)
{
	struct ai_home home = { 0 };
	struct ai_tpm *t = NULL;
	AI_JSON *status = NULL;
	if (ai_home_find(NULL, &home, err) < 0)
		return err->code;
	struct ai_tpm_options o = { .tcti = tcti, .state = home.data, .ak = ak, .look = true };
	int r = ai_home_make(&home, err);
	if (r == 0)
		r = ai_tpm_open(&o, &t, err);
	if (r == 0)
		r = ai_tpm_status(t, &status, err);
	ai_tpm_close(t);
	ai_home_done(&home);
	if (r < 0)
		return r;
	if (json) {
		char *text = json_dumps(status, JSON_INDENT(2));
		puts(text ? text : "{}");
		free(text);
	} else {
		put_status(status);
	}
	return 0;
}

int
ai_cmd_tpm_status(int argc, char **argv)
{
	int json = 0, help = 0;
	const char *tcti = NULL, *ak = NULL;
	const struct ai_option table[] = {
		{ "tpm", 0, AI_OPTION_TEXT, (void *)&tcti, "TCTI", "which TPM: embedded, device:/dev/tpmrm0, swtpm:… (default: $AICERT_TPM, /dev/tpmrm0, embedded)" },
		{ "ak", 0, AI_OPTION_TEXT, (void *)&ak, "KIND", "own attestation key: ecc (default) or rsa" },
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print a JSON object" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	enum { N = sizeof table / sizeof *table };
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, N, argc, argv, &words, &err);
	if (r == 0 && words.n > 0)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert tpm status [OPTION…]: got '%s'", words.items[0]);
	if (r == 0 && help) {
		puts("usage: aicert tpm status [OPTION…]\n"
		     "\n"
		     "Shows the TPM that a run would use: its maker, active PCR banks, endorsement certificates, the attestation key and\n"
		     "why it is that one, PCR 15, clock, and the boot log. Nothing is extended, and no network is asked.\n");
		ai_options_help(table, N);
		puts("\nexample: aicert tpm status --tpm device:/dev/tpmrm0");
	} else if (r == 0) {
		r = show(tcti, ak, json, &err);
	}
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : ai_print_end(0);
}
