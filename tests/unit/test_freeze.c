/* What a frozen environment is made of: the image that is written, and which paths of the machine may go into it.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/image_write.h"
#include "fetch/oci_parts.h"
#include "run/freeze_take.h"

/* A tmpfs over /opt in a mount namespace of our own stands for the machine: what lies in /tmp is in no image. */
static bool have_machine;
static char *tmp;

static bool
say_to(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool said = fd >= 0 && write(fd, text, strlen(text)) > 0;
	close(fd);
	return said;
}

static void
be_alone(void)
{
	char users[64], groups[64];
	bool root = geteuid() == 0;
	snprintf(users, sizeof users, "%u %u 1\n", geteuid(), geteuid());
	snprintf(groups, sizeof groups, "%u %u 1\n", getegid(), getegid());
	if (unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)) < 0)
		return;
	if (!root && !(say_to("/proc/self/uid_map", users) && say_to("/proc/self/setgroups", "deny") && say_to("/proc/self/gid_map", groups)))
		return;
	have_machine = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("tmpfs", "/opt", "tmpfs", 0, "mode=0755") == 0;
}

static void
put_file(const char *path, const char *text, mode_t mode)
{
	char *above = ai_strndup(path, (size_t)(strrchr(path, '/') - path));
	ok(ai_mkdirs(above, 0755, &err));
	ok(ai_write_file(AT_FDCWD, path, text, strlen(text), mode, &err));
	free(above);
}

/* --- the image ------------------------------------------------------------------ */

static char *
in_tmp(const char *name)
{
	char *path = ai_join(tmp, name);
	assert_non_null(path);
	return path;
}

static int
open_text(const char *text)
{
	char *path = in_tmp("content");
	put_file(path, text, 0600);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	free(path);
	return fd;
}

/* One image of a few things; the text of its one file decides its digest. */
static int
write_small(const char *dir, bool replace, const char *text, struct ai_image_written *out, struct ai_err *e)
{
	struct ai_image_writer *w;
	struct ai_digest id, want;
	int fd = open_text(text);
	int r = ai_image_write_begin(dir, replace, &w, e);
	if (r == 0) {
		ok(ai_image_write_folder(w, "usr", &err));
		ok(ai_image_write_file(w, "usr/a", true, fd, &id, &err));
		ai_sha256(text, strlen(text), &want);
		assert_true(ai_digest_eq(&id, &want));
		ok(ai_image_write_link(w, "usr/b", "a", &err));
		r = ai_image_write_finish(w, "linux/amd64", out, e);
	}
	close(fd);
	return r;
}

static size_t
beside(const char *prefix)
{
	AI_BUF_AUTO names = AI_BUF(AI_MAX_TEXT);
	size_t n = 0;
	ok(ai_look_into(tmp, &names, &err));
	for (const char *s = names.data; s && s < names.data + names.len; s += strlen(s) + 1)
		n += strncmp(s, prefix, strlen(prefix)) == 0;
	return n;
}

static void
test_same_things_same_image(void **state)
{
	(void)state;
	char *one = in_tmp("one"), *two = in_tmp("deep/er/two");
	struct ai_image_written a, b, c;
	ok(write_small(one, false, "text\n", &a, &err));
	ok(write_small(two, false, "text\n", &b, &err));
	assert_true(ai_digest_eq(&a.manifest, &b.manifest) && ai_digest_eq(&a.layer, &b.layer));
	/* Folder, file and its block, link, end. */
	assert_int_equal(a.bytes, 512 * (1 + 2 + 1 + 2));
	/* There already and the same: nothing to ask. Another one: only when told. */
	ok(write_small(one, false, "text\n", &c, &err));
	refused(AI_EUSAGE, "holds another image", write_small(one, false, "other\n", &c, &err));
	ok(write_small(one, true, "other\n", &c, &err));
	assert_false(ai_digest_eq(&a.manifest, &c.manifest));
	assert_int_equal(beside("one"), 1);
	free(one);
	free(two);
}

