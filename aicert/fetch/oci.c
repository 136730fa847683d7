/* oci.c -- see oci.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/oci.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"
#include "fetch/fetch_impl.h"
#include "fetch/oci_text.h"

/* An index may lead to a further one (buildx writes such layouts), not without end. */
enum { MAX_INDEXES = 4 };

/* What is known of an image once its manifest and config are there. */
struct image {
	struct ai_oci_place place;
	struct ai_digest named, revision; /* of what the name gives; of the platform's manifest */
	struct ai_oci_manifest manifest;
	json_t *config, *left_out;
	struct ai_digest *diff_ids; size_t n_diff_ids;
};

static int
open_place(const struct ai_fetch *f, const struct ai_image_ref *ref, struct ai_oci_place *out, struct ai_err *err)
{
	if (ai_http_setup(err) < 0)
		return err->code;
	return ref->kind == AI_IMAGE_REGISTRY ? ai_oci_registry(f, ref, out, err) : ai_oci_layout(f, ref, out, err);
}

static void
image_done(struct image *i, bool finished)
{
	if (i->place.done)
		i->place.done(i->place.ctx, finished);
	ai_oci_manifest_done(&i->manifest);
	json_decref(i->config);
	json_decref(i->left_out);
	free(i->diff_ids);
}

/* The manifest for the platform, from what digest (NULL: the name) gives. */
static int
read_manifest(struct image *i, const char *digest, const char *platform, struct ai_err *err)
{
	char next[7 + AI_HEX] = "sha256:";
	struct ai_digest picked;
	for (int depth = 0; depth < MAX_INDEXES; depth++) {
		AI_BUF_AUTO bytes = AI_BUF(AI_OCI_MAX_MANIFEST);
		if (i->place.manifest(i->place.ctx, digest, &bytes, &i->revision, err) < 0)
			return err->code;
		if (depth == 0)
			i->named = i->revision;
		int r = ai_oci_index_pick(bytes.data ? bytes.data : "", bytes.len, platform, &picked, err);
		if (r <= 0)
			return r < 0 ? r : ai_oci_manifest_parse(bytes.data, bytes.len, &i->manifest, err);
		ai_hex(&picked, next + 7);
		digest = next;
	}
	return ai_fail(err, AI_EINPUT, "an index leads to an index more than %d times", MAX_INDEXES);
}

static int
read_config(struct image *i, const char *platform, struct ai_err *err)
{
	AI_FD fd = -1;
	AI_BUF_AUTO bytes = AI_BUF(AI_OCI_MAX_CONFIG);
	if (i->place.blob(i->place.ctx, &i->manifest.config, &fd, err) < 0 || ai_read_fd(fd, "config", &bytes, err) < 0)
		return err->code;
	const char *text = bytes.data ? bytes.data : "";
	if (ai_oci_config_parse(text, bytes.len, platform, &i->config, &i->diff_ids, &i->n_diff_ids, err) < 0)
		return err->code;
	i->left_out = ai_oci_config_left_out(text, bytes.len);
	if (!i->left_out)
		return ai_nomem(err);
	if (i->n_diff_ids != i->manifest.n_layers)
		return ai_fail(err, AI_EINPUT, "the config names %zu layers, the manifest %zu", i->n_diff_ids, i->manifest.n_layers);
	return 0;
}

/* --- resolve ------------------------------------------------------------------------------- */

static void
say_left_out(const struct ai_fetch *f, const struct ai_image_ref *ref, const json_t *names)
{
	AI_BUF_AUTO b = AI_BUF(1024);
	for (size_t i = 0; i < json_array_size(names) && b.len < 300; i++)
		ai_buf_printf(&b, "%s%.80s", i ? ", " : "", json_string_value(json_array_get(names, i)));
	if (b.len > 0)
		ai_say(f->talk, AI_TALK_NOTE, "%s: variables of the image that steps do not get: %s (names of secrets, or no names)", ref->text, b.data);
}

static int
make_pin(const struct image *i, const struct ai_image_ref *ref, const char *platform, json_t **pin, struct ai_err *err)
{
	char named[AI_HEX], revision[AI_HEX];
	AI_FREE char *uri = ai_image_uri(ref);
	ai_hex(&i->named, named);
	ai_hex(&i->revision, revision);
	*pin = uri ? json_pack("{s:s, s:s, s:s+, s:s+, s:s, s:O}", "type", "image", "uri", uri, "digest", "sha256:", named, "revision", "sha256:", revision,
		"platform", platform, "config", i->config) : NULL;
	return *pin ? 0 : ai_nomem(err);
}

