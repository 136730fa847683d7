/* options.c -- see options.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"

static int
append(struct ai_text_list *l, const char *item, struct ai_err *err)
{
	if (ai_grow(&l->items, &l->cap, l->n, sizeof *l->items, err) < 0)
		return err->code;
	l->items[l->n++] = item;
	return 0;
}

void
ai_text_list_done(struct ai_text_list *l)
{
	free(l->items);
	*l = (struct ai_text_list){ 0 };
}

static const struct ai_option *
find_long(const struct ai_option *table, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(table[i].name) == len && strncmp(table[i].name, name, len) == 0)
			return &table[i];
	return NULL;
}

static const struct ai_option *
find_letter(const struct ai_option *table, size_t n, char letter)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].letter == letter)
			return &table[i];
	return NULL;
}

static int
unknown(const struct ai_option *table, size_t n, const char *arg, size_t len, struct ai_err *err)
{
	const char *names[64];
	size_t k = 0;
	for (size_t i = 0; i < n && k < sizeof names / sizeof *names; i++)
		names[k++] = table[i].name;
	AI_FREE char *word = ai_strndup(arg, len);
	const char *near = word ? ai_near(word + strspn(word, "-"), names, k) : NULL;
	ai_fail(err, AI_EUSAGE, "usage: unknown option '%s'%s%s%s", word ? word : arg, near ? " (did you mean '--" : "", near ? near : "", near ? "'?)" : "");
	return ai_hint(err, "--help shows every option");
}

static int
set(const struct ai_option *o, const char *value, struct ai_err *err)
{
	switch (o->kind) {
	case AI_OPTION_FLAG:
		*(int *)o->to = 1;
		return 0;
	case AI_OPTION_TEXT:
	case AI_OPTION_MAYBE_EMPTY:
		*(const char **)o->to = value;
		return 0;
	case AI_OPTION_LIST:
		return append(o->to, value, err);
	}
	return 0;
}

/* One argument that starts with '-'; *i moves on when the value is the next one. */
static int
take(const struct ai_option *table, size_t n, int argc, char **argv, int *i, struct ai_err *err)
{
	const char *arg = argv[*i], *value = NULL;
	const struct ai_option *o;
	if (arg[1] == '-') {
		size_t len = strcspn(arg + 2, "=");
		o = find_long(table, n, arg + 2, len);
		if (!o)
			return unknown(table, n, arg, len + 2, err);
		value = arg[2 + len] == '=' ? arg + 3 + len : NULL;
	} else {
		o = find_letter(table, n, arg[1]);
		if (!o)
			return unknown(table, n, arg, strlen(arg), err);
		value = arg[2] ? arg + 2 : NULL;
	}
	if (o->kind == AI_OPTION_FLAG && value)
		return ai_fail(err, AI_EUSAGE, "usage: '--%s' takes no value: got '%s'", o->name, value);
	if (o->kind != AI_OPTION_FLAG && !value) {
		if (*i + 1 >= argc)
			return ai_fail(err, AI_EUSAGE, "usage: '--%s' needs a value: expected %s", o->name, o->value);
		value = argv[++*i];
	}
	if (value && !value[0] && o->kind != AI_OPTION_MAYBE_EMPTY)
		return ai_fail(err, AI_EUSAGE, "usage: '--%s': got an empty text, expected %s", o->name, o->value);
	return set(o, value, err);
}

int
ai_options_parse(const struct ai_option *table, size_t n, int argc, char **argv, struct ai_text_list *words, struct ai_err *err)
{
	bool options = true;
	for (int i = 0; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		bool is_option = options && argv[i][0] == '-' && argv[i][1];
		if ((is_option ? take(table, n, argc, argv, &i, err) : append(words, argv[i], err)) < 0)
			return err->code;
	}
	return 0;
}

void
ai_options_help(const struct ai_option *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char left[64];
		snprintf(left, sizeof left, "%s%c%s--%s%s%s", table[i].letter ? "-" : " ", table[i].letter ? table[i].letter : ' ',
			table[i].letter ? ", " : "  ", table[i].name, table[i].value ? " " : "", table[i].value ? table[i].value : "");
		printf("  %-30s %s\n", left, table[i].help);
	}
}
