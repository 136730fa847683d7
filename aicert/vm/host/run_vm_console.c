/* run_vm_console.c -- see run_vm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "vm/host/run_vm_parts.h"

#define MAX_LOG (64ull << 20)
static const char ours[] = "aicert: ", step[] = "| ";

/* Without the terminal commands that firmware writes before the first line that says anything; the length of what is left in out. */
static size_t
plain(const char *text, size_t n, char *out, size_t room)
{
	size_t len = 0;
	for (size_t i = 0; i < n && len + 1 < room; i++) {
		if (text[i] != '\033') {
			out[len++] = text[i] ? text[i] : '?';
			continue;
		}
		if (i + 1 < n && text[i + 1] == '[')
			for (i += 2; i < n && !(text[i] >= 0x40 && text[i] <= 0x7e);)
				i++;
	}
	out[len] = '\0';
	return len;
}

static void
keep(struct ai_vm_console *c, const char *text, size_t n)
{
	struct ai_err lost = { 0 };
	char *slot = c->last[c->n % AI_VM_LAST_LINES];
	if (text[strspn(text, " \t")]) {
		size_t len = n < AI_VM_SHOWN_LINE - 1 ? n : AI_VM_SHOWN_LINE - 1;
		memcpy(slot, text, len);
		slot[len] = '\0';
		c->n++;
	}
	if (c->log < 0 || c->logged + n + 1 > MAX_LOG)
		return;
	/* For people who look for a cause; a run does not fail for want of it. */
	if (ai_write_all(c->log, text, n, "console", &lost) == 0)
		(void)!ai_write_all(c->log, "\n", 1, "console", &lost);
	c->logged += n + 1;
}

void
ai_vm_console_line(void *ctx, const char *text, size_t n)
{
	struct ai_vm_console *c = ctx;
	char line[2048];
	size_t len = plain(text, n, line, sizeof line - 1);
	keep(c, line, len);
	if (strncmp(line, ours, sizeof ours - 1) == 0) {
		ai_say(c->talk, AI_TALK_STAGE, "%s", line + sizeof ours - 1);
	} else if (strncmp(line, step, sizeof step - 1) == 0) {
		line[len++] = '\n';
		ai_say_log(c->talk, line + sizeof step - 1, len - (sizeof step - 1));
	} else if (line[strspn(line, " \t")]) {
		ai_say(c->talk, AI_TALK_DETAIL, "machine %s", line);
	}
}

void
ai_vm_console_last(const struct ai_vm_console *c, struct ai_buf *out)
{
	unsigned n = c->n < AI_VM_LAST_LINES ? c->n : AI_VM_LAST_LINES;
	for (unsigned i = c->n - n; i < c->n; i++)
		ai_buf_printf(out, "%s%s", i > c->n - n ? " / " : "", c->last[i % AI_VM_LAST_LINES]);
}
