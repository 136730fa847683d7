/* vm_provider.c -- `aicert vm provider`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/buf.h"
#include "base/home.h"
#include "base/path.h"
#include "cli/engine.h"
#include "cli/exchange.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/vm.h"
#include "vm/cloud/provider.h"
#include "vm/host/machine.h"

struct wishes { const char *machine, *destroy; struct ai_text_list set; int dry, json; };

static int
print_json(const json_t *j, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	return ai_json_pretty(j, &text, err) < 0 ? err->code : ai_exchange_write(NULL, &text, err);
}

static int
find_records(char **path, struct ai_err *err)
{
	struct ai_home home;
	if (ai_home_find(NULL, &home, err) < 0)
		return err->code;
	*path = ai_join(home.data, AI_CLOUD_RECORDS);
	ai_home_done(&home);
	return *path ? 0 : ai_nomem(err);
}

/* A machine that a run was killed over, or could not destroy; and how to. */
static int
put_left(const json_t *left, struct ai_err *err)
{
	const char *machine = ai_json_str(left, "machine"), *key;
	json_t *value;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	AI_JSON *words = json_pack("[s, s, s, s, s, s]", "aicert", "vm", "provider", ai_json_str(left, "provider"), "--destroy", machine);
	json_object_foreach(json_object_get(left, "settings"), key, value) {
		AI_FREE char *set = ai_format("%s=%s", key, json_string_value(value) ? json_string_value(value) : "");
		if (!words || !set || json_array_append_new(words, json_string("--set")) < 0 || json_array_append_new(words, json_string(set)) < 0)
			return ai_nomem(err);
	}
	ai_provider_words(words, &text);
	if (ai_buf_ok(&text, machine, err) < 0)
		return err->code;
	if (json_is_true(json_object_get(left, "running"))) {
		printf("\nmachine %s: a run goes on with it\n", machine);
		return 0;
	}
	printf("\nmachine %s: may have been left behind: type\n  ", machine);
	ai_put_safe(text.data);
	putchar('\n');
	return 0;
}

static int
show_left(struct ai_err *err)
{
	AI_FREE char *records = NULL;
	AI_JSON *left = NULL;
	size_t i;
	json_t *one;
	if (find_records(&records, err) < 0 || ai_provider_left(records, &left, err) < 0)
		return err->code;
	json_array_foreach(left, i, one)
		if (put_left(one, err) < 0)
			return err->code;
	return 0;
}

static int
list_all(bool json, struct ai_err *err)
{
	AI_JSON *all = json_array();
	for (size_t i = 0; ai_provider_builtin(i); i++) {
		json_t *about = NULL;
		if (ai_provider_about(ai_provider_builtin(i), &about, err) < 0)
			return err->code;
		if (!json)
			printf("%-8s %s\n", ai_json_str(about, "name"), ai_json_str(about, "doc"));
		if (json_array_append_new(all, about) < 0)
			return ai_nomem(err);
	}
	return json ? print_json(all, err) : show_left(err);
}

static int
show_settings(const char *name, bool json, struct ai_err *err)
{
	AI_JSON *about = NULL;
	size_t i;
	json_t *s;
	if (ai_provider_about(name, &about, err) < 0)
		return err->code;
	if (json)
		return print_json(about, err);
	ai_put_safe(ai_json_str(about, "doc"));
	puts("\n");
	json_array_foreach(json_object_get(about, "settings"), i, s) {
		const char *value = ai_json_str(s, "default");
		printf("  %-15s ", ai_json_str(s, "name"));
		ai_put_safe(ai_json_str(s, "doc"));
		fputs(value ? " (default: " : json_object_get(s, "needed") ? " (needed)" : "", stdout);
		ai_put_safe(value);
		puts(value ? ")" : "");
	}
	return 0;
}

static void
put_call(const json_t *call)
{
	AI_BUF_AUTO words = AI_BUF(AI_MAX_TEXT);
	const char *key, *wanted = ai_json_str(call, "wait_for");
	json_t *value, *env = json_object_get(call, "env");
	fputs("  ", stdout);
	json_object_foreach(env, key, value)
		if (json_string_length(value) > 0)
			printf("%s=… ", key);
	ai_provider_words(json_object_get(call, "argv"), &words);
	ai_put_safe(words.data);
	if (json_object_get(call, "secret"))
		fputs("   (prints a secret)", stdout);
	if (wanted) {
		fputs("   (until it says ", stdout);
		ai_put_safe(wanted);
		putchar(')');
	}
	putchar('\n');
}

