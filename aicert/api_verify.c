/* api_verify.c -- the verifying half of aicert.h.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aicert.h"
#include "api_hooks.h"
#include "attest/ownkeys.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/home.h"
#include "cache/hashsink.h"
#include "fetch/fetch.h"
#include "proof/trust.h"
#include "proof/verify.h"

const char *
aicert_version(void)
{
	return AICERT_VERSION;
}

void
aicert_free(void *p)
{
	free(p);
}

int
ai_api_error(const struct ai_err *err, int code, aicert_error *out)
{
	if (!out)
		return code;
	*out = (aicert_error){ .code = code };
	if (code < 0) {
		snprintf(out->text, sizeof out->text, "%s", err->text);
		snprintf(out->hint, sizeof out->hint, "%s", err->hint);
	}
	return code;
}

int
ai_api_text(const json_t *j, char **out, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_PROOF);
	if (ai_json_pretty(j, &b, err) < 0)
		return err->code;
	*out = ai_buf_take(&b);
	return *out ? 0 : ai_nomem(err);
}

static int
hash_path(const char *path, struct ai_ref *out, struct ai_err *err)
{
	/* A path that is itself a link means what it leads to, as for sha256sum; links within a folder stay links. */
	AI_FREE char *real = realpath(path, NULL);
	if (!real)
		return ai_fail_errno(err, AI_EINPUT, "%s: cannot open", path);
	struct ai_hashsink *sink;
	if (ai_hashsink_new(&sink, err) < 0)
		return err->code;
	struct ai_path_options options = { .skip_git = true };
	int r = ai_path_import(ai_hashsink_sink(sink), real, &options, out, err);
	ai_hashsink_free(sink);
	return r;
}

/* A file or folder as it lies there, or the commit of a clone when the source was git. */
static int
hash_local(void *ctx, const char *path, const char *revision, struct ai_ref *out, struct ai_err *err)
{
	(void)ctx;
	if (!revision)
		return hash_path(path, out, err);
	out->type = AI_REF_TREE;
	if (ai_api_hooks.commit_tree)
		return ai_api_hooks.commit_tree(path, revision, &out->id, err);
	ai_fail(err, AI_EUSAGE, "%s: a git input is compared with a commit of a clone, which libaicert-verify alone cannot read", path);
	return ai_hint(err, "use the aicert command, or libaicert");
}

/* Own keys and trusted keys of the user's folders; none when there are no such folders. */
static int
accepted_keys(const char *home_dir, json_t **out, struct ai_err *err)
{
	struct ai_home home;
	struct ai_err homeless = { 0 };
	if (ai_home_find(home_dir, &home, &homeless) < 0)
		return (*out = json_array()) ? 0 : ai_nomem(err);
	AI_JSON *keys = NULL;
	AI_JSON *trusted = NULL;
	int r = ai_ownkeys_read(home.data, &keys, err);
	if (r == 0)
		r = ai_trust_read(home.data, &trusted, err);
	ai_home_done(&home);
	if (r < 0)
		return r;
	size_t i;
	json_t *k;
	json_array_foreach(trusted, i, k)
		if (json_array_append(keys, json_object_get(k, "fingerprint")) < 0)
			return ai_nomem(err);
	*out = json_incref(keys);
	return 0;
}

static int
check_keys(const aicert_verify_options *o, struct ai_err *err)
{
	struct ai_digest d;
	for (size_t i = 0; i < o->n_keys; i++)
		if (!ai_unhex(o->keys[i], &d))
			return ai_fail(err, AI_EUSAGE, "key: got '%s', expected the 64 lower-case hex digits of a fingerprint", o->keys[i]);
	return 0;
}

