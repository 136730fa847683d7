/*
 * fetch_tool.c -- drives aicert/fetch from tests: the content goes to a folder, what came of it to stdout as JSON.
 *
 *   fetch_tool resolve git URL [--ref R]            {"pin": {…}}
 *   fetch_tool content url URL --pin JSON           {"ref": {"blob": …}, "how": …}
 *   fetch_tool both TYPE WHERE …                    resolve, then content of that pin
 *   fetch_tool import path WHERE …                  ai_path_import itself
 *   fetch_tool both image NAME --platform P         ai_oci_resolve, then ai_oci_content of that pin
 *   fetch_tool commit-tree git CLONE --ref COMMIT   ai_git_commit_tree
 *   fetch_tool both url FIRST --url OTHER …         a list of URLs; --unpack, --strip N: an archive
 * Further: --sha256 --size --exclude --leave-out --follow --no-submodules --no-lfs --project --cache --store.
 * Fails with its ai_code turned round as exit code and {"error", "hint"}; talk goes to stderr.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/fetch.h"
#include "fetch/oci.h"

struct object { struct ai_sha sha; int fd; uint64_t size; char *tmp; };

static const char *store;
static unsigned counter;

static int
put_begin(void *ctx, void **obj, struct ai_err *err)
{
	(void)ctx;
	struct object *o = ai_calloc(1, sizeof *o);
	if (!o)
		return ai_nomem(err);
	o->tmp = ai_format("%s/tmp.%ld.%u", store, (long)getpid(), counter++);
	o->fd = open(o->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (o->fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", o->tmp);
	*obj = o;
	return ai_sha_init(&o->sha, err);
}

static int
put_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	struct object *o = obj;
	ai_sha_add(&o->sha, p, n);
	o->size += n;
	return ai_write_all(o->fd, p, n, o->tmp, err);
}

static void
put_free(struct object *o)
{
	close(o->fd);
	free(o->tmp);
	free(o);
}

static int
put_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct object *o = obj;
	char hex[AI_HEX];
	ai_sha_end(&o->sha, out);
	ai_hex(out, hex);
	if (size_out)
		*size_out = o->size;
	AI_FREE char *path = ai_join(store, hex);
	int r = rename(o->tmp, path) < 0 ? ai_fail_errno(err, AI_EENV, "%s", path) : 0;
	put_free(o);
	return r;
}

static void
put_abort(void *obj)
{
	struct object *o = obj;
	ai_sha_done(&o->sha);
	(void)unlink(o->tmp);
	put_free(o);
}

static int
put_file(void *ctx, int dirfd, const char *name, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	void *obj;
	char chunk[1 << 16];
	AI_FD fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EINPUT, "%s", name);
	if (put_begin(ctx, &obj, err) < 0)
		return err->code;
	for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;)
		if (put_write(obj, chunk, (size_t)n, err) < 0)
			return err->code;
	/* A test's chance to change the file while it is read. */
	const char *touch = getenv("FETCH_TOOL_TOUCH");
	if (touch && strcmp(touch, name) == 0) {
		AI_FD other = openat(dirfd, name, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (write(other, "x", 1) != 1)
			return ai_fail_errno(err, AI_EENV, "touch");
	}
	return put_commit(obj, out, size_out, err);
}

static int
put_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	void *obj;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_tree_bytes(entries, n, &b, err) < 0 || put_begin(ctx, &obj, err) < 0 || put_write(obj, b.data, b.len, err) < 0)
		return err->code;
	return put_commit(obj, out, NULL, err);
}

static int
put_has(void *ctx, const struct ai_digest *id, struct ai_err *err)
{
	char hex[AI_HEX];
	(void)ctx, (void)err;
	ai_hex(id, hex);
	AI_FREE char *path = ai_join(store, hex);
	return ai_exists(path);
}

static void
say(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	(void)ctx;
	fprintf(stderr, "%d %s %llu %llu\n", (int)kind, text, (unsigned long long)done, (unsigned long long)total);
}

static void
on_interrupt(int sig)
{
	(void)sig;
	ai_interrupted = 1;
}

static const char *const *
strings(char **p)
{
	return (const char *const *)p;
}

struct arguments {
	struct ai_input in;
	struct ai_fetch f;
	char *exclude[16], *leave_out[16], *urls[16];
	const char *pin, *platform;
};

