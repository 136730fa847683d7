/* manifest_public.c -- an Aicertfile without the secrets in its URLs.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/manifest.h"

/* b with every `from` replaced by `to`; *n counts them. */
static int
replace_all(struct ai_buf *b, const char *from, const char *to, size_t *n, struct ai_err *err)
{
	AI_BUF_AUTO next = AI_BUF(b->max);
	size_t len = strlen(from);
	const char *p = b->data, *end = b->data + b->len;
	for (const char *hit; (hit = memmem(p, (size_t)(end - p), from, len)); p = hit + len, ++*n) {
		ai_buf_put(&next, p, (size_t)(hit - p));
		ai_buf_puts(&next, to);
	}
	ai_buf_put(&next, p, (size_t)(end - p));
	if (ai_buf_ok(&next, "Aicertfile", err) < 0)
		return err->code;
	struct ai_buf old = *b;
	*b = next;
	next = old;
	return 0;
}

int
ai_manifest_public(const struct ai_manifest *m, const char *text, size_t len, struct ai_buf *out, bool *changed, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_AICERTFILE);
	ai_buf_put(&b, text, len);
	size_t total = 0;
	for (size_t i = 0; i < m->n_inputs; i++) {
		const struct ai_input *in = &m->inputs[i];
		if (!ai_url_has_secret(in->where))
			continue;
		AI_FREE char *bare = ai_url_public(in->where);
		size_t n = 0;
		if (!bare)
			return ai_nomem(err);
		if (replace_all(&b, in->where, bare, &n, err) < 0)
			return err->code;
		/* An earlier input of the same URL may have taken it along; what then still holds it is written in another way. */
		total += n;
		if (n == 0 && total == 0)
			return ai_fail(err, AI_EUSAGE, "%s:%d:%d: input '%s': its URL holds a secret and is written with escapes or over several lines: "
				"expected it in one piece, so that it can be left out of the proof", m->file, in->line, in->column, in->name);
	}
	if (ai_buf_ok(&b, m->file, err) < 0)
		return err->code;
	ai_buf_put(out, b.data ? b.data : "", b.len);
	if (ai_buf_ok(out, m->file, err) < 0)
		return err->code;
	if (changed)
		*changed = total > 0;
	return 0;
}