int
ai_oci_resolve(const struct ai_fetch *f, const struct ai_image_ref *ref, const char *platform, json_t **pin, struct ai_err *err)
{
	struct image i = { .config = NULL };
	json_t *made = NULL;
	int r = open_place(f, ref, &i.place, err);
	if (r == 0)
		r = read_manifest(&i, NULL, platform, err);
	if (r == 0)
		r = read_config(&i, platform, err);
	if (r == 0)
		r = make_pin(&i, ref, platform, &made, err);
	if (r == 0) {
		say_left_out(f, ref, i.left_out);
		*pin = made;
	}
	image_done(&i, r == 0);
	return r;
}

/* --- content --------------------------------------------------------------------------------- */

/* A talk for two threads: one speaks at a time. */
struct shared_talk { const struct ai_talk *talk; pthread_mutex_t lock; char *layer; };

static void
say_in_turn(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct shared_talk *s = ctx;
	pthread_mutex_lock(&s->lock);
	s->talk->say(s->talk->ctx, kind, text, done, total);
	pthread_mutex_unlock(&s->lock);
}

/* The same for what fetches: progress is said of a layer, not of a URL. */
static void
say_of_layer(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct shared_talk *s = ctx;
	pthread_mutex_lock(&s->lock);
	s->talk->say(s->talk->ctx, kind, kind == AI_TALK_PROGRESS && s->layer ? s->layer : text, done, total);
	pthread_mutex_unlock(&s->lock);
}

static void
name_layer(struct shared_talk *s, const struct ai_image_ref *ref, size_t i, size_t n)
{
	pthread_mutex_lock(&s->lock);
	free(s->layer);
	s->layer = n > 0 ? ai_format("%s: layer %zu of %zu", ref->text, i + 1, n) : NULL;
	pthread_mutex_unlock(&s->lock);
}

/* Layers are fetched by a thread that runs ahead of the one that unpacks them; the place is the thread's alone until it has ended. */
struct ahead {
	struct image *image;
	const struct ai_image_ref *ref;
	struct shared_talk *talk;
	pthread_mutex_t lock;
	pthread_cond_t change;
	int *fds;                  /* of the layers fetched, until they are taken; -1 */
	size_t n;                  /* fetched */
	bool over;                 /* the thread has ended, or shall */
	struct ai_err err;
};

static void *
fetch_layers(void *ctx)
{
	struct ahead *a = ctx;
	bool over = false;
	for (size_t i = 0; i < a->image->manifest.n_layers && !over; i++) {
		struct ai_err err = { 0 };
		int fd = -1;
		name_layer(a->talk, a->ref, i, a->image->manifest.n_layers);
		int r = a->image->place.blob(a->image->place.ctx, &a->image->manifest.layers[i], &fd, &err);
		if (r < 0)
			ai_in(&err, "layer %zu of %zu", i + 1, a->image->manifest.n_layers);
		pthread_mutex_lock(&a->lock);
		if (r < 0) {
			a->err = err;
			a->over = true;
		} else {
			a->fds[a->n++] = fd;
		}
		over = a->over;
		pthread_cond_signal(&a->change);
		pthread_mutex_unlock(&a->lock);
	}
	return NULL;
}

/* Waits for layer i. */
static int
take_layer(struct ahead *a, size_t i, int *fd, struct ai_err *err)
{
	pthread_mutex_lock(&a->lock);
	while (a->n <= i && !a->over)
		pthread_cond_wait(&a->change, &a->lock);
	if (a->n > i) {
		*fd = a->fds[i];
		a->fds[i] = -1;
	} else {
		*err = a->err;
	}
	pthread_mutex_unlock(&a->lock);
	return a->n > i ? 0 : err->code;
}

static int
apply_layers(struct ahead *a, struct ai_layers *layers, struct ai_err *err)
{
	const struct image *im = a->image;
	for (size_t i = 0; i < im->manifest.n_layers; i++) {
		AI_FD fd = -1;
		if (ai_check_interrupt(err) < 0 || take_layer(a, i, &fd, err) < 0)
			return err->code;
		if (ai_layers_apply(layers, fd, im->manifest.layers[i].packing, &im->diff_ids[i], err) < 0)
			return ai_in(err, "layer %zu of %zu", i + 1, im->manifest.n_layers);
	}
	return 0;
}

