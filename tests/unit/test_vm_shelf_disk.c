/* test_vm_shelf_disk.c -- a job whose large content stays on its disk: packed, found, taken in; and every other disk that says it has a shelf.  SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "cache/objects.h"
#include "vm_inside_unit.h"

enum { LARGE = 200000, LARGER = 300000 };
static int shelf_fd;
static uint64_t shelved, in_memory;

/* --- a machine without a kernel: what verity and erofs would show is put in its place by hand ------------- */

static void
show(struct inside *in, const char *name, const void *p, size_t n, mode_t mode)
{
	AI_FREE char *folder = ai_format("%s/objects/%.2s", in->home.cache, name);
	AI_FREE char *path = ai_format("%s/%s", folder, name + 2);
	ok(ai_mkdirs(folder, 0755, &err));
	ok(ai_write_file(AT_FDCWD, path, p, n, 0600, &err));
	assert_int_equal(chmod(path, mode), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, ai_object_times, 0), 0);
}

/* The shelf's objects adopted, then the disk unpacked, as the agent does. */
static int
take_in(int fd, struct inside *in, struct ai_err *err)
{
	struct ai_disk *d = NULL;
	struct ai_shelf shelf;
	struct parts p = take_apart(fd, "job");
	enter(in);
	int r = ai_disk_open(fd, size_of(fd), "job", NULL, NULL, &d, err), there = 0;
	if (r == 0)
		r = there = ai_job_shelf(d, &shelf, err);
	for (size_t i = shelf.first; r >= 0 && there && i < shelf.first + shelf.n; i++) {
		show(in, p.list[i].name, p.list[i].bytes.data, p.list[i].bytes.len, 0444);
		r = ai_store_adopt(in->store, &ai_disk_object(d, i)->sha256, err);
	}
	if (r >= 0)
		r = ai_job_unpack(d, in->store, in->aside, there ? &shelf : NULL, NULL, &in->u, err);
	ai_disk_close(d);
	parts_free(&p);
	return r;
}

static int
try(const struct parts *p, struct ai_err *err)
{
	struct inside in;
	int fd = put_together(p, "job", SIZE_MAX);
	int r = take_in(fd, &in, err);
	inside_done(&in);
	close(fd);
	return r;
}

static size_t
at_of(struct parts *p, const char *type)
{
	return (size_t)(part_named(p, type, "") - p->list);
}

/* --- packed and taken in ------------------------------------------------------------------------------ */

static void
test_round_trip(void **state)
{
	(void)state;
	struct inside in;
	struct parts p = take_apart(shelf_fd, "job");
	size_t at = at_of(&p, "shelf");
	/* Behind everything else, and nothing behind it. */
	assert_int_equal(at + 4, p.n);
	assert_string_equal(p.list[at + 3].type, "verity");
	assert_true(strcmp(p.list[at + 1].name, p.list[at + 2].name) < 0);
	assert_int_equal(p.list[at + 1].bytes.len + p.list[at + 2].bytes.len, LARGE + LARGER);
	assert_int_equal(shelved, LARGE + LARGER);
	assert_int_equal(in_memory, good_bytes - shelved);
	ok(take_in(shelf_fd, &in, &err));
	assert_true(ai_digest_eq(&in.u.plan_id, &project.job.plan_id));
	for (size_t i = 0; i < in.u.n_sources; i++) {
		struct ai_ref ref;
		ok(ai_ref_get(ai_json_obj(in.u.sources[i].node, "content"), &ref, &err));
		assert_int_equal(ai_store_has(in.store, &ref, &(struct ai_err){ 0 }), 1);
	}
	inside_done(&in);
	parts_free(&p);
}

/* Only what must stay there does, the largest first; the same job with the same room is the same disk. */
static void
test_room(void **state)
{
	(void)state;
	struct ai_digest a, b;
	struct ai_job_pack in = pack_of(&project);
	uint64_t on = 7, bytes;
	int fd = scratch_file();
	in.shelved = &on;
	in.room = good_bytes;
	ok(ai_job_pack(&in, fd, 64u << 20, &a, &bytes, &err));
	assert_int_equal(on, 0);
	assert_int_equal(bytes, good_bytes);
	in.room = good_bytes - 1;
	ok(ai_job_pack(&in, fd, 64u << 20, &a, &bytes, &err));
	ok(ai_job_pack(&in, fd, 64u << 20, &b, NULL, &err));
	assert_int_equal(on, LARGER);
	assert_int_equal(bytes, good_bytes - LARGER);
	assert_true(ai_digest_eq(&a, &b));
	refused(AI_EENV, "is full", ai_job_pack(&in, fd, LARGER + LARGE, &a, NULL, &err));
	close(fd);
}

