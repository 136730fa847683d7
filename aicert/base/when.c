/* when.c -- see when.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int
ai_when_parse(const char *text, int64_t *out, struct ai_err *err)
{
	char whole[AI_WHEN_TEXT] = "0000-00-00T23:59:59Z", again[AI_WHEN_TEXT];
	size_t n = strlen(text);
	struct tm t = { 0 };
	if (n == 10 || n == 20) {
		memcpy(whole, text, n);
		if (sscanf(whole, "%4d-%2d-%2dT%2d:%2d:%2dZ", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec) == 6) {
			t.tm_year -= 1900;
			t.tm_mon -= 1;
			int64_t seconds = timegm(&t);
			/* What is no day or hour, timegm carries over into the next: only what comes back the same was one. */
			ai_when_text(seconds, again);
			if (strcmp(whole, again) == 0) {
				*out = seconds;
				return 0;
			}
		}
	}
	return ai_fail(err, AI_EUSAGE, "time '%s': expected '2026-01-31' or '2026-01-31T12:00:00Z'", text);
}

void
ai_when_text(int64_t seconds, char out[AI_WHEN_TEXT])
{
	time_t t = (time_t)seconds;
	struct tm tm;
	char text[64] = "?";
	if (gmtime_r(&t, &tm) && tm.tm_year >= -1900 && tm.tm_year <= 9999 - 1900)
		snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(out, text, AI_WHEN_TEXT - 1);
	out[AI_WHEN_TEXT - 1] = '\0';
}
