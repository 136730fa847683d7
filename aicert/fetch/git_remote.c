/* git_remote.c -- remote repositories and their copies in the cache (git.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/git.h"

static int
on_progress(const git_indexer_progress *p, void *link)
{
	struct ai_git_link *l = link;
	ai_say_progress(l->talk, l->url->shown, p->received_bytes, 0);
	return ai_check_interrupt(&l->said) < 0 ? GIT_EUSER : 0;
}

static int
on_text(const char *text, int n, void *link)
{
	struct ai_git_link *l = link;
	(void)text;
	(void)n;
	return ai_check_interrupt(&l->said) < 0 ? GIT_EUSER : 0;
}

static void
set_callbacks(git_remote_callbacks *c, struct ai_git_link *l)
{
	c->credentials = ai_git_credentials;
	c->certificate_check = ai_git_certificate;
	c->transfer_progress = on_progress;
	c->sideband_progress = on_text;
	c->payload = l;
}

/* What a callback of ours said comes before libgit2's own word; an interrupt before both. */
static int
link_fail(struct ai_git_link *l, int returned, const char *doing, struct ai_err *err)
{
	if (ai_check_interrupt(err) < 0)
		return err->code;
	if (l->said.code) {
		*err = l->said;
		return err->code;
	}
	return ai_git_fail(l->url, returned, doing, err);
}

/* repo NULL: to ask only. Free with disconnect. */
static int
link_open(struct ai_git_link *l, git_repository *repo, struct ai_err *err)
{
	git_remote_connect_options o;
	if (git_remote_connect_options_init(&o, GIT_REMOTE_CONNECT_OPTIONS_VERSION) < 0)
		return ai_nomem(err);
	set_callbacks(&o.callbacks, l);
	o.proxy_opts.type = GIT_PROXY_AUTO;
	/* To another host a login would go along: libgit2 asks for it by the first host's name. */
	o.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
	/* Anonymous: no name, so no URL is written into the cache's configuration. */
	int r = repo ? git_remote_create_anonymous(&l->remote, repo, l->url->wire) : git_remote_create_detached(&l->remote, l->url->wire);
	if (r == 0)
		r = git_remote_connect_ext(l->remote, GIT_DIRECTION_FETCH, &o);
	return r < 0 ? link_fail(l, r, "cannot connect", err) : 0;
}

static void
disconnect(struct ai_git_link *l)
{
	git_remote_free(l->remote);
	l->remote = NULL;
}

static int
link_find(void *ctx, const char *name, struct ai_git_id *out, struct ai_err *err)
{
	struct ai_git_link *l = ctx;
	const git_remote_head **heads;
	size_t n, len = strlen(name);
	int r = git_remote_ls(&heads, &n, l->remote), found = 0;
	if (r < 0)
		return link_fail(l, r, "cannot list", err);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(heads[i]->name, name, len) != 0)
			continue;
		/* An annotated tag is listed twice; the line with ^{} is the commit. */
		bool peeled = strcmp(heads[i]->name + len, "^{}") == 0;
		if (peeled || (!found && heads[i]->name[len] == '\0')) {
			memcpy(out->b, heads[i]->oid.id, sizeof out->b);
			found = 1;
		}
	}
	return found;
}

int
ai_git_remote_resolve(const struct ai_fetch *f, const struct ai_git_url *url, const char *ref, struct ai_git_id *out, struct ai_err *err)
{
	struct ai_git_link l = { .url = url, .talk = f->talk };
	int r = link_open(&l, NULL, err);
	if (r == 0 && ai_git_find_ref(link_find, &l, ref, out, NULL, err) < 0)
		r = ai_in(err, "git: '%s'", url->shown);
	disconnect(&l);
	return r;
}

/* --- the cache's copy ----------------------------------------------------------- */

/* cache/git/<sha256 of what may be said of the URL>; the same for all who may read it. */
static char *
copy_path(const struct ai_fetch *f, const struct ai_git_url *url)
{
	struct ai_digest d;
	char hex[AI_HEX];
	ai_sha256(url->shown, strlen(url->shown), &d);
	ai_hex(&d, hex);
	return ai_format("%s/git/%s", f->cache, hex);
}

/* Waits for the copy's lock; processes that share the cache write one after the other. */
static int
copy_lock(const char *path, int *fd_out, struct ai_err *err)
{
	AI_FREE char *name = ai_format("%s.lock", path);
	AI_FREE char *dir = name ? ai_strndup(name, (size_t)(strrchr(name, '/') - name)) : NULL;
	if (!dir)
		return ai_nomem(err);
	if (ai_mkdirs(dir, 0755, err) < 0)
		return err->code;
	AI_FD fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot open", name);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ai_fail_errno(err, AI_EENV, "%s: cannot lock", name);
		if (ai_check_interrupt(err) < 0)
			return err->code;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	*fd_out = fd;
	fd = -1;
	return 0;
}

static int
copy_open(const char *path, const struct ai_git_url *url, git_repository **out, struct ai_err *err)
{
	if (git_repository_open_bare(out, path) == 0)
		return 0;
	/* Not a repository: absent, or half made when the power failed. */
	if (ai_remove_tree(AT_FDCWD, path, err) < 0)
		return err->code;
	git_repository_init_options o;
	if (git_repository_init_options_init(&o, GIT_REPOSITORY_INIT_OPTIONS_VERSION) < 0)
		return ai_nomem(err);
	o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
	int r = git_repository_init_ext(out, path, &o);
	return r < 0 ? ai_git_fail(url, r, "cannot make a repository in the cache", err) : 0;
}

