/* trust.c -- `aicert trust`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "aicert.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"

static int
list_keys(int json)
{
	char *text = NULL;
	aicert_error error;
	if (aicert_trust_list(NULL, &text, &error) < 0)
		return ai_print_error(&error);
	struct ai_err err = { 0 };
	AI_JSON *keys = NULL;
	int r = ai_json_parse(text, strlen(text), "trust", &keys, &err);
	if (json)
		fputs(text, stdout);
	aicert_free(text);
	if (r < 0)
		return ai_print_err(&err);
	size_t i;
	json_t *k;
	if (json)
		return 0;
	json_array_foreach(keys, i, k) {
		printf("%s  ", ai_json_str(k, "fingerprint"));
		ai_put_safe(ai_json_str(k, "name") ? ai_json_str(k, "name") : "");
		putchar('\n');
	}
	return 0;
}

static int
change(const struct ai_text_list *w, const char *name)
{
	aicert_error error;
	bool add = strcmp(w->items[0], "add") == 0;
	char beginning[13];
	snprintf(beginning, sizeof beginning, "%s", w->items[1]);
	int r = add ? aicert_trust_add(NULL, w->items[1], name ? name : beginning, &error) : aicert_trust_remove(NULL, w->items[1], &error);
	return r < 0 ? ai_print_error(&error) : 0;
}

int
ai_cmd_trust(int argc, char **argv)
{
	int json = 0, help = 0;
	const char *name = NULL;
	const struct ai_option table[] = {
		{ "name", 0, AI_OPTION_TEXT, (void *)&name, "NAME", "with add: what to call the key (default: how its fingerprint begins)" },
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print the list as JSON" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list w = { 0 };
	struct ai_err err = { 0 };
	int code = 0, r = ai_options_parse(table, 3, argc, argv, &w, &err);
	const char *verb = w.n ? w.items[0] : "list";
	if (r == 0 && help) {
		puts("usage: aicert trust [list]\n"
		     "       aicert trust add FINGERPRINT [--name NAME]\n"
		     "       aicert trust remove NAME-OR-FINGERPRINT\n"
		     "\n"
		     "The attestation keys whose word this verifier takes, beside this machine's own. A fingerprint is the SHA-256 of\n"
		     "the key's TPMT_PUBLIC, as `aicert verify` prints it; get it from the key's owner, not from a proof.\n");
		ai_options_help(table, 3);
		puts("\nexample: aicert trust add 5c19e6697d7c99f5… --name build-server");
	} else if (r == 0 && strcmp(verb, "list") == 0 && w.n <= 1) {
		code = list_keys(json);
	} else if (r == 0 && (strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0) && w.n == 2) {
		code = change(&w, name);
	} else if (r == 0) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert trust list | add FINGERPRINT | remove NAME: got '%s' with %zu arguments", verb, w.n ? w.n - 1 : 0);
	}
	ai_text_list_done(&w);
	return r < 0 ? ai_print_err(&err) : code;
}
