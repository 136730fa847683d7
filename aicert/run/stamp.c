/* stamp.c -- see stamp.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "attest/x509/timestamp.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/when.h"
#include "fetch/http.h"

enum { MAX_ANSWER = 64 << 10, MAX_REQUEST = 1 << 10, NONCE = 8 };

int
ai_stamp_check_url(const char *url, struct ai_err *err)
{
	if (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0)
		return 0;
	return ai_fail(err, AI_EUSAGE, "timestamp: got '%s', expected the http or https URL of a time-stamping authority (RFC 3161)", url);
}

static int
make_request(const json_t *attestation, struct ai_digest *imprint, uint8_t nonce[NONCE], struct ai_buf *out, struct ai_err *err)
{
	if (getrandom(nonce, NONCE, 0) != NONCE)
		return ai_fail_errno(err, AI_EENV, "getrandom");
	if (ai_timestamp_imprint(attestation, imprint, err) < 0)
		return err->code;
	return ai_timestamp_request(imprint, nonce, out, err);
}

static int
put_token(json_t *attestation, const struct ai_buf *token, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(2 * MAX_ANSWER);
	ai_b64_put(&text, token->data, token->len);
	if (ai_buf_ok(&text, "timestamp", err) < 0)
		return err->code;
	json_t *evidence = ai_json_obj(attestation, "evidence");
	return json_object_set_new(evidence, "timestamp", json_stringn(text.data, text.len)) < 0 ? ai_nomem(err) : 0;
}

/* Does what came say of itself that it is an answer? Elsewise it is a page of some web server. */
static int
check_answer(const struct ai_http_answer *a, struct ai_err *err)
{
	static const char expected[] = "application/timestamp-reply";
	if (a->status != 200)
		return ai_fail(err, AI_EENV, "the server answers %ld, expected 200", a->status);
	if (!a->type || strncasecmp(a->type, expected, sizeof expected - 1) != 0)
		return ai_fail(err, AI_EINPUT, "is no time-stamping authority: it answers '%s', expected '%s'", a->type ? a->type : "", expected);
	return 0;
}

int
ai_stamp_attestation(json_t *attestation, const char *url, const struct ai_talk *talk, struct ai_err *err)
{
	static const char *const headers[] = { "Content-Type: application/timestamp-query", "Accept: application/timestamp-reply" };
	AI_BUF_AUTO request = AI_BUF(MAX_REQUEST);
	AI_BUF_AUTO token = AI_BUF(MAX_ANSWER);
	AI_FREE char *shown = ai_url_public(url);
	struct ai_digest imprint;
	uint8_t nonce[NONCE];
	if (!shown)
		return ai_nomem(err);
	if (make_request(attestation, &imprint, nonce, &request, err) < 0)
		return err->code;
	const struct ai_http_request http = {
		.url = url, .headers = headers, .n_headers = 2, .size = -1, .talk = talk, .post = request.data,
		.post_size = request.len, .plain = true, .max = MAX_ANSWER, .tries = 2,
	};
	struct ai_http_answer answer = { 0 };
	int r = ai_http_call(&http, &answer, err);
	if (r == 0) {
		r = check_answer(&answer, err);
		if (r == 0)
			r = ai_timestamp_answer(answer.body.data ? answer.body.data : "", answer.body.len, &imprint, nonce, &token, err);
		if (r < 0)
			(void)ai_in(err, "'%s'", shown);
	}
	ai_http_answer_done(&answer);
	return r < 0 ? r : put_token(attestation, &token, err);
}

/* --- a proof that is there already -------------------------------------------- */

static int
read_proof(const struct ai_stamp_options *o, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	AI_JSON *proof = NULL;
	struct ai_digest imprint;
	if (ai_read_file(AT_FDCWD, o->proof, &text, err) < 0 || ai_json_parse(text.data ? text.data : "", text.len, o->proof, &proof, err) < 0)
		return err->code;
	const char *version = ai_json_str(proof, "version");
	if (!version || strcmp(version, "v1") != 0)
		return ai_fail(err, AI_EINPUT, "%s: is no proof of version 'v1'", o->proof);
	if (ai_timestamp_imprint(proof, &imprint, err) < 0)
		return ai_in(err, "%s", o->proof);
	if (json_object_get(ai_json_obj(proof, "evidence"), "timestamp") && !o->force && !o->request) {
		ai_fail(err, AI_EUSAGE, "%s: has a timestamp already", o->proof);
		return ai_hint(err, "the earlier one says more; --force replaces it");
	}
	*out = json_incref(proof);
	return 0;
}

