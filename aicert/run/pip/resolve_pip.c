/*
 * resolve_pip.c -- pip chooses, inside the sandbox and with nothing but the indexes to talk to (resolve_parts.h).
 *
 * pip sees our rewriting of the requirements files and no source: no code of the source runs, and no file of it can be read. Wheels run
 * nothing either. What pip may not see (source distributions, other links than to wheels) is not on the pages that it gets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/session.h"
#include "model/lock_wheels.h"
#include "run/box/image_root.h"
#include "run/pip/requirements.h"
#include "run/pip/resolve_parts.h"
#include "run/box/sandbox.h"
#include "run/box/workspace.h"

/* Of one run of the step's Python beside its step; freed by box_done. */
struct box {
	struct ai_job *job;
	const struct ai_asked *a;
	char *folder;                    /* of the three that follow */
	char *scratch, *files, *asked;   /* of the sandbox; what the index fetched; the requirements files */
	char *root;                      /* image */
	int log, lock;                   /* lock: of folder */
	struct ai_index *index;
};

enum { MOST_SECONDS = 3600 };

static const char PREFIX[] = "http://127.0.0.1:3141/file/";
static const char REPORT[] = "/workspace/outputs/report.json";

static void
box_done(struct box *b)
{
	ai_index_free(b->index);
	if (b->log >= 0)
		close(b->log);
	char *const folders[] = { b->scratch, b->files, b->asked, b->folder };
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		if (folders[i])
			ai_discard_tree(folders[i]);
		free(folders[i]);
	}
	if (b->lock >= 0)
		close(b->lock);
	free(b->root);
}

