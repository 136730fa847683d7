/* trust.c -- the file, and the keys in it. See trust.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/trust.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/when.h"
#include "proof/trust_parts.h"

enum { MIN_PREFIX = 8 };

/* --- the file ------------------------------------------------------------------ */

/* What each entry of an array must have: texts, and one digest. */
static const struct { const char *array, *digest, *texts[4], *expected; bool always; } shapes[] = {
	{ "keys", "fingerprint", { "name", "added" }, "{\"fingerprint\": 64 hex digits, \"name\", \"added\"}", true },
	{ "roots", NULL, { "name", "role", "authority", "certificate" }, "{\"name\", \"role\", \"authority\", \"certificate\", \"added\"}", false },
	{ "removed", "spki", { "name", "added" }, "{\"name\", \"spki\": 64 hex digits, \"added\"}", false },
	{ "revoked", "id", { "added", "why" }, "{\"id\": 64 hex digits, \"added\", \"why\"}", false },
};

static int
check_entry(const json_t *e, size_t shape, struct ai_err *err)
{
	struct ai_digest d;
	bool good = !shapes[shape].digest || ai_json_digest(e, shapes[shape].digest, &d);
	for (size_t i = 0; i < 4 && good && shapes[shape].texts[i]; i++)
		good = ai_json_str(e, shapes[shape].texts[i]);
	return good ? 0 : ai_fail(err, AI_EINPUT, "expected %s", shapes[shape].expected);
}

/* The arrays that are not there become empty ones. */
static int
check_file(json_t *whole, const char *file, struct ai_err *err)
{
	for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
		bool absent = !json_object_get(whole, shapes[s].array);
		if (absent && !shapes[s].always && json_object_set_new(whole, shapes[s].array, json_array()) < 0)
			return ai_nomem(err);
		json_t *entries = ai_json_arr(whole, shapes[s].array);
		if (!entries)
			return ai_fail(err, AI_EINPUT, "%s: '%s' is missing, or no array", file, shapes[s].array);
		for (size_t i = 0; i < json_array_size(entries); i++)
			if (check_entry(json_array_get(entries, i), s, err) < 0)
				return ai_in(err, "%s: %s[%zu]", file, shapes[s].array, i);
	}
	return 0;
}

int
ai_trust_file(const char *data, json_t **out, struct ai_err *err)
{
	AI_FREE char *file = ai_join(data, "trust.json");
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	AI_JSON *whole = NULL;
	if (!file)
		return ai_nomem(err);
	int r = ai_read_file_if(AT_FDCWD, file, &text, err);
	if (r < 0)
		return r;
	if (r == 0)
		ai_buf_puts(&text, "{\"keys\":[]}");
	if (ai_buf_ok(&text, file, err) < 0 || ai_json_parse(text.data ? text.data : "", text.len, file, &whole, err) < 0
		|| check_file(whole, file, err) < 0)
		return err->code;
	*out = json_incref(whole);
	return 0;
}

int
ai_trust_write(const char *data, const json_t *whole, struct ai_err *err)
{
	AI_FREE char *file = ai_join(data, "trust.json");
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (!file)
		return ai_nomem(err);
	if (ai_json_pretty(whole, &text, err) < 0 || ai_mkdirs(data, 0700, err) < 0)
		return err->code;
	return ai_write_file(AT_FDCWD, file, text.data, text.len, 0600, err);
}

int
ai_trust_lock(const char *data, struct ai_err *err)
{
	AI_FREE char *file = ai_join(data, "trust.lock");
	if (!file)
		return ai_nomem(err);
	if (ai_mkdirs(data, 0700, err) < 0)
		return err->code;
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX) == 0)
		return fd;
	(void)ai_fail_errno(err, AI_EENV, "%s: cannot lock", file);
	if (fd >= 0)
		close(fd);
	return err->code;
}

int
ai_trust_now(char out[21], struct ai_err *err)
{
	char text[AI_WHEN_TEXT];
	ai_when_text((int64_t)time(NULL), text);
	if (strlen(text) != 20)
		return ai_fail(err, AI_EENV, "clock: the time cannot be told");
	memcpy(out, text, 21);
	return 0;
}

int
ai_trust_text(const char *what, const char *text, struct ai_err *err)
{
	bool good = *text && strlen(text) <= 200 && ai_utf8_valid(text, strlen(text));
	for (const char *p = text; good && *p; p++)
		good = (unsigned char)*p >= 0x20 && *p != 0x7f;
	return good ? 0 : ai_fail(err, AI_EUSAGE, "%s '%.200s': expected 1 to 200 bytes of text without control characters", what, text);
}

bool
ai_trust_fits(const char *word, const char *name, const char *hex)
{
	size_t n = strlen(word);
	return strcmp(name, word) == 0 || (n >= MIN_PREFIX && strncmp(hex, word, n) == 0);
}

/* --- keys ---------------------------------------------------------------------- */

int
ai_trust_read(const char *data, json_t **out, struct ai_err *err)
{
	AI_JSON *whole = NULL;
	if (ai_trust_file(data, &whole, err) < 0)
		return err->code;
	*out = json_incref(ai_json_arr(whole, "keys"));
	return 0;
}

int
ai_trust_add(const char *data, const char *fingerprint, const char *name, struct ai_err *err)
{
	struct ai_digest d;
	AI_JSON *whole = NULL;
	char added[21];
	if (!ai_unhex(fingerprint, &d))
		return ai_fail(err, AI_EUSAGE, "key '%.100s': expected a fingerprint of 64 lower-case hex digits", fingerprint);
	if (ai_trust_text("key name", name, err) < 0)
		return err->code;
	AI_FD lock = ai_trust_lock(data, err);
	if (lock < 0 || ai_trust_file(data, &whole, err) < 0 || ai_trust_now(added, err) < 0)
		return err->code;
	json_t *keys = ai_json_arr(whole, "keys");
	size_t i;
	json_t *k;
	json_array_foreach(keys, i, k) {
		if (strcmp(ai_json_str(k, "fingerprint"), fingerprint) == 0)
			return ai_fail(err, AI_EUSAGE, "key %s is accepted already, as '%s'", fingerprint, ai_json_str(k, "name"));
		if (strcmp(ai_json_str(k, "name"), name) == 0)
			return ai_fail(err, AI_EUSAGE, "key name '%s' is taken by %s", name, ai_json_str(k, "fingerprint"));
	}
	json_array_foreach(ai_json_arr(whole, "roots"), i, k)
		if (strcmp(ai_json_str(k, "name"), name) == 0)
			return ai_fail(err, AI_EUSAGE, "key name '%s' is taken by a root", name);
	if (json_array_append_new(keys, json_pack("{s:s, s:s, s:s}", "fingerprint", fingerprint, "name", name, "added", added)) < 0)
		return ai_nomem(err);
	return ai_trust_write(data, whole, err);
}
