/* verify.c -- the order of the checks and the level they give.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "proof/check.h"
#include "proof/disclose.h"
#include "proof/policy/policy.h"

/* --- levels ---------------------------------------------------------------- */

static const char *const levels[] = { "none", "unsigned", "software", "genuine-tpm", "measured-platform" }; /* ORDER LEVEL */

const char *
ai_level_word(ai_level level)
{
	return levels[level];
}

int
ai_level_parse(const char *word, ai_level *out, struct ai_err *err)
{
	for (unsigned i = AI_LEVEL_UNSIGNED; i <= AI_LEVEL_MEASURED_PLATFORM; i++)
		if (strcmp(word, levels[i]) == 0) {
			*out = (ai_level)i;
			return 0;
		}
	return ai_fail(err, AI_EUSAGE, "level '%s': expected 'unsigned', 'software', 'genuine-tpm' or 'measured-platform'", word);
}

/* --- the checks ------------------------------------------------------------ */

enum {
	ENDS = 1,     /* what follows relies on it */
	ASKED = 2,    /* is about what this verifier asked for: its failure denies the verdict, not the level */
	OWN = 4,      /* is about the proof in hand alone, and not about those of its inputs */
};

static const struct { const char *name; ai_check_fn *run; unsigned flags; } checks[] = {
	{ "format", ai_check_format, ENDS },
	{ "ids", ai_check_ids, ENDS },
	{ "references", ai_check_edges, ENDS },
	{ "lineage", ai_check_lineage, ENDS },
	{ "withheld", ai_check_withheld, 0 },
	{ "evidence", ai_check_evidence, ENDS },
	{ "claims", ai_check_claims, 0 },
	{ "plan", ai_check_plan, 0 },
	{ "provenance", ai_check_provenance, 0 },
	{ "planned again", ai_check_replan, 0 },
	{ "carried", ai_check_carried, 0 },
	{ "coverage", ai_check_coverage, 0 },
	{ "attestation key", ai_check_key_attributes, ENDS },
	{ "quote", ai_check_quote, 0 },
	{ "pcrs", ai_check_pcrs, 0 },
	{ "boot log", ai_check_boot_log, 0 },
	{ "run log", ai_check_run_log, 0 },
	{ "certificates", ai_check_certificates, 0 },
	{ "reused", ai_check_reused, ENDS },
	{ "cosigned", ai_check_cosigned, ENDS },
	{ "summary", ai_check_summary, 0 },
	{ "timestamp", ai_check_timestamp, 0 },
	{ "nonce", ai_check_nonce, ASKED | OWN },
	{ "judged", ai_check_judged, ENDS },
	{ "accepted key", ai_check_key, ASKED },
	{ "genuine tpm", ai_check_tpm, ASKED },
	{ "measured platform", ai_check_platform, ASKED },
	{ "lineage accepted", ai_check_lineage_accepted, ASKED | OWN },
	{ "threshold", ai_check_threshold, ASKED },
	{ "policy timestamp", ai_check_policy_timestamp, ASKED },
	{ "policy root", ai_check_policy_root, ASKED | OWN },
	{ "policy inputs", ai_check_policy_inputs, ASKED | OWN },
	{ "policy outputs", ai_check_policy_outputs, ASKED | OWN },
	{ "policy rules", ai_check_policy_rules, ASKED },
	{ "policy steps", ai_check_policy_steps, ASKED | OWN },
	{ "policy images", ai_check_policy_images, ASKED },
	{ "policy environments", ai_check_policy_environments, ASKED },
	{ "policy boot", ai_check_policy_boot, ASKED },
	{ "policy job", ai_check_policy_job, ASKED },
	{ "policy denied", ai_check_policy_denied, ASKED },
	{ "policy withheld", ai_check_policy_withheld, ASKED },
};
enum { N_CHECKS = sizeof checks / sizeof *checks };

static int
add_check(struct ai_verdict *d, const char *name, const char *status, const char *compared, struct ai_err *err)
{
	AI_JSON *made = json_object();
	if (json_object_set_new(made, "name", ai_safe_text(name)) < 0 || json_object_set_new(made, "status", json_string(status)) < 0
		|| json_object_set_new(made, "compared", ai_safe_text(compared)) < 0 || json_array_append(d->checks, made) < 0)
		return ai_nomem(err);
	return 0;
}