static int
verify(const char *proof, size_t length, const char *file, const aicert_verify_options *o, char **report, struct ai_err *err)
{
	struct ai_verify_options v = {
		.require = AI_LEVEL_MEASURED_PLATFORM, .keys = o->keys, .n_keys = o->n_keys, .nonce = o->nonce,
		.allow_withheld = o->allow_withheld != 0, .hash_path = hash_local, .replan = ai_api_hooks.replan,
		.inputs = (const struct ai_named_ref *)o->inputs, .n_inputs = o->n_inputs,
		.outputs = (const struct ai_named_ref *)o->outputs, .n_outputs = o->n_outputs,
	};
	AI_JSON *keys = NULL;
	AI_JSON *made = NULL;
	if (o->require && ai_level_parse(o->require, &v.require, err) < 0)
		return err->code;
	if (check_keys(o, err) < 0 || (!o->ignore_home && accepted_keys(o->home, &keys, err) < 0))
		return err->code;
	v.trusted = keys;
	int r = ai_verify(proof, length, file, &v, &made, err);
	struct ai_err second = { 0 };
	if (made && report && ai_api_text(made, report, &second) < 0) {
		*err = second;
		return err->code;
	}
	return r;
}

_Static_assert(sizeof(aicert_named_path) == sizeof(struct ai_named_ref), "the public pair is the internal one");

/* Options of an older caller are shorter; what it does not know of is zero. */
static int
take_options(const aicert_verify_options *in, aicert_verify_options *out, struct ai_err *err)
{
	*out = (aicert_verify_options){ .size = sizeof *out };
	if (in && (in->size < sizeof in->size || in->size > sizeof *out))
		return ai_fail(err, AI_EUSAGE, "aicert_verify_options: got size %zu, expected at most %zu", in->size, sizeof *out);
	if (in)
		memcpy(out, in, in->size);
	return 0;
}

int
aicert_verify(const char *proof, size_t length, const aicert_verify_options *options, char **report, aicert_error *error)
{
	struct ai_err err = { 0 };
	aicert_verify_options o;
	int r = take_options(options, &o, &err);
	if (r == 0)
		r = verify(proof, length, "proof", &o, report, &err);
	return ai_api_error(&err, r, error);
}

int
aicert_verify_file(const char *path, const aicert_verify_options *options, char **report, aicert_error *error)
{
	struct ai_err err = { 0 };
	aicert_verify_options o;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	int r = take_options(options, &o, &err);
	if (r == 0)
		r = ai_read_file(AT_FDCWD, path, &text, &err);
	if (r == 0)
		r = verify(text.data, text.len, path, &o, report, &err);
	return ai_api_error(&err, r, error);
}

int
aicert_hash(const char *path, char **reference, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct ai_ref ref;
	AI_JSON *j = json_object();
	int r = hash_path(path, &ref, &err);
	if (r == 0)
		r = ai_ref_set(j, &ref, &err);
	if (r == 0)
		r = ai_api_text(j, reference, &err);
	return ai_api_error(&err, r, error);
}

int
aicert_trust_list(const char *home_dir, char **list, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct ai_home home = { 0 };
	AI_JSON *keys = NULL;
	int r = ai_home_find(home_dir, &home, &err);
	if (r == 0)
		r = ai_trust_read(home.data, &keys, &err);
	if (r == 0)
		r = ai_api_text(keys, list, &err);
	ai_home_done(&home);
	return ai_api_error(&err, r, error);
}

int
aicert_trust_add(const char *home_dir, const char *fingerprint, const char *name, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct ai_home home = { 0 };
	int r = ai_home_find(home_dir, &home, &err);
	if (r == 0)
		r = ai_home_make(&home, &err);
	if (r == 0)
		r = ai_trust_add(home.data, fingerprint, name, &err);
	ai_home_done(&home);
	return ai_api_error(&err, r, error);
}

int
aicert_trust_remove(const char *home_dir, const char *word, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct ai_home home = { 0 };
	int r = ai_home_find(home_dir, &home, &err);
	if (r == 0)
		r = ai_trust_remove(home.data, word, &err);
	ai_home_done(&home);
	return ai_api_error(&err, r, error);
}
