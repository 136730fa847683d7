/* tpm.c -- see tpm.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/tpm/tpm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/eventlog/eventlog.h"
#include "attest/tpm/localca.h"
#include "attest/ownkeys.h"
#include "attest/quote/quote.h"
#include "attest/tpm/tpm_parts.h"
#include "base/buf.h"
#include "base/fs.h"

enum { QUOTE_TRIES = 5, ALL_PCRS = 0xffff };
static const char device[] = "/dev/tpmrm0";
static const char security[] = AI_SECURITYFS;

const char *ai_tpm_name(const struct ai_tpm *t) { return t->name; }
const json_t *ai_tpm_certificates(const struct ai_tpm *t) { return t->certificates; }
const char *ai_tpm_certificates_note(const struct ai_tpm *t) { return t->note.len ? t->note.data : ""; }
const char *ai_tpm_boot_log_note(const struct ai_tpm *t) { return t->boot_note ? t->boot_note : ""; }

const char *
ai_tpm_ak_kind(const struct ai_tpm *t)
{
	static const char *const words[] = { [AI_AK_OWN] = "own", [AI_AK_AZURE] = "azure", [AI_AK_GCE] = "gce" };
	return t->enrolled ? "enrolled" : words[t->from.kind];
}

void
ai_tpm_say(struct ai_buf *note, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	ai_buf_printf(note, "%s%s", note->len ? "; " : "", text);
}

const void *
ai_tpm_ak_public(const struct ai_tpm *t, size_t *n_out)
{
	*n_out = t->public.len;
	return t->public.data;
}

/* --- one operation --------------------------------------------------------- */

void
ai_tpm_end(struct ai_tpm *t)
{
	if (t->embedded)
		return;
	if (t->key_loaded)
		ai_tpm_ak_flush(&t->link, &t->from, t->key);
	t->key_loaded = false;
	ai_link_close(&t->link);
	ai_pcr_log_unlock(&t->log);
}

/* Is what this run extended still where it was? A TPM that was reset in between has lost it. */
static int
check_own(const struct ai_tpm *t, struct ai_err *err)
{
	for (size_t i = 0; i < t->n_own; i++) {
		struct ai_digest d;
		if (ai_event_digest(t->own[i].event, &d, err) < 0)
			return err->code;
		if (t->own[i].at >= t->log.n || !ai_digest_eq(&t->log.d[t->own[i].at], &d))
			return ai_fail(err, AI_EENV, "the TPM was reset while this run went on");
	}
	return 0;
}

int
ai_tpm_begin(struct ai_tpm *t, struct ai_err *err)
{
	struct ai_digest pcrs[AI_N_PCRS];
	if (t->embedded)
		return 0;
	if (ai_pcr_log_lock(t->dir, t->name, &t->log, err) < 0)
		return err->code;
	if (ai_link_open(t->name, &t->link, err) < 0) {
		ai_pcr_log_unlock(&t->log);
		return err->code;
	}
	if (t->options.look)
		return 0;
	if (ai_link_pcrs(&t->link, 1u << AI_PCR_RUN, pcrs, err) < 0 || ai_pcr_log_load(&t->log, &pcrs[AI_PCR_RUN], err) < 0
		|| check_own(t, err) < 0)
		ai_tpm_end(t);
	else
		return 0;
	return err->code;
}

int
ai_tpm_load_key(struct ai_tpm *t, struct ai_err *err)
{
	AI_BUF_AUTO public = AI_BUF(AI_MAX_QUOTE);
	if (t->key_loaded)
		return 0;
	if (ai_tpm_ak_load(&t->link, &t->from, &t->key, &public, err) < 0)
		return err->code;
	t->key_loaded = true;
	if (t->public.len == 0)
		ai_buf_put(&t->public, public.data, public.len);
	else if (t->public.len != public.len || memcmp(t->public.data, public.data, public.len) != 0)
		return ai_fail(err, AI_EENV, "its attestation key changed while this run went on");
	return ai_buf_ok(&t->public, "attestation key", err);
}

/* Within begin and end. */
static int
extend(struct ai_tpm *t, json_t *event, struct ai_err *err)
{
	struct ai_digest d;
	if (ai_event_digest(event, &d, err) < 0 || ai_grow(&t->own, &t->cap_own, t->n_own, sizeof *t->own, err) < 0)
		return err->code;
	if (ai_pcr_log_append(&t->log, &d, err) < 0 || ai_link_extend(&t->link, &d, err) < 0)
		return err->code;
	t->own[t->n_own++] = (struct ai_own_event){ t->log.n - 1, json_incref(event) };
	return 0;
}

