/*
 * test_vm_layers_apart.c -- layers merged in a confined child: the same trees as without one, and what a child that was taken over comes to.
 *
 * libarchive's entry point is ours here, and can be what an image's bytes make of it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include <archive.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/hashsink.h"
#include "run/plan/confined.h"
#include "vm/disk/layers_apart.h"

static char *place;

/* --- a libarchive that was taken over ------------------------------------------------------ */

static bool watched, in_child;
static int in_parent;
static int canary = -1;
static void (*attack)(void);
static atomic_flag begun = ATOMIC_FLAG_INIT; /* in the child, where it is set, alone */

static void becomes_child(void) { in_child = true; }

struct archive *
archive_read_new(void)
{
	struct archive *(*real)(void) = (struct archive * (*)(void))dlsym(RTLD_NEXT, "archive_read_new");
	if (watched && !in_child)
		in_parent++;
	/* A packed layer is unpacked by a thread of its own: one of the two is taken over. */
	else if (watched && attack && !atomic_flag_test_and_set(&begun))
		attack();
	return real();
}

#ifndef __SANITIZE_ADDRESS__ /* whose confinement is no wall (confined.h) */
static void attack_write_file(void) { (void)!pwrite(AI_CONFINED_FIRST, "evil", 4, 0); }
static void attack_ioctl(void) { (void)!ioctl(AI_CONFINED_FIRST, 0); }
static void attack_kill(void) { (void)!syscall(SYS_kill, 1, 0); }
static void attack_fork(void) { (void)!fork(); }
static void attack_vfork_like(void) { (void)!syscall(SYS_clone, SIGCHLD | 0x4100 /* CLONE_VM | CLONE_VFORK */, 0, 0, 0, 0); }
static void attack_open(void) { if (open(place, O_RDONLY) < 0) _exit(0); }
#endif
static void attack_write(void) { if (write(AI_CONFINED_FIRST, "evil", 4) >= 0 || write(canary, "evil", 4) >= 0) _exit(0); }
static void attack_socket(void) { (void)!socket(AF_UNIX, SOCK_STREAM, 0); }
static void attack_ptrace(void) { (void)!syscall(SYS_ptrace, 0, 0, 0, 0); }
static void attack_exec_memory(void) { (void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void attack_end(void) { _exit(0); }

/* Sayings as the reader of an image has them: what, length, bytes. */
static void
saying(struct ai_buf *b, char what, const void *p, size_t n)
{
	uint32_t len = (uint32_t)n;
	ai_buf_putc(b, what);
	ai_buf_put(b, &len, sizeof len);
	ai_buf_put(b, p, n);
}

static void
say_all(struct ai_buf *b)
{
	const uint32_t end[2] = { 1, 0 };
	struct ai_err err = { 0 };
	(void)!ai_confined_say(b->data, b->len, &err);
	(void)!write(3, end, sizeof end);
	_exit(0);
}

static struct ai_digest
sha(const char *text)
{
	struct ai_digest d;
	ai_sha256(text, strlen(text), &d);
	return d;
}

#define LIE static struct ai_buf b; b = (struct ai_buf){ .max = 1 << 20 }
#define EMPTY "{\"entries\":[],\"kind\":\"tree\"}"

static void lie_nothing(void) { LIE; say_all(&b); }
static void lie_hash(void) { LIE; struct ai_digest d = sha("other"); saying(&b, 'B', "", 0); saying(&b, 'W', "x", 1); saying(&b, 'C', d.b, 32); say_all(&b); }
static void lie_short_hash(void) { LIE; saying(&b, 'B', "", 0); saying(&b, 'C', "x", 1); say_all(&b); }
static void lie_turn(void) { LIE; saying(&b, 'W', "x", 1); say_all(&b); }
static void lie_twice(void) { LIE; saying(&b, 'B', "", 0); saying(&b, 'B', "", 0); say_all(&b); }
static void lie_open(void) { LIE; struct ai_digest d = sha(EMPTY); saying(&b, 'T', EMPTY, strlen(EMPTY)); saying(&b, 'B', "", 0); saying(&b, 'R', d.b, 32); say_all(&b); }
static void lie_word(void) { LIE; saying(&b, 'X', "x", 1); say_all(&b); }
static void lie_nul(void) { LIE; saying(&b, '\0', "x", 1); say_all(&b); }
static void lie_half(void) { LIE; ai_buf_puts(&b, "B"); say_all(&b); }
static void lie_long(void) { LIE; ai_buf_put(&b, "W\xff\xff\xff\xff", 5); say_all(&b); }
static void lie_tree(void) { LIE; saying(&b, 'T', "{}", 2); say_all(&b); }
static void lie_loose(void) { LIE; saying(&b, 'T', "{\"entries\":[], \"kind\":\"tree\"}", 29); say_all(&b); }
static void lie_root(void) { LIE; struct ai_digest d = sha("a tree of another source"); saying(&b, 'T', EMPTY, strlen(EMPTY)); saying(&b, 'R', d.b, 32); say_all(&b); }
static void lie_no_tree(void) { LIE; struct ai_digest d = { { 0 } }; saying(&b, 'R', d.b, 32); say_all(&b); }
static void lie_after(void) { LIE; struct ai_digest d = sha(EMPTY); saying(&b, 'T', EMPTY, strlen(EMPTY)); saying(&b, 'R', d.b, 32); saying(&b, 'N', "x", 1); say_all(&b); }

/* A tree of content that is in the store for another source, but was not given. */
static void
lie_borrowed(void)
{
	static const char tree[] = "{\"entries\":[{\"id\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"name\":\"a\",\"type\":\"file\"}],\"kind\":\"tree\"}";
	LIE;
	saying(&b, 'T', tree, strlen(tree));
	say_all(&b);
}

/* Of a type that the id is not of: a blob whose bytes are a tree. */
static void
lie_kind(void)
{
	LIE;
	struct ai_digest d = sha(EMPTY);
	char hex[AI_HEX], tree[200];
	ai_hex(&d, hex);
	snprintf(tree, sizeof tree, "{\"entries\":[{\"id\":\"%s\",\"name\":\"a\",\"type\":\"dir\"}],\"kind\":\"tree\"}", hex);
	saying(&b, 'B', "", 0);
	saying(&b, 'W', EMPTY, strlen(EMPTY));
	saying(&b, 'C', d.b, 32);
	saying(&b, 'T', tree, strlen(tree));
	say_all(&b);
}

/* A part larger than there can be. */
static void
lie_part(void)
{
	const uint32_t head[2] = { 4, AI_CONFINED_PART + 1 };
	(void)!write(3, head, sizeof head);
	_exit(0);
}

/* --- layers ------------------------------------------------------------------------------- */

static struct ai_layer_file
layer_of(const char *name, ai_oci_packing packing, const char *plain)
{
	struct ai_layer_file f = { .packing = packing };
	AI_FREE char *path = ai_join(place, name), *bare = ai_join(place, plain);
	AI_FD fd = open(bare, O_RDONLY | O_CLOEXEC);
	ok(ai_sha256_fd(fd, &f.diff_id, NULL, &err));
	f.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(f.fd >= 0);
	return f;
}

static void
shell(const char *script)
{
	AI_FREE char *line = ai_format("cd '%s' && (set -e; %s) >/dev/null", place, script);
	assert_int_equal(system(line), 0);
}

enum { LAYERS = 4 };
static struct ai_layer_file layers[LAYERS];

static void
without_child(struct ai_digest *out)
{
	struct ai_hashsink *hash = NULL;
	ok(ai_hashsink_new(&hash, &err));
	struct ai_layers *l = ai_layers_new(ai_hashsink_sink(hash), NULL);
	for (size_t i = 0; i < LAYERS; i++)
		ok(ai_layers_apply(l, layers[i].fd, layers[i].packing, &layers[i].diff_id, &err));
	ok(ai_layers_tree(l, "/srv/work", out, &err));
	ai_layers_free(l);
	ai_hashsink_free(hash);
}

static int
with_child(const struct ai_layer_file *files, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct ai_hashsink *hash = NULL;
	if (ai_hashsink_new(&hash, err) < 0)
		return err->code;
	watched = true;
	in_parent = 0;
	int r = ai_layers_apart(files, n, "/srv/work", ai_hashsink_sink(hash), NULL, out, err);
	watched = false;
	ai_hashsink_free(hash);
	return r;
}

/* Plain, gzip and zstd; a large file, a sparse one, many, names that only pax can say, whiteouts, links, a device. */
static void
test_the_same_tree(void **state)
{
	(void)state;
	struct ai_digest here, apart;
	/* The child first: no table of character sets has been opened for it. */
	ok(with_child(layers, LAYERS, &apart, &err));
	assert_int_equal(in_parent, 0);
	without_child(&here);
	assert_true(ai_digest_eq(&here, &apart));
	for (size_t i = 0; i < LAYERS; i++)
		assert_true(fcntl(layers[i].fd, F_GETFD) >= 0);
}

static void
test_the_watch_can_fail(void **state)
{
	(void)state;
	struct ai_digest d;
	watched = true;
	in_parent = 0;
	without_child(&d);
	watched = false;
	assert_true(in_parent > 0);
}

/* Errors come back as without a child. */
static void
test_bad_layers(void **state)
{
	(void)state;
	struct ai_digest d, untouched;
	memset(&d, 7, sizeof d);
	untouched = d;
	struct ai_layer_file bad[LAYERS];
	memcpy(bad, layers, sizeof bad);
	bad[2].diff_id.b[0] ^= 1;
	refused(AI_EINPUT, "layer 3 of 4: unpacks to sha256:", with_child(bad, LAYERS, &d, &err));
	bad[1].packing = AI_OCI_GZIP;
	refused(AI_EINPUT, "layer 2 of 4: gzip stream", with_child(bad, LAYERS, &d, &err));
	bad[0].fd = -1;
	refused(AI_EINPUT, "died", with_child(bad, LAYERS, &d, &err));
	assert_memory_equal(&d, &untouched, sizeof d);
}

struct attempt { const char *what; void (*attack)(void); const char *words; };

static void
each(const struct attempt *a, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ai_digest d;
		print_message("%s\n", a[i].what);
		attack = a[i].attack;
		refused(AI_EINPUT, a[i].words, with_child(layers, LAYERS, &d, &err));
		attack = NULL;
		assert_int_equal(in_parent, 0);
	}
}

#define KILLED "asked the kernel for something that its work does not need"

static void
test_taken_over(void **state)
{
	(void)state;
	static const struct attempt takeovers[] = {
#ifndef __SANITIZE_ADDRESS__
		{ "writes to a layer by offset", attack_write_file, KILLED }, { "a device's command", attack_ioctl, KILLED },
		{ "signals init", attack_kill, KILLED }, { "starts a process", attack_fork, KILLED }, { "starts one otherwise", attack_vfork_like, KILLED },
		{ "opens a file for reading", attack_open, "died before it answered" },
#endif
		{ "makes a socket", attack_socket, KILLED }, { "traces", attack_ptrace, KILLED }, { "makes code", attack_exec_memory, KILLED },
		{ "goes without a word", attack_end, "died before it answered" },
	};
	static const struct attempt lies[] = {
		{ "says nothing", lie_nothing, "nothing more" }, { "another hash", lie_hash, "a file of another hash" }, { "half a hash", lie_short_hash, "a file of another hash" },
		{ "bytes of no file", lie_turn, "out of turn" }, { "a file in a file", lie_twice, "out of turn" }, { "ends within a file", lie_open, "out of turn" },
		{ "another word", lie_word, "a word that there is not" }, { "no word", lie_nul, "" }, { "half a word", lie_half, "half a word" },
		{ "four gigabytes", lie_long, "more than it says" }, { "a tree that is none", lie_tree, "what the image's reader gave" },
		{ "a tree not in canonical form", lie_loose, "what the image's reader gave" }, { "a tree of another source", lie_root, "another tree than its last" },
		{ "no tree", lie_no_tree, "another tree than its last" }, { "something after its end", lie_after, "something after its end" },
		{ "what is somebody else's", lie_borrowed, "a tree of what it did not give" }, { "a file for a folder", lie_kind, "a tree of what it did not give" },
		{ "a part of all the world", lie_part, "the image's reader" },
	};
	each(takeovers, sizeof takeovers / sizeof *takeovers);
	each(lies, sizeof lies / sizeof *lies);
}

/* Its files can be read, and nothing that was open in the parent written. */
static void
test_no_descriptor(void **state)
{
	(void)state;
	struct ai_digest here, apart;
	struct stat st;
	AI_FREE char *path = ai_join(place, "canary");
	AI_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	/* No number that means something in the child. */
	canary = fcntl(fd, F_DUPFD_CLOEXEC, 200);
	assert_true(canary >= 200);
	attack = attack_write;
	without_child(&here);
	ok(with_child(layers, LAYERS, &apart, &err));
	attack = NULL;
	assert_true(ai_digest_eq(&here, &apart));
	assert_int_equal(fstat(canary, &st), 0);
	assert_int_equal(st.st_size, 0);
	close(canary);
}

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(pthread_atfork(NULL, NULL, becomes_child), 0);
	ok(ai_mkdtemp("/tmp/aicert-layers", &place, &err));
	shell("mkdir -p a/etc a/many && echo one > a/etc/one && head -c 3000000 /dev/urandom > a/large && truncate -s 2M a/sparse && printf x >> a/sparse && "
		"i=0; while [ $i -lt 3000 ]; do echo $i > a/many/$i; i=$((i+1)); done; ln -s one a/etc/l; ln a/etc/one a/etc/h; : > a/none; chmod +x a/etc/one; "
		"tar -C a --format=posix -S -cf 1.tar .; gzip -nc 1.tar > 1.gz");
	shell("mkdir -p b/etc b/many && : > b/etc/.wh.l && echo z > b/many/zwei && mkdir -p 'b/\303\251\314\201' && "
		"echo n > \"b/\303\251\314\201/$(printf 'n%.0s' $(seq 200))\" && : > b/many/.wh..wh..opq; mknod b/null c 1 3 || :; tar -C b --format=posix -cf 2.tar .; zstd -q 2.tar -o 2.zst");
	shell("mkdir c && echo c > c/c && tar -C c -cf 3.tar . && mkdir d && tar -C d --format=gnu -cf 4.tar . && gzip -nc 4.tar > 4.gz");
	layers[0] = layer_of("1.gz", AI_OCI_GZIP, "1.tar");
	layers[1] = layer_of("2.zst", AI_OCI_ZSTD, "2.tar");
	layers[2] = layer_of("3.tar", AI_OCI_PLAIN, "3.tar");
	layers[3] = layer_of("4.gz", AI_OCI_GZIP, "4.tar");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < LAYERS; i++)
		close(layers[i].fd);
	ai_discard_tree(place);
	free(place);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_tree), cmocka_unit_test(test_the_watch_can_fail), cmocka_unit_test(test_bad_layers), cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_no_descriptor),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
