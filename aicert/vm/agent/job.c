/* job.c -- one job, from its disk to the result disk (agent.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "attest/runlog.h"
#include "base/fs.h"
#include "base/path.h"
#include "run/given.h"
#include "vm/agent/agent_parts.h"
#include "vm/agent/certificates.h"
#include "vm/disk/job_disk.h"
#include "vm/disk/result_disk.h"

/* One job in progress. */
struct work {
	const struct ai_agent *a;
	struct ai_home home;
	struct ai_tpm *tpm;            /* until the job has it */
	struct ai_unpacked given;
	struct ai_run_options options;
	struct ai_job job;
	bool planned;                  /* the job's plan is the one that was given: what happens now can be attested */
	json_t *attestation;
	char *scratch;                 /* where steps work; NULL: in the cache folder */
};

/* PCR 15 must be as the boot left it: one job a boot, and a second one is refused here. */
static int
open_tpm(struct work *w, struct ai_err *err)
{
	if (ai_home_find(w->a->home, &w->home, err) < 0 || ai_home_make(&w->home, err) < 0)
		return err->code;
	const struct ai_tpm_options o = { .tcti = w->a->tpm, .state = w->home.data };
	if (ai_tpm_open(&o, &w->tpm, err) < 0)
		return err->code;
	const char *const notes[] = { ai_tpm_certificates_note(w->tpm), ai_tpm_boot_log_note(w->tpm) };
	for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
		if (*notes[i])
			ai_say(w->a->talk, AI_TALK_NOTE, "tpm: %s", notes[i]);
	return 0;
}

/* Before anything on the disk is looked at. */
static int
measured(void *ctx, const struct ai_digest *header, struct ai_err *err)
{
	struct work *w = ctx;
	char hex[AI_HEX];
	ai_hex(header, hex);
	ai_say(w->a->talk, AI_TALK_STAGE, "job     %s", hex);
	AI_JSON *event = ai_event_job(header);
	return event ? ai_tpm_event(w->tpm, event, err) : ai_nomem(err);
}

/* What stays on the disk comes under the store before it is opened; steps then work beside it, for nothing can be laid over what is laid over itself. */
static int
open_store(struct work *w, struct ai_disk *disk, struct ai_shelf *shelf, bool *shelved, struct ai_store **store, struct ai_err *err)
{
	AI_FREE char *folder = ai_join(w->a->home, "shelf");
	AI_FREE char *scratch = ai_join(w->a->home, "scratch");
	if (!folder || !scratch)
		return ai_nomem(err);
	int there = ai_job_shelf(disk, shelf, err);
	if (there == 1) {
		ai_say(w->a->talk, AI_TALK_STAGE, "shelf   %zu objects stay on the disk", shelf->n);
		if (ai_mkdirs(scratch, 0755, err) < 0 || ai_agent_shelf(disk, shelf, w->a->job, folder, w->home.cache, w->a->talk, err) < 0)
			return err->code;
		w->scratch = scratch;
		scratch = NULL;
	}
	if (there < 0 || ai_store_open(&w->home, store, err) < 0)
		return err->code;
	*shelved = there == 1;
	return there == 1 ? ai_agent_shelf_adopt(disk, shelf, *store, w->a->talk, err) : 0;
}

/* The disk's content into a store in memory, each byte read once; what is too large for that is read through its hashes. */
static int
take(struct work *w, struct ai_err *err)
{
	struct ai_disk *disk = NULL;
	struct ai_store *store = NULL;
	struct ai_shelf shelf;
	bool shelved = false;
	AI_FREE char *aside = ai_join(w->a->home, "aside");
	if (!aside)
		return ai_nomem(err);
	if (ai_disk_open(w->a->job, w->a->job_size, "job", measured, w, &disk, err) < 0)
		return ai_in(err, "job disk");
	int r = open_store(w, disk, &shelf, &shelved, &store, err);
	if (r == 0)
		r = ai_job_unpack(disk, store, aside, shelved ? &shelf : NULL, w->a->talk, &w->given, err);
	if (r < 0)
		ai_in(err, "job disk");
	ai_store_close(store);
	ai_disk_close(disk);
	return r;
}

/* What the CA says of this machine's key is public, and came with the job: one that is of another key is left out. */
static void
keep_certificates(struct work *w)
{
	struct ai_err why = { 0 };
	if (json_array_size(w->given.certificates) > 0 && ai_agent_certificates(w->tpm, w->given.certificates, &why) < 0)
		ai_say(w->a->talk, AI_TALK_NOTE, "tpm: the certificates that came with the job are not used: %s", why.text);
}

