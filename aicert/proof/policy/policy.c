/* policy.c -- see policy.h: a policy read, asked, and its roots.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/policy/policy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "proof/policy/policy_parts.h"

int
ai_policy_parse(const char *text, size_t len, const char *file,
	int (*read)(void *ctx, const char *path, struct ai_buf *out, struct ai_err *err), void *ctx, struct ai_policy **out, struct ai_err *err)
{
	struct ai_policy_reader r = { file, read, ctx, err };
	struct ai_yaml *top = NULL;
	json_t *made = NULL;
	if (len > AI_MAX_AICERTFILE)
		return ai_fail(err, AI_EUSAGE, "%s: got %zu bytes, expected at most %u", file, len, AI_MAX_AICERTFILE);
	if (ai_yaml_parse(text, len, file, &top, err) < 0)
		return err->code;
	int bad = ai_policy_read(&r, top, &made);
	ai_yaml_free(top);
	if (bad < 0)
		return bad;
	struct ai_policy *p = ai_calloc(1, sizeof *p);
	if (!p) {
		json_decref(made);
		return ai_nomem(err);
	}
	p->j = made;
	*out = p;
	return 0;
}

/* A file that the policy names, from the policy's own folder. */
static int
read_beside(void *ctx, const char *path, struct ai_buf *out, struct ai_err *err)
{
	AI_FREE char *whole = path[0] == '/' ? ai_strdup(path) : ai_join(ctx, path);
	return whole ? ai_read_file(AT_FDCWD, whole, out, err) : ai_nomem(err);
}

int
ai_policy_load(const char *path, struct ai_policy **out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_AICERTFILE);
	size_t folder = (size_t)(ai_basename(path) - path);
	AI_FREE char *beside = folder ? ai_strndup(path, folder) : ai_strdup(".");
	if (!beside)
		return ai_nomem(err);
	if (ai_read_file(AT_FDCWD, path, &text, err) < 0)
		return err->code;
	return ai_policy_parse(text.data ? text.data : "", text.len, path, read_beside, beside, out, err);
}

void
ai_policy_free(struct ai_policy *p)
{
	if (p)
		json_decref(p->j);
	free(p);
}

const json_t *
ai_policy_json(const struct ai_policy *p)
{
	return p->j;
}

/* --- asking ------------------------------------------------------------------ */

bool
ai_policy_lists(const json_t *list, const char *text)
{
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), text) == 0)
			return true;
	return false;
}

bool
ai_policy_require(const struct ai_policy *p, ai_level *out)
{
	struct ai_err unused = { 0 };
	const char *word = ai_json_str(p->j, "require");
	return word && ai_level_parse(word, out, &unused) == 0;
}

int
ai_policy_key(const struct ai_policy *p, const char *fingerprint)
{
	const json_t *keys = json_object_get(p->j, "keys");
	if (ai_policy_lists(json_object_get(keys, "deny"), fingerprint)
		|| ai_policy_lists(json_object_get(json_object_get(p->j, "deny"), "keys"), fingerprint))
		return -1;
	return ai_policy_lists(json_object_get(keys, "accept"), fingerprint);
}

bool
ai_policy_authority(const struct ai_policy *p, const char *authority)
{
	return authority && authority[0] && ai_policy_lists(json_object_get(p->j, "authorities"), authority);
}

const char *
ai_policy_nonce(const struct ai_policy *p)
{
	return ai_json_str(p->j, "nonce");
}

bool
ai_policy_wants_timestamp(const struct ai_policy *p)
{
	return json_object_get(p->j, "timestamp") != NULL;
}

bool
ai_policy_may_withhold(const struct ai_policy *p, const char *kind, const char *name)
{
	const json_t *allowed = json_object_get(p->j, "withhold");
	size_t i;
	json_t *v;
	if (ai_policy_lists(allowed, kind))
		return true;
	if (!name || strcmp(kind, "source") != 0)
		return false;
	json_array_foreach((json_t *)allowed, i, v)
		if (strncmp(json_string_value(v), "source:", 7) == 0 && strcmp(json_string_value(v) + 7, name) == 0)
			return true;
	return false;
}

