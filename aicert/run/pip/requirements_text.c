/* requirements_text.c -- see requirements_text.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/pip/requirements_text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"

struct reading {
	const char *path;
	int line;                     /* where the logical line began */
	const struct ai_requirements_reader *reader;
	struct ai_buf *out;
	struct ai_err *err;
};

static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

void
ai_indexes_clear(struct ai_indexes *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->url[i]);
	x->n = 0;
}

void
ai_indexes_done(struct ai_indexes *x)
{
	ai_indexes_clear(x);
	free(x->url);
	*x = (struct ai_indexes){ 0 };
}

int
ai_indexes_add(struct ai_indexes *x, const char *url, const char *whose, struct ai_err *err)
{
	AI_FREE char *shown = ai_url_public(url);
	if (!shown)
		return ai_nomem(err);
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return ai_fail(err, AI_EUSAGE, "%s: index '%s': expected an http or https URL", whose, shown);
	if (x->n >= AI_MAX_INDEXES)
		return ai_fail(err, AI_EUSAGE, "%s: more than %d indexes", whose, AI_MAX_INDEXES);
	if (ai_grow(&x->url, &x->cap, x->n, sizeof *x->url, err) < 0)
		return err->code;
	x->url[x->n] = ai_strdup(url);
	return x->url[x->n] ? (x->n++, 0) : ai_nomem(err);
}

char *
ai_project_name(const char *name, size_t n)
{
	char *out = ai_calloc(n + 1, 1);
	size_t k = 0;
	for (size_t i = 0; out && i < n; i++) {
		bool dash = strchr("-_.", name[i]) != NULL;
		if (!dash)
			out[k++] = (char)tolower((unsigned char)name[i]);
		else if (k == 0 || out[k - 1] != '-')
			out[k++] = '-';
	}
	return out;
}

static int
refuse(const struct reading *r, const char *what, const char *thing, const char *hint)
{
	ai_fail(r->err, AI_EUSAGE, "%s:%d: %s: '%.200s'", r->path, r->line, what, thing);
	return ai_hint(r->err, "%s", hint);
}

/* --- files that a line names ---------------------------------------------------- */

/* name against the folder of the file that it stands in; NULL when it leads out of the source. */
static char *
beside(const char *file, const char *name)
{
	const char *base = ai_basename(file);
	AI_BUF_AUTO b = AI_BUF(4096);
	ai_buf_put(&b, file, (size_t)(base - file));
	if (b.len)
		b.data[--b.len] = '\0';
	for (const char *p = name; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			const char *slash = b.len ? strrchr(b.data, '/') : NULL;
			if (!b.len)
				return NULL;
			b.len = slash ? (size_t)(slash - b.data) : 0;
			b.data[b.len] = '\0';
		} else if (!(n == 1 && p[0] == '.')) {
			if (b.len)
				ai_buf_putc(&b, '/');
			ai_buf_put(&b, p, n);
		}
		p += n;
	}
	struct ai_err quiet;
	return b.state == AI_BUF_GOOD && b.len && ai_relpath_check(b.data, &quiet) == 0 ? ai_buf_take(&b) : NULL;
}

static int
include(struct reading *r, const char *option, const char *name)
{
	const char *shown = strcmp(option, "-c") == 0 ? "-c" : "-r";
	if (strstr(name, "://") || name[0] == '/')
		return refuse(r, "names a file that is not in the source", name, "put the file into the source and name it relative to this one");
	AI_FREE char *path = beside(r->path, name);
	if (!path)
		return refuse(r, "leads out of the source", name, "put the file into the source and name it relative to this one");
	if (r->reader->include(r->reader->ctx, path, r->err) < 0)
		return ai_in(r->err, "%s:%d", r->path, r->line);
	/* "./": never an option or a URL to pip, whatever the name. */
	ai_buf_printf(r->out, "%s %s%s\n", shown, strncmp(name, "./", 2) == 0 ? "" : "./", name);
	return 0;
}

/* --- options --------------------------------------------------------------------- */

typedef enum option_kind { INCLUDE, INDEX, EXTRA, NO_INDEX, KEEP, DROP, NO_BINARY, ONLY_BINARY, EDITABLE, FIND_LINKS } option_kind;

/* Of pip's options that a requirements file may hold; every other is refused. */
static const struct option { const char *name; option_kind kind; bool value; } options[] = {
	{ "-r", INCLUDE, true }, { "--requirement", INCLUDE, true }, { "-c", INCLUDE, true }, { "--constraint", INCLUDE, true },
	{ "-i", INDEX, true }, { "--index-url", INDEX, true }, { "--pypi-url", INDEX, true }, { "--extra-index-url", EXTRA, true },
	{ "--no-index", NO_INDEX, false }, { "--pre", KEEP, false }, { "--prefer-binary", KEEP, false }, { "--require-hashes", KEEP, false },
	{ "--trusted-host", DROP, true }, { "--no-binary", NO_BINARY, true }, { "--only-binary", ONLY_BINARY, true },
	{ "-e", EDITABLE, true }, { "--editable", EDITABLE, true }, { "-f", FIND_LINKS, true }, { "--find-links", FIND_LINKS, true },
};

