/* policy_check.c -- `aicert policy check`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "attest/x509/roots.h"
#include "base/buf.h"
#include "base/home.h"
#include "base/json.h"
#include "base/path.h"
#include "base/talk.h"
#include "cli/options.h"
#include "cli/policy.h"
#include "cli/print.h"
#include "proof/policy/policy.h"
#include "proof/trust.h"

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

/* The roots of this user's verifier, as the policy makes them. */
static int
roots_of(const struct ai_policy *p, struct ai_roots **out, struct ai_err *err)
{
	struct ai_home home;
	struct ai_err homeless = { 0 };
	struct ai_roots *base = NULL;
	int r;
	if (ai_home_find(NULL, &home, &homeless) < 0) {
		r = ai_roots_new(true, &base, err);
	} else {
		r = ai_trust_roots(home.data, &base, err);
		ai_home_done(&home);
	}
	if (r == 0)
		r = ai_policy_roots(p, base, out, err);
	ai_roots_free(base);
	return r;
}

/* An authority that no root is of can operate nothing: likely a slip, and else a policy that refuses every proof. */
static int
note_unknown(const struct ai_policy *p, struct ai_err *err)
{
	const json_t *named = json_object_get(ai_policy_json(p), "authorities");
	struct ai_roots *roots = NULL;
	size_t i;
	json_t *word;
	if (!named)
		return 0;
	if (roots_of(p, &roots, err) < 0)
		return err->code;
	AI_FREE const char **known = ai_calloc(ai_roots_n(roots) + 1, sizeof *known);
	for (i = 0; known && i < ai_roots_n(roots); i++)
		known[i] = ai_roots_at(roots, i)->authority;
	json_array_foreach((json_t *)named, i, word) {
		bool found = false;
		for (size_t k = 0; known && k < ai_roots_n(roots); k++)
			found |= strcmp(known[k], json_string_value(word)) == 0;
		const char *near = found || !known ? NULL : ai_near(json_string_value(word), known, ai_roots_n(roots));
		struct ai_printer to = { 0 };
		AI_FREE char *text = ai_format("authority '%s': no root that this verifier believes is of it%s%s%s", json_string_value(word),
			near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		if (!found && text)
			ai_print_talk(&to, AI_TALK_NOTE, text, 0, 0);
	}
	ai_roots_free(roots);
	return known ? 0 : ai_nomem(err);
}

static int
check(const char *path, int json, struct ai_err *err)
{
	struct ai_policy *p = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (ai_policy_load(path, &p, err) < 0)
		return err->code;
	int r = note_unknown(p, err);
	if (r < 0) {
		ai_policy_free(p);
		return r;
	}
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
