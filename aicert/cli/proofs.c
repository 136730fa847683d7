/* proofs.c -- see proofs.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/proofs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/x509/roots.h"
#include "base/fs.h"
#include "base/home.h"
#include "proof/trust.h"

int
ai_proofs_read(const char *path, struct ai_buf *b, struct ai_proof_text *out, struct ai_err *err)
{
	*b = AI_BUF(AI_MAX_PROOF);
	if (ai_read_file(AT_FDCWD, path, b, err) < 0)
		return err->code;
	*out = (struct ai_proof_text){ path, b->data ? b->data : "", b->len };
	return 0;
}

int
ai_proofs_how(struct ai_rewrite *how, struct ai_roots **roots, struct ai_err *err)
{
	struct ai_home home = { 0 };
	struct ai_err homeless = { 0 };
	int r = ai_home_find(NULL, &home, &homeless) < 0 ? ai_roots_new(true, roots, err) : ai_trust_roots(home.data, roots, err);
	ai_home_done(&home);
	*how = (struct ai_rewrite){ .roots = *roots, .now = time(NULL) };
	return r;
}

int
ai_proofs_write(const char *out, const struct ai_buf *text, int force, struct ai_err *err)
{
	if (!out) {
		fwrite(text->data, 1, text->len, stdout);
		return 0;
	}
	AI_BUF_AUTO there = AI_BUF(AI_MAX_PROOF);
	int r = force ? 0 : ai_read_file_if(AT_FDCWD, out, &there, err);
	if (r < 0)
		return err->code;
	bool same = r == 1 && there.len == text->len && memcmp(there.data ? there.data : "", text->data, text->len) == 0;
	if (r == 1 && !same) {
		(void)ai_fail(err, AI_EUSAGE, "%s: is there already and differs", out);
		return ai_hint(err, "choose another --out, or say --force");
	}
	return same ? 0 : ai_write_file(AT_FDCWD, out, text->data, text->len, 0644, err);
}
