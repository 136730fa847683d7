/* fuzz_index.c -- any bytes as an index's page and as a request; what is written of a page is read again to the same links.  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "run/pip/index_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
all(void *ctx, const struct ai_link *l)
{
	(void)ctx, (void)l;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_link *l, *again;
	struct ai_index_request q;
	size_t n, m;
	(void)!ai_index_request((const char *)data, size, &q, &err);
	err.code = 0;
	if (ai_index_page_links((const char *)data, size, "https://h/simple/x/", &l, &n, &err) < 0)
		return 0;
	AI_BUF_AUTO out = AI_BUF(2 * AI_MAX_PAGE);
	ai_index_page_write(l, n, 0, all, NULL, &out);
	if (ai_index_page_links(out.data, out.len, "http://127.0.0.1:1/", &again, &m, &err) < 0 || m != n)
		abort();
	for (size_t i = 0; i < n; i++)
		if (strcmp(l[i].name, again[i].name) != 0 || l[i].hashed != again[i].hashed || l[i].yanked != again[i].yanked ||
			strncmp(again[i].url, "http://127.0.0.1:1/file/", 24) != 0)
			abort();
	ai_links_free(l, n);
	ai_links_free(again, m);
	return 0;
}
