/* An image's tree as a root: what is put in, and what a malicious image tries.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_unit.h"

static char *place;

static int
setup(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	char *prefix = ai_format("%s/aicert-image", tmp && *tmp ? tmp : "/tmp");
	ok(ai_mkdtemp(prefix, &place, &err));
	free(prefix);
	image_store_open(place);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	image_store_close();
	ok(ai_remove_tree(AT_FDCWD, place, &err));
	free(place);
	return 0;
}

static char *
lay(struct ai_digest tree)
{
	char *path = NULL;
	ok(ai_image_root(image_store, &tree, &path, &err));
	return path;
}

/* Is this what stands at a path of the root, no link followed: 'd' folder, 'f' file, 'x' executable, 'l' link, '-' nothing? */
static void
stands(const char *root, const char *rel, char what)
{
	struct stat st;
	char *path = ai_join(root, rel);
	char got = lstat(path, &st) < 0 ? '-' : S_ISDIR(st.st_mode) ? 'd' : S_ISLNK(st.st_mode) ? 'l' : st.st_mode & 0111 ? 'x' : 'f';
	if (got != what)
		fail_msg("%s: got %c, expected %c", rel, got, what);
	free(path);
}

static void
reads(const char *root, const char *rel, const char *text)
{
	struct ai_buf b = AI_BUF(1u << 20);
	char *path = ai_join(root, rel);
	ok(ai_read_file(AT_FDCWD, path, &b, &err));
	assert_string_equal(b.data, text);
	ai_buf_done(&b);
	free(path);
}

static void
leads(const char *root, const char *rel, const char *target)
{
	char text[256] = "", *path = ai_join(root, rel);
	assert_true(readlink(path, text, sizeof text - 1) > 0);
	assert_string_equal(text, target);
	free(path);
}

