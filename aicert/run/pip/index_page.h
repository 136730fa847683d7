/*
 * index_page.h -- the bytes that pass between pip and an index: requests, and pages of links (PEP 503).
 *
 * A page comes from an index and is read for its links only; what pip gets is a page of our own, with links that lead back to us.
 * Files whose names cannot be those of a wheel or source distribution are not on it, nor are links to anything but http and https.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_INDEX_PAGE_H
#define AI_INDEX_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/hash.h"

#define AI_MAX_PAGE (32u << 20)
#define AI_MAX_PAGE_LINKS 100000
#define AI_MAX_REQUEST (16u << 10)

typedef enum ai_link_kind { AI_LINK_WHEEL, AI_LINK_SDIST } ai_link_kind;

struct ai_link {
	char *url;             /* absolute, without fragment; may hold what is secret */
	char *name;            /* file name: letters, digits and . _ - + ! only */
	ai_link_kind kind;
	bool hashed, metadata; /* sha256 is what the index says; there is a metadata file beside it (PEP 658) */
	struct ai_digest sha256;
	bool metadata_hashed;
	struct ai_digest metadata_sha256;
	bool yanked;
	char *yanked_why;      /* may be "" */
	char *requires_python; /* or NULL */
};

void ai_link_done(struct ai_link *l);

/* The links of a page that came from base; *out is fresh, caller frees with ai_links_free. AI_EINPUT: too many, or memory. */
int ai_index_page_links(const char *html, size_t len, const char *base, struct ai_link **out, size_t *n_out, struct ai_err *err) AI_CHECKED;
void ai_links_free(struct ai_link *links, size_t n);

/* Our own page: link i leads to /file/<first + i>/<name>. Without sdists, for links where keep says no. */
void ai_index_page_write(const struct ai_link *links, size_t n, size_t first, bool (*keep)(void *ctx, const struct ai_link *l), void *ctx,
	struct ai_buf *out);

/* What a wheel's or source distribution's file name calls its project, as indexes write it; NULL when it cannot be one. Caller frees. */
char *ai_file_project(const char *name);

/* RFC 3986, 5.2: ref against base; NULL when memory is out or base is not http or https. Caller frees. */
char *ai_url_join(const char *base, const char *ref);
/* Do both lead to the same scheme, host and port? */
bool ai_url_same_host(const char *a, const char *b);
/* url with the user info of index when it has none and both lead to the same host; caller frees. */
char *ai_url_with_login(const char *url, const char *index);

/* What pip asked for. */
struct ai_index_request {
	enum { AI_ASK_PROJECT, AI_ASK_FILE, AI_ASK_METADATA, AI_ASK_OTHER } what;
	bool get;              /* else another method */
	size_t number;         /* of the index, or of the file */
	char project[256];     /* PROJECT */
};

/* The head of one request: 1 read, 0 not yet whole, negative: malformed. */
int ai_index_request(const char *head, size_t len, struct ai_index_request *out, struct ai_err *err) AI_CHECKED;

#endif
