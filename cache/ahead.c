/* ahead.c -- see ahead.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/ahead.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cache/filekey.h"
#include "cache/idset.h"
#include "cache/pump.h"

enum { MAX_HELPERS = 3, MAX_SIZE = 4 << 20, MIN_FILES = 8 };

struct job {
	char *name;
	enum { JOB_WAITING, JOB_BUSY, JOB_DONE, JOB_GIVEN_UP } state;
	struct ai_file_key key;
	struct ai_digest id;
};

struct ai_ahead {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	pthread_t threads[MAX_HELPERS];
	int n_threads;
	bool quit;
	int fd;                 /* the folder at hand, -1 none */
	struct ai_digest here;  /* its device and inode */
	struct job *jobs;       /* sorted by name */
	size_t n_jobs, cap_jobs;
	size_t unseen;          /* helpers have looked at jobs[unseen..] */
	size_t busy;            /* helpers at work in the folder at hand */
	struct ai_idset seen;   /* folders that had their turn: coming back to one is not worth listing it again */
};

/* The hash of one file; false when it is none of ours (large, no plain file, unreadable, changing). */
static bool
hash_job(int fd, struct job *j)
{
	struct stat st;
	struct ai_file_key now;
	struct ai_err ignored = { 0 };
	AI_FD in = openat(fd, j->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (in < 0 || fstat(in, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_SIZE)
		return false;
	ai_file_key(&st, &j->key);
	if (ai_pump(in, -1, j->name, &j->id, NULL, &ignored) < 0 || fstat(in, &st) < 0)
		return false;
	ai_file_key(&st, &now);
	return ai_file_key_eq(&j->key, &now);
}

/* The last job that nobody has begun, or NULL. The lock is held. */
static struct job *
next_job(struct ai_ahead *a)
{
	while (a->unseen > 0) {
		struct job *j = &a->jobs[--a->unseen];
		if (j->state == JOB_WAITING)
			return j;
	}
	return NULL;
}

static void *
help(void *arg)
{
	struct ai_ahead *a = arg;
	pthread_mutex_lock(&a->lock);
	while (!a->quit) {
		struct job *j = next_job(a);
		if (!j) {
			pthread_cond_wait(&a->work, &a->lock);
			continue;
		}
		j->state = JOB_BUSY;
		a->busy++;
		pthread_mutex_unlock(&a->lock);
		bool good = hash_job(a->fd, j);
		pthread_mutex_lock(&a->lock);
		j->state = good ? JOB_DONE : JOB_GIVEN_UP;
		a->busy--;
		pthread_cond_signal(&a->done);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* Helpers take no signals. A machine that gives us no thread gets its hashes from the caller alone. */
static void
start_helpers(struct ai_ahead *a)
{
	sigset_t all, old;
	long n = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (int i = 0; i < n && i < MAX_HELPERS; i++) {
		if (pthread_create(&a->threads[a->n_threads], NULL, help, a) != 0)
			break;
		a->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int
ai_ahead_new(struct ai_ahead **out, struct ai_err *err)
{
	struct ai_ahead *a = ai_calloc(1, sizeof *a);
	if (!a)
		return ai_nomem(err);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	pthread_cond_init(&a->done, NULL);
	a->fd = -1;
	start_helpers(a);
	*out = a;
	return 0;
}

/* Takes what is left of the folder at hand from the helpers. The lock is held. */
static void
leave_folder(struct ai_ahead *a)
{
	a->unseen = 0;
	while (a->busy > 0)
		pthread_cond_wait(&a->done, &a->lock);
	for (size_t i = 0; i < a->n_jobs; i++)
		free(a->jobs[i].name);
	a->n_jobs = 0;
	ai_close_fd(&a->fd);
	a->fd = -1;
}

void
ai_ahead_free(struct ai_ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	leave_folder(a);
	a->quit = true;
	pthread_cond_broadcast(&a->work);
	pthread_mutex_unlock(&a->lock);
	for (int i = 0; i < a->n_threads; i++)
		pthread_join(a->threads[i], NULL);
	pthread_cond_destroy(&a->work);
	pthread_cond_destroy(&a->done);
	pthread_mutex_destroy(&a->lock);
	ai_idset_done(&a->seen);
	free(a->jobs);
	free(a);
}

static int
by_name(const void *x, const void *y)
{
	return strcmp(((const struct job *)x)->name, ((const struct job *)y)->name);
}

/* The lock is held; on failure the folder has fewer jobs, which costs time only. */
static void
list_folder(struct ai_ahead *a, int dirfd)
{
	struct ai_err ignored = { 0 };
	int again = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	if (!d) {
		ai_close_fd(&again);
		return;
	}
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_type != DT_REG || ai_grow(&a->jobs, &a->cap_jobs, a->n_jobs, sizeof *a->jobs, &ignored) < 0)
			continue;
		char *name = ai_strdup(e->d_name);
		if (name)
			a->jobs[a->n_jobs++] = (struct job){ .name = name, .state = JOB_WAITING };
	}
	closedir(d);
	if (a->n_jobs > 1)
		qsort(a->jobs, a->n_jobs, sizeof *a->jobs, by_name);
	a->fd = a->n_jobs < MIN_FILES ? -1 : fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	a->unseen = a->fd < 0 ? 0 : a->n_jobs;
	pthread_cond_broadcast(&a->work);
}

/* Is dirfd the folder at hand, or can it become that? */
static int
enter_folder(struct ai_ahead *a, int dirfd, struct ai_err *err)
{
	struct stat st;
	struct ai_file_key key;
	struct ai_digest slot;
	if (fstat(dirfd, &st) < 0)
		return 0;
	ai_file_key(&st, &key);
	ai_file_slot(&key, &slot);
	if (memcmp(slot.b, a->here.b, sizeof slot.b) == 0)
		return a->fd >= 0;
	if (ai_idset_get(&a->seen, &slot, NULL))
		return 0;
	if (ai_idset_put(&a->seen, &slot, 1, err) < 0)
		return err->code;
	pthread_mutex_lock(&a->lock);
	leave_folder(a);
	a->here = slot;
	list_folder(a, dirfd);
	pthread_mutex_unlock(&a->lock);
	return a->fd >= 0;
}

/* The caller wants this one: waits for the helper that has it, or takes it away from all of them. */
static bool
claim(struct ai_ahead *a, struct job *j)
{
	pthread_mutex_lock(&a->lock);
	while (j->state == JOB_BUSY)
		pthread_cond_wait(&a->done, &a->lock);
	bool done = j->state == JOB_DONE;
	if (j->state == JOB_WAITING)
		j->state = JOB_GIVEN_UP;
	pthread_mutex_unlock(&a->lock);
	return done;
}

int
ai_ahead_get(struct ai_ahead *a, int dirfd, const char *name, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct stat st;
	struct ai_file_key now;
	struct job wanted = { .name = (char *)name };
	if (a->n_threads == 0 || dirfd < 0 || strchr(name, '/'))
		return 0;
	int r = enter_folder(a, dirfd, err);
	if (r <= 0)
		return r;
	struct job *j = bsearch(&wanted, a->jobs, a->n_jobs, sizeof *a->jobs, by_name);
	if (!j || !claim(a, j) || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	ai_file_key(&st, &now);
	if (!ai_file_key_eq(&now, &j->key))
		return 0;
	*out = j->id;
	*size_out = (uint64_t)st.st_size;
	return 1;
}
