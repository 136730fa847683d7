/*
 * s3_xml.c -- listings of buckets (s3.h).
 *
 *   <?xml …?><ListBucketResult …><IsTruncated>true</IsTruncated><Contents><Key>a</Key><Size>1</Size><ETag>"…"</ETag>…</Contents>…</ListBucketResult>
 *
 * Elements nest properly, and text is taken of those that are wanted; attributes are passed over. Whatever else XML has is refused.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "fetch/s3.h"

enum { MAX_DEPTH = 8, MAX_NAME = 63, MAX_TEXT = 4096, MAX_FILES = 10000 };

struct reader {
	const char *p, *end;
	char open[MAX_DEPTH][MAX_NAME + 1];
	int depth;
	struct ai_buf text;          /* of the innermost element, since it began */
	json_t *files, *file;        /* file: the Contents that is read; NULL: none */
	bool more, ended;
	struct ai_err *err;
};

static int
bad(struct reader *r, const char *what)
{
	return ai_fail(r->err, AI_EINPUT, "S3: malformed listing: %s", what);
}

static bool
begins(const struct reader *r, const char *word)
{
	size_t n = strlen(word);
	return (size_t)(r->end - r->p) >= n && memcmp(r->p, word, n) == 0;
}

/* An element's name at p, without its prefix's colon: "Key". */
static int
take_name(struct reader *r, char out[MAX_NAME + 1])
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-:";
	size_t n = 0;
	for (; r->p < r->end && *r->p && strchr(chars, *r->p); r->p++) {
		if (n == MAX_NAME)
			return bad(r, "a name that is too long");
		out[n++] = *r->p;
	}
	out[n] = '\0';
	return n > 0 ? 0 : bad(r, "an element without a name");
}

