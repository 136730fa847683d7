/* git.c -- git inputs: resolve, fetch, and the tree of a commit (fetch.h, git.h).  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/git.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/fetch_impl.h"
#include "fetch/git_lfs.h"
#include "fetch/git_walk.h"

/* Submodules in submodules. */
enum { MAX_NESTED = 16 };

/* --- libgit2 ---------------------------------------------------------------------- */

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static int setup_result;

static void
setup(void)
{
	static const int levels[] = { GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL };
	const char *ca = getenv("SSL_CERT_FILE");
	int r = git_libgit2_init() < 0 ? -1 : 0;
	/* No configuration of user or system: insteadOf, sslVerify and the like would change what a name means. */
	for (size_t i = 0; r == 0 && i < sizeof levels / sizeof *levels; i++)
		r = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	if (r == 0)
		r = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	if (r == 0)
		r = git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	/* Whose a local repository is does not matter: no hook or filter of it runs, and its objects are re-hashed. */
	if (r == 0)
		r = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	if (r == 0 && ca && *ca)
		r = git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, ca, NULL);
	setup_result = r;
}

int
ai_git_setup(struct ai_err *err)
{
	pthread_once(&setup_once, setup);
	if (setup_result < 0) {
		const git_error *e = git_error_last();
		return ai_fail(err, AI_EENV, "git: cannot set libgit2 up: %s", e && e->message ? e->message : "unknown reason");
	}
	return 0;
}

/* Overwrites each occurrence of what is secret. */
static void
scrub(char *text, const char *secret)
{
	size_t n = secret ? strlen(secret) : 0;
	for (char *p = text; n >= 3 && (p = strstr(p, secret)); p += n)
		memset(p, '*', n);
}

/* The query and user info of a URL must not come back in libgit2's words. */
static void
scrub_url(char *text, const struct ai_git_url *url)
{
	if (!url || url->scheme == AI_GIT_FILE)
		return;
	scrub(text, url->password);
	if (ai_url_has_secret(url->wire))
		scrub(text, strchr(url->wire, '?'));
}

int
ai_git_fail(const struct ai_git_url *url, int returned, const char *doing, struct ai_err *err)
{
	const git_error *e = git_error_last();
	AI_FREE char *said = ai_strdup(e && e->message ? e->message : "libgit2 gives no reason");
	if (!said)
		return ai_nomem(err);
	scrub_url(said, url);
	int class = e ? e->klass : GIT_ERROR_NONE;
	bool gone = strstr(said, "status code: 404") || strstr(said, "status code: 410") || strcasestr(said, "repository not found") ||
		returned == GIT_ENOTFOUND || (returned == GIT_EEOF && url->scheme == AI_GIT_SSH);
	if (gone) {
		ai_fail(err, AI_EINPUT, "git: '%s': is gone, or not there for this user: %s", url->shown, said);
		return url->scheme == AI_GIT_FILE ? err->code : ai_hint(err, "check the URL; a private repository needs a login (credential helper, ssh-agent, netrc or token variable)");
	}
	/* libgit2 reads ~/.ssh/known_hosts too, to choose the kind of key to ask for, and gives up at a line that it does not know. */
	if (strstr(said, "known_hosts")) {
		ai_fail(err, AI_EENV, "git: '%s': %s", url->shown, said);
		return ai_hint(err, "mend or remove the lines of ~/.ssh/known_hosts that are not `names type key`");
	}
	bool machine = class == GIT_ERROR_NET || class == GIT_ERROR_OS || class == GIT_ERROR_SSL || class == GIT_ERROR_SSH ||
		class == GIT_ERROR_HTTP || class == GIT_ERROR_NOMEMORY || class == GIT_ERROR_THREAD || class == GIT_ERROR_FILESYSTEM;
	return ai_fail(err, machine ? AI_EENV : AI_EINPUT, "git: '%s': %s: %s", url->shown, doing, said);
}

/* --- refs ------------------------------------------------------------------------- */