/* What each root has, wherever it came from. */
static void
is_root(const char *root)
{
	static const char *const folders[] = { "dev", "etc", "home", "home/aicert", "proc", "root", "run", "sys", "tmp", "var", "workspace" };
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		stands(root, folders[i], 'd');
	stands(root, "etc/passwd", 'f');
	stands(root, "etc/group", 'f');
	reads(root, "etc/hostname", "aicert\n");
	reads(root, "etc/resolv.conf", "");
	leads(root, "etc/mtab", "/proc/self/mounts");
	leads(root, "var/tmp", "/tmp");
	struct stat st;
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void
empty_image(void **state)
{
	(void)state;
	struct ai_digest tree = image_tree(NULL, 0, "");
	char *root = lay(tree), *again = lay(tree);
	is_root(root);
	assert_string_equal(root, again);
	free(root);
	free(again);
}

static void
own_files_stay(void **state)
{
	(void)state;
	static const struct in_image image[] = {
		{ "/app", TEXT_, "app\n" }, { "/etc", DIR_, NULL }, { "/etc/os-release", TEXT_, "ID=test\n" }, { "/etc/passwd", TEXT_, "root::0:0\n" },
		{ "/etc/hosts", TEXT_, "10.0.0.1 builder\n" }, { "/etc/localtime", LINK_, "/usr/share/zoneinfo/Europe/Paris" },
		{ "/root", DIR_, NULL }, { "/root/.profile", TEXT_, "p\n" }, { "/run", DIR_, NULL }, { "/run/lock", DIR_, NULL },
		{ "/dev", DIR_, NULL }, { "/dev/null", TEXT_, "not a device\n" }, { "/sys", DIR_, NULL }, { "/sys/kernel", TEXT_, "k\n" },
		{ "/proc", DIR_, NULL }, { "/proc/version", TEXT_, "v\n" }, { "/home", DIR_, NULL }, { "/home/someone", DIR_, NULL },
		{ "/var", DIR_, NULL }, { "/var/lib", DIR_, NULL }, { "/var/tmp", DIR_, NULL }, { "/var/tmp/x", TEXT_, "x\n" },
		{ "/workspace", DIR_, NULL }, { "/workspace/example", TEXT_, "e\n" },
	};
	char *root = lay(IMAGE(image));
	is_root(root);
	reads(root, "app", "app\n");
	reads(root, "etc/os-release", "ID=test\n");
	reads(root, "root/.profile", "p\n");
	leads(root, "etc/localtime", "/usr/share/zoneinfo/Europe/Paris");
	stands(root, "var/lib", 'd');
	stands(root, "run/lock", 'd');
	for (const char *const *gone = (const char *const[]){ "dev/null", "sys/kernel", "proc/version", "home/someone", "workspace/example", NULL }; *gone; gone++)
		stands(root, *gone, '-');
	free(root);
}

/* The image's passwd is an object that other trees share: it must be what it was. */
static void
objects_are_not_written(void **state)
{
	(void)state;
	static const struct in_image image[] = { { "/etc", DIR_, NULL }, { "/etc/passwd", TEXT_, "shared\n" }, { "/copy", TEXT_, "shared\n" } };
	struct ai_digest tree = IMAGE(image);
	char *plain = NULL, *root = lay(tree);
	ok(ai_store_checked_out(image_store, &tree, &plain, &err));
	reads(plain, "etc/passwd", "shared\n");
	reads(root, "copy", "shared\n");
	stands(plain, "proc", '-');
	assert_string_not_equal(plain, root);
	free(plain);
	free(root);
}

/* Places on which something is mounted or that are ours, as links and files: none leads anywhere. */
static void
links_in_the_way(void **state)
{
	(void)state;
	char *victim = ai_join(place, "victim");
	ok(ai_mkdirs(victim, 0755, &err));
	const struct in_image image[] = {
		{ "/dev", LINK_, victim }, { "/proc", LINK_, "/" }, { "/sys", TEXT_, "file\n" }, { "/tmp", LINK_, victim }, { "/home", LINK_, victim },
		{ "/workspace", LINK_, "../../../../../../etc" }, { "/run", LINK_, "/var/run" }, { "/root", TEXT_, "file\n" }, { "/etc", DIR_, NULL },
		{ "/etc/passwd", LINK_, victim }, { "/etc/mtab", DIR_, NULL }, { "/etc/hostname", LINK_, "../victim" }, { "/var", DIR_, NULL },
		{ "/var/tmp", LINK_, victim },
	};
	char *root = lay(IMAGE(image));
	is_root(root);
	assert_int_equal(rmdir(victim), 0);
	free(victim);
	free(root);
}

/* Some images have /etc elsewhere and link there: what it holds counts, wherever the link goes inside the image. */
static void
linked_etc(void **state)
{
	(void)state;
	static const struct in_image image[] = {
		{ "/nix", DIR_, NULL }, { "/nix/store", DIR_, NULL }, { "/nix/store/e", DIR_, NULL }, { "/nix/store/e/os-release", TEXT_, "ID=nix\n" },
		{ "/nix/store/e/passwd", TEXT_, "theirs\n" }, { "/etc", LINK_, "nix/../nix/here/e/." }, { "/nix/here", LINK_, "/nix/../../store2" },
		{ "/store2", LINK_, "./nix/store" }, { "/var", LINK_, "/nix/store" },
	};
	char *root = lay(IMAGE(image));
	is_root(root);
	reads(root, "etc/os-release", "ID=nix\n");
	reads(root, "nix/store/e/passwd", "theirs\n");
	stands(root, "nix/store/tmp", '-');
	stands(root, "var/e/os-release", 'f');
	free(root);
}

static void
no_root(void **state)
{
	(void)state;
	static const struct in_image file[] = { { "/etc", TEXT_, "x" } }, dangling[] = { { "/var", LINK_, "/no/where" } },
		loop[] = { { "/etc", LINK_, "/a" }, { "/a", LINK_, "b" }, { "/b", LINK_, "a" } },
		outside[] = { { "/etc", LINK_, "../../../../../../etc" } }, through[] = { { "/etc", LINK_, "/f/etc" }, { "/f", TEXT_, "x" } };
	char *path = NULL;
	struct ai_digest d;
	refused(AI_EINPUT, "'/etc' is a file", (d = IMAGE(file), ai_image_root(image_store, &d, &path, &err)));
	refused(AI_EINPUT, "'/var' is a link to '/no/where'", (d = IMAGE(dangling), ai_image_root(image_store, &d, &path, &err)));
	refused(AI_EINPUT, "'/etc' is a link to '/a'", (d = IMAGE(loop), ai_image_root(image_store, &d, &path, &err)));
	refused(AI_EINPUT, "'/etc' is a link to '../", (d = IMAGE(outside), ai_image_root(image_store, &d, &path, &err)));
	refused(AI_EINPUT, "'/etc' is a link to '/f/etc'", (d = IMAGE(through), ai_image_root(image_store, &d, &path, &err)));
	d = (struct ai_digest){ { 1 } };
	refused(AI_EINPUT, "not in the store", ai_image_root(image_store, &d, &path, &err));
	assert_null(path);
}

/* Somebody wrote into a kept layout: it is made anew. */
static void
damage_is_mended(void **state)
{
	(void)state;
	static const struct in_image image[] = { { "/app", TEXT_, "mended\n" } };
	struct ai_digest tree = IMAGE(image);
	char *root = lay(tree), *app = ai_join(root, "app"), *extra = ai_join(root, "extra");
	assert_int_equal(unlink(app), 0);
	assert_int_equal(symlink("/etc/passwd", app), 0);
	assert_int_equal(mkdir(extra, 0755), 0);
	free(root);
	image_store_close();
	image_store_open(place);
	root = lay(tree);
	reads(root, "app", "mended\n");
	stands(root, "app", 'f');
	stands(root, "extra", '-');
	free(app);
	free(extra);
	free(root);
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(empty_image), cmocka_unit_test(own_files_stay), cmocka_unit_test(objects_are_not_written),
		cmocka_unit_test(links_in_the_way), cmocka_unit_test(linked_etc), cmocka_unit_test(no_root), cmocka_unit_test(damage_is_mended),
	};
	return cmocka_run_group_tests_name("image root", all, setup, teardown);
}
