/* ca_dir.c -- see ca_dir.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/enrol/ca_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/when.h"

enum { MAX_ISSUED = 256 << 20, MAX_DENIED = 16 << 20, MAX_PASSPHRASE = 1024, KEPT_SECONDS = 7 * 24 * 60 * 60 };

int
ai_ca_open(const char *path, struct ai_ca_dir *out, struct ai_err *err)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		(void)ai_fail_errno(err, AI_EENV, "%s", path);
		return ai_hint(err, "aicert ca init %s makes an attestation CA there", path);
	}
	if (!S_ISDIR(st.st_mode))
		return ai_fail(err, AI_EENV, "%s: is no folder", path);
	if (st.st_uid != geteuid() || (st.st_mode & 077)) {
		(void)ai_fail(err, AI_EENV, "%s: belongs to uid %u with mode %03o, expected yours alone (700)", path, (unsigned)st.st_uid, (unsigned)st.st_mode & 0777);
		return ai_hint(err, "chmod 700 %s, once you know that nobody else was there", path);
	}
	AI_FREE char *file = ai_join(path, "lock");
	AI_FREE char *root = ai_join(path, "ca.pem");
	if (!file || !root)
		return ai_nomem(err);
	if (!ai_exists(root)) {
		(void)ai_fail(err, AI_EENV, "%s: holds no attestation CA", path);
		return ai_hint(err, "aicert ca init %s makes one", path);
	}
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", file);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			(void)ai_fail_errno(err, AI_EENV, "%s: cannot lock", file);
			close(fd);
			return err->code;
		}
	*out = (struct ai_ca_dir){ path, fd };
	return 0;
}

void
ai_ca_close(struct ai_ca_dir *d)
{
	if (d->lock >= 0)
		close(d->lock);
	d->lock = -1;
}

/* --- the key ----------------------------------------------------------------- */

void
ai_ca_forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

int
ai_ca_passphrase(const char *path, char **out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(MAX_PASSPHRASE);
	*out = NULL;
	if (!path)
		return 0;
	if (ai_read_file(AT_FDCWD, path, &text, err) < 0)
		return err->code;
	size_t n = strcspn(text.data, "\r\n");
	if (n == 0)
		return ai_fail(err, AI_EUSAGE, "%s: its first line, the passphrase, is empty", path);
	*out = ai_strndup(text.data, n);
	explicit_bzero(text.data, text.len);
	return *out ? 0 : ai_nomem(err);
}

static int
read_key(const char *path, struct ai_buf *out, struct ai_err *err)
{
	struct stat st;
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
		(void)ai_fail(err, AI_EENV, "%s: belongs to uid %u with mode %03o, expected yours alone (600): others could have copied the key", path,
			(unsigned)st.st_uid, (unsigned)st.st_mode & 0777);
		return ai_hint(err, "make a new CA, unless you know that nobody read it: then chmod 600 %s", path);
	}
	return ai_read_fd(fd, path, out, err);
}

int
ai_ca_authority(const struct ai_ca_dir *d, bool with_key, const char *passphrase, struct ai_authority **out, struct ai_err *err)
{
	AI_FREE char *key_path = ai_join(d->path, "ca.key");
	AI_FREE char *root_path = ai_join(d->path, "ca.pem");
	AI_BUF_AUTO key = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
	if (!key_path || !root_path)
		return ai_nomem(err);
	if (ai_read_file(AT_FDCWD, root_path, &root, err) < 0 || (with_key && read_key(key_path, &key, err) < 0))
		return err->code;
	int r = ai_authority_open(with_key ? key.data : NULL, key.len, passphrase, root.data, root.len, out, err);
	if (key.data)
		explicit_bzero(key.data, key.len);
	return r < 0 ? ai_in(err, "%s", d->path) : 0;
}

/* --- the deny list ----------------------------------------------------------- */

int
ai_ca_check_denied(const struct ai_ca_dir *d, const struct ai_digest *ek, const struct ai_digest *ak, struct ai_err *err)
{
	AI_FREE char *path = ai_join(d->path, "denied");
	AI_BUF_AUTO text = AI_BUF(MAX_DENIED);
	if (!path)
		return ai_nomem(err);
	if (ai_read_file_if(AT_FDCWD, path, &text, err) < 0)
		return err->code;
	size_t line = 0;
	char *rest = text.len ? text.data : NULL, *word;
	/* Whatever follows a NUL would not be looked at. */
	if (text.len && memchr(text.data, '\0', text.len))
		return ai_fail(err, AI_EINPUT, "%s: holds a NUL byte, expected text: one fingerprint a line", path);
	while ((word = strsep(&rest, "\n"))) {
		struct ai_digest denied;
		line++;
		word[strcspn(word, "#")] = '\0';
		word += strspn(word, " \t\r");
		word[strcspn(word, " \t\r")] = '\0';
		/* What cannot be read might have been meant for this very key. */
		if (*word && !ai_unhex(word, &denied))
			return ai_fail(err, AI_EINPUT, "%s:%zu: got '%.100s', expected a fingerprint of 64 lower-case hex digits", path, line, word);
		if (*word && (ai_digest_eq(&denied, ek) || ai_digest_eq(&denied, ak)))
			return ai_fail(err, AI_ENO, "%s:%zu: key %s is denied", path, line, word);
	}
	return 0;
}

