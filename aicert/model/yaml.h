/*
 * yaml.h -- YAML 1.2 core as a tree of the text that was written.
 *
 * Every scalar stays text (so 3.10 is not 3.1) and keeps its line and column.
 * Anchors, aliases, tags and several documents are refused; so are duplicate keys
 * and nesting over 64. Wraps libyaml: the only file that includes yaml.h.
 *
 * Depends on: base.  Threads: a document belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_YAML_H
#define AI_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef enum ai_yaml_type { AI_YAML_SCALAR, AI_YAML_LIST, AI_YAML_MAP } ai_yaml_type;

struct ai_yaml {
	ai_yaml_type type;
	int line, column;             /* from 1 */
	char *text;                   /* SCALAR: NUL-terminated, UTF-8, as written */
	bool plain;                   /* SCALAR: written without quotes (an empty plain scalar is YAML's null) */
	struct ai_yaml_pair *pairs;   /* MAP, in the order written */
	struct ai_yaml **items;       /* LIST */
	size_t n;                     /* pairs or items */
};

struct ai_yaml_pair {
	struct ai_yaml *key;          /* always a SCALAR */
	struct ai_yaml *value;
};

/* file names the text in errors (`Aicertfile:12:8: …`). AI_EUSAGE on anything that is not as above. */
int ai_yaml_parse(const char *text, size_t len, const char *file, struct ai_yaml **out, struct ai_err *err) AI_CHECKED;
void ai_yaml_free(struct ai_yaml *y);
/* May a text hold these bytes: UTF-8 without control characters but tab and line feed? */
bool ai_yaml_is_text(const char *s, size_t n);
/*
 * Does it hold a character that turns the direction of what is shown around it (U+202A to U+202E, U+2066 to U+2069)? What a person reads and a
 * program runs must be one thing: a file may hold them as escapes only. *where: the first one's byte.
 */
bool ai_text_turns(const char *s, size_t n, size_t *where);
/* Is a key of a map there twice? 1 and two nodes of it, in the order of the file; 0; or memory is out. */
int ai_yaml_twice(const struct ai_yaml *map, const struct ai_yaml **first, const struct ai_yaml **again, struct ai_err *err) AI_CHECKED;
/* The value of a key in a map, or NULL. */
struct ai_yaml *ai_yaml_get(const struct ai_yaml *map, const char *key);

/* Editing, for the rewriting of the short form. A new node stands where `at` stands in the file; NULL when memory is out. */
struct ai_yaml *ai_yaml_new(ai_yaml_type type, const char *text, const struct ai_yaml *at);
/* The same once more; NULL when memory is out. */
struct ai_yaml *ai_yaml_copy(const struct ai_yaml *y);
/* Takes a key and its value out of a map; NULL when it is not there. The key is freed, the value is the caller's. */
struct ai_yaml *ai_yaml_take(struct ai_yaml *map, const char *key);
/* Appends to a list or map; child (and key) are freed on failure. */
int ai_yaml_append(struct ai_yaml *list, struct ai_yaml *child, struct ai_err *err) AI_CHECKED;
int ai_yaml_set(struct ai_yaml *map, struct ai_yaml *key, struct ai_yaml *child, struct ai_err *err) AI_CHECKED;

#endif
