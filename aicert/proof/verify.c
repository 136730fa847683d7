/* verify.c -- the order of the checks, the level they give, and the report.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "proof/check.h"

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
};

static const struct { const char *name; ai_check_fn *run; unsigned flags; } checks[] = {
	{ "format", ai_check_format, ENDS },
	{ "ids", ai_check_ids, ENDS },
	{ "references", ai_check_edges, ENDS },
	{ "withheld", ai_check_withheld, 0 },
	{ "evidence", ai_check_evidence, ENDS },
	{ "claims", ai_check_claims, 0 },
	{ "plan", ai_check_plan, 0 },
	{ "provenance", ai_check_provenance, 0 },
	{ "planned again", ai_check_replan, 0 },
	{ "coverage", ai_check_coverage, 0 },
	{ "attestation key", ai_check_key_attributes, ENDS },
	{ "quote", ai_check_quote, 0 },
	{ "pcrs", ai_check_pcrs, 0 },
	{ "boot log", ai_check_boot_log, 0 },
	{ "run log", ai_check_run_log, 0 },
	{ "certificates", ai_check_certificates, 0 },
	{ "reused", ai_check_reused, 0 },
	{ "summary", ai_check_summary, 0 },
	{ "timestamp", ai_check_timestamp, 0 },
	{ "nonce", ai_check_nonce, ASKED },
	{ "accepted key", ai_check_key, ASKED },
};
enum { N_CHECKS = sizeof checks / sizeof *checks };

/* What has been found so far. */
struct verdict {
	json_t *checks;
	struct ai_err first;     /* the first failure, "check: text" */
	bool broken;             /* a check failed that the level rests on */
	const char *ended;       /* the check after which nothing more is looked at */
};