unsigned
ai_policy_threshold(const struct ai_policy *p)
{
	json_int_t n = json_integer_value(json_object_get(p->j, "threshold"));
	return n > 0 ? (unsigned)n : 1;
}

bool
ai_policy_name_fits(const char *pattern, const char *name)
{
	for (; *pattern && *name; pattern++, name++)
		if (*pattern == '#' ? !strchr("0123456789ABCDEF", *name) : *pattern != *name)
			return false;
	return *pattern == *name;
}

bool
ai_policy_usual_action(int pcr, const char *text)
{
	static const struct { int pcr; const char *text; } usual[] = {
		{ 4, "Calling EFI Application from Boot Option" }, { 4, "Returning from EFI Application from Boot Option" },
		{ 5, "Exit Boot Services Invocation" }, { 5, "Exit Boot Services Returned with Success" },
	};
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (usual[i].pcr == pcr && strcmp(usual[i].text, text) == 0)
			return true;
	return false;
}

/* --- roots --------------------------------------------------------------------- */

/* What is kept of the verifier's roots: all, none, or those of these names and authorities. */
static int
narrow(struct ai_roots *set, const json_t *keep, struct ai_err *err)
{
	size_t n = json_array_size(keep);
	AI_FREE const char **words = ai_calloc(n + 1, sizeof *words);
	if (!words)
		return ai_nomem(err);
	if (!keep || json_is_true(keep))
		return 0;
	for (size_t i = 0; i < n; i++)
		words[i] = json_string_value(json_array_get(keep, i));
	return ai_roots_only(set, words, n, err) < 0 ? ai_in(err, "policy: roots: builtin") : 0;
}

/* One that the verifier added herself, with this key and role, makes room for what the policy says of it. */
static int
make_room(struct ai_roots *set, const struct ai_buf *certificate, ai_role role, struct ai_err *err)
{
	struct ai_roots *one = NULL;
	if (ai_roots_new(false, &one, err) < 0)
		return err->code;
	int r = ai_roots_add(one, certificate->data, certificate->len, NULL, role, NULL, err);
	const struct ai_anchor *there = r < 0 ? NULL : ai_roots_find(set, &ai_roots_at(one, 0)->spki, &ai_roots_at(one, 0)->der, role);
	if (there && !there->builtin) {
		AI_FREE char *name = ai_strdup(there->name);
		const char *words[] = { name };
		r = name ? ai_roots_drop(set, words, 1, err) : ai_nomem(err);
	}
	ai_roots_free(one);
	return r;
}

static int
add_root(struct ai_roots *set, const json_t *root, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
	const char *text = ai_json_str(root, "certificate");
	ai_role role;
	if (ai_b64_get(text, strlen(text), &bytes, err) < 0 || ai_role_parse(ai_json_str(root, "role"), &role, err) < 0
		|| make_room(set, &bytes, role, err) < 0)
		return err->code;
	if (ai_roots_add(set, bytes.data, bytes.len, ai_json_str(root, "name"), role, ai_json_str(root, "authority"), err) < 0)
		return ai_in(err, "policy: root '%s'", ai_json_str(root, "name"));
	return 0;
}

int
ai_policy_roots(const struct ai_policy *p, const struct ai_roots *base, struct ai_roots **out, struct ai_err *err)
{
	const json_t *roots = json_object_get(p->j, "roots");
	struct ai_roots *set = NULL;
	struct ai_digest d;
	size_t i;
	json_t *v;
	if ((base ? ai_roots_copy(base, &set, err) : ai_roots_new(false, &set, err)) < 0)
		return err->code;
	if (narrow(set, json_object_get(roots, "builtin"), err) < 0)
		goto fail;
	json_array_foreach(json_object_get(roots, "add"), i, v)
		if (add_root(set, v, err) < 0)
			goto fail;
	json_array_foreach(json_object_get(roots, "revoked"), i, v)
		if (ai_unhex(json_string_value(v), &d) && ai_roots_revoke(set, &d, err) < 0)
			goto fail;
	*out = set;
	return 0;
fail:
	ai_roots_free(set);
	return err->code;
}
