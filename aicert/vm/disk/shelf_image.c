/* shelf_image.c -- the metadata of the shelf's file system (shelf.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cache/objects.h"
#include "vm/disk/shelf.h"

enum {
	BLOCK = 4096, SUPER = 1024, INODES = 1152, INODE = 64, SLOT = 32, DIRENT = 12, MAX_FOLDERS = 256, NAME = 62,
	REGULAR = 1, FOLDER = 2,                /* EROFS_FT_REG_FILE, EROFS_FT_DIR */
	ROOT = 0, OBJECTS = 1, FIRST = 2,       /* inodes, by their place */
};
#define MAGIC 0xE0F5E1E2u /* EROFS_SUPER_MAGIC_V1 */

/* The files of objects/ab/. */
struct folder { size_t first, n; };

struct image {
	const struct ai_shelf_file *files;
	size_t n;
	struct folder folders[MAX_FOLDERS];
	size_t n_folders;
	unsigned char *bytes;
	uint64_t next;                          /* block that the next folder's entries go to */
};

static void
put(unsigned char *p, unsigned n, uint64_t v)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t
blocks(uint64_t bytes)
{
	return (bytes + BLOCK - 1) / BLOCK;
}

/* --- folders ----------------------------------------------------------------------------- */

/* One folder as it is written: entries fill a block from its start, their names follow; a name that finds no room begins the next block. */
struct listing {
	struct { size_t inode; char name[AI_HEX]; unsigned type; } waiting[BLOCK / (DIRENT + 1)];
	size_t n, used;                         /* of the block that is being filled */
	uint64_t block, size;                   /* size: up to the end of the block before */
	unsigned char *bytes;                   /* NULL: only counted */
};

static void
flush(struct listing *l)
{
	size_t name = l->n * DIRENT;
	unsigned char *at = l->bytes ? l->bytes + l->block * BLOCK : NULL;
	for (size_t i = 0; at && i < l->n; i++) {
		size_t n = strlen(l->waiting[i].name);
		put(at + i * DIRENT, 8, (INODES + l->waiting[i].inode * INODE) / SLOT);
		put(at + i * DIRENT + 8, 2, name);
		put(at + i * DIRENT + 10, 1, l->waiting[i].type);
		memcpy(at + name, l->waiting[i].name, n);
		name += n;
	}
	l->block++;
}

static void
list(struct listing *l, const char *name, size_t inode, unsigned type)
{
	size_t room = DIRENT + strlen(name);
	if (l->used + room > BLOCK) {
		flush(l);
		l->size += BLOCK;
		l->n = l->used = 0;
	}
	l->waiting[l->n].inode = inode;
	l->waiting[l->n].type = type;
	memcpy(l->waiting[l->n].name, name, strlen(name) + 1);
	l->n++;
	l->used += room;
}

/* A folder's entries; its size in bytes. The order is that of their names: dots, then digits. */
static uint64_t
list_folder(struct image *m, size_t inode)
{
	struct listing l = { .block = m->next, .bytes = m->bytes };
	char hex[AI_HEX];
	list(&l, ".", inode, FOLDER);
	list(&l, "..", inode > OBJECTS ? OBJECTS : ROOT, FOLDER);
	if (inode == ROOT)
		list(&l, "objects", OBJECTS, FOLDER);
	for (size_t i = 0; inode == OBJECTS && i < m->n_folders; i++) {
		ai_hex_bytes(m->files[m->folders[i].first].id.b, 1, hex);
		list(&l, hex, FIRST + i, FOLDER);
	}
	const struct folder *f = inode >= FIRST ? &m->folders[inode - FIRST] : NULL;
	for (size_t i = 0; f && i < f->n; i++) {
		ai_hex(&m->files[f->first + i].id, hex);
		list(&l, hex + 2, FIRST + m->n_folders + f->first + i, REGULAR);
	}
	flush(&l);
	m->next = l.block;
	return l.size + l.used;
}

/* --- inodes ------------------------------------------------------------------------------ */

