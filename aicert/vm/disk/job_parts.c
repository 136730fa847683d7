/* job_parts.c -- see job_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/disk/job_parts.h"

#include <string.h>

#include "base/buf.h"

enum { MAX_NONCE = 128, MAX_VERSION = 64, MAX_CERTIFICATES = 16 };

int
ai_plan_each(const json_t *plan, const struct ai_plan_names *names, void *ctx, struct ai_err *err)
{
	static const char *const texts[] = { "aicertfile", "lock" };
	struct ai_digest id;
	size_t i;
	json_t *v;
	for (i = 0; i < 2; i++)
		if (!ai_json_digest(plan, texts[i], &id) || names->blob(ctx, &id, err) < 0)
			return err->code ? err->code : ai_fail(err, AI_EINPUT, "plan: has no %s", texts[i]);
	json_array_foreach(ai_json_arr(plan, "rules"), i, v)
		if (!ai_json_digest(v, "blob", &id) || names->blob(ctx, &id, err) < 0)
			return err->code ? err->code : ai_fail(err, AI_EINPUT, "plan: a rule without its text");
	json_array_foreach(ai_json_arr(plan, "steps"), i, v)
		if (!ai_json_digest(ai_json_obj(v, "recipe"), "environment", &id) || names->environment(ctx, &id, err) < 0)
			return err->code ? err->code : ai_fail(err, AI_EINPUT, "plan: a step without environment");
	json_array_foreach(ai_json_arr(plan, "sources"), i, v)
		if (!ai_json_digest(v, "id", &id) || names->source(ctx, ai_json_str(v, "name"), &id, err) < 0)
			return err->code ? err->code : ai_fail(err, AI_EINPUT, "plan: a source without id");
	return 0;
}

/* 1 to max printable characters. */
static bool
printable(const char *s, size_t max)
{
	size_t n = strlen(s);
	bool good = n > 0 && n <= max;
	for (; good && *s; s++)
		good = *s >= 0x20 && *s < 0x7f;
	return good;
}

static int
check_certificates(const json_t *list, struct ai_err *err)
{
	size_t i;
	json_t *c;
	if (json_array_size(list) > MAX_CERTIFICATES)
		return ai_fail(err, AI_EINPUT, "about: %zu certificates, at most %d", json_array_size(list), MAX_CERTIFICATES);
	json_array_foreach(list, i, c) {
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		const char *text = json_string_value(c);
		if (!text || ai_b64_get(text, strlen(text), &der, err) < 0)
			return ai_fail(err, AI_EINPUT, "about: certificate %zu is not base64 of at most %u bytes", i, AI_MAX_CERT);
	}
	return 0;
}

int
ai_job_about_parse(const json_t *about, struct ai_job_about *out, struct ai_err *err)
{
	struct ai_job_about a = { .nonce = ai_json_str(about, "nonce"), .certificates = ai_json_arr(about, "certificates") };
	const char *version = ai_json_str(about, "version");
	a.shelved = ai_json_digest(about, "shelf", &a.shelf);
	size_t fields = 2u + (a.nonce != NULL) + (a.certificates != NULL) + a.shelved;
	if (!ai_json_digest(about, "plan", &a.plan) || !version || json_object_size(about) != fields)
		return ai_fail(err, AI_EINPUT, "about: expected plan, version, and perhaps nonce, certificates and shelf, and nothing else");
	if (!printable(version, MAX_VERSION))
		return ai_fail(err, AI_EINPUT, "about: version: expected 1 to %d printable characters", MAX_VERSION);
	if (a.nonce && !printable(a.nonce, MAX_NONCE))
		return ai_fail(err, AI_EINPUT, "about: nonce: expected 1 to %d printable characters", MAX_NONCE);
	if (a.certificates && check_certificates(a.certificates, err) < 0)
		return err->code;
	*out = a;
	return 0;
}
