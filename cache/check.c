/* check.c -- see check.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/check.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "cache/inside.h"
#include "cache/nodes.h"
#include "cache/objects.h"
#include "cache/pump.h"

static int
list_ids(struct ai_store *s, const char *sql, struct ai_digest **out, size_t *n_out, struct ai_err *err)
{
	AI_STMT st = { 0 };
	AI_FREE struct ai_digest *ids = NULL;
	size_t n = 0, cap = 0;
	int r;
	if (ai_stmt_begin(&st, s->db, sql, err) < 0)
		return err->code;
	while ((r = ai_stmt_step(&st, err)) == 1) {
		if (ai_grow(&ids, &cap, n, sizeof *ids, err) < 0 || ai_col_digest(&st, 0, &ids[n], err) < 0)
			return err->code;
		n++;
	}
	if (r < 0)
		return r;
	*out = ids;
	*n_out = n;
	ids = NULL;
	return 0;
}

static int
check_object(struct ai_store *s, const struct ai_digest *id, struct ai_err *err)
{
	struct stat st;
	struct ai_digest got;
	AI_FD fd = ai_object_open(s, id, &st, err);
	if (fd < 0 || ai_pump(fd, -1, "cache: object", &got, NULL, err) < 0)
		return err->code;
	return ai_digest_eq(id, &got) ? 0 : ai_object_damaged(s, id, &got, &st, err);
}

static int
check_node(struct ai_store *s, const struct ai_digest *id, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	/* A node that somebody removed since the list was made is no damage. */
	return ai_node_bytes(s, id, &b, err) < 0 ? err->code : 0;
}

int
ai_store_check(struct ai_store *s, struct ai_store_count *out, struct ai_err *err)
{
	AI_FREE struct ai_digest *objects = NULL;
	AI_FREE struct ai_digest *nodes = NULL;
	struct ai_store_count n;
	if (ai_batch_settle(s, err) < 0 || ai_db_check(s->db, err) < 0 || ai_db_check(s->attest, err) < 0)
		return err->code;
	if (list_ids(s, "SELECT id FROM objects ORDER BY id", &objects, &n.objects, err) < 0 ||
	    list_ids(s, "SELECT id FROM nodes ORDER BY id", &nodes, &n.nodes, err) < 0)
		return err->code;
	for (size_t i = 0; i < n.objects; i++)
		if (check_object(s, &objects[i], err) < 0)
			return err->code;
	for (size_t i = 0; i < n.nodes; i++)
		if (check_node(s, &nodes[i], err) < 0)
			return err->code;
	*out = n;
	return 0;
}
