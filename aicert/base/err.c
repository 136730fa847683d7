/* err.c -- see err.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Foreign text reaches errors (names, server replies): no byte of it may drive a terminal. */
static void
harmless(char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\n') || *s == 0x7f)
			*s = '?';
}

int
ai_fail(struct ai_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	harmless(err->text);
	err->hint[0] = '\0';
	err->code = code;
	return code;
}

int
ai_fail_errno(struct ai_err *err, int code, const char *fmt, ...)
{
	int e = errno;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	size_t n = strlen(err->text);
	snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(e));
	harmless(err->text);
	err->hint[0] = '\0';
	if (e == ENOSPC || e == EDQUOT || e == ENOMEM || e == EMFILE || e == ENFILE || e == EROFS)
		code = AI_EENV;
	err->code = code;
	if (e == ENOSPC || e == EDQUOT)
		ai_hint(err, "free some space, or set AICERT_HOME to a folder on a larger disk");
	return code;
}

int
ai_in(struct ai_err *err, const char *fmt, ...)
{
	char old[sizeof err->text];
	memcpy(old, err->text, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	size_t n = strlen(err->text);
	snprintf(err->text + n, sizeof err->text - n, ": %s", old);
	harmless(err->text);
	return err->code;
}

int
ai_hint(struct ai_err *err, const char *fmt, ...)
{
	if (err->hint[0])
		return err->code;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof err->hint, fmt, ap);
	va_end(ap);
	harmless(err->hint);
	return err->code;
}

int
ai_nomem(struct ai_err *err)
{
	return ai_fail(err, AI_EENV, "memory: no more to be had");
}
