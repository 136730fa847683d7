/* observe_seen.c -- see observe_seen.h: the table, and the machine's own paths.  SPDX-License-Identifier: Apache-2.0 */
#include "run/observe/observe_seen.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define MAX_SEEN 1000000u

static uint64_t
hash_text(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h ^ h >> 32;
}

static struct ai_seen_path **
slot(struct ai_seen_path **table, size_t cap, const char *path, uint64_t hash)
{
	size_t i = hash & (cap - 1);
	while (table[i] && (table[i]->hash != hash || strcmp(table[i]->path, path) != 0))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static int
make_room(struct ai_observer *o, struct ai_err *err)
{
	if (o->n * 2 < o->cap)
		return 0;
	size_t cap = o->cap ? o->cap * 2 : 4096;
	struct ai_seen_path **table = ai_calloc(cap, sizeof(struct ai_seen_path *));
	if (!table)
		return ai_nomem(err);
	for (size_t i = 0; i < o->cap; i++)
		if (o->table[i])
			*slot(table, cap, o->table[i]->path, o->table[i]->hash) = o->table[i];
	free(o->table);
	o->table = table;
	o->cap = cap;
	return 0;
}

void
ai_seen_free(struct ai_observer *o)
{
	for (size_t i = 0; i < o->cap; i++)
		if (o->table[i]) {
			free(o->table[i]->path);
			free(o->table[i]->target);
			free(o->table[i]->names);
			free(o->table[i]);
		}
	free(o->table);
}

bool
ai_seen_done(const struct ai_observer *o, const char *path, ai_use use)
{
	const struct ai_seen_path *p = o->cap ? *slot(o->table, o->cap, path, hash_text(path)) : NULL;
	return p && (p->done & use);
}

int
ai_seen_entry(struct ai_observer *o, const char *path, struct ai_seen_path **out, struct ai_err *err)
{
	if (make_room(o, err) < 0)
		return err->code;
	uint64_t hash = hash_text(path);
	struct ai_seen_path **at = slot(o->table, o->cap, path, hash);
	if (!*at) {
		if (o->n >= MAX_SEEN)
			return ai_fail(err, AI_EENV, "observer: the step looked at more than %u paths of the machine", MAX_SEEN);
		struct ai_seen_path *e = ai_calloc(1, sizeof *e);
		if (!e || !(e->path = ai_strdup(path))) {
			free(e);
			return ai_nomem(err);
		}
		e->hash = hash;
		*at = e;
		o->n++;
	}
	*out = *at;
	return 0;
}

int
ai_seen_host(struct ai_observer *o, const char *path, bool beneath_closed, struct ai_seen_path **out, struct ai_err *err)
{
	struct ai_seen_path *e;
	struct stat st;
	ai_look look = AI_LOOK_ABSENT;
	if (ai_seen_entry(o, path, &e, err) < 0)
		return err->code;
	*out = e;
	if (e->known)
		return 0;
	if (!beneath_closed && ai_look_at(path, &look, &st, &e->target, err) < 0)
		return err->code;
	if (look != AI_LOOK_ABSENT)
		ai_stamp_of(&st, &e->stamp);
	e->closed = look == AI_LOOK_DIR && (st.st_mode & 0111) != 0111 && !ai_others_may(path, X_OK);
	e->look = (unsigned char)look;
	e->known = true;
	return 0;
}

int
ai_seen_list(struct ai_seen_path *p, struct ai_err *err)
{
	if (p->names || p->look != AI_LOOK_DIR || !ai_others_may(p->path, R_OK))
		return 0;
	AI_BUF_AUTO names = AI_BUF(AI_MAX_NODE);
	int r = ai_look_into(p->path, &names, err);
	if (r <= 0)
		return r;
	p->names_len = names.len;
	p->names = ai_buf_take(&names);
	return 0;
}
