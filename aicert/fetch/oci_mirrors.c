/* oci_mirrors.c -- see oci_registry.h: where a repository is.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "fetch/oci_registry.h"
#include "fetch/oci_text.h"

/* The host of a URL without its port, fresh. */
static char *
bare_host(const char *host_port)
{
	size_t n = host_port[0] == '[' ? strcspn(host_port, "]") + 1 : strcspn(host_port, ":");
	return ai_strndup(host_port, n > strlen(host_port) ? strlen(host_port) : n);
}

/* "https://host[:port][/prefix]", or http to this machine: what is wrong with it, or NULL. */
static const char *
mirror_fault(const char *url)
{
	bool http = strncasecmp(url, "http://", 7) == 0;
	if (!http && strncasecmp(url, "https://", 8) != 0)
		return "expected a URL of https, or of http to localhost";
	const char *host = url + (http ? 7 : 8);
	size_t n = strcspn(host, "/");
	AI_FREE char *port = ai_strndup(host, n);
	AI_FREE char *bare = port ? bare_host(port) : NULL;
	if (n == 0 || strpbrk(url, "@?# \t"))
		return "expected a URL with a host, without login or query";
	if (http && !(bare && ai_http_is_loopback(bare)))
		return "http is for localhost only: expected https";
	return NULL;
}

/* The next origin of the list, all NULL. */
static struct ai_oci_origin *
add(struct ai_oci_origins *o, struct ai_err *err)
{
	if (ai_grow(&o->list, &o->cap, o->n, sizeof *o->list, err) < 0)
		return NULL;
	o->list[o->n] = (struct ai_oci_origin){ .base = NULL };
	return &o->list[o->n++];
}

static int
add_mirror(struct ai_oci_origins *o, const char *url, const char *repository, struct ai_err *err)
{
	const char *host = strstr(url, "://") + 3;
	size_t n = strcspn(host, "/");
	const char *prefix = host + n + strspn(host + n, "/");
	size_t k = strlen(prefix);
	while (k > 0 && prefix[k - 1] == '/')
		k--;
	struct ai_oci_origin *m = add(o, err);
	if (!m)
		return err->code;
	m->mirror = true;
	m->base = ai_strndup(url, (size_t)(host - url) + n);
	m->host = ai_strndup(host, n);
	m->repository = ai_format("%.*s%s%s", (int)k, prefix, k ? "/" : "", repository);
	return m->base && m->host && m->repository ? 0 : ai_nomem(err);
}

/* "registry=URL,…" */
static int
mirrors_of_variable(struct ai_oci_origins *o, const char *text, const char *registry, const char *repository, struct ai_err *err)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ","), k = strcspn(p, "=,");
		AI_FREE char *url = ai_strndup(p + k + (k < n), n - k - (k < n));
		if (!url)
			return ai_nomem(err);
		const char *fault = k == n ? "expected REGISTRY=URL" : mirror_fault(url);
		AI_FREE char *shown = ai_url_public(url);
		if (n > 0 && fault)
			return ai_fail(err, AI_EUSAGE, "AICERT_REGISTRY_MIRRORS: '%.*s=%s': %s", (int)(k < 200 ? k : 200), p, k < n && shown ? shown : "", fault);
		if (n > 0 && strlen(registry) == k && strncasecmp(p, registry, k) == 0 && add_mirror(o, url, repository, err) < 0)
			return err->code;
		p += n + (p[n] == ',');
	}
	return 0;
}

/* docker's own file: what is wrong in it is docker's business, so it is passed over. */
static int
mirrors_of_daemon(struct ai_oci_origins *o, const char *path, const char *repository, const struct ai_talk *talk, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_AICERTFILE);
	AI_JSON *j = NULL;
	struct ai_err bad = { 0 };
	if (ai_read_file_if(AT_FDCWD, path, &text, &bad) != 1 || text.len == 0 || ai_oci_json(text.data, text.len, path, &j, &bad) < 0)
		return 0;
	const json_t *list = ai_json_arr(j, "registry-mirrors");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *url = json_string_value(json_array_get(list, i));
		const char *fault = url ? mirror_fault(url) : NULL;
		if (fault)
			ai_say(talk, AI_TALK_NOTE, "%s: registry-mirrors: one is passed over: %s", path, fault);
		else if (url && add_mirror(o, url, repository, err) < 0)
			return err->code;
	}
	return 0;
}

static int
daemon_mirrors(struct ai_oci_origins *o, const char *repository, const struct ai_talk *talk, struct ai_err *err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	AI_FREE char *own = config && *config ? ai_join(config, "docker/daemon.json") : home && *home ? ai_join(home, ".config/docker/daemon.json") : NULL;
	if (own && mirrors_of_daemon(o, own, repository, talk, err) < 0)
		return err->code;
	return mirrors_of_daemon(o, "/etc/docker/daemon.json", repository, talk, err);
}

static int
add_registry(struct ai_oci_origins *o, const char *registry, const char *repository, struct ai_err *err)
{
	bool hub = strcmp(registry, "docker.io") == 0;
	AI_FREE char *bare = bare_host(registry);
	struct ai_oci_origin *r = add(o, err);
	if (!r)
		return err->code;
	r->host = ai_strdup(registry);
	r->repository = ai_strdup(repository);
	if (!bare || !r->host || !r->repository)
		return ai_nomem(err);
	/* A registry on this machine may speak either: it is asked. */
	if (ai_http_is_loopback(bare))
		return 0;
	r->base = ai_format("https://%s", hub ? "registry-1.docker.io" : registry);
	return r->base ? 0 : ai_nomem(err);
}

int
ai_oci_origins(const char *registry, const char *repository, const struct ai_talk *talk, struct ai_oci_origins *out, struct ai_err *err)
{
	struct ai_oci_origins o = { NULL, 0, 0 };
	const char *variable = getenv("AICERT_REGISTRY_MIRRORS");
	if ((variable && mirrors_of_variable(&o, variable, registry, repository, err) < 0) ||
		(strcmp(registry, "docker.io") == 0 && daemon_mirrors(&o, repository, talk, err) < 0) || add_registry(&o, registry, repository, err) < 0) {
		ai_oci_origins_done(&o);
		return err->code;
	}
	*out = o;
	return 0;
}

void
ai_oci_origins_done(struct ai_oci_origins *o)
{
	for (size_t i = 0; i < o->n; i++) {
		struct ai_oci_origin *x = &o->list[i];
		if (x->authorization)
			explicit_bzero(x->authorization, strlen(x->authorization));
		free(x->authorization);
		ai_oci_login_done(&x->login);
		free(x->base);
		free(x->host);
		free(x->repository);
	}
	free(o->list);
	*o = (struct ai_oci_origins){ NULL, 0, 0 };
}
