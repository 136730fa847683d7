/* trust.c -- see trust.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/trust.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"

enum { MIN_PREFIX = 8 };

static int
check_entry(const json_t *e, struct ai_err *err)
{
	struct ai_digest d;
	if (!ai_json_digest(e, "fingerprint", &d) || !ai_json_str(e, "name") || !ai_json_str(e, "added"))
		return ai_fail(err, AI_EINPUT, "expected {\"fingerprint\": 64 hex digits, \"name\", \"added\"}");
	return 0;
}

int
ai_trust_read(const char *data, json_t **out, struct ai_err *err)
{
	AI_FREE char *file = ai_join(data, "trust.json");
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	AI_JSON *whole = NULL;
	if (!file)
		return ai_nomem(err);
	int r = ai_read_file_if(AT_FDCWD, file, &text, err);
	if (r < 0)
		return r;
	if (r == 0) {
		json_t *none = json_array();
		if (!none)
			return ai_nomem(err);
		*out = none;
		return 0;
	}
	if (ai_json_parse(text.data ? text.data : "", text.len, file, &whole, err) < 0)
		return err->code;
	json_t *keys = ai_json_arr(whole, "keys");
	if (!keys)
		return ai_fail(err, AI_EINPUT, "%s: 'keys' is missing, or no array", file);
	for (size_t i = 0; i < json_array_size(keys); i++)
		if (check_entry(json_array_get(keys, i), err) < 0)
			return ai_in(err, "%s: keys[%zu]", file, i);
	*out = json_incref(keys);
	return 0;
}

static int
write_keys(const char *data, json_t *keys, struct ai_err *err)
{
	AI_FREE char *file = ai_join(data, "trust.json");
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	AI_JSON *whole = json_pack("{s:O}", "keys", keys);
	if (!file || !whole)
		return ai_nomem(err);
	if (ai_json_pretty(whole, &text, err) < 0 || ai_mkdirs(data, 0700, err) < 0)
		return err->code;
	return ai_write_file(AT_FDCWD, file, text.data, text.len, 0600, err);
}

static int
today(char out[21], struct ai_err *err)
{
	struct tm tm;
	time_t now = time(NULL);
	if (!gmtime_r(&now, &tm) || strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &tm) != 20)
		return ai_fail(err, AI_EENV, "clock: the time cannot be told");
	return 0;
}

static int
check_name(const char *name, struct ai_err *err)
{
	bool good = *name && strlen(name) <= 200 && ai_utf8_valid(name, strlen(name));
	for (const char *p = name; good && *p; p++)
		good = (unsigned char)*p >= 0x20 && *p != 0x7f;
	return good ? 0 : ai_fail(err, AI_EUSAGE, "key name '%.200s': expected 1 to 200 bytes of text without control characters", name);
}

int
ai_trust_add(const char *data, const char *fingerprint, const char *name, struct ai_err *err)
{
	struct ai_digest d;
	AI_JSON *keys = NULL;
	char added[21];
	if (!ai_unhex(fingerprint, &d))
		return ai_fail(err, AI_EUSAGE, "key '%.100s': expected a fingerprint of 64 lower-case hex digits", fingerprint);
	if (check_name(name, err) < 0 || ai_trust_read(data, &keys, err) < 0 || today(added, err) < 0)
		return err->code;
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *k = json_array_get(keys, i);
		if (strcmp(ai_json_str(k, "fingerprint"), fingerprint) == 0)
			return ai_fail(err, AI_EUSAGE, "key %s is accepted already, as '%s'", fingerprint, ai_json_str(k, "name"));
		if (strcmp(ai_json_str(k, "name"), name) == 0)
			return ai_fail(err, AI_EUSAGE, "key name '%s' is taken by %s", name, ai_json_str(k, "fingerprint"));
	}
	if (json_array_append_new(keys, json_pack("{s:s, s:s, s:s}", "fingerprint", fingerprint, "name", name, "added", added)) < 0)
		return ai_nomem(err);
	return write_keys(data, keys, err);
}

int
ai_trust_remove(const char *data, const char *word, struct ai_err *err)
{
	AI_JSON *keys = NULL;
	size_t n_fit = 0, which = 0, len = strlen(word);
	if (ai_trust_read(data, &keys, err) < 0)
		return err->code;
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *k = json_array_get(keys, i);
		bool prefix = len >= MIN_PREFIX && strncmp(ai_json_str(k, "fingerprint"), word, len) == 0;
		if (!prefix && strcmp(ai_json_str(k, "name"), word) != 0)
			continue;
		which = i;
		n_fit++;
	}
	if (n_fit != 1) {
		(void)ai_fail(err, AI_EUSAGE, "key '%.100s': fits %zu accepted keys, expected exactly one", word, n_fit);
		return ai_hint(err, "give a name, or at least %d digits of a fingerprint; aicert trust lists them", MIN_PREFIX);
	}
	if (json_array_remove(keys, which) < 0)
		return ai_nomem(err);
	return write_keys(data, keys, err);
}
