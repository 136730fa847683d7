/* parting_cause.c -- the usual causes of a difference, each recognised by bytes that both sides have (parting.h).  SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "run/again/parting.h"

/* Does the place lie in the field [from, to) of a header that begins with magic, on both sides alike? */
static bool
in_field(const struct ai_parting_view *v, const char *magic, size_t from, size_t to)
{
	for (size_t k = from; k < to; k++)
		if (v->at >= k && memcmp(v->bytes[0] + v->at - k, magic, 4) == 0)
			return true;
	return false;
}

/* tar: the time of a header is 12 bytes at 136, its magic at 257; headers lie on multiples of 512. */
static bool
in_tar_time(const struct ai_parting_view *v)
{
	size_t k = (size_t)(v->offset % 512);
	if (k < 136 || k >= 148 || v->at < k)
		return false;
	size_t magic = v->at - k + 257;
	return v->n[0] > magic + 5 && v->n[1] > magic + 5 && memcmp(v->bytes[0] + magic, "ustar", 5) == 0 &&
		memcmp(v->bytes[1] + magic, "ustar", 5) == 0;
}

static bool
is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* Does side hold the pattern at p? In it '0' stands for a digit, 'x' for a hex digit, everything else for itself. */
static bool
fits(const struct ai_parting_view *v, int side, size_t p, const char *pattern)
{
	size_t len = strlen(pattern);
	if (p + len > v->n[side])
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = v->bytes[side][p + i];
		if (pattern[i] == '0' ? !is_digit(c) : pattern[i] == 'x' ? !is_hex(c) : c != (unsigned char)pattern[i])
			return false;
	}
	return true;
}

/* Does the place lie in such a thing on both sides, at the same place of each? */
static bool
in_pattern(const struct ai_parting_view *v, const char *pattern)
{
	size_t len = strlen(pattern);
	for (size_t k = 0; k < len && k <= v->at; k++)
		if (fits(v, 0, v->at - k, pattern) && fits(v, 1, v->at - k, pattern))
			return true;
	return false;
}

/* 0x… of at least six digits: how Python and C print where an object lies. */
static bool
in_address(const struct ai_parting_view *v)
{
	size_t p = v->at;
	while (p > 0 && v->at - p < 18 && is_hex(v->bytes[0][p - 1]))
		p--;
	if (p < 1 || v->bytes[0][p - 1] != 'x' || p < 2 || v->bytes[0][p - 2] != '0')
		return false;
	return fits(v, 0, p, "xxxxxx") && fits(v, 1, p, "xxxxxx");
}

/* /tmp/NAME, where the name differs. */
static bool
in_temporary_name(const struct ai_parting_view *v)
{
	for (size_t k = 5; k <= 64 && k <= v->at; k++) {
		const unsigned char *p = v->bytes[0] + v->at - k;
		if (memcmp(p, "/tmp/", 5) == 0)
			return !memchr(p + 5, '/', k - 5) && !memchr(p + 5, '\n', k - 5) && !memchr(p + 5, 0, k - 5);
	}
	return false;
}

/* The number around the place: its text is copied to word (NUL-terminated); false when there is none or it is too long. */
static bool
number_at(const struct ai_parting_view *v, int side, char word[40], double *out)
{
	static const char part[] = "0123456789.eE+-";
	const unsigned char *b = v->bytes[side];
	size_t from = v->at, to = v->at;
	while (from > 0 && b[from - 1] && strchr(part, b[from - 1]))
		from--;
	while (to < v->n[side] && b[to] && strchr(part, b[to]))
		to++;
	if (to == from || to - from >= 40)
		return false;
	memcpy(word, b + from, to - from);
	word[to - from] = '\0';
	char *end;
	*out = strtod(word, &end);
	return *end == '\0' && isfinite(*out);
}

static bool
near(double a, double b)
{
	double size = fmax(fabs(a), fabs(b));
	return size > 0 && fabs(a - b) <= size * 1e-3;
}

static const char *
number_cause(const struct ai_parting_view *v)
{
	char a[40], b[40];
	double x, y;
	if (!number_at(v, 0, a, &x) || !number_at(v, 1, b, &y))
		return NULL;
	/* Seconds since 1970, of this century, within some days of each other. */
	if (x > 978e6 && x < 4102e6 && y > 978e6 && y < 4102e6 && fabs(x - y) < 1e6)
		return "seconds since 1970: the time of the run is written into the file";
	if ((strpbrk(a, ".eE") || strpbrk(b, ".eE")) && near(x, y))
		return "numbers that differ in their last digits: the order of additions (threads, CPU kernels) is the usual cause";
	return NULL;
}

