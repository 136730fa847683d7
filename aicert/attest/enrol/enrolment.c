/* enrolment.c -- see enrolment.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/enrol/enrolment.h"

#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/when.h"

enum { MAX_CERTIFICATES = 8, MAX_FIELDS = 9, MAX_WORDS = 500 };

/* What a field holds; max is of BYTES, CERTIFICATES has those of the chain. */
typedef enum field_kind { NONE, DIGEST, BYTES, CERTIFICATES, WHEN, WORDS, TPM, FLAG } field_kind;

struct field { const char *key; field_kind kind; size_t max; };

static const struct shape {
	const char *kind;
	struct field fields[MAX_FIELDS];
} shapes[] = {
	[AI_ENROLMENT_REQUEST] = { "enrolment-request", {
		{ "ek_public", BYTES, 1024 }, { "ek_certificates", CERTIFICATES, 0 }, { "ak_public", BYTES, 1024 } } },
	[AI_ENROLMENT_CHALLENGE] = { "enrolment-challenge", {
		{ "id", DIGEST, 0 }, { "authority", WORDS, 0 }, { "ak", DIGEST, 0 }, { "credential", BYTES, 256 }, { "seed", BYTES, 1024 }, { "expires", WHEN, 0 } } },
	[AI_ENROLMENT_ANSWER] = { "enrolment-answer", {
		{ "challenge", DIGEST, 0 }, { "ak", DIGEST, 0 }, { "secret", BYTES, 32 } } },
	[AI_ENROLMENT_CERTIFICATE] = { "enrolment-certificate", {
		{ "ak", DIGEST, 0 }, { "certificates", CERTIFICATES, 0 } } },
	[AI_ENROLMENT_PENDING] = { "enrolment-pending", {
		{ "id", DIGEST, 0 }, { "ak_public", BYTES, 1024 }, { "ek", DIGEST, 0 }, { "another", FLAG, 0 }, { "secret", DIGEST, 0 }, { "anchor", WORDS, 0 }, { "tpm", TPM, 0 },
		{ "made", WHEN, 0 }, { "expires", WHEN, 0 } } },
};

static int
check_bytes(const json_t *v, size_t max, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(max);
	if (!json_is_string(v))
		return ai_fail(err, AI_EINPUT, "expected base64 text");
	if (ai_b64_get(json_string_value(v), json_string_length(v), &bytes, err) < 0)
		return err->code;
	return ai_buf_ok(&bytes, "bytes", err) < 0 ? err->code : bytes.len ? 0 : ai_fail(err, AI_EINPUT, "is empty");
}

static int
check_certificates(const json_t *v, struct ai_err *err)
{
	size_t n = json_array_size(v);
	if (!json_is_array(v) || n > MAX_CERTIFICATES)
		return ai_fail(err, AI_EINPUT, "expected a list of at most %d certificates", MAX_CERTIFICATES);
	for (size_t i = 0; i < n; i++)
		if (check_bytes(json_array_get(v, i), AI_MAX_CERT, err) < 0)
			return ai_in(err, "[%zu]", i);
	return 0;
}

static int
check_words(const json_t *v, struct ai_err *err)
{
	const char *s = json_string_value(v);
	bool good = s && strlen(s) <= MAX_WORDS;
	for (const char *p = s; good && *p; p++)
		good = (unsigned char)*p >= 0x20 && *p != 0x7f;
	return good ? 0 : ai_fail(err, AI_EINPUT, "expected at most %d bytes of text without control characters", MAX_WORDS);
}

/* {"manufacturer", "model", "version"}, as far as the EK's certificate says them. */
static int
check_tpm(json_t *v, struct ai_err *err)
{
	const char *key;
	json_t *text;
	if (!json_is_object(v))
		return ai_fail(err, AI_EINPUT, "expected an object");
	json_object_foreach(v, key, text) {
		if (strcmp(key, "manufacturer") != 0 && strcmp(key, "model") != 0 && strcmp(key, "version") != 0)
			return ai_fail(err, AI_EINPUT, "unknown field '%s'", key);
		if (check_words(text, err) < 0)
			return ai_in(err, "%s", key);
	}
	return 0;
}

