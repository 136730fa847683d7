/* public_text.c -- see public_text.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/public_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"

/* Every place of `from` in text becomes `to`; returns how many. */
static size_t
replace(struct ai_buf *text, const char *from, const char *to)
{
	struct ai_buf out = AI_BUF(text->max);
	size_t n = 0, len = strlen(from);
	const char *p = text->data, *end = text->data + text->len;
	for (const char *hit; (hit = memmem(p, (size_t)(end - p), from, len)); p = hit + len, n++) {
		ai_buf_put(&out, p, (size_t)(hit - p));
		ai_buf_puts(&out, to);
	}
	ai_buf_put(&out, p, (size_t)(end - p));
	ai_buf_done(text);
	*text = out;
	return n;
}

int
ai_public_text(const struct ai_manifest *manifest, const char *file, const json_t *parameters, struct ai_buf *text, struct ai_err *err)
{
	for (size_t i = 0; i < manifest->n_inputs; i++) {
		const struct ai_input *in = &manifest->inputs[i];
		if (!ai_url_has_secret(in->where))
			continue;
		AI_FREE char *shown = ai_url_public(in->where);
		if (!shown)
			return ai_nomem(err);
		if (replace(text, in->where, shown) > 0)
			continue;
		/* The same URL may stand for two inputs: then the first pass has replaced both. */
		if (memmem(text->data, text->len, shown, strlen(shown)))
			continue;
		ai_fail(err, AI_EUSAGE, "%s:%d:%d: input '%s': its URL holds a secret and is not written plainly, so it cannot be kept out of the proof",
			file, in->line, in->column, in->name);
		return ai_hint(err, "write the URL on one line without escapes, or keep the secret in ~/.netrc or a credential helper");
	}
	if (ai_buf_ok(text, file, err) < 0)
		return err->code;
	struct ai_manifest *again = NULL;
	if (ai_manifest_parse(text->data, text->len, file, parameters, &again, err) < 0)
		return ai_in(err, "without its secrets");
	bool left = false;
	for (size_t i = 0; i < again->n_inputs; i++)
		left |= ai_url_has_secret(again->inputs[i].where);
	ai_manifest_free(again);
	return left ? ai_fail(err, AI_EUSAGE, "%s: a URL's secret could not be kept out of the proof", file) : 0;
}
