/*
 * vtpm_enroll.c -- the vTPM's AK certified by the operator's CA (vtpm.h).
 *
 * Both sides of attest/enrol/authority.h in one call, by the same rules as between two parties: the EK's certificate ends at an anchor, which is the
 * local CA of the vTPM's own making and counts for this call alone, and the secret comes back only if the vTPM with that EK holds the AK.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "attest/enrol/ca_dir.h"
#include "attest/x509/roots.h"
#include "base/buf.h"
#include "base/fs.h"
#include "vm/host/vtpm_parts.h"

enum { DAYS = 365 };

/* A text that one side made, as the other reads it. */
static int
hand_over(ai_enrolment kind, const struct ai_buf *text, json_t **out, struct ai_err *err)
{
	return ai_enrolment_parse(kind, text->data ? text->data : "", text->len, "vTPM", out, err);
}

static int
make(ai_enrolment kind, json_t *fields, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	if (!fields)
		return ai_nomem(err);
	return ai_enrolment_format(kind, fields, &text, err) < 0 ? err->code : hand_over(kind, &text, out, err);
}

static int
request(struct ai_tpm *tpm, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO ek = AI_BUF(AI_MAX_QUOTE);
	AI_JSON *certificates = NULL;
	size_t n;
	const void *ak = ai_tpm_ak_public(tpm, &n);
	if (ai_tpm_ek(tpm, &ek, &certificates, err) < 0)
		return err->code;
	AI_JSON *fields = json_pack("{s:o, s:O, s:o}", "ek_public", ai_enrolment_text(ek.data, ek.len), "ek_certificates", certificates, "ak_public",
		ai_enrolment_text(ak, n));
	return make(AI_ENROLMENT_REQUEST, fields, out, err);
}

static int
anchors(const char *state, struct ai_roots **roots, json_t *issuers, struct ai_err *err)
{
	AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO issuer = AI_BUF(AI_MAX_CERT);
	if (ai_vtpm_ek_ca(state, &root, &issuer, err) < 0 || ai_certificates_add(issuers, root.data, root.len, err) < 0
		|| ai_certificates_add(issuers, issuer.data, issuer.len, err) < 0 || ai_roots_new(false, roots, err) < 0)
		return err->code;
	return ai_roots_add(*roots, root.data, root.len, NULL, AI_ROLE_EK, "", err);
}

static int
challenge(const struct ai_ca_dir *d, const char *state, const json_t *asked, int64_t now, json_t **out, struct ai_err *err)
{
	struct ai_roots *roots = NULL;
	struct ai_candidate c;
	AI_JSON *issuers = json_array();
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	if (!issuers)
		return ai_nomem(err);
	int r = anchors(state, &roots, issuers, err);
	r = r < 0 ? r : ai_candidate_judge(asked, issuers, roots, now, &c, err);
	if (r == 0) {
		r = ai_ca_challenge_make(d, &c, now, &text, err);
		ai_candidate_done(&c);
	}
	ai_roots_free(roots);
	return r < 0 ? r : hand_over(AI_ENROLMENT_CHALLENGE, &text, out, err);
}

static int
answer(struct ai_tpm *tpm, const json_t *asked, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO credential = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO seed = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO secret = AI_BUF(64);
	if (ai_enrolment_bytes(asked, "credential", &credential, err) < 0 || ai_enrolment_bytes(asked, "seed", &seed, err) < 0
		|| ai_tpm_activate(tpm, credential.data, credential.len, seed.data, seed.len, &secret, err) < 0)
		return err->code;
	AI_JSON *fields = json_pack("{s:s, s:s, s:o}", "challenge", ai_json_str(asked, "id"), "ak", ai_json_str(asked, "ak"), "secret",
		ai_enrolment_text(secret.data, secret.len));
	return make(AI_ENROLMENT_ANSWER, fields, out, err);
}

static int
keep(const struct ai_home *home, const struct ai_tpm *tpm, const json_t *file, int64_t now, const struct ai_talk *talk, struct ai_err *err)
{
	AI_FREE char *authority = NULL;
	size_t n;
	const void *ak = ai_tpm_ak_public(tpm, &n);
	if (ai_enrolled_check(file, ak, n, now, &authority, err) < 0 || ai_vtpm_remember(home, tpm, ai_json_arr(file, "certificates"), err) < 0)
		return err->code;
	ai_say(talk, AI_TALK_STAGE, "vm      the vTPM's key has a certificate by %s; proofs of later runs carry it", authority);
	return 0;
}

static int
enroll(const struct ai_home *home, const char *state, const struct ai_ca_dir *d, const struct ai_authority *a, struct ai_tpm *tpm, const struct ai_talk *talk,
	struct ai_err *err)
{
	AI_JSON *asked = NULL;
	AI_JSON *challenged = NULL;
	AI_JSON *answered = NULL;
	AI_JSON *record = NULL;
	AI_JSON *file = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	int64_t now = (int64_t)time(NULL);
	if (request(tpm, &asked, err) < 0 || challenge(d, state, asked, now, &challenged, err) < 0 || answer(tpm, challenged, &answered, err) < 0
		|| ai_ca_answer_certify(d, a, answered, DAYS, now, &text, &record, err) < 0 || hand_over(AI_ENROLMENT_CERTIFICATE, &text, &file, err) < 0)
		return err->code;
	return keep(home, tpm, file, now, talk, err);
}

int
ai_vtpm_enroll(const struct ai_home *home, const char *ca, const char *passphrase_file, const struct ai_talk *talk, struct ai_err *err)
{
	struct ai_ca_dir d = { .lock = -1 };
	struct ai_authority *a = NULL;
	struct ai_vtpm v = AI_VTPM_NONE;
	char *passphrase = NULL;
	AI_FREE char *state = NULL;
	if (ai_ca_open(ca, &d, err) < 0)
		return err->code;
	int r = ai_ca_passphrase(passphrase_file, &passphrase, err);
	r = r < 0 ? r : ai_ca_authority(&d, true, passphrase, &a, err);
	ai_ca_forget(passphrase);
	r = r < 0 ? r : ai_vtpm_state(home, talk, &state, err);
	r = r < 0 ? r : ai_vtpm_open(state, talk, &v, err);
	r = r < 0 ? r : enroll(home, state, &d, a, v.tpm, talk, err);
	ai_vtpm_close(&v);
	ai_authority_free(a);
	ai_ca_close(&d);
	/* A call to the TPM that a signal broke off fails with words of its own. */
	return r < 0 && ai_check_interrupt(err) < 0 ? err->code : r;
}
