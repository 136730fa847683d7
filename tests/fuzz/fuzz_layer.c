/*
 * fuzz_layer.c -- any bytes as a layer: what is taken makes a tree, what is refused says why; and as an archive of an image.
 *
 * The first byte says which: 0 a plain layer (its hash is made right), 1 gzip, 2 zstd, 3 an archive.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "fetch/image_archive.h"
#include "fetch/oci_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int open_objects;

static int
begin(void *ctx, void **obj, struct ai_err *err)
{
	(void)ctx;
	(void)err;
	open_objects++;
	*obj = &open_objects;
	return 0;
}

static int
write_some(void *obj, const void *p, size_t n, struct ai_err *err)
{
	(void)obj;
	(void)p;
	/* A few bytes of a sparse file may stand for gigabytes: there is no use in waiting for them here. */
	static size_t written;
	written += n;
	if (written < (64u << 20))
		return 0;
	written = 0;
	return ai_fail(err, AI_EENV, "enough");
}

static int
commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	(void)obj;
	(void)size_out;
	(void)err;
	open_objects--;
	memset(out, 1, sizeof *out);
	return 0;
}

static void
give_up(void *obj)
{
	(void)obj;
	open_objects--;
}

/* Every name and target in a tree keeps its rules, or this refuses. */
static int
tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_tree_bytes(entries, n, &b, err) < 0)
		abort();
	ai_sha256(b.data, b.len, out);
	return 0;
}

static void
as_layer(int fd, ai_oci_packing packing, const struct ai_digest *diff_id)
{
	static const struct ai_sink sink = { NULL, begin, write_some, commit, give_up, NULL, tree, NULL };
	struct ai_err err = { 0 };
	struct ai_digest id;
	struct ai_layers *l = ai_layers_new(&sink, NULL);
	if (!l)
		abort();
	int r = 0;
	/* Twice: the second time everything is there already, of a lower layer. */
	for (int i = 0; r == 0 && i < 2; i++)
		r = ai_layers_apply(l, fd, packing, diff_id, &err);
	if (r < 0 && (r != err.code || (r != AI_EINPUT && r != AI_EENV) || !err.text[0]))
		abort();
	if (r == 0 && ai_layers_tree(l, NULL, &id, &err) < 0)
		abort();
	ai_layers_free(l);
	if (open_objects != 0)
		abort();
}

static void
as_archive(int fd)
{
	struct ai_err err = { 0 };
	struct ai_image_archive *a;
	int64_t at, n;
	if (ai_image_archive_open(fcntl(fd, F_DUPFD_CLOEXEC, 3), "/tmp", &a, &err) < 0) {
		if (!err.text[0])
			abort();
		return;
	}
	(void)ai_image_archive_find(a, "manifest.json", &at, &n);
	(void)ai_image_archive_find(a, "a/../l", &at, &n);
	ai_image_archive_free(a);
}

/* Makes the sum of each header right (POSIX, pax "ustar Interchange Format": chksum), or hardly a mutation would get further than that. */
static void
mend(uint8_t *p, size_t n)
{
	for (; n >= 512; p += 512, n -= 512) {
		unsigned sum = 8 * ' ';
		if (memcmp(p + 257, "ustar", 5) != 0)
			continue;
		for (int i = 0; i < 512; i++)
			sum += i >= 148 && i < 156 ? 0 : p[i];
		for (int i = 5; i >= 0; i--, sum /= 8)
			p[148 + i] = (uint8_t)('0' + sum % 8);
		p[154] = '\0';
		p[155] = ' ';
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_digest diff_id;
	if (size == 0)
		return 0;
	AI_FREE uint8_t *bytes = malloc(size);
	AI_FD fd = memfd_create("layer", MFD_CLOEXEC);
	if (fd < 0 || !bytes)
		abort();
	memcpy(bytes, data + 1, size - 1);
	mend(bytes, size - 1);
	if (write(fd, bytes, size - 1) != (ssize_t)(size - 1))
		abort();
	ai_sha256(bytes, size - 1, &diff_id);
	if (data[0] % 4 == 3)
		as_archive(fd);
	else
		as_layer(fd, (ai_oci_packing)(data[0] % 4), &diff_id);
	return 0;
}
