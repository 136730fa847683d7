/* err.c -- see err.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* How many bytes the UTF-8 character at p has; 0 when there is none (a stray byte, or one that was cut). */
static size_t
character(const unsigned char *p)
{
	size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p <= 0xdf ? 2 : *p >= 0xe0 && *p <= 0xef ? 3 : *p >= 0xf0 && *p <= 0xf4 ? 4 : 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xf0 && p[1] < 0x90))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Left-to-right and other marks, line ends, and what turns the text around it: U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069. */
static bool
reorders(const unsigned char *p)
{
	return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

/*
 * Foreign text reaches errors (names, server replies): no byte of it may drive a terminal (U+0080..U+009F do, like ESC), and none may
 * begin a line that looks like ours.
 */
static void
harmless(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p;) {
		size_t n = character(p);
		bool control = (n == 1 && (*p < 0x20 || *p == 0x7f)) || (n == 2 && *p == 0xc2 && p[1] < 0xa0) || (n == 3 && *p == 0xe2 && reorders(p));
		if (*p == '\n') {
			*p++ = ' ';
		} else if (n && !control) {
			p += n;
		} else {
			for (n = n ? n : 1; n > 0; n--)
				*p++ = '?';
		}
	}
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
