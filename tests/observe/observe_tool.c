/*
 * observe_tool -- runs a command in the sandbox, observed, for the tests in Python and for the bench.
 *
 *     observe_tool used COMMAND...      prints the `used` node; exit code is the command's
 *     observe_tool time N COMMAND...    least milliseconds of N runs in turn: bare, in the sandbox, observed; and of processor
 *                                       time, which a busy machine disturbs less
 *     observe_tool holds N COMMAND...   paths in the record, and least milliseconds to check again that it holds, with a store
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "cache/store.h"
#include "run/observe/observe.h"
#include "run/box/sandbox.h"

static const char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/aicert", "LANG=C.UTF-8", "PYTHONHASHSEED=0", "OMP_NUM_THREADS=1",
	"OPENBLAS_NUM_THREADS=1", NULL };
static char *scratch_prefix;

static double
now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Ours and our children's. */
static double
cpu_ms(void)
{
	static const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	double ms = 0;
	for (int i = 0; i < 2; i++) {
		struct rusage u;
		getrusage(whose[i], &u);
		ms += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
	}
	return ms;
}

static int
hash_file(void *ctx, const char *path, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? ai_fail_errno(err, AI_EINPUT, "%s", path) : ai_sha256_fd(fd, out, NULL, err);
}

static int
put_names(void *ctx, const char *bytes, size_t n, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	(void)err;
	ai_sha256(bytes, n, out);
	return 0;
}

static const struct ai_used_io io = { .hash_file = hash_file, .put_names = put_names };

/* One run; its time without the folders around it. */
static int
boxed(char **argv, struct ai_observer *o, struct ai_end *end, double *ms, struct ai_err *err)
{
	AI_FREE char *scratch = NULL;
	if (ai_mkdtemp(scratch_prefix, &scratch, err) < 0)
		return err->code;
	struct ai_sandbox s = { .scratch = scratch, .host = true, .env = env, .cwd = "/workspace", .outputs = "/workspace/outputs", .log_fd = 2,
		.argv = (const char *const *)argv, .observer = o };
	double began = now_ms();
	int r = ai_sandbox_run(&s, end, err);
	*ms = now_ms() - began;
	ai_discard_tree(scratch);
	return r;
}

static double
bare(char **argv)
{
	int status;
	double began = now_ms();
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execve(argv[0], argv, (char *const *)env);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status ? -1 : now_ms() - began;
}

static int
compare(unsigned n, char **argv, struct ai_err *err)
{
	double least[3] = { 1e9, 1e9, 1e9 }, least_cpu[3] = { 1e9, 1e9, 1e9 };
	for (unsigned i = 0; i < n; i++)
		for (int side = 0; side < 3; side++) {
			struct ai_observer *o = side == 2 ? ai_observer_new() : NULL;
			struct ai_end end = { 0 };
			double ms = 0, cpu = cpu_ms();
			int r = 0;
			if (side == 0)
				ms = bare(argv);
			else
				r = boxed(argv, o, &end, &ms, err);
			cpu = cpu_ms() - cpu;
			ai_observer_free(o);
			if (r < 0)
				return r;
			if (ms < 0 || end.kind != AI_END_EXIT || end.value != 0)
				return ai_fail(err, AI_ESTEP, "%s: failed", argv[0]);
			least[side] = ms < least[side] ? ms : least[side];
			least_cpu[side] = cpu < least_cpu[side] ? cpu : least_cpu[side];
		}
	printf("{\"bare\":%.3f,\"sandbox\":%.3f,\"observed\":%.3f,\"cpu\":{\"bare\":%.3f,\"sandbox\":%.3f,\"observed\":%.3f}}\n", least[0], least[1],
		least[2], least_cpu[0], least_cpu[1], least_cpu[2]);
	return 0;
}

