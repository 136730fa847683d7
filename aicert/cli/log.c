/* log.c -- `aicert log`.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/engine.h"

/* The log's bytes with control characters made harmless, as they would have been shown live. */
static int
print_log(const char *path, bool quiet)
{
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[1 << 14];
	ssize_t n = fd < 0 ? -1 : 0;
	struct ai_log_view view = { 0 };
	bool said = false;
	while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0) {
		ai_log_view_put(&view, stdout, chunk, (size_t)n);
		said = true;
	}
	ai_log_view_end(&view, stdout);
	if (n == 0 && !said && !quiet)
		fputs("note: it printed nothing\n", stderr);
	if (n == 0)
		return 0;
	struct ai_err err = { 0 };
	ai_fail_errno(&err, AI_EINPUT, "%s: cannot read", path);
	return ai_print_err(&err);
}

int
ai_cmd_log(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	const char *step;
	int r = 0;
	if (!ai_engine_step_command(&e, argc, argv, "log", "Prints what a step (default: the last one) printed when it last ran, here or, for a result that was reused, in whichever run\n"
		"executed it. --json prints where the log lies.\n", &step, &r))
		return r;
	aicert_error error;
	char *path = NULL;
	r = aicert_log(&e.run, step, &path, &error);
	ai_engine_settle(&e);
	ai_engine_done(&e);
	if (r < 0)
		return ai_print_error(&error);
	if (e.printer.json) {
		AI_JSON *j = json_pack("{s:s}", "log", path);
		char *text = json_dumps(j, JSON_COMPACT);
		puts(text ? text : "{}");
		free(text);
	} else {
		r = print_log(path, e.printer.quiet);
	}
	aicert_free(path);
	return r;
}