/* refs/aicert/<commit>: everything that the commit needs is here. Made last. */
static char *
mark_name(const struct ai_git_id *commit)
{
	char hex[AI_GIT_HEX];
	ai_git_id_hex(commit, hex);
	return ai_format("refs/aicert/%s", hex);
}

static bool
copy_has(git_repository *repo, const struct ai_git_id *commit)
{
	git_odb *odb = NULL;
	git_oid oid;
	memcpy(oid.id, commit->b, sizeof oid.id);
	bool has = git_repository_odb(&odb, repo) == 0 && git_odb_refresh(odb) == 0 && git_odb_exists(odb, &oid) == 1;
	git_odb_free(odb);
	return has;
}

/* One connection, one download of what the refspecs name. 0, or negative with err. */
static int
download(struct ai_git_link *l, const char *const *specs, size_t n, struct ai_err *err)
{
	git_fetch_options o;
	if (git_fetch_options_init(&o, GIT_FETCH_OPTIONS_VERSION) < 0)
		return ai_nomem(err);
	/* libgit2 does not write through this, though its type would let it. */
	git_strarray list = { (char **)(uintptr_t)specs, n };
	set_callbacks(&o.callbacks, l);
	o.proxy_opts.type = GIT_PROXY_AUTO;
	o.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	o.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
	int r = git_remote_download(l->remote, &list, &o);
	return r < 0 ? link_fail(l, r, "cannot fetch", err) : 0;
}

/* The listed name whose commit this is, or NULL. Fresh. */
static char *
name_of(struct ai_git_link *l, const struct ai_git_id *commit)
{
	const git_remote_head **heads;
	size_t n;
	if (git_remote_ls(&heads, &n, l->remote) < 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (memcmp(heads[i]->oid.id, commit->b, sizeof commit->b) == 0)
			return ai_strndup(heads[i]->name, strcspn(heads[i]->name, "^"));
	return NULL;
}

/* The ways to ask for a commit, from the least to the most. ORDER ASK */
enum ask { ASK_NAME, ASK_COMMIT, ASK_REF, ASK_ALL, ASKS };

static int
ask(const struct ai_fetch *f, const struct ai_git_url *url, git_repository *repo, const struct ai_git_id *commit, const char *ref,
	enum ask how, struct ai_err *err)
{
	struct ai_git_link l = { .url = url, .talk = f->talk };
	struct ai_git_id at;
	char hex[AI_GIT_HEX];
	AI_FREE char *name = NULL;
	ai_git_id_hex(commit, hex);
	int r = link_open(&l, repo, err);
	if (r == 0 && how == ASK_NAME)
		name = name_of(&l, commit);
	if (r == 0 && how == ASK_REF && ref && ai_git_find_ref(link_find, &l, ref, &at, &name, err) < 0)
		name = NULL; /* the ref is gone: all of them are asked for next */
	const char *all[] = { "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*" };
	const char *one[] = { how == ASK_COMMIT ? hex : name };
	if (r == 0 && how == ASK_ALL)
		r = download(&l, all, 2, err);
	else if (r == 0 && one[0])
		r = download(&l, one, 1, err);
	disconnect(&l);
	return r;
}

static int
bring(const struct ai_fetch *f, const struct ai_git_url *url, git_repository *repo, const struct ai_git_id *commit, const char *ref, struct ai_err *err)
{
	for (int how = ASK_NAME; how < ASKS; how++) {
		int r = ask(f, url, repo, commit, ref, (enum ask)how, err);
		/* Only the bare commit may be refused by a server that has it. */
		if (r < 0 && (how != ASK_COMMIT || r == AI_EINTR))
			return r;
		if (r == 0 && copy_has(repo, commit))
			return 1;
	}
	return 0;
}

int
ai_git_remote_fetch(const struct ai_fetch *f, const struct ai_git_url *url, const struct ai_git_id *commit, const char *ref,
	git_repository **out, struct ai_err *err)
{
	AI_FREE char *path = copy_path(f, url);
	AI_FREE char *mark = mark_name(commit);
	AI_FD lock = -1;
	git_repository *repo = NULL;
	git_reference *made = NULL;
	git_oid oid;
	if (!path || !mark)
		return ai_nomem(err);
	if (copy_lock(path, &lock, err) < 0 || copy_open(path, url, &repo, err) < 0)
		return err->code;
	memcpy(oid.id, commit->b, sizeof oid.id);
	int r = git_reference_name_to_id(&(git_oid){ { 0 } }, repo, mark) == 0 ? 1 : bring(f, url, repo, commit, ref, err);
	if (r == 1 && git_reference_create(&made, repo, mark, &oid, 1, NULL) < 0)
		r = ai_git_fail(url, -1, "cannot write to the cache", err);
	git_reference_free(made);
	if (r == 1)
		*out = repo;
	else
		git_repository_free(repo);
	return r;
}

int
ai_git_cache_drop(const struct ai_fetch *f, const struct ai_git_url *url, struct ai_err *err)
{
	AI_FREE char *path = copy_path(f, url);
	AI_FD lock = -1;
	if (!path)
		return ai_nomem(err);
	return copy_lock(path, &lock, err) < 0 ? err->code : ai_remove_tree(AT_FDCWD, path, err);
}
