/* main.c -- finds the command and runs it; holds the only exit.  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aicert.h"
#include "base/buf.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "cli/tpm.h"

static void
help(void)
{
	puts("aicert -- build a model and prove what it was made of\n"
	     "\n"
	     "usage: aicert [run] [--output-bom proof.json] [-f Aicertfile]\n"
	     "       aicert COMMAND [OPTION…] [ARGUMENT…]\n");
	for (const struct ai_command *c = ai_commands; c->name; c++)
		printf("  %-9s %s\n", c->name, c->line);
	puts("\n"
	     "`aicert COMMAND --help` explains one, with an example.\n"
	     "Exit codes: 0 done; 1 the answer is no; 2 usage or Aicertfile; 3 an input is unreadable, malformed or not\n"
	     "what was pinned; 4 a step failed; 5 environment; 130 interrupted.");
}

static const struct ai_command *
find(const char *name)
{
	for (const struct ai_command *c = ai_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int
unknown(const char *word)
{
	const char *names[32];
	size_t n = 0;
	for (const struct ai_command *c = ai_commands; c->name; c++)
		names[n++] = c->name;
	const char *near = ai_near(word, names, n);
	struct ai_err err = { 0 };
	ai_fail(&err, AI_EUSAGE, "usage: no command '%s'%s%s%s", word, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	ai_hint(&err, "aicert --help lists them");
	return ai_print_err(&err);
}

/*
 * Ours, with tss2 told to print nothing: it writes to standard error by itself and listens to nothing but this variable,
 * and our errors say what it would. NULL when memory is out; the strings are borrowed.
 */
static char **
engine_environment(void)
{
	static char quiet_tss2[] = "TSS2_LOG=all+NONE";
	size_t n = 0;
	while (environ[n])
		n++;
	char **env = ai_calloc(n + 2, sizeof *env);
	if (!env)
		return NULL;
	memcpy(env, environ, n * sizeof *env);
	if (!getenv("TSS2_LOG"))
		env[n] = quiet_tss2;
	return env;
}

/* aicert-engine lies beside this program in a build tree, and in libexec once installed, wherever the whole was moved to (DESTDIR). */
static int
hand_over(char **argv)
{
	AI_FREE char *self = realpath("/proc/self/exe", NULL);
	AI_FREE char *dir = self ? ai_strndup(self, (size_t)(ai_basename(self) - self)) : NULL;
	AI_FREE char *beside = dir ? ai_join(dir, "aicert-engine") : NULL;
	AI_FREE char *installed = dir ? ai_join(dir, "../libexec/aicert/aicert-engine") : NULL;
	AI_FREE char **env = engine_environment();
	if (beside && env)
		execve(beside, argv, env);
	if (installed && env)
		execve(installed, argv, env);
	if (env)
		execve(AICERT_LIBEXECDIR "/aicert-engine", argv, env);
	struct ai_err err = { 0 };
	ai_fail_errno(&err, AI_EENV, "aicert-engine: cannot start");
	ai_hint(&err, "install aicert whole: make install");
	return ai_print_err(&err);
}

/* A git input is compared with a clone's commit, which takes libgit2; a TPM takes tss2. */
static int
wants_engine(const struct ai_command *c, int argc, char **argv)
{
	if (!c->main)
		return 1;
	if (strcmp(c->name, "tpm") == 0 && argc > 0)
		return ai_tpm_wants_engine(argv[0]);
	for (int i = 0; i < argc && strcmp(c->name, "verify") == 0; i++)
		if (strncmp(argv[i], "--input", 7) == 0)
			return find("run")->main == NULL;
	return 0;
}

int
main(int argc, char **argv)
{
	/* `aicert verify PROOF | head` answers by its exit code all the same: a reader who leaves does not kill us. */
	signal(SIGPIPE, SIG_IGN);
	/* Names are UTF-8 whatever the user's locale; numbers stay the C locale's. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");
	const char *word = argc > 1 ? argv[1] : "";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
		help();
		exit(ai_print_end(0));
	}
	if (strcmp(word, "--version") == 0) {
		printf("aicert %s\n", aicert_version());
		exit(ai_print_end(0));
	}
	bool named = word[0] && word[0] != '-';
	const struct ai_command *c = find(named ? word : "run");
	if (!c)
		exit(unknown(word));
	int skip = named ? 2 : 1;
	if (wants_engine(c, argc - skip, argv + skip))
		exit(hand_over(argv));
	exit(ai_print_end(c->main(argc - skip, argv + skip)));
}
