/*
 * vm_disk_unit.h -- disks made by hand, as somebody would who holds the machine; and who reads which byte of one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_DISK_UNIT_H
#define AI_VM_DISK_UNIT_H

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "unit.h"
#include "vm/disk/disk_parts.h"

/* --- who reads what ------------------------------------------------------------------ */

/* Every pread(2) of this program comes by here: of the watched file no byte may be read a second time. */
static int watched_fd = -1;
static unsigned char *watched_bytes;
static size_t watched_size;
static bool read_twice;
/* Called after a read of the watched file, which it may change. */
static void (*after_read)(int fd, off_t at, size_t n);

ssize_t pread(int fd, void *buf, size_t n, off_t at);
ssize_t
pread(int fd, void *buf, size_t n, off_t at)
{
	ssize_t got = syscall(SYS_pread64, fd, buf, n, at);
	if (fd != watched_fd || got <= 0)
		return got;
	for (size_t i = (size_t)at; i < (size_t)(at + got) && i < watched_size; i++) {
		read_twice = read_twice || watched_bytes[i];
		watched_bytes[i] = 1;
	}
	if (after_read)
		after_read(fd, at, (size_t)got);
	return got;
}

static inline void
watch(int fd, size_t size)
{
	free(watched_bytes);
	watched_bytes = calloc(1, size);
	assert_non_null(watched_bytes);
	watched_size = size;
	read_twice = false;
	after_read = NULL;
	watched_fd = fd;
}

static inline void
watch_ends(void)
{
	free(watched_bytes);
	watched_bytes = NULL;
	watched_fd = -1;
	after_read = NULL;
	assert_false(read_twice);
}

/* --- files ---------------------------------------------------------------------------- */

static inline int
scratch_file(void)
{
	char path[] = "/tmp/aicert-disk.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

static inline uint64_t
size_of(int fd)
{
	off_t n = lseek(fd, 0, SEEK_END);
	assert_true(n >= 0);
	return (uint64_t)n;
}

static inline void
put(int fd, off_t at, const void *p, size_t n)
{
	assert_int_equal(pwrite(fd, p, n, at), (ssize_t)n);
}

/* --- disks made by hand ------------------------------------------------------------------ */

struct forged { const char *type, *name, *bytes; };

static inline json_t *
forged_object(const char *type, const char *name, uint64_t size, const void *bytes, size_t n)
{
	struct ai_digest d;
	ai_sha256(bytes, n, &d);
	return json_pack("{s:s, s:s, s:I, s:o}", "type", type, "name", name, "size", (json_int_t)size, "sha256", ai_json_hex(&d));
}

/* Index and header as text and position say, whatever stands before them. */
static inline void
forge_end(int fd, const char *kind, const char *index, size_t n, uint64_t at)
{
	struct ai_disk_header h = { .at = at, .length = n };
	unsigned char block[AI_DISK_BLOCK];
	memcpy(h.kind, kind, strlen(kind));
	ai_sha256(index, n, &h.sha256);
	ai_disk_header_format(&h, block);
	put(fd, (off_t)at, index, n);
	put(fd, 0, block, sizeof block);
}

/* objects: a JSON array (stolen) that stands for what fd already has; NULL about: {}. */
static inline void
forge_index(int fd, const char *kind, const json_t *about, json_t *objects, uint64_t at)
{
	struct ai_buf b = AI_BUF(1u << 24);
	json_t *index = json_pack("{s:s, s:o, s:o}", "kind", "aicert-disk", "about", about ? json_deep_copy(about) : json_object(), "objects", objects);
	ok(ai_canon(index, &b, &err));
	forge_end(fd, kind, b.data, b.len, at);
	json_decref(index);
	ai_buf_done(&b);
}

/* A whole disk of texts. */
static inline int
forge(const char *kind, const json_t *about, const struct forged *list, size_t n)
{
	int fd = scratch_file();
	uint64_t at = AI_DISK_BLOCK;
	json_t *objects = json_array();
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(list[i].bytes);
		put(fd, (off_t)at, list[i].bytes, len);
		json_array_append_new(objects, forged_object(list[i].type, list[i].name, len, list[i].bytes, len));
		at = ai_disk_aligned(at + len);
	}
	forge_index(fd, kind, about, objects, at);
	return fd;
}

#endif
