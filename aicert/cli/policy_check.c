/* policy_check.c -- `aicert policy check`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/options.h"
#include "cli/policy.h"
#include "cli/print.h"
#include "proof/policy/policy.h"

static void
print_value(const json_t *v)
{
	if (json_is_string(v))
		ai_put_safe(json_string_value(v)[0] ? json_string_value(v) : "\"\"");
	else if (json_is_integer(v))
		printf("%lld", (long long)json_integer_value(v));
	else
		fputs(json_is_true(v) ? "true" : "false", stdout);
}

/* One line for each value, behind the keys that lead to it; what is empty says so. */
static void
print_below(const char *path, const json_t *v)
{
	const char *key;
	json_t *child;
	size_t i;
	if (json_is_object(v)) {
		json_object_foreach((json_t *)v, key, child) {
			AI_FREE char *deeper = ai_format("%s%s%s", path, *path ? "." : "", key);
			/* A certificate is its name; how it looks is --json's. */
			if (deeper && strcmp(key, "certificate") != 0)
				print_below(deeper, child);
		}
	}
	json_array_foreach(v, i, child)
		print_below(path, child);
	bool empty = (json_is_array(v) || json_is_object(v)) && json_array_size(v) + json_object_size(v) == 0;
	if (!empty && (json_is_array(v) || json_is_object(v)))
		return;
	ai_put_safe(path);
	printf("%*s", (int)(ai_columns(path) < 28 ? 28 - ai_columns(path) : 0) + 2, "");
	if (empty)
		fputs("(nothing)", stdout);
	else
		print_value(v);
	putchar('\n');
}

static int
check(const char *path, int json, struct ai_err *err)
{
	struct ai_policy *p = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (ai_policy_load(path, &p, err) < 0)
		return err->code;
	int r = 0;
	if (!json)
		print_below("", ai_policy_json(p));
	else if ((r = ai_json_pretty(ai_policy_json(p), &text, err)) == 0)
		fwrite(text.data, 1, text.len, stdout);
	ai_policy_free(p);
	return r;
}

int
ai_policy_cmd_check(int argc, char **argv)
{
	int json = 0, help = 0;
	const struct ai_option table[] = {
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print it as JSON, in its normal form" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 2, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert policy check FILE [--json]\n"
		     "\n"
		     "Reads a policy, and the certificates that it names, and prints what it asks for: one line for each value. Exit code 2\n"
		     "and the place when it is no policy.\n");
		ai_options_help(table, 2);
		puts("\nexample: aicert policy check policy.yaml");
	} else if (r == 0 && words.n != 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert policy check FILE: got %zu arguments, expected one policy", words.n);
	else if (r == 0)
		r = check(words.items[0], json, &err);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : ai_print_end(0);
}