/* --- pending entries --------------------------------------------------------- */

static char *
pending_path(const struct ai_ca_dir *d, const struct ai_digest *id)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	return ai_format("%s/pending/%s.json", d->path, hex);
}

/* An expired one is kept for a week, so that a late answer is told what it is. */
static void
throw_away_old(const struct ai_ca_dir *d, int64_t now)
{
	AI_FREE char *folder = ai_join(d->path, "pending");
	DIR *dir = folder ? opendir(folder) : NULL;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct ai_err ignored = { 0 };
		struct ai_digest id;
		AI_JSON *entry = NULL;
		int64_t expires;
		if (strlen(e->d_name) != AI_HEX - 1 + 5)
			continue;
		e->d_name[AI_HEX - 1] = '\0';
		if (!ai_unhex(e->d_name, &id) || ai_ca_pending_get(d, &id, &entry, &ignored) < 0)
			continue;
		if (ai_when_parse(ai_json_str(entry, "expires"), &expires, &ignored) == 0 && now > expires + KEPT_SECONDS)
			(void)!ai_ca_pending_take(d, &id, &ignored);
	}
	if (dir)
		closedir(dir);
}

int
ai_ca_pending_put(const struct ai_ca_dir *d, const struct ai_buf *text, int64_t now, struct ai_err *err)
{
	AI_JSON *entry = NULL;
	struct ai_digest id;
	if (ai_enrolment_parse(AI_ENROLMENT_PENDING, text->data, text->len, "pending entry", &entry, err) < 0)
		return err->code;
	if (!ai_json_digest(entry, "id", &id))
		return ai_fail(err, AI_EENV, "internal: pending entry: no id");
	throw_away_old(d, now);
	AI_FREE char *folder = ai_join(d->path, "pending");
	AI_FREE char *path = pending_path(d, &id);
	if (!folder || !path)
		return ai_nomem(err);
	return ai_mkdirs(folder, 0700, err) < 0 ? err->code : ai_write_file(AT_FDCWD, path, text->data, text->len, 0600, err);
}

int
ai_ca_pending_get(const struct ai_ca_dir *d, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	AI_FREE char *path = pending_path(d, id);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	struct ai_digest within;
	AI_JSON *entry = NULL;
	if (!path)
		return ai_nomem(err);
	int r = ai_read_file_if(AT_FDCWD, path, &text, err);
	if (r == 0)
		return ai_fail(err, AI_ENO, "answer: no challenge with this id is open: it was answered already, or this CA never made it");
	if (r < 0 || ai_enrolment_parse(AI_ENROLMENT_PENDING, text.data, text.len, path, &entry, err) < 0)
		return err->code;
	if (!ai_json_digest(entry, "id", &within) || !ai_digest_eq(&within, id))
		return ai_fail(err, AI_EINPUT, "%s: is the entry of another id", path);
	*out = json_incref(entry);
	return 0;
}

int
ai_ca_pending_take(const struct ai_ca_dir *d, const struct ai_digest *id, struct ai_err *err)
{
	AI_FREE char *path = pending_path(d, id);
	AI_FREE char *folder = ai_join(d->path, "pending");
	if (!path || !folder)
		return ai_nomem(err);
	if (unlink(path) < 0)
		return errno == ENOENT ? ai_fail(err, AI_ENO, "answer: was given already") : ai_fail_errno(err, AI_EENV, "%s", path);
	return ai_fsync_dir(AT_FDCWD, folder, err);
}

/* --- what was issued --------------------------------------------------------- */

int
ai_ca_issued(const struct ai_ca_dir *d, json_t **out, struct ai_err *err)
{
	AI_FREE char *path = ai_join(d->path, "issued.jsonl");
	AI_BUF_AUTO text = AI_BUF(MAX_ISSUED);
	AI_JSON *list = json_array();
	if (!path || !list)
		return ai_nomem(err);
	if (ai_read_file_if(AT_FDCWD, path, &text, err) < 0)
		return err->code;
	char *p = text.data, *end;
	for (size_t line = 1; text.len && (end = memchr(p, '\n', text.len - (size_t)(p - text.data))); p = end + 1, line++) {
		AI_JSON *record = NULL;
		AI_FREE char *where = ai_format("%s:%zu", path, line);
		struct ai_digest ek, ak;
		if (!where)
			return ai_nomem(err);
		if (ai_json_parse(p, (size_t)(end - p), where, &record, err) < 0)
			return err->code;
		if (!ai_json_digest(record, "ek", &ek) || !ai_json_digest(record, "ak", &ak) || !ai_json_str(record, "not_after"))
			return ai_fail(err, AI_EINPUT, "%s: is no record of a certificate", where);
		if (json_array_append(list, record) < 0)
			return ai_nomem(err);
	}
	*out = json_incref(list);
	return 0;
}

