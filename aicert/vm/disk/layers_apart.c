/*
 * layers_apart.c -- see layers_apart.h.
 *
 * What the child says: sayings, each a byte for what it is, a length (u32, of this machine) and that many bytes.
 *   B     a file begins
 *   W     bytes of it
 *   C     its end: SHA-256
 *   A     there will be no end
 *   t T   canonical bytes of a tree, in parts; the last part
 *   N     a note for people
 *   R     SHA-256 of the last tree, which is the whole
 * SPDX-License-Identifier: Apache-2.0
 */
#include "vm/disk/layers_apart.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/talk.h"
#include "cache/idset.h"
#include "run/plan/confined.h"

enum {
	HEAD = 5, FILL = 256 << 10, PIECE = 128 << 10,
	DAY = 86400,                      /* the machine has a time limit of its own */
	IS_BLOB = 1, IS_TREE = 2,
};
static const size_t memory = (size_t)4 << 30;

/* --- the child --------------------------------------------------------------------- */

struct work {
	const struct ai_layer_file *files; size_t n;
	const char *workdir;
	struct ai_buf said;               /* not sent yet */
	struct ai_sha sha;                /* of the file that has begun */
};

static int
flush(struct work *w, struct ai_err *err)
{
	if (ai_buf_ok(&w->said, "image", err) < 0 || ai_confined_say(w->said.data, w->said.len, err) < 0)
		return err->code;
	ai_buf_clear(&w->said);
	return 0;
}

static int
say(struct work *w, char what, const void *p, size_t n, struct ai_err *err)
{
	uint32_t len = (uint32_t)n;
	if (w->said.len + HEAD + n > FILL && w->said.len > 0 && flush(w, err) < 0)
		return err->code;
	ai_buf_putc(&w->said, what);
	ai_buf_put(&w->said, &len, sizeof len);
	ai_buf_put(&w->said, p, n);
	return ai_buf_ok(&w->said, "image", err);
}

static int
child_begin(void *ctx, void **obj, struct ai_err *err)
{
	struct work *w = ctx;
	*obj = w;
	return ai_sha_init(&w->sha, err) < 0 ? err->code : say(w, 'B', "", 0, err);
}

static int
child_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	struct work *w = obj;
	ai_sha_add(&w->sha, p, n);
	for (const char *at = p; n > 0;) {
		size_t piece = n < PIECE ? n : PIECE;
		if (say(w, 'W', at, piece, err) < 0)
			return err->code;
		at += piece;
		n -= piece;
	}
	return 0;
}

static int
child_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct work *w = obj;
	(void)size_out;
	ai_sha_end(&w->sha, out);
	return say(w, 'C', out->b, sizeof out->b, err);
}

static void
child_abort(void *obj)
{
	struct work *w = obj;
	struct ai_err lost = { 0 };
	ai_sha_done(&w->sha);
	(void)!say(w, 'A', "", 0, &lost);
}

static int
child_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct work *w = ctx;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_tree_bytes(entries, n, &b, err) < 0 || ai_buf_ok(&b, "tree", err) < 0)
		return err->code;
	ai_sha256(b.data, b.len, out);
	size_t at = 0;
	for (; b.len - at > PIECE; at += PIECE)
		if (say(w, 't', b.data + at, PIECE, err) < 0)
			return err->code;
	return say(w, 'T', b.data + at, b.len - at, err);
}

static void
child_talk(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct ai_err lost = { 0 };
	(void)done, (void)total;
	if (kind == AI_TALK_NOTE)
		(void)!say(ctx, 'N', text, strlen(text), &lost);
}

static int
merge(struct work *w, struct ai_layers *layers, struct ai_err *err)
{
	struct ai_digest root;
	for (size_t i = 0; i < w->n; i++)
		if (ai_layers_apply(layers, AI_CONFINED_FIRST + (int)i, w->files[i].packing, &w->files[i].diff_id, err) < 0)
			return ai_in(err, "layer %zu of %zu", i + 1, w->n);
	if (ai_layers_tree(layers, w->workdir, &root, err) < 0 || say(w, 'R', root.b, sizeof root.b, err) < 0)
		return err->code;
	return flush(w, err);
}

static int
unpack(void *ctx, struct ai_err *err)
{
	struct work *w = ctx;
	const struct ai_talk talk = { .say = child_talk, .ctx = w };
	const struct ai_sink sink = { .ctx = w, .begin = child_begin, .write = child_write, .commit = child_commit, .abort = child_abort, .tree = child_tree };
	w->said = AI_BUF(FILL + PIECE);
	struct ai_layers *layers = ai_layers_new(&sink, &talk);
	int r = layers ? merge(w, layers, err) : ai_nomem(err);
	ai_layers_free(layers);
	ai_buf_done(&w->said);
	return r;
}

/* --- who believes nothing --------------------------------------------------------------- */

struct hearing {
	const struct ai_sink *sink;
	const struct ai_talk *talk;
	void *obj;                        /* a file that has begun */
	struct ai_buf tree;               /* parts of one */
	struct ai_idset given;            /* every blob and tree that came */
	struct ai_digest last;            /* tree */
	bool any, done;
};

