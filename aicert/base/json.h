/*
 * json.h -- JSON values (jansson's) read strictly, and their canonical bytes.
 *
 * Canonical JSON is RFC 8785 over a subset: objects with printable-ASCII keys,
 * arrays, booleans, UTF-8 strings without NUL and U+007F, integers within
 * +-(2^53-1). No floats, no null, no duplicate keys. The id of a node is the
 * SHA-256 of those bytes. The only file that includes jansson.h.
 *
 * Depends on: err, buf, hash.  Threads: a value belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_JSON_H
#define AI_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct ai_buf;

static inline void ai_json_unref(json_t **j) { json_decref(*j); }
#define AI_JSON __attribute__((cleanup(ai_json_unref))) json_t

/*
 * ai_json_parse -- one JSON text and nothing after it.
 * Refuses duplicate keys, NUL in strings, invalid UTF-8, nesting over 64, and what is outside the canonical subset.
 * what names the text in errors ("proof.json"). *out is a new reference. AI_EINPUT with line:column on failure.
 */
int ai_json_parse(const char *text, size_t len, const char *what, json_t **out, struct ai_err *err) AI_CHECKED;

/* Canonical bytes appended to b. AI_EINPUT when the value is outside the subset. */
int ai_canon(const json_t *j, struct ai_buf *b, struct ai_err *err) AI_CHECKED;
/* SHA-256 of the canonical bytes. */
int ai_json_id(const json_t *j, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

/* Pretty text for files meant for people (2 spaces, keys as inserted) appended to b, with a final newline. */
int ai_json_pretty(const json_t *j, struct ai_buf *b, struct ai_err *err) AI_CHECKED;

/* Field access: NULL when absent or of another type. Borrowed. */
const char *ai_json_str(const json_t *obj, const char *key);
json_t *ai_json_arr(const json_t *obj, const char *key);
json_t *ai_json_obj(const json_t *obj, const char *key);
/* The field is a string of 64 lower-case hex digits. */
bool ai_json_digest(const json_t *obj, const char *key, struct ai_digest *out);
/* A digest as a JSON string: new reference. */
json_t *ai_json_hex(const struct ai_digest *d);

#endif
