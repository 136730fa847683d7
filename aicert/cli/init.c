/* init.c -- `aicert init`: a first Aicertfile for what is in a folder.  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/init_training.h"
#include "cli/options.h"
#include "cli/print.h"

#define PYTHON_IMAGE "docker.io/library/python:3.13-slim"
#define SHELL_IMAGE "docker.io/library/debian:12-slim"

/* What a folder holds, as far as a first Aicertfile needs to know. */
struct found {
	char *entry;          /* the program, relative; NULL: there is none */
	char *origin;         /* URL of the git remote; NULL: no repository, or no remote */
	char *branch;         /* that is checked out; NULL: none */
	bool requirements;
	struct ai_training training; /* where there is no program */
};

static void
found_done(struct found *f)
{
	free(f->entry);
	free(f->origin);
	free(f->branch);
	ai_training_done(&f->training);
}

/* Plain enough to stand between double quotes in YAML. */
static bool
is_plain(const char *s)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
			return false;
	return s[0] && ai_utf8_valid(s, strlen(s));
}

/* A program to begin with: not what belongs to packaging or tests. */
static bool
is_program(const char *name)
{
	size_t n = strlen(name);
	return n > 3 && strcmp(name + n - 3, ".py") == 0 && strncmp(name, "test_", 5) != 0 && strcmp(name, "setup.py") != 0 &&
		strcmp(name, "conftest.py") != 0 && strncmp(name, "__", 2) != 0 && is_plain(name);
}

static int
find_entry(const char *dir, struct found *f, struct ai_err *err)
{
	static const char *const usual[] = { "main.py", "src/main.py", "train.py", "src/train.py" };
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
		AI_FREE char *path = ai_join(dir, usual[i]);
		if (!path)
			return ai_nomem(err);
		if (ai_exists(path))
			return (f->entry = ai_strdup(usual[i])) ? 0 : ai_nomem(err);
	}
	DIR *d = opendir(dir);
	if (!d)
		return ai_fail_errno(err, AI_EUSAGE, "%s: cannot list", dir);
	for (struct dirent *e; (e = readdir(d));) {
		if (!is_program(e->d_name) || (f->entry && strcmp(f->entry, e->d_name) <= 0))
			continue;
		free(f->entry);
		f->entry = ai_strdup(e->d_name);
	}
	closedir(d);
	return 0;
}

