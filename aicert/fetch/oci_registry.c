/* oci_registry.c -- a place that images come from (oci_parts.h): a registry and its mirrors.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/oci_registry.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "base/talk.h"
#include "fetch/oci_text.h"

enum { MAX_TAGS = 1 << 20 };

struct registry {
	const struct ai_talk *talk;
	char *name;                /* "docker.io/library/python" */
	const char *tag, *digest;  /* of the reference; borrowed */
	char *partial;
	struct ai_oci_origins origins;
	struct ai_http_session *session;
	atomic_bool stop;
	struct ai_oci_descriptor *got; /* blobs that lie in partial */
	size_t n_got, cap_got;
};

static const char accept_manifests[] = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
	"application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/* --- one question to one origin ----------------------------------------------------------- */

/* https or http? A server of TLS answers http with 400 or not at all. Nothing but the host's name is sent. */
static int
find_scheme(struct registry *g, struct ai_oci_origin *o, struct ai_err *err)
{
	struct ai_http_answer a = { .status = 0 };
	struct ai_err lost = { 0 };
	AI_FREE char *url = ai_format("http://%s/v2/", o->host);
	struct ai_http_request req = { .url = url, .size = -1, .session = g->session, .max = MAX_TAGS, .tries = 1 };
	if (!url)
		return ai_nomem(err);
	bool http = ai_http_call(&req, &a, &lost) == 0 && a.status != 400 && !a.elsewhere;
	ai_http_answer_done(&a);
	if (ai_check_interrupt(err) < 0)
		return err->code;
	o->base = ai_format("%s://%s", http ? "http" : "https", o->host);
	return o->base ? 0 : ai_nomem(err);
}

/*
 * Asks, and once more after a 401 that can be answered: 0 with the answer, or 1 with the blob's *fd when d is given. Only the origin's own 401
 * counts: a host that it redirects to gets to know nothing.
 */
static int
ask(struct registry *g, struct ai_oci_origin *o, const char *what, const struct ai_oci_descriptor *d, size_t max, struct ai_http_answer *a, int *fd,
	struct ai_err *err)
{
	if (!o->base && find_scheme(g, o, err) < 0)
		return err->code;
	AI_FREE char *url = ai_format("%s/v2/%s/%s", o->base, o->repository, what);
	if (!url)
		return ai_nomem(err);
	for (bool again = false;; again = true) {
		const char *headers[] = { d ? "Accept: */*" : accept_manifests, o->authorization };
		struct ai_http_request req = {
			.url = url, .headers = headers, .n_headers = o->authorization ? 2 : 1, .sha256 = d ? &d->digest : NULL, .size = d ? d->size : -1,
			.partial = g->partial, .talk = g->talk, .stop = &g->stop, .session = g->session, .max = max, .tries = o->mirror ? 2 : 0,
		};
		int r = d ? ai_http_blob(&req, fd, a, err) : ai_http_call(&req, a, err);
		if (r != 0 || a->status != 401 || a->elsewhere || again || !a->challenge)
			return r;
		AI_FREE char *challenge = a->challenge;
		a->challenge = NULL;
		ai_http_answer_done(a);
		r = ai_oci_authorize(o, challenge, g->session, g->talk, err);
		if (r < 0)
			return r;
		a->status = 401;
		if (r == 0)
			return 0;
	}
}

/* --- what a refusal means ------------------------------------------------------------------- */

static int
not_there(struct registry *g, struct ai_oci_origin *o, const char *what, const char *code, struct ai_err *err)
{
	struct ai_http_answer a = { .status = 0 };
	struct ai_err lost = { 0 };
	if (strcmp(code, "NAME_UNKNOWN") == 0)
		return ai_fail(err, AI_EINPUT, "registry '%s': has no repository '%s'", o->host, o->repository);
	ai_fail(err, AI_EINPUT, "registry '%s': '%s' has no %s", o->host, o->repository, what);
	if (strncmp(what, "tag ", 4) != 0)
		return err->code;
	char *tags = ask(g, o, "tags/list", NULL, MAX_TAGS, &a, NULL, &lost) == 0 && a.status == 200 && a.body.data ? ai_oci_tags_parse(a.body.data, a.body.len) : NULL;
	if (tags)
		ai_hint(err, "the tags there are: %s", tags);
	free(tags);
	ai_http_answer_done(&a);
	return err->code;
}

