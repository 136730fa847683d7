/*
 * job.h -- one run in progress: what its stages hand to each other.
 *
 * load -> lock -> fetch -> plan -> execute -> seal -> emit; each stage is a file of
 * this folder and fills in its part. A job is made by ai_job_open and freed whole.
 *
 * Depends on: all below.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_JOB_H
#define AI_JOB_H

#include "attest/tpm/tpm.h"
#include "base/buf.h"
#include "base/home.h"
#include "base/talk.h"
#include "cache/idset.h"
#include "cache/store.h"
#include "model/manifest.h"
#include "rule/rule.h"
#include "run/box/gpu.h"
#include "run/observe/observe.h"
#include "run/run.h"

/* An input, or an image, once it is in the store. */
struct ai_job_source {
	const char *name;         /* in the plan: the input's, the image's text, or owned */
	char *owned;              /* "<step>/wheels"; else NULL */
	const struct ai_input *input; /* NULL: an image, or wheels */
	struct ai_ref content;
	struct ai_digest id;      /* of node */
	json_t *node;             /* kind source */
	const char *how;          /* "git", "oci", "sha256" or "none" */
};

typedef enum ai_step_state { AI_STEP_WAITING, AI_STEP_EXECUTED, AI_STEP_REUSED, AI_STEP_FAILED } ai_step_state;

struct ai_job_step {
	const char *name;               /* borrowed from the plan */
	const struct ai_step_spec *spec;
	const json_t *recipe;           /* borrowed from the plan */
	const json_t *environment;      /* its node; borrowed from the job */
	json_t *step;                   /* the step node, once its inputs are known */
	struct ai_digest id, result_id;
	json_t *result;                 /* the result node */
	struct ai_digest attestation;   /* REUSED: the one that lists it as executed */
	ai_step_state state;
	char *why;                      /* why it ran */
	char *log;                      /* path of its log */
	char *failure;                  /* FAILED: how, as the claims say it */
	struct ai_names outputs, specs; /* indexes of the outputs of outputs_of, which was once its result, and of its recipe */
	json_t *outputs_of;             /* a reference of its own: a new result cannot come to lie where this one lay */
};

struct ai_nursery;   /* run/worker.h */

struct ai_job {
	const struct ai_run_options *opt;
	struct ai_home home;
	char *aside;                    /* opt->look, and there is no home yet: a folder that stands for it meanwhile */
	struct ai_store *store;
	char *file;                     /* the Aicertfile, absolute */
	const char *shown;              /* its name in errors: part of file */
	char *project;                  /* its folder, absolute */
	char *proof, *output_dir;       /* absolute */
	char *lock_file;
	struct ai_buf text, lock_text;  /* bytes of Aicertfile (run/public_text.h) and lock, as the plan names them */
	bool lock_there;                /* a lock file stood there when the run began */
	json_t *parameters;             /* [{"name","value"}], as given; NULL: none */
	bool apart;                     /* Aicertfile and rules are a stranger's: planned in a confined child (run/plan/apart.h) */
	struct ai_manifest *manifest;
	json_t *lock;
	struct ai_rule_text *rules; size_t n_rules;
	struct ai_job_source *sources; size_t n_sources;
	json_t *plan;
	json_t *environments;           /* array: the environment nodes of the plan */
	struct ai_gpus gpus;            /* of this machine; looked for when a step asks for some */
	struct ai_digest plan_id, root_id;
	struct ai_job_step *steps; size_t n_steps;
	struct ai_names step_names;     /* index of steps */
	struct ai_tpm *tpm;
	json_t *run_node;
	json_t *previous;               /* record of the last run of this project; NULL if none */
	struct ai_idset held;           /* attestations that results of this run rest on: they hold */
	struct ai_names previous_names, written_paths; /* indexes of its steps and of what it wrote; made when one is first looked for */
	json_t *written;                /* what emit put where, once it has ([{"path","id"}]) */
	json_t *accepted;               /* array of hex: keys whose attestations count for reuse */
	json_t *kin;                    /* {root: true}: whose proofs this run's will carry; NULL: none yet (run/lineage.h) */
	json_t *judged;                 /* {SHA-256 of a proof's file: level}: what was verified in this run already */
	unsigned fetched;
	bool renew_wheels;              /* `lock --update`: of the step or input of this name, or of all */
	const char *renew;
	json_t *checks;                 /* --check: what run/again/repeat.h found of each step; owned by run.c */
	struct ai_nursery *nursery;     /* where workers come from; NULL: steps run in this process. Owned by run.c */
	const char *logs;               /* folder of logs below the cache; NULL: "logs" */
	struct ai_err unstamped;        /* code != 0: why the attestation lacks the timestamp that was asked for */
	/* Called for each input once its content is in the store, before anything is planned; may replace its node. NULL: nobody asks. */
	int (*brought)(void *ctx, struct ai_job_source *s, struct ai_err *err);
	void *brought_ctx;
	char started[24];
};

/* Finds the files and nothing more. */
int ai_job_find(const struct ai_run_options *options, struct ai_job *job, struct ai_err *err) AI_CHECKED;
/* Finds the files, opens the store, reads Aicertfile, lock and rules. */
int ai_job_open(const struct ai_run_options *options, struct ai_job *job, struct ai_err *err) AI_CHECKED;
/* The project, the store and `previous` alone: what was does not hang on what the Aicertfile says now, nor on its parameters. */
int ai_job_open_past(const struct ai_run_options *options, struct ai_job *job, struct ai_err *err) AI_CHECKED;
void ai_job_done(struct ai_job *job);

