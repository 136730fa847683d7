/* pip_settings.c -- see pip_settings.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/pip/pip_settings.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "base/path.h"

#define PYPI "https://pypi.org/simple"

extern char **environ;

void
ai_pip_settings_done(struct ai_pip_settings *s)
{
	for (int i = 0; i < AI_PIP_RANKS; i++) {
		free(s->rank[i].index);
		free(s->rank[i].extra);
		free(s->rank[i].cert);
	}
	*s = (struct ai_pip_settings){ 0 };
}

static bool
is_true(const char *value)
{
	static const char *const words[] = { "1", "true", "yes", "on", "y", "t" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

static bool
is_false(const char *value)
{
	static const char *const words[] = { "0", "false", "no", "off", "n", "f" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

static int
replace(char **text, const char *value, struct ai_err *err)
{
	char *copy = ai_strdup(value);
	if (!copy)
		return ai_nomem(err);
	free(*text);
	*text = copy;
	return 0;
}

/* What pip would do with these changes the choice, and we do something else or nothing. */
static const struct { const char *key, *hint; } refused[] = {
	{ "find-links", "use an index (PEP 503), or give the step a folder of wheels as its 'wheels'" },
	{ "no-binary", "name projects in the step's 'sdists'" },
	{ "constraint", "put '-c FILE' into requirements.txt" },
	{ "requirement", "put '-r FILE' into requirements.txt" },
	{ "editable", "make it an input of the step" },
	{ "platform", "the step's own Python decides what fits" }, { "python-version", "the step's own Python decides what fits" },
	{ "implementation", "the step's own Python decides what fits" }, { "abi", "the step's own Python decides what fits" },
	{ "no-deps", "a step gets what its requirements need" }, { "ignore-requires-python", "pin versions that fit the step's Python" },
	{ "upgrade", "pins move with 'aicert lock --update'" }, { "force-reinstall", "pins move with 'aicert lock --update'" },
	{ "client-cert", "certificates of clients are not supported: use a login" },
	{ "proxy", "set HTTPS_PROXY or HTTP_PROXY" },
	{ "target", "it is aicert that installs" }, { "prefix", "it is aicert that installs" }, { "root", "it is aicert that installs" },
};

int
ai_pip_setting(struct ai_pip_settings *s, ai_pip_rank rank, const char *key, const char *value, const char *whose, struct ai_err *err)
{
	struct { const char *key; bool *to; } const flags[] = { { "pre", &s->pre }, { "prefer-binary", &s->prefer_binary },
		{ "require-hashes", &s->require_hashes } };
	/* pip takes an empty value for none. */
	if (!*value)
		return 0;
	if (strcmp(key, "index-url") == 0 || strcmp(key, "pypi-url") == 0)
		return replace(&s->rank[rank].index, value, err);
	if (strcmp(key, "extra-index-url") == 0)
		return replace(&s->rank[rank].extra, value, err);
	if (strcmp(key, "cert") == 0)
		return replace(&s->rank[rank].cert, value, err);
	if (strcmp(key, "no-index") == 0) {
		s->rank[rank].no_index = is_true(value);
		s->rank[rank].no_index_set = true;
		return 0;
	}
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (strcmp(key, flags[i].key) == 0)
			*flags[i].to = is_true(value);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (strcmp(key, refused[i].key) == 0 && !is_false(value)) {
			ai_fail(err, AI_EUSAGE, "%s: pip's setting '%s' is not honoured", whose, key);
			return ai_hint(err, "%s", refused[i].hint);
		}
	return 0;
}

/* --- configuration files (Python's configparser) ----------------------------------- */

struct ini { struct ai_pip_settings *s; int rank; char *key; struct ai_buf value; const char *whose; struct ai_err *err; };

/* The setting that was being read is complete. */
static int
flush(struct ini *ini)
{
	int r = 0;
	while (ini->value.len && isspace((unsigned char)ini->value.data[ini->value.len - 1]))
		ini->value.data[--ini->value.len] = '\0';
	if (ini->key && ini->rank >= 0)
		r = ai_pip_setting(ini->s, (ai_pip_rank)ini->rank, ini->key, ini->value.len ? ini->value.data : "", ini->whose, ini->err);
	free(ini->key);
	ini->key = NULL;
	ai_buf_clear(&ini->value);
	return r;
}

static int
ini_key(struct ini *ini, const char *line, size_t n)
{
	size_t k = 0;
	while (k < n && line[k] != '=' && line[k] != ':')
		k++;
	size_t end = k;
	while (end && isspace((unsigned char)line[end - 1]))
		end--;
	/* "--index-url" and "index_url" are "index-url". */
	size_t from = end > 2 && strncmp(line, "--", 2) == 0 ? 2 : 0;
	ini->key = ai_strndup(line + from, end - from);
	if (!ini->key)
		return ai_nomem(ini->err);
	for (char *p = ini->key; *p; p++)
		*p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
	if (k < n) {
		size_t v = k + 1;
		while (v < n && isspace((unsigned char)line[v]))
			v++;
		ai_buf_put(&ini->value, line + v, n - v);
	}
	return 0;
}