static int
merge(struct image *im, const struct ai_image_ref *ref, struct shared_talk *talk, struct ai_layers *layers, struct ai_err *err)
{
	struct ahead a = { .image = im, .ref = ref, .talk = talk, .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };
	pthread_t thread;
	a.fds = ai_calloc(im->manifest.n_layers, sizeof *a.fds);
	if (!a.fds)
		return ai_nomem(err);
	int r = pthread_create(&thread, NULL, fetch_layers, &a) != 0 ? ai_fail(err, AI_EENV, "cannot start a thread") : 0;
	if (r == 0) {
		r = apply_layers(&a, layers, err);
		pthread_mutex_lock(&a.lock);
		a.over = true;
		pthread_mutex_unlock(&a.lock);
		if (r < 0 && im->place.stop)
			im->place.stop(im->place.ctx);
		pthread_join(thread, NULL);
	}
	for (size_t i = 0; i < a.n; i++)
		if (a.fds[i] >= 0)
			close(a.fds[i]);
	free(a.fds);
	return r;
}

/* Is the pin's config what the manifest's config says? */
static int
check_config(const json_t *pin, const struct image *im, struct ai_err *err)
{
	AI_BUF_AUTO got = AI_BUF(AI_MAX_TEXT);
	AI_BUF_AUTO want = AI_BUF(AI_MAX_TEXT);
	json_t *config = ai_json_obj(pin, "config");
	if (config && ai_oci_config_is(config, im->config))
		return 0;
	if (!config || ai_canon(im->config, &got, err) < 0 || ai_canon(config, &want, err) < 0)
		return ai_fail(err, AI_EINPUT, "aicert.lock: the pin has no config");
	size_t same = 0;
	while (same < got.len && same < want.len && got.data[same] == want.data[same])
		same++;
	size_t from = same > 40 ? same - 40 : 0;
	return ai_fail(err, AI_EINPUT, "config: the image's has '…%.160s', aicert.lock '…%.160s'", got.data + from, want.data + from);
}

static int
content(const struct ai_fetch *f, struct shared_talk *talk, struct image *im, const struct ai_image_ref *ref, const json_t *pin, struct ai_digest *tree_out,
	struct ai_err *err)
{
	const char *revision = ai_json_str(pin, "revision"), *platform = ai_json_str(pin, "platform"), *digest = ai_json_str(pin, "digest");
	struct ai_digest d;
	if (ref->digest && digest && strcmp(ref->digest, digest) != 0)
		return ai_fail(err, AI_EINPUT, "aicert.lock pins %s, the Aicertfile says %s", digest, ref->digest);
	if (!revision || strncmp(revision, "sha256:", 7) != 0 || !ai_unhex(revision + 7, &d) || !platform)
		return ai_fail(err, AI_EINPUT, "aicert.lock: the pin has no revision or no platform");
	/* A digest in the Aicertfile decides: what the lock pins must be what it leads to. */
	if (open_place(f, ref, &im->place, err) < 0 || read_manifest(im, ref->digest ? ref->digest : revision, platform, err) < 0)
		return err->code;
	if (!ai_digest_eq(&d, &im->revision))
		return ref->digest ? ai_fail(err, AI_EINPUT, "aicert.lock pins manifest %s, which is not what %s is for %s", revision, ref->digest, platform)
			: ai_fail(err, AI_EINPUT, "aicert.lock: the revision is an index: expected the platform's manifest");
	if (read_config(im, platform, err) < 0 || check_config(pin, im, err) < 0)
		return err->code;
	const struct ai_talk in_turn = { .say = say_in_turn, .ctx = talk };
	struct ai_layers *layers = ai_layers_new(f->sink, f->talk ? &in_turn : NULL);
	if (!layers)
		return ai_nomem(err);
	int r = merge(im, ref, talk, layers, err);
	if (r == 0)
		r = ai_layers_tree(layers, ai_json_str(im->config, "workdir"), tree_out, err);
	ai_layers_free(layers);
	return r;
}

int
ai_oci_content(const struct ai_fetch *f, const struct ai_image_ref *ref, const json_t *pin, struct ai_digest *tree_out, struct ai_err *err)
{
	struct shared_talk shared = { .talk = f->talk, .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct ai_talk of_layer = { .say = say_of_layer, .ctx = &shared };
	struct ai_fetch ours = *f;
	struct image im = { .config = NULL };
	struct ai_digest tree;
	if (f->talk)
		ours.talk = &of_layer;
	int r = content(&ours, &shared, &im, ref, pin, &tree, err);
	name_layer(&shared, ref, 0, 0);
	image_done(&im, r == 0);
	if (r == 0)
		*tree_out = tree;
	return r;
}
