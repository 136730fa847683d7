/* images.c -- see images.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/images.h"

#include <string.h>

#include "base/buf.h"
#include "fetch/oci.h"
#include "model/lock.h"

/* Is this the image that a user calls name? */
static bool
is_called(const struct ai_image_ref *image, const char *name)
{
	struct ai_image_ref ref = { 0 };
	struct ai_err ignored = { 0 };
	if (strcmp(image->text, name) == 0)
		return true;
	bool same = ai_image_ref_parse(name, &ref, &ignored) == 0 && strcmp(image->text, ref.text) == 0;
	ai_image_ref_done(&ref);
	return same;
}

bool
ai_job_has_image(const struct ai_job *job, const char *name)
{
	for (size_t i = 0; i < job->manifest->n_images; i++)
		if (is_called(job->manifest->images[i], name))
			return true;
	return false;
}

/* What a registry that cannot be reached leaves to do. */
static int
said_of(const struct ai_image_ref *image, struct ai_err *err)
{
	if (err->code == AI_EENV && image->kind == AI_IMAGE_REGISTRY)
		ai_hint(err, "without that registry: a mirror (AICERT_REGISTRY_MIRRORS), the image as a file (oci-archive:FILE, docker-archive:FILE),"
			" or 'environment: host'");
	return ai_in(err, "image '%s'", image->text);
}

static int
resolve(struct ai_job *job, const struct ai_fetch *f, const struct ai_image_ref *image, struct ai_err *err)
{
	AI_JSON *pin = NULL;
	ai_say(job->opt->talk, AI_TALK_STAGE, "lock    %s", image->text);
	if (ai_oci_resolve(f, image, AI_PLATFORM, &pin, err) < 0)
		return said_of(image, err);
	ai_job_say_moved(job, image->text, json_object_get(ai_json_obj(job->lock, "images"), image->text), pin);
	return ai_lock_set_image(job->lock, image, pin, err);
}

static int
pin_image(struct ai_job *job, const struct ai_fetch *f, const struct ai_image_ref *image, json_t **pin, struct ai_err *err)
{
	*pin = ai_lock_image(job->lock, image, AI_PLATFORM);
	if (*pin)
		return 0;
	if (job->opt->locked) {
		ai_fail(err, AI_EINPUT, "aicert.lock: image '%s' has no pin for what the Aicertfile says now, and --locked adds none", image->text);
		return ai_hint(err, "run 'aicert lock' and commit aicert.lock");
	}
	if (resolve(job, f, image, err) < 0)
		return err->code;
	*pin = ai_lock_image(job->lock, image, AI_PLATFORM);
	return *pin ? 0 : ai_fail(err, AI_EINPUT, "internal: the pin of image '%s' does not fit it", image->text);
}

/*
 * A manifest's digest binds config and layers, wherever they come from, so the key holds no place. But what the lock says that the config
 * is, and that the digest in the image's name leads to that manifest, was seen for the very pin that was brought, and for no other.
 */
static char *
key_of(const struct ai_image_ref *image, const json_t *pin, struct ai_err *err)
{
	struct ai_digest config;
	char hex[AI_HEX];
	const char *revision = ai_json_str(pin, "revision");
	bool index = image->digest && strcmp(image->digest, revision) != 0;
	if (ai_json_id(ai_json_obj(pin, "config"), &config, err) < 0)
		return NULL;
	ai_hex(&config, hex);
	char *key = ai_format("oci %s config %s%s%s", revision, hex, index ? " of " : "", index ? image->digest : "");
	if (!key)
		(void)ai_nomem(err);
	return key;
}

int
ai_job_image_there(struct ai_job *job, const struct ai_image_ref *image, const json_t *pin, struct ai_ref *out, struct ai_err *err)
{
	char how[16] = "";
	AI_FREE char *key = key_of(image, pin, err);
	return key ? ai_store_get_pin(job->store, key, out, how, err) : err->code;
}

static int
bring(struct ai_job *job, const struct ai_fetch *f, const struct ai_image_ref *image, const json_t *pin, struct ai_ref *out, struct ai_err *err)
{
	char how[16] = "";
	AI_FREE char *key = key_of(image, pin, err);
	if (!key)
		return err->code;
	int r = ai_store_get_pin(job->store, key, out, how, err);
	if (r != 0)
		return r < 0 ? r : 0;
	ai_say(job->opt->talk, AI_TALK_STAGE, "fetch   %s", image->text);
	*out = (struct ai_ref){ .type = AI_REF_TREE };
	if (ai_oci_content(f, image, pin, &out->id, err) < 0)
		return said_of(image, err);
	job->fetched++;
	return ai_store_put_pin(job->store, key, out, "oci", err);
}

int
ai_job_image_source(struct ai_job *job, const struct ai_image_ref *image, const json_t *pin, const struct ai_ref *content, struct ai_err *err)
{
	struct ai_job_source *s = &job->sources[job->n_sources++];
	*s = (struct ai_job_source){ .name = image->text, .content = *content, .how = "oci" };
	AI_FREE char *uri = ai_image_uri(image);
	AI_JSON *reference = json_object();
	if (!uri || !reference || ai_ref_set(reference, content, err) < 0)
		return ai_nomem(err);
	s->node = json_pack("{s:s, s:s, s:s, s:s, s:O}", "kind", "source", "type", "image", "uri", uri, "revision", ai_json_str(pin, "revision"),
		"content", reference);
	return s->node ? ai_store_put_node(job->store, s->node, &s->id, err) : ai_nomem(err);
}

int
ai_job_fetch_images(struct ai_job *job, const struct ai_fetch *f, struct ai_err *err)
{
	for (size_t i = 0; i < job->manifest->n_images; i++) {
		const struct ai_image_ref *image = job->manifest->images[i];
		struct ai_ref content;
		json_t *pin;
		if (ai_check_interrupt(err) < 0 || pin_image(job, f, image, &pin, err) < 0 || bring(job, f, image, pin, &content, err) < 0 ||
			ai_job_image_source(job, image, pin, &content, err) < 0)
			return err->code;
		if (job->brought && job->brought(job->brought_ctx, &job->sources[job->n_sources - 1], err) < 0)
			return err->code;
	}
	return 0;
}

int
ai_job_update_images(struct ai_job *job, const struct ai_fetch *f, const char *name, struct ai_err *err)
{
	for (size_t i = 0; i < job->manifest->n_images; i++)
		if ((!name || is_called(job->manifest->images[i], name)) && resolve(job, f, job->manifest->images[i], err) < 0)
			return err->code;
	return 0;
}