static void
put_inode(const struct image *m, size_t i, unsigned mode, unsigned links, uint64_t size, uint64_t block)
{
	unsigned char *p = m->bytes + INODES + i * INODE;
	put(p, 2, 1);                           /* i_format: extended, EROFS_INODE_FLAT_PLAIN */
	put(p + 4, 2, mode);
	put(p + 8, 8, size);
	put(p + 16, 4, block);                  /* i_u.raw_blkaddr */
	put(p + 20, 4, i + 1);                  /* i_ino */
	put(p + 32, 8, AI_OBJECT_MTIME);
	put(p + 44, 4, links);
}

static void
put_folder(struct image *m, size_t inode, unsigned links)
{
	uint64_t block = m->next;
	put_inode(m, inode, 0040755, links, list_folder(m, inode), block);
}

static void
put_super(const struct image *m, uint64_t total)
{
	unsigned char *p = m->bytes + SUPER;
	put(p, 4, MAGIC);
	put(p + 12, 1, 12);                     /* blkszbits */
	put(p + 14, 2, INODES / SLOT);          /* root_nid */
	put(p + 16, 8, FIRST + m->n_folders + m->n);
	put(p + 24, 8, AI_OBJECT_MTIME);        /* build_time */
	put(p + 36, 4, total);                  /* blocks */
	memcpy(p + 64, "aicert shelf", 12);     /* volume_name */
}

/* --- the whole --------------------------------------------------------------------------- */

/* Ascending, none empty, not too much of anything; and which folder has which. */
static int
sort_out(struct image *m, uint64_t *data, struct ai_err *err)
{
	if (m->n == 0 || m->n > AI_SHELF_MAX_FILES)
		return ai_fail(err, AI_EINPUT, "shelf: %zu objects, expected 1 to %d", m->n, AI_SHELF_MAX_FILES);
	for (size_t i = 0; i < m->n; i++) {
		const struct ai_shelf_file *f = &m->files[i];
		if (i > 0 && memcmp(f->id.b, f[-1].id.b, sizeof f->id.b) <= 0)
			return ai_fail(err, AI_EINPUT, "shelf: object %zu: not in ascending order", i);
		if (f->size == 0 || f->size > AI_SHELF_MAX_BYTES - *data * BLOCK)
			return ai_fail(err, AI_EINPUT, "shelf: object %zu: %llu bytes, expected 1 or more, and not more than %llu in all", i, (unsigned long long)f->size,
				AI_SHELF_MAX_BYTES);
		*data += blocks(f->size);
		if (i == 0 || f->id.b[0] != f[-1].id.b[0])
			m->folders[m->n_folders++].first = i;
		m->folders[m->n_folders - 1].n++;
	}
	return 0;
}

/* Where the folders' entries begin, and with them counted where the content does. */
static uint64_t
measure(struct image *m)
{
	uint64_t entries = blocks(INODES + (FIRST + m->n_folders + m->n) * INODE);
	m->next = entries;
	for (size_t i = 0; i < FIRST + m->n_folders; i++)
		(void)list_folder(m, i);
	uint64_t content = m->next;
	m->next = entries;
	return content;
}

int
ai_shelf_image(const struct ai_shelf_file *files, size_t n, struct ai_buf *out, struct ai_err *err)
{
	struct image m = { .files = files, .n = n };
	uint64_t data = 0;
	if (sort_out(&m, &data, err) < 0)
		return err->code;
	uint64_t at = measure(&m);
	AI_FREE unsigned char *bytes = ai_calloc(at, BLOCK);
	if (!bytes)
		return ai_nomem(err);
	m.bytes = bytes;
	put_super(&m, at + data);
	put_folder(&m, ROOT, 3);
	put_folder(&m, OBJECTS, 2 + (unsigned)m.n_folders);
	for (size_t i = 0; i < m.n_folders; i++)
		put_folder(&m, FIRST + i, 2);
	uint64_t block = at;
	for (size_t i = 0; i < n; i++) {
		put_inode(&m, FIRST + m.n_folders + i, 0100444, 1, files[i].size, block);
		block += blocks(files[i].size);
	}
	ai_buf_put(out, bytes, at * BLOCK);
	return ai_buf_ok(out, "shelf", err);
}
