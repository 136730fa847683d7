/*
 * fuzz_oci.c -- what registries, images and login files say: index, manifest, config, challenge, token, tags, logins, names.
 *
 * All parsers read the same bytes. What each accepts must keep what its header promises. SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "fetch/oci_login.h"
#include "fetch/oci_text.h"
#include "model/image_ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int holds)
{
	if (!holds)
		abort();
}

static void
manifests(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_digest d;
	struct ai_oci_manifest m;
	int picked = ai_oci_index_pick(s, n, "linux/amd64", &d, &err);
	must(picked >= 0 || err.text[0]);
	if (ai_oci_manifest_parse(s, n, &m, &err) < 0)
		return;
	must(picked == 0 && m.n_layers > 0 && m.n_layers <= AI_OCI_MAX_LAYERS && m.config.size >= 0 && m.config.size <= AI_OCI_MAX_CONFIG);
	for (size_t i = 0; i < m.n_layers; i++)
		must(m.layers[i].size >= 0);
	ai_oci_manifest_done(&m);
}

/* What a config gives can stand in a node, and holds no secret's name. */
static void
configs(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	json_t *config = NULL;
	struct ai_digest *ids = NULL;
	size_t n_ids;
	AI_JSON *left = ai_oci_config_left_out(s, n);
	must(json_is_array(left));
	if (ai_oci_config_parse(s, n, "linux/amd64", &config, &ids, &n_ids, &err) < 0)
		return;
	AI_BUF_AUTO canon = AI_BUF(AI_MAX_TEXT);
	must(ai_canon(config, &canon, &err) == 0 && n_ids <= AI_OCI_MAX_LAYERS);
	const json_t *env = ai_json_arr(config, "env");
	const char *dir = ai_json_str(config, "workdir"), *before = "";
	must(!dir || (dir[0] == '/' && (!dir[1] || ai_relpath_check(dir + 1, &err) == 0)));
	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *name = ai_json_str(json_array_get(env, i), "name");
		must(name && strcmp(before, name) < 0 && !ai_env_is_secret(name));
		before = name;
	}
	json_decref(config);
	free(ids);
}

static void
answers(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_oci_challenge c;
	char code[40];
	char *token = NULL;
	if (ai_oci_challenge_parse(s, &c, &err) == 0) {
		must(c.bearer || (!c.realm && !c.service && !c.scope));
		ai_oci_challenge_done(&c);
	}
	if (ai_oci_token_parse(s, n, &token, &err) == 0)
		must(*token && !strpbrk(token, "\r\n \t"));
	free(token);
	free(ai_oci_tags_parse(s, n));
	ai_oci_error_code(s, n, code);
	must(strlen(code) < sizeof code);
}

static void
logins(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_oci_login l = { NULL, NULL, NULL };
	AI_JSON *j = NULL;
	if (ai_oci_json(s, n, "logins", &j, &err) < 0)
		return;
	const char *helper = ai_oci_login_helper(j, "docker.io", "library/python");
	must(!helper || (*helper && !strchr(helper, '/')));
	if (ai_oci_login_auths(j, "docker.io", "library/python", &l, &err) == 1)
		must(l.identity || (l.user && l.password));
	ai_oci_login_done(&l);
}

/* A name that is taken is taken again in the form that was made of it, and means the same. */
static void
image_names(const char *s)
{
	struct ai_err err = { 0 };
	struct ai_image_ref a = { 0 }, b = { 0 };
	if (ai_image_ref_parse(s, &a, &err) < 0)
		return;
	must(ai_image_ref_parse(a.text, &b, &err) == 0 && a.kind == b.kind && strcmp(a.text, b.text) == 0);
	free(ai_image_uri(&a));
	ai_image_ref_done(&a);
	ai_image_ref_done(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AI_FREE char *text = ai_strndup((const char *)data, size);
	/* Parsers of JSON get the bytes as they are, in memory of just that size. */
	AI_FREE char *exact = malloc(size ? size : 1);
	if (!text || !exact)
		return 0;
	if (size)
		memcpy(exact, data, size);
	manifests(exact, size);
	configs(exact, size);
	answers(text, strlen(text));
	logins(exact, size);
	image_names(text);
	return 0;
}
