/* rules_find.c -- where rules are found (rules.h).  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "cli/rules.h"

static bool
ends(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n > m && strcmp(s + n - m, end) == 0;
}

void
ai_rules_done(struct ai_rule_file *f)
{
	if (f->own) {
		free(f->rule.name);
		free(f->rule.text);
	}
	*f = (struct ai_rule_file){ 0 };
}

int
ai_rules_read(const char *path, struct ai_rule_file *out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_RULE);
	struct stat st;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return ai_fail(err, AI_EUSAGE, "%s: is not a file", path); /* a FIFO would be waited for */
	int r = ai_read_file_if(AT_FDCWD, path, &text, err);
	if (r <= 0)
		return r;
	const char *base = ai_basename(path);
	size_t len = text.len, n = strlen(base);
	struct ai_rule_file f = { .own = true, .rule = { ai_strndup(base, ends(base, ".lua") ? n - 4 : n), ai_buf_take(&text), len } };
	if (!f.rule.name || !f.rule.text) {
		ai_rules_done(&f);
		return ai_nomem(err);
	}
	*out = f;
	return 1;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
ai_rules_own_done(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static int
read_names(DIR *d, char ***names, size_t *n, struct ai_err *err)
{
	size_t cap = 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.' || !ends(e->d_name, ".lua") || ends(e->d_name, "_test.lua"))
			continue;
		if (ai_grow(names, &cap, *n, sizeof **names, err) < 0)
			return err->code;
		if (!((*names)[*n] = ai_strndup(e->d_name, strlen(e->d_name) - 4)))
			return ai_nomem(err);
		++*n;
	}
	return 0;
}

int
ai_rules_own(const char *project, char ***names, size_t *n, struct ai_err *err)
{
	AI_FREE char *path = ai_join(project, "rules");
	if (!path)
		return ai_nomem(err);
	char **list = NULL;
	size_t count = 0;
	DIR *d = opendir(path);
	if (!d && errno != ENOENT && errno != ENOTDIR)
		return ai_fail_errno(err, AI_EINPUT, "%s: cannot read", path);
	int rc = d ? read_names(d, &list, &count, err) : 0;
	if (d)
		closedir(d);
	if (rc < 0) {
		ai_rules_own_done(list, count);
		return rc;
	}
	if (count > 1)
		qsort(list, count, sizeof *list, by_bytes);
	*names = list;
	*n = count;
	return 0;
}

static int
no_rule(const char *project, const char *name, struct ai_err *err)
{
	char **own = NULL;
	size_t n_own = 0, n = 0;
	const char *const *builtin = ai_rule_builtin_names(&n);
	if (ai_rules_own(project, &own, &n_own, err) < 0)
		return err->code;
	AI_FREE const char **all = ai_calloc(n + n_own, sizeof *all);
	for (size_t i = 0; all && i < n + n_own; i++)
		all[i] = i < n ? builtin[i] : own[i - n];
	const char *near = all ? ai_near(name, all, n + n_own) : NULL;
	ai_fail(err, AI_EUSAGE, "no rule '%s'%s%s%s", name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	ai_rules_own_done(own, n_own);
	return ai_hint(err, "aicert rules lists them; one of your own is a file rules/%s.lua beside the Aicertfile", name);
}

int
ai_rules_find(const char *project, const char *name, struct ai_rule_file *out, struct ai_err *err)
{
	bool is_path = ends(name, ".lua");
	AI_FREE char *path = is_path ? ai_strdup(name) : ai_format("%s/rules/%s.lua", project, name);
	if (!path)
		return ai_nomem(err);
	struct ai_err quiet;
	int r = is_path || ai_name_check(name, &quiet) == 0 ? ai_rules_read(path, out, err) : 0;
	if (r)
		return r < 0 ? r : 0;
	if (is_path)
		return ai_fail(err, AI_EUSAGE, "%s: there is no such file", name);
	const struct ai_rule_text *builtin = ai_rule_builtin(name);
	if (!builtin)
		return no_rule(project, name, err);
	*out = (struct ai_rule_file){ .rule = *builtin };
	return 0;
}
