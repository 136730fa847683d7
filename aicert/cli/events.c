/* events.c -- see events.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The object's own reference goes. */
static void
put(json_t *event, bool at_once)
{
	char *text = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	if (text)
		puts(text);
	if (at_once)
		fflush(stdout);
	free(text);
	json_decref(event);
}

/* Text as JSON can have it: new reference, or NULL. */
static json_t *
clean(const char *s, size_t n)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	for (size_t i = 0; i < n;) {
		size_t len = 1;
		while (len < 4 && i + len < n && ((unsigned char)s[i + len] & 0xc0) == 0x80)
			len++;
		bool good = s[i] && ai_utf8_valid(s + i, len);
		ai_buf_put(&b, good ? s + i : "\xef\xbf\xbd", good ? len : 3);
		i += good ? len : 1;
	}
	return b.state == AI_BUF_GOOD ? json_stringn(b.data ? b.data : "", b.len) : NULL;
}

static json_t *
text_of(const char *s)
{
	return clean(s ? s : "", s ? strlen(s) : 0);
}

static void
put_line(void *ctx, const char *step, const char *text, size_t n, bool over)
{
	(void)ctx;
	(void)over;
	json_t *j = json_pack("{s:s}", "event", "log");
	if (j && step[0])
		json_object_set_new(j, "step", text_of(step));
	if (j)
		json_object_set_new(j, "text", clean(text, n));
	put(j, true);
}

static void
log_bytes(struct ai_events *e, const char *step, const char *bytes, size_t n)
{
	e->lines.line = put_line;
	ai_lines_put(&e->lines, step, bytes, n);
}

/* A few times a second is enough for anybody; the end of each is told. */
static bool
is_due(struct ai_events *e, const char *what, unsigned long long done, unsigned long long total)
{
	uint64_t hash = 1469598103934665603u;
	for (const char *p = what; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	double now = now_s();
	if (hash == e->hash && now - e->told < 0.25 && (!total || done < total))
		return false;
	e->hash = hash;
	e->told = now;
	return true;
}

void
ai_events_say(struct ai_events *e, int kind, const char *text, unsigned long long done, unsigned long long total)
{
	static const char *const words[] = { [AI_TALK_STAGE] = "stage", [AI_TALK_NOTE] = "note", [AI_TALK_DETAIL] = "detail" };
	if (e->quiet || (kind == AI_TALK_DETAIL && !e->verbose))
		return;
	if (kind == AI_TALK_LOG)
		log_bytes(e, "", text, done);
	else if (kind != AI_TALK_PROGRESS)
		put(json_pack("{s:s, s:o}", "event", words[kind], "text", text_of(text)), true);
	else if (is_due(e, text, done, total))
		put(json_pack("{s:s, s:o, s:I, s:I}", "event", "progress", "what", text_of(text), "done", (json_int_t)done, "total", (json_int_t)total), true);
}

void
ai_events_step(struct ai_events *e, const aicert_step_event *event)
{
	static const char *const states[] = { [AICERT_STEP_BEGINS] = "begins", [AICERT_STEP_IS_REUSED] = "reused", [AICERT_STEP_IS_DONE] = "done",
		[AICERT_STEP_FAILS] = "failed", [AICERT_STEP_IS_SKIPPED] = "skipped" };
	if (e->quiet)
		return;
	if (event->kind == AICERT_STEP_LOGS) {
		log_bytes(e, event->step, event->bytes, event->n);
		return;
	}
	ai_lines_end(&e->lines, event->step);
	json_t *j = json_pack("{s:s, s:o, s:s, s:I, s:I}", "event", "step", "step", text_of(event->step), "state", states[event->kind],
		"index", (json_int_t)event->index, "steps", (json_int_t)event->total);
	if (j && event->why)
		json_object_set_new(j, "why", text_of(event->why));
	if (j && (event->kind == AICERT_STEP_IS_DONE || event->kind == AICERT_STEP_FAILS))
		json_object_set_new(j, "seconds", json_real(event->seconds));
	put(j, event->kind != AICERT_STEP_IS_REUSED);
}

void
ai_events_report(struct ai_events *e, const char *report)
{
	struct ai_err err = { 0 };
	json_t *j = NULL;
	ai_lines_end(&e->lines, NULL);
	if (ai_json_parse(report, strlen(report), "report", &j, &err) < 0)
		return;
	json_t *line = json_pack("{s:s}", "event", "report");
	if (line)
		json_object_update(line, j);
	json_decref(j);
	put(line, true);
}

void
ai_events_error(struct ai_events *e, const aicert_error *error)
{
	ai_lines_end(&e->lines, NULL);
	put(json_pack("{s:s, s:i, s:o, s:o}", "event", "error", "code", -error->code, "text", text_of(error->text), "hint", text_of(error->hint)), true);
}