static int
ini_line(struct ini *ini, const char *line, size_t n)
{
	size_t indent = 0;
	while (indent < n && (line[indent] == ' ' || line[indent] == '\t'))
		indent++;
	if (indent < n && (line[indent] == '#' || line[indent] == ';'))
		return 0;
	/* A line that begins further right goes on with the value before it. */
	if (indent && indent < n && ini->key) {
		ai_buf_putc(&ini->value, '\n');
		ai_buf_put(&ini->value, line + indent, n - indent);
		return 0;
	}
	if (indent == n)
		return 0;
	if (flush(ini) < 0)
		return ini->err->code;
	line += indent;
	n -= indent;
	if (line[0] == '[') {
		bool global = n >= 8 && strncmp(line, "[global]", 8) == 0, install = n >= 9 && strncmp(line, "[install]", 9) == 0;
		ini->rank = global ? AI_PIP_GLOBAL : install ? AI_PIP_INSTALL : -1;
		return 0;
	}
	return ini_key(ini, line, n);
}

int
ai_pip_config(struct ai_pip_settings *s, const char *text, size_t len, const char *whose, struct ai_err *err)
{
	struct ini ini = { .s = s, .rank = -1, .value = AI_BUF(1u << 16), .whose = whose, .err = err };
	int r = memchr(text, '\0', len) ? ai_fail(err, AI_EUSAGE, "%s: is not a text", whose) : 0;
	for (size_t i = 0; r == 0 && i < len;) {
		size_t n = 0;
		while (i + n < len && text[i + n] != '\n')
			n++;
		r = ini_line(&ini, text + i, n && text[i + n - 1] == '\r' ? n - 1 : n);
		i += n + 1;
	}
	if (r == 0)
		r = flush(&ini);
	if (r == 0)
		r = ai_buf_ok(&ini.value, whose, err);
	free(ini.key);
	ai_buf_done(&ini.value);
	return r;
}

/* --- this user's --------------------------------------------------------------------- */

static int
read_config(struct ai_pip_settings *s, char *path, struct ai_err *err)
{
	AI_FREE char *owned = path;
	AI_BUF_AUTO text = AI_BUF(1u << 20);
	if (!path)
		return ai_nomem(err);
	int r = ai_read_file_if(AT_FDCWD, path, &text, err);
	return r == 1 ? ai_pip_config(s, text.data ? text.data : "", text.len, path, err) : r;
}

static int
read_configs(struct ai_pip_settings *s, struct ai_err *err)
{
	const char *named = getenv("PIP_CONFIG_FILE"), *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME"), *dirs = getenv("XDG_CONFIG_DIRS");
	if (named && strcmp(named, "/dev/null") == 0)
		return 0;
	for (const char *p = dirs && *dirs ? dirs : "/etc/xdg"; *p; p += strspn(p, ":")) {
		size_t n = strcspn(p, ":");
		if (read_config(s, ai_format("%.*s/pip/pip.conf", (int)n, p), err) < 0)
			return err->code;
		p += n;
	}
	if (read_config(s, ai_strdup("/etc/pip.conf"), err) < 0)
		return err->code;
	if (home && *home && read_config(s, ai_join(home, ".pip/pip.conf"), err) < 0)
		return err->code;
	if (xdg && *xdg ? read_config(s, ai_join(xdg, "pip/pip.conf"), err) < 0 : home && *home && read_config(s, ai_join(home, ".config/pip/pip.conf"), err) < 0)
		return err->code;
	return named && *named ? read_config(s, ai_strdup(named), err) : 0;
}

int
ai_pip_settings_read(struct ai_pip_settings *s, struct ai_err *err)
{
	if (read_configs(s, err) < 0)
		return err->code;
	for (char **e = environ; *e; e++) {
		const char *eq = strchr(*e, '=');
		if (strncmp(*e, "PIP_", 4) != 0 || !eq)
			continue;
		AI_FREE char *name = ai_strndup(*e, (size_t)(eq - *e));
		AI_FREE char *key = name ? ai_strdup(name + 4) : NULL;
		if (!key)
			return ai_nomem(err);
		for (char *p = key; *p; p++)
			*p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
		if (ai_pip_setting(s, AI_PIP_ENV, key, eq + 1, name, err) < 0)
			return err->code;
	}
	return 0;
}

const char *
ai_pip_cert(const struct ai_pip_settings *s)
{
	const char *cert = NULL;
	for (int i = 0; i < AI_PIP_RANKS; i++)
		cert = s->rank[i].cert ? s->rank[i].cert : cert;
	return cert;
}

int
ai_pip_indexes(const struct ai_pip_settings *s, struct ai_indexes *out, struct ai_err *err)
{
	const char *index = PYPI, *extra = "";
	bool none = false;
	for (int i = 0; i < AI_PIP_RANKS; i++) {
		index = s->rank[i].index ? s->rank[i].index : index;
		extra = s->rank[i].extra ? s->rank[i].extra : extra;
		none = s->rank[i].no_index_set ? s->rank[i].no_index : none;
	}
	if (none)
		return 0;
	if (ai_indexes_add(out, index, "pip's setting index-url", err) < 0)
		return err->code;
	for (const char *p = extra + strspn(extra, " \t\n"); *p; p += strspn(p, " \t\n")) {
		size_t n = strcspn(p, " \t\n");
		AI_FREE char *url = ai_strndup(p, n);
		if (!url)
			return ai_nomem(err);
		if (ai_indexes_add(out, url, "pip's setting extra-index-url", err) < 0)
			return err->code;
		p += n;
	}
	return 0;
}