static int
write_files(const struct box *b, struct ai_err *err)
{
	/* Started by root, the sandbox runs as somebody else; what it is to read holds no secret. */
	if (chmod(b->asked, 0755) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot be opened to the sandbox", b->asked);
	for (size_t i = 0; i < b->a->n_files; i++) {
		const struct ai_asked_file *f = &b->a->files[i];
		AI_FREE char *path = ai_join(b->asked, f->path);
		AI_FREE char *folder = path ? ai_strndup(path, (size_t)(ai_basename(path) - path)) : NULL;
		if (!folder)
			return ai_nomem(err);
		if (ai_mkdirs(folder, 0755, err) < 0 || ai_write_file(AT_FDCWD, path, f->text.data ? f->text.data : "", f->text.len, 0644, err) < 0)
			return err->code;
	}
	return 0;
}

static int
box_open(struct box *b, struct ai_err *err)
{
	if (ai_scratch_make(b->job->home.cache, "wheels", &b->folder, &b->lock, err) < 0)
		return err->code;
	AI_FREE char *prefix = ai_join(b->folder, "box");
	if (!prefix)
		return ai_nomem(err);
	/* Started by root, the sandbox runs as somebody else. */
	if (chmod(b->folder, 0711) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot be opened to the sandbox", b->folder);
	if (ai_mkdtemp(prefix, &b->scratch, err) < 0 || ai_mkdtemp(prefix, &b->files, err) < 0 ||
		ai_mkdtemp(prefix, &b->asked, err) < 0 || write_files(b, err) < 0)
		return err->code;
	AI_FREE char *log = ai_join(b->files, "log");
	b->log = log ? open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	if (b->log < 0)
		return log ? ai_fail_errno(err, AI_EENV, "%s: cannot create", log) : ai_nomem(err);
	if (!b->a->host) {
		struct ai_digest tree;
		if (!ai_json_digest(ai_json_obj(b->a->environment, "image"), "content", &tree))
			return ai_fail(err, AI_EENV, "internal: step '%s' has an environment without an image", b->a->name);
		return ai_image_root(b->job->store, &tree, &b->root, err);
	}
	return 0;
}

/* --- the command ---------------------------------------------------------------------- */

struct words { char **at; size_t n, cap; bool failed; };

static void
word(struct words *w, char *fresh)
{
	struct ai_err err = { 0 };
	if (!fresh || ai_grow(&w->at, &w->cap, w->n + 1, sizeof *w->at, &err) < 0) {
		free(fresh);
		w->failed = true;
		return;
	}
	w->at[w->n++] = fresh;
	w->at[w->n] = NULL;
}

static void
words_done(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->at[i]);
	free(w->at);
}

static void
command(const struct box *b, const struct ai_pip_settings *s, struct words *w)
{
	static const char *const fixed[] = { "-I", "-B", "-m", "pip", "install", "--dry-run", "--report", REPORT, "--no-cache-dir",
		"--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "0", "--timeout", "3600" };
	word(w, ai_strdup(b->a->python));
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		word(w, ai_strdup(fixed[i]));
	/* An image is pinned with all that is installed in it; the host's packages may be others tomorrow, or at a colleague's. */
	if (b->a->complete)
		word(w, ai_strdup("--ignore-installed"));
	if (!b->a->sdists) {
		word(w, ai_strdup("--only-binary"));
		word(w, ai_strdup(":all:"));
	}
	if (s->pre)
		word(w, ai_strdup("--pre"));
	if (s->prefer_binary)
		word(w, ai_strdup("--prefer-binary"));
	if (s->require_hashes)
		word(w, ai_strdup("--require-hashes"));
	if (b->a->indexes.n == 0)
		word(w, ai_strdup("--no-index"));
	for (size_t i = 0; i < b->a->indexes.n; i++) {
		word(w, ai_strdup(i ? "--extra-index-url" : "--index-url"));
		word(w, ai_format("http://127.0.0.1:%d/%zu/simple/", AI_INDEX_PORT, i));
	}
	word(w, ai_strdup("-r"));
	word(w, ai_strdup("requirements.txt"));
}

/* The step's own variables, so that the Python is the one that the step will have; and pip's, which are ours. */
static void
variables(const struct box *b, struct words *w)
{
	size_t i;
	json_t *e;
	json_array_foreach(ai_json_arr(b->a->action, "env"), i, e)
		if (strncmp(ai_json_str(e, "name"), "PIP_", 4) != 0)
			word(w, ai_format("%s=%s", ai_json_str(e, "name"), ai_json_str(e, "value")));
	word(w, ai_strdup("PIP_CONFIG_FILE=/dev/null"));
	/* Nothing is installed; Debian's pip says no before it looks at that. */
	word(w, ai_strdup("PIP_BREAK_SYSTEM_PACKAGES=1"));
	word(w, ai_strdup("PIP_ROOT_USER_ACTION=ignore"));
}

/* Takes argv over. */
static int
run(struct box *b, struct words *argv, const struct ai_mount *mounts, size_t n_mounts, const struct ai_service *service, struct ai_end *end,
	struct ai_err *err)
{
	struct words env = { 0 };
	variables(b, &env);
	const struct ai_sandbox box = {
		.scratch = b->scratch, .host = b->a->host, .root = b->root, .service = service, .mounts = mounts, .n_mounts = n_mounts,
		.argv = (const char *const *)argv->at, .env = (const char *const *)env.at, .cwd = mounts[0].to,
		.outputs = "/workspace/outputs", .log_fd = b->log, .time_s = MOST_SECONDS,
	};
	int r = argv->failed || env.failed ? ai_nomem(err) : ai_sandbox_run(&box, end, err);
	words_done(argv);
	words_done(&env);
	return r;
}

static int
run_pip(struct box *b, const struct ai_pip_settings *settings, struct ai_end *end, struct ai_err *err)
{
	struct words argv = { 0 };
	command(b, settings, &argv);
	struct ai_mount mount = { .from = b->asked, .to = "/workspace/requirements", .how = AI_MOUNT_READ_ONLY };
	struct ai_service service = { .port = AI_INDEX_PORT, .listening = ai_index_listen, .ctx = b->index };
	return run(b, &argv, &mount, 1, &service, end, err);
}

/* --- when pip says no -------------------------------------------------------------------- */

static int
hint_for(const struct box *b, const char *log, const char *project, struct ai_err *err)
{
	struct ai_index_offer offer = { 0 };
	if (*project)
		ai_index_offer(b->index, project, &offer);
	if (strstr(log, "No module named pip"))
		return b->a->host ? ai_hint(err, "install what is missing from the distribution, or pip (python3-pip), or use an image with a Python and pip")
			: ai_hint(err, "use an image that has pip, or put the packages into the image");
	if (strstr(log, "no such option: --report"))
		return ai_hint(err, "pip 22.2 or newer is needed; older ones cannot say what they would install");
	if (offer.sdist)
		return ai_hint(err, "'%s' is there as source (%s): write 'sdists: [%s]' in the step to have it built offline", project, offer.sdist, project);
	if (offer.wheel)
		return ai_hint(err, "the index has '%s', which does not fit what is asked for, or not %s on %s", offer.wheel, b->a->python,
			ai_json_str(b->a->environment, "platform"));
	if (*project && !offer.listed)
		return ai_hint(err, "no index knows '%s': PIP_INDEX_URL, PIP_EXTRA_INDEX_URL and pip.conf say which are asked", project);
	return err->code;
}

static int
pip_failed(const struct box *b, const struct ai_end *end, struct ai_err *err)
{
	AI_BUF_AUTO log = AI_BUF(8u << 20);
	AI_BUF_AUTO said = AI_BUF(2048);
	char project[256] = "";
	struct ai_err ignored = { 0 };
	if (lseek(b->log, 0, SEEK_SET) == 0)
		(void)!ai_read_fd(b->log, "log", &log, &ignored);
	if (log.data)
		ai_pip_complaint(log.data, log.len, &said, project);
	if (end->kind == AI_END_TIME)
		ai_fail(err, AI_EENV, "step '%s': requirements.txt: choosing packages took longer than %d s", b->a->name, MOST_SECONDS);
	else if (log.data && strstr(log.data, "No module named pip"))
		ai_fail(err, AI_EENV, "step '%s': requirements.txt: the environment does not have what it asks for, and no pip to say what would", b->a->name);
	else
		ai_fail(err, AI_EINPUT, "step '%s': requirements.txt: %s", b->a->name, said.len ? said.data : "pip failed and does not say why");
	return hint_for(b, log.data ? log.data : "", project, err);
}

/* --- what pip chose ------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(ai_json_str(*(json_t *const *)a, "name"), ai_json_str(*(json_t *const *)b, "name"));
}

/* The list sorted by name: new reference, NULL when memory is out. */
static json_t *
sorted(json_t *list)
{
	size_t n = json_array_size(list);
	AI_FREE json_t **items = ai_calloc(n + 1, sizeof(json_t *));
	AI_JSON *out = json_array();
	if (!items || !out)
		return NULL;
	for (size_t i = 0; i < n; i++)
		items[i] = json_array_get(list, i);
	qsort(items, n, sizeof *items, by_name);
	for (size_t i = 0; i < n; i++)
		if (json_array_append(out, items[i]) < 0)
			return NULL;
	return json_incref(out);
}

/* One chosen file into the store, and what the lock says of it into the list. */
static int
take_file(struct box *b, size_t k, json_t *wheels, json_t *sdists, struct ai_err *err)
{
	struct ai_index_file f;
	if (ai_index_file(b->index, k, &f, err) < 0)
		return err->code;
	AI_FREE char *path = f.path, *uri = f.uri;
	const struct ai_sink *sink = ai_store_sink(b->job->store);
	struct ai_digest got;
	uint64_t size;
	if (sink->file(sink->ctx, AT_FDCWD, path, &got, &size, err) < 0)
		return err->code;
	if (!ai_digest_eq(&got, &f.sha256) || size != f.size)
		return ai_fail(err, AI_EENV, "'%s': changed on the way into the store", f.name);
	size_t n = strlen(f.name);
	bool wheel = n > 4 && strcmp(f.name + n - 4, ".whl") == 0;
	json_t *item = json_pack("{s:s, s:o, s:I, s:s}", "name", f.name, "sha256", ai_json_hex(&got), "size", (json_int_t)size, "uri", uri);
	ai_say(b->job->opt->talk, AI_TALK_DETAIL, "chosen  %s", f.name);
	return json_array_append_new(wheel ? wheels : sdists, item) < 0 ? ai_nomem(err) : 0;
}

static int
make_pin(struct box *b, json_t **pin, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(64u << 20);
	AI_FREE size_t *numbers = NULL;
	size_t n = 0;
	AI_FD fd = ai_workspace_open(b->scratch, REPORT, O_RDONLY, err);
	if (fd < 0 || ai_read_fd(fd, "pip's report", &text, err) < 0 || ai_pip_report(text.data ? text.data : "", text.len, PREFIX, &numbers, &n, err) < 0)
		return err->code;
	AI_JSON *wheels = json_array();
	AI_JSON *sdists = json_array();
	for (size_t i = 0; i < n; i++)
		if (take_file(b, numbers[i], wheels, sdists, err) < 0)
			return err->code;
	AI_JSON *w = sorted(wheels);
	AI_JSON *s = sorted(sdists);
	AI_JSON *p = w && s ? json_pack("{s:o, s:O}", "requirements", ai_json_hex(&b->a->requirements), "files", w) : NULL;
	if (!p || (json_array_size(s) && json_object_set(p, "sdists", s) < 0))
		return ai_nomem(err);
	*pin = json_incref(p);
	return 0;
}

/* Without pip it can still be that there is nothing to choose: 1 the image has all of it, 0 not. */
static int
image_has_it(const struct box *without_pip, struct ai_err *err)
{
	struct box b = { .job = without_pip->job, .a = without_pip->a, .log = -1, .lock = -1 };
	struct ai_end end = { 0 };
	struct words argv = { 0 };
	const char *script = ai_embedded_script("aicert/run/pip/check_requirements.py");
	const char *const head[] = { b.a->python, "-I", "-B", "-c", script ? script : "", "requirements.txt" };
	int r = box_open(&b, err);
	if (r == 0) {
		const struct ai_mount mount = { .from = b.asked, .to = "/workspace/requirements", .how = AI_MOUNT_READ_ONLY };
		for (size_t i = 0; i < sizeof head / sizeof *head; i++)
			word(&argv, ai_strdup(head[i]));
		r = run(&b, &argv, &mount, 1, NULL, &end, err);
	}
	box_done(&b);
	return r < 0 ? r : end.kind == AI_END_EXIT && end.value == 0;
}

int
ai_image_satisfies(struct ai_job *job, const struct ai_asked *a, struct ai_err *err)
{
	const struct box b = { .job = job, .a = a, .log = -1, .lock = -1 };
	return image_has_it(&b, err);
}

static bool
has_no_pip(const struct box *b)
{
	AI_BUF_AUTO log = AI_BUF(8u << 20);
	struct ai_err ignored = { 0 };
	return lseek(b->log, 0, SEEK_SET) == 0 && ai_read_fd(b->log, "log", &log, &ignored) == 0 && log.data && strstr(log.data, "No module named pip");
}

static int
resolve(struct box *b, const struct ai_pip_settings *settings, json_t **pin, struct ai_err *err)
{
	AI_FREE char *partial = ai_join(b->job->home.cache, "partial");
	AI_FREE const char **sdists = ai_calloc(json_array_size(b->a->sdists) + 1, sizeof *sdists);
	size_t i;
	json_t *name;
	if (!partial || !sdists)
		return ai_nomem(err);
	json_array_foreach(b->a->sdists, i, name)
		sdists[i] = json_string_value(name);
	if (box_open(b, err) < 0)
		return err->code;
	const struct ai_index_options options = { .indexes = &b->a->indexes, .folder = b->files, .partial = partial, .sdists = sdists,
		.all_sdists = json_is_string(b->a->sdists), .ca = ai_pip_cert(settings) };
	struct ai_end end = { 0 };
	struct ai_err served = { 0 };
	if (ai_index_new(&options, &b->index, err) < 0)
		return err->code;
	int r = run_pip(b, settings, &end, err);
	int s = ai_index_stop(b->index, &served);
	if (r < 0)
		return ai_in(err, "step '%s'", b->a->name);
	if (end.kind == AI_END_TIME)
		return pip_failed(b, &end, err);
	if (s < 0) {
		*err = served;
		ai_in(err, "step '%s': requirements.txt", b->a->name);
		return s == AI_EENV ? ai_hint(err, "PIP_INDEX_URL or pip.conf names an index that can be reached; what the environment has needs none") : s;
	}
	if (end.kind == AI_END_EXIT && end.value != 0 && !b->a->host && has_no_pip(b)) {
		r = image_has_it(b, err);
		if (r == 1)
			*pin = json_pack("{s:o, s:[]}", "requirements", ai_json_hex(&b->a->requirements), "files");
		if (r != 0)
			return r < 0 ? r : *pin ? 0 : ai_nomem(err);
	}
	if (end.kind != AI_END_EXIT || end.value != 0)
		return pip_failed(b, &end, err);
	return make_pin(b, pin, err) < 0 ? ai_in(err, "step '%s': requirements.txt", b->a->name) : 0;
}

/* --- what building the chosen source distributions takes ---------------------------------------- */

static int
no_include(void *ctx, const char *path, struct ai_err *err)
{
	(void)ctx;
	return ai_fail(err, AI_EUSAGE, "'%s': what building takes cannot name files", path);
}

/* The source distributions of a pin, from the store, at /workspace/sdists. */
static int
mount_sdists(struct box *b, const json_t *sdists, struct ai_mount *mounts, struct words *argv, struct words *paths, struct ai_err *err)
{
	size_t i;
	json_t *f;
	json_array_foreach(sdists, i, f) {
		struct ai_ref ref = { .type = AI_REF_BLOB };
		if (!ai_json_digest(f, "sha256", &ref.id) || ai_store_has(b->job->store, &ref, err) != 1)
			return err->code ? err->code : ai_fail(err, AI_EENV, "cache: '%s' is gone", ai_json_str(f, "name"));
		word(paths, ai_store_object_path(b->job->store, &ref.id));
		word(argv, ai_format("/workspace/sdists/%s", ai_json_str(f, "name")));
		if (paths->failed || argv->failed)
			return ai_nomem(err);
		mounts[i] = (struct ai_mount){ .from = paths->at[i], .to = argv->at[argv->n - 1], .how = AI_MOUNT_READ_ONLY };
	}
	return 0;
}

/* Their pyproject.toml say it; what they say is read like a stranger's requirements.txt. */
static int
build_text(struct box *b, const json_t *sdists, struct ai_buf *out, struct ai_err *err)
{
	static const char list[] = "/workspace/outputs/build.txt";
	const char *script = ai_embedded_script("aicert/run/pip/build_requirements.py");
	AI_FREE struct ai_mount *mounts = ai_calloc(json_array_size(sdists) + 1, sizeof *mounts);
	struct words argv = { 0 }, paths = { 0 };
	struct ai_end end = { 0 };
	const char *const head[] = { b->a->python, "-I", "-B", "-c", script ? script : "", list };
	for (size_t i = 0; i < sizeof head / sizeof *head; i++)
		word(&argv, ai_strdup(head[i]));
	int r = mounts ? mount_sdists(b, sdists, mounts + 1, &argv, &paths, err) : ai_nomem(err);
	if (r == 0) {
		mounts[0] = (struct ai_mount){ .from = b->asked, .to = "/workspace/requirements", .how = AI_MOUNT_READ_ONLY };
		r = run(b, &argv, mounts, json_array_size(sdists) + 1, NULL, &end, err);
	} else {
		words_done(&argv);
	}
	words_done(&paths);
	if (r < 0)
		return r;
	if (end.kind != AI_END_EXIT || end.value != 0)
		return ai_fail(err, AI_EINPUT, "a source distribution's pyproject.toml cannot be read");
	AI_BUF_AUTO text = AI_BUF(1u << 20);
	struct ai_indexes none = { 0 };
	const struct ai_requirements_reader reader = { .include = no_include, .indexes = &none };
	AI_FD fd = ai_workspace_open(b->scratch, list, O_RDONLY, err);
	if (fd < 0 || ai_read_fd(fd, "build.txt", &text, err) < 0)
		return err->code;
	r = ai_requirements_read("pyproject.toml", text.data ? text.data : "", text.len, &reader, out, err);
	ai_indexes_done(&none);
	return r;
}

static int
resolve_build(struct ai_job *job, const struct ai_pip_settings *settings, const struct ai_asked *a, json_t *pin, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(1u << 20);
	struct box reading = { .job = job, .a = a, .log = -1, .lock = -1 };
	int r = box_open(&reading, err);
	if (r == 0)
		r = build_text(&reading, ai_json_arr(pin, "sdists"), &text, err);
	box_done(&reading);
	if (r < 0)
		return ai_in(err, "step '%s': what building its packages takes", a->name);
	if (!text.len)
		return 0;
	struct ai_asked_file file = { .path = (char *)"requirements.txt", .text = text };
	struct ai_asked needs = *a;
	needs.files = &file;
	needs.n_files = 1;
	needs.sdists = NULL;
	needs.complete = true;
	AI_JSON *build = NULL;
	struct box b = { .job = job, .a = &needs, .log = -1, .lock = -1 };
	r = resolve(&b, settings, &build, err);
	box_done(&b);
	if (r < 0)
		return ai_in(err, "what building its packages takes");
	return json_array_size(ai_json_arr(build, "files")) && json_object_set(pin, "build", ai_json_arr(build, "files")) < 0 ? ai_nomem(err) : 0;
}

int
ai_asked_resolve(struct ai_job *job, const struct ai_pip_settings *settings, const struct ai_asked *a, json_t **pin, struct ai_err *err)
{
	struct box b = { .job = job, .a = a, .log = -1, .lock = -1 };
	AI_JSON *p = NULL;
	int r = resolve(&b, settings, &p, err);
	box_done(&b);
	if (r == 0 && ai_json_arr(p, "sdists"))
		r = resolve_build(job, settings, a, p, err);
	if (r == 0)
		*pin = json_incref(p);
	return r;
}
