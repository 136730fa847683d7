/*
 * index.h -- the package indexes as pip sees them from inside the sandbox: one small server, and nothing behind it but they.
 *
 * pip asks for /<n>/simple/<project>/ and for the files that those pages link to; each is fetched out here by our own client, which has
 * the logins, certificates and proxies, so that none of these gets in. Files land in a folder, hashed as they arrive and held to what the
 * index says of them. One connection at a time, GET only, one answer per connection.
 *
 * An index that cannot be asked is an error of the whole, never an index without that project: a name of a private index must not be
 * looked for in a public one because the private one is down.
 *
 * Depends on: base, fetch.  Threads: serves from a thread of its own between ai_index_listen and ai_index_stop; everything else is called
 * while that thread is not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_INDEX_H
#define AI_INDEX_H

#include "run/pip/index_page.h"
#include "run/pip/requirements_text.h"

#define AI_INDEX_PORT 3141

struct ai_index;

struct ai_index_options {
	const struct ai_indexes *indexes;
	const char *folder;              /* exists; files land in it under their numbers */
	const char *partial;             /* see fetch/http.h */
	const char *const *sdists;       /* projects whose source distributions pip may see; NULL-terminated; may be NULL */
	bool all_sdists;
	const char *ca;                  /* bundle of authorities, or NULL: as SSL_CERT_FILE and the machine say */
	uint64_t max_file;               /* bytes of one file; 0 = the default, 16 GiB */
};

int ai_index_new(const struct ai_index_options *options, struct ai_index **out, struct ai_err *err) AI_CHECKED;
void ai_index_free(struct ai_index *x);

/* For struct ai_service: takes over the listening socket. ctx is the index. */
int ai_index_listen(void *ctx, int fd, struct ai_err *err);
/* Ends the thread; the first error that serving met, else 0. */
int ai_index_stop(struct ai_index *x, struct ai_err *err) AI_CHECKED;

struct ai_index_file {
	const char *name;                /* borrowed from the index */
	char *path;                      /* where it lies; caller frees */
	char *uri;                       /* what may be said of where it came from; caller frees */
	struct ai_digest sha256;
	uint64_t size;
};

/* File number k of those linked to; fetched if pip did not need it. AI_EINPUT when there is none or it is not what the index says. */
int ai_index_file(struct ai_index *x, size_t k, struct ai_index_file *out, struct ai_err *err) AI_CHECKED;

/* Why a project was not found: what its pages held that pip could not use. For hints. */
struct ai_index_offer {
	const char *sdist;               /* a source distribution that was kept from pip, or NULL */
	const char *wheel;               /* a wheel, or NULL */
	bool listed;                     /* some index knows the project */
};
void ai_index_offer(const struct ai_index *x, const char *project, struct ai_index_offer *out);

#endif
