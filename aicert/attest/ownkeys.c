/* ownkeys.c -- see ownkeys.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/ownkeys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/when.h"

enum { MAX_OWN_KEYS = 1 << 20 };

/* The whole file as an object {"keys":[…]}, checked; an empty one when there is no file. New reference. */
static int
load(const char *path, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(MAX_OWN_KEYS);
	int r = ai_read_file_if(AT_FDCWD, path, &text, err);
	if (r < 0)
		return r;
	AI_JSON *file = r == 0 ? json_pack("{s:[]}", "keys") : NULL;
	if (r == 1 && ai_json_parse(text.data, text.len, path, &file, err) < 0)
		return err->code;
	if (!file)
		return ai_nomem(err);
	const json_t *keys = ai_json_arr(file, "keys");
	if (!keys)
		return ai_fail(err, AI_EINPUT, "%s: 'keys' is not a list", path);
	for (size_t i = 0; i < json_array_size(keys); i++) {
		struct ai_digest d;
		if (!ai_json_digest(json_array_get(keys, i), "fingerprint", &d))
			return ai_fail(err, AI_EINPUT, "%s: keys[%zu]: 'fingerprint' is not 64 lower-case hex digits", path, i);
	}
	*out = json_incref(file);
	return 0;
}

int
ai_ownkeys_read(const char *data, json_t **out, struct ai_err *err)
{
	AI_FREE char *path = ai_format("%s/tpm/own-keys.json", data);
	AI_JSON *file = NULL;
	AI_JSON *list = json_array();
	if (!path || !list)
		return ai_nomem(err);
	if (load(path, &file, err) < 0)
		return err->code;
	const json_t *keys = ai_json_arr(file, "keys");
	for (size_t i = 0; i < json_array_size(keys); i++)
		if (json_array_append(list, json_object_get(json_array_get(keys, i), "fingerprint")) < 0)
			return ai_nomem(err);
	*out = json_incref(list);
	return 0;
}

static bool
has(const json_t *file, const char *hex)
{
	const json_t *keys = ai_json_arr(file, "keys");
	for (size_t i = 0; i < json_array_size(keys); i++)
		if (strcmp(ai_json_str(json_array_get(keys, i), "fingerprint"), hex) == 0)
			return true;
	return false;
}

static int
append(const char *path, json_t *file, const char *hex, const char *tpm, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(MAX_OWN_KEYS);
	char made[AI_WHEN_TEXT];
	ai_when_text(time(NULL), made);
	json_t *key = json_pack("{s:s, s:s, s:s}", "fingerprint", hex, "tpm", tpm, "made", made);
	if (!key || json_array_append_new(ai_json_arr(file, "keys"), key) < 0)
		return ai_nomem(err);
	if (ai_json_pretty(file, &text, err) < 0)
		return err->code;
	return ai_write_file(AT_FDCWD, path, text.data, text.len, 0600, err);
}

int
ai_ownkeys_add(const char *data, const struct ai_digest *fingerprint, const char *tpm, struct ai_err *err)
{
	AI_FREE char *dir = ai_format("%s/tpm", data);
	AI_FREE char *path = ai_format("%s/tpm/own-keys.json", data);
	AI_FREE char *lock = ai_format("%s/tpm/own-keys.lock", data);
	AI_JSON *file = NULL;
	AI_JSON *again = NULL;
	char hex[AI_HEX];
	ai_hex(fingerprint, hex);
	if (!dir || !path || !lock)
		return ai_nomem(err);
	if (load(path, &file, err) < 0)
		return err->code;
	if (has(file, hex))
		return 0;
	if (ai_mkdirs(dir, 0700, err) < 0)
		return err->code;
	/* The file is replaced whole, so the lock must stand on a file of its own. */
	AI_FD fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot lock", lock);
	if (load(path, &again, err) < 0)
		return err->code;
	return has(again, hex) ? 0 : append(path, again, hex, tpm, err);
}