/* A branch or tag by its short name: 1, 0, negative. Both and different: the user must say which. */
static int
find_short(int (*find)(void *, const char *, struct ai_git_id *, struct ai_err *), void *ctx, const char *ref, struct ai_git_id *out,
	char **name_out, struct ai_err *err)
{
	struct ai_git_id branch, tag;
	AI_FREE char *branch_name = ai_format("refs/heads/%s", ref);
	AI_FREE char *tag_name = ai_format("refs/tags/%s", ref);
	if (!branch_name || !tag_name)
		return ai_nomem(err);
	int b = find(ctx, branch_name, &branch, err), t = b < 0 ? 0 : find(ctx, tag_name, &tag, err);
	if (b < 0 || t < 0)
		return err->code;
	if (b && t && !ai_git_id_eq(&branch, &tag))
		return ai_fail(err, AI_EINPUT, "ref '%s' is a branch and a tag, and they differ: write 'refs/heads/%s' or 'refs/tags/%s'", ref, ref, ref);
	if (!b && !t)
		return 0;
	*out = b ? branch : tag;
	if (name_out) {
		*name_out = b ? branch_name : tag_name;
		if (b)
			branch_name = NULL;
		else
			tag_name = NULL;
	}
	return 1;
}

int
ai_git_find_ref(int (*find)(void *ctx, const char *name, struct ai_git_id *out, struct ai_err *err), void *ctx, const char *ref,
	struct ai_git_id *out, char **name_out, struct ai_err *err)
{
	const char *whole = !ref || strcmp(ref, "HEAD") == 0 ? "HEAD" : strncmp(ref, "refs/", 5) == 0 ? ref : NULL;
	int r = whole ? find(ctx, whole, out, err) : find_short(find, ctx, ref, out, name_out, err);
	if (r < 0)
		return r;
	if (r == 0 && !ref)
		return ai_fail(err, AI_EINPUT, "the repository has no HEAD: it is empty, or 'ref' is needed");
	if (r == 0 && ai_git_id_is_short(ref)) {
		ai_fail(err, AI_EINPUT, "no branch or tag '%s'; if it is a commit: got %zu digits, expected 40 (lower case)", ref, strlen(ref));
		return ai_hint(err, "git rev-parse %s", ref);
	}
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "no branch or tag '%s'", ref);
	if (whole && name_out && !(*name_out = ai_strdup(whole)))
		return ai_nomem(err);
	return 0;
}

/* --- repositories of this disk ------------------------------------------------------ */

