/* objects.c -- see objects.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/host/objects.h"

#include <string.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/hashsink.h"
#include "fetch/keep.h"
#include "model/lock.h"
#include "vm/disk/aside.h"

struct bringing { struct ai_job *job; const char *folder; struct ai_fetch fetch; struct ai_aside aside; };

static int
same_content(const struct ai_job_source *s, const struct ai_digest *tree, struct ai_err *err)
{
	char is[AI_HEX], want[AI_HEX];
	if (s->content.type == AI_REF_TREE && ai_digest_eq(&s->content.id, tree))
		return 0;
	ai_hex(tree, is);
	ai_hex(&s->content.id, want);
	return ai_fail(err, AI_EINPUT, "the commit gives other content: got %s, expected %s", is, want);
}

/* Does the folder give this source's content already? Whatever is wrong with it is brought again. */
static bool
git_is_there(const struct bringing *b, const struct ai_job_source *s, const char *revision)
{
	struct ai_hashsink *hash = NULL;
	struct ai_err why = { 0 };
	struct ai_digest tree;
	bool there = ai_hashsink_new(&hash, &why) == 0 &&
		ai_aside_git_tree(&b->aside, revision, s->input->submodules, s->input->lfs, ai_hashsink_sink(hash), NULL, &tree, &why) == 0 && same_content(s, &tree, &why) == 0;
	ai_hashsink_free(hash);
	return there;
}

static int
bring_git(struct bringing *b, const struct ai_job_source *s, struct ai_err *err)
{
	const char *revision = ai_json_str(s->node, "revision");
	struct ai_digest tree;
	AI_FREE char *folder = ai_join(b->folder, "git");
	if (!folder)
		return ai_nomem(err);
	if (!revision)
		return ai_fail(err, AI_EINPUT, "internal: has no revision");
	if (git_is_there(b, s, revision))
		return 0;
	ai_say(b->job->opt->talk, AI_TALK_STAGE, "objects %s", s->name);
	return ai_git_keep(&b->fetch, s->input, revision, folder, &tree, err) < 0 ? err->code : same_content(s, &tree, err);
}

static int
bring_image(struct bringing *b, const struct ai_image_ref *ref, struct ai_err *err)
{
	const json_t *pin = ai_lock_image(b->job->lock, ref, AI_PLATFORM);
	const char *revision = ai_json_str(pin, "revision");
	struct ai_err why = { 0 };
	AI_FREE char *folder = ai_join(b->folder, "oci");
	if (!folder)
		return ai_nomem(err);
	if (!revision)
		return ai_fail(err, AI_EINPUT, "internal: has no pin");
	if (ai_aside_image_tree(&b->aside, ref, revision, AI_PLATFORM, ai_json_obj(pin, "config"), NULL, NULL, NULL, &why) == 0)
		return 0;
	ai_say(b->job->opt->talk, AI_TALK_STAGE, "objects %s", ref->text);
	return ai_oci_keep(&b->fetch, ref, pin, folder, err);
}

static int
bring(struct bringing *b, const struct ai_job_source *s, struct ai_err *err)
{
	const struct ai_manifest *m = b->job->manifest;
	if (s->input)
		return s->input->type == AI_INPUT_GIT && bring_git(b, s, err) < 0 ? ai_in(err, "input '%s'", s->name) : 0;
	for (size_t i = 0; i < m->n_images; i++)
		if (strcmp(m->images[i]->text, s->name) == 0)
			return bring_image(b, m->images[i], err) < 0 ? ai_in(err, "image '%s'", s->name) : 0;
	return 0;
}

int
ai_job_objects(struct ai_job *job, const char *folder, struct ai_err *err)
{
	static const char *const parts[] = { "git", "oci" };
	struct bringing b = { .job = job, .folder = folder, .aside = { .folders = &folder, .n = 1 } };
	b.fetch = (struct ai_fetch){ .talk = job->opt->talk, .project = job->project, .cache = job->home.cache };
	if (ai_fetch_init(err) < 0)
		return err->code;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		AI_FREE char *path = ai_join(folder, parts[i]);
		if (!path)
			return ai_nomem(err);
		if (ai_mkdirs(path, 0700, err) < 0)
			return err->code;
	}
	for (size_t i = 0; i < job->n_sources; i++)
		if (ai_check_interrupt(err) < 0 || bring(&b, &job->sources[i], err) < 0)
			return err->code;
	return 0;
}
