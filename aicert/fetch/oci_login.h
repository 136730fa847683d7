/*
 * oci_login.h -- logins for registries that the user already keeps somewhere.
 *
 *   $REGISTRY_AUTH_FILE
 *   $XDG_RUNTIME_DIR/containers/auth.json, $XDG_CONFIG_HOME (~/.config)/containers/auth.json     podman, skopeo
 *   $DOCKER_CONFIG (~/.docker)/config.json                                                        docker
 *
 * The first file that has a login for the registry counts. In it: credHelpers, else credsStore (both run `docker-credential-NAME get`), then
 * auths. docker.io is known there as https://index.docker.io/v1/. What is found is used on the wire only.
 *
 * Depends on: base, oci_text, auth.  Threads: reads the environment.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OCI_LOGIN_H
#define AI_OCI_LOGIN_H

#include "base/json.h"
#include "base/talk.h"

struct ai_oci_login {
	char *user, *password;
	char *identity;            /* a refresh token, in place of both */
};

void ai_oci_login_done(struct ai_oci_login *l);

/* The login of registry ("docker.io", "localhost:5000") and repository: 1 *out, 0 none, negative: interrupted, memory. */
int ai_oci_login(const char *registry, const char *repository, const struct ai_talk *talk, struct ai_oci_login *out, struct ai_err *err) AI_CHECKED;

/* Pure, fuzzed: the same of the auths of one such file, and the name of the helper that it names for the registry (borrowed; NULL = none). */
int ai_oci_login_auths(const json_t *file, const char *registry, const char *repository, struct ai_oci_login *out, struct ai_err *err) AI_CHECKED;
const char *ai_oci_login_helper(const json_t *file, const char *registry, const char *repository);

#endif