/* Pins what is missing (AI_EINPUT under --locked), brings every input into the store, writes the lock. */
int ai_job_fetch(struct ai_job *job, struct ai_err *err) AI_CHECKED;
/* Resolves again what names (of an input, an image or a step, or NULL for all) would give now and writes the lock. */
int ai_job_update_lock(struct ai_job *job, const char *name, struct ai_err *err) AI_CHECKED;
/* Says of a pin that was resolved again whether it moved, and between what; nothing where there was none. */
void ai_job_say_moved(const struct ai_job *job, const char *name, const json_t *old, const json_t *now);

/* The plan that this lock gives, and the environments that it names; nothing is kept. */
int ai_job_plan_make(struct ai_job *job, const struct ai_buf *lock, json_t **plan, json_t **environments, struct ai_err *err) AI_CHECKED;
/* Of a folder of notes (which plan a key has, what stands): when there are many all go, for one is worth no more than finding out again. */
void ai_sweep_notes(const char *folder);
/* Makes plan, environment and steps, and stores every node and blob that they name. */
int ai_job_plan(struct ai_job *job, struct ai_err *err) AI_CHECKED;
/* The step of that name, or NULL. */
struct ai_job_step *ai_job_step_named(const struct ai_job *job, const char *name);
/* The output of that name in the result of that step: *out is borrowed from it. AI_ESTEP when there is none yet. */
int ai_job_output(struct ai_job *job, const char *step, const char *output, const json_t **out, struct ai_err *err) AI_CHECKED;
/* The same as its recipe declares it; AI_EUSAGE when it declares none. */
int ai_job_output_spec(struct ai_job *job, const char *step, const char *output, const json_t **out, struct ai_err *err) AI_CHECKED;
/* The step node of steps[i] from the results of the steps before it. */
int ai_job_step_node(struct ai_job *job, struct ai_job_step *s, struct ai_err *err) AI_CHECKED;
/*
 * ai_job_find_result -- a result of s->id that may be reused now: its used holds, its outputs are in the store, an accepted
 * attestation lists it as executed. 1 found (s is filled in), 0 not: s->why says why the step must run.
 */
int ai_job_find_result(struct ai_job *job, struct ai_job_step *s, struct ai_err *err) AI_CHECKED;

/* Are all outputs of a result node in the store? 1, 0. */
int ai_job_outputs_there(struct ai_job *job, const json_t *result, struct ai_err *err) AI_CHECKED;

/* Runs or reuses every step. AI_ESTEP when one failed (its failure is in the step). */
int ai_job_execute(struct ai_job *job, struct ai_err *err) AI_CHECKED;
/* Runs one step in the sandbox and collects its outputs into s->result. AI_ESTEP: s->failure says how. First: can it run (below)? */
int ai_exec_step(struct ai_job *job, struct ai_job_step *s, struct ai_err *err) AI_CHECKED;
/* The same, once that is known. */
int ai_run_actions(struct ai_job *job, struct ai_job_step *s, struct ai_err *err) AI_CHECKED;
/*
 * Can the host run this step? Its command must be there, and what its source's requirements.txt asks for must be installed.
 * AI_EENV with a hint when not; 0 when nothing is asked for.
 */
int ai_check_requirements(struct ai_job *job, const struct ai_job_step *s, struct ai_err *err) AI_CHECKED;
/* How run/observe/observe.h reaches the store. */
struct ai_used_io ai_job_used_io(struct ai_job *job);

/* The run node of the steps' results, which all have one: run_node and root_id; stored. */
int ai_job_run_node(struct ai_job *job, struct ai_err *err) AI_CHECKED;
/*
 * Run node, claims, quote, and the timestamp if one is asked for; the attestation is durable in the store when it returns. failed: no root.
 * Without a timestamp that could not be had the run goes on: job->unstamped. New reference.
 */
int ai_job_seal(struct ai_job *job, bool failed, json_t **attestation, struct ai_err *err) AI_CHECKED;
/* Proof and outputs where the user wants them. check_only: would it overwrite what is not ours? (before anything runs) */
int ai_job_emit_check(struct ai_job *job, struct ai_err *err) AI_CHECKED;
int ai_job_emit(struct ai_job *job, const json_t *attestation, struct ai_err *err) AI_CHECKED;

/* What steps run on, as environment nodes say it. */
#if defined(__x86_64__)
#define AI_PLATFORM "linux/amd64"
#elif defined(__aarch64__)
#define AI_PLATFORM "linux/arm64"
#else
#error "aicert: no platform word for this processor"
#endif

/* Remembers this run for `why`, `log` and the next emit; written: what emit put where ([{"path","id"}]), NULL when it failed. */
int ai_job_record(struct ai_job *job, const json_t *written, struct ai_err *err) AI_CHECKED;

/* What a run that is done says of itself. */
int ai_job_report(const struct ai_job *job, struct ai_run_report *report, struct ai_err *err) AI_CHECKED;
/* The error of a run that is done and written, and lacks only the timestamp that was asked for: job->unstamped says why. */
int ai_job_unstamped(const struct ai_job *job, struct ai_err *err);

/* "2026-01-01T00:00:00Z" of now. */
void ai_now(char out[24]);

#endif
