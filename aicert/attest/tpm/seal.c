/* seal.c -- see seal.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/tpm/seal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/fs.h"
#include "model/node.h"

enum { MAX_CPUINFO = 8 << 20, MAX_NONCE = 128 };

/* What the machine says of itself is copied into a signed node: printable ASCII only. */
static json_t *
plain(const char *s, size_t n)
{
	AI_FREE char *copy = ai_strndup(s, n < 200 ? n : 200);
	for (char *p = copy; copy && *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	return copy ? json_string(copy) : NULL;
}

/* The first "model name" of /proc/cpuinfo; some architectures have none, then the machine's type. */
static json_t *
cpu_name(const struct utsname *u)
{
	AI_BUF_AUTO text = AI_BUF(MAX_CPUINFO);
	struct ai_err ignored;
	const char *p = ai_read_file(AT_FDCWD, "/proc/cpuinfo", &text, &ignored) == 0 ? strstr(text.data, "model name") : NULL;
	size_t n = p ? strcspn(p, "\n") : 0;
	const char *colon = p ? memchr(p, ':', n) : NULL;
	if (!colon)
		return plain(u->machine, strlen(u->machine));
	const char *value = colon + 1 + strspn(colon + 1, " ");
	return plain(value, n - (size_t)(value - p));
}

static json_t *
machine(const json_t *gpus)
{
	struct utsname u;
	if (uname(&u) < 0)
		return NULL;
	return json_pack("{s:o, s:o, s:O*}", "cpu", cpu_name(&u), "kernel", plain(u.release, strlen(u.release)), "gpus", gpus);
}

static int
set(json_t *obj, const char *key, json_t *value, struct ai_err *err)
{
	return json_object_set_new(obj, key, value) < 0 ? ai_nomem(err) : 0;
}

static int
set_b64(json_t *obj, const char *key, const void *p, size_t n, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(2u * AI_MAX_BOOT_LOG);
	ai_b64_put(&text, p, n);
	ai_buf_put(&text, "", 0);
	if (ai_buf_ok(&text, key, err) < 0)
		return err->code;
	return set(obj, key, json_stringn(text.len ? text.data : "", text.len), err);
}

static int
check_nonce(const char *nonce, struct ai_err *err)
{
	size_t n = strlen(nonce);
	bool printable = true;
	for (const char *p = nonce; *p; p++)
		printable = printable && *p >= 0x20 && *p <= 0x7e;
	if (n < 1 || n > MAX_NONCE || !printable)
		return ai_fail(err, AI_EUSAGE, "nonce: got %zu bytes, expected 1 to %d printable ASCII characters", n, MAX_NONCE);
	return 0;
}

static int
make_claims(const struct ai_tpm *t, const struct ai_claims_in *in, const struct ai_buf *boot_log, json_t **out, struct ai_err *err)
{
	struct ai_digest ak, boot;
	size_t n;
	const void *public = ai_tpm_ak_public(t, &n);
	if (in->nonce && check_nonce(in->nonce, err) < 0)
		return err->code;
	ai_sha256(public, n, &ak);
	ai_sha256(boot_log->data, boot_log->len, &boot);
	AI_JSON *c = json_pack("{s:s, s:o, s:O, s:O, s:O, s:O, s:s, s:s, s:o, s:{s:s, s:o}, s:o, s:o}", "kind", "claims",
		"plan", ai_json_hex(&in->plan), "executed", in->executed, "reused", in->reused, "failed", in->failed,
		"verified", in->verified, "started", in->started, "finished", in->finished, "machine", machine(in->gpus),
		"program", "version", in->program_version, "sha256", ai_json_hex(&in->program),
		"ak", ai_json_hex(&ak), "boot_log", ai_json_hex(&boot));
	if (!c)
		return ai_nomem(err);
	if (in->root && set(c, "root", ai_json_hex(in->root), err) < 0)
		return err->code;
	if (in->nonce && set(c, "nonce", json_string(in->nonce), err) < 0)
		return err->code;
	if (ai_node_check(c, err) < 0)
		return ai_in(err, "internal: claims");
	*out = json_incref(c);
	return 0;
}

static json_t *
pcr_object(const struct ai_digest pcrs[AI_N_PCRS])
{
	AI_JSON *o = json_object();
	for (int i = 0; i < AI_N_PCRS; i++) {
		char key[12];
		snprintf(key, sizeof key, "%d", i);
		if (json_object_set_new(o, key, ai_json_hex(&pcrs[i])) < 0)
			return NULL;
	}
	return json_incref(o);
}

static int
make_evidence(const struct ai_tpm *t, const struct ai_digest pcrs[AI_N_PCRS], const struct ai_buf *boot_log, json_t *run_log,
	json_t **out, struct ai_err *err)
{
	size_t n;
	const void *public = ai_tpm_ak_public(t, &n);
	AI_JSON *certificates = json_deep_copy(ai_tpm_certificates(t));
	AI_JSON *e = json_pack("{s:s, s:O, s:o, s:O}", "type", "tpm2", "ak_certificates", certificates, "pcrs", pcr_object(pcrs),
		"run_log", run_log);
	if (!e)
		return ai_nomem(err);
	if (set_b64(e, "ak_public", public, n, err) < 0 || set_b64(e, "boot_log", boot_log->data, boot_log->len, err) < 0)
		return err->code;
	*out = json_incref(e);
	return 0;
}

static int
attest(struct ai_tpm *t, json_t *claims, const struct ai_buf *boot_log, json_t **out, struct ai_err *err)
{
	struct ai_digest id, pcrs[AI_N_PCRS], pcr15;
	AI_BUF_AUTO quote = AI_BUF(AI_MAX_QUOTE);
	AI_BUF_AUTO signature = AI_BUF(AI_MAX_QUOTE);
	AI_JSON *log = NULL;
	AI_JSON *results = NULL;
	AI_JSON *evidence = NULL;
	size_t n_opaque;
	struct ai_digest plan;
	if (ai_json_id(claims, &id, err) < 0)
		return err->code;
	AI_JSON *event = ai_event_claims(&id);
	if (ai_tpm_quote(t, event, &id, &quote, &signature, pcrs, &log, err) < 0)
		return err->code;
	/* The run's own order of events is judged now, as the verifier will. */
	if (!ai_json_digest(claims, "plan", &plan) || ai_runlog_check(log, &plan, &id, &pcr15, &results, &n_opaque, err) < 0)
		return ai_in(err, "internal");
	if (make_evidence(t, pcrs, boot_log, log, &evidence, err) < 0)
		return err->code;
	AI_JSON *a = json_pack("{s:O, s:O}", "claims", claims, "evidence", evidence);
	if (!a)
		return ai_nomem(err);
	if (set_b64(a, "signature", signature.data, signature.len, err) < 0 || set_b64(a, "low_level_quote", quote.data, quote.len, err) < 0)
		return err->code;
	*out = json_incref(a);
	return 0;
}

int
ai_seal(struct ai_tpm *t, const struct ai_claims_in *in, json_t **attestation, struct ai_err *err)
{
	AI_BUF_AUTO boot_log = AI_BUF(AI_MAX_BOOT_LOG);
	AI_JSON *claims = NULL;
	if (ai_tpm_boot_log(t, &boot_log, err) < 0 || make_claims(t, in, &boot_log, &claims, err) < 0)
		return err->code;
	return attest(t, claims, &boot_log, attestation, err);
}