static int
write_request(const struct ai_stamp_options *o, const json_t *proof, json_t **report, struct ai_err *err)
{
	AI_BUF_AUTO request = AI_BUF(MAX_REQUEST);
	struct ai_digest imprint;
	uint8_t nonce[NONCE];
	if (make_request(proof, &imprint, nonce, &request, err) < 0)
		return err->code;
	if (ai_exists(o->request) && !o->force)
		return ai_fail(err, AI_EUSAGE, "%s: is there already (--force replaces it)", o->request);
	if (ai_write_file(AT_FDCWD, o->request, request.data, request.len, 0644, err) < 0)
		return err->code;
	*report = json_pack("{s:s, s:o}", "request", o->request, "imprint", ai_json_hex(&imprint));
	return *report ? 0 : ai_nomem(err);
}

static int
take_response(const struct ai_stamp_options *o, json_t *proof, struct ai_err *err)
{
	AI_BUF_AUTO answer = AI_BUF(MAX_ANSWER);
	AI_BUF_AUTO token = AI_BUF(MAX_ANSWER);
	struct ai_digest imprint;
	if (ai_read_file(AT_FDCWD, o->response, &answer, err) < 0 || ai_timestamp_imprint(proof, &imprint, err) < 0)
		return err->code;
	if (ai_timestamp_answer(answer.data ? answer.data : "", answer.len, &imprint, NULL, &token, err) < 0)
		return ai_in(err, "%s", o->response);
	return put_token(proof, &token, err);
}

/* Over the proof itself (what a link leads to), or to a name that is free. */
static int
write_proof(const struct ai_stamp_options *o, const json_t *proof, char **place, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	AI_FREE char *to = o->out ? ai_strdup(o->out) : realpath(o->proof, NULL);
	if (!to)
		return ai_fail_errno(err, AI_EENV, "%s: cannot be written", o->proof);
	if (o->out && ai_exists(o->out) && !o->force)
		return ai_fail(err, AI_EUSAGE, "%s: is there already (--force replaces it)", o->out);
	if (ai_json_pretty(proof, &text, err) < 0 || ai_write_file(AT_FDCWD, to, text.data, text.len, 0644, err) < 0)
		return err->code;
	*place = to;
	to = NULL;
	return 0;
}

/* What the new timestamp says, read back from the proof. */
static int
describe(const json_t *proof, const char *place, json_t **report, struct ai_err *err)
{
	AI_BUF_AUTO token = AI_BUF(MAX_ANSWER);
	struct ai_digest imprint;
	struct ai_stamp s = { 0 };
	char at[AI_WHEN_TEXT];
	const char *text = ai_json_str(ai_json_obj(proof, "evidence"), "timestamp");
	if (ai_b64_get(text, strlen(text), &token, err) < 0 || ai_timestamp_imprint(proof, &imprint, err) < 0
		|| ai_timestamp_check(token.data, token.len, &imprint, NULL, &s, err) < 0)
		return err->code;
	ai_when_text(s.time, at);
	*report = json_pack("{s:s, s:s, s:s}", "proof", place, "timestamp", at, "authority", s.authority);
	ai_stamp_done(&s);
	return *report ? 0 : ai_nomem(err);
}

int
ai_stamp_file(const struct ai_stamp_options *o, json_t **report, struct ai_err *err)
{
	AI_JSON *proof = NULL;
	AI_FREE char *place = NULL;
	if (read_proof(o, &proof, err) < 0)
		return err->code;
	if (o->request)
		return write_request(o, proof, report, err);
	int r = o->response ? take_response(o, proof, err) : ai_stamp_check_url(o->url, err);
	if (r == 0 && !o->response)
		r = ai_stamp_attestation(proof, o->url, o->talk, err);
	if (r < 0 || write_proof(o, proof, &place, err) < 0)
		return err->code;
	return describe(proof, place, report, err);
}
