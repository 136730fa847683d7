/* embedded.c -- the built-in rules, as ai_rule_text.  SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <string.h>

#include "rule/embed.h"
#include "rule/rule.h"

enum { MAX_BUILTIN = 64, MAX_NAME = 40 };

static struct ai_rule_text texts[MAX_BUILTIN];
static char names[MAX_BUILTIN][MAX_NAME];
static const char *sorted[MAX_BUILTIN];
static size_t n_texts;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "rules/python.lua" is the rule python; rules/providers/ are no rules. ai_embedded is sorted by path, so the names come sorted. */
static void
fill(void)
{
	for (const struct ai_embedded *e = ai_embedded; e->path && n_texts < MAX_BUILTIN; e++) {
		size_t n = strlen(e->path);
		if (strncmp(e->path, "rules/", 6) != 0 || strchr(e->path + 6, '/') || n < 11 || n - 10 >= MAX_NAME)
			continue;
		memcpy(names[n_texts], e->path + 6, n - 10);
		texts[n_texts] = (struct ai_rule_text){ names[n_texts], (char *)(uintptr_t)e->text, e->len };
		sorted[n_texts] = names[n_texts];
		n_texts++;
	}
}

const struct ai_rule_text *
ai_rule_builtin(const char *name)
{
	pthread_once(&once, fill);
	for (size_t i = 0; i < n_texts; i++)
		if (strcmp(texts[i].name, name) == 0)
			return &texts[i];
	return NULL;
}

const char *const *
ai_rule_builtin_names(size_t *n_out)
{
	pthread_once(&once, fill);
	*n_out = n_texts;
	return sorted;
}
