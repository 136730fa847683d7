/* inputs.c -- lock and fetch: every input pinned and in the store (job.h).  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/path.h"
#include "fetch/ask.h"
#include "fetch/fetch.h"
#include "model/lock.h"
#include "model/lock_files.h"
#include "rule/source.h"
#include "run/images.h"
#include "run/inputs.h"
#include "run/job.h"
#include "run/lineage.h"
#include "run/pip/resolve.h"

/* What path inputs never take in: what this very run writes. */
struct left_out { const char *paths[3]; };

static struct ai_fetch
fetch_of(struct ai_job *job, struct left_out *leave)
{
	*leave = (struct left_out){ { job->output_dir, job->proof, job->lock_file } };
	return (struct ai_fetch){
		.sink = ai_store_sink(job->store), .talk = job->opt->talk, .project = job->project, .cache = job->home.cache,
		.leave_out = leave->paths, .n_leave_out = 3,
	};
}

/*
 * The store's key for what a pin was found to hold, or NULL where there is none. A commit id and a SHA-256 name their
 * content wherever it comes from, so the key holds no place.
 */
static char *
pin_key(const struct ai_input *in, const json_t *pin)
{
	const char *revision = ai_json_str(pin, "revision"), *sha256 = ai_json_str(pin, "sha256");
	if (in->type == AI_INPUT_GIT)
		return ai_format("git %s%s%s", revision, in->submodules ? " submodules" : "", in->lfs ? "" : " pointers");
	if (in->type == AI_INPUT_RULE && json_object_get(pin, "git"))
		return ai_format("git %s submodules", revision);
	return in->type == AI_INPUT_URL && sha256 && !in->unpack ? ai_format("sha256 %s", sha256) : NULL;
}

static const char *
how_word(const char *how)
{
	return strcmp(how, "git") == 0 ? "git" : strcmp(how, "sha256") == 0 ? "sha256" : "none";
}

static const struct ai_rule_text *
rule_of(const struct ai_job *job, const struct ai_input *in)
{
	for (size_t i = 0; i < job->n_rules; i++)
		if (strcmp(job->rules[i].name, in->use) == 0)
			return &job->rules[i];
	return NULL;
}

/* What does the name mean now? Asked by the input's source rule, or by us. */
static int
resolve(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, json_t **pin, struct ai_err *err)
{
	if (in->type == AI_INPUT_PROOF)
		return ai_lineage_resolve(job, f, in, pin, err) < 0 ? ai_in(err, "input '%s'", in->name) : 0;
	if (in->type != AI_INPUT_RULE)
		return ai_fetch_resolve(f, in, pin, err) < 0 ? ai_in(err, "input '%s'", in->name) : 0;
	struct ai_asking asking = { .f = f };
	const struct ai_source_net net = { ai_ask, &asking };
	const struct ai_rule_text *rule = rule_of(job, in);
	AI_JSON *answer = NULL;
	if (!rule)
		return ai_fail(err, AI_EUSAGE, "internal: input '%s' has no rule", in->name);
	int r = ai_fetch_init(err) < 0 ? err->code : ai_source_resolve(rule, job->shown, in, &net, &answer, err);
	ai_asking_done(&asking);
	if (r < 0)
		return r;
	return ai_fetch_settle(f, in, answer, pin, err) < 0 ? ai_in(err, "input '%s'", in->name) : 0;
}

/* The pin of an input: from the lock, or resolved now and put there. */
static int
pin_input(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, json_t **pin, struct ai_err *err)
{
	*pin = in->type == AI_INPUT_PATH ? NULL : ai_lock_pin(job->lock, in);
	if (*pin || in->type == AI_INPUT_PATH)
		return 0;
	if (job->opt->locked) {
		ai_fail(err, AI_EINPUT, "aicert.lock: input '%s' has no pin for what the Aicertfile says now, and --locked adds none", in->name);
		return ai_hint(err, "run 'aicert lock' and commit aicert.lock");
	}
	ai_say(job->opt->talk, AI_TALK_STAGE, "lock    %s", in->name);
	if (resolve(job, f, in, pin, err) < 0)
		return err->code;
	int r = ai_lock_set(job->lock, in->name, *pin, err);
	json_decref(*pin);
	*pin = ai_lock_pin(job->lock, in);
	if (r == 0 && !*pin)
		return ai_fail(err, AI_EINPUT, "internal: the pin of input '%s' does not fit its own input", in->name);
	return r;
}