/* UTF-8 of a character that was given by its number. */
static void
put_character(struct ai_buf *b, unsigned long c)
{
	if (c < 0x80) {
		ai_buf_putc(b, (char)c);
	} else if (c < 0x800) {
		ai_buf_putc(b, (char)(0xc0 | c >> 6));
		ai_buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		ai_buf_putc(b, (char)(0xe0 | c >> 12));
		ai_buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		ai_buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		ai_buf_putc(b, (char)(0xf0 | c >> 18));
		ai_buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		ai_buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		ai_buf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

static int
take_number(struct reader *r)
{
	bool hex = begins(r, "&#x");
	unsigned long c = 0;
	int n = 0;
	for (r->p += hex ? 3 : 2; r->p < r->end && *r->p != ';'; r->p++, n++) {
		const char *digits = "0123456789abcdef", *d = *r->p ? strchr(digits, *r->p >= 'A' && *r->p <= 'F' ? *r->p + 32 : *r->p) : NULL;
		if (!d || n == 8 || (!hex && d - digits > 9))
			return bad(r, "a character's number");
		c = c * (hex ? 16 : 10) + (unsigned long)(d - digits);
	}
	if (r->p == r->end || n == 0 || c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return bad(r, "a character's number");
	r->p++;
	put_character(&r->text, c);
	return 0;
}

static int
take_entity(struct reader *r)
{
	static const struct { const char *word; char is; } known[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' } };
	if (begins(r, "&#"))
		return take_number(r);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (begins(r, known[i].word)) {
			ai_buf_putc(&r->text, known[i].is);
			r->p += strlen(known[i].word);
			return 0;
		}
	return bad(r, "an entity that is none of the five");
}

/* --- elements ------------------------------------------------------------------------------ */

static bool
is_at(const struct reader *r, int depth, const char *name)
{
	return r->depth > depth && strcmp(r->open[depth], name) == 0;
}

static int
begin_element(struct reader *r)
{
	if (r->depth == 1 && strcmp(r->open[0], "ListBucketResult") != 0)
		return bad(r, strcmp(r->open[0], "Error") == 0 ? "the server says an error" : "expected a ListBucketResult");
	if (r->depth == 2 && is_at(r, 1, "Contents")) {
		if (json_array_size(r->files) == MAX_FILES)
			return bad(r, "more than 10000 keys");
		r->file = json_object();
		if (json_array_append_new(r->files, r->file) < 0)
			return ai_nomem(r->err);
	}
	return 0;
}

static int
set_field(struct reader *r, const char *name)
{
	const char *text = r->text.data ? r->text.data : "";
	json_t *value = NULL;
	if (strcmp(name, "size") == 0) {
		long long n = 0;
		size_t digits = strspn(text, "0123456789");
		if (digits == 0 || digits > 15 || text[digits])
			return bad(r, "a size that is no number");
		for (const char *p = text; *p; p++)
			n = n * 10 + (*p - '0');
		value = json_integer(n);
	} else if (ai_utf8_valid(text, r->text.len)) {
		value = json_string(text);
	}
	if (!value)
		return bad(r, "text that is not UTF-8");
	if (json_object_get(r->file, name)) {
		json_decref(value);
		return bad(r, "a key with two names or sizes");
	}
	return json_object_set_new(r->file, name, value) == 0 ? 0 : ai_nomem(r->err);
}

static int
end_element(struct reader *r)
{
	static const struct { const char *element, *field; } fields[] = { { "Key", "key" }, { "Size", "size" }, { "ETag", "etag" } };
	if (ai_buf_ok(&r->text, "S3: a text of the listing", r->err) < 0)
		return r->err->code;
	for (size_t i = 0; r->depth == 3 && is_at(r, 1, "Contents") && i < sizeof fields / sizeof *fields; i++)
		if (is_at(r, 2, fields[i].element) && set_field(r, fields[i].field) < 0)
			return r->err->code;
	if (r->depth == 2 && is_at(r, 1, "IsTruncated"))
		r->more = r->text.data && strcmp(r->text.data, "true") == 0;
	if (r->depth == 2 && is_at(r, 1, "Contents") && (!ai_json_str(r->file, "key") || !json_object_get(r->file, "size")))
		return bad(r, "contents without key or size");
	return 0;
}

/* </Name> */
static int
take_end(struct reader *r)
{
	char name[MAX_NAME + 1];
	r->p += 2;
	if (take_name(r, name) < 0)
		return r->err->code;
	while (r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p)
		r->p++;
	if (r->p == r->end || *r->p != '>' || r->depth == 0 || strcmp(r->open[r->depth - 1], name) != 0)
		return bad(r, "elements that do not nest");
	r->p++;
	if (end_element(r) < 0)
		return r->err->code;
	r->depth--;
	r->ended = r->depth == 0;
	ai_buf_clear(&r->text);
	return 0;
}

/* <Name attribute="…"> or <Name/> */
static int
take_begin(struct reader *r)
{
	char quote = 0;
	r->p++;
	if (r->depth == MAX_DEPTH || r->ended)
		return bad(r, "elements nested too deep, or behind the end");
	if (take_name(r, r->open[r->depth]) < 0)
		return r->err->code;
	for (; r->p < r->end && (quote || *r->p != '>'); r->p++) {
		if (*r->p == '<')
			return bad(r, "'<' in an element");
		if (quote ? *r->p == quote : *r->p == '"' || *r->p == '\'')
			quote = quote ? 0 : *r->p;
	}
	if (r->p == r->end)
		return bad(r, "it is cut off");
	bool empty = r->p[-1] == '/';
	r->p++;
	r->depth++;
	ai_buf_clear(&r->text);
	if (begin_element(r) < 0 || (empty && end_element(r) < 0))
		return r->err->code;
	r->depth -= empty;
	r->ended = r->depth == 0;
	return 0;
}

static int
read_all(struct reader *r)
{
	if (begins(r, "\xef\xbb\xbf"))
		r->p += 3;
	if (begins(r, "<?xml")) {
		const char *close = memmem(r->p, (size_t)(r->end - r->p), "?>", 2);
		if (!close)
			return bad(r, "it is cut off");
		r->p = close + 2;
	}
	while (r->p < r->end) {
		int x;
		if (*r->p == '<') {
			x = begins(r, "</") ? take_end(r) : take_begin(r);
		} else if (*r->p == '&') {
			x = take_entity(r);
		} else {
			x = r->depth > 0 || strchr(" \t\r\n", *r->p) ? 0 : bad(r, "text outside of elements");
			ai_buf_putc(&r->text, *r->p++);
		}
		if (x < 0)
			return x;
		if (r->text.len > MAX_TEXT)
			return bad(r, "a text that is too long");
	}
	return r->ended ? 0 : bad(r, "it is cut off");
}

int
ai_s3_listing(const char *xml, size_t n, json_t **out, struct ai_err *err)
{
	AI_JSON *files = json_array();
	struct reader r = { .p = xml, .end = xml + n, .text = AI_BUF(MAX_TEXT + 8), .files = files, .err = err };
	if (!files)
		return ai_nomem(err);
	int x = memchr(xml, '\0', n) ? bad(&r, "it holds NUL") : read_all(&r);
	ai_buf_done(&r.text);
	if (x < 0)
		return x;
	*out = json_pack("{s:O, s:b}", "files", files, "more", r.more);
	return *out ? 0 : ai_nomem(err);
}