static int
open_job(struct work *w, struct ai_err *err)
{
	AI_FREE struct ai_given_source *sources = ai_calloc(w->given.n_sources, sizeof *sources);
	if (!sources)
		return ai_nomem(err);
	for (size_t i = 0; i < w->given.n_sources; i++)
		sources[i] = (struct ai_given_source){ w->given.sources[i].name, w->given.sources[i].node, w->given.sources[i].how };
	/* Nobody's earlier results count here: everything is executed. */
	w->options = (struct ai_run_options){ .home = w->a->home, .scratch = w->scratch, .nonce = w->given.nonce, .locked = true, .fresh = true, .talk = w->a->talk };
	return ai_job_open_given(&w->options, w->given.plan, sources, w->given.n_sources, &w->job, err);
}

/* This machine has nothing of its own that a step could run in. */
static int
check_environments(const struct work *w, struct ai_err *err)
{
	for (size_t i = 0; i < w->job.n_steps; i++) {
		const struct ai_job_step *s = &w->job.steps[i];
		if (ai_json_obj(s->environment, "image"))
			continue;
		ai_fail(err, AI_EINPUT, "step '%s': is to run in the host environment, and the measured machine has none", s->name);
		return ai_hint(err, "name an image, or freeze the host's environment into one");
	}
	return 0;
}

static int
plan(struct work *w, struct ai_err *err)
{
	char here[AI_HEX], there[AI_HEX];
	ai_hex(&w->given.plan_id, there);
	ai_say(w->a->talk, AI_TALK_STAGE, "plan    %s", there);
	if (open_job(w, err) < 0 || ai_job_plan(&w->job, err) < 0)
		return err->code;
	ai_hex(&w->job.plan_id, here);
	if (!ai_digest_eq(&w->job.plan_id, &w->given.plan_id))
		return ai_fail(err, AI_EINPUT, "the plan made here is %s, the job disk says %s", here, there);
	if (check_environments(w, err) < 0)
		return err->code;
	w->job.tpm = w->tpm;
	w->tpm = NULL;
	w->planned = true;
	return 0;
}

/* A log's path in this machine says nothing to anybody: whoever shows the result has the log at another. */
static void
drop_path(struct ai_err *err)
{
	char *log = strstr(err->hint, "its log is ");
	if (!log)
		return;
	if (log - err->hint >= 2 && memcmp(log - 2, "; ", 2) == 0)
		log -= 2;
	*log = '\0';
}

static int
execute(struct work *w, struct ai_err *err)
{
	struct ai_err second = { 0 };
	int r = ai_job_execute(&w->job, err);
	/* A failure's claims name the results of the steps before: not even that is said of a machine whose content was not there. */
	if (w->scratch && ai_agent_disk_there(w->a->job, w->a->job_size, &second) < 0)
		return (*err = second).code;
	if (r == 0) {
		ai_say(w->a->talk, AI_TALK_STAGE, "attest  %s", ai_tpm_name(w->job.tpm));
		return ai_job_seal(&w->job, false, &w->attestation, err);
	}
	drop_path(err);
	if (ai_job_seal(&w->job, true, &w->attestation, &second) < 0)
		ai_say(w->a->talk, AI_TALK_NOTE, "the failure could not be attested: %s", second.text);
	return err->code;
}

static int
run(struct work *w, struct ai_err *err)
{
	if (open_tpm(w, err) < 0 || take(w, err) < 0)
		return err->code;
	keep_certificates(w);
	return plan(w, err) < 0 ? err->code : execute(w, err);
}

/* What there is to give back; where that cannot be written whole, at least why. */
static int
give_back(struct work *w, const struct ai_err *failed, struct ai_err *err)
{
	struct ai_err why = { 0 };
	ai_say(w->a->talk, AI_TALK_STAGE, "result  %s", failed ? "why there is none" : "root, outputs, logs");
	if (w->planned && ai_result_pack(&w->job, w->attestation, failed, w->a->result, w->a->result_size, &why) == 0)
		return 0;
	if (why.code)
		ai_say(w->a->talk, AI_TALK_NOTE, "result disk: %s", why.text);
	/* A job that was refused is not the one that the disk names: nothing but its id is known. */
	struct ai_job none = { .opt = &w->options, .plan_id = w->given.plan_id };
	if (ai_result_pack(&none, NULL, failed ? failed : &why, w->a->result, w->a->result_size, err) < 0)
		return ai_in(err, "result disk");
	return failed ? 0 : (*err = why).code;
}

static void
done(struct work *w)
{
	ai_job_done(&w->job);
	ai_tpm_close(w->tpm);
	ai_unpacked_done(&w->given);
	ai_home_done(&w->home);
	free(w->scratch);
	json_decref(w->attestation);
}

int
ai_agent_job(const struct ai_agent *a, struct ai_err *err)
{
	struct work w = { .a = a };
	struct ai_err second = { 0 };
	int r = run(&w, err);
	if (give_back(&w, r < 0 ? err : NULL, &second) < 0) {
		if (r == 0)
			*err = second;
		else
			ai_say(a->talk, AI_TALK_NOTE, "%s", second.text);
		r = err->code;
	}
	done(&w);
	return r;
}