static int
show_plan(struct ai_provider *p, const struct wishes *w, struct ai_err *err)
{
	AI_JSON *plan = NULL;
	size_t k;
	json_t *call;
	const bool host = ai_provider_is_host(p);
	const char *const *stages = host ? ai_machine_stages : ai_provider_stages;
	if ((host ? ai_machine_plan(p, &plan, err) : ai_provider_plan(p, w->machine ? w->machine : "aicert-example", &plan, err)) < 0)
		return err->code;
	if (w->json)
		return print_json(plan, err);
	for (size_t i = 0; stages[i]; i++) {
		printf("%s%s%s\n", ai_bold(), stages[i], ai_plain());
		json_array_foreach(json_object_get(plan, stages[i]), k, call)
			put_call(call);
	}
	return 0;
}

static void
talk(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	ai_print_talk(ctx, (int)kind, text, done, total);
}

static int
work(const char *name, const struct wishes *w, struct ai_engine_cli *e, struct ai_err *err)
{
	const struct ai_talk listener = { .say = talk, .ctx = &e->printer };
	struct ai_provider *p = NULL;
	AI_JSON *settings = NULL;
	AI_FREE char *records = NULL;
	if (!name)
		return list_all(w->json, err);
	if (!w->dry && !w->destroy)
		return show_settings(name, w->json, err);
	if (find_records(&records, err) < 0 || ai_provider_settings(w->set.items, w->set.n, &settings, err) < 0 || ai_provider_open(name, NULL, 0, settings, &p, err) < 0)
		return err->code;
	if (ai_provider_is_host(p) && (w->destroy || w->machine)) {
		ai_provider_close(p);
		return ai_fail(err, AI_EUSAGE, "usage: %s: '%s' is this host: its machines have no names, and end with the run", w->destroy ? "--destroy" : "--machine", name);
	}
	int r = w->destroy ? ai_provider_destroy(p, w->destroy, records, &listener, err) : show_plan(p, w, err);
	ai_print_settle(&e->printer);
	ai_provider_close(p);
	return r;
}

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert vm provider [NAME] [OPTION…]\n"
	     "\n"
	     "Where `aicert run --in vm --provider NAME` can run: clouds, and QEMU on this host (`qemu`: also without --provider). Without\n"
	     "NAME: which there are; with it: its settings; with --dry-run: every command line that a run would type, with words in capitals\n"
	     "for the paths of a run. NAME is built in, or a file of your own, ./mine.lua.\n");
	ai_options_help(table, n);
	puts("\n"
	     "A run destroys what it made in a cloud, whatever happened. --destroy is for what is left when even that failed, or the run was killed: it may\n"
	     "be repeated, and without NAME machines that may be left are listed.\n"
	     "exit codes: 0 done; 2 usage, a setting or the file is wrong; 5 something is left, or the cloud's tool is not there\n"
	     "example: aicert vm provider azure --dry-run --set location=westeurope");
}

int
ai_vm_provider_main(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	struct wishes w = { 0 };
	const struct ai_option table[] = {
		{ "set", 0, AI_OPTION_LIST, &w.set, "NAME=VALUE", "a setting (may be repeated)" },
		{ "dry-run", 0, AI_OPTION_FLAG, &w.dry, NULL, "show the command lines of each stage, and run none" },
		{ "machine", 0, AI_OPTION_TEXT, (void *)&w.machine, "NAME", "the machine's name in a dry run" },
		{ "destroy", 0, AI_OPTION_TEXT, (void *)&w.destroy, "MACHINE", "destroy what is left of this machine" },
		{ "json", 0, AI_OPTION_FLAG, &w.json, NULL, "print as JSON" },
		{ "verbose", 'v', AI_OPTION_FLAG, &e.printer.verbose, NULL, "show what is run, and what it says" },
		{ "help", 'h', AI_OPTION_FLAG, &e.help, NULL, "show this" },
	};
	enum { ROWS = sizeof table / sizeof *table };
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, ROWS, argc, argv, &words, &err);
	if (r == 0 && e.help) {
		help(table, ROWS);
	} else if (r == 0 && words.n > 1) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert vm provider [NAME]: got '%s' too", words.items[1]);
	} else if (r == 0 && !words.n && (w.dry || w.destroy || w.set.n)) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert vm provider NAME: which provider?");
	} else if (r == 0) {
		ai_engine_listen(&e);
		r = work(words.n ? words.items[0] : NULL, &w, &e, &err);
	}
	ai_text_list_done(&words);
	ai_text_list_done(&w.set);
	return r < 0 ? ai_print_err(&err) : 0;
}