/* A machine that has no shelf, and one that the disk says nothing of. */
static void
test_both_must_say_so(void **state)
{
	(void)state;
	struct inside in;
	refused(AI_EINPUT, "a shelf: it has one, expected none", unpack(shelf_fd, &in, &err));
	inside_done(&in);
	struct parts p = take_apart(shelf_fd, "job");
	json_object_del(p.about, "shelf");
	refused(AI_EINPUT, "a job has no such object", try(&p, &err));
	json_object_set_new(p.about, "shelf", json_string("no hash"));
	refused(AI_EINPUT, "nothing else", try(&p, &err));
	parts_free(&p);
	p = take_apart(good_fd, "job");
	json_object_set_new(p.about, "shelf", json_string("0000000000000000000000000000000000000000000000000000000000000000"));
	refused(AI_EINPUT, "expected an object 'shelf'", try(&p, &err));
	parts_free(&p);
}

/* --- a disk that lies ----------------------------------------------------------------------------------- */

static void
swap(struct part *a, struct part *b)
{
	struct part c = *a;
	*a = *b;
	*b = c;
}

static void
test_another_file_system(void **state)
{
	(void)state;
	struct parts p = take_apart(shelf_fd, "job");
	size_t at = at_of(&p, "shelf");
	struct part *image = &p.list[at];
	/* Each byte of it is as it must be: a mode, a size, a block that is another file's. */
	for (size_t i = 0; i < image->bytes.len; i += 997) {
		image->bytes.data[i] ^= 1;
		refused(AI_EINPUT, "its file system is not the one", try(&p, &err));
		image->bytes.data[i] ^= 1;
	}
	ai_buf_put(&image->bytes, image->bytes.data, 4096);
	refused(AI_EINPUT, "its file system is not the one", try(&p, &err));
	image->bytes.len -= 4096;
	ok(try(&p, &err));
	parts_free(&p);
}

static void
test_another_order(void **state)
{
	(void)state;
	struct parts p = take_apart(shelf_fd, "job");
	size_t at = at_of(&p, "shelf");
	swap(&p.list[at + 1], &p.list[at + 2]);
	refused(AI_EINPUT, "not in ascending order", try(&p, &err));
	swap(&p.list[at + 1], &p.list[at + 2]);
	/* The tree before its blobs, in front of the file system, and a node among them. */
	swap(&p.list[at + 2], &p.list[at + 3]);
	refused(AI_EINPUT, "shelf: ", try(&p, &err));
	swap(&p.list[at + 2], &p.list[at + 3]);
	swap(&p.list[at], &p.list[at + 3]);
	refused(AI_EINPUT, "nothing stands on it", try(&p, &err));
	swap(&p.list[at], &p.list[at + 3]);
	swap(&p.list[0], &p.list[at + 1]);
	refused(AI_EINPUT, "expected a blob", try(&p, &err));
	swap(&p.list[0], &p.list[at + 1]);
	ok(try(&p, &err));
	parts_free(&p);
}

static void
test_another_tree(void **state)
{
	(void)state;
	struct parts p = take_apart(shelf_fd, "job");
	struct part *tree = part_named(&p, "verity", "");
	tree->bytes.len -= 4096;
	refused(AI_EINPUT, "hashes of", try(&p, &err));
	tree->bytes.len = 0;
	refused(AI_EINPUT, "hashes of 0 bytes", try(&p, &err));
	parts_free(&p);
}

/* One blob more on the shelf, with the file system that this gives and as many hashes. */
static void
put_on_shelf(struct parts *p, const void *bytes, size_t n)
{
	static const char zeros[AI_DISK_BLOCK];
	struct ai_shelf_file files[8];
	size_t at = at_of(p, "shelf"), blocks = 0, k = 0;
	part_add(p, "blob", NULL, bytes, n);
	for (size_t i = p->n - 1; i > at + 1 && (strcmp(p->list[i - 1].type, "verity") == 0 || strcmp(p->list[i - 1].name, p->list[i].name) > 0); i--)
		swap(&p->list[i - 1], &p->list[i]);
	for (size_t i = at + 1; i < p->n - 1; i++, k++) {
		files[k].size = p->list[i].bytes.len;
		assert_true(ai_unhex(p->list[i].name, &files[k].id));
		blocks += (p->list[i].bytes.len + AI_DISK_BLOCK - 1) / AI_DISK_BLOCK;
	}
	ai_buf_clear(&p->list[at].bytes);
	ok(ai_shelf_image(files, k, &p->list[at].bytes, &err));
	blocks += p->list[at].bytes.len / AI_DISK_BLOCK;
	struct ai_buf *tree = &p->list[p->n - 1].bytes;
	while (tree->len < ai_verity_size(blocks))
		ai_buf_put(tree, zeros, sizeof zeros);
	tree->len = ai_verity_size(blocks);
}

