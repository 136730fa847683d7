/* image_unpack.c -- see image_unpack.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/image_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/talk.h"

enum { N_BLOCKS = 8, BLOCK = 1 << 18, PACKED = 1 << 17 };

struct block { char *bytes; size_t n; };

struct ai_unpack {
	pthread_mutex_t lock;
	pthread_cond_t filled, emptied;
	pthread_t thread;
	bool started, quit, ended, holding;
	struct block ring[N_BLOCKS];
	size_t first, count;          /* of filled blocks; the reader holds the first while it uses it */
	struct ai_err err;            /* why the thread ended early; the reader's once ended */
	/* The thread's alone: */
	int fd;
	ai_oci_packing packing;
	off_t at;
	char *packed;
};

static const char *const packing_words[] = { "plain", "gzip", "zstd" }; /* as ai_oci_packing counts */

static la_ssize_t
read_packed(struct archive *a, void *ctx, const void **bytes)
{
	struct ai_unpack *u = ctx;
	ssize_t n;
	do
		n = pread(u->fd, u->packed, PACKED, u->at);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(a, errno, "%s", strerror(errno));
		return ARCHIVE_FATAL;
	}
	u->at += n;
	*bytes = u->packed;
	return n;
}

static int
bad(struct ai_unpack *u, const char *why)
{
	return ai_fail(&u->err, AI_EINPUT, "%s stream: %s", packing_words[u->packing], why ? why : "damaged");
}

static int
open_stream(struct ai_unpack *u, struct archive *raw)
{
	struct archive_entry *entry;
	int r = archive_read_support_format_raw(raw);
	if (r == ARCHIVE_OK)
		r = archive_read_support_format_empty(raw);
	if (r == ARCHIVE_OK && u->packing == AI_OCI_GZIP)
		r = archive_read_support_filter_gzip(raw);
	if (r == ARCHIVE_OK && u->packing == AI_OCI_ZSTD)
		r = archive_read_support_filter_zstd(raw);
	if (r != ARCHIVE_OK || archive_read_open(raw, u, NULL, read_packed, NULL) != ARCHIVE_OK)
		return bad(u, archive_error_string(raw));
	static const int codes[] = { ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD };
	/* A stream packed twice would be unpacked twice. */
	if (archive_filter_code(raw, 0) != codes[u->packing] || (u->packing != AI_OCI_PLAIN && archive_filter_code(raw, 1) != ARCHIVE_FILTER_NONE))
		return bad(u, "it is packed in another way");
	r = archive_read_next_header(raw, &entry);
	return r == ARCHIVE_OK ? 1 : r == ARCHIVE_EOF ? 0 : bad(u, archive_error_string(raw));
}

/* Waits for room: the block to fill, or NULL when nobody wants more. */
static struct block *
room(struct ai_unpack *u)
{
	pthread_mutex_lock(&u->lock);
	while (u->count == N_BLOCKS && !u->quit)
		pthread_cond_wait(&u->emptied, &u->lock);
	struct block *b = u->quit ? NULL : &u->ring[(u->first + u->count) % N_BLOCKS];
	pthread_mutex_unlock(&u->lock);
	return b;
}

static int
unpack(struct ai_unpack *u, struct archive *raw)
{
	struct stat st;
	int r = open_stream(u, raw);
	if (r < 0)
		return r;
	while (r == 1) {
		struct block *b = room(u);
		if (!b)
			return 0;
		la_ssize_t n = archive_read_data(raw, b->bytes, BLOCK);
		if (n < 0)
			return bad(u, archive_error_string(raw));
		if (n == 0)
			break;
		pthread_mutex_lock(&u->lock);
		b->n = (size_t)n;
		u->count++;
		pthread_cond_signal(&u->filled);
		pthread_mutex_unlock(&u->lock);
	}
	if (fstat(u->fd, &st) < 0)
		return ai_fail_errno(&u->err, AI_EENV, "cannot look at the stream");
	/* The last filter is the file itself: how much of it did the others take? */
	return archive_filter_bytes(raw, -1) == st.st_size ? 0 : bad(u, "something follows its end");
}

static void *
unpack_main(void *arg)
{
	struct ai_unpack *u = arg;
	struct archive *raw = archive_read_new();
	if (!raw)
		ai_nomem(&u->err);
	else
		(void)(unpack(u, raw) < 0);
	archive_read_free(raw);
	pthread_mutex_lock(&u->lock);
	u->ended = true;
	pthread_cond_signal(&u->filled);
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

/* The thread takes no signals. */
static int
start(struct ai_unpack *u, struct ai_err *err)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&u->thread, NULL, unpack_main, u);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	u->started = r == 0;
	errno = r;
	return r ? ai_fail_errno(err, AI_EENV, "cannot start a thread") : 0;
}

int
ai_unpack_new(int fd, ai_oci_packing packing, struct ai_unpack **out, struct ai_err *err)
{
	struct ai_unpack *u = ai_calloc(1, sizeof *u);
	if (!u)
		return ai_nomem(err);
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->filled, NULL);
	pthread_cond_init(&u->emptied, NULL);
	u->fd = fd;
	u->packing = packing;
	bool good = (u->packed = malloc(PACKED));
	for (size_t i = 0; i < N_BLOCKS; i++)
		good &= (u->ring[i].bytes = malloc(BLOCK)) != NULL;
	if (!good)
		ai_nomem(err);
	if (!good || start(u, err) < 0) {
		ai_unpack_free(u);
		return err->code;
	}
	*out = u;
	return 0;
}

int
ai_unpack_next(struct ai_unpack *u, const void **bytes, size_t *n, struct ai_err *err)
{
	if (ai_check_interrupt(err) < 0)
		return err->code;
	pthread_mutex_lock(&u->lock);
	if (u->holding) {
		u->first = (u->first + 1) % N_BLOCKS;
		u->count--;
		u->holding = false;
		pthread_cond_signal(&u->emptied);
	}
	while (u->count == 0 && !u->ended)
		pthread_cond_wait(&u->filled, &u->lock);
	int r = u->count > 0;
	if (r == 1) {
		u->holding = true;
		*bytes = u->ring[u->first].bytes;
		*n = u->ring[u->first].n;
	} else if (u->err.code) {
		*err = u->err;
		r = err->code;
	}
	pthread_mutex_unlock(&u->lock);
	return r;
}

void
ai_unpack_free(struct ai_unpack *u)
{
	if (!u)
		return;
	if (u->started) {
		pthread_mutex_lock(&u->lock);
		u->quit = true;
		pthread_cond_signal(&u->emptied);
		pthread_mutex_unlock(&u->lock);
		pthread_join(u->thread, NULL);
	}
	pthread_mutex_destroy(&u->lock);
	pthread_cond_destroy(&u->filled);
	pthread_cond_destroy(&u->emptied);
	for (size_t i = 0; i < N_BLOCKS; i++)
		free(u->ring[i].bytes);
	free(u->packed);
	free(u);
}

ai_oci_packing
ai_unpack_guess(const unsigned char magic[4])
{
	static const unsigned char zstd[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	return magic[0] == 0x1f && magic[1] == 0x8b ? AI_OCI_GZIP : memcmp(magic, zstd, sizeof zstd) == 0 ? AI_OCI_ZSTD : AI_OCI_PLAIN;
}
