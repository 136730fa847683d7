/*
 * aicert.h -- the public C API: run an Aicertfile into a proof, and judge a proof.
 *
 * libaicert-verify (libcrypto, jansson, plain POSIX) holds what is under
 * "verifying"; libaicert holds everything. Text results are JSON, the same as the
 * command's --json prints, so that nobody needs our structures.
 *
 * Ownership: every char * given out is the caller's, to be freed with aicert_free.
 * Errors: functions return 0 or a negative code that is an exit code with its sign
 * turned (aicert_code); *error, if not NULL, holds text and hint.
 *
 * Threads: functions may be called from several threads with separate arguments.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AICERT_H
#define AICERT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AICERT_API __attribute__((visibility("default")))

enum aicert_code {
	AICERT_OK = 0,
	AICERT_NO = -1,           /* the answer is no: not verified, altered, differs */
	AICERT_USAGE = -2,        /* usage or Aicertfile error */
	AICERT_INPUT = -3,        /* input unreadable, malformed, or not what was pinned */
	AICERT_STEP = -4,         /* a step failed */
	AICERT_ENVIRONMENT = -5,  /* unreachable, no space, no memory, no TPM */
	AICERT_INTERRUPTED = -130,
};

typedef struct aicert_error {
	int code;
	char text[1024];
	char hint[512];           /* "" or one line */
} aicert_error;

AICERT_API const char *aicert_version(void);
AICERT_API void aicert_free(void *p);

/* --- verifying (libaicert-verify) ---------------------------------------- */

typedef struct aicert_named_path { const char *name, *path; } aicert_named_path;

typedef struct aicert_verify_options {
	size_t size;              /* sizeof (aicert_verify_options) */
	const char *require;      /* "unsigned", "software", "genuine-tpm", "measured-platform"; NULL = measured-platform */
	const char *const *keys;  /* accepted AK fingerprints, 64 hex digits each */
	size_t n_keys;
	const char *nonce;        /* NULL or what the claims must hold */
	const char *home;         /* NULL = $AICERT_HOME or the user's folders: own and trusted keys */
	int ignore_home;          /* 1: accept only `keys` */
	int allow_withheld;
	const aicert_named_path *inputs;  size_t n_inputs;
	const aicert_named_path *outputs; size_t n_outputs;
	const char *policy;       /* path of a policy file, or NULL; it says the level unless `require` does */
	const char *as_of;        /* "2026-01-31" or "2026-01-31T12:00:00Z": when certificates are judged; NULL = now */
	const aicert_named_path *disclosures; size_t n_disclosures; /* name: a disclosure's file; path: what lies here, or NULL */
} aicert_verify_options;

/*
 * aicert_verify -- judges the bytes of a proof.
 *   report   the JSON report; given out also when the answer is AICERT_NO
 * AICERT_INPUT when the bytes are no proof (no report then).
 * libaicert-verify cannot plan again (that needs Lua) and says so in the check "plan"; libaicert can.
 */
AICERT_API int aicert_verify(const char *proof, size_t length, const aicert_verify_options *options, char **report, aicert_error *error);

/* The same for a file. */
AICERT_API int aicert_verify_file(const char *path, const aicert_verify_options *options, char **report, aicert_error *error);

/* {"blob"|"tree": id} of a file or folder of this disk (`.git` is left out), as JSON. */
AICERT_API int aicert_hash(const char *path, char **reference, aicert_error *error);

/*
 * The keys that this user's verifier accepts (beside the machine's own). list: [{"fingerprint","name","added"}].
 * remove takes a name, or a prefix of at least 8 digits that fits one key. home as in aicert_verify_options.
 */
AICERT_API int aicert_trust_list(const char *home, char **list, aicert_error *error);
AICERT_API int aicert_trust_add(const char *home, const char *fingerprint, const char *name, aicert_error *error);
AICERT_API int aicert_trust_remove(const char *home, const char *word, aicert_error *error);

/* --- running (libaicert) -------------------------------------------------- */

/* What happens to a step of a run; pointers live as long as the call. */
enum aicert_step_kind {
	AICERT_STEP_BEGINS,       /* why: why it runs */
	AICERT_STEP_IS_REUSED,    /* its result was known */
	AICERT_STEP_LOGS,         /* it printed n bytes */
	AICERT_STEP_IS_DONE,      /* after seconds */
	AICERT_STEP_FAILS,        /* why: how, after seconds; 0 when it did not come to run */
	AICERT_STEP_IS_SKIPPED,   /* why: what it needs in vain */
};
typedef struct aicert_step_event {
	int kind;
	const char *step, *why;   /* why: NULL where the kind says nothing of it */
	size_t index, total;      /* place in the plan, from 0; steps in it */
	double seconds;
	const char *bytes;        /* as they came, not NUL-terminated */
	size_t n;
} aicert_step_event;

