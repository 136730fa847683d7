/* image.c -- see image.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/cloud/image.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "vm/cloud/image_parts.h"

static const uint64_t MAX_UKI = 1u << 30;

int
ai_vm_format_parse(const char *word, ai_vm_format *out, struct ai_err *err)
{
	static const char *const words[] = { "raw", "vhd", "qcow2", "gcp" };
	enum { N = sizeof words / sizeof *words };
	for (int i = 0; i < N; i++) {
		if (strcmp(word, words[i]) == 0) {
			*out = (ai_vm_format)i;
			return 0;
		}
	}
	const char *near = ai_near(word, words, N);
	return ai_fail(err, AI_EUSAGE, "format: got '%s', expected raw, vhd, qcow2 or gcp%s%s%s", word, near ? " (did you mean '" : "", near ? near : "",
		near ? "'?)" : "");
}

void
ai_pieces_done(struct ai_pieces *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->v[i].owned);
	d->n = 0;
}

static struct ai_piece *
slot(struct ai_pieces *d, uint64_t at)
{
	size_t i = d->n++;
	for (; i > 0 && d->v[i - 1].at > at; i--)
		d->v[i] = d->v[i - 1];
	d->v[i] = (struct ai_piece){ .at = at };
	return &d->v[i];
}

void *
ai_pieces_add(struct ai_pieces *d, uint64_t at, size_t n)
{
	void *p = ai_calloc(1, n);
	if (!p)
		return NULL;
	struct ai_piece *s = slot(d, at);
	s->p = s->owned = p;
	s->n = n;
	return p;
}

void
ai_pieces_borrow(struct ai_pieces *d, uint64_t at, const void *p, size_t n)
{
	struct ai_piece *s = slot(d, at);
	s->p = p;
	s->n = n;
}

bool
ai_pieces_read(const struct ai_pieces *d, uint64_t at, void *to, size_t n)
{
	bool any = false;
	memset(to, 0, n);
	for (size_t i = 0; i < d->n; i++) {
		const struct ai_piece *s = &d->v[i];
		uint64_t from = s->at > at ? s->at : at, end = s->at + s->n < at + n ? s->at + s->n : at + n;
		if (from >= end)
			continue;
		memcpy((char *)to + (from - at), (const char *)s->p + (from - s->at), (size_t)(end - from));
		any = true;
	}
	return any;
}

int
ai_put_at(int fd, uint64_t at, const void *p, size_t n, struct ai_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = pwrite(fd, (const char *)p + done, n - done, (off_t)(at + done));
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return ai_fail_errno(err, AI_EENV, "image");
		done += (size_t)k;
	}
	return 0;
}

static int
raw_write(int fd, const struct ai_pieces *d, struct ai_err *err)
{
	for (size_t i = 0; i < d->n; i++)
		if (ai_put_at(fd, d->v[i].at, d->v[i].p, d->v[i].n, err) < 0)
			return err->code;
	return ftruncate(fd, (off_t)d->size) < 0 ? ai_fail_errno(err, AI_EENV, "image") : 0;
}

/* The whole disk; unit: what its size must be a multiple of. */
static int
lay(struct ai_pieces *d, const void *uki, size_t n, uint64_t unit, struct ai_err *err)
{
	uint64_t size;
	ai_sha256(uki, n, &d->seed);
	if (ai_fat_lay(d, AI_MIB, uki, n, &size, err) < 0)
		return err->code;
	/* A MiB before for the GPT and the alignment, one behind for the GPT's copy. */
	d->size = (2 * AI_MIB + size + unit - 1) / unit * unit;
	return ai_gpt_lay(d, AI_MIB, size, err);
}

int
ai_vm_image_write(int fd, const void *uki, size_t n, ai_vm_format format, struct ai_err *err)
{
	static int (*const write_as[])(int, const struct ai_pieces *, struct ai_err *) = { raw_write, ai_vhd_write, ai_qcow2_write, ai_gcp_write };
	struct ai_pieces d = { 0 };
	if (n < 64 || memcmp(uki, "MZ", 2) != 0)
		return ai_fail(err, AI_EINPUT, "image: not an EFI program: it does not begin with 'MZ'");
	if (n > MAX_UKI)
		return ai_fail(err, AI_EINPUT, "image: EFI program: too large: got %zu bytes, expected at most %llu", n, (unsigned long long)MAX_UKI);
	int r = lay(&d, uki, n, format == AI_VM_GCP ? AI_GIB : AI_MIB, err);
	if (r == 0)
		r = write_as[format](fd, &d, err);
	ai_pieces_done(&d);
	return r;
}
