/* records.c -- see store.h: pins, results of steps, attestations, runs.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cache/inside.h"
#include "cache/nodes.h"

enum { MAX_READ = 64 << 20 /* bytes of attestations that are kept parsed */ };

/* --- pins ------------------------------------------------------------------ */

int
ai_store_put_pin(struct ai_store *s, const char *key, const struct ai_ref *ref, const char *how, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (strlen(how) > 15)
		return ai_fail(err, AI_EENV, "internal: pin: '%s' is longer than 15 characters", how);
	if (ai_batch_settle(s, err) < 0)
		return err->code;
	if (ai_stmt_begin(&st, s->db, "INSERT OR REPLACE INTO pins(key, type, id, how) VALUES(?,?,?,?)", err) < 0)
		return err->code;
	ai_stmt_text(&st, 1, key);
	ai_stmt_int(&st, 2, ref->type);
	ai_stmt_digest(&st, 3, &ref->id);
	ai_stmt_text(&st, 4, how);
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}

static int
read_pin(struct ai_store *s, const char *key, struct ai_ref *ref, char how[16], struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, s->db, "SELECT type, id, how FROM pins WHERE key=?", err) < 0)
		return err->code;
	ai_stmt_text(&st, 1, key);
	int r = ai_stmt_step(&st, err);
	if (r <= 0)
		return r;
	ref->type = ai_col_int(&st, 0) == AI_REF_TREE ? AI_REF_TREE : AI_REF_BLOB;
	if (ai_col_digest(&st, 1, &ref->id, err) < 0)
		return err->code;
	snprintf(how, 16, "%s", ai_col_text(&st, 2));
	return 1;
}

int
ai_store_get_pin(struct ai_store *s, const char *key, struct ai_ref *out, char how_out[16], struct ai_err *err)
{
	struct ai_ref ref;
	char how[16];
	int r = read_pin(s, key, &ref, how, err);
	if (r == 1)
		r = ai_store_has(s, &ref, err);
	if (r == 1) {
		*out = ref;
		memcpy(how_out, how, sizeof how);
	}
	return r;
}

/* --- results --------------------------------------------------------------- */

int
ai_store_add_result(struct ai_store *s, const struct ai_digest *step, const struct ai_digest *result, struct ai_err *err)
{
	int there = ai_node_there(s, result, err);
	if (there < 0)
		return there;
	if (there == 0)
		return ai_fail(err, AI_EENV, "internal: a result is added before its node");
	return ai_batch_result(s, step, result, err) < 0 ? err->code : ai_batch_keep(s, err);
}

int
ai_store_results(struct ai_store *s, const struct ai_digest *step, struct ai_digest **ids, size_t *n_out, struct ai_err *err)
{
	AI_STMT st = { 0 };
	AI_FREE struct ai_digest *list = NULL;
	size_t n = 0, cap = 0;
	if (ai_stmt_begin(&st, s->db, "SELECT result FROM results WHERE step=? ORDER BY seq DESC", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, step);
	int r;
	while ((r = ai_stmt_step(&st, err)) == 1) {
		if (ai_grow(&list, &cap, n, sizeof *list, err) < 0 || ai_col_digest(&st, 0, &list[n], err) < 0)
			return err->code;
		n++;
	}
	if (r < 0)
		return r;
	*ids = list;
	*n_out = n;
	list = NULL;
	return 0;
}

/* --- attestations ------------------------------------------------------------ */

static int
insert_attestation(struct ai_store *s, const struct ai_digest *id, const struct ai_buf *bytes, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, s->attest, "INSERT OR REPLACE INTO attestations(id, bytes) VALUES(?,?)", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, id);
	ai_stmt_blob(&st, 2, bytes->data, bytes->len);
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}

static int
insert_executed(struct ai_store *s, const struct ai_digest *id, const struct ai_digest *result, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, s->attest, "INSERT OR IGNORE INTO executed(result, attestation) VALUES(?,?)", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, result);
	ai_stmt_digest(&st, 2, id);
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}

static int
insert_all(struct ai_store *s, const struct ai_digest *id, const struct ai_buf *bytes, const json_t *executed, struct ai_err *err)
{
	if (insert_attestation(s, id, bytes, err) < 0)
		return err->code;
	for (size_t i = 0; i < json_array_size(executed); i++) {
		struct ai_digest result;
		const char *hex = json_string_value(json_array_get(executed, i));
		if (!hex || !ai_unhex(hex, &result))
			return ai_fail(err, AI_EINPUT, "attestation: claims: executed[%zu] is not an id", i);
		if (insert_executed(s, id, &result, err) < 0)
			return err->code;
	}
	return 0;
}