/* One line of a git config: inside says whether it stands under [remote "origin"]. */
static char *
config_url(const char *line, size_t n, bool *inside)
{
	static const char section[] = "[remote \"origin\"]";
	while (n && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	if (n && *line == '[')
		*inside = n >= sizeof section - 1 && memcmp(line, section, sizeof section - 1) == 0;
	if (!*inside || n < 4 || memcmp(line, "url", 3) != 0)
		return NULL;
	const char *value = line + 3 + strspn(line + 3, " \t");
	if (*value != '=')
		return NULL;
	value += 1 + strspn(value + 1, " \t\"");
	n = (size_t)(line + n - value);
	while (n && strchr(" \t\r\"", value[n - 1]))
		n--;
	return ai_strndup(value, n);
}

/* User info and signed queries of http are secrets, and belong in ~/.netrc or a credential helper; the user of ssh is no secret. */
static char *
without_secret(char *url)
{
	if (!url || strncmp(url, "http", 4) != 0 || !ai_url_has_secret(url))
		return url;
	char *shown = ai_url_public(url);
	free(url);
	return shown;
}

/* Its bytes, if it is a plain file: a FIFO in a stranger's folder would hold us for ever. */
static bool
read_plain(const char *path, struct ai_buf *out)
{
	struct ai_err none = { 0 };
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && ai_read_file_if(AT_FDCWD, path, out, &none) == 1;
}

static int
find_origin(const char *dir, struct found *f, struct ai_err *err)
{
	AI_FREE char *config = ai_format("%s/.git/config", dir);
	AI_FREE char *head = ai_format("%s/.git/HEAD", dir);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	bool inside = false;
	static const char ref[] = "ref: refs/heads/";
	if (!config || !head)
		return ai_nomem(err);
	if (!read_plain(config, &text))
		return 0;
	for (const char *p = text.data; p && *p && !f->origin; p += strcspn(p, "\n"), p += *p == '\n')
		f->origin = without_secret(config_url(p, strcspn(p, "\n"), &inside));
	if (f->origin && !is_plain(f->origin)) {
		free(f->origin);
		f->origin = NULL;
	}
	ai_buf_clear(&text);
	if (!f->origin || !read_plain(head, &text) || strncmp(text.data, ref, sizeof ref - 1) != 0)
		return 0;
	f->branch = ai_strndup(text.data + sizeof ref - 1, strcspn(text.data + sizeof ref - 1, "\r\n"));
	if (f->branch && !is_plain(f->branch)) {
		free(f->branch);
		f->branch = NULL;
	}
	return 0;
}

static void
put_environment(struct ai_buf *b, const char *image, const char *host)
{
	ai_buf_printf(b, "\n# What it runs in. aicert.lock pins the image's digest, so that others get the same root.\nimage: %s\n"
		"# In place of the image, %s:\n# environment: host\n", image, host);
}

static void
put_python(struct ai_buf *b, const struct found *f)
{
	ai_buf_puts(b, "kind: python\n");
	put_environment(b, PYTHON_IMAGE, "the Python and the packages of this machine");
	ai_buf_puts(b, "\nsource:\n");
	if (f->origin) {
		ai_buf_printf(b, "  type: git\n  gitRepo: \"%s\"   # what was pushed there is run, not what lies here\n", f->origin);
		if (f->branch)
			ai_buf_printf(b, "  branch: \"%s\"\n", f->branch);
	} else {
		ai_buf_puts(b, "  type: path\n  path: .\n  exclude: [Aicertfile, __pycache__, .venv, \"*.pyc\"]\n");
	}
	ai_buf_printf(b, "  pythonEntryPoint: \"%s\"\n", f->entry);
	if (f->requirements)
		ai_buf_puts(b, "# requirements.txt is honoured: its packages are installed in the image; a host must have them.\n");
	ai_buf_puts(b, "\n# Data and models, read-only in resources/ (the step has no network):\n"
		"# resources:\n#   - { name: data, url: \"https://example.org/data.csv\" }\n"
		"\n# Kept is what the program writes to outputs/ (/workspace/outputs). To name files in it:\n"
		"# outputs: { model: model.pth }\n");
}

static void
put_shell(struct ai_buf *b)
{
	ai_buf_puts(b, "kind: shell\n");
	put_environment(b, SHELL_IMAGE, "the programs of this machine");
	ai_buf_puts(b, "\ncommands:\n  - echo hello > outputs/hello.txt\n"
		"\n# Kept is what the commands write to outputs/ (/workspace/outputs).\n"
		"# Files and folders to work on, read-only, each in $IN_<NAME> (the step has no network):\n"
		"# inputs:\n#   - { name: data, path: data.csv }\n");
}

/* Made here or not at all: what lies there already, a link even, stays as it is. */
static int
write_new(const char *path, const struct ai_buf *b, struct ai_err *err)
{
	AI_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		return ai_fail(err, AI_EUSAGE, "%s: is there already, and is not overwritten", path);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot create", path);
	return ai_write_all(fd, b->data, b->len, path, err);
}

static int
refuse_second(const char *dir, struct ai_err *err)
{
	static const char *const names[] = { "Aicertfile", "aicert.yaml", "aicert.yml" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		AI_FREE char *path = ai_join(dir, names[i]);
		if (!path)
			return ai_nomem(err);
		if (ai_exists(path))
			return ai_fail(err, AI_EUSAGE, "%s: is there already, and is not overwritten", path);
	}
	return 0;
}

static int
init(const char *dir, struct found *f, char **path, struct ai_err *err)
{
	AI_FREE char *requirements = ai_join(dir, "requirements.txt");
	AI_FREE char *file = ai_join(dir, "Aicertfile");
	AI_BUF_AUTO text = AI_BUF(AI_MAX_AICERTFILE);
	if (!requirements || !file)
		return ai_nomem(err);
	if (ai_mkdirs(dir, 0755, err) < 0 || refuse_second(dir, err) < 0 || find_entry(dir, f, err) < 0 || find_origin(dir, f, err) < 0)
		return err->code;
	f->requirements = ai_exists(requirements);
	if (!f->entry && ai_training_find(dir, &f->training, err) < 0)
		return err->code;
	ai_buf_puts(&text, "# `aicert` runs this and writes proof.json; `aicert verify proof.json --require software` judges that.\n");
	if (f->entry)
		put_python(&text, f);
	else if (f->training.use)
		ai_training_put(&text, dir, &f->training);
	else
		put_shell(&text);
	if (ai_buf_ok(&text, file, err) < 0 || write_new(file, &text, err) < 0)
		return err->code;
	*path = ai_strdup(file);
	return *path ? 0 : ai_nomem(err);
}

static const char *
kind_of(const struct found *f)
{
	return f->entry ? "python" : f->training.use ? f->training.use : "shell";
}

static void
print_made(const struct found *f, const char *path, int json)
{
	AI_JSON *j = json_pack("{s:s, s:s}", "file", path, "kind", kind_of(f));
	if (json) {
		char *text = json_dumps(j, JSON_COMPACT);
		puts(text ? text : "{}");
		free(text);
		return;
	}
	printf("wrote    ");
	ai_put_safe(path);
	printf("\nkind     %s%s", kind_of(f), f->entry || f->training.config ? ": " : "");
	ai_put_safe(f->entry ? f->entry : f->training.config);
	if (f->entry)
		printf(", from %s", f->origin ? "git" : "this folder");
	puts("\nnext     look at it, then run 'aicert'");
}

int
ai_cmd_init(int argc, char **argv)
{
	int wants_help = 0, json = 0, quiet = 0;
	const struct ai_option table[] = {
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print what was written as JSON" },
		{ "quiet", 'q', AI_OPTION_FLAG, &quiet, NULL, "say nothing but errors" },
		{ "help", 'h', AI_OPTION_FLAG, &wants_help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	struct found f = { 0 };
	AI_FREE char *path = NULL;
	int r = ai_options_parse(table, n, argc, argv, &words, &err);
	if (r == 0 && wants_help) {
		puts("usage: aicert init [DIR] [OPTION…]\n"
		     "\n"
		     "Writes DIR/Aicertfile (default: here) for what is in DIR: a Python program, taken from the git repository's origin or\n"
		     "from the folder itself; where there is none, the YAML of an Axolotl or TRL training, or a model; else a shell command.\n"
		     "It names an image to run in; the host is the commented alternative. Overwrites nothing.\n");
		ai_options_help(table, n);
		puts("\nexample: aicert init && aicert");
	} else if (r == 0 && words.n > 1) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert init [DIR]: got '%s' too", words.items[1]);
	} else if (r == 0) {
		r = init(words.n ? words.items[0] : ".", &f, &path, &err);
		if (r == 0 && !quiet)
			print_made(&f, path, json);
	}
	found_done(&f);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
