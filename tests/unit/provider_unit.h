/*
 * provider_unit.h -- a folder with what a run in a cloud needs, and the calls that the stand-in (tests/vm/stand_in) was given.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PROVIDER_UNIT_H
#define AI_PROVIDER_UNIT_H

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/talk.h"
#include "vm/cloud/image.h"
#include "vm/cloud/image_parts.h"
#include "vm/cloud/provider.h"
#include "vm/cloud/provider_parts.h"

struct ground {
	char *folder, *uki, *job, *result, *calls;
	struct ai_buf heard;
	struct ai_talk talk;
	bool collected;
};

static void
hear(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct ground *g = ctx;
	(void)total;
	ai_buf_put(&g->heard, text, kind == AI_TALK_LOG ? (size_t)done : strlen(text));
	ai_buf_putc(&g->heard, '\n');
}

static char *
in(const struct ground *g, const char *name)
{
	return ai_format("%s/%s", g->folder, name);
}

static void
put(const char *path, const char *text)
{
	struct ai_err err = { 0 };
	if (ai_write_file(AT_FDCWD, path, text, strlen(text), 0600, &err) < 0)
		fail_msg("%s", err.text);
}

/* answers: of the stand-in, before those that go well; `az` and `gcloud` are it from use_stand_in on. */
static struct ground
begin(const char *answers, const char *well)
{
	struct ground g = { .heard = AI_BUF(AI_MAX_TEXT) };
	char uki[512] = "MZ";
	ok(ai_mkdtemp("/tmp/test_vm_provider", &g.folder, &err));
	g.uki = in(&g, "aicert.efi");
	g.job = in(&g, "job");
	g.result = in(&g, "result");
	g.calls = in(&g, "calls");
	g.talk = (struct ai_talk){ .say = hear };
	ok(ai_write_file(AT_FDCWD, g.uki, uki, sizeof uki, 0600, &err));
	put(g.job, "a job");
	AI_FREE char *file = in(&g, "answers.json"), *text = ai_format("[%s%s%s]", answers, *answers && *well ? "," : "", well);
	put(file, text);
	setenv("STAND_IN", g.folder, 1);
	ai_interrupted = 0;
	return g;
}

static void
end(struct ground *g)
{
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no process of ours is left */
	assert_int_equal(errno, ECHILD);
	ai_discard_tree(g->folder);
	free(g->folder);
	free(g->uki);
	free(g->job);
	free(g->result);
	free(g->calls);
	ai_buf_done(&g->heard);
	ai_interrupted = 0;
}

/* The words of all calls, a line each. */
static char *
called(const struct ground *g)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	AI_BUF_AUTO out = AI_BUF(AI_MAX_TEXT);
	struct ai_err err = { 0 };
	if (ai_read_file_if(AT_FDCWD, g->calls, &b, &err) != 1)
		return ai_strdup("");
	for (char *p = b.data, *e; *p && (e = strchr(p, '\n')); p = e + 1) {
		AI_JSON *j = json_loadb(p, (size_t)(e - p), 0, NULL);
		size_t i;
		json_t *w;
		json_array_foreach(json_object_get(j, "argv"), i, w) {
			ai_buf_puts(&out, i ? " " : "");
			ai_buf_puts(&out, json_string_value(w));
		}
		ai_buf_putc(&out, '\n');
	}
	ai_buf_put(&out, "", 0);
	return ai_buf_take(&out);
}

#define has(text, words) do { if (!strstr((text), (words))) fail_msg("'%s' lacks '%s'", (text), (words)); } while (0)
#define lacks(text, words) do { if (strstr((text), (words))) fail_msg("'%s' holds '%s'", (text), (words)); } while (0)

static int
use_stand_in(void **state)
{
	(void)state;
	AI_FREE char *here = ai_abspath("tests/vm/stand_in"), *path = ai_format("%s:%s", here, getenv("PATH"));
	return setenv("PATH", path, 1);
}

#endif