static int
add_failed(struct ai_verdict *d, const char *name, const struct ai_err *why, struct ai_err *err)
{
	if (!d->first.code) {
		d->first = *why;
		/* The verdict hangs on this: a failure without a reason is one. */
		if (!d->first.code)
			(void)ai_fail(&d->first, AI_ENO, "failed without saying why");
		(void)ai_in(&d->first, "%s", name);
	}
	return add_check(d, name, "failed", why->text, err);
}

/* The outcome of one check into the report; an error of ours, not of the proof's, is passed on. */
static int
note(struct ai_verdict *d, const char *name, int r, const struct ai_buf *said, const struct ai_err *why, bool asked, struct ai_err *err)
{
	if (r == AI_EENV || r == AI_EINTR || r == AI_EUSAGE) {
		*err = *why;
		return r;
	}
	if (r < 0) {
		d->broken |= !asked;
		return add_failed(d, name, why, err);
	}
	if (ai_buf_ok(said, name, err) < 0)
		return err->code;
	return add_check(d, name, r == CHECK_PASSED ? "passed" : "skipped", said->len ? said->data : "", err);
}

static int
run_checks(struct ai_verify *v, struct ai_verdict *d, struct ai_err *err)
{
	for (size_t i = 0; i < N_CHECKS; i++) {
		AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
		struct ai_err why = { 0 };
		int r = CHECK_SKIPPED;
		if (d->ended)
			ai_buf_printf(&said, "not looked at, because '%s' failed", d->ended);
		else if (v->is_kin && (checks[i].flags & OWN))
			ai_buf_puts(&said, "is asked of the proof itself, and not of those of its inputs");
		else
			r = checks[i].run(v, &said, &why);
		if (note(d, checks[i].name, r, &said, &why, checks[i].flags & ASKED, err) < 0)
			return err->code;
		if (r < 0 && (checks[i].flags & ENDS))
			d->ended = checks[i].name;
	}
	return 0;
}

typedef int local_fn(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err);

static int
run_local(struct ai_verify *v, struct ai_verdict *d, const char *what, const struct ai_named_ref *given, size_t n, local_fn *run, struct ai_err *err)
{
	for (size_t i = 0; i < n; i++) {
		AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
		AI_FREE char *name = ai_format("%s %s", what, given[i].name);
		struct ai_err why = { 0 };
		int r = CHECK_SKIPPED;
		if (!name)
			return ai_nomem(err);
		if (d->ended)
			ai_buf_printf(&said, "not looked at, because '%s' failed", d->ended);
		else
			r = run(v, &given[i], &said, &why);
		if (note(d, name, r, &said, &why, true, err) < 0)
			return err->code;
	}
	return 0;
}

static int
check_level(const struct ai_verify *v, struct ai_verdict *d, ai_level level, struct ai_err *err)
{
	struct ai_err why = { 0 };
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	ai_buf_printf(&said, "the level reached, '%s', with the one required, '%s'", levels[level], levels[v->options->require]);
	int r = level >= v->options->require && level > AI_LEVEL_NONE ? CHECK_PASSED
		: ai_fail(&why, AI_ENO, "got '%s', expected '%s'", levels[level], levels[v->options->require]);
	return note(d, "level", r, &said, &why, true, err);
}

/* The least that is reached: by the proof's own attestations, or by a proof of what its run was made from. */
static ai_level
level_of(const struct ai_verify *v)
{
	const struct ai_kin *kin = v->is_kin ? NULL : ai_lineage_weakest(v->lineage);
	ai_level own = ai_evidence_level(ai_weakest(v));
	return kin && kin->level < own ? kin->level : own;
}