/*
 * Weights: what differs, read as floats of one size, is nearly the same. Eight of them and none that is not: bytes that are
 * no floats do not pass by chance. Archives align as they like, so every alignment is tried.
 */
static bool
nearly_same_floats(const struct ai_parting_view *v, size_t size)
{
	size_t n = v->n[0] < v->n[1] ? v->n[0] : v->n[1];
	for (size_t phase = 0; phase < size; phase++) {
		size_t differ = 0;
		bool all = true;
		size_t from = v->at > size ? v->at - size : 0;
		from += (size + phase - from % size) % size;
		for (size_t p = from; all && p + size <= n; p += size) {
			if (memcmp(v->bytes[0] + p, v->bytes[1] + p, size) == 0)
				continue;
			double d[2];
			float f[2];
			for (int k = 0; k < 2; k++)
				if (size == sizeof(float)) {
					memcpy(&f[k], v->bytes[k] + p, size);
					d[k] = (double)f[k];
				} else {
					memcpy(&d[k], v->bytes[k] + p, size);
				}
			all = isfinite(d[0]) && isfinite(d[1]) && (near(d[0], d[1]) || fabs(d[0] - d[1]) < 1e-9);
			differ++;
		}
		if (all && differ >= 8)
			return true;
	}
	return false;
}

const char *
ai_parting_cause(const struct ai_parting_view *v)
{
	static const char zip[] = "the time of a zip member (also in .npz, .pt, .whl): write members with a fixed time";
	static const char stamp[] = "a date or time of day is written into the file";
	if (in_field(v, "PK\3\4", 10, 14) || in_field(v, "PK\1\2", 12, 16))
		return zip;
	if (v->offset >= 4 && v->offset < 8 && v->at == v->offset && memcmp(v->bytes[0], "\x1f\x8b", 2) == 0)
		return "the time in a gzip header: gzip -n, or mtime=0 in Python, leaves it out";
	if (in_tar_time(v))
		return "the time of a tar member: tar --mtime=@0 fixes it";
	if (in_pattern(v, "00:00:00") || in_pattern(v, "0000-00-00") || in_pattern(v, "20000000T000000"))
		return stamp;
	if (in_pattern(v, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		return "a random UUID";
	if (in_address(v))
		return "an address in memory: something was printed that has no text of its own (in Python: a default repr)";
	if (in_temporary_name(v))
		return "the random name of a temporary file";
	const char *number = number_cause(v);
	if (number)
		return number;
	if (nearly_same_floats(v, sizeof(float)) || nearly_same_floats(v, sizeof(double)))
		return "floats that differ in their last digits: the order of additions (threads, CPU kernels) is the usual cause";
	return NULL;
}

/* A word of a text, for sorting. */
struct word { const char *p; size_t n; };

static int
by_bytes(const void *a, const void *b)
{
	const struct word *x = a, *y = b;
	int d = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
	return d ? d : (x->n > y->n) - (x->n < y->n);
}

static int
words_of(const char *s, size_t n, struct word **out, size_t *n_out, struct ai_err *err)
{
	static const char between[] = " \t\r\n,;{}[]()";
	size_t cap = 0;
	*out = NULL;
	*n_out = 0;
	for (size_t i = 0; i < n;) {
		size_t from = i;
		while (i < n && !(s[i] && strchr(between, s[i])))
			i++;
		if (i > from) {
			if (ai_grow(out, &cap, *n_out, sizeof **out, err) < 0)
				return err->code;
			(*out)[(*n_out)++] = (struct word){ s + from, i - from };
		}
		i += i < n;
	}
	if (*out)
		qsort(*out, *n_out, sizeof **out, by_bytes);
	return 0;
}

int
ai_parting_reordered(const char *a, size_t n_a, const char *b, size_t n_b, struct ai_err *err)
{
	AI_FREE struct word *x = NULL;
	AI_FREE struct word *y = NULL;
	size_t n = 0, m = 0;
	if (n_a != n_b)
		return 0;
	if (words_of(a, n_a, &x, &n, err) < 0 || words_of(b, n_b, &y, &m, err) < 0)
		return err->code;
	if (n != m || n < 2)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (by_bytes(&x[i], &y[i]) != 0)
			return 0;
	return 1;
}