static int
check_open(const struct ai_tpm *t, struct ai_err *err)
{
	if (t->options.look)
		return ai_fail(err, AI_EENV, "internal: this TPM was opened to be looked at only");
	return t->sealed ? ai_fail(err, AI_EENV, "internal: nothing can follow the claims in a run log") : 0;
}

int
ai_tpm_event(struct ai_tpm *t, json_t *event, struct ai_err *err)
{
	if (check_open(t, err) < 0)
		return err->code;
	if (ai_tpm_begin(t, err) < 0)
		return ai_in(err, "tpm: %s", t->name);
	int r = extend(t, event, err);
	ai_tpm_end(t);
	return r < 0 ? ai_in(err, "tpm: %s", t->name) : 0;
}

/* --- the quote ------------------------------------------------------------- */

/* What a quote gives, before any of it is handed out. */
struct quoted {
	struct ai_buf attest, signature;
	struct ai_digest pcrs[AI_N_PCRS];
};

/* Would our own verifier take it? One that would not must fail now, not at the customer's. */
static int
self_check(const struct ai_tpm *t, const struct quoted *q, const struct ai_digest *extra, struct ai_err *err)
{
	struct ai_ak ak;
	struct ai_quote quote;
	if (ai_ak_parse((const uint8_t *)t->public.data, t->public.len, &ak, err) < 0)
		return err->code;
	const uint8_t *attest = (const uint8_t *)q->attest.data, *signature = (const uint8_t *)q->signature.data;
	int r = ai_quote_signature(&ak, attest, q->attest.len, signature, q->signature.len, err);
	ai_ak_done(&ak);
	if (r < 0 || ai_quote_parse(attest, q->attest.len, &quote, err) < 0)
		return err->code = AI_EENV;
	if (quote.extra_len != sizeof extra->b || memcmp(quote.extra, extra->b, sizeof extra->b) != 0)
		return ai_fail(err, AI_EENV, "quote: extraData is not what was asked for");
	return ai_quote_pcrs(&quote, q->pcrs, ALL_PCRS, err);
}

/* Reads the PCRs and quotes them. AI_ENO when one moved in between. */
static int
quote_once(struct ai_tpm *t, const struct ai_digest *extra, struct quoted *q, struct ai_err *err)
{
	struct ai_digest expected;
	ai_buf_clear(&q->attest);
	ai_buf_clear(&q->signature);
	if (ai_link_pcrs(&t->link, ALL_PCRS, q->pcrs, err) < 0)
		return err->code;
	ai_pcr_log_replay(&t->log, t->log.n, &expected);
	if (!ai_digest_eq(&expected, &q->pcrs[AI_PCR_RUN]))
		return ai_fail(err, AI_EENV, "PCR 15 was extended by somebody else between claims and quote");
	if (ai_tpm_ak_quote(&t->link, t->key, AI_BANK_SHA256, ALL_PCRS, extra->b, sizeof extra->b, &q->attest, &q->signature, err) < 0)
		return err->code;
	return self_check(t, q, extra, err);
}

static json_t *
run_log(const struct ai_tpm *t)
{
	AI_JSON *log = json_array();
	for (size_t i = 0, own = 0; i < t->log.n; i++) {
		bool ours = own < t->n_own && t->own[own].at == i;
		json_t *e = ours ? json_deep_copy(t->own[own++].event)
			: json_pack("{s:s, s:o}", "event", "opaque", "digest", ai_json_hex(&t->log.d[i]));
		if (json_array_append_new(log, e) < 0)
			return NULL;
	}
	return json_incref(log);
}

/* Within begin and end. */
static int
seal(struct ai_tpm *t, json_t *claims_event, const struct ai_digest *extra, struct quoted *q, struct ai_err *err)
{
	if (ai_tpm_load_key(t, err) < 0)
		return err->code;
	t->sealed = true;
	if (extend(t, claims_event, err) < 0)
		return err->code;
	/* On a real machine a driver or the kernel may extend PCRs 0-14 between reading and quoting. */
	int r = AI_ENO;
	for (int i = 0; i < QUOTE_TRIES && r == AI_ENO; i++)
		r = quote_once(t, extra, q, err);
	if (r == AI_ENO)
		err->code = AI_EENV;
	return r < 0 ? err->code : 0;
}

