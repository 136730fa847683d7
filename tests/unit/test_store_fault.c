/*
 * test_store_fault.c -- the disk refuses, and the order of what is written.
 *
 * The calls that reach the disk are defined here, before the C library's: they
 * count, can fail, and keep a record. SQLite comes through them too.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <linux/fs.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/check.h"
#include "cache/store.h"

/* --- the disk's calls ---------------------------------------------------------- */

typedef enum fault { F_NONE, F_WRITE, F_PWRITE, F_FSYNC, F_FDATASYNC, F_SYNCFS, F_RENAME, F_CREATE, N_FAULTS } fault;
static const char *const fault_words[N_FAULTS] = { "none", "write", "pwrite", "fsync", "fdatasync", "syncfs", "rename", "create" };

static struct { fault kind; int nth, count, error; bool forever, fired; } plan;
static char record[1 << 16];
static bool recording;

static void
note(const char *what)
{
	size_t n = strlen(record);
	if (recording && n + strlen(what) + 2 < sizeof record)
		snprintf(record + n, sizeof record - n, "%s ", what);
}

/* Is it this call's turn to fail? */
static bool
fails(fault kind)
{
	if (plan.kind != kind)
		return false;
	plan.count++;
	if (plan.count != plan.nth && !(plan.forever && plan.count > plan.nth))
		return false;
	plan.fired = true;
	errno = plan.error;
	return true;
}

/* Whatever the flags of the build: SQLite, a library of its own, must find these. */
#define SEEN __attribute__((visibility("default")))

SEEN ssize_t
write(int fd, const void *p, size_t n)
{
	if (fd > 2 && fails(F_WRITE))
		return -1;
	if (fd > 2)
		note("write");
	return syscall(SYS_write, fd, p, n);
}

SEEN ssize_t
pwrite64(int fd, const void *p, size_t n, off_t at)
{
	if (fails(F_PWRITE))
		return -1;
	note("rows");
	return syscall(SYS_pwrite64, fd, p, n, at);
}

SEEN int
fsync(int fd)
{
	struct stat st;
	if (fails(F_FSYNC))
		return -1;
	note(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? "fsync-folder" : "fsync");
	return (int)syscall(SYS_fsync, fd);
}

SEEN int
fdatasync(int fd)
{
	if (fails(F_FDATASYNC))
		return -1;
	note("sync-rows");
	return (int)syscall(SYS_fdatasync, fd);
}

SEEN int
syncfs(int fd)
{
	if (fails(F_SYNCFS))
		return -1;
	note("syncfs");
	return (int)syscall(SYS_syncfs, fd);
}

SEEN int
renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	if (fails(F_RENAME))
		return -1;
	note("rename");
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