/* Whatever stands on it must be some input's, and once. */
static void
test_what_nobody_needs(void **state)
{
	(void)state;
	struct parts p = take_apart(shelf_fd, "job");
	struct part *blob = &p.list[at_of(&p, "shelf") + 1];
	struct inside in;
	part_add(&p, "blob", NULL, blob->bytes.data, blob->bytes.len);
	int fd = put_together(&p, "job", SIZE_MAX);
	refused(AI_EINPUT, "is listed twice", unpack(fd, &in, &err));
	inside_done(&in);
	close(fd);
	parts_free(&p);
	p = take_apart(shelf_fd, "job");
	put_on_shelf(&p, "of nobody", 9);
	refused(AI_EINPUT, "nothing in the plan needs it", try(&p, &err));
	parts_free(&p);
}

/* Content under another's name is refused before anything is done with a shelf. */
static void
test_other_blobs(void **state)
{
	(void)state;
	struct parts p = take_apart(shelf_fd, "job");
	struct part *blob = &p.list[at_of(&p, "shelf") + 1];
	struct inside in;
	blob->bytes.data[0] ^= 1;
	int fd = put_together(&p, "job", SIZE_MAX);
	refused(AI_EINPUT, "its content hashes to", unpack(fd, &in, &err));
	inside_done(&in);
	close(fd);
	parts_free(&p);
}

/* --- what a store takes for its own ---------------------------------------------------------------------- */

static void
test_adopt(void **state)
{
	(void)state;
	struct inside in;
	struct ai_digest id;
	char hex[AI_HEX];
	enter(&in);
	ai_sha256("content", 7, &id);
	ai_hex(&id, hex);
	refused(AI_EINPUT, "cache: objects/", ai_store_adopt(in.store, &id, &err));
	show(&in, hex, "content", 7, 0644);
	refused(AI_EINPUT, "is no object's file", ai_store_adopt(in.store, &id, &err));
	show(&in, hex, "contend", 7, 0444);
	refused(AI_EINPUT, "content hashes to", ai_store_adopt(in.store, &id, &err));
	assert_int_equal(ai_store_has(in.store, &(struct ai_ref){ AI_REF_BLOB, id }, &(struct ai_err){ 0 }), 0);
	show(&in, hex, "content", 7, 0444);
	ok(ai_store_adopt(in.store, &id, &err));
	ok(ai_store_adopt(in.store, &id, &err));
	assert_int_equal(ai_store_has(in.store, &(struct ai_ref){ AI_REF_BLOB, id }, &(struct ai_err){ 0 }), 1);
	AI_FREE char *path = ai_store_object_path(in.store, &id);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	refused(AI_EINPUT, "cache: objects/", ai_store_adopt(in.store, &id, &err));
	inside_done(&in);
}

static int
setup(void **state)
{
	struct ai_digest header;
	(void)state;
	make_project(&project);
	run_shell(project.dir, "yes large | head -c 200000 > data/large; yes larger | head -c 300000 > data/deep/larger; cp data/large data/again");
	plan_project(&project, project.aside);
	struct ai_job_pack in = pack_of(&project);
	good_fd = scratch_file();
	ok(ai_job_pack(&in, good_fd, 64u << 20, &header, &good_bytes, &err));
	in.room = 1;
	in.shelved = &shelved;
	shelf_fd = scratch_file();
	ok(ai_job_pack(&in, shelf_fd, 64u << 20, &header, &in_memory, &err));
	return 0;
}

static int
teardown(void **state)
{
	close(shelf_fd);
	return inside_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_room), cmocka_unit_test(test_both_must_say_so), cmocka_unit_test(test_another_file_system),
		cmocka_unit_test(test_another_order), cmocka_unit_test(test_another_tree), cmocka_unit_test(test_other_blobs), cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_what_nobody_needs),
	};
	return cmocka_run_group_tests_name("vm shelf disk", tests, setup, teardown);
}