static void
parse(int argc, char **argv, struct arguments *a)
{
	for (int i = 4; i < argc; i++) {
		char *value = i + 1 < argc ? argv[i + 1] : NULL;
		const char *o = argv[i];
		if (strcmp(o, "--follow") == 0) { a->in.follow = true; continue; }
		if (strcmp(o, "--no-submodules") == 0) { a->in.submodules = false; continue; }
		if (strcmp(o, "--no-lfs") == 0) { a->in.lfs = false; continue; }
		if (strcmp(o, "--unpack") == 0) { a->in.unpack = true; continue; }
		i++;
		if (strcmp(o, "--ref") == 0) a->in.ref = value;
		else if (strcmp(o, "--sha256") == 0) a->in.sha256 = value;
		else if (strcmp(o, "--size") == 0) a->in.size = (long long)strtoull(value, NULL, 10);
		else if (strcmp(o, "--strip") == 0) a->in.strip = (unsigned)strtoull(value, NULL, 10);
		else if (strcmp(o, "--url") == 0) {
			a->in.urls = a->urls;
			a->in.n_urls += a->in.n_urls == 0;
			a->urls[0] = a->in.where;
			a->urls[a->in.n_urls++] = value;
		} else if (strcmp(o, "--exclude") == 0) a->exclude[a->in.n_exclude++] = value;
		else if (strcmp(o, "--leave-out") == 0) a->leave_out[a->f.n_leave_out++] = value;
		else if (strcmp(o, "--project") == 0) a->f.project = value;
		else if (strcmp(o, "--cache") == 0) a->f.cache = value;
		else if (strcmp(o, "--store") == 0) store = value;
		else if (strcmp(o, "--pin") == 0) a->pin = value;
		else if (strcmp(o, "--platform") == 0) a->platform = value;
	}
}

static int
run_image(const char *command, struct arguments *a, json_t *answer, struct ai_err *err)
{
	struct ai_image_ref image = { 0 };
	AI_JSON *pin = NULL;
	struct ai_ref ref = { .type = AI_REF_TREE };
	bool resolve = strcmp(command, "content") != 0, content = strcmp(command, "resolve") != 0;
	int r = a->pin ? ai_json_parse(a->pin, strlen(a->pin), "pin", &pin, err) : 0;
	if (r == 0)
		r = ai_image_ref_parse(a->in.where, &image, err);
	if (r == 0 && resolve)
		r = ai_oci_resolve(&a->f, &image, a->platform, &pin, err);
	if (r == 0 && content)
		r = ai_oci_content(&a->f, &image, pin, &ref.id, err);
	if (pin)
		json_object_set(answer, "pin", pin);
	if (r == 0 && content) {
		json_t *o = json_object();
		json_object_set_new(answer, "ref", o);
		r = ai_ref_set(o, &ref, err);
	}
	ai_image_ref_done(&image);
	return r;
}

static int
run(const char *command, struct arguments *a, json_t *answer, struct ai_err *err)
{
	AI_JSON *pin = NULL;
	struct ai_ref ref = { 0 };
	const char *how = NULL;
	if (strcmp(command, "commit-tree") == 0) {
		ref.type = AI_REF_TREE;
		if (ai_git_commit_tree(a->in.where, a->in.ref, &ref.id, err) < 0)
			return err->code;
	} else if (strcmp(command, "import") == 0) {
		struct ai_path_options o = { strings(a->exclude), a->in.n_exclude, strings(a->leave_out), a->f.n_leave_out, a->in.follow, true, a->f.talk };
		if (ai_path_import(a->f.sink, a->in.where, &o, &ref, err) < 0)
			return err->code;
	} else {
		bool both = strcmp(command, "both") == 0;
		if (a->pin && ai_json_parse(a->pin, strlen(a->pin), "pin", &pin, err) < 0)
			return err->code;
		if ((both || strcmp(command, "resolve") == 0) && ai_fetch_resolve(&a->f, &a->in, &pin, err) < 0)
			return err->code;
		if (pin)
			json_object_set(answer, "pin", pin);
		if (!both && strcmp(command, "content") != 0)
			return 0;
		if (ai_fetch_content(&a->f, &a->in, pin, &ref, &how, err) < 0)
			return err->code;
		json_object_set_new(answer, "how", json_string(how));
	}
	json_t *r = json_object();
	json_object_set_new(answer, "ref", r);
	return ai_ref_set(r, &ref, err);
}

int
main(int argc, char **argv)
{
	static const struct ai_sink sink = { NULL, put_begin, put_write, put_commit, put_abort, put_file, put_tree, put_has };
	static const struct ai_talk talk = { .say = say, .ctx = NULL };
	static struct arguments a;
	struct ai_err err = { 0 };
	AI_JSON *answer = json_object();
	AI_BUF_AUTO out = AI_BUF(AI_MAX_TEXT);
	if (argc < 4)
		return 2;
	(void)sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_interrupt }, NULL);
	a.in = (struct ai_input){ .name = argv[2], .where = argv[3], .size = -1, .submodules = true, .lfs = true, .exclude = a.exclude };
	a.in.type = strcmp(argv[2], "git") == 0 ? AI_INPUT_GIT : strcmp(argv[2], "url") == 0 ? AI_INPUT_URL : AI_INPUT_PATH;
	a.f = (struct ai_fetch){ .sink = &sink, .talk = &talk, .project = ".", .leave_out = strings(a.leave_out) };
	a.platform = "linux/amd64";
	parse(argc, argv, &a);
	int r = strcmp(argv[2], "image") == 0 ? run_image(argv[1], &a, answer, &err) : run(argv[1], &a, answer, &err);
	if (r < 0) {
		json_object_set_new(answer, "error", json_string(err.text));
		json_object_set_new(answer, "hint", json_string(err.hint));
	}
	struct ai_err lost;
	if (ai_json_pretty(answer, &out, &lost) < 0)
		return 2;
	fputs(out.data, stdout);
	return -r;
}
