/*
 * chain_memo.c -- what a verification knows of certificates already. See chain.h.
 *
 * Two tables of fixed size, each slot for the last that fell into it: keyed by whole digests, so a hit is never another's, and
 * a proof with ten thousand certificates cannot make it grow.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/x509.h>

#include "attest/x509/chain_parts.h"
#include "base/buf.h"

enum { SLOTS = 256 };

struct ai_chain_memo {
	struct ai_cert certs[SLOTS]; /* x NULL: free */
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
		ai_cert_done(&m->certs[i]);
	free(m);
}

static size_t
slot(const struct ai_digest *d)
{
	return d->b[0] % SLOTS;
}

/* to: what from is, with references of its own. */
static bool
share(const struct ai_cert *from, struct ai_cert *to)
{
	if (X509_up_ref(from->x) != 1)
		return false;
	if (from->key && EVP_PKEY_up_ref(from->key) != 1) {
		X509_free(from->x);
		return false;
	}
	*to = *from;
	return true;
}

bool
ai_memo_cert(const struct ai_chain_memo *m, const struct ai_digest *text, struct ai_cert *out)
{
	const struct ai_cert *c = m ? &m->certs[slot(text)] : NULL;
	return c && c->x && ai_digest_eq(&c->text, text) && share(c, out);
}

void
ai_memo_put_cert(struct ai_chain_memo *m, const struct ai_cert *c)
{
	struct ai_cert mine;
	if (!m || !share(c, &mine))
		return;
	ai_cert_done(&m->certs[slot(&c->text)]);
	m->certs[slot(&c->text)] = mine;
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