int
ai_ca_issued_add(const struct ai_ca_dir *d, const json_t *record, struct ai_err *err)
{
	AI_FREE char *path = ai_join(d->path, "issued.jsonl");
	AI_BUF_AUTO line = AI_BUF(AI_MAX_TEXT);
	AI_BUF_AUTO before = AI_BUF(MAX_ISSUED);
	if (!path)
		return ai_nomem(err);
	if (ai_canon(record, &line, err) < 0)
		return err->code;
	ai_buf_putc(&line, '\n');
	if (ai_buf_ok(&line, path, err) < 0)
		return err->code;
	AI_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	if (ai_read_fd(fd, path, &before, err) < 0)
		return err->code;
	/* A line that a crash cut was never followed by a certificate: it goes. */
	while (before.len && before.data[before.len - 1] != '\n')
		before.len--;
	if (ftruncate(fd, (off_t)before.len) < 0 || lseek(fd, (off_t)before.len, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	if (ai_write_all(fd, line.data, line.len, path, err) < 0)
		return err->code;
	return fsync(fd) < 0 ? ai_fail_errno(err, AI_EENV, "%s: cannot write", path) : ai_fsync_dir(AT_FDCWD, d->path, err);
}

int
ai_ca_check_again(const struct ai_ca_dir *d, const struct ai_digest *ek, const struct ai_digest *ak, int64_t now, struct ai_err *err)
{
	AI_JSON *issued = NULL;
	size_t i;
	json_t *record;
	if (ai_ca_issued(d, &issued, err) < 0)
		return err->code;
	json_array_foreach(issued, i, record) {
		struct ai_digest its_ek, its_ak;
		int64_t until;
		if (!ai_json_digest(record, "ek", &its_ek) || !ai_json_digest(record, "ak", &its_ak) || ai_when_parse(ai_json_str(record, "not_after"), &until, err) < 0)
			return ai_fail(err, AI_EINPUT, "%s/issued.jsonl: is damaged", d->path);
		if (!ai_digest_eq(&its_ek, ek) || ai_digest_eq(&its_ak, ak) || until < now)
			continue;
		(void)ai_fail(err, AI_ENO, "endorsement key: another attestation key (%.16s…) has a certificate under it until %s", ai_json_str(record, "ak"),
			ai_json_str(record, "not_after"));
		return ai_hint(err, "aicert ca challenge --another enrolls this one too: was the TPM cleared, or is it used by two?");
	}
	return 0;
}

/* --- what is done there -------------------------------------------------------- */

int
ai_ca_challenge_make(const struct ai_ca_dir *d, const struct ai_candidate *c, int64_t now, struct ai_buf *challenge, struct ai_err *err)
{
	AI_BUF_AUTO pending = AI_BUF(AI_MAX_ENROLMENT);
	struct ai_authority *a = NULL;
	int r = ai_ca_check_denied(d, &c->ek_key, &c->ak.fingerprint, err);
	if (r == 0 && !c->another)
		r = ai_ca_check_again(d, &c->ek_key, &c->ak.fingerprint, now, err);
	r = r < 0 ? r : ai_ca_authority(d, false, NULL, &a, err);
	r = r < 0 ? r : ai_authority_challenge(a, c, now, challenge, &pending, err);
	ai_authority_free(a);
	return r < 0 ? r : ai_ca_pending_put(d, &pending, now, err);
}

/* What the challenge was refused for then, the certificate is refused for now. */
static int
check_keys(const struct ai_ca_dir *d, const json_t *pending, int64_t now, struct ai_err *err)
{
	AI_BUF_AUTO public = AI_BUF(AI_MAX_QUOTE);
	struct ai_digest ek, ak;
	if (ai_enrolment_bytes(pending, "ak_public", &public, err) < 0)
		return err->code;
	ai_sha256(public.data, public.len, &ak);
	if (!ai_json_digest(pending, "ek", &ek))
		return ai_fail(err, AI_EINPUT, "pending entry: no EK");
	if (ai_ca_check_denied(d, &ek, &ak, err) < 0)
		return err->code;
	return json_is_true(json_object_get(pending, "another")) ? 0 : ai_ca_check_again(d, &ek, &ak, now, err);
}

/* The entry is taken once everything is ready, and before anything is given out: who comes second finds none. */
int
ai_ca_answer_certify(const struct ai_ca_dir *d, const struct ai_authority *a, const json_t *answer, int days, int64_t now, struct ai_buf *certificate,
	json_t **record, struct ai_err *err)
{
	AI_JSON *pending = NULL;
	AI_JSON *made = NULL;
	struct ai_digest id;
	if (!ai_json_digest(answer, "challenge", &id))
		return ai_fail(err, AI_EINPUT, "answer: names no challenge");
	if (ai_ca_pending_get(d, &id, &pending, err) < 0 || ai_authority_answered(pending, answer, now, err) < 0 || check_keys(d, pending, now, err) < 0)
		return err->code;
	if (ai_authority_issue(a, pending, days, now, certificate, &made, err) < 0)
		return err->code;
	if (ai_ca_pending_take(d, &id, err) < 0 || ai_ca_issued_add(d, made, err) < 0)
		return err->code;
	*record = json_incref(made);
	return 0;
}