static void
test_what_is_not_ours_stays(void **state)
{
	(void)state;
	char *dir = in_tmp("mine"), *file = in_tmp("mine/thesis.txt"), *plain = in_tmp("plain"), *empty = in_tmp("empty");
	struct ai_image_written out;
	put_file(file, "years of work", 0644);
	put_file(plain, "a file", 0644);
	ok(ai_mkdirs(empty, 0755, &err));
	refused(AI_EUSAGE, "is no image layout", write_small(dir, true, "x", &out, &err));
	refused(AI_EUSAGE, "is no image layout", write_small(plain, true, "x", &out, &err));
	assert_true(ai_exists(file) && ai_exists(plain));
	assert_int_equal(beside("mine"), 1);
	ok(write_small(empty, false, "x", &out, &err));
	free(dir);
	free(file);
	free(plain);
	free(empty);
}

static void
test_a_writer_that_fails_leaves_nothing(void **state)
{
	(void)state;
	char *dir = in_tmp("failed");
	struct ai_image_writer *w;
	struct ai_digest id;
	int fd = open_text("some");
	ok(ai_image_write_begin(dir, false, &w, &err));
	ok(ai_image_write_folder(w, "b", &err));
	refused(AI_EUSAGE, "internal", ai_image_write_folder(w, "a", &err));
	refused(AI_EUSAGE, "internal", ai_image_write_folder(w, "b", &err));
	refused(AI_EINPUT, "without '..'", ai_image_write_folder(w, "c/../d", &err));
	refused(AI_EINPUT, "not a plain file", ai_image_write_file(w, "c", false, open("/", O_RDONLY | O_CLOEXEC), &id, &err));
	/* Read from behind its start it is shorter than it says. */
	assert_true(lseek(fd, 2, SEEK_SET) == 2);
	refused(AI_EINPUT, "'/d': changed while it was read", ai_image_write_file(w, "d", false, fd, &id, &err));
	ai_image_write_abort(w);
	close(fd);
	assert_int_equal(beside("failed"), 0);
	ok(ai_image_write_begin(dir, false, &w, &err));
	ai_interrupted = 1;
	refused(AI_EINTR, "interrupted", ai_image_write_folder(w, "a", &err));
	ai_interrupted = 0;
	ai_image_write_abort(w);
	assert_int_equal(beside("failed"), 0);
	free(dir);
}

/* --- as the fetcher reads it --------------------------------------------------------- */

struct seen { struct ai_buf text; };

static int
seen_begin(void *ctx, void **obj, struct ai_err *err)
{
	(void)err;
	*obj = ctx;
	return 0;
}

static int
seen_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	(void)err;
	ai_buf_put(&((struct seen *)obj)->text, p, n);
	return 0;
}

static int
seen_commit(void *obj, struct ai_digest *out, uint64_t *size, struct ai_err *err)
{
	(void)err;
	(void)size;
	ai_buf_putc(&((struct seen *)obj)->text, '|');
	memset(out, 1, sizeof *out);
	return 0;
}

static void
seen_abort(void *obj)
{
	(void)obj;
}

static int
seen_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct seen *s = ctx;
	(void)err;
	for (size_t i = 0; i < n; i++)
		ai_buf_printf(&s->text, "%s%s %s%s%s", i ? ", " : "", ai_entry_word(entries[i].type), entries[i].name, entries[i].target ? " -> " : "",
			entries[i].target ? entries[i].target : "");
	ai_buf_putc(&s->text, ';');
	memset(out, 2, sizeof *out);
	return 0;
}