static int
honour(struct reading *r, const struct option *o, const char *value)
{
	struct ai_indexes *x = r->reader->indexes;
	AI_FREE char *whose = ai_format("%s:%d", r->path, r->line);
	if (!whose)
		return ai_nomem(r->err);
	switch (o->kind) {
	case INCLUDE:
		return include(r, o->name[0] == '-' && (o->name[1] == 'c' || o->name[2] == 'c') ? "-c" : "-r", value);
	case INDEX:
		ai_indexes_clear(x);
		return ai_indexes_add(x, value, whose, r->err);
	case EXTRA:
		return ai_indexes_add(x, value, whose, r->err);
	case NO_INDEX:
		ai_indexes_clear(x);
		return 0;
	case KEEP:
		ai_buf_printf(r->out, "%s\n", o->name);
		return 0;
	case DROP:          /* certificates are checked all the same; plain http needs no leave here, for every file is pinned by its hash */
	case ONLY_BINARY:   /* wheels are preferred anyway, and nothing else is used unasked */
		return 0;
	case NO_BINARY:
		return refuse(r, "--no-binary is not honoured", value, "name the project in the step's 'sdists' and pin a version that has no wheel");
	case EDITABLE:
		return refuse(r, "an editable install is not honoured", value, "make it an input of the step, or put it into the source and on PYTHONPATH");
	case FIND_LINKS:
		return refuse(r, "--find-links is not honoured", value, "use an index (PEP 503), or give the step a folder of wheels as its 'wheels'");
	}
	return 0;
}

/* The option that the token names, and *value when it is written into the token itself ("--x=y", "-ry"). */
static const struct option *
option_of(const char *token, const char **value)
{
	*value = NULL;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		const struct option *o = &options[i];
		size_t n = strlen(o->name);
		bool is_short = o->name[1] != '-';
		if (strcmp(token, o->name) == 0)
			return o;
		if (o->value && strncmp(token, o->name, n) == 0 && (is_short || token[n] == '=')) {
			*value = token + n + (token[n] == '=');
			return o;
		}
	}
	return NULL;
}

/* The next token of *p in fresh memory, or NULL at the end. */
static char *
next_token(const char **p)
{
	*p += strspn(*p, " \t");
	size_t n = strcspn(*p, " \t");
	char *token = n ? ai_strndup(*p, n) : NULL;
	*p += n;
	return token;
}

static int
option_line(struct reading *r, const char *line)
{
	if (strpbrk(line, "\"'\\"))
		return refuse(r, "quotes and backslashes in options are not understood", line, "write the value without them");
	for (const char *p = line;;) {
		AI_FREE char *token = next_token(&p);
		if (!token)
			return 0;
		const char *inner;
		const struct option *o = option_of(token, &inner);
		if (!o)
			return refuse(r, "this option is not honoured", token, "leave it out, or build an environment image that holds what it is for");
		AI_FREE char *next = o->value && !inner ? next_token(&p) : NULL;
		const char *value = inner ? inner : next;
		if (o->value && (!value || !*value))
			return refuse(r, "the option needs a value", token, "see 'pip install --help'");
		if (honour(r, o, value) < 0)
			return r->err->code;
	}
}

/* --- requirements ------------------------------------------------------------------ */

/* What pip takes for a hash: "sha256:", "sha384:" or "sha512:" and hex digits; nothing else gets on from here as one. */
static bool
is_hash(const char *value)
{
	static const struct { const char *word; size_t digits; } kinds[] = { { "sha256:", 64 }, { "sha384:", 96 }, { "sha512:", 128 } };
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t n = strlen(kinds[i].word);
		if (strncmp(value, kinds[i].word, n) == 0)
			return strlen(value + n) == kinds[i].digits && strspn(value + n, "0123456789abcdefABCDEF") == kinds[i].digits;
	}
	return false;
}

/* "--hash=sha256:…" or "--hash sha256:…", at *p; moves past it. */
static int
hash_option(struct reading *r, const char **p)
{
	AI_FREE char *token = next_token(p);
	if (!token)
		return ai_nomem(r->err);
	bool apart = strcmp(token, "--hash") == 0;
	if (!apart && strncmp(token, "--hash=", 7) != 0)
		return refuse(r, "this option is not honoured", token, "of a requirement's options only --hash is");
	AI_FREE char *next = apart ? next_token(p) : NULL;
	const char *value = apart ? next : token + 7;
	if (!value || !is_hash(value))
		return refuse(r, "not a hash", value ? value : token, "write --hash=sha256: and 64 hex digits");
	ai_buf_printf(r->out, " --hash=%s", value);
	return 0;
}