int
ai_job_source_node(struct ai_job *job, struct ai_job_source *s, const json_t *pin, struct ai_err *err)
{
	static const char *const words[] = { [AI_INPUT_GIT] = "git", [AI_INPUT_URL] = "url", [AI_INPUT_PATH] = "path", [AI_INPUT_PROOF] = "proof" };
	const struct ai_input *in = s->input;
	const char *pinned = in->type == AI_INPUT_RULE ? ai_json_str(pin, "uri") : NULL;
	AI_FREE char *uri = pinned ? ai_strdup(pinned) : ai_source_uri(in);
	AI_JSON *content = json_object();
	if (!uri || !content || ai_ref_set(content, &s->content, err) < 0)
		return ai_nomem(err);
	s->node = json_pack("{s:s, s:s, s:s, s:O}", "kind", "source", "type", in->use ? in->use : words[in->type], "uri", uri,
		"content", content);
	if (!s->node)
		return ai_fail(err, AI_EINPUT, "input '%s': its uri is not UTF-8", in->name);
	const char *revision = ai_json_str(pin, "revision"), *ref = ai_json_str(pin, "ref");
	if (revision && json_object_set_new(s->node, "revision", json_string(revision)) < 0)
		return ai_nomem(err);
	if (ref && json_object_set_new(s->node, "ref", json_string(ref)) < 0)
		return ai_nomem(err);
	return ai_store_put_node(job->store, s->node, &s->id, err);
}

/* What the store remembers of a pin. The SHA-256 of a file is its id, so a row that says another is damaged, and nothing. */
static int
remembered(struct ai_job *job, const struct ai_input *in, const json_t *pin, const char *key, struct ai_ref *out, char how[16],
	struct ai_err *err)
{
	struct ai_digest want;
	struct ai_ref ref;
	int r = ai_store_get_pin(job->store, key, &ref, how, err);
	if (r <= 0)
		return r;
	if (in->type == AI_INPUT_URL && !(ref.type == AI_REF_BLOB && ai_json_digest(pin, "sha256", &want) && ai_digest_eq(&want, &ref.id)))
		return 0;
	*out = ref;
	return 1;
}

/*
 * Is the content of a pin in the store already? 1, 0. A list of files and an archive say in their pins what it is; so does a commit that was
 * fetched before.
 */
static int
is_there(struct ai_job *job, const struct ai_input *in, const json_t *pin, const char *key, struct ai_ref *out, char how[16], struct ai_err *err)
{
	struct ai_ref ref;
	if (key)
		return remembered(job, in, pin, key, out, how, err);
	int r = pin ? ai_pin_content(pin, &ref, err) : 0;
	if (r == 1)
		r = ai_store_has(job->store, &ref, err);
	if (r == 1) {
		*out = ref;
		snprintf(how, 16, "sha256");
	}
	return r;
}

/*
 * A path that is written as one of the project's, and that a link takes elsewhere, would be named in the proof as what it is not; and a
 * stranger's project could so take in what its Aicertfile does not show. A path that says where it leads, or follow: true, is the user's word.
 */
int
ai_job_stays_inside(const struct ai_job *job, const struct ai_input *in, struct ai_err *err)
{
	AI_FREE char *uri = ai_source_uri(in);
	AI_FREE char *path = ai_join(job->project, in->where);
	if (!uri || !path)
		return ai_nomem(err);
	if (in->type != AI_INPUT_PATH || in->follow || strcmp(uri, "local") == 0)
		return 0;
	AI_FREE char *real = realpath(path, NULL), *home = realpath(job->project, NULL);
	size_t n = home ? strlen(home) : 0;
	/* What is not there is said by who fetches it. */
	if (!real || !home || n == 1 || (strncmp(real, home, n) == 0 && (real[n] == '/' || real[n] == '\0')))
		return 0;
	ai_fail(err, AI_EINPUT, "input '%s': '%s' leads out of the project, to '%s'", in->name, in->where, real);
	return ai_hint(err, "write that path in its place, or 'follow: true' to take in what it leads to");
}

/* An output of another run: its proof is verified each time, whatever is here already. */
static int
bring_output(struct ai_job *job, const struct ai_fetch *f, struct ai_job_source *s, const json_t *pin, struct ai_err *err)
{
	bool fetched = false;
	ai_say(job->opt->talk, AI_TALK_STAGE, "verify  %s", s->name);
	if (ai_lineage_bring(job, f, s->input, pin, &s->content, &fetched, err) < 0)
		return ai_in(err, "input '%s'", s->name);
	job->fetched += fetched;
	s->how = "sha256";
	return ai_job_source_node(job, s, pin, err);
}

int
ai_job_input_there(struct ai_job *job, const struct ai_input *in, const json_t *pin, struct ai_ref *out, struct ai_err *err)
{
	AI_FREE char *key = pin_key(in, pin);
	char how[16] = "";
	return is_there(job, in, pin, key, out, how, err);
}

static int
bring(struct ai_job *job, const struct ai_fetch *f, struct ai_job_source *s, struct ai_err *err)
{
	const struct ai_input *in = s->input;
	json_t *pin;
	if (ai_job_stays_inside(job, in, err) < 0 || pin_input(job, f, in, &pin, err) < 0)
		return err->code;
	if (in->type == AI_INPUT_PROOF)
		return bring_output(job, f, s, pin, err);
	AI_FREE char *key = pin ? pin_key(in, pin) : NULL;
	char how[16] = "";
	int r = is_there(job, in, pin, key, &s->content, how, err);
	if (r < 0)
		return r;
	if (r == 1) {
		s->how = how_word(how);
		return ai_job_source_node(job, s, pin, err);
	}
	if (pin)
		ai_say(job->opt->talk, AI_TALK_STAGE, "fetch   %s", in->name);
	if (ai_fetch_content(f, in, pin, &s->content, &s->how, err) < 0)
		return ai_in(err, "input '%s'", in->name);
	job->fetched += pin != NULL;
	if (key && ai_store_put_pin(job->store, key, &s->content, s->how, err) < 0)
		return err->code;
	return ai_job_source_node(job, s, pin, err);
}

