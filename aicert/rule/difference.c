/* difference.c -- see difference.h.  SPDX-License-Identifier: Apache-2.0 */
#include "rule/difference.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { SHOWN = 300 };

static void
show(const json_t *j, struct ai_buf *text)
{
	if (!j) {
		ai_buf_puts(text, "nothing");
	} else if (json_is_string(j) && json_string_length(j) <= SHOWN) {
		ai_buf_printf(text, "'%s'", json_string_value(j));
	} else {
		char *all = json_dumps(j, JSON_ENCODE_ANY | JSON_SORT_KEYS);
		ai_buf_printf(text, "%.*s%s", SHOWN, all ? all : "?", all && strlen(all) > SHOWN ? "…" : "");
		free(all);
	}
}

static bool
is_empty(const json_t *j)
{
	return (json_is_array(j) && json_array_size(j) == 0) || (json_is_object(j) && json_object_size(j) == 0);
}

static bool
say(const json_t *got, const json_t *wanted, const char *where, struct ai_buf *text)
{
	ai_buf_printf(text, "%s: got ", where);
	show(got, text);
	ai_buf_puts(text, ", expected ");
	show(wanted, text);
	return false;
}

static bool compare(const json_t *got, const json_t *wanted, const char *where, int depth, struct ai_buf *text);

static bool
compare_lists(const json_t *got, const json_t *wanted, const char *where, int depth, struct ai_buf *text)
{
	size_t n = json_array_size(got), m = json_array_size(wanted);
	for (size_t i = 0; i < n || i < m; i++) {
		AI_FREE char *at = ai_format("%s[%zu]", where, i + 1);
		if (!at || !compare(json_array_get(got, i), json_array_get(wanted, i), at, depth + 1, text))
			return false;
	}
	return true;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of the names, so that the same two give the same words. */
static bool
compare_objects(const json_t *got, const json_t *wanted, const char *where, int depth, struct ai_buf *text)
{
	size_t n = 0;
	const char *key;
	json_t *value;
	AI_FREE const char **names = ai_calloc(json_object_size(got) + json_object_size(wanted) + 1, sizeof *names);
	if (!names)
		return false;
	json_object_foreach((json_t *)(uintptr_t)got, key, value)
		names[n++] = key;
	json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
		if (!json_object_get(got, key))
			names[n++] = key;
	if (n > 1)
		qsort(names, n, sizeof *names, by_name);
	for (size_t i = 0; i < n; i++) {
		AI_FREE char *at = ai_format("%s.%s", where, names[i]);
		if (!at || !compare(json_object_get(got, names[i]), json_object_get(wanted, names[i]), at, depth + 1, text))
			return false;
	}
	return true;
}

static bool
compare(const json_t *got, const json_t *wanted, const char *where, int depth, struct ai_buf *text)
{
	if ((is_empty(got) && is_empty(wanted)) || (got && wanted && json_equal(got, wanted)))
		return true;
	if (depth < 16 && json_is_array(got) && json_is_array(wanted))
		return compare_lists(got, wanted, where, depth, text);
	if (depth < 16 && (json_is_object(got) || json_is_object(wanted)) && (json_is_object(got) || is_empty(got)) && (json_is_object(wanted) || is_empty(wanted)))
		return compare_objects(got, wanted, where, depth, text);
	return say(got, wanted, where, text);
}

bool
ai_difference(const json_t *got, const json_t *wanted, const char *what, struct ai_buf *text)
{
	return compare(got, wanted, what, 0, text);
}