static int
judge(struct ai_verify *v, struct ai_verdict *d, json_t **report, struct ai_err *err)
{
	const struct ai_verify_options *o = v->options;
	if (!d->checks)
		return ai_nomem(err);
	if (run_checks(v, d, err) < 0 || run_local(v, d, "input", o->inputs, o->n_inputs, ai_check_input, err) < 0
		|| run_local(v, d, "output", o->outputs, o->n_outputs, ai_check_output, err) < 0
		|| run_local(v, d, "disclosure", o->disclosures, o->n_disclosures, ai_check_disclosure, err) < 0)
		return err->code;
	ai_level level = d->level = d->broken ? AI_LEVEL_NONE : level_of(v);
	if (check_level(v, d, level, err) < 0)
		return err->code;
	AI_JSON *made = NULL;
	if (ai_verify_report(v, d, level, &made, err) < 0)
		return err->code;
	if (d->first.code) {
		if (level > AI_LEVEL_NONE && level < o->require)
			(void)ai_fail(err, AI_ENO, "%s: not verified: reaches '%s', expected '%s': %s", v->file, ai_level_word(level), ai_level_word(o->require), d->first.text);
		else
			(void)ai_fail(err, AI_ENO, "%s: not verified: %s", v->file, d->first.text);
		if (ai_json_str(made, "hint")[0])
			(void)ai_hint(err, "%s", ai_json_str(made, "hint"));
	}
	*report = json_incref(made);
	return d->first.code ? AI_ENO : 0;
}

static int
check_options(const struct ai_verify_options *o, struct ai_err *err)
{
	struct ai_digest d;
	for (size_t i = 0; i < o->n_keys; i++)
		if (!ai_unhex(o->keys[i], &d))
			return ai_fail(err, AI_EUSAGE, "key '%s': expected a fingerprint of 64 lower-case hex digits", o->keys[i]);
	return 0;
}

static void
done_list(struct ai_evidence *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ai_evidence_done(&list[i]);
	free(list);
}

static void
verify_done(struct ai_verify *v)
{
	json_decref(v->sources);
	json_decref(v->source_ids);
	json_decref(v->results);
	json_decref(v->summary);
	done_list(v->reused, v->n_reused);
	done_list(v->cosigned, v->n_cosigned);
	done_list(v->lent, v->n_lent);
	ai_evidence_done(&v->main);
	ai_lineage_done(&v->own_lineage);
	ai_dag_free(v->dag);
}

int
ai_verify_kin(const struct ai_verify *v, struct ai_kin *kin, struct ai_err *err)
{
	struct ai_verify_options options = *v->options;
	options.n_inputs = options.n_outputs = options.n_disclosures = 0;
	struct ai_verify one = {
		.options = &options, .file = v->file, .proof = kin->proof, .roots = v->roots, .memo = v->memo, .is_kin = true, .lineage = v->lineage,
	};
	struct ai_verdict d = { .checks = json_array() };
	struct ai_err why = { 0 };
	int r = judge(&one, &d, &kin->report, &why);
	json_decref(d.checks);
	verify_done(&one);
	kin->level = d.level;
	kin->first = d.first;
	if (r == 0 || (r == AI_ENO && kin->report))
		return 0;
	*err = why;
	return ai_in(err, "proof %s", kin->root);
}

int
ai_verify(const char *text_, size_t len, const char *file, const struct ai_verify_options *options, json_t **report, struct ai_err *err)
{
	AI_JSON *proof = NULL;
	struct ai_verify v = { .options = options, .file = file };
	if (check_options(options, err) < 0 || ai_json_parse(text_, len, file, &proof, err) < 0)
		return err->code;
	const char *version = ai_json_str(proof, "version");
	if (!version)
		return ai_fail(err, AI_EINPUT, "%s: is no proof: it has no 'version'", file);
	if (strcmp(version, "v1") != 0)
		return ai_fail(err, AI_EINPUT, "%s: is a proof of version '%s', expected 'v1', which this program reads", file, version);
	v.proof = proof;
	v.roots = options->roots;
	struct ai_roots *policy_roots = NULL;
	if (options->policy && ai_policy_roots(options->policy, options->roots, &policy_roots, err) < 0)
		return err->code;
	if (policy_roots)
		v.roots = policy_roots;
	if (ai_chain_memo_new(&v.memo, err) < 0) {
		ai_roots_free(policy_roots);
		return err->code;
	}
	struct ai_verdict d = { .checks = json_array() };
	int r = judge(&v, &d, report, err);
	json_decref(d.checks);
	verify_done(&v);
	ai_chain_memo_free(v.memo);
	ai_roots_free(policy_roots);
	return r;
}