static int
hand_out(struct ai_tpm *t, const struct quoted *q, struct ai_buf *attest, struct ai_buf *signature,
	struct ai_digest pcrs[AI_N_PCRS], json_t **log, struct ai_err *err)
{
	json_t *l = run_log(t);
	if (!l)
		return ai_nomem(err);
	ai_buf_put(attest, q->attest.data, q->attest.len);
	ai_buf_put(signature, q->signature.data, q->signature.len);
	if (ai_buf_ok(attest, "quote", err) < 0 || ai_buf_ok(signature, "signature", err) < 0) {
		json_decref(l);
		return err->code;
	}
	memcpy(pcrs, q->pcrs, sizeof q->pcrs);
	*log = l;
	return 0;
}

int
ai_tpm_quote(struct ai_tpm *t, json_t *claims_event, const struct ai_digest *extra, struct ai_buf *attest,
	struct ai_buf *signature, struct ai_digest pcrs[AI_N_PCRS], json_t **run_log_out, struct ai_err *err)
{
	struct quoted q = { .attest = AI_BUF(AI_MAX_QUOTE), .signature = AI_BUF(AI_MAX_QUOTE) };
	if (check_open(t, err) < 0)
		return err->code;
	int r = ai_tpm_begin(t, err);
	if (r == 0) {
		r = seal(t, claims_event, extra, &q, err);
		if (r == 0)
			r = hand_out(t, &q, attest, signature, pcrs, run_log_out, err);
		ai_tpm_end(t);
	}
	ai_buf_done(&q.attest);
	ai_buf_done(&q.signature);
	return r < 0 ? ai_in(err, "tpm: %s", t->name) : 0;
}

/* --- opening --------------------------------------------------------------- */

/* Which TPM: the one named, the one of the environment, the machine's, or our own. */
static char *
choose(const char *tcti)
{
	const char *env = getenv("AICERT_TPM");
	if (!tcti && env && *env)
		tcti = env;
	if (!tcti && ai_exists(device))
		return ai_format("device:%s", device);
	return ai_strdup(tcti ? tcti : "embedded");
}

static int
private_folder(const char *dir, struct ai_err *err)
{
	struct stat st;
	if (ai_mkdirs(dir, 0700, err) < 0)
		return err->code;
	if (stat(dir, &st) < 0 || ((st.st_mode & 077) && chmod(dir, 0700) < 0))
		return ai_fail_errno(err, AI_EENV, "%s: cannot be made private", dir);
	return 0;
}

/* Within begin and end: those that an attestation CA issued, by the user's choice; else the cloud's, from choose_key; else our own. */
static int
get_certificates(struct ai_tpm *t, const struct ai_ak *ak, struct ai_err *err)
{
	AI_FD lock = -1;
	json_t *kept = NULL;
	if (ai_tpm_kept(t, ak, &kept, err) < 0)
		return err->code;
	if (kept) {
		json_decref(t->certificates);
		t->certificates = kept;
		t->enrolled = true;
		return 0;
	}
	if (t->certificates)
		return 0;
	if (t->embedded) {
		if (ai_embedded_lock(t->dir, &lock, err) < 0)
			return err->code;
		return ai_localca_certificates(t->dir, t->from.rsa ? "rsa" : "ecc", ak, &t->certificates, err);
	}
	t->certificates = json_array();
	return t->certificates ? 0 : ai_nomem(err);
}

/* Within begin and end: a cloud's key if it is a good one, else our own. */
static int
choose_key(struct ai_tpm *t, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	if (t->embedded)
		return 0;
	if (ai_nv_chain(&t->link, &t->pool, err) < 0)
		return err->code;
	int r = ai_cloud_find(&t->link, t->from.rsa, &t->from, &der, &t->note, err);
	if (r <= 0)
		return r;
	t->certificates = json_array();
	return t->certificates ? ai_tpm_certs_push(t->certificates, der.data, der.len, err) : ai_nomem(err);
}

/* Within begin and end: the key's public area, judged as a verifier would, its certificates, and the list of own keys. */
static int
learn_key(struct ai_tpm *t, struct ai_ak *ak, struct ai_err *err)
{
	if (choose_key(t, err) < 0 || ai_tpm_load_key(t, err) < 0)
		return err->code;
	if (ai_ak_parse((const uint8_t *)t->public.data, t->public.len, ak, err) < 0)
		return err->code = AI_EENV;
	if (get_certificates(t, ak, err) < 0)
		return err->code;
	return t->options.look ? 0 : ai_ownkeys_add(t->state, &ak->fingerprint, t->name, err);
}

