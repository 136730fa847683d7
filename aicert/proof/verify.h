/*
 * verify.h -- the verdict on a proof: a level, and the checks with what each compared.
 *
 * Nothing in the proof is believed because the proof says so: ids are recomputed,
 * provenance is walked, the plan is substituted (and planned again where the caller
 * can), the quote is checked under a key that the verifier accepts.
 *
 * Depends on: base, model, attest (its pure half).  Threads: pure but for files named in the options.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VERIFY_H
#define AI_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "model/ref.h"

typedef enum ai_level { /* ORDER LEVEL */
	AI_LEVEL_NONE,          /* altered or inconsistent: nothing is proven */
	AI_LEVEL_UNSIGNED, AI_LEVEL_SOFTWARE, AI_LEVEL_GENUINE_TPM, AI_LEVEL_MEASURED_PLATFORM,
} ai_level;

const char *ai_level_word(ai_level level);
/* AI_EUSAGE with the list of levels when word is none. */
int ai_level_parse(const char *word, ai_level *out, struct ai_err *err) AI_CHECKED;

struct ai_dag;
struct ai_policy;
struct ai_roots;

struct ai_named_ref { const char *name; const char *path; };

struct ai_verify_options {
	ai_level require;                          /* AI_LEVEL_MEASURED_PLATFORM unless told */
	const char *const *keys; size_t n_keys;    /* --key: accepted AK fingerprints (hex) */
	const json_t *trusted;                     /* array of hex: this machine's own keys and those of `aicert trust`; may be NULL */
	const char *nonce;                         /* must equal claims.nonce when given */
	bool allow_withheld;
	const struct ai_policy *policy;            /* NULL: none */
	const struct ai_roots *roots;              /* the anchors that this verifier believes; NULL: none */
	int64_t now;                               /* seconds since 1970: when chains without a timestamp are judged */
	const int64_t *as_of;                      /* judged then instead; NULL: now */
	const struct ai_named_ref *inputs; size_t n_inputs;    /* --input NAME=PATH */
	const struct ai_named_ref *outputs; size_t n_outputs;  /* --output NAME=PATH */
	const struct ai_named_ref *disclosures; size_t n_disclosures; /* --disclosure FILE [--file PATH]: name is FILE, path may be NULL */
	/* The content of a file or folder of this disk, or of a clone's commit (revision not NULL). Given by the caller; NULL = cannot. */
	int (*hash_path)(void *ctx, const char *path, const char *revision, struct ai_ref *out, struct ai_err *err);
	/* Plans again from what the proof carries and gives the plan's node; NULL = `plan not rechecked`. rules: [{"name","text"}]. */
	int (*replan)(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err);
	void *ctx;
};

/*
 * ai_verify -- *report (new reference), the documented JSON of `aicert verify --json`:
 *   {"verified": bool, "level": word, "required": word, "why_not_next": text, "hint": text, "root": hex, "name": text,
 *    "checks": [{"name", "status": "passed"|"failed"|"skipped", "compared": text}],
 *    "inputs": […], "outputs": [{"name","hash","type"}], "parameters": [{"name","value"}], "carried": […], "output_model_hash", "platform_hash", "key", "executed": n, "reused": n,
 *    "started", "finished"}, and where the level is not "none":
 *   {"judged_at", "judged_by": "now"|"as-of"|"timestamp", "timestamp_authority", "anchor", "authority", "cosigned": n, "steps": {"in_images", "in_host", "all"},
 *    "clock": {"milliseconds", "resets", "restarts", "safe"}, "job": hex or "", "boot": {"replayed": bool, "matches": bool},
 *    "lineage": [{"root", "name", "level", "key", "authority", "by": root of the run whose input it is, "input", "output"}], the proofs of
 *    inputs; the last three "" where that is withheld}
 * The level is the least that the proof and those of its lineage reach.
 * Returns 0 when verified, AI_ENO when not (the report is there and says why; err holds the first failed check),
 * AI_EINPUT when the bytes are no proof (no report).
 */
int ai_verify(const char *text, size_t len, const char *file, const struct ai_verify_options *options, json_t **report,
	struct ai_err *err) AI_CHECKED;

/*
 * ai_attestation_holds -- does an attestation hold by itself: key, quote, PCRs, boot log and run log? 0, or AI_ENO and kin: why not.
 * Whether its key is to be believed is the caller's to ask.
 */
int ai_attestation_holds(const json_t *attestation, struct ai_err *err) AI_CHECKED;

#endif
