/* ref.c -- see ref.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/ref.h"

bool
ai_ref_eq(const struct ai_ref *a, const struct ai_ref *b)
{
	return a->type == b->type && ai_digest_eq(&a->id, &b->id);
}

const char *
ai_ref_word(ai_ref_type type)
{
	return type == AI_REF_TREE ? "tree" : "blob";
}

int
ai_ref_get(const json_t *obj, struct ai_ref *out, struct ai_err *err)
{
	bool blob = json_object_get(obj, "blob") != NULL, tree = json_object_get(obj, "tree") != NULL;
	if (blob == tree)
		return ai_fail(err, AI_EINPUT, "reference: got %s, expected exactly one of 'blob' and 'tree'", blob ? "both" : "neither");
	struct ai_ref ref = { .type = tree ? AI_REF_TREE : AI_REF_BLOB };
	if (!ai_json_digest(obj, ai_ref_word(ref.type), &ref.id))
		return ai_fail(err, AI_EINPUT, "reference: '%s' is not 64 lower-case hex digits", ai_ref_word(ref.type));
	*out = ref;
	return 0;
}

int
ai_ref_set(json_t *obj, const struct ai_ref *ref, struct ai_err *err)
{
	return json_object_set_new(obj, ai_ref_word(ref->type), ai_json_hex(&ref->id)) < 0 ? ai_nomem(err) : 0;
}