SEEN int
openat(int dirfd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	if (flags & O_CREAT) {
		va_list ap;
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
		if (fails(F_CREATE))
			return -1;
	}
	return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

/* --- fixture ----------------------------------------------------------------------- */

struct fix {
	char *dir;
	struct ai_home home;
};

static int
setup(void **state)
{
	struct fix *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	AI_FREE char *prefix = ai_format("%s/aicert-store", tmp ? tmp : "/tmp");
	memset(&plan, 0, sizeof plan);
	recording = false;
	record[0] = '\0';
	ok(ai_mkdtemp(prefix, &f->dir, &err));
	AI_FREE char *root = ai_join(f->dir, "home");
	ok(ai_home_find(root, &f->home, &err));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fix *f = *state;
	ok(ai_remove_tree(AT_FDCWD, f->dir, &err));
	ai_home_done(&f->home);
	free(f->dir);
	free(f);
	return 0;
}

enum { LARGE = (1 << 20) + 5 };

/* Some work of every kind: n small objects, a large one, a tree of them, a pin. 0 or negative with text. */
static int
work(struct ai_store *s, int n, struct ai_ref *ref, struct ai_err *err)
{
	const struct ai_sink *k = ai_store_sink(s);
	struct ai_entry e[32];
	static char names[32][16];
	AI_FREE char *large = calloc(1, LARGE);
	void *o;
	for (int i = 0; i < n; i++) {
		snprintf(names[i], sizeof names[i], "f%d", i);
		e[i] = (struct ai_entry){ names[i], AI_ENTRY_FILE, { { 0 } }, NULL };
		if (k->begin(k->ctx, &o, err) < 0)
			return err->code;
		int r = k->write(o, names[i], strlen(names[i]), err);
		if (r == 0 && i == 0)
			r = k->write(o, large, LARGE, err);
		if (r < 0)
			k->abort(o);
		if (r < 0 || k->commit(o, &e[i].id, NULL, err) < 0)
			return err->code;
	}
	ref->type = AI_REF_TREE;
	if (k->tree(k->ctx, e, (size_t)n, &ref->id, err) < 0)
		return err->code;
	return ai_store_put_pin(s, "key", ref, "none", err);
}

static void
content_is_synced_before_it_has_a_name(void **state)
{
	struct fix *f = *state;
	struct ai_store *s;
	struct ai_ref ref;
	ok(ai_store_open(&f->home, &s, &err));
	recording = true;
	ok(work(s, 2, &ref, &err));
	recording = false;
	/* Few objects: each synced, then named, their folders, the folder of folders, then rows: the batch's and the pin's. */
	const char *want = "fsync fsync rename rename rename rename fsync-folder fsync-folder fsync-folder rows";
	const char *at = strstr(record, want);
	if (!at)
		fail_msg("order: got '%s', expected '%s'", record, want);
	assert_non_null(strstr(at, "sync-rows"));
	/* No content is written after the first sync. */
	assert_null(strstr(strstr(record, "fsync"), " write "));
	record[0] = '\0';
	recording = true;
	ai_store_close(s);
	ok(ai_remove_tree(AT_FDCWD, f->dir, &err));
	ok(ai_mkdirs(f->dir, 0700, &err));
	ok(ai_store_open(&f->home, &s, &err));
	record[0] = '\0';
	ok(work(s, 30, &ref, &err));
	recording = false;
	/* Many: one sync of all before the first name, one after the last. */
	const char *first = strstr(record, "syncfs"), *second = first ? strstr(first + 1, "syncfs") : NULL;
	assert_non_null(second);
	const char *named = strstr(record, "rename");
	assert_true(named > first && named < second);
	assert_null(strstr(second, "rename"));
	assert_true(strstr(record, "rows") > second);
	assert_null(strstr(first, " write "));
	ai_store_close(s);
}

/* Do the stores of try_with_fault keep their promises later? */
static bool deferring;

/* A store that defers names what it has not synced, and still no row comes before the last sync. */
static void
a_deferring_store_syncs_before_rows(void **state)
{
	struct fix *f = *state;
	for (int n = 2; n <= 30; n += 28) {
		struct ai_store *s;
		struct ai_ref ref;
		ok(ai_remove_tree(AT_FDCWD, f->home.cache, &err));
		ok(ai_store_open(&f->home, &s, &err));
		ai_store_defer(s);
		record[0] = '\0';
		recording = true;
		ok(work(s, n, &ref, &err));
		recording = false;
		const char *first = strstr(record, n == 2 ? "fsync" : "syncfs"), *rows = strstr(record, "rows");
		assert_true(first && rows && first < rows);
		assert_true(strstr(record, "rename") < first);
		assert_null(strstr(first, "rename"));
		if (n == 2 && !strstr(first, "fsync fsync fsync-folder fsync-folder fsync-folder rows"))
			fail_msg("order: got '%s'", record);
		ai_store_close(s);
	}
}

/* After any fault: was it told, does the store still hold together, does the same work then succeed? */
static void
try_with_fault(struct fix *f, fault kind, int nth, bool forever, int n)
{
	struct ai_store *s = NULL;
	struct ai_ref ref;
	struct ai_err e = { 0 };
	memset(&plan, 0, sizeof plan);
	ok(ai_store_open(&f->home, &s, &err));
	if (deferring)
		ai_store_defer(s);
	plan.kind = kind;
	plan.nth = nth;
	plan.forever = forever;
	plan.error = kind == F_FSYNC || kind == F_FDATASYNC || kind == F_SYNCFS ? EIO : ENOSPC;
	int r = work(s, n, &ref, &e);
	if (plan.fired && r == 0 && kind != F_PWRITE && kind != F_CREATE)
		fail_msg("%s %d: failed, and the work did not say so", fault_words[kind], nth);
	if (r < 0 && (r != AI_EENV || e.text[0] == '\0'))
		fail_msg("%s %d: got %d '%s', expected %d", fault_words[kind], nth, r, e.text, AI_EENV);
	bool said_done = r == 0;
	/* Once something acknowledged is lost, no row may name it. */
	ai_store_close(s);
	plan.kind = F_NONE;
	struct ai_store_count count;
	ok(ai_store_open(&f->home, &s, &err));
	ok(ai_store_check(s, &count, &err));
	struct ai_ref got;
	char how[16];
	e = (struct ai_err){ 0 };
	int there = ai_store_get_pin(s, "key", &got, how, &e);
	if (there < 0 || (said_done && there != 1))
		fail_msg("%s %d: pin: got %d '%s' after success %d", fault_words[kind], nth, there, e.text, said_done);
	ok(work(s, n, &ref, &err));
	assert_int_equal(ai_store_has(s, &ref, &e), 1);
	ai_store_close(s);
}

static void
fail_at_every_turn(struct fix *f, fault kind, bool forever, int n)
{
	for (int nth = 1; nth < 200; nth++) {
		ok(ai_remove_tree(AT_FDCWD, f->home.cache, &err));
		try_with_fault(f, kind, nth, forever, n);
		if (!plan.fired && nth == 1)
			fail_msg("%s never happens", fault_words[kind]);
		if (!plan.fired)
			break;
	}
}

/* Few objects are synced by fsync and many by syncfs, so both sizes are worked through. */
static void
every_call_of_the_disk_fails_once(void **state)
{
	struct fix *f = *state;
	for (int turn = 0; turn < 2; turn++) {
		deferring = turn == 1;
		for (fault kind = F_WRITE; kind < N_FAULTS; kind++) {
			for (int forever = 0; forever < 2 - turn; forever++)
				fail_at_every_turn(f, kind, forever, kind == F_SYNCFS ? 12 : 3);
			if (turn == 0 && (kind == F_WRITE || kind == F_RENAME))
				fail_at_every_turn(f, kind, false, 12);
		}
	}
	deferring = false;
}

static void
a_lost_batch_fails_all_that_follows(void **state)
{
	struct fix *f = *state;
	struct ai_store *s;
	struct ai_ref ref;
	struct ai_digest id;
	ok(ai_store_open(&f->home, &s, &err));
	plan.kind = F_SYNCFS;
	plan.nth = 1;
	plan.error = EIO;
	refused(AI_EENV, "cannot sync", work(s, 12, &ref, &err));
	plan.kind = F_NONE;
	refused(AI_EENV, "cannot sync", ai_store_put_bytes(s, "x", 1, &id, &err));
	refused(AI_EENV, "cannot sync", ai_store_put_pin(s, "k", &ref, "none", &err));
	ai_store_close(s);
}

/* A disk that is really full: a small tmpfs, in a mount namespace of a child's own. */
static int
on_a_full_disk(const struct fix *f)
{
	struct ai_store *s;
	struct ai_ref ref;
	struct ai_err err = { 0 };
	AI_FREE char *fill = ai_join(f->dir, "fill");
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", f->dir, "tmpfs", 0, "size=4m") < 0)
		return 77;
	if (ai_store_open(&f->home, &s, &err) < 0)
		return 1;
	int fd = open(fill, O_WRONLY | O_CREAT, 0600);
	static char zeros[4096];
	while (fd >= 0 && syscall(SYS_write, fd, zeros, sizeof zeros) > 0)
		;
	if (work(s, 12, &ref, &err) != AI_EENV || !strstr(err.text, "No space left") || !strstr(err.hint, "free some space"))
		return 2;
	ai_store_close(s);
	if (fd < 0 || ftruncate(fd, 0) < 0)
		return 3;
	memset(&err, 0, sizeof err);
	struct ai_store_count n;
	if (ai_store_open(&f->home, &s, &err) < 0 || ai_store_check(s, &n, &err) < 0 || n.objects != 0 || work(s, 12, &ref, &err) < 0 ||
	    ai_store_has(s, &ref, &err) != 1)
		return 4;
	ai_store_close(s);
	return 0;
}

static void
full_disk(void **state)
{
	struct fix *f = *state;
	int status;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(on_a_full_disk(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("no mount namespace of one's own here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(content_is_synced_before_it_has_a_name), T(a_deferring_store_syncs_before_rows), T(every_call_of_the_disk_fails_once), T(a_lost_batch_fails_all_that_follows), T(full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
