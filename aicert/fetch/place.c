/* place.c -- see place.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fetch/s3.h"

static const char hub[] = "https://huggingface.co";

/* The hub's URL at the mirror that HF_ENDPOINT names, else as it is. */
static char *
at_mirror(const char *uri)
{
	const char *endpoint = getenv("HF_ENDPOINT");
	size_t n = sizeof hub - 1;
	if (!endpoint || !*endpoint || strncmp(uri, hub, n) != 0 || (uri[n] != '/' && uri[n] != '\0'))
		return ai_strdup(uri);
	size_t m = strlen(endpoint);
	while (m > 0 && endpoint[m - 1] == '/')
		m--;
	return ai_format("%.*s%s", (int)m, endpoint, uri + n);
}

int
ai_place_of(const char *uri, struct ai_place *out, struct ai_err *err)
{
	if (ai_s3_is(uri))
		return ai_s3_place(uri, out, err);
	*out = (struct ai_place){ .url = at_mirror(uri) };
	return out->url ? 0 : ai_nomem(err);
}

void
ai_place_done(struct ai_place *p)
{
	for (size_t i = 0; i < p->n_headers; i++) {
		explicit_bzero(p->headers[i], strlen(p->headers[i]));
		free(p->headers[i]);
	}
	free(p->url);
	*p = (struct ai_place){ NULL };
}
