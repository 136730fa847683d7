/* test_vm_job_image.c -- images of a job disk that are named by a digest: what leads from there to the manifest travels too.  SPDX-License-Identifier: Apache-2.0 */
#include "vm_inside_unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "model/image_ref.h"
#include "vm/disk/aside.h"

#define ELSEWHERE "d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a"

static int
image_from(const char *folder, const char *digest, const json_t *config, const char *revision, struct ai_digest *tree, struct ai_err *err)
{
	struct ai_image_ref ref = { 0 };
	struct ai_aside aside = { .folders = &folder, .n = 1 };
	char *name = ai_format("example.org/x@%s", digest);
	int r = ai_image_ref_parse(name, &ref, err);
	free(name);
	if (r == 0)
		r = ai_aside_image_tree(&aside, &ref, revision, AI_PLATFORM, config, ai_store_sink(project.job.store), NULL, tree, err);
	ai_image_ref_done(&ref);
	return r;
}

/* A name that holds an index's digest: the index must be there, and lead to the manifest that is pinned. */
static void
test_image_by_digest(void **state)
{
	(void)state;
	const json_t *pin = json_object_get(ai_json_obj(project.job.lock, "images"), "oci:image"), *config = ai_json_obj(pin, "config");
	const char *revision = ai_json_str(pin, "revision");
	struct ai_digest tree, want;
	struct ai_buf index = AI_BUF(1u << 16);
	char *folder = ai_join(project.dir, "parts"), *file = ai_join(project.dir, "image/index.json"), digest[AI_HEX + 7] = "sha256:";
	ok(ai_read_file(AT_FDCWD, file, &index, &err));
	ai_sha256(index.data, index.len, &want);
	ai_hex(&want, digest + 7);
	run_shell(project.dir, "mkdir parts && cp -r image/blobs/sha256 parts/oci");
	ok(image_from(folder, digest, config, revision, &tree, &err));
	ok(image_from(folder, revision, config, revision, &want, &err));
	assert_true(ai_digest_eq(&tree, &want));
	refused(AI_EINPUT, "leads to the manifest", image_from(folder, digest, config, "sha256:" ELSEWHERE, &tree, &err));
	refused(AI_EINPUT, "is missing", image_from(folder, "sha256:" ELSEWHERE, config, revision, &tree, &err));
	refused(AI_EINPUT, "config is not", image_from(folder, digest, NULL, revision, &tree, &err));
	run_shell(project.dir, "for f in parts/oci/*; do echo >> $f; done");
	refused(AI_EINPUT, "its bytes hash to", image_from(folder, digest, config, revision, &tree, &err));
	/* What is handed to be written elsewhere does not follow links. */
	run_shell(project.dir, "rm -r parts/oci && mkdir parts/oci && cd parts/oci && for f in ../../image/blobs/sha256/*; do ln -s $f .; done");
	refused(AI_EINPUT, "cannot read", image_from(folder, digest, config, revision, &tree, &err));
	ai_buf_done(&index);
	free(folder);
	free(file);
}

/* A registry is a folder behind http: no more is asked of it. */
static pid_t
serve(const char *folder, int *port)
{
	static char script[] = "import http.server as h\ns = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)\nprint(s.server_port, flush=True)\ns.serve_forever()";
	int out[2];
	char said[16] = "";
	assert_int_equal(pipe(out), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		if (null >= 0 && chdir(folder) == 0 && dup2(out[1], 1) >= 0 && dup2(null, 2) >= 0)
			execl("/usr/bin/python3", "python3", "-c", script, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	assert_true(read(out[0], said, sizeof said - 1) > 0);
	close(out[0]);
	*port = (int)strtoll(said, NULL, 10);
	assert_true(*port > 0);
	return pid;
}

/* An image whose name holds its index's digest, from a registry: the index travels, and leads to the manifest inside too. */
static void
test_image_of_registry(void **state)
{
	(void)state;
	struct project q;
	struct inside in;
	struct ai_digest h;
	int port;
	make_project(&q);
	run_shell(q.dir, "mkdir -p v2/x/blobs v2/x/manifests && for f in image/blobs/sha256/*; do cp $f v2/x/blobs/sha256:${f##*/}; cp $f v2/x/manifests/sha256:${f##*/}; done");
	pid_t server = serve(q.dir, &port);
	char *name = ai_format("n=$(sha256sum image/index.json | cut -d' ' -f1); sed -i \"s/oci:image/localhost:%d\\/x@sha256:$n/\" Aicertfile", port);
	run_shell(q.dir, name);
	free(name);
	plan_project(&q, q.aside);
	/* Everything is there: a second time nobody is asked. */
	kill(server, SIGTERM);
	assert_int_equal(waitpid(server, NULL, 0), server);
	ok(ai_job_objects(&q.job, q.aside, &err));
	struct ai_job_pack job = pack_of(&q);
	int fd = scratch_file();
	ok(ai_job_pack(&job, fd, 64u << 20, &h, NULL, &err));
	struct parts p = take_apart(fd, "job");
	size_t parts = 0;
	for (size_t i = 0; i < p.n; i++)
		parts += strcmp(p.list[i].type, "oci") == 0;
	assert_int_equal(parts, 5);
	ok(unpack(fd, &in, &err));
	inside_done(&in);
	for (size_t i = 0; i < p.n; i++) {
		if (strcmp(p.list[i].type, "oci") != 0)
			continue;
		int without = put_together(&p, "job", i);
		refused(AI_EINPUT, "is missing", unpack(without, &in, &err));
		inside_done(&in);
		close(without);
	}
	parts_free(&p);
	close(fd);
	remove_project(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image_by_digest),
		cmocka_unit_test(test_image_of_registry),
	};
	return cmocka_run_group_tests(tests, inside_setup, inside_teardown);
}
