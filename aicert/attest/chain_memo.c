/*
 * chain_memo.c -- what a verification knows of certificates already. See chain.h.
 *
 * Two tables of fixed size, each slot for the last that fell into it: keyed by whole digests, so a hit is never another's, and
 * a proof with ten thousand certificates cannot make it grow.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/x509.h>

#include "attest/chain_parts.h"
#include "base/buf.h"

enum { SLOTS = 256 };

struct ai_chain_memo {
	struct { struct ai_digest text; struct ai_cert cert; } certs[SLOTS]; /* cert.x NULL: free */
	struct { struct ai_digest pair; bool used; } links[SLOTS];
};

int
ai_chain_memo_new(struct ai_chain_memo **out, struct ai_err *err)
{
	struct ai_chain_memo *m = ai_calloc(1, sizeof *m);
	if (!m)
		return ai_nomem(err);
	*out = m;
	return 0;
}

void
ai_chain_memo_free(struct ai_chain_memo *m)
{
	for (size_t i = 0; m && i < SLOTS; i++)
		X509_free(m->certs[i].cert.x);
	free(m);
}

static size_t
slot(const struct ai_digest *d)
{
	return d->b[0] % SLOTS;
}

bool
ai_memo_cert(const struct ai_chain_memo *m, const struct ai_digest *text, struct ai_cert *out)
{
	size_t i = slot(text);
	if (!m || !m->certs[i].cert.x || !ai_digest_eq(&m->certs[i].text, text) || X509_up_ref(m->certs[i].cert.x) != 1)
		return false;
	*out = m->certs[i].cert;
	return true;
}

void
ai_memo_put_cert(struct ai_chain_memo *m, const struct ai_digest *text, const struct ai_cert *c)
{
	size_t i = slot(text);
	if (!m || X509_up_ref(c->x) != 1)
		return;
	X509_free(m->certs[i].cert.x);
	m->certs[i].text = *text;
	m->certs[i].cert = *c;
}

bool
ai_memo_link(const struct ai_chain_memo *m, const struct ai_digest *a, const struct ai_digest *b)
{
	if (!m)
		return false;
	struct ai_digest pair;
	ai_sha256_pair(a, b, &pair);
	return m->links[slot(&pair)].used && ai_digest_eq(&m->links[slot(&pair)].pair, &pair);
}

void
ai_memo_put_link(struct ai_chain_memo *m, const struct ai_digest *a, const struct ai_digest *b)
{
	if (!m)
		return;
	struct ai_digest pair;
	ai_sha256_pair(a, b, &pair);
	m->links[slot(&pair)].pair = pair;
	m->links[slot(&pair)].used = true;
}
