/* hash.c -- `aicert hash`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aicert.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"

/* One path: `id  path` as sha256sum prints it, or an object for --json. */
static int
hash_one(const char *path, json_t *list)
{
	char *text = NULL;
	aicert_error error;
	if (aicert_hash(path, &text, &error) < 0)
		return ai_print_error(&error);
	struct ai_err err = { 0 };
	AI_JSON *ref = NULL;
	int r = ai_json_parse(text, strlen(text), "reference", &ref, &err);
	aicert_free(text);
	if (r < 0)
		return ai_print_err(&err);
	const char *id = ai_json_str(ref, "tree");
	if (!id)
		id = ai_json_str(ref, "blob");
	if (!list) {
		printf("%s  ", id);
		ai_put_safe(path);
		putchar('\n');
		return 0;
	}
	json_object_set_new(ref, "path", json_string(path));
	json_array_append(list, ref);
	return 0;
}

int
ai_cmd_hash(int argc, char **argv)
{
	int json = 0, help = 0, code = 0;
	const struct ai_option table[] = {
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print [{\"path\", \"blob\" or \"tree\": id}]" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, 2, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert hash PATH… [OPTION…]\n"
		     "\n"
		     "Prints the id of each file (what sha256sum prints) or folder (the id of its tree; `.git` is left out).\n");
		ai_options_help(table, 2);
		puts("\nexample: aicert hash outputs/finetuned.pth");
	} else if (r == 0 && words.n == 0) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert hash PATH…: got no path");
	}
	AI_JSON *list = json ? json_array() : NULL;
	for (size_t i = 0; r == 0 && !help && code == 0 && i < words.n; i++)
		code = hash_one(words.items[i], list);
	if (list && code == 0 && r == 0) {
		char *text = json_dumps(list, JSON_INDENT(2));
		puts(text ? text : "[]");
		free(text);
	}
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : code;
}
