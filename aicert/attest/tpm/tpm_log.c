/*
 * tpm_log.c -- what PCR 15 of a lasting TPM was extended with, in order; see tpm_parts.h.
 *
 * dir/pcr15-<hash of the TPM's name>.log: one digest per line, 64 hex digits and
 * a newline. It is held under flock from before the PCR is read until the command
 * is done, so runs at once interleave whole operations.
 *
 * A line is written and synced before its digest is extended. So after a crash the
 * log has at most one line more than the TPM, or a torn one, and both are taken off.
 * Nothing marks a boot: a PCR at zero says that the TPM was reset, and then the log
 * starts anew; a log that gives neither the PCR's value nor ends one short of it
 * is not the whole story, and no claim can be made on that TPM until it is reset.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "attest/tpm/tpm_parts.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"

enum { LINE = 65, MAX_LINES = 1 << 20 };

void
ai_pcr_log_replay(const struct ai_pcr_log *log, size_t n, struct ai_digest *out)
{
	struct ai_digest pcr = { { 0 } };
	for (size_t i = 0; i < n; i++)
		ai_sha256_pair(&pcr, &log->d[i], &pcr);
	*out = pcr;
}

int
ai_tpm_flock(int fd, const char *path, struct ai_err *err)
{
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return ai_fail_errno(err, AI_EENV, "%s: cannot lock", path);
		if (ai_check_interrupt(err) < 0)
			return err->code;
	}
	return 0;
}

int
ai_pcr_log_lock(const char *dir, const char *tpm, struct ai_pcr_log *log, struct ai_err *err)
{
	struct ai_digest d;
	char hex[AI_HEX];
	ai_sha256(tpm, strlen(tpm), &d);
	ai_hex(&d, hex);
	AI_FREE char *path = ai_format("%s/pcr15-%.16s.log", dir, hex);
	if (!path)
		return ai_nomem(err);
	log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log->fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot open", path);
	if (ai_tpm_flock(log->fd, path, err) < 0) {
		ai_pcr_log_unlock(log);
		return err->code;
	}
	return 0;
}

void
ai_pcr_log_unlock(struct ai_pcr_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

static int
push(struct ai_pcr_log *log, const struct ai_digest *digest, struct ai_err *err)
{
	if (ai_grow(&log->d, &log->cap, log->n, sizeof *log->d, err) < 0)
		return err->code;
	log->d[log->n++] = *digest;
	return 0;
}

static int
read_lines(struct ai_pcr_log *log, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF((size_t)LINE * MAX_LINES);
	log->n = 0;
	if (lseek(log->fd, 0, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EENV, "log of PCR 15: cannot read");
	if (ai_read_fd(log->fd, "log of PCR 15", &text, err) < 0)
		return err->code = AI_EENV;
	for (size_t at = 0; at + LINE <= text.len; at += LINE) {
		struct ai_digest d;
		if (text.data[at + LINE - 1] != '\n')
			break;
		text.data[at + LINE - 1] = '\0';
		if (!ai_unhex(text.data + at, &d))
			break;
		if (push(log, &d, err) < 0)
			return err->code;
	}
	return 0;
}

/* Is the PCR the replay of all lines but the last few? Then those few go. */
static bool
ends_at(struct ai_pcr_log *log, size_t n, const struct ai_digest *pcr)
{
	struct ai_digest d;
	ai_pcr_log_replay(log, n, &d);
	if (!ai_digest_eq(&d, pcr))
		return false;
	log->n = n;
	return true;
}

int
ai_pcr_log_load(struct ai_pcr_log *log, const struct ai_digest *pcr, struct ai_err *err)
{
	if (read_lines(log, err) < 0)
		return err->code;
	bool agrees = ends_at(log, log->n, pcr) || (log->n > 0 && ends_at(log, log->n - 1, pcr)) || ends_at(log, 0, pcr);
	if (!agrees) {
		ai_fail(err, AI_EENV, "PCR 15 was extended by somebody that kept no log here");
		return ai_hint(err, "only a reset of the TPM (a reboot) clears PCR 15; or use '--tpm embedded'");
	}
	/* What follows the good lines was never extended. */
	if (ftruncate(log->fd, (off_t)(log->n * LINE)) < 0 || lseek(log->fd, 0, SEEK_END) < 0)
		return ai_fail_errno(err, AI_EENV, "log of PCR 15: cannot write");
	return 0;
}

int
ai_pcr_log_append(struct ai_pcr_log *log, const struct ai_digest *digest, struct ai_err *err)
{
	char line[AI_HEX];
	if (log->n >= MAX_LINES)
		return ai_fail(err, AI_EENV, "log of PCR 15: full after %d events", MAX_LINES);
	ai_hex(digest, line);
	line[LINE - 1] = '\n';
	if (log->fd >= 0 && ai_write_all(log->fd, line, LINE, "log of PCR 15", err) < 0)
		return err->code;
	if (log->fd >= 0 && fdatasync(log->fd) < 0)
		return ai_fail_errno(err, AI_EENV, "log of PCR 15: cannot write");
	return push(log, digest, err);
}
