/* certificates.c -- the certificates that came with a job, judged where they can do nothing (certificates.h).  SPDX-License-Identifier: Apache-2.0 */
#include "vm/agent/certificates.h"

#include "base/buf.h"
#include "run/plan/confined.h"

enum { SECONDS = 60, MEMORY = 256 << 20, MAX_LIST = 4 << 20, MAX_CERTIFICATES = 16 };

struct judged { struct ai_tpm *tpm; const json_t *given; struct ai_buf text; };

/* In the child: OpenSSL reads X.509 of a stranger's here. No file is there for it, nor for issuers that were kept. */
static int
judge(void *ctx, struct ai_err *err)
{
	struct judged *j = ctx;
	AI_JSON *chain = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_CONFINED_PART);
	if (ai_tpm_judge_certificates(j->tpm, j->given, &chain, err) < 0 || ai_canon(chain, &text, err) < 0 || ai_buf_ok(&text, "certificates", err) < 0)
		return err->code;
	return ai_confined_say(text.data, text.len, err);
}

static int
take(void *ctx, const void *p, size_t n, struct ai_err *err)
{
	struct judged *j = ctx;
	ai_buf_put(&j->text, p, n);
	return ai_buf_ok(&j->text, "certificates", err);
}

/* What the child says is not looked into here: base64, and not too much of it. Whoever verifies a proof judges its certificates himself. */
static int
parse(const struct ai_buf *text, json_t **out, struct ai_err *err)
{
	AI_JSON *list = NULL;
	size_t i;
	json_t *c;
	if (ai_json_parse(text->data ? text->data : "", text->len, "chain", &list, err) < 0)
		return err->code;
	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > MAX_CERTIFICATES)
		return ai_fail(err, AI_EINPUT, "chain: expected 1 to %d certificates", MAX_CERTIFICATES);
	json_array_foreach(list, i, c) {
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		if (!json_is_string(c) || ai_b64_get(json_string_value(c), json_string_length(c), &der, err) < 0)
			return ai_fail(err, AI_EINPUT, "chain: certificate %zu is not base64 of at most %u bytes", i, AI_MAX_CERT);
	}
	*out = json_incref(list);
	return 0;
}

int
ai_agent_certificates(struct ai_tpm *tpm, const json_t *certificates, struct ai_err *err)
{
	static const struct ai_confined_limits limits = { .who = "the reader of certificates", .memory = MEMORY, .cpu_seconds = SECONDS, .seconds = 2 * SECONDS };
	struct judged j = { .tpm = tpm, .given = certificates, .text = AI_BUF(MAX_LIST) };
	AI_JSON *chain = NULL;
	int r = ai_confined_stream(judge, &j, &limits, NULL, 0, take, &j, err);
	if (r == 0)
		r = parse(&j.text, &chain, err);
	if (r == 0)
		r = ai_tpm_take_certificates(tpm, chain, err);
	ai_buf_done(&j.text);
	return r;
}