static int
refused(struct registry *g, struct ai_oci_origin *o, const char *what, const struct ai_http_answer *a, struct ai_err *err)
{
	char code[40];
	ai_oci_error_code(a->body.data ? a->body.data : "", a->body.len, code);
	if (a->elsewhere)
		return ai_fail(err, AI_EINPUT, "registry '%s': %s: the host that it redirects to answers %ld", o->host, what, a->status);
	switch (a->status) {
	case 401:
	case 403:
		ai_fail(err, AI_EINPUT, o->has_login > 0 ? "registry '%s': the login gives no right to read '%s' (%ld)" :
			"registry '%s': has no '%s', or shows it to nobody without a login (%ld)", o->host, o->repository, a->status);
		return ai_hint(err, "run 'docker login %s' (or podman, skopeo)", o->host);
	case 404:
		return not_there(g, o, what, code, err);
	case 429:
		ai_fail(err, AI_EENV, "registry '%s': wants no more requests from here for now (429)", o->host);
		return ai_hint(err, "wait, run 'docker login %s', or name a mirror in AICERT_REGISTRY_MIRRORS", o->host);
	default:
		return ai_fail(err, a->status >= 500 ? AI_EENV : AI_EINPUT, "registry '%s': %s: answers %ld, expected 200", o->host, what, a->status);
	}
}

/* --- manifests ---------------------------------------------------------------------------------- */

static int
check_manifest(const struct ai_oci_origin *o, const char *digest, const struct ai_http_answer *a, struct ai_digest *got, struct ai_err *err)
{
	char is[AI_HEX];
	const char *want = digest ? digest : a->digest && strncmp(a->digest, "sha256:", 7) == 0 ? a->digest : NULL;
	if (a->type && strncasecmp(a->type, "text/html", 9) == 0)
		return ai_fail(err, AI_EINPUT, "registry '%s': answers a web page, expected a manifest", o->host);
	ai_sha256(a->body.data ? a->body.data : "", a->body.len, got);
	ai_hex(got, is);
	if (want && strcmp(want + 7, is) != 0)
		return ai_fail(err, AI_EINPUT, "registry '%s': manifest: got sha256:%s, expected %.80s%s", o->host, is, want, digest ? "" : " (as its own header says)");
	return 0;
}

static int
manifest_from(struct registry *g, struct ai_oci_origin *o, const char *digest, struct ai_buf *bytes, struct ai_digest *got, struct ai_err *err)
{
	struct ai_http_answer a = { .status = 0 };
	AI_FREE char *path = ai_format("manifests/%s", digest ? digest : g->tag);
	AI_FREE char *what = digest ? ai_format("manifest %s", digest) : ai_format("tag '%s'", g->tag);
	struct ai_digest d;
	if (!path || !what)
		return ai_nomem(err);
	int r = ask(g, o, path, NULL, AI_OCI_MAX_MANIFEST, &a, NULL, err);
	if (r == 0 && a.status != 200)
		r = refused(g, o, what, &a, err);
	if (r == 0)
		r = check_manifest(o, digest, &a, &d, err);
	if (r == 0) {
		ai_buf_put(bytes, a.body.data ? a.body.data : "", a.body.len);
		r = ai_buf_ok(bytes, "manifest", err);
	}
	if (r == 0)
		*got = d;
	ai_http_answer_done(&a);
	return r;
}