static void
test_names_of_any_length_and_letters(void **state)
{
	(void)state;
	char *dir = in_tmp("long"), hex[AI_HEX], name[256], target[300];
	memset(name, 'n', 255);
	name[255] = '\0';
	memset(target, 't', 299);
	target[299] = '\0';
	struct ai_image_writer *w;
	struct ai_image_written done;
	struct seen seen = { .text = AI_BUF(AI_MAX_TEXT) };
	const struct ai_sink sink = { .ctx = &seen, .begin = seen_begin, .write = seen_write, .commit = seen_commit, .abort = seen_abort, .tree = seen_tree };
	ok(ai_image_write_begin(dir, false, &w, &err));
	ok(ai_image_write_link(w, "l", target, &err));
	ok(ai_image_write_folder(w, name, &err));
	ok(ai_image_write_text(w, "o", "just text", &err));
	ok(ai_image_write_link(w, "\xc3\xa9t\xc3\xa9", "hiver \xe2\x9d\x84", &err));
	ok(ai_image_write_finish(w, "linux/amd64", &done, &err));
	ai_hex(&done.layer, hex);
	char *path = ai_format("%s/blobs/sha256/%s", dir, hex);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct ai_layers *l = ai_layers_new(&sink, NULL);
	struct ai_digest tree;
	ok(ai_layers_apply(l, fd, AI_OCI_PLAIN, &done.layer, &err));
	ok(ai_layers_tree(l, NULL, &tree, &err));
	ai_layers_free(l);
	close(fd);
	char *want = ai_format("just text|;link l -> %s, dir %s, file o, link \xc3\xa9t\xc3\xa9 -> hiver \xe2\x9d\x84;", target, name);
	assert_string_equal(seen.text.data, want);
	ai_buf_done(&seen.text);
	free(want);
	free(path);
	free(dir);
}

/* --- what is taken -------------------------------------------------------------------- */

static char *
taken(struct ai_taking *t)
{
	struct ai_taken **all = NULL;
	size_t n = 0;
	struct ai_buf text = AI_BUF(AI_MAX_TEXT);
	ok(ai_taking_list(t, &all, &n, &err));
	for (size_t i = 0; i < n; i++)
		ai_buf_printf(&text, "%s%s %s%s%s", i ? ", " : "", ai_look_word(all[i]->look), all[i]->path, all[i]->target ? " -> " : "",
			all[i]->target ? all[i]->target : "");
	free(all);
	return ai_buf_take(&text);
}

/* named are taken; of what there is then, want is the list, and left what was left out. */
static void
takes(const char *want, const char *left, const char *const *named, size_t n)
{
	struct ai_taking t;
	struct ai_buf out = AI_BUF(AI_MAX_TEXT);
	ok(ai_taking_begin(&t, named, n, "/opt/homes/me", "/opt/cache", "/opt/data", &err));
	for (size_t i = 0; i < n; i++)
		ok(ai_taking_path(&t, named[i], &err));
	char *list = taken(&t);
	for (size_t i = 0; i < json_array_size(t.left_out); i++)
		ai_buf_printf(&out, "%s%s", i ? ", " : "", json_string_value(json_array_get(t.left_out, i)));
	assert_string_equal(list, want);
	assert_string_equal(out.data ? out.data : "", left);
	free(list);
	ai_buf_done(&out);
	ai_taking_done(&t);
}

#define TAKES(want, left, ...) do { const char *const named[] = { __VA_ARGS__ }; takes(want, left, named, sizeof named / sizeof *named); } while (0)

static void
test_folders_are_taken_whole_and_links_followed(void **state)
{
	(void)state;
	if (!have_machine)
		skip();
	put_file("/opt/lib/v1/libx.so", "code", 0644);
	put_file("/opt/lib/v1/deep/tool", "code", 0755);
	put_file("/opt/other/y", "y", 0644);
	put_file("/opt/other/z", "z", 0644);
	assert_int_equal(symlink("v1", "/opt/lib/now"), 0);
	assert_int_equal(symlink("/opt/other/y", "/opt/lib/v1/y"), 0);
	assert_int_equal(symlink("../lib", "/opt/lib/loop"), 0);
	assert_int_equal(symlink("self", "/opt/lib/self"), 0);
	assert_int_equal(symlink("/nowhere/at/all", "/opt/lib/gone"), 0);
	TAKES("dir /opt, dir /opt/lib, link /opt/lib/now -> v1, dir /opt/lib/v1, file /opt/lib/v1/libx.so", "", "/opt/lib/now/libx.so");
	TAKES("dir /opt, dir /opt/lib, link /opt/lib/now -> v1, dir /opt/lib/v1, dir /opt/lib/v1/deep, exec /opt/lib/v1/deep/tool, file /opt/lib/v1/libx.so, "
		"link /opt/lib/v1/y -> /opt/other/y, dir /opt/other, file /opt/other/y", "", "/opt/lib/now");
	TAKES("dir /opt, dir /opt/lib, link /opt/lib/gone -> /nowhere/at/all, link /opt/lib/loop -> ../lib, link /opt/lib/now -> v1, link /opt/lib/self -> self, "
		"dir /opt/lib/v1, dir /opt/lib/v1/deep, exec /opt/lib/v1/deep/tool, file /opt/lib/v1/libx.so, link /opt/lib/v1/y -> /opt/other/y, dir /opt/other, "
		"file /opt/other/y, file /opt/other/z", "", "/opt/lib", "/opt/other");
}