/* Within begin and end. Who only looks is told what is wrong by ai_tpm_status. */
static int
learn(struct ai_tpm *t, struct ai_ak *ak, struct ai_err *err)
{
	struct ai_err why = { 0 };
	if (!t->options.look)
		return learn_key(t, ak, err);
	if (learn_key(t, ak, &why) < 0) {
		t->trouble = ai_strdup(why.text);
		json_decref(t->certificates);
		t->certificates = json_array();
	}
	return (why.code == 0 || t->trouble) && t->certificates ? 0 : ai_nomem(err);
}

static int
connect(struct ai_tpm *t, struct ai_err *err)
{
	struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *tcti;
	struct ai_ak ak = { 0 };
	AI_BUF_AUTO boot = AI_BUF(AI_MAX_BOOT_LOG);
	AI_FREE char *path = NULL;
	if (private_folder(t->dir, err) < 0)
		return err->code;
	if (t->embedded && (ai_embedded_open(t->dir, &tcti, err) < 0 || ai_link_wrap(tcti, &t->link, err) < 0))
		return err->code;
	if (ai_tpm_begin(t, err) < 0)
		return err->code;
	int r = learn(t, &ak, err);
	ai_tpm_end(t);
	/* Addresses are asked with the TPM let go: others may want it meanwhile. */
	if (r == 0 && ak.pkey)
		r = ai_tpm_complete(t, &ak, err);
	ai_ak_done(&ak);
	if (r < 0)
		return r;
	return ai_boot_log_read(security, t->name, &boot, &path, &t->boot_note, err) < 0 ? err->code : 0;
}

int
ai_tpm_open(const struct ai_tpm_options *options, struct ai_tpm **out, struct ai_err *err)
{
	const char *ak = options->ak ? options->ak : "ecc";
	if (strcmp(ak, "ecc") != 0 && strcmp(ak, "rsa") != 0)
		return ai_fail(err, AI_EUSAGE, "attestation key: got '%s', expected 'ecc' or 'rsa'", ak);
	/* tss2 takes an empty name as "whichever you find", which would be a fall-back. */
	if (options->tcti && !*options->tcti)
		return ai_fail(err, AI_EUSAGE, "tpm: got an empty name, expected a TCTI or 'embedded'");
	struct ai_tpm *t = ai_calloc(1, sizeof *t);
	if (!t)
		return ai_nomem(err);
	t->public = AI_BUF(AI_MAX_QUOTE);
	t->note = AI_BUF(AI_MAX_QUOTE);
	t->log.fd = -1;
	t->options = *options;
	t->options.tcti = t->options.state = t->options.ak = NULL;
	t->from.rsa = strcmp(ak, "rsa") == 0;
	t->name = choose(options->tcti);
	t->state = ai_strdup(options->state);
	t->dir = ai_format("%s/tpm", options->state);
	if (!t->name || !t->state || !t->dir) {
		ai_nomem(err);
		goto fail;
	}
	t->embedded = strcmp(t->name, "embedded") == 0;
	if (connect(t, err) < 0) {
		ai_in(err, "tpm: %s", t->name);
		if (!t->embedded && err->code == AI_EENV)
			ai_hint(err, "'--tpm embedded' uses the software TPM inside aicert");
		goto fail;
	}
	*out = t;
	return 0;
fail:
	ai_tpm_close(t);
	return err->code;
}

void
ai_tpm_close(struct ai_tpm *t)
{
	if (!t)
		return;
	if (t->embedded && t->key_loaded)
		ai_tpm_ak_flush(&t->link, &t->from, t->key);
	ai_link_close(&t->link);
	ai_pcr_log_unlock(&t->log);
	for (size_t i = 0; i < t->n_own; i++)
		json_decref(t->own[i].event);
	free(t->own);
	free(t->log.d);
	json_decref(t->certificates);
	json_decref(t->pool);
	ai_buf_done(&t->public);
	ai_buf_done(&t->note);
	free(t->boot_note);
	free(t->trouble);
	free(t->name);
	free(t->state);
	free(t->dir);
	free(t);
}

int
ai_tpm_boot_log(struct ai_tpm *t, struct ai_buf *out, struct ai_err *err)
{
	AI_FREE char *path = NULL;
	AI_FREE char *note = NULL;
	return ai_boot_log_read(security, t->name, out, &path, &note, err) < 0 ? ai_in(err, "tpm") : 0;
}