typedef struct aicert_run_options {
	size_t size;              /* sizeof (aicert_run_options) */
	const char *file;         /* NULL = Aicertfile or aicert.yaml in the present folder */
	const char *proof;        /* NULL = "proof.json" */
	const char *output_dir;   /* NULL = "outputs" */
	const char *tpm;          /* TCTI, "embedded", or NULL = found */
	const char *ak;           /* "ecc" (NULL) or "rsa" */
	const char *nonce;
	const char *home;
	int locked, force, with_trees;
	/* What happens, line by line; may be NULL. kind: 0 stage, 1 note, 2 detail, 3 progress (done of total bytes), 4 log (done bytes at text). */
	void (*say)(void *ctx, int kind, const char *text, unsigned long long done, unsigned long long total);
	void *ctx;
	const char *const *check; /* steps to run twice and compare; "all" is every step */
	size_t n_check;
	const char *timestamp;    /* URL of an RFC 3161 time-stamping authority that is asked before the proof is written; NULL = none */
	int fresh;                /* 1: run every step, whatever results are known */
	const char *in;           /* "vm": in the measured machine; NULL = on this one */
	const char *vm_image;     /* "vm": its UKI; NULL = the one that `aicert vm build` made */
	unsigned long long vm_memory; /* bytes; 0 = by what the job needs */
	unsigned vm_cpus, vm_time;    /* vm_time in seconds; 0 = by the steps' limits */
	const char *vm_provider;      /* "vm": where it runs (see `aicert vm provider`); NULL = "qemu", on this machine */
	const char *const *vm_set;    /* the cloud's settings, "NAME=VALUE" each */
	unsigned long n_vm_set;
	const char *const *define;    /* parameters of the Aicertfile, "NAME=VALUE" each */
	unsigned long n_define;
	const char *const *steps;     /* run these steps and what they need; none: all */
	unsigned long n_steps;
	unsigned jobs;                /* how many steps run at once; 0 = as many as there are processors */
	int keep_going;               /* 1: a failed step stops only what needs it */
	void (*step)(void *ctx, const aicert_step_event *event); /* may be NULL: then say hears of steps as lines and bytes */
	const char *policy;           /* what proofs of inputs are judged by; NULL = none */
} aicert_run_options;

/*
 * Runs to a proof. report: {"proof","outputs","root","executed","reused","fetched"}, and with `check` "checks": for each step
 * {"step","against","same","outputs","differences","total","by_id_only"}. AICERT_NO when a check found a difference: no proof
 * is written, and the report (given out then too) has "checks" only. AICERT_ENVIRONMENT with a report: everything is done and
 * written, and only the timestamp that was asked for is missing.
 */
AICERT_API int aicert_run(const aicert_run_options *options, char **report, aicert_error *error);

/*
 * What would a run do now? Asks no network, runs and writes nothing. report: {"name","sources":[{"name","type","uri","would","size"?}],
 * "steps":[{"step","would","why","needs"}],"totals"}; a source would be left as it is ("nothing"), "fetch"ed or "pin"ned; a step "reuse", "run", or "wait"
 * for what it needs before anybody can say.
 */
AICERT_API int aicert_plan(const aicert_run_options *options, char **report, aicert_error *error);

/* Inputs, images, steps, outputs and what takes what: {"name","nodes":[{"kind","name","type"?,"state"?}],"edges":[{"from","to"}]}; state: of the last run. */
AICERT_API int aicert_graph(const aicert_run_options *options, char **report, aicert_error *error);

/* Why would each step (or one) run? [{"step","would","why"}]. */
AICERT_API int aicert_why(const aicert_run_options *options, const char *step, char **report, aicert_error *error);

/* Pins what is missing in aicert.lock; update: resolves name (NULL = all) again. */
AICERT_API int aicert_lock(const aicert_run_options *options, const char *name, int update, aicert_error *error);

/* Path of the last log of a step (NULL: of the last one). */
AICERT_API int aicert_log(const aicert_run_options *options, const char *step, char **path, aicert_error *error);

typedef struct aicert_reproduce_options {
	size_t size;              /* sizeof (aicert_reproduce_options) */
	const char *project;      /* where path inputs are looked for; NULL = the proof's folder */
	const char *step;         /* NULL = every step */
	const char *keep;         /* a folder to be made that keeps what was produced; NULL = nothing is kept */
	const char *home;
	const aicert_named_path *inputs; size_t n_inputs;
	void (*say)(void *ctx, int kind, const char *text, unsigned long long done, unsigned long long total);
	void *ctx;
} aicert_reproduce_options;

/*
 * Fetches a proof's inputs, runs its steps, compares every result with the proof's. AICERT_NO with a report: something
 * differs; without: the proof itself does not hold. report: {"proof","root","same","notes","inputs":[{"name","from"}],
 * "steps":[{"step","same","outputs","differences","total","by_id_only","notes"}]}; "first" is the proof's side.
 */
AICERT_API int aicert_reproduce(const char *proof, const aicert_reproduce_options *options, char **report, aicert_error *error);

/* Asks whatever runs in this process to stop (AICERT_INTERRUPTED); may be called from a signal handler. */
AICERT_API void aicert_interrupt(void);

/* Tree id (64 hex) of a commit of a local git clone, as a git input would have it. */
AICERT_API int aicert_hash_commit(const char *clone, const char *commit, char **id, aicert_error *error);

#ifdef __cplusplus
}
#endif

#endif