int
ai_store_put_attestation(struct ai_store *s, const json_t *attestation, struct ai_digest *id_out, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	struct ai_digest id;
	const json_t *claims = ai_json_obj(attestation, "claims");
	const json_t *executed = claims ? ai_json_arr(claims, "executed") : NULL;
	if (!executed)
		return ai_fail(err, AI_EINPUT, "attestation: has no claims with a list of what was executed");
	if (ai_json_id(claims, &id, err) < 0 || ai_canon(attestation, &bytes, err) < 0 || ai_buf_ok(&bytes, "attestation", err) < 0)
		return ai_in(err, "attestation");
	/* The results that it vouches for are durable first. */
	if (ai_batch_settle(s, err) < 0 || ai_db_begin(s->attest, err) < 0)
		return err->code;
	if (insert_all(s, &id, &bytes, executed, err) < 0) {
		ai_db_rollback(s->attest);
		return err->code;
	}
	/* It may stand for one of the same claims that was read. */
	ai_read_done(&s->read);
	if (ai_db_commit(s->attest, err) < 0)
		return err->code;
	*id_out = id;
	return 0;
}

void
ai_read_done(struct ai_read *r)
{
	for (size_t i = 0; i < r->n; i++)
		json_decref(r->texts[i]);
	free(r->texts);
	ai_idset_done(&r->at);
	*r = (struct ai_read){ 0 };
}

/* Takes over text. */
static int
keep_read(struct ai_read *r, const struct ai_digest *id, json_t *text, size_t bytes, struct ai_err *err)
{
	if (r->bytes + bytes > MAX_READ)
		ai_read_done(r);
	if (ai_grow(&r->texts, &r->cap, r->n, sizeof(json_t *), err) < 0 || ai_idset_put(&r->at, id, r->n, err) < 0) {
		json_decref(text);
		return err->code;
	}
	r->texts[r->n++] = text;
	r->bytes += bytes;
	return 0;
}

/* 1 and a new reference, 0 absent. */
static int
read_attestation(struct ai_store *s, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	AI_STMT st = { 0 };
	AI_JSON *j = NULL;
	struct ai_digest claims;
	if (ai_stmt_begin(&st, s->attest, "SELECT bytes FROM attestations WHERE id=?", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, id);
	int r = ai_stmt_step(&st, err);
	if (r <= 0)
		return r;
	size_t n;
	const char *p = ai_col_blob(&st, 0, &n);
	if (ai_json_parse(p, n, "attest.db: attestation", &j, err) < 0)
		return err->code;
	const json_t *c = ai_json_obj(j, "claims");
	if (!c || ai_json_id(c, &claims, err) < 0 || !ai_digest_eq(id, &claims))
		return ai_fail(err, AI_EENV, "attest.db: damaged: an attestation's claims do not hash to its id");
	*out = json_incref(j);
	return keep_read(&s->read, id, json_incref(j), n, err) < 0 ? err->code : 1;
}

/* One attestation lists all that its run executed, and is read once for all of them. */
int
ai_store_attestation_of(struct ai_store *s, const struct ai_digest *result, struct ai_digest *id_out, json_t **out, struct ai_err *err)
{
	AI_STMT st = { 0 };
	struct ai_digest id;
	json_t *found = NULL;
	uint64_t at;
	if (ai_stmt_begin(&st, s->attest, "SELECT a.id FROM executed e JOIN attestations a ON a.id = e.attestation "
			"WHERE e.result=? ORDER BY a.seq DESC LIMIT 1", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, result);
	int r = ai_stmt_step(&st, err);
	if (r <= 0)
		return r;
	if (ai_col_digest(&st, 0, &id, err) < 0)
		return err->code;
	if (ai_idset_get(&s->read.at, &id, &at))
		found = json_incref(s->read.texts[at]);
	else if ((r = read_attestation(s, &id, &found, err)) <= 0) {
		json_decref(found);
		return r;
	}
	*id_out = id;
	*out = found;
	return 1;
}

/* --- runs ---------------------------------------------------------------------- */

int
ai_store_put_run(struct ai_store *s, const char *project, const json_t *record, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	AI_STMT st = { 0 };
	if (ai_canon(record, &bytes, err) < 0 || ai_buf_ok(&bytes, "run record", err) < 0)
		return ai_in(err, "run record");
	if (ai_batch_settle(s, err) < 0)
		return err->code;
	if (ai_stmt_begin(&st, s->attest, "INSERT INTO runs(project, bytes) VALUES(?,?)", err) < 0)
		return err->code;
	ai_stmt_text(&st, 1, project);
	ai_stmt_blob(&st, 2, bytes.data, bytes.len);
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}

int
ai_store_last_run(struct ai_store *s, const char *project, json_t **out, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, s->attest, "SELECT bytes FROM runs WHERE project=? ORDER BY seq DESC LIMIT 1", err) < 0)
		return err->code;
	ai_stmt_text(&st, 1, project);
	int r = ai_stmt_step(&st, err);
	if (r <= 0)
		return r;
	size_t n;
	const char *p = ai_col_blob(&st, 0, &n);
	return ai_json_parse(p, n, "attest.db: run", out, err) < 0 ? err->code : 1;
}