static int
check_field(const json_t *file, const struct field *f, struct ai_err *err)
{
	json_t *v = json_object_get(file, f->key);
	struct ai_digest d;
	int64_t when;
	char again[AI_WHEN_TEXT];
	if (!v)
		return ai_fail(err, AI_EINPUT, "is missing");
	switch (f->kind) {
	case DIGEST:
		return ai_json_digest(file, f->key, &d) ? 0 : ai_fail(err, AI_EINPUT, "expected 64 lower-case hex digits");
	case BYTES:
		return check_bytes(v, f->max, err);
	case CERTIFICATES:
		return check_certificates(v, err);
	case WHEN:
		/* A date alone is for people to type, not for files. */
		if (!json_is_string(v) || ai_when_parse(json_string_value(v), &when, err) < 0)
			return ai_fail(err, AI_EINPUT, "expected an instant as 2026-01-01T00:00:00Z");
		ai_when_text(when, again);
		return strcmp(again, json_string_value(v)) == 0 ? 0 : ai_fail(err, AI_EINPUT, "expected an instant as 2026-01-01T00:00:00Z");
	case TPM:
		return check_tpm(v, err);
	case FLAG:
		return json_is_boolean(v) ? 0 : ai_fail(err, AI_EINPUT, "expected true or false");
	default:
		return check_words(v, err);
	}
}

/* The id of everything but "check". */
static int
check_value(json_t *file, char out[AI_HEX], struct ai_err *err)
{
	AI_JSON *rest = json_copy(file);
	struct ai_digest d;
	if (!rest)
		return ai_nomem(err);
	(void)json_object_del(rest, "check");
	if (ai_json_id(rest, &d, err) < 0)
		return err->code;
	ai_hex(&d, out);
	return 0;
}

static int
check_file(const struct shape *s, json_t *file, struct ai_err *err)
{
	const char *kind = ai_json_str(file, "kind"), *check = ai_json_str(file, "check"), *key;
	json_t *v;
	char want[AI_HEX];
	if (!kind || strcmp(kind, s->kind) != 0)
		return ai_fail(err, AI_EINPUT, "kind: got '%.100s', expected '%s'", kind ? kind : "", s->kind);
	if (!json_is_integer(json_object_get(file, "format")) || json_integer_value(json_object_get(file, "format")) != 1)
		return ai_fail(err, AI_EINPUT, "format: expected 1, the only one that this version knows");
	json_object_foreach(file, key, v) {
		bool known = strcmp(key, "kind") == 0 || strcmp(key, "format") == 0 || strcmp(key, "check") == 0;
		for (size_t i = 0; i < MAX_FIELDS && s->fields[i].key && !known; i++)
			known = strcmp(s->fields[i].key, key) == 0;
		if (!known)
			return ai_fail(err, AI_EINPUT, "unknown field '%.100s'", key);
	}
	for (size_t i = 0; i < MAX_FIELDS && s->fields[i].key; i++)
		if (check_field(file, &s->fields[i], err) < 0)
			return ai_in(err, "'%s'", s->fields[i].key);
	if (check_value(file, want, err) < 0)
		return err->code;
	if (!check || strcmp(check, want) != 0)
		return ai_fail(err, AI_EINPUT, "'check': is not the id of the rest: the file was damaged or edited");
	return 0;
}

int
ai_enrolment_parse(ai_enrolment kind, const char *text, size_t n, const char *what, json_t **out, struct ai_err *err)
{
	AI_JSON *file = NULL;
	if (n > AI_MAX_ENROLMENT)
		return ai_fail(err, AI_EINPUT, "%s: %zu bytes, expected at most %d", what, n, AI_MAX_ENROLMENT);
	if (ai_json_parse(text, n, what, &file, err) < 0)
		return err->code;
	if (check_file(&shapes[kind], file, err) < 0)
		return ai_in(err, "%s", what);
	*out = json_incref(file);
	return 0;
}

int
ai_enrolment_format(ai_enrolment kind, const json_t *fields, struct ai_buf *out, struct ai_err *err)
{
	AI_JSON *file = json_object();
	char check[AI_HEX];
	if (!file || json_object_set_new(file, "kind", json_string(shapes[kind].kind)) < 0 || json_object_set_new(file, "format", json_integer(1)) < 0
		|| json_object_update(file, (json_t *)(uintptr_t)fields) < 0)
		return ai_nomem(err);
	if (check_value(file, check, err) < 0)
		return err->code;
	if (json_object_set_new(file, "check", json_string(check)) < 0)
		return ai_nomem(err);
	if (check_file(&shapes[kind], file, err) < 0)
		return ai_in(err, "%s", shapes[kind].kind);
	return ai_json_pretty(file, out, err);
}

int
ai_enrolment_bytes(const json_t *file, const char *key, struct ai_buf *out, struct ai_err *err)
{
	const json_t *v = json_object_get(file, key);
	if (!json_is_string(v))
		return ai_fail(err, AI_EINPUT, "'%s': expected base64 text", key);
	return ai_b64_get(json_string_value(v), json_string_length(v), out, err) < 0 ? ai_in(err, "'%s'", key) : 0;
}

json_t *
ai_enrolment_text(const void *p, size_t n)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	ai_b64_put(&text, p, n);
	return text.state == AI_BUF_GOOD ? json_stringn(text.data ? text.data : "", text.len) : NULL;
}
