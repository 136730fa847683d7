/* api_verify.c -- the verifying half of aicert.h.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aicert.h"
#include "api_hooks.h"
#include "attest/ownkeys.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/home.h"
#include "base/when.h"
#include "cache/hashsink.h"
#include "fetch/fetch.h"
#include "proof/trust.h"
#include "proof/policy/policy.h"
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

/* What this user's verifier believes, beside its options: keys of data/, anchors, the policy. */
struct believed {
	json_t *keys;
	struct ai_roots *roots;
	struct ai_policy *policy;
	int64_t as_of;
};

static void
believed_done(struct believed *b)
{
	json_decref(b->keys);
	ai_roots_free(b->roots);
	ai_policy_free(b->policy);
}

/* Own keys and trusted keys of the user's folders. */
static int
accepted_keys(const char *data, json_t **out, struct ai_err *err)
{
	AI_JSON *keys = NULL;
	AI_JSON *trusted = NULL;
	if (ai_ownkeys_read(data, &keys, err) < 0 || ai_trust_read(data, &trusted, err) < 0)
		return err->code;
	size_t i;
	json_t *k;
	json_array_foreach(trusted, i, k)
		if (json_array_append(keys, json_object_get(k, "fingerprint")) < 0)
			return ai_nomem(err);
	*out = json_incref(keys);
	return 0;
}

/* The user's folders; without them, or where they are not to be asked, what is built in. */
static int
believed_of_home(const aicert_verify_options *o, struct believed *b, struct ai_err *err)
{
	struct ai_home home;
	struct ai_err homeless = { 0 };
	if (o->ignore_home || ai_home_find(o->home, &home, &homeless) < 0)
		return ai_roots_new(true, &b->roots, err);
	int r = accepted_keys(home.data, &b->keys, err);
	if (r == 0)
		r = ai_trust_roots(home.data, &b->roots, err);
	ai_home_done(&home);
	return r;
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
judge(const char *proof, size_t length, const char *file, const aicert_verify_options *o, struct believed *b, json_t **made, struct ai_err *err)
{
	struct ai_verify_options v = {
		.require = AI_LEVEL_MEASURED_PLATFORM, .keys = o->keys, .n_keys = o->n_keys, .nonce = o->nonce,
		.allow_withheld = o->allow_withheld != 0, .hash_path = hash_local, .replan = ai_api_hooks.replan,
		.inputs = (const struct ai_named_ref *)o->inputs, .n_inputs = o->n_inputs,
		.outputs = (const struct ai_named_ref *)o->outputs, .n_outputs = o->n_outputs,
		.disclosures = (const struct ai_named_ref *)o->disclosures, .n_disclosures = o->n_disclosures, .now = time(NULL),
	};
	if (check_keys(o, err) < 0 || believed_of_home(o, b, err) < 0)
		return err->code;
	if (o->policy && ai_policy_load(o->policy, &b->policy, err) < 0)
		return err->code;
	if (o->as_of && ai_when_parse(o->as_of, &b->as_of, err) < 0)
		return err->code;
	/* What is asked for here stands above what the policy asks for. */
	if (o->require && ai_level_parse(o->require, &v.require, err) < 0)
		return err->code;
	if (!o->require && b->policy)
		(void)ai_policy_require(b->policy, &v.require);
	v.trusted = b->keys;
	v.roots = b->roots;
	v.policy = b->policy;
	v.as_of = o->as_of ? &b->as_of : NULL;
	return ai_verify(proof, length, file, &v, made, err);
}

static int
verify(const char *proof, size_t length, const char *file, const aicert_verify_options *o, char **report, struct ai_err *err)
{
	struct believed b = { 0 };
	AI_JSON *made = NULL;
	struct ai_err second = { 0 };
	int r = judge(proof, length, file, o, &b, &made, err);
	believed_done(&b);
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
