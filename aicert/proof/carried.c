/* carried.c -- see carried.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/carried.h"

#include <string.h>

#include "base/buf.h"
#include "proof/check.h"
#include "proof/index.h"

static const json_t *
node_of(const json_t *o, const char *key, ai_node_by_id *node, void *ctx)
{
	struct ai_digest id;
	return ai_json_digest(o, key, &id) ? node(ctx, &id) : NULL;
}

static bool
any_carried(const json_t *declared)
{
	size_t i;
	json_t *o;
	json_array_foreach(declared, i, o)
		if (json_object_get(o, "carried"))
			return true;
	return false;
}

static int
of_result(const char *name, const json_t *declared, const json_t *result, ai_carried_fn *each, void *ctx, struct ai_err *err)
{
	AI_JSON *by_name = NULL;
	size_t i;
	json_t *o;
	if (ai_index_by(ai_json_arr(result, "outputs"), "name", &by_name, err) < 0)
		return err->code;
	json_array_foreach(declared, i, o) {
		const char *output = ai_json_str(o, "name");
		struct ai_digest blob;
		if (!json_object_get(o, "carried"))
			continue;
		if (!ai_json_digest(json_object_get(by_name, output), "blob", &blob))
			return ai_fail(err, AI_ENO, "step '%s': its result has no file '%s', which the proof is to carry", name, output);
		int r = each(ctx, name, output, &blob, err);
		if (r != 0)
			return r;
	}
	return 0;
}

int
ai_carried_each(const json_t *run, ai_node_by_id *node, void *node_ctx, ai_carried_fn *each, void *ctx, struct ai_err *err)
{
	size_t i;
	json_t *named;
	json_array_foreach(ai_json_arr(run, "results"), i, named) {
		const json_t *result = node_of(named, "id", node, node_ctx);
		const json_t *declared = ai_json_arr(node_of(result, "step", node, node_ctx), "outputs");
		if (!any_carried(declared))
			continue;
		int r = of_result(ai_json_str(named, "name"), declared, result, each, ctx, err);
		if (r != 0)
			return r;
	}
	return 0;
}

/* --- the check --------------------------------------------------------------- */

static const json_t *
in_dag(void *ctx, const struct ai_digest *id)
{
	const json_t *result = ai_dag_node(ctx, AI_KIND_RESULT, id);
	return result ? result : ai_dag_node(ctx, AI_KIND_STEP, id);
}

/* The bytes as text where they are one, else in base64. New reference; NULL: no memory. */
static json_t *
shown(const char *step, const char *output, const struct ai_digest *blob, const struct ai_buf *bytes)
{
	const char *data = bytes->data ? bytes->data : "";
	json_t *made = json_pack("{s:o, s:s, s:o, s:I}", "step", ai_safe_text(step), "output", output, "hash", ai_json_hex(blob), "size", (json_int_t)bytes->len);
	json_t *text = memchr(data, 0, bytes->len) ? NULL : json_stringn(data, bytes->len);
	AI_BUF_AUTO coded = AI_BUF(AI_MAX_TEXT);
	if (!text) {
		ai_b64_put(&coded, data, bytes->len);
		json_t *base64 = json_stringn(coded.data ? coded.data : "", coded.len);
		if (!made || json_object_set_new(made, "base64", base64) < 0) {
			json_decref(made);
			return NULL;
		}
		return made;
	}
	if (!made || json_object_set_new(made, "text", text) < 0) {
		json_decref(made);
		return NULL;
	}
	return made;
}

struct seen {
	const struct ai_verify *v;
	json_t *list;
};

static int
see(void *ctx, const char *step, const char *output, const struct ai_digest *blob, struct ai_err *err)
{
	struct seen *s = ctx;
	const struct ai_buf *bytes = ai_dag_blob(s->v->dag, blob);
	if (!bytes)
		return ai_fail(err, AI_ENO, "step '%s': output '%s' is to be carried, and the proof has not its bytes", step, output);
	if (bytes->len > AI_MAX_CARRIED)
		return ai_fail(err, AI_ENO, "step '%s': output '%s': got %zu bytes, expected at most %u", step, output, bytes->len, AI_MAX_CARRIED);
	return json_array_append_new(s->list, shown(step, output, blob, bytes)) < 0 ? ai_nomem(err) : 0;
}

int
ai_carried_shown(const struct ai_verify *v, json_t **out, struct ai_err *err)
{
	AI_JSON *list = json_array();
	struct seen s = { v, list };
	if (!list)
		return ai_nomem(err);
	if (ai_carried_each(v->run, in_dag, v->dag, see, &s, err) < 0)
		return err->code;
	*out = json_incref(list);
	return 0;
}

int
ai_check_carried(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	AI_JSON *list = NULL;
	if (ai_carried_shown(v, &list, err) < 0)
		return err->code;
	if (json_array_size(list) == 0) {
		ai_buf_puts(said, "no step says that an output is carried");
		return CHECK_SKIPPED;
	}
	ai_buf_printf(said, "the %zu outputs whose steps say that they are carried with the bytes in the proof", json_array_size(list));
	return CHECK_PASSED;
}

static int
note(void *ctx, const char *step, const char *output, const struct ai_digest *blob, struct ai_err *err)
{
	char hex[AI_HEX];
	(void)step;
	(void)output;
	ai_hex(blob, hex);
	return json_object_set_new(ctx, hex, json_true()) < 0 ? ai_nomem(err) : 0;
}

int
ai_carried_outputs(const struct ai_verify *v, json_t **out, struct ai_err *err)
{
	AI_JSON *set = json_object();
	if (!set)
		return ai_nomem(err);
	if (ai_carried_each(v->run, in_dag, v->dag, note, set, err) < 0)
		return err->code;
	*out = json_incref(set);
	return 0;
}
