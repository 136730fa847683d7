/* derive.c -- see derive.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/disk/derive.h"

#include <string.h>

#include "base/buf.h"
#include "model/lock.h"
#include "model/ref.h"
#include "run/job.h"
#include "run/plan/apart.h"

int
ai_derive_init(struct ai_derive *d, struct ai_store *store, const json_t *plan, struct ai_err *err)
{
	struct ai_digest aicertfile, lock;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_AICERTFILE);
	AI_BUF_AUTO lock_text = AI_BUF(AI_MAX_LOCK);
	if (!ai_json_digest(plan, "aicertfile", &aicertfile) || !ai_json_digest(plan, "lock", &lock))
		return ai_fail(err, AI_EINPUT, "plan: names no Aicertfile or no lock");
	if (ai_store_get_bytes(store, &aicertfile, &text, err) < 0 || ai_store_get_bytes(store, &lock, &lock_text, err) < 0)
		return ai_in(err, "plan");
	if (ai_manifest_apart(text.data ? text.data : "", text.len, "Aicertfile", ai_json_arr(plan, "parameters"), &d->manifest, err) < 0)
		return err->code;
	return ai_lock_parse(lock_text.data ? lock_text.data : "", lock_text.len, &d->lock, err);
}

void
ai_derive_done(struct ai_derive *d)
{
	ai_manifest_free(d->manifest);
	json_decref(d->lock);
	d->manifest = NULL;
	d->lock = NULL;
}

static const struct ai_image_ref *
image_of(const struct ai_manifest *m, const char *name)
{
	for (size_t i = 0; i < m->n_images; i++)
		if (strcmp(m->images[i]->text, name) == 0)
			return m->images[i];
	return NULL;
}

static int
derive_git(const struct ai_derive *d, const char *name, const char *revision, struct ai_digest *out, struct ai_err *err)
{
	const struct ai_input *in = ai_manifest_input(d->manifest, name);
	if (!in || in->type != AI_INPUT_GIT || !revision)
		return ai_fail(err, AI_EINPUT, "is of git, and no git input of the Aicertfile");
	return ai_aside_git_tree(&d->aside, revision, in->submodules, in->lfs, d->git, d->talk, out, err);
}

static int
derive_image(const struct ai_derive *d, const char *name, const char *revision, struct ai_digest *out, struct ai_err *err)
{
	const struct ai_image_ref *ref = image_of(d->manifest, name);
	if (!ref || !revision)
		return ai_fail(err, AI_EINPUT, "is an image, and none of the Aicertfile");
	const json_t *pin = ai_lock_image(d->lock, ref, AI_PLATFORM);
	const char *pinned = ai_json_str(pin, "revision");
	if (!pinned || strcmp(pinned, revision) != 0)
		return ai_fail(err, AI_EINPUT, "manifest: got %s, aicert.lock pins %s", revision, pinned ? pinned : "none");
	return ai_aside_image_tree(&d->aside, ref, revision, AI_PLATFORM, ai_json_obj(pin, "config"), d->image, d->talk, out, err);
}

static int
is_content(const json_t *node, const struct ai_digest *got, const char *what, struct ai_err *err)
{
	struct ai_ref want;
	char is[AI_HEX], expected[AI_HEX];
	if (ai_ref_get(ai_json_obj(node, "content"), &want, err) < 0)
		return err->code;
	if (want.type == AI_REF_TREE && ai_digest_eq(&want.id, got))
		return 0;
	ai_hex(got, is);
	ai_hex(&want.id, expected);
	return ai_fail(err, AI_EINPUT, "the %s gives other content: got %s, expected %s", what, is, expected);
}

/* Does the lock say by SHA-256 what the content is? Of a source rule it does, unless the rule named a commit. */
static bool
pinned_by_hash(const struct ai_derive *d, const char *name, const char *type)
{
	const struct ai_input *in = ai_manifest_input(d->manifest, name);
	const json_t *pin = in && in->type == AI_INPUT_RULE ? ai_lock_pin(d->lock, in) : NULL;
	return strcmp(type, "url") == 0 || strcmp(type, "wheels") == 0 || strcmp(type, "proof") == 0 || (pin && !json_object_get(pin, "git"));
}

int
ai_derive_source(const struct ai_derive *d, const char *name, const json_t *node, const char **how, struct ai_err *err)
{
	const char *type = ai_json_str(node, "type"), *revision = ai_json_str(node, "revision");
	bool git = strcmp(type, "git") == 0, image = strcmp(type, "image") == 0;
	struct ai_digest got;
	if (!git && !image) {
		/* What else the lock pins is a SHA-256 of content; planning anew holds the one against the other. */
		*how = pinned_by_hash(d, name, type) ? "sha256" : "none";
		return 0;
	}
	int r = git ? derive_git(d, name, revision, &got, err) : derive_image(d, name, revision, &got, err);
	if (r == 0 && (git || d->image))
		r = is_content(node, &got, git ? "commit" : "manifest", err);
	if (r < 0)
		return ai_in(err, "source '%s'", name);
	*how = git ? "git" : "oci";
	return 1;
}