/* The lock's bytes as the plan names them; the file is written only when it would change. */
static int
settle_lock(struct ai_job *job, struct ai_err *err)
{
	ai_buf_clear(&job->lock_text);
	if (ai_lock_format(job->lock, &job->lock_text, err) < 0)
		return err->code;
	AI_BUF_AUTO old = AI_BUF(AI_MAX_LOCK);
	int r = ai_read_file_if(AT_FDCWD, job->lock_file, &old, err);
	if (r < 0)
		return r;
	/* Nothing but the format and no inputs: a project that needs no lock is not given one. */
	bool empty = json_object_size(job->lock) == 2 && json_object_size(ai_json_obj(job->lock, "inputs")) == 0;
	if ((r == 0 && empty) || (r == 1 && old.len == job->lock_text.len && memcmp(old.data, job->lock_text.data, old.len) == 0))
		return 0;
	if (job->opt->locked) {
		/* Same pins, other spelling: the plan names the bytes of the canonical spelling, so nothing needs to be written. */
		return 0;
	}
	return ai_write_file(AT_FDCWD, job->lock_file, job->lock_text.data, job->lock_text.len, 0644, err);
}

int
ai_job_fetch(struct ai_job *job, struct ai_err *err)
{
	if (ai_fetch_init(err) < 0)
		return err->code;
	struct left_out leave;
	struct ai_fetch f = fetch_of(job, &leave);
	job->n_sources = 0;
	job->sources = ai_calloc(job->manifest->n_inputs + job->manifest->n_images + ai_wheels_sources(job), sizeof *job->sources);
	if (!job->sources)
		return ai_nomem(err);
	for (size_t i = 0; i < job->manifest->n_inputs; i++) {
		struct ai_job_source *s = &job->sources[job->n_sources++];
		*s = (struct ai_job_source){ .name = job->manifest->inputs[i].name, .input = &job->manifest->inputs[i] };
		if (ai_check_interrupt(err) < 0 || bring(job, &f, s, err) < 0)
			return err->code;
		if (job->brought && job->brought(job->brought_ctx, s, err) < 0)
			return err->code;
	}
	return ai_job_fetch_images(job, &f, err) < 0 || ai_job_wheels(job, err) < 0 ? err->code : settle_lock(job, err);
}

void
ai_job_say_moved(const struct ai_job *job, const char *name, const json_t *old, const json_t *now)
{
	/* Of these the first that both have: what the name gave, rather than what was derived from it. */
	static const char *const fields[] = { "digest", "revision", "sha256" };
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const char *was = ai_json_str(old, fields[i]), *is = ai_json_str(now, fields[i]);
		if (was && is && strcmp(was, is) != 0) {
			ai_say(job->opt->talk, AI_TALK_STAGE, "moved   %s: was %s, is %s", name, was, is);
			return;
		}
		if (was && is) {
			ai_say(job->opt->talk, AI_TALK_STAGE, "same    %s: %s", name, is);
			return;
		}
	}
}

int
ai_job_update_lock(struct ai_job *job, const char *name, struct ai_err *err)
{
	if (name && !ai_manifest_input(job->manifest, name) && !ai_job_has_image(job, name) && !ai_wheels_step(job, name))
		return ai_fail(err, AI_EUSAGE, "%s: no input, image or step '%s'", job->shown, name);
	if (ai_fetch_init(err) < 0)
		return err->code;
	struct left_out leave;
	struct ai_fetch f = fetch_of(job, &leave);
	for (size_t i = 0; i < job->manifest->n_inputs; i++) {
		const struct ai_input *in = &job->manifest->inputs[i];
		if (in->type == AI_INPUT_PATH || (name && strcmp(name, in->name) != 0))
			continue;
		AI_JSON *pin = NULL;
		ai_say(job->opt->talk, AI_TALK_STAGE, "lock    %s", in->name);
		if (resolve(job, &f, in, &pin, err) < 0)
			return err->code;
		ai_job_say_moved(job, in->name, json_object_get(ai_json_obj(job->lock, "inputs"), in->name), pin);
		if (ai_lock_set(job->lock, in->name, pin, err) < 0)
			return err->code;
	}
	if (ai_job_update_images(job, &f, name, err) < 0)
		return err->code;
	job->renew_wheels = true;
	job->renew = name;
	/* What a requirements.txt says is known once its source is here. */
	return ai_wheels_sources(job) ? ai_job_fetch(job, err) : settle_lock(job, err);
}
