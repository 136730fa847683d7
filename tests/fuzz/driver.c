/*
 * driver.c -- runs a fuzz target without libFuzzer: its corpus, then mutations of it.
 *
 *   fuzz_NAME [--mutations=N] [--seconds=S] [FILE|FOLDER...]
 *
 * Without paths the corpus is tests/fuzz/corpus/NAME, looked for from the present folder. The mutations come from a fixed
 * seed, so what failed once fails again; a crash is the failure, and the input that did it is left in ./crash-NAME.
 * Prints TAP: one test for the corpus, one for the mutations.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 1 << 20 };

struct seed { char *path; struct ai_buf bytes; };

static struct seed *seeds;
static size_t n_seeds, cap_seeds;

/* What is being tried, for the handler that keeps it. */
static const char *volatile trying;
static volatile size_t trying_len;
static char crash_path[256];

static void
keep_crash(int sig)
{
	int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && trying && write(fd, trying, trying_len) >= 0)
		(void)!write(2, crash_path, strlen(crash_path));
	signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void
try(const char *data, size_t n)
{
	/* A block of exactly n bytes, so that a sanitizer sees the first byte read too far. */
	char *exact = malloc(n ? n : 1);
	if (!exact)
		abort();
	memcpy(exact, data, n);
	trying = exact;
	trying_len = n;
	(void)LLVMFuzzerTestOneInput((const uint8_t *)exact, n);
	trying = NULL;
	free(exact);
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct seed *)a)->path, ((const struct seed *)b)->path);
}

static int
add_path(const char *path, struct ai_err *err)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : ai_fail_errno(err, AI_EINPUT, "%s", path);
	if (S_ISDIR(st.st_mode)) {
		DIR *d = opendir(path);
		if (!d)
			return ai_fail_errno(err, AI_EINPUT, "%s", path);
		int r = 0;
		for (struct dirent *e; r == 0 && (e = readdir(d));) {
			if (e->d_name[0] == '.')
				continue;
			AI_FREE char *sub = ai_format("%s/%s", path, e->d_name);
			r = sub ? add_path(sub, err) : ai_nomem(err);
		}
		closedir(d);
		return r;
	}
	if (ai_grow(&seeds, &cap_seeds, n_seeds, sizeof *seeds, err) < 0)
		return err->code;
	struct seed s = { ai_strdup(path), AI_BUF(64u << 20) };
	if (!s.path || ai_read_file(AT_FDCWD, path, &s.bytes, err) < 0) {
		free(s.path);
		ai_buf_done(&s.bytes);
		return err->code ? err->code : ai_nomem(err);
	}
	seeds[n_seeds++] = s;
	return 0;
}

static uint64_t
next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One small change in place; len may shrink or grow up to MAX_BYTES. */
static void
mutate_once(char *p, size_t *len, uint64_t *rng)
{
	static const char edges[] = { 0, 1, 0x7f, (char)0x80, (char)0xff, '"', '\\', '{', '}', '[', ']', ':', ',', '\n', '\t', '-', '0', '.', '/', '&', '*', '!', '%' };
	size_t n = *len, at = n ? next(rng) % n : 0, span = n ? 1 + next(rng) % (n - at < 64 ? n - at : 64) : 0;
	switch (n ? next(rng) % 7 : 4) {
	case 0:
		p[at] = (char)(p[at] ^ (1 << next(rng) % 8));
		return;
	case 1:
		p[at] = edges[next(rng) % sizeof edges];
		return;
	case 2:
		memmove(p + at, p + at + span, n - at - span);
		*len = n - span;
		return;
	case 3:
		if (n + span > MAX_BYTES)
			return;
		memmove(p + at + span, p + at, n - at);
		*len = n + span;
		return;
	case 4:
		if (n + 1 > MAX_BYTES)
			return;
		memmove(p + at + 1, p + at, n - at);
		p[at] = edges[next(rng) % sizeof edges];
		*len = n + 1;
		return;
	case 5:
		*len = at;
		return;
	default: {
		size_t from = next(rng) % n;
		size_t m = n - from < span ? n - from : span;
		memmove(p + at, p + from, m < n - at ? m : n - at);
	}
	}
}

/* A seed with a few changes, now and then its tail from another seed. */
static size_t
mutant(char *p, uint64_t *rng)
{
	const struct ai_buf *a = &seeds[next(rng) % n_seeds].bytes, *b = &seeds[next(rng) % n_seeds].bytes;
	size_t len = a->len < MAX_BYTES ? a->len : MAX_BYTES;
	if (len)
		memcpy(p, a->data, len);
	if (next(rng) % 8 == 0 && len && b->len) {
		size_t keep = next(rng) % len, from = next(rng) % b->len;
		size_t m = b->len - from < MAX_BYTES - keep ? b->len - from : MAX_BYTES - keep;
		memcpy(p + keep, b->data + from, m);
		len = keep + m;
	}
	for (uint64_t k = 1 + next(rng) % 4; k > 0; k--)
		mutate_once(p, &len, rng);
	return len;
}

static unsigned long long
number(const char *text, const char *what)
{
	char *end;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno || end == text || *end) {
		fprintf(stderr, "%s: got '%s', expected a number\n", what, text);
		exit(2);
	}
	return v;
}

/* Reads the options, and the seeds that they name or that belong to this target. */
static int
prepare(int argc, char **argv, const char *name, unsigned long long *mutations, unsigned long long *seconds, struct ai_err *err)
{
	bool given = false;
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--mutations=", 12) == 0) {
			*mutations = number(argv[i] + 12, "--mutations");
		} else if (strncmp(argv[i], "--seconds=", 10) == 0) {
			*seconds = number(argv[i] + 10, "--seconds");
		} else {
			given = true;
			if (add_path(argv[i], err) < 0)
				return err->code;
		}
	}
	AI_FREE char *corpus = ai_format("tests/fuzz/corpus/%s", name);
	if (!corpus)
		return ai_nomem(err);
	if (!given && add_path(corpus, err) < 0)
		return err->code;
	if (n_seeds)
		qsort(seeds, n_seeds, sizeof *seeds, by_path);
	return 0;
}

static void
release(void)
{
	for (size_t i = 0; i < n_seeds; i++) {
		free(seeds[i].path);
		ai_buf_done(&seeds[i].bytes);
	}
	free(seeds);
}

int
main(int argc, char **argv)
{
	struct ai_err err = { 0 };
	unsigned long long mutations = 20000, seconds = 10, done = 0;
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	name = strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
	snprintf(crash_path, sizeof crash_path, "crash-%s", name);
	if (prepare(argc, argv, name, &mutations, &seconds, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	const int deadly[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
		signal(deadly[i], keep_crash);
	puts("1..2");
	fflush(stdout);
	for (size_t i = 0; i < n_seeds; i++)
		try(seeds[i].bytes.data, seeds[i].bytes.len);
	try("", 0);
	printf("ok 1 - %s: corpus of %zu%s\n", name, n_seeds, n_seeds ? "" : " # SKIP no seeds");
	fflush(stdout);
	static char work[MAX_BYTES];
	uint64_t rng = 0x9e3779b97f4a7c15u;
	for (time_t end = time(NULL) + (time_t)seconds; n_seeds && done < mutations && time(NULL) <= end; done++)
		try(work, mutant(work, &rng));
	printf("ok 2 - %s: %llu mutations%s\n", name, done, n_seeds ? "" : " # SKIP no seeds");
	release();
	return 0;
}
