/*
 * fuzz_chain.c -- certificates, one DER after the other, leaf first: as a chain, each by itself, each as a root.
 *
 * Signatures stop what is mutated early, so what reads a certificate's content is called without them too.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "attest/x509/chain_parts.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ai_roots *roots;
static struct ai_chain_memo *memo;

/* Two ways to the same answer must agree. */
static void
check(const json_t *list)
{
	struct ai_err err = { 0 }, again = { 0 };
	struct ai_chain c, d;
	const struct ai_anchor *a;
	int r = ai_chain_check_key(list, NULL, roots, &c, &err), s = ai_chain_check_key(list, NULL, NULL, &d, &again);
	if (r < 0 && (!err.text[0] || (r != AI_ENO && r != AI_EINPUT)))
		abort();
	if (r == 0) {
		struct ai_ak ak = { .pkey = ai_cert_key(&c.certs->c[0]) };
		struct ai_chain e;
		for (int i = 0; i < 2 && ak.pkey; i++) {
			if (ai_chain_check_memo(list, &ak, roots, memo, &e, &err) < 0 || e.n != c.n || e.not_after != c.not_after)
				abort();
			ai_chain_done(&e);
		}
		for (unsigned role = 1; role <= AI_ROLE_TSA; role <<= 1)
			(void)!ai_chain_trust(&c, roots, role, c.not_before, &a, &err);
		ai_chain_done(&c);
	}
	if (s == 0) {
		if (!d.self_signed)
			abort();
		ai_chain_done(&d);
	}
}

static void
look(struct ai_certs *certs)
{
	struct ai_err err = { 0 };
	for (ai_profile p = AI_PROFILE_PLAIN; certs->n > 0 && p <= AI_PROFILE_TSA; p++)
		if (ai_chain_leaf(certs, p, &err) < 0 && !err.text[0])
			abort();
}

static void
one(const uint8_t *der, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_roots *r = NULL;
	json_t *urls = NULL;
	if (ai_chain_issuer_urls(der, n, &urls, &err) == 0)
		json_decref(urls);
	if (ai_roots_new(false, &r, &err) < 0)
		abort();
	if (ai_roots_add(r, der, n, NULL, AI_ROLE_AK_CA, NULL, &err) == 0 && (ai_roots_n(r) != 1 || !ai_roots_at(r, 0)->name))
		abort();
	ai_roots_free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_certs certs = { .n = 0 };
	struct ai_err err = { 0 };
	const uint8_t *p = data, *end = data + size;
	if (!roots && (ai_roots_new(true, &roots, &err) < 0 || ai_chain_memo_new(&memo, &err) < 0))
		abort();
	json_t *list = json_array();
	one(data, size);
	while (p < end && certs.n < AI_MAX_CHAIN) {
		const uint8_t *from = p;
		struct ai_cert *c = &certs.c[certs.n];
		long len = 0;
		int tag, class;
		if ((ASN1_get_object(&p, &len, &tag, &class, end - p) & 0x80) || ai_cert_read(from, (size_t)(p - from + len), c, &err) < 0)
			break;
		p += len;
		certs.n++;
		AI_BUF_AUTO text = AI_BUF(2 * AI_MAX_CERT);
		ai_b64_put(&text, from, (size_t)(p - from));
		json_array_append_new(list, json_stringn(text.data ? text.data : "", text.len));
		one(from, (size_t)(p - from));
	}
	check(list);
	look(&certs);
	for (size_t i = 0; i < certs.n; i++)
		ai_cert_done(&certs.c[i]);
	ERR_clear_error();
	json_decref(list);
	return 0;
}
