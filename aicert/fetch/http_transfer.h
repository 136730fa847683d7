/*
 * http_transfer.h -- one transfer behind http.h, private to http*.c: attempts until a body is there or it is sure that none will come.
 *
 * Depends on: base, partial.  Threads: a transfer belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_HTTP_TRANSFER_H
#define AI_HTTP_TRANSFER_H

#include "base/buf.h"
#include "fetch/http.h"
#include "fetch/partial.h"

struct ai_transfer {
	const struct ai_http_request *req;
	struct ai_http_answer *answer; /* a call (http.h): strict about hosts, and a refusal is an answer. NULL: a plain get */
	struct ai_buf *memory;     /* where the body goes; NULL: into the partial file */
	struct ai_partial part;
	char *shown;               /* what may be said of the URL */
	void *curl;                /* CURL */
	char *host;
	bool https;
	char *token;               /* of auth.h, once the server has said no; NULL: none yet, or none to be had */
	bool fresh;                /* what was there is not to be trusted: begin at the first byte */
	char *next;                /* where a redirect leads to that we follow ourselves; NULL: begin at the request's URL */
	unsigned hops;
	bool elsewhere;            /* next is on another host: it gets to see neither headers nor token */
	/* of one attempt, from the headers of its last response: */
	char *etag, *modified;
	long retry_after_s;        /* -1 = not said */
	uint64_t range_from;       /* of a 206 */
	uint64_t total;            /* 0 = not said */
	bool body_began;
	uint64_t had;              /* bytes there before this attempt */
	uint64_t told;             /* bytes when progress was last said */
	struct ai_err said;        /* why a callback of ours refused */
	char detail[256];          /* CURL_ERROR_SIZE */
};

/* Takes a transfer with req, answer and memory set; what it makes goes with ai_transfer_done, whatever it returned. */
int ai_transfer_init(struct ai_transfer *t, struct ai_err *err) AI_CHECKED;
void ai_transfer_done(struct ai_transfer *t);
/* Attempts until all of it is there: 0. Of a call also 1: the server answers something else than 200, for good (answer->status). */
int ai_transfer_run(struct ai_transfer *t, struct ai_err *err) AI_CHECKED;
/* Is what the partial file holds all that must come, so that nobody need be asked? */
bool ai_transfer_whole(const struct ai_transfer *t);

/* http_call.c: the session's handle, with no option set. */
void *ai_http_session_curl(struct ai_http_session *s);
/* May a call go there? https, or http to this machine (plain: to any); no login in the URL. AI_EINPUT. */
int ai_http_check_url(const char *url, const char *shown, bool from_https, bool plain, struct ai_err *err) AI_CHECKED;
/* Follows the redirect of the last response: t->next is set; or AI_EINPUT. */
int ai_http_redirect(struct ai_transfer *t, struct ai_err *err) AI_CHECKED;
/* Are scheme, host and port the same? */
bool ai_http_same_origin(const char *a, const char *b);

#endif
