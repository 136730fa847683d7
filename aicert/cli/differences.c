/* differences.c -- see differences.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/differences.h"

#include <stdio.h>
#include <string.h>

#include "cli/print.h"

struct sides { const char *first, *second; };

static void
print_indented(const char *title, const char *text)
{
	printf("      %-8s ", title);
	ai_put_safe(text);
	putchar('\n');
}

static void
print_id(const char *title, const json_t *side)
{
	const json_t *size = json_object_get(side, "size");
	printf("      %-8s %s", title, ai_json_str(side, "id"));
	if (size)
		printf("  %lld bytes", (long long)json_integer_value(size));
	putchar('\n');
}

static void
print_content(const json_t *d, const struct sides *who)
{
	const json_t *offset = json_object_get(d, "offset"), *line = ai_json_obj(d, "line");
	if (offset)
		printf("other content from byte %lld on", (long long)json_integer_value(offset));
	else
		printf("other content");
	if (line)
		printf(", line %lld", (long long)json_integer_value(json_object_get(line, "number")));
	putchar('\n');
	print_id(who->first, ai_json_obj(d, "first"));
	print_id(who->second, ai_json_obj(d, "second"));
	if (line) {
		print_indented(who->first, ai_json_str(line, "first"));
		print_indented(who->second, ai_json_str(line, "second"));
	}
	const char *hint = ai_json_str(d, "hint");
	if (hint)
		print_indented("cause?", hint);
}

static void
print_difference(const json_t *d, const struct sides *who)
{
	const char *kind = ai_json_str(d, "kind"), *path = ai_json_str(d, "path");
	const json_t *first = ai_json_obj(d, "first"), *second = ai_json_obj(d, "second");
	printf("    ");
	ai_put_safe(ai_json_str(d, "output"));
	if (path[0]) {
		putchar('/');
		ai_put_safe(path);
	}
	printf(": ");
	if (strcmp(kind, "content") == 0) {
		print_content(d, who);
		return;
	}
	if (strcmp(kind, "missing") == 0) {
		printf("a %s, %s only\n", ai_json_str(first ? first : second, "type"), first ? who->first : who->second);
	} else if (strcmp(kind, "exec") == 0) {
		printf("executable, %s only\n", strcmp(ai_json_str(first, "type"), "exec") == 0 ? who->first : who->second);
	} else if (strcmp(kind, "type") == 0) {
		printf("%s: a %s, %s: a %s\n", who->first, ai_json_str(first, "type"), who->second, ai_json_str(second, "type"));
	} else {
		puts("a link that leads elsewhere");
		print_indented(who->first, ai_json_str(first, "target"));
		print_indented(who->second, ai_json_str(second, "target"));
	}
}

void
ai_print_compared(const char *title, const json_t *entry, const char *against, const char *first, const char *second)
{
	const struct sides who = { first, second };
	const json_t *list = ai_json_arr(entry, "differences"), *outputs = ai_json_arr(entry, "outputs");
	bool same = json_is_true(json_object_get(entry, "same"));
	long long total = (long long)json_integer_value(json_object_get(entry, "total"));
	size_t i, n = json_array_size(outputs);
	json_t *d;
	printf("%-8s ", title);
	ai_put_safe(ai_json_str(entry, "step"));
	if (same)
		printf(": %ssame%s  (%zu output%s, against %s)\n", ai_green(), ai_plain(), n, n == 1 ? "" : "s", against);
	else
		printf(": %sDIFFERS%s in %lld place%s, against %s\n", ai_red(), ai_plain(), total, total == 1 ? "" : "s", against);
	json_array_foreach(list, i, d)
		print_difference(d, &who);
	if (total > (long long)json_array_size(list))
		printf("    … and %lld more\n", total - (long long)json_array_size(list));
	if (json_is_true(json_object_get(entry, "by_id_only")))
		puts("    some contents are known here by their ids only, so that nothing within them is compared");
}