static int
cannot_be(const char *what, struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "the image's reader says what cannot be: %s", what);
}

static int
take_end(struct hearing *h, const char *p, size_t n, struct ai_err *err)
{
	struct ai_digest got;
	void *obj = h->obj;
	h->obj = NULL;
	if (h->sink->commit(obj, &got, NULL, err) < 0) {
		h->sink->abort(obj);
		return err->code;
	}
	if (n != sizeof got.b || memcmp(p, got.b, n) != 0)
		return cannot_be("a file of another hash", err);
	return ai_idset_mark(&h->given, &got, IS_BLOB, err);
}

static int
take_tree(struct hearing *h, struct ai_err *err)
{
	struct ai_entry *entries = NULL;
	size_t n = 0;
	bool known = true;
	if (ai_buf_ok(&h->tree, "tree", err) < 0 || ai_tree_parse(h->tree.data, h->tree.len, &entries, &n, err) < 0)
		return ai_in(err, "what the image's reader gave");
	for (size_t i = 0; i < n; i++)
		known = known && (entries[i].type == AI_ENTRY_LINK || ai_idset_has(&h->given, &entries[i].id, entries[i].type == AI_ENTRY_DIR ? IS_TREE : IS_BLOB));
	int r = known ? h->sink->tree(h->sink->ctx, entries, n, &h->last, err) : cannot_be("a tree of what it did not give", err);
	ai_entries_free(entries, n);
	ai_buf_clear(&h->tree);
	h->any = true;
	return r < 0 ? r : ai_idset_mark(&h->given, &h->last, IS_TREE, err);
}

static int
take_note(struct hearing *h, const char *p, size_t n)
{
	ai_say(h->talk, AI_TALK_NOTE, "%.*s", (int)(n < 1000 ? n : 1000), p);
	return 0;
}

static int
take_one(struct hearing *h, char what, const char *p, size_t n, struct ai_err *err)
{
	if (h->done)
		return cannot_be("something after its end", err);
	if (strchr("WCA", what) ? !h->obj : h->obj != NULL && what != 'N')
		return cannot_be("a file out of turn", err);
	switch (what) {
	case 'B':
		return h->sink->begin(h->sink->ctx, &h->obj, err);
	case 'W':
		return h->sink->write(h->obj, p, n, err);
	case 'C':
		return take_end(h, p, n, err);
	case 'A':
		h->sink->abort(h->obj);
		h->obj = NULL;
		return 0;
	case 't':
		ai_buf_put(&h->tree, p, n);
		return 0;
	case 'T':
		ai_buf_put(&h->tree, p, n);
		return take_tree(h, err);
	case 'N':
		return take_note(h, p, n);
	case 'R':
		h->done = true;
		return h->any && n == sizeof h->last.b && memcmp(p, h->last.b, n) == 0 ? 0 : cannot_be("another tree than its last", err);
	default:
		return cannot_be("a word that there is not", err);
	}
}

/* What the child says, as ai_confined_say hands it over: whole sayings. */
static int
take(void *ctx, const void *bytes, size_t n, struct ai_err *err)
{
	for (const char *p = bytes; n > 0;) {
		uint32_t len;
		if (n < HEAD)
			return cannot_be("half a word", err);
		memcpy(&len, p + 1, sizeof len);
		if (len > n - HEAD)
			return cannot_be("more than it says", err);
		if (take_one(ctx, *p, p + HEAD, len, err) < 0)
			return err->code;
		p += HEAD + len;
		n -= HEAD + len;
	}
	return 0;
}

static int
hear(struct work *w, const int *fds, struct hearing *h, struct ai_err *err)
{
	const struct ai_confined_limits limits = { .who = "the image's reader", .memory = memory, .cpu_seconds = DAY, .seconds = DAY };
	int r = ai_confined_stream(unpack, w, &limits, fds, w->n, take, h, err);
	if (r == 0 && !h->done)
		r = cannot_be("nothing more", err);
	/* What is wrong with the child is wrong with what it was given. */
	return r == AI_ENO ? (err->code = AI_EINPUT) : r;
}

int
ai_layers_apart(const struct ai_layer_file *files, size_t n, const char *workdir, const struct ai_sink *sink, const struct ai_talk *talk,
	struct ai_digest *tree_out, struct ai_err *err)
{
	struct work w = { .files = files, .n = n, .workdir = workdir };
	struct hearing h = { .sink = sink, .talk = talk, .tree = AI_BUF(AI_MAX_NODE) };
	AI_FREE int *fds = ai_calloc(n, sizeof *fds);
	if (!fds)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++)
		fds[i] = files[i].fd;
	int r = hear(&w, fds, &h, err);
	if (h.obj)
		sink->abort(h.obj);
	ai_buf_done(&h.tree);
	ai_idset_done(&h.given);
	if (r == 0)
		*tree_out = h.last;
	return r;
}
