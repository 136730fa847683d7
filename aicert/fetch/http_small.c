/* http_small.c -- see http_small.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http_small.h"

#include <curl/curl.h>

#include "base/path.h"
#include "base/talk.h"
#include "fetch/fetch_impl.h"

struct small {
	struct ai_buf body;
	struct ai_err *said;   /* why a callback of ours refused */
	const char *shown;
};

static size_t
on_body(char *bytes, size_t one, size_t n, void *ctx)
{
	struct small *s = ctx;
	(void)one;
	ai_buf_put(&s->body, bytes, n);
	return ai_buf_ok(&s->body, s->shown, s->said) < 0 ? 0 : n;
}

static int
on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct small *s = ctx;
	(void)a, (void)b, (void)c, (void)d;
	return ai_check_interrupt(s->said) < 0;
}

static CURLcode
transfer(CURL *c, const char *url, unsigned seconds, struct small *s, char detail[CURL_ERROR_SIZE])
{
	CURLcode r = CURLE_OK;
#define SET(option, value) (r = r ? r : curl_easy_setopt(c, option, value))
	SET(CURLOPT_URL, url);
	SET(CURLOPT_USERAGENT, "aicert/" AICERT_VERSION);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, 5L);
	SET(CURLOPT_TIMEOUT, (long)seconds);
	SET(CURLOPT_CONNECTTIMEOUT, (long)seconds);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_ERRORBUFFER, detail);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, s);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, s);
	SET(CURLOPT_NOPROGRESS, 0L);
#undef SET
	return r ? r : curl_easy_perform(c);
}

int
ai_http_small(const char *url, unsigned seconds, struct ai_buf *out, struct ai_err *err)
{
	struct ai_err said = { 0 };
	char detail[CURL_ERROR_SIZE] = "";
	AI_FREE char *shown = ai_url_public(url);
	if (!shown)
		return ai_nomem(err);
	if (ai_http_setup(err) < 0)
		return err->code;
	struct small s = { .body = AI_BUF(out->max - out->len), .said = &said, .shown = shown };
	CURL *c = curl_easy_init();
	if (!c)
		return ai_nomem(err);
	CURLcode r = transfer(c, url, seconds, &s, detail);
	long status = 0;
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	int code = 0;
	if (said.code) {
		*err = said;
		code = said.code;
	} else if (r != CURLE_OK) {
		code = ai_fail(err, AI_EENV, "'%s': cannot be had: %s", shown, detail[0] ? detail : curl_easy_strerror(r));
	} else if (status != 200) {
		code = ai_fail(err, AI_EINPUT, "'%s': the server answers %ld, expected 200", shown, status);
	} else {
		ai_buf_put(out, s.body.data, s.body.len);
		code = ai_buf_ok(out, shown, err);
	}
	ai_buf_done(&s.body);
	return code;
}