static bool
is_archive(const char *name, size_t n)
{
	static const char *const ends[] = { ".zip", ".whl", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".tlz", ".lz", ".lzma" };
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t k = strlen(ends[i]);
		if (n > k && strncasecmp(name + n - k, ends[i], k) == 0)
			return true;
	}
	return false;
}

/* "name[extra] >=1,<2 ; marker --hash=…". What stands before the marker can hold no URL and no path. */
static int
requirement(struct reading *r, const char *line)
{
	static const char away[] = "make it an input of the step, or publish it in an index";
	size_t name = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
	const char *options_at = strstr(line, " -");
	AI_FREE char *front = ai_strndup(line, options_at ? (size_t)(options_at - line) : strlen(line));
	if (!front)
		return ai_nomem(r->err);
	const char *marker = strchr(front, ';');
	size_t spec = marker ? (size_t)(marker - front) : strlen(front);
	if (memchr(front, '@', spec) || memmem(front, spec, "://", 3))
		return refuse(r, "a URL or repository is not honoured", front, away);
	if (memchr(front, '/', spec) || line[0] == '.' || is_archive(line, name))
		return refuse(r, "a path is not honoured", front, away);
	size_t good = name + strspn(front + name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+*!=<>~, \t()[]");
	if (name == 0 || !strchr(LETTERS, line[0]) || good < spec)
		return refuse(r, "is not a requirement", front, "expected 'name', with versions and a marker after it if wanted");
	ai_buf_puts(r->out, front);
	for (const char *p = options_at; p && *(p += strspn(p, " \t"));)
		if (hash_option(r, &p) < 0)
			return r->err->code;
	ai_buf_putc(r->out, '\n');
	return 0;
}

/* --- lines, as pip makes them ---------------------------------------------------------- */

/* Whether a comment begins at p: '#' at the start or after white space. */
static size_t
code_length(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
			return i;
	return n;
}

static int
logical_line(struct reading *r, const char *line, size_t n)
{
	size_t from = 0, to = code_length(line, n);
	while (from < to && (line[from] == ' ' || line[from] == '\t'))
		from++;
	while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
		to--;
	AI_FREE char *text = ai_strndup(line + from, to - from);
	if (!text)
		return ai_nomem(r->err);
	if (!*text)
		return 0;
	/* pip would put its own environment's variables here, and ours hold secrets. */
	if (strstr(text, "${"))
		return refuse(r, "variables are not put in", text, "write the value; an index with a login belongs into PIP_INDEX_URL or pip.conf");
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p >= 0x80)
			return refuse(r, "a letter that is not ASCII", text, "such letters may stand in comments only");
	return text[0] == '-' ? option_line(r, text) : requirement(r, text);
}

/* pip cuts a text into lines at more than newlines; none of those characters may stand in ours. */
static int
check_bytes(struct reading *r, const char *text, size_t len)
{
	if (!ai_utf8_valid(text, len))
		return ai_fail(r->err, AI_EUSAGE, "%s: is not UTF-8", r->path);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			return ai_fail(r->err, AI_EUSAGE, "%s: holds the control character \\x%02x", r->path, c);
	}
	return 0;
}

static bool
is_comment(const char *line, size_t n)
{
	size_t at = code_length(line, n);
	return at < n && strspn(line, " \t") >= at;
}

int
ai_requirements_read(const char *path, const char *text, size_t len, const struct ai_requirements_reader *reader, struct ai_buf *out,
	struct ai_err *err)
{
	struct reading r = { .path = path, .reader = reader, .out = out, .err = err };
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3, len -= 3;
	if (check_bytes(&r, text, len) < 0)
		return err->code;
	AI_BUF_AUTO joined = AI_BUF(1u << 20);
	int line = 0;
	for (size_t i = 0; i < len;) {
		size_t n = 0;
		while (i + n < len && text[i + n] != '\n' && text[i + n] != '\r')
			n++;
		const char *at = text + i;
		i += n + (i + n < len);
		if (i < len && text[i - 1] == '\r' && text[i] == '\n')
			i++;
		line++;
		if (joined.len == 0)
			r.line = line;
		/* A comment goes on nowhere, and ends a line that was going on. */
		bool comment = is_comment(at, n);
		bool goes_on = !comment && n && at[n - 1] == '\\' && i < len;
		while (!comment && n && at[n - 1] == '\\')
			n--;
		if (!comment)
			ai_buf_put(&joined, at, n);
		if (ai_buf_ok(&joined, path, err) < 0)
			return err->code;
		if (goes_on) {
			if (!joined.len)
				ai_buf_putc(&joined, ' ');
			continue;
		}
		if (logical_line(&r, joined.data ? joined.data : "", joined.len) < 0)
			return err->code;
		ai_buf_clear(&joined);
	}
	if (joined.len && logical_line(&r, joined.data, joined.len) < 0)
		return err->code;
	return ai_buf_ok(out, path, err);
}
