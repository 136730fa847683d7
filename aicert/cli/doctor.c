/* doctor.c -- `aicert doctor` (doctor.h).  SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"

static const char *const words[] = { [AI_FINDING_OK] = "ok", [AI_FINDING_NOTE] = "note", [AI_FINDING_WARN] = "warn", [AI_FINDING_FAIL] = "fail" };

void
ai_checkup_add(struct ai_checkup *c, const char *check, ai_finding state, const char *todo, const char *found, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, found);
	vsnprintf(text, sizeof text, found, ap);
	va_end(ap);
	json_t *line = json_pack("{s:s, s:s, s:s}", "check", check, "state", words[state], "found", text);
	if (line && todo && todo[0])
		json_object_set_new(line, "todo", json_string(todo));
	json_array_append_new(c->checks, line);
	c->failed = c->failed || state == AI_FINDING_FAIL;
}

void
ai_checkup_error(struct ai_checkup *c, const char *check, ai_finding state, const struct ai_err *err)
{
	ai_checkup_add(c, check, state, err->hint, "%s", err->text);
}

char *
ai_checkup_there(const char *folder)
{
	char *p = ai_strdup(folder);
	for (char *slash; p && !ai_exists(p) && (slash = strrchr(p, '/')) && slash != p;)
		*slash = '\0';
	if (p && !ai_exists(p))
		p[p[0] == '/'] = '\0';
	return p;
}

static void
print_checks(const json_t *checks)
{
	size_t i, failed = 0;
	json_t *c;
	json_array_foreach(checks, i, c) {
		const char *state = ai_json_str(c, "state"), *todo = ai_json_str(c, "todo");
		bool fails = strcmp(state, "fail") == 0;
		failed += fails;
		printf("%s%-4s%s  %-13s ", fails ? ai_red() : strcmp(state, "ok") == 0 ? ai_green() : strcmp(state, "warn") == 0 ? ai_bold() : ai_dim(), state,
			ai_plain(), ai_json_str(c, "check"));
		ai_put_prose(ai_json_str(c, "found"), 20);
		putchar('\n');
		if (todo) {
			printf("%20s%s", "", ai_dim());
			ai_put_prose(todo, 20);
			printf("%s\n", ai_plain());
		}
	}
	if (failed)
		printf("%zu check%s failed: nothing runs on this machine before that is mended\n", failed, failed == 1 ? "" : "s");
	else
		puts("this machine can run aicert");
}

static int
examine(struct ai_checkup *c, bool offline, struct ai_err *err)
{
	c->checks = json_array();
	if (!c->checks)
		return ai_nomem(err);
	if (ai_home_find(NULL, &c->home, err) < 0)
		return err->code;
	ai_doctor_machine(c);
	ai_doctor_box(c);
	ai_doctor_tpm(c);
	ai_doctor_vm(c);
	if (!offline)
		ai_doctor_network(c);
	return 0;
}

static void
print_checkup(const struct ai_checkup *c, bool json)
{
	AI_JSON *all = json_pack("{s:b, s:O}", "ok", !c->failed, "checks", c->checks);
	AI_FREE char *text = json ? json_dumps(all, JSON_INDENT(2)) : NULL;
	if (text)
		puts(text);
	else
		print_checks(c->checks);
}

int
ai_cmd_doctor(int argc, char **argv)
{
	int wants_help = 0, json = 0, offline = 0;
	const struct ai_option table[] = {
		{ "offline", 0, AI_OPTION_FLAG, &offline, NULL, "ask no network" },
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print what was found as JSON" },
		{ "help", 'h', AI_OPTION_FLAG, &wants_help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	struct ai_text_list given = { 0 };
	struct ai_err err = { 0 };
	struct ai_checkup c = { 0 };
	int r = ai_options_parse(table, n, argc, argv, &given, &err);
	if (r == 0 && wants_help) {
		puts("usage: aicert doctor [OPTION…]\n"
		     "\n"
		     "Examines this machine: kernel, sandbox (a step is run in one), limits, disk, TPM, what the measured machine needs, and the\n"
		     "network, and says what to do about what is amiss. The exit code is 5 when something is missing without which nothing\n"
		     "runs. Leaves nothing behind.\n");
		ai_options_help(table, n);
		puts("\nexample: aicert doctor\n         aicert doctor --json | jq '.checks[] | select(.state != \"ok\")'");
	} else if (r == 0 && given.n) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert doctor: got '%s', expected options alone", given.items[0]);
	} else if (r == 0) {
		r = examine(&c, offline != 0, &err);
		if (r == 0)
			print_checkup(&c, json != 0);
	}
	json_decref(c.checks);
	ai_home_done(&c.home);
	ai_text_list_done(&given);
	return r < 0 ? ai_print_err(&err) : c.failed ? -AI_EENV : 0;
}
