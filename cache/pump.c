/* pump.c -- see pump.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"

enum {
	CHUNK = 1 << 18,        /* with all of the ring in the second-level cache */
	RING = 4,
	THREAD_FROM = 4 << 20,  /* below this a thread costs more than it saves */
	PUSH_EVERY = 8 << 20,   /* ask the kernel to start writing back: the fsync at the end then waits less */
};

/* Buffers go from the reader to the hasher in ring order; filled - hashed of them wait. */
struct ring {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *bytes;
	size_t len[RING];
	unsigned filled, hashed;
	bool ended;
	struct ai_sha sha;
};

struct copy {
	int in, out;
	const char *what;
	uint64_t size, pushed;
};

/* One chunk from in to p and on to out; 0 at the end of the file, n_out bytes. */
static int
move_chunk(struct copy *c, char *p, size_t *n_out, struct ai_err *err)
{
	ssize_t n;
	do
		n = read(c->in, p, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return ai_fail_errno(err, AI_EINPUT, "%s: cannot read", c->what);
	if (ai_check_interrupt(err) < 0)
		return err->code;
	if (c->out >= 0 && ai_write_all(c->out, p, (size_t)n, c->what, err) < 0)
		return err->code;
	c->size += (uint64_t)n;
	if (c->out >= 0 && c->size - c->pushed >= PUSH_EVERY) {
		(void)sync_file_range(c->out, (off_t)c->pushed, (off_t)(c->size - c->pushed), SYNC_FILE_RANGE_WRITE);
		c->pushed = c->size;
	}
	*n_out = (size_t)n;
	return 0;
}

static void *
hash_ring(void *arg)
{
	struct ring *r = arg;
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (r->hashed == r->filled && !r->ended)
			pthread_cond_wait(&r->changed, &r->lock);
		if (r->hashed == r->filled)
			break;
		unsigned i = r->hashed % RING;
		pthread_mutex_unlock(&r->lock);
		ai_sha_add(&r->sha, r->bytes + (size_t)i * CHUNK, r->len[i]);
		pthread_mutex_lock(&r->lock);
		r->hashed++;
		pthread_cond_signal(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static int
fill_ring(struct ring *r, struct copy *c, struct ai_err *err)
{
	for (;;) {
		pthread_mutex_lock(&r->lock);
		while (r->filled - r->hashed == RING)
			pthread_cond_wait(&r->changed, &r->lock);
		pthread_mutex_unlock(&r->lock);
		unsigned i = r->filled % RING;
		size_t n = 0;
		int got = move_chunk(c, r->bytes + (size_t)i * CHUNK, &n, err);
		pthread_mutex_lock(&r->lock);
		r->len[i] = n;
		r->ended = got < 0 || n == 0;
		r->filled += !r->ended;
		pthread_cond_signal(&r->changed);
		pthread_mutex_unlock(&r->lock);
		if (r->ended)
			return got;
	}
}

/* The thread takes no signals: the program's handlers run where they always do. */
static int
start_hasher(struct ring *r, pthread_t *thread)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(thread, NULL, hash_ring, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static int
pump_alone(struct ring *r, struct copy *c, struct ai_err *err)
{
	for (;;) {
		size_t n = 0;
		if (move_chunk(c, r->bytes, &n, err) < 0)
			return err->code;
		if (n == 0)
			return 0;
		ai_sha_add(&r->sha, r->bytes, n);
	}
}

int
ai_pump(int in, int out, uint64_t expect, const char *what, struct ai_digest *digest_out, uint64_t *size_out, struct ai_err *err)
{
	struct ring r = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	struct copy c = { in, out, what, 0, 0 };
	pthread_t thread;
	bool threaded = expect >= THREAD_FROM;
	AI_FREE char *bytes = malloc(threaded ? (size_t)CHUNK * RING : CHUNK);
	if (!bytes)
		return ai_nomem(err);
	if (ai_sha_init(&r.sha, err) < 0)
		return err->code;
	r.bytes = bytes;
	(void)posix_fadvise(in, 0, 0, POSIX_FADV_SEQUENTIAL);
	threaded = threaded && start_hasher(&r, &thread) == 0;
	int got = threaded ? fill_ring(&r, &c, err) : pump_alone(&r, &c, err);
	if (threaded)
		pthread_join(thread, NULL);
	if (got < 0) {
		ai_sha_done(&r.sha);
		return got;
	}
	ai_sha_end(&r.sha, digest_out);
	if (size_out)
		*size_out = c.size;
	return 0;
}