static int
local_open(const struct ai_git_url *url, git_repository **out, struct ai_err *err)
{
	int r = git_repository_open_ext(out, url->path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
	if (r == 0)
		return 0;
	if (!ai_exists(url->path))
		return ai_fail(err, AI_EINPUT, "git: '%s': no such folder", url->shown);
	return r == GIT_ENOTFOUND ? ai_fail(err, AI_EINPUT, "git: '%s': is not a git repository", url->shown) : ai_git_fail(url, r, "cannot open", err);
}

static int
local_find(void *repo, const char *name, struct ai_git_id *out, struct ai_err *err)
{
	git_oid oid;
	git_object *object = NULL, *commit = NULL;
	(void)err;
	if (git_reference_name_to_id(&oid, repo, name) < 0)
		return 0;
	/* An annotated tag stands for the commit it names; what names none is said when it is read. */
	if (git_object_lookup(&object, repo, &oid, GIT_OBJECT_ANY) == 0 && git_object_peel(&commit, object, GIT_OBJECT_COMMIT) == 0)
		oid = *git_object_id(commit);
	git_object_free(commit);
	git_object_free(object);
	memcpy(out->b, oid.id, sizeof out->b);
	return 1;
}

static int
local_resolve(const struct ai_git_url *url, const char *ref, struct ai_git_id *out, struct ai_err *err)
{
	git_repository *repo = NULL;
	if (local_open(url, &repo, err) < 0)
		return err->code;
	int r = ai_git_find_ref(local_find, repo, ref, out, NULL, err) < 0 ? ai_in(err, "git: '%s'", url->shown) : 0;
	git_repository_free(repo);
	return r;
}

static int
resolve(const struct ai_fetch *f, const struct ai_git_url *url, const char *ref, struct ai_git_id *out, struct ai_err *err)
{
	if (ref && ai_git_id_parse(ref, out))
		return 0;
	return url->scheme == AI_GIT_FILE ? local_resolve(url, ref, out, err) : ai_git_remote_resolve(f, url, ref, out, err);
}

int
ai_git_resolve(const struct ai_fetch *f, const struct ai_input *in, char commit_out[AI_GIT_HEX], struct ai_err *err)
{
	struct ai_git_url url;
	struct ai_git_id id;
	if (ai_git_setup(err) < 0 || ai_git_url_parse(in->where, f->project, &url, err) < 0)
		return err->code;
	int r = resolve(f, &url, in->ref, &id, err);
	if (r == 0)
		ai_git_id_hex(&id, commit_out);
	ai_git_url_done(&url);
	return r;
}

/* --- content ------------------------------------------------------------------------ */

/* One repository at one commit, being walked. */
struct visit {
	const struct ai_fetch *f;      /* NULL: nothing is fetched; submodules are looked for inside the clone (ai_git_commit_tree) */
	const struct ai_sink *sink;
	const struct ai_git_url *url;
	const char *prefix;
	bool submodules, lfs;
	bool bring;                    /* the contents of Git LFS come too; else the tree is all that is wanted */
	int nested;
	struct ai_lfs large;           /* of this repository */
	git_repository *repo;
	git_odb *odb;
	bool damaged;                  /* an object was missing or not what its id says */
	ai_git_each *each; void *each_ctx; /* shown every object; NULL: nobody asks */
};

static int visit(struct visit *v, const struct ai_git_id *commit, const char *ref, struct ai_digest *out, struct ai_err *err);

static int
read_object(void *ctx, const struct ai_git_id *id, ai_git_kind kind, struct ai_git_object *out, struct ai_err *err)
{
	static const git_object_t types[] = { [AI_GIT_COMMIT] = GIT_OBJECT_COMMIT, [AI_GIT_TREE] = GIT_OBJECT_TREE, [AI_GIT_BLOB] = GIT_OBJECT_BLOB };
	struct visit *v = ctx;
	git_odb_object *o = NULL;
	git_oid oid, got;
	char hex[AI_GIT_HEX], got_hex[AI_GIT_HEX] = "?";
	ai_git_id_hex(id, hex);
	memcpy(oid.id, id->b, sizeof oid.id);
	int r = git_odb_read(&o, v->odb, &oid);
	if (r < 0) {
		v->damaged = true;
		const git_error *e = git_error_last();
		return r == GIT_ENOTFOUND ? ai_fail(err, AI_EINPUT, "git object %s is missing", hex) :
			ai_fail(err, AI_EINPUT, "git object %s cannot be read: %s", hex, e && e->message ? e->message : "damaged");
	}
	/* libgit2 has checked this already where it read the object from disk, but not where its object cache had it. */
	if (git_odb_hash(&got, git_odb_object_data(o), git_odb_object_size(o), git_odb_object_type(o)) < 0 || !git_oid_equal(&got, &oid)) {
		v->damaged = true;
		git_oid_tostr(got_hex, sizeof got_hex, &got);
		git_odb_object_free(o);
		return ai_fail(err, AI_EINPUT, "git object %s is damaged: its bytes hash to %s", hex, got_hex);
	}
	if (git_odb_object_type(o) != types[kind]) {
		ai_fail(err, AI_EINPUT, "git object %s: got a %s, expected a %s", hex, git_object_type2string(git_odb_object_type(o)), git_object_type2string(types[kind]));
		git_odb_object_free(o);
		return err->code;
	}
	*out = (struct ai_git_object){ git_odb_object_data(o), git_odb_object_size(o), o };
	if (v->each && v->each(v->each_ctx, id, git_object_type2string(types[kind]), out->bytes, out->n, err) < 0) {
		git_odb_object_free(o);
		return err->code;
	}
	return 0;
}

static void
release_object(struct ai_git_object *o)
{
	git_odb_object_free(o->hold);
}

/* Where a clone keeps the repository of its submodule: in its working folder, else under its git folder. */
static int
clone_submodule_url(const struct visit *v, const struct ai_submodule *s, struct ai_git_url *out, struct ai_err *err)
{
	const char *work = git_repository_workdir(v->repo);
	AI_FREE char *in_work = work ? ai_format("%s%s/.git", work, s->path) : NULL;
	AI_FREE char *kept = ai_format("%smodules/%s", git_repository_path(v->repo), s->path);
	if ((work && !in_work) || !kept)
		return ai_nomem(err);
	/* The path is the repository's word: it must not lead out of the clone. */
	if (ai_relpath_check(s->path, err) < 0)
		return err->code;
	if (in_work && ai_exists(in_work)) {
		in_work[strlen(in_work) - strlen("/.git")] = '\0';
		return ai_git_url_parse(in_work, "/", out, err);
	}
	return ai_git_url_parse(kept, "/", out, err);
}

static int
visit_submodule(void *ctx, const struct ai_submodule *s, const struct ai_git_id *commit, const char *path, struct ai_digest *out, struct ai_err *err)
{
	struct visit *v = ctx;
	struct ai_git_url url;
	if (v->nested == MAX_NESTED)
		return ai_fail(err, AI_EINPUT, "submodules nested deeper than %d", MAX_NESTED);
	AI_FREE char *prefix = ai_format("%s/", path);
	if (!prefix)
		return ai_nomem(err);
	if ((v->f ? ai_git_url_submodule(v->url, s->url, &url, err) : clone_submodule_url(v, s, &url, err)) < 0)
		return err->code;
	struct visit inner = { .f = v->f, .sink = v->sink, .url = &url, .prefix = prefix, .submodules = true, .lfs = v->lfs, .bring = v->bring, .nested = v->nested + 1,
		.each = v->each, .each_ctx = v->each_ctx };
	int r = visit(&inner, commit, NULL, out, err);
	ai_git_url_done(&url);
	return r;
}

/* The commit is not to be had. Shows what was pinned and, where the ref can still be asked, what it means now. */
static int
moved(const struct visit *v, const struct ai_git_id *commit, const char *ref, struct ai_err *err)
{
	struct ai_git_id now;
	struct ai_err unasked = { 0 };
	char hex[AI_GIT_HEX], now_hex[AI_GIT_HEX];
	ai_git_id_hex(commit, hex);
	bool is_commit = ref && ai_git_id_parse(ref, &now);
	if (!v->f || is_commit || v->nested || resolve(v->f, v->url, ref, &now, &unasked) < 0)
		return ai_fail(err, AI_EINPUT, "git: '%s': commit %s is not there", v->url->shown, hex);
	ai_git_id_hex(&now, now_hex);
	ai_fail(err, AI_EINPUT, "git: '%s': the pinned commit is gone: pinned %s, '%s' is now %s", v->url->shown, hex, ref ? ref : "HEAD", now_hex);
	return ai_hint(err, "to take what is there now: aicert lock --update");
}

/* 1 with v->repo open and the commit in it, 0 not there. */
static int
open_with(struct visit *v, const struct ai_git_id *commit, const char *ref, struct ai_err *err)
{
	git_oid oid;
	memcpy(oid.id, commit->b, sizeof oid.id);
	bool local = v->url->scheme == AI_GIT_FILE;
	int r = local ? local_open(v->url, &v->repo, err) < 0 ? err->code : 1 : ai_git_remote_fetch(v->f, v->url, commit, ref, &v->repo, err);
	if (r == 1 && git_repository_odb(&v->odb, v->repo) < 0)
		return ai_git_fail(v->url, -1, "cannot open its objects", err);
	return r == 1 && local ? git_odb_exists(v->odb, &oid) : r;
}

static void
visit_close(struct visit *v)
{
	ai_lfs_done(&v->large);
	git_odb_free(v->odb);
	git_repository_free(v->repo);
	v->odb = NULL;
	v->repo = NULL;
}

static int
note_large(void *ctx, const char *path, const struct ai_digest *oid, uint64_t size, struct ai_err *err)
{
	struct visit *v = ctx;
	return v->bring ? ai_lfs_add(&v->large, path, oid, size, err) : 0;
}

static int
note_lfs_url(void *ctx, const char *url, struct ai_err *err)
{
	struct visit *v = ctx;
	v->large.url = ai_strdup(url);
	return v->large.url ? 0 : ai_nomem(err);
}

/* Where a repository of this disk keeps the large files that it has. */
static int
bring_large(struct visit *v, struct ai_err *err)
{
	bool local = v->url->scheme == AI_GIT_FILE;
	AI_FREE char *storage = local ? ai_format("%slfs/objects", git_repository_commondir(v->repo)) : NULL;
	return local && !storage ? ai_nomem(err) : ai_lfs_bring(v->f, v->url, storage, &v->large, err);
}

static int
walk(struct visit *v, const struct ai_git_id *commit, struct ai_digest *out, struct ai_err *err)
{
	struct ai_git_walk w = {
		.ctx = v, .read = read_object, .release = release_object, .submodule = v->submodules ? visit_submodule : NULL,
		.lfs = v->lfs ? note_large : NULL, .lfs_url = v->bring ? note_lfs_url : NULL,
		.sink = v->sink, .talk = v->f ? v->f->talk : NULL, .prefix = v->prefix,
	};
	ai_lfs_done(&v->large);
	if (ai_git_walk(&w, commit, out, err) < 0)
		return ai_in(err, "git: '%s'", v->url->shown);
	return v->bring && bring_large(v, err) < 0 ? ai_in(err, "git: '%s'", v->url->shown) : 0;
}

static int
visit(struct visit *v, const struct ai_git_id *commit, const char *ref, struct ai_digest *out, struct ai_err *err)
{
	int r = open_with(v, commit, ref, err);
	if (r == 1)
		r = walk(v, commit, out, err);
	else if (r == 0)
		r = moved(v, commit, ref, err);
	visit_close(v);
	/* A damaged copy in the cache is not the user's to mend: once more from the remote. */
	if (r < 0 && v->damaged && v->url->scheme != AI_GIT_FILE && r != AI_EINTR) {
		v->damaged = false;
		if (ai_git_cache_drop(v->f, v->url, err) < 0)
			return err->code;
		r = open_with(v, commit, ref, err);
		r = r == 1 ? walk(v, commit, out, err) : r == 0 ? moved(v, commit, ref, err) : r;
		visit_close(v);
	}
	return r;
}

int
ai_git_content(const struct ai_fetch *f, const struct ai_input *in, const char *commit, struct ai_digest *tree_out, struct ai_err *err)
{
	struct ai_git_url url;
	struct ai_git_id id;
	if (!ai_git_id_parse(commit, &id))
		return ai_fail(err, AI_EINPUT, "aicert.lock: revision '%s': expected 40 lower-case hex digits", commit);
	if (ai_git_setup(err) < 0 || ai_git_url_parse(in->where, f->project, &url, err) < 0)
		return err->code;
	struct visit v = { .f = f, .sink = f->sink, .url = &url, .prefix = "", .submodules = in->submodules, .lfs = in->lfs, .bring = true };
	int r = visit(&v, &id, in->ref, tree_out, err);
	ai_git_url_done(&url);
	return r;
}

/* --- the tree of a commit, nothing kept --------------------------------------------- */

struct hashing { struct ai_sha sha; uint64_t size; };

static int
hash_begin(void *ctx, void **obj, struct ai_err *err)
{
	(void)ctx;
	struct hashing *h = ai_calloc(1, sizeof *h);
	if (!h)
		return ai_nomem(err);
	if (ai_sha_init(&h->sha, err) < 0) {
		free(h);
		return err->code;
	}
	*obj = h;
	return 0;
}

static int
hash_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	struct hashing *h = obj;
	(void)err;
	ai_sha_add(&h->sha, p, n);
	h->size += n;
	return 0;
}