static void
test_secrets_stay(void **state)
{
	(void)state;
	if (!have_machine)
		skip();
	put_file("/opt/homes/me/notes", "n", 0644);
	put_file("/opt/homes/me/venv/lib", "n", 0644);
	put_file("/opt/homes/tool/.ssh/id_ed25519", "k", 0644);
	put_file("/opt/homes/tool/id_rsa", "k", 0644);
	put_file("/opt/homes/tool/run", "x", 0755);
	put_file("/opt/data/tpm/key", "k", 0644);
	put_file("/opt/cache/objects/x", "x", 0644);
	assert_int_equal(symlink("/opt/data/tpm/key", "/opt/homes/tool/trick"), 0);
	struct ai_taking t;
	const char *const named[] = { "/opt/homes", "/opt/homes/me/venv" };
	ok(ai_taking_begin(&t, named, 2, "/opt/homes/me", "/opt/cache", "/opt/data", &err));
	ok(ai_taking_path(&t, named[0], &err));
	ok(ai_taking_path(&t, named[1], &err));
	char *list = taken(&t);
	assert_null(strstr(list, "id_"));
	assert_null(strstr(list, "file /opt/homes/me/notes"));
	assert_null(strstr(list, "file /opt/data"));
	assert_non_null(strstr(list, "link /opt/homes/tool/trick -> /opt/data/tpm/key"));
	assert_non_null(strstr(list, "file /opt/homes/me/venv/lib"));
	/* me, .ssh, id_rsa, and what the link leads to. */
	assert_int_equal(json_array_size(t.left_out), 4);
	free(list);
	ai_taking_done(&t);
}

static void
test_what_is_named_and_what_never(void **state)
{
	(void)state;
	if (!have_machine)
		skip();
	struct ai_taking t;
	put_file("/opt/homes/tool/id_rsa", "k", 0644);
	/* Named itself a key is the user's will; aicert's own never. */
	TAKES("dir /opt, dir /opt/homes, dir /opt/homes/tool, file /opt/homes/tool/id_rsa", "", "/opt/homes/tool/id_rsa");
	ok(ai_taking_begin(&t, NULL, 0, "/opt/homes/me", "/opt/cache", "/opt/data", &err));
	refused(AI_EUSAGE, "holds secrets", ai_taking_path(&t, "/opt/data", &err));
	refused(AI_EUSAGE, "not for everybody", ai_taking_path(&t, "/opt/homes/tool/trick", &err));
	refused(AI_EUSAGE, "holds secrets", ai_taking_path(&t, "/opt/cache/objects", &err));
	refused(AI_EUSAGE, "holds secrets", ai_taking_path(&t, "/etc/shadow", &err));
	refused(AI_EUSAGE, "holds secrets", ai_taking_path(&t, "/etc/gshadow-", &err));
	refused(AI_EUSAGE, "holds secrets", ai_taking_path(&t, "/etc/ssh/ssh_host_rsa_key", &err));
	refused(AI_EUSAGE, "no step sees it", ai_taking_path(&t, "/proc/self", &err));
	refused(AI_EUSAGE, "no step sees it", ai_taking_path(&t, "/home/me/venv", &err));
	refused(AI_EUSAGE, "the whole machine", ai_taking_path(&t, "/", &err));
	refused(AI_EUSAGE, "is not there", ai_taking_path(&t, "/opt/nothing", &err));
	ai_taking_done(&t);
}