/* Foreign text cut by the size of an error may end within a character, which JSON does not take. */
static json_t *
text(const char *s)
{
	if (ai_utf8_valid(s, strlen(s)))
		return json_string(s);
	AI_FREE char *plain = ai_strdup(s);
	for (char *p = plain; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return plain ? json_string(plain) : NULL;
}

static int
add_check(struct verdict *d, const char *name, const char *status, const char *compared, struct ai_err *err)
{
	AI_JSON *made = json_object();
	if (json_object_set_new(made, "name", text(name)) < 0 || json_object_set_new(made, "status", json_string(status)) < 0
		|| json_object_set_new(made, "compared", text(compared)) < 0 || json_array_append(d->checks, made) < 0)
		return ai_nomem(err);
	return 0;
}

static int
add_failed(struct verdict *d, const char *name, const struct ai_err *why, struct ai_err *err)
{
	if (!d->first.code) {
		d->first = *why;
		(void)ai_in(&d->first, "%s", name);
	}
	return add_check(d, name, "failed", why->text, err);
}

/* The outcome of one check into the report; an error of ours, not of the proof's, is passed on. */
static int
note(struct verdict *d, const char *name, int r, const struct ai_buf *said, const struct ai_err *why, bool asked, struct ai_err *err)
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
run_checks(struct ai_verify *v, struct verdict *d, struct ai_err *err)
{
	for (size_t i = 0; i < N_CHECKS; i++) {
		AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
		struct ai_err why = { 0 };
		int r = CHECK_SKIPPED;
		if (d->ended)
			ai_buf_printf(&said, "not looked at, because '%s' failed", d->ended);
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
run_local(struct ai_verify *v, struct verdict *d, const char *what, const struct ai_named_ref *given, size_t n, local_fn *run, struct ai_err *err)
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

/* --- the report ------------------------------------------------------------ */

static ai_level
level_of(const struct ai_verify *v, const struct verdict *d)
{
	if (d->broken)
		return AI_LEVEL_NONE;
	/* genuine-tpm and measured-platform rest on roots and reference values that this version does not bring. */
	return v->key_accepted && v->others_accepted ? AI_LEVEL_SOFTWARE : AI_LEVEL_UNSIGNED;
}

static char *
why_not_next(const struct ai_verify *v, const struct verdict *d, ai_level level)
{
	if (level == AI_LEVEL_NONE)
		return ai_format("a check failed: %s", d->first.text);
	if (level == AI_LEVEL_SOFTWARE)
		return ai_strdup(v->why_no_tpm ? v->why_no_tpm : "");
	if (v->key_accepted)
		return ai_strdup("an attestation of a reused result is by a key that this verifier does not accept");
	return ai_format("this verifier does not accept the attestation key %s", v->main.key);
}

/* What to type next; "" when there is nothing to say. */
static char *
hint_of(const struct ai_verify *v, const struct verdict *d, ai_level level)
{
	if (d->first.hint[0])
		return ai_strdup(d->first.hint);
	if (level == AI_LEVEL_NONE || level >= v->options->require)
		return ai_strdup("");
	if (level == AI_LEVEL_SOFTWARE)
		return ai_format("if a software TPM's word is enough: aicert verify --require software '%s'", v->file);
	if (v->key_accepted)
		return ai_strdup("if you know whose keys attested the reused results: aicert trust add FINGERPRINT");
	return ai_format("if you know whose key it is: aicert trust add %s, then aicert verify --require software '%s'", v->main.key, v->file);
}

static int
add_outputs(const struct ai_verify *v, json_t *list, struct ai_err *err)
{
	size_t i;
	json_t *o;
	json_array_foreach(json_object_get(v->run, "outputs"), i, o) {
		const char *blob = ai_json_str(o, "blob"), *tree = ai_json_str(o, "tree");
		if (json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", ai_json_str(o, "name"), "hash", blob ? blob : tree,
			"type", blob ? "file" : "dir")) < 0)
			return ai_nomem(err);
	}
	return 0;
}

/* What the proof says, only when it holds together: nothing of an altered proof is repeated as if it were so. */
static int
add_content(const struct ai_verify *v, bool holds, json_t *report, struct ai_err *err)
{
	AI_JSON *outputs = json_array();
	const json_t *claims = holds ? v->main.claims : NULL, *summary = holds ? v->summary : NULL;
	json_t *inputs = json_object_get(summary, "inputs");
	const char *model = ai_json_str(summary, "output_model_hash"), *platform = ai_json_str(summary, "platform_hash");
	const char *started = ai_json_str(claims, "started"), *finished = ai_json_str(claims, "finished");
	if (holds && add_outputs(v, outputs, err) < 0)
		return err->code;
	int bad = json_object_set_new(report, "inputs", inputs ? json_incref(inputs) : json_array())
		| json_object_set(report, "outputs", outputs)
		| json_object_set_new(report, "output_model_hash", json_string(model ? model : ""))
		| json_object_set_new(report, "platform_hash", json_string(platform ? platform : ""))
		| json_object_set_new(report, "key", json_string(holds ? v->main.key : ""))
		| json_object_set_new(report, "executed", json_integer((json_int_t)json_array_size(json_object_get(claims, "executed"))))
		| json_object_set_new(report, "reused", json_integer((json_int_t)json_array_size(json_object_get(claims, "reused"))))
		| json_object_set_new(report, "started", json_string(started ? started : ""))
		| json_object_set_new(report, "finished", json_string(finished ? finished : ""));
	return bad ? ai_nomem(err) : 0;
}

static int
make_report(const struct ai_verify *v, const struct verdict *d, ai_level level, json_t **out, struct ai_err *err)
{
	AI_JSON *made = json_object();
	AI_FREE char *why = why_not_next(v, d, level);
	AI_FREE char *hint = hint_of(v, d, level);
	char root[AI_HEX];
	const char *name = ai_json_str(v->run, "name");
	ai_hex(&v->root, root);
	if (!why || !hint)
		return ai_nomem(err);
	int bad = json_object_set_new(made, "verified", json_boolean(!d->first.code))
		| json_object_set_new(made, "level", json_string(levels[level]))
		| json_object_set_new(made, "required", json_string(levels[v->options->require]))
		| json_object_set_new(made, "why_not_next", text(why))
		| json_object_set_new(made, "hint", text(hint))
		| json_object_set_new(made, "root", json_string(v->run ? root : ""))
		| json_object_set_new(made, "name", text(name ? name : ""))
		| json_object_set(made, "checks", d->checks);
	if (bad)
		return ai_nomem(err);
	if (add_content(v, level != AI_LEVEL_NONE, made, err) < 0)
		return err->code;
	*out = json_incref(made);
	return 0;
}

static int
check_level(const struct ai_verify *v, struct verdict *d, ai_level level, struct ai_err *err)
{
	struct ai_err why = { 0 };
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	ai_buf_printf(&said, "the level reached, '%s', with the one required, '%s'", levels[level], levels[v->options->require]);
	int r = level >= v->options->require && level > AI_LEVEL_NONE ? CHECK_PASSED
		: ai_fail(&why, AI_ENO, "got '%s', expected '%s'", levels[level], levels[v->options->require]);
	return note(d, "level", r, &said, &why, true, err);
}

static int
judge(struct ai_verify *v, struct verdict *d, json_t **report, struct ai_err *err)
{
	const struct ai_verify_options *o = v->options;
	if (!d->checks)
		return ai_nomem(err);
	if (run_checks(v, d, err) < 0 || run_local(v, d, "input", o->inputs, o->n_inputs, ai_check_input, err) < 0
		|| run_local(v, d, "output", o->outputs, o->n_outputs, ai_check_output, err) < 0)
		return err->code;
	ai_level level = level_of(v, d);
	if (check_level(v, d, level, err) < 0)
		return err->code;
	AI_JSON *made = NULL;
	if (make_report(v, d, level, &made, err) < 0)
		return err->code;
	if (d->first.code) {
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
	struct verdict d = { .checks = json_array() };
	int r = judge(&v, &d, report, err);
	json_decref(d.checks);
	json_decref(v.sources);
	json_decref(v.results);
	json_decref(v.summary);
	free(v.why_no_tpm);
	ai_evidence_done(&v.main);
	ai_dag_free(v.dag);
	return r;
}
