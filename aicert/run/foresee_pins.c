/* foresee_pins.c -- pins that stand for what is not known yet (foresee.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "model/lock.h"
#include "model/lock_files.h"
#include "run/foresee.h"

static int
by_path(const void *a, const void *b)
{
	return strcmp(ai_json_str(*(json_t *const *)a, "path"), ai_json_str(*(json_t *const *)b, "path"));
}

/* [{"path","uri","sha256","size"}], as a list of URLs is pinned. */
static json_t *
files(const struct ai_input *in, const char *unknown)
{
	AI_JSON *list = json_array();
	AI_FREE json_t **sorted = ai_calloc(in->n_urls, sizeof(json_t *));
	size_t n = 0;
	for (size_t i = 0; list && sorted && i < in->n_urls; i++) {
		AI_FREE char *path = ai_url_file_name(in->urls[i]);
		AI_FREE char *uri = ai_url_written(in->urls[i]);
		const char *sha256 = in->sha256s && in->sha256s[i] ? in->sha256s[i] : unknown;
		json_t *f = path && uri ? json_pack("{s:s, s:s, s:s, s:i}", "path", path, "uri", uri, "sha256", sha256, "size", 0) : NULL;
		if (f)
			sorted[n++] = f;
	}
	if (n)
		qsort(sorted, n, sizeof *sorted, by_path);
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, sorted[i]) < 0)
			return NULL;
	return json_incref(list);
}

static json_t *
url_pin(const struct ai_input *in, const char *uri, const char *unknown)
{
	const char *sha256 = in->sha256 ? in->sha256 : unknown;
	if (in->n_urls)
		return json_pack("{s:s, s:s, s:o}", "type", "url", "uri", uri, "files", files(in, unknown));
	json_t *pin = json_pack("{s:s, s:s, s:s, s:I}", "type", "url", "uri", uri, "sha256", sha256, "size", (json_int_t)(in->size > 0 ? in->size : 0));
	if (pin && in->unpack) {
		json_object_set_new(pin, "unpack", json_true());
		json_object_set_new(pin, "tree", json_string(unknown));
	}
	if (pin && in->strip)
		json_object_set_new(pin, "strip", json_integer((json_int_t)in->strip));
	return pin;
}

static json_t *
rule_pin(const struct ai_input *in, const char *unknown)
{
	struct ai_err ignored = { 0 };
	struct ai_digest asked;
	if (ai_attrs_id(in->attrs, &asked, &ignored) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:o, s:b, s:s%}", "type", in->use, "uri", in->use, "asked", ai_json_hex(&asked), "git", 1, "revision", unknown,
		(size_t)40);
}

json_t *
ai_provisional_pin(const struct ai_input *in, const char *unknown)
{
	if (in->type == AI_INPUT_RULE)
		return rule_pin(in, unknown);
	AI_FREE char *uri = ai_source_uri(in);
	if (!uri)
		return NULL;
	if (in->type == AI_INPUT_URL)
		return url_pin(in, uri, unknown);
	if (in->type == AI_INPUT_PROOF) {
		json_t *pin = json_pack("{s:s, s:s, s:s, s:s}", "type", "proof", "uri", uri, "revision", unknown, "tree", unknown);
		if (pin && in->output)
			json_object_set_new(pin, "ref", json_string(in->output));
		return pin;
	}
	/* What is written as a commit means that one. */
	bool commit = in->ref && strlen(in->ref) == 40 && strspn(in->ref, "0123456789abcdef") == 40;
	json_t *pin = json_pack("{s:s, s:s, s:s%}", "type", "git", "uri", uri, "revision", commit ? in->ref : unknown, (size_t)40);
	if (pin && in->ref)
		json_object_set_new(pin, "ref", json_string(in->ref));
	return pin;
}

json_t *
ai_provisional_image(const struct ai_image_ref *image, const char *unknown)
{
	AI_FREE char *uri = ai_image_uri(image);
	AI_FREE char *digest = ai_format("sha256:%s", unknown);
	const char *named = image->digest ? image->digest : digest;
	if (!uri || !digest)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:[]}}", "type", "image", "uri", uri, "digest", named, "revision", named, "platform", AI_PLATFORM,
		"config", "env");
}
