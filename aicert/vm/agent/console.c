/* console.c -- the machine's serial line, for people (agent_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "vm/agent/agent_parts.h"

static void
put(const struct ai_console *c, const struct ai_buf *b)
{
	struct ai_err lost = { 0 };
	if (b->len)
		(void)!ai_write_all(c->fd, b->data, b->len, "console", &lost);
}

/* A line of a step's that is begun ends here. */
static void
end_line(struct ai_console *c, struct ai_buf *b)
{
	if (c->column)
		ai_buf_putc(b, '\n');
	c->column = 0;
}

static void
put_line(struct ai_console *c, const char *words, const char *text)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_HEADER);
	end_line(c, &b);
	ai_buf_puts(&b, words);
	for (; *text; text++)
		ai_buf_putc(&b, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
	ai_buf_putc(&b, '\n');
	put(c, &b);
}

/* Whatever a step prints stands behind a bar, so that nothing of it reads like a line of ours. A carriage return ends a line: progress bars. */
static void
put_log(struct ai_console *c, const char *bytes, size_t n)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	size_t show = c->live < AI_CONSOLE_LIVE ? (size_t)(AI_CONSOLE_LIVE - c->live) : 0;
	show = n < show ? n : show;
	c->live += show;
	for (size_t i = 0; i < show; i++) {
		unsigned char ch = (unsigned char)bytes[i];
		if (ch == '\r' || c->column >= AI_CONSOLE_LINE)
			end_line(c, &b);
		if (ch == '\r')
			continue;
		if (!c->column)
			ai_buf_puts(&b, "| ");
		if (ch != '\n')
			ai_buf_putc(&b, (ch < 0x20 && ch != '\t') || ch == 0x7f ? '?' : (char)ch);
		else
			ai_buf_putc(&b, '\n');
		c->column = ch == '\n' ? 0 : c->column + 1;
	}
	put(c, &b);
	if (show == n || c->cut)
		return;
	c->cut = true;
	put_line(c, "aicert: ", "what is printed from here on is kept in the steps' logs only");
}

static void
say(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct ai_console *c = ctx;
	(void)total;
	switch (kind) {
	case AI_TALK_STAGE:
		put_line(c, "aicert: ", text);
		break;
	case AI_TALK_NOTE:
		put_line(c, "aicert: note: ", text);
		break;
	case AI_TALK_LOG:
		put_log(c, text, (size_t)done);
		break;
	case AI_TALK_DETAIL:
	case AI_TALK_PROGRESS:
		break;
	}
}

struct ai_talk
ai_console_talk(struct ai_console *c)
{
	return (struct ai_talk){ .say = say, .ctx = c };
}