static int
hash_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct hashing *h = obj;
	(void)err;
	ai_sha_end(&h->sha, out);
	if (size_out)
		*size_out = h->size;
	free(h);
	return 0;
}

static void
hash_abort(void *obj)
{
	struct hashing *h = obj;
	ai_sha_done(&h->sha);
	free(h);
}

static int
hash_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	(void)ctx;
	if (ai_tree_bytes(entries, n, &b, err) < 0)
		return err->code;
	ai_sha256(b.data, b.len, out);
	return 0;
}

static const struct ai_sink hashing = { .begin = hash_begin, .write = hash_write, .commit = hash_commit, .abort = hash_abort, .tree = hash_tree };

int
ai_git_each_object(const struct ai_fetch *f, const struct ai_input *in, const char *commit, ai_git_each *each, void *ctx, struct ai_digest *tree_out,
	struct ai_err *err)
{
	struct ai_git_url url;
	struct ai_git_id id;
	if (!ai_git_id_parse(commit, &id))
		return ai_fail(err, AI_EINPUT, "aicert.lock: revision '%s': expected 40 lower-case hex digits", commit);
	if (ai_git_setup(err) < 0 || ai_git_url_parse(in->where, f->project, &url, err) < 0)
		return err->code;
	struct visit v = { .f = f, .sink = &hashing, .url = &url, .prefix = "", .submodules = in->submodules, .lfs = in->lfs, .each = each, .each_ctx = ctx };
	int r = visit(&v, &id, in->ref, tree_out, err);
	ai_git_url_done(&url);
	return r;
}

int
ai_git_commit_tree(const char *clone, const char *revision, struct ai_digest *tree_out, struct ai_err *err)
{
	struct ai_git_url url;
	struct ai_git_id id;
	AI_FREE char *path = ai_abspath(clone);
	if (!path)
		return ai_nomem(err);
	if (!ai_git_id_parse(revision, &id))
		return ai_fail(err, AI_EINPUT, "commit '%s': expected 40 lower-case hex digits", revision);
	if (ai_git_setup(err) < 0 || ai_git_url_parse(path, "/", &url, err) < 0)
		return err->code;
	struct visit v = { .sink = &hashing, .url = &url, .prefix = "", .submodules = true, .lfs = true };
	int r = visit(&v, &id, NULL, tree_out, err);
	ai_git_url_done(&url);
	return r;
}