static int
blob_from(struct registry *g, struct ai_oci_origin *o, const struct ai_oci_descriptor *d, int *fd, struct ai_err *err)
{
	struct ai_http_answer a = { .status = 0 };
	char hex[AI_HEX];
	ai_hex(&d->digest, hex);
	AI_FREE char *path = ai_format("blobs/sha256:%s", hex);
	AI_FREE char *what = ai_format("blob sha256:%s", hex);
	if (!path || !what)
		return ai_nomem(err);
	int r = ask(g, o, path, d, 0, &a, fd, err);
	if (r == 0)
		r = refused(g, o, what, &a, err);
	ai_http_answer_done(&a);
	return r < 0 ? r : 0;
}

/* --- the place ------------------------------------------------------------------------------------ */

/* Goes on to the next origin, saying why; false when this was the registry itself, or the user wants no more. */
static bool
passed_over(const struct registry *g, const struct ai_oci_origin *o, struct ai_err *err)
{
	if (!o->mirror || err->code == AI_EINTR)
		return false;
	ai_say(g->talk, AI_TALK_NOTE, "mirror %s: %s; asking the next", o->base, err->text);
	*err = (struct ai_err){ .code = 0 };
	return true;
}

static int
registry_manifest(void *ctx, const char *digest, struct ai_buf *bytes, struct ai_digest *digest_out, struct ai_err *err)
{
	struct registry *g = ctx;
	struct ai_digest d;
	char hex[AI_HEX];
	digest = digest ? digest : g->digest;
	for (size_t i = 0; i < g->origins.n; i++) {
		struct ai_oci_origin *o = &g->origins.list[i];
		if (manifest_from(g, o, digest, bytes, &d, err) < 0) {
			if (passed_over(g, o, err))
				continue;
			return err->code;
		}
		ai_hex(&d, hex);
		if (o->mirror && !digest)
			ai_say(g->talk, AI_TALK_NOTE, "%s:%s is sha256:%s, says the mirror %s", g->name, g->tag, hex, o->base);
		*digest_out = d;
		return 0;
	}
	return ai_fail(err, AI_EENV, "internal: '%s' has no registry", g->name);
}

static int
registry_blob(void *ctx, const struct ai_oci_descriptor *d, int *fd, struct ai_err *err)
{
	struct registry *g = ctx;
	if (ai_grow(&g->got, &g->cap_got, g->n_got, sizeof *g->got, err) < 0)
		return err->code;
	for (size_t i = 0; i < g->origins.n; i++) {
		struct ai_oci_origin *o = &g->origins.list[i];
		if (blob_from(g, o, d, fd, err) == 0) {
			g->got[g->n_got++] = *d;
			return 0;
		}
		if (!passed_over(g, o, err))
			return err->code;
	}
	return ai_fail(err, AI_EENV, "internal: '%s' has no registry", g->name);
}

static void
registry_done(void *ctx, bool finished)
{
	struct registry *g = ctx;
	for (size_t i = 0; finished && i < g->n_got; i++)
		ai_http_blob_drop(g->partial, &g->got[i].digest, g->got[i].size);
	free(g->got);
	ai_oci_origins_done(&g->origins);
	ai_http_session_free(g->session);
	free(g->partial);
	free(g->name);
	free(g);
}

static void
registry_stop(void *ctx)
{
	struct registry *g = ctx;
	atomic_store(&g->stop, true);
}

int
ai_oci_registry(const struct ai_fetch *f, const struct ai_image_ref *ref, struct ai_oci_place *out, struct ai_err *err)
{
	struct registry *g = ai_calloc(1, sizeof *g);
	if (!g)
		return ai_nomem(err);
	g->talk = f->talk;
	g->tag = ref->tag;
	g->digest = ref->digest;
	g->name = ai_format("%s/%s", ref->registry, ref->repository);
	g->partial = ai_join(f->cache, "partial");
	g->session = ai_http_session_new();
	int r = g->name && g->partial && g->session ? ai_oci_origins(ref->registry, ref->repository, f->talk, &g->origins, err) : ai_nomem(err);
	if (r < 0) {
		registry_done(g, false);
		return r;
	}
	*out = (struct ai_oci_place){ g, registry_manifest, registry_blob, registry_done, registry_stop };
	return 0;
}
