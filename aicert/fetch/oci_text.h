/*
 * oci_text.h -- what a registry says and a login file holds, read as foreign text: the parsers that only the registry needs.
 *
 * Pure functions of bytes, bounded, fuzzed (tests/fuzz/fuzz_oci.c) like those of oci_parts.h. Go programs write what is read here,
 * so null stands for absent and further fields are passed over; duplicate keys are refused.
 *
 * Depends on: base, oci_parts.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OCI_TEXT_H
#define AI_OCI_TEXT_H

#include "base/buf.h"
#include "base/json.h"
#include "fetch/oci_parts.h"

/* One JSON text as others write it: null and fractions are allowed, the number of values is bounded. AI_EINPUT. */
int ai_oci_json(const char *bytes, size_t n, const char *what, json_t **out, struct ai_err *err) AI_CHECKED;

/* The names of the variables that ai_oci_config_parse left out of a config that it took: a list of strings, new reference; NULL: no memory. */
json_t *ai_oci_config_left_out(const char *bytes, size_t n);

/* What a 401 asks for (RFC 9110, 11.6.1; RFC 6750): the values of all WWW-Authenticate headers, joined by ", ". */
struct ai_oci_challenge {
	bool bearer, basic;
	char *realm, *service, *scope; /* of the bearer; NULL = absent */
};
/* An unknown scheme alone gives neither bearer nor basic. AI_EINPUT when it cannot be read. */
int ai_oci_challenge_parse(const char *value, struct ai_oci_challenge *out, struct ai_err *err) AI_CHECKED;
void ai_oci_challenge_done(struct ai_oci_challenge *c);

/* The token of a token server's answer ("token", else "access_token"), fresh; one that no header may hold is refused without being shown. */
int ai_oci_token_parse(const char *bytes, size_t n, char **token, struct ai_err *err) AI_CHECKED;

/* The tags of a tags/list answer as "a, b, c", fresh; NULL when there are none, more than 20, or it is no such answer. */
char *ai_oci_tags_parse(const char *bytes, size_t n);

/* The code of a registry's error answer ("MANIFEST_UNKNOWN"): capitals and '_', else "". */
void ai_oci_error_code(const char *bytes, size_t n, char out[40]);

#endif
