/*
 * without.c -- what the measured machine does without: a network, and a TPM of its own making.
 *
 * Part of the program /init only. In place of the functions that lead to them stand these, which refuse: so the program is
 * linked without libcurl, libgit2 and libtpms, and whoever checks the machine need not look at those.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "attest/tpm/tpm_parts.h"
#include "fetch/http.h"
#include "run/job.h"

static int
no_network(struct ai_err *err)
{
	return ai_fail(err, AI_EENV, "the measured machine has no network");
}

int
ai_job_fetch(struct ai_job *job, struct ai_err *err)
{
	(void)job;
	return no_network(err);
}

int
ai_http_get(const struct ai_http_request *req, const struct ai_sink *sink, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	(void)req, (void)sink, (void)out, (void)size_out;
	return no_network(err);
}

int
ai_http_call(const struct ai_http_request *req, struct ai_http_answer *out, struct ai_err *err)
{
	(void)req, (void)out;
	return no_network(err);
}

void
ai_http_answer_done(struct ai_http_answer *a)
{
	*a = (struct ai_http_answer){ 0 };
}

int
ai_embedded_lock(const char *dir, int *fd, struct ai_err *err)
{
	(void)dir, (void)fd;
	return ai_fail(err, AI_EENV, "the measured machine has no TPM but its own");
}

int
ai_embedded_open(const char *dir, struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB **out, struct ai_err *err)
{
	int none = -1;
	(void)out;
	return ai_embedded_lock(dir, &none, err);
}
