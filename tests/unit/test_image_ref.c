/* test_image_ref.c -- names of container images.  SPDX-License-Identifier: Apache-2.0 */
#include "model/image_ref.h"
#include "unit.h"

#define HEX "1111111111111111111111111111111111111111111111111111111111111111"
#define SHA "sha256:" HEX

static void
same(const char *what, const char *got, const char *want)
{
	if (!got != !want || (got && strcmp(got, want) != 0))
		fail_msg("%s: got '%s', expected '%s'", what, got ? got : "(none)", want ? want : "(none)");
}

static void
registries(void **state)
{
	static const struct { const char *text, *registry, *repository, *tag, *digest, *whole; } cases[] = {
		{ "python", "docker.io", "library/python", "latest", NULL, "docker.io/library/python:latest" },
		{ "python:3.11", "docker.io", "library/python", "3.11", NULL, "docker.io/library/python:3.11" },
		{ "python@" SHA, "docker.io", "library/python", NULL, SHA, "docker.io/library/python@" SHA },
		{ "python:3.11@" SHA, "docker.io", "library/python", "3.11", SHA, "docker.io/library/python:3.11@" SHA },
		{ "huggingface/trainer", "docker.io", "huggingface/trainer", "latest", NULL, "docker.io/huggingface/trainer:latest" },
		{ "index.docker.io/python:3", "docker.io", "library/python", "3", NULL, "docker.io/library/python:3" },
		{ "registry-1.docker.io/a/b", "docker.io", "a/b", "latest", NULL, "docker.io/a/b:latest" },
		{ "localhost/x", "localhost", "x", "latest", NULL, "localhost/x:latest" },
		{ "localhost:5000/x:1", "localhost:5000", "x", "1", NULL, "localhost:5000/x:1" },
		{ "localhost:5000", "docker.io", "library/localhost", "5000", NULL, "docker.io/library/localhost:5000" },
		{ "[::1]:5000/x", "[::1]:5000", "x", "latest", NULL, "[::1]:5000/x:latest" },
		{ "ghcr.io/a/b/c-d__e.f---g:v1_.-", "ghcr.io", "a/b/c-d__e.f---g", "v1_.-", NULL, "ghcr.io/a/b/c-d__e.f---g:v1_.-" },
		{ "Reg/x", "Reg", "x", "latest", NULL, "Reg/x:latest" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_image_ref r;
		ok(ai_image_ref_parse(cases[i].text, &r, &err));
		assert_int_equal(r.kind, AI_IMAGE_REGISTRY);
		same(cases[i].text, r.registry, cases[i].registry);
		same(cases[i].text, r.repository, cases[i].repository);
		same(cases[i].text, r.tag, cases[i].tag);
		same(cases[i].text, r.digest, cases[i].digest);
		same(cases[i].text, r.text, cases[i].whole);
		same(cases[i].text, r.path, NULL);
		AI_FREE char *uri = ai_image_uri(&r);
		same(cases[i].text, uri, cases[i].whole);
		ai_image_ref_done(&r);
	}
}

static void
paths(void **state)
{
	static const struct { const char *text; ai_image_kind kind; const char *path, *tag, *uri; } cases[] = {
		{ "oci:images/base:v1", AI_IMAGE_OCI_DIR, "images/base", "v1", "oci:images/base:v1" },
		{ "oci:images/base", AI_IMAGE_OCI_DIR, "images/base", NULL, "oci:images/base" },
		{ "oci:d:reg.io/a/b:c", AI_IMAGE_OCI_DIR, "d", "reg.io/a/b:c", "oci:d:reg.io/a/b:c" },
		{ "oci-archive:x.tar:t", AI_IMAGE_OCI_ARCHIVE, "x.tar", "t", "oci-archive:x.tar:t" },
		{ "docker-archive:x.tar", AI_IMAGE_DOCKER_ARCHIVE, "x.tar", NULL, "docker-archive:x.tar" },
		{ "docker-archive:x.tar:busybox:1", AI_IMAGE_DOCKER_ARCHIVE, "x.tar", "busybox:1", "docker-archive:x.tar:busybox:1" },
		{ "oci:/home/ada/secret", AI_IMAGE_OCI_DIR, "/home/ada/secret", NULL, "local" },
		{ "oci:../up:1", AI_IMAGE_OCI_DIR, "../up", "1", "local" },
		{ "oci:a/../../up", AI_IMAGE_OCI_DIR, "a/../../up", NULL, "local" },
		{ "oci:./a/../b", AI_IMAGE_OCI_DIR, "./a/../b", NULL, "oci:./a/../b" },
		{ "oci:..a", AI_IMAGE_OCI_DIR, "..a", NULL, "oci:..a" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_image_ref r;
		ok(ai_image_ref_parse(cases[i].text, &r, &err));
		assert_int_equal(r.kind, cases[i].kind);
		same(cases[i].text, r.path, cases[i].path);
		same(cases[i].text, r.tag, cases[i].tag);
		same(cases[i].text, r.text, cases[i].text);
		same(cases[i].text, r.registry, NULL);
		AI_FREE char *uri = ai_image_uri(&r);
		same(cases[i].text, uri, cases[i].uri);
		ai_image_ref_done(&r);
	}
}

static void
refusals(void **state)
{
	static const struct { const char *text, *words; } cases[] = {
		{ "", "is empty" }, { "a\nb", "control character" }, { "\xff", "UTF-8" }, { ":3", "the name is empty" },
		{ "Python", "lower-case" }, { "a/B", "lower-case" }, { "a//b", "part of the repository is empty" }, { "a/", "part of the repository is empty" },
		{ "a..b", "two separators" }, { "a.-b", "two separators" }, { "a___b", "two separators" }, { "-a", "begins or ends" }, { "a_", "begins or ends" },
		{ "a b", "lower-case" }, { "../../etc", "host" }, { "docker.io/../x", "begins or ends" }, { "x/..%2f", "begins or ends" },
		{ "a:", "the tag is empty" }, { "a:-x", "the tag holds" }, { "a:b:c", "the tag holds" }, { "a:b/c", "host" }, { "a:b c", "the tag holds" },
		{ "reg.io:port/x", "host" }, { "reg..io/x", "host" }, { "-reg.io/x", "host" }, { "reg.io:123456/x", "host" }, { "[::1/x:1]", "host" },
		{ "a@sha256:11", "64 lower-case" }, { "a@sha512:" HEX, "expected 'sha256:'" }, { "a@" SHA "1", "64 lower-case" }, { "a@", "'sha256:'" },
		{ "a@sha256:ABCDEF1111111111111111111111111111111111111111111111111111111111", "64 lower-case" },
		{ HEX, "as an image's id is" }, { "https://reg.io/x", "is a URL" }, { "oci:", "the path is empty" }, { "oci::v1", "the path is empty" },
		{ "oci:d:", "the tag is empty" }, { "oci:d:v1:", "the tag is empty" }, { "oci-archive:d:-x", "the tag is empty" }, { "docker-archive:x:A", "lower-case" },
		{ "docker-archive:x:a@" SHA, "chosen by NAME:TAG" },
	};
	struct ai_image_ref r, poison;
	(void)state;
	memset(&r, 0xaa, sizeof r);
	poison = r;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(AI_EUSAGE, cases[i].words, ai_image_ref_parse(cases[i].text, &r, &err));
	assert_memory_equal(&r, &poison, sizeof r);
}

static void
lengths(void **state)
{
	struct ai_image_ref r;
	char text[5000];
	(void)state;
	memset(text, 'a', sizeof text);
	text[4999] = '\0';
	refused(AI_EUSAGE, "4096", ai_image_ref_parse(text, &r, &err));
	text[300] = '\0';
	refused(AI_EUSAGE, "longer than 255", ai_image_ref_parse(text, &r, &err));
	text[1] = ':';
	text[2 + 128] = '\0';
	ok(ai_image_ref_parse(text, &r, &err));
	ai_image_ref_done(&r);
	text[2 + 128] = 'a';
	text[2 + 129] = '\0';
	refused(AI_EUSAGE, "longer than 128", ai_image_ref_parse(text, &r, &err));
}

/* Whoever writes a login into an image's name finds it in no error. */
static void
says_no_secret(void **state)
{
	static const char *const cases[] = { "https://ada:hunter2@reg.io/x", "ada:hunter2@reg.io/x", "ada:hunter2@python", "ada:hunter2@reg.io/x@" SHA, "reg.io/x@hunter2@y" };
	struct ai_image_ref r;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_err err = { 0 };
		assert_int_equal(ai_image_ref_parse(cases[i], &r, &err), AI_EUSAGE);
		if (strstr(err.text, "hunter2") || strstr(err.hint, "hunter2"))
			fail_msg("'%s' '%s'", err.text, err.hint);
	}
	struct ai_err err = { 0 };
	assert_int_equal(ai_image_ref_parse("docker://python:3.11", &r, &err), AI_EUSAGE);
	assert_string_equal(err.hint, "write 'python:3.11'");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(registries), cmocka_unit_test(paths), cmocka_unit_test(refusals), cmocka_unit_test(lengths), cmocka_unit_test(says_no_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