static int
show_used(char **argv, struct ai_err *err)
{
	struct ai_end end;
	double ms;
	json_t *used = NULL;
	struct ai_observer *o = ai_observer_new();
	int r = boxed(argv, o, &end, &ms, err);
	if (r == 0)
		r = ai_observer_used(o, &io, &used, err);
	ai_observer_free(o);
	if (r < 0)
		return r;
	json_dumpf(used, stdout, JSON_COMPACT);
	json_decref(used);
	return end.kind == AI_END_EXIT ? end.value : 128 + end.value;
}

static int
store_hash(void *ctx, const char *path, struct ai_digest *out, struct ai_err *err)
{
	return ai_store_hash_file(ctx, AT_FDCWD, path, out, err);
}

static int
store_known(void *ctx, const struct stat *st, struct ai_digest *out, struct ai_err *err)
{
	return ai_store_known_hash(ctx, st, out, err);
}

static int
store_learn(void *ctx, const char *path, const struct stat *st, const struct timespec *began, const struct ai_digest *names, struct ai_err *err)
{
	return ai_store_learn_names(ctx, path, st, began, names, err);
}

static int
check_again(unsigned n, const json_t *used, const struct ai_used_io *with, struct ai_err *err)
{
	double least = 1e9;
	AI_FREE char *what = NULL;
	for (unsigned i = 0; i <= n; i++) {
		/* A mark for whoever traces the calls of the last check. */
		if (i == n)
			(void)access("/the-last-check", F_OK);
		double began = now_ms();
		int r = ai_used_holds(used, with, &what, err);
		double took = now_ms() - began;
		if (i == n)
			(void)access("/the-last-check", F_OK);
		if (r != 1)
			return r < 0 ? r : ai_fail(err, AI_ENO, "%s", what ? what : "does not hold");
		least = took < least ? took : least;
	}
	printf("{\"paths\":%zu,\"ms\":%.3f}\n", json_array_size(ai_json_arr(used, "files")) + json_array_size(ai_json_arr(used, "absent")) +
		json_array_size(ai_json_arr(used, "listed")), least);
	return 0;
}

static int
holds(unsigned n, char **argv, struct ai_err *err)
{
	struct ai_home home = { 0 };
	struct ai_store *store = NULL;
	struct ai_end end;
	double ms;
	AI_JSON *used = NULL;
	AI_FREE char *folder = NULL;
	if (ai_mkdtemp(scratch_prefix, &folder, err) < 0)
		return err->code;
	home.cache = folder;
	home.data = folder;
	struct ai_observer *o = ai_observer_new();
	int r = ai_store_open(&home, &store, err);
	struct ai_used_io with = { .hash_file = store_hash, .put_names = put_names, .ctx = store, .known = store_known, .learn = store_learn };
	if (r == 0)
		r = boxed(argv, o, &end, &ms, err);
	if (r == 0)
		r = ai_observer_used(o, &with, &used, err);
	/* Once, so that the folders' names are learnt; then as another process would find it. */
	if (r == 0)
		r = ai_used_holds(used, &with, NULL, err) < 0 ? err->code : 0;
	ai_store_close(store);
	store = NULL;
	if (r == 0)
		r = ai_store_open(&home, &store, err);
	with.ctx = store;
	if (r == 0)
		r = check_again(n, used, &with, err);
	ai_observer_free(o);
	ai_store_close(store);
	ai_discard_tree(folder);
	return r;
}

int
main(int argc, char **argv)
{
	struct ai_err err = { 0 };
	const char *tmp = getenv("TMPDIR");
	int r = 2;
	scratch_prefix = ai_format("%s/observe", tmp && *tmp ? tmp : "/tmp");
	if (argc > 3 && strcmp(argv[1], "time") == 0)
		r = compare((unsigned)strtoumax(argv[2], NULL, 10), argv + 3, &err);
	else if (argc > 3 && strcmp(argv[1], "holds") == 0)
		r = holds((unsigned)strtoumax(argv[2], NULL, 10), argv + 3, &err);
	else if (argc > 2 && strcmp(argv[1], "used") == 0)
		r = show_used(argv + 2, &err);
	if (err.code)
		fprintf(stderr, "%s\n", err.text);
	free(scratch_prefix);
	return r < 0 ? 1 : r;
}
