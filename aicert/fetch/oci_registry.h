/*
 * oci_registry.h -- what the files of the registry client share: the places of one repository, and the right to read there.
 *
 * A repository is at its registry and at mirrors, which are asked first. Each has its own logins: what is for a registry is shown to no mirror.
 * All calls go through http.h's strict half: https, or http to this machine; nothing secret follows a redirect to another host.
 *
 *   AICERT_REGISTRY_MIRRORS   "docker.io=http://127.0.0.1:5000,ghcr.io=https://mirror.example/prefix": in order, several for one registry
 *   registry-mirrors          of docker's daemon.json ($XDG_CONFIG_HOME (~/.config)/docker, /etc/docker), for docker.io
 *
 * Depends on: base, http, oci_login, oci_text.  Threads: an origin belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OCI_REGISTRY_H
#define AI_OCI_REGISTRY_H

#include "fetch/http.h"
#include "fetch/oci_login.h"

struct ai_oci_origin {
	char *base;                /* "https://registry-1.docker.io"; NULL: https or http is found out when it is first asked */
	char *host;                /* whose logins, and what it is called: "docker.io", "localhost:5000" */
	char *repository;          /* as it is called there */
	bool mirror;
	/* who we are there: */
	char *authorization;       /* "Authorization: …" or NULL */
	bool looked;               /* for a login */
	int has_login;
	struct ai_oci_login login;
};

struct ai_oci_origins { struct ai_oci_origin *list; size_t n, cap; };

/* oci_mirrors.c: the mirrors of the registry, then itself. AI_EUSAGE when AICERT_REGISTRY_MIRRORS cannot be read. */
int ai_oci_origins(const char *registry, const char *repository, const struct ai_talk *talk, struct ai_oci_origins *out, struct ai_err *err) AI_CHECKED;
void ai_oci_origins_done(struct ai_oci_origins *o);

/*
 * oci_auth.c: answers a 401. 1: o->authorization is new, ask again; 0: there is nothing to show it (no login, or no scheme that we know).
 * AI_EINPUT: the token server refuses; AI_EENV: it cannot be reached.
 */
int ai_oci_authorize(struct ai_oci_origin *o, const char *challenge, struct ai_http_session *session, const struct ai_talk *talk, struct ai_err *err) AI_CHECKED;

#endif
