/* index.c -- see index.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/index.h"

int
ai_index_by(const json_t *list, const char *key, json_t **out, struct ai_err *err)
{
	AI_JSON *made = json_object();
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)list, i, item) {
		const char *word = ai_json_str(item, key);
		if (word && !json_object_get(made, word) && json_object_set(made, word, item) < 0)
			return ai_nomem(err);
	}
	if (!made)
		return ai_nomem(err);
	*out = json_incref(made);
	return 0;
}

int
ai_index_set(const json_t *list, json_t **out, struct ai_err *err)
{
	AI_JSON *made = json_object();
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)list, i, item) {
		const char *word = json_string_value(item);
		if (!word || json_object_get(made, word))
			return ai_fail(err, AI_ENO, "'%s' stands twice", word ? word : "");
		if (json_object_set_new(made, word, json_true()) < 0)
			return ai_nomem(err);
	}
	if (!made)
		return ai_nomem(err);
	*out = json_incref(made);
	return 0;
}
