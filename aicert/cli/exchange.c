/* exchange.c -- see exchange.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/exchange.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "attest/enrol/authority.h"
#include "base/buf.h"
#include "base/fs.h"

int
ai_exchange_read(ai_enrolment kind, const char *path, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	if (ai_read_file(AT_FDCWD, path, &text, err) < 0)
		return err->code;
	return ai_enrolment_parse(kind, text.data ? text.data : "", text.len, path, out, err);
}

int
ai_exchange_certificates(const char *const *paths, size_t n, json_t *list, struct ai_err *err)
{
	for (size_t i = 0; i < n; i++) {
		AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
		if (ai_read_file(AT_FDCWD, paths[i], &bytes, err) < 0)
			return err->code;
		if (ai_certificates_add(list, bytes.data, bytes.len, err) < 0)
			return ai_in(err, "%s", paths[i]);
	}
	return 0;
}

int
ai_exchange_room(const char *path, bool force, struct ai_err *err)
{
	if (!path || force || !ai_exists(path))
		return 0;
	(void)ai_fail(err, AI_EUSAGE, "%s: is there already", path);
	return ai_hint(err, "--force overwrites it");
}

int
ai_exchange_write(const char *path, const struct ai_buf *text, struct ai_err *err)
{
	if (path)
		return ai_write_file(AT_FDCWD, path, text->data, text->len, 0644, err);
	return fwrite(text->data, 1, text->len, stdout) == text->len ? 0 : ai_fail_errno(err, AI_EENV, "standard output: cannot write");
}

int64_t
ai_exchange_now(void)
{
	return (int64_t)time(NULL);
}
