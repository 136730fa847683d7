/* http_get.c -- see http.h: a file into the sink.  SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fetch/http_transfer.h"

/* Downloads, and puts what arrived into the sink: 1 done, 0 it is not what must arrive (err says what), negative. */
static int
fetch_once(struct ai_transfer *t, const struct ai_sink *sink, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	char got[AI_HEX], want[AI_HEX];
	if (!ai_transfer_whole(t) && ai_transfer_run(t, err) < 0)
		return err->code;
	if (t->req->size >= 0 && t->part.have != (uint64_t)t->req->size) {
		ai_fail(err, AI_EINPUT, "'%s': size: got %llu bytes, expected %lld", t->shown, (unsigned long long)t->part.have, (long long)t->req->size);
		return 0;
	}
	int r = ai_partial_into(&t->part, sink, t->req->sha256, out, err);
	if (r == 0) {
		ai_hex(out, got);
		ai_hex(t->req->sha256, want);
		ai_fail(err, AI_EINPUT, "'%s': sha256: got %s, expected %s", t->shown, got, want);
	}
	if (r == 1)
		*size_out = t->part.have;
	return r;
}

int
ai_http_get(const struct ai_http_request *req, const struct ai_sink *sink, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct ai_transfer t = { .req = req };
	struct ai_digest got;
	int r = ai_transfer_init(&t, err);
	if (r == 0)
		r = ai_partial_open(req->partial, req->name ? req->name : t.shown, &t.part, err);
	if (r == 0) {
		bool resumed = t.part.have > 0;
		r = fetch_once(&t, sink, &got, size_out, err);
		/* Bytes of an earlier attempt may be of another file: what is wrong may be ours. */
		if (r == 0 && resumed) {
			t.fresh = true;
			r = fetch_once(&t, sink, &got, size_out, err);
		}
		/* What is complete, right or wrong, is no partial download. */
		ai_partial_close(&t.part, r >= 0);
	}
	if (r == 1)
		*out = got;
	ai_transfer_done(&t);
	return r == 1 ? 0 : err->code;
}

int
ai_http_file_path(const char *url, char **path_out, struct ai_err *err)
{
	CURLU *u = curl_url();
	char *path = NULL;
	/* libcurl takes no host but localhost and 127.0.0.1 in a file URL. */
	bool good = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_PATH, &path, CURLU_URLDECODE) == CURLUE_OK && path[0] == '/';
	char *copy = good ? ai_strdup(path) : NULL;
	curl_free(path);
	curl_url_cleanup(u);
	if (!good)
		return ai_fail(err, AI_EINPUT, "file URL: expected 'file:///absolute/path'");
	if (!copy)
		return ai_nomem(err);
	*path_out = copy;
	return 0;
}