static void
test_what_others_may_not_read_is_not_there(void **state)
{
	(void)state;
	if (!have_machine || geteuid() != 0)
		skip();
	put_file("/opt/app/config", "c", 0644);
	put_file("/opt/app/password", "p", 0600);
	put_file("/opt/app/closed/inside", "p", 0644);
	assert_int_equal(chmod("/opt/app/closed", 0700), 0);
	assert_int_equal(mkfifo("/opt/app/fifo", 0644), 0);
	struct ai_taking t;
	const char *const named[] = { "/opt/app" };
	ok(ai_taking_begin(&t, named, 1, NULL, NULL, NULL, &err));
	ok(ai_taking_path(&t, named[0], &err));
	refused(AI_EUSAGE, "not for everybody to read", ai_taking_path(&t, "/opt/app/password", &err));
	refused(AI_EUSAGE, "not for everybody to read", ai_taking_path(&t, "/opt/app/closed/inside", &err));
	char *list = taken(&t);
	assert_string_equal(list, "dir /opt, dir /opt/app, dir /opt/app/closed, file /opt/app/config");
	assert_int_equal(json_array_size(t.left_out), 3);
	free(list);
	ai_taking_done(&t);
}

static json_t *
used_of(const char *path, const char *type, const char *key, const char *value)
{
	json_t *used = json_pack("{s:s, s:[{s:s, s:s, s:s}], s:[], s:[]}", "kind", "used", "files", "path", path, "type", type, key, value, "absent", "listed");
	assert_non_null(used);
	return used;
}

static void
test_used_must_still_be_so(void **state)
{
	(void)state;
	if (!have_machine)
		skip();
	static const struct { const char *path, *type, *key, *value, *says; } cases[] = {
		{ "/opt/u/file", "exec", "id", "11", "file, was exec" },
		{ "/opt/u/gone", "file", "id", "11", "absent, was file" },
		{ "/opt/u/link", "link", "target", "elsewhere", "links elsewhere" },
		{ "/opt/u/link", "dir", "x", "y", "link, was dir" },
		{ "/opt/u/file", "file", "id", "no digest", "has no id" },
		{ "opt/u/file", "file", "id", "11", "without a path" },
		{ "/etc/shadow", "file", "id", "11", "goes into no image" },
		{ "/proc/version", "file", "id", "11", "goes into no image" },
	};
	put_file("/opt/u/file", "f", 0644);
	assert_int_equal(symlink("file", "/opt/u/link"), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_taking t;
		AI_JSON *used = used_of(cases[i].path, cases[i].type, cases[i].key, cases[i].value);
		ok(ai_taking_begin(&t, NULL, 0, NULL, NULL, NULL, &err));
		refused(AI_EINPUT, cases[i].says, ai_taking_used(&t, used, &err));
		ai_taking_done(&t);
	}
	struct ai_taking t;
	AI_JSON *link = used_of("/opt/u/link", "link", "target", "file");
	json_array_append_new(ai_json_arr(link, "listed"), json_pack("{s:s}", "path", "/opt"));
	ok(ai_taking_begin(&t, NULL, 0, NULL, NULL, NULL, &err));
	ok(ai_taking_made(&t, "/etc/timezone", NULL, "Etc/UTC\n", &err));
	ok(ai_taking_used(&t, link, &err));
	char *list = taken(&t);
	assert_string_equal(list, "dir /etc, file /etc/timezone, dir /opt, dir /opt/u, link /opt/u/link -> file");
	free(list);
	ai_taking_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_things_same_image),
		cmocka_unit_test(test_what_is_not_ours_stays),
		cmocka_unit_test(test_a_writer_that_fails_leaves_nothing),
		cmocka_unit_test(test_names_of_any_length_and_letters),
		cmocka_unit_test(test_folders_are_taken_whole_and_links_followed),
		cmocka_unit_test(test_secrets_stay),
		cmocka_unit_test(test_what_is_named_and_what_never),
		cmocka_unit_test(test_what_others_may_not_read_is_not_there),
		cmocka_unit_test(test_used_must_still_be_so),
	};
	struct ai_err err = { 0 };
	const char *base = getenv("TMPDIR");
	char *prefix = ai_format("%s/freeze", base && *base ? base : "/tmp");
	if (ai_mkdtemp(prefix, &tmp, &err) < 0)
		return 1;
	be_alone();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	ai_discard_tree(tmp);
	free(prefix);
	free(tmp);
	return failed;
}
