/*
 * test_proof_texts.c -- every text of plan, environments and sources made another, one after the other, and the proof signed again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fake_images.h"

static size_t leaf_wanted, leaf_at;
static char leaf_path[600];

/* Changes the leaf_wanted-th text below at; true when it was found. */
static bool
change_leaf(json_t *at, const char *path)
{
	const char *key;
	json_t *v;
	size_t i;
	char here[600];
	json_object_foreach(at, key, v) {
		snprintf(here, sizeof here, "%.300s.%.100s", path, key);
		if (!json_is_string(v) ? change_leaf(v, here) : leaf_at++ == leaf_wanted) {
			if (json_is_string(v)) {
				char *text = strdup(json_string_value(v));
				assert_true(text && *text);
				/* Another of the same form: the last character, which in ids is a digit. */
				text[strlen(text) - 1] = text[strlen(text) - 1] == '1' ? '2' : '1';
				json_object_set_new(at, key, json_string(text));
				snprintf(leaf_path, sizeof leaf_path, "%s", here);
				free(text);
			}
			return true;
		}
	}
	json_array_foreach(at, i, v) {
		snprintf(here, sizeof here, "%.300s[%zu]", path, i);
		if (change_leaf(v, here))
			return true;
	}
	return false;
}

static void
replace_id(json_t *at, const char *from, const char *to)
{
	const char *key;
	json_t *v;
	size_t i;
	void *next;
	json_object_foreach_safe(at, next, key, v) {
		if (json_is_string(v) && strcmp(json_string_value(v), from) == 0)
			json_object_set_new(at, key, json_string(to));
		replace_id(v, from, to);
	}
	json_array_foreach(at, i, v)
		replace_id(v, from, to);
}

/* In the environments and sources that the plan names, then in the plan itself. */
static void
lie_in_a_leaf(struct fake *x, json_t *plan)
{
	json_t *ids = json_array(), *v;
	size_t i;
	json_array_foreach(json_object_get(plan, "steps"), i, v)
		json_array_append_new(ids, json_string(ai_json_str(json_object_get(v, "recipe"), "environment")));
	json_array_foreach(json_object_get(plan, "sources"), i, v)
		json_array_append_new(ids, json_string(ai_json_str(v, "id")));
	leaf_at = 0;
	leaf_path[0] = '\0';
	bool done = false;
	json_array_foreach(ids, i, v) {
		json_t *copy = json_deep_copy(json_object_get(x->nodes, json_string_value(v)));
		char id[AI_HEX];
		done = change_leaf(copy, ai_json_str(copy, "kind"));
		if (done) {
			fake_put(x, copy, id);
			replace_id(plan, json_string_value(v), id);
			break;
		}
		json_decref(copy);
	}
	json_decref(ids);
	if (!done)
		(void)change_leaf(plan, "plan");
}

static void
no_text_can_be_another(void **state)
{
	size_t judged = 0;
	for (leaf_wanted = 0; leaf_wanted == 0 || leaf_path[0]; leaf_wanted++) {
		fake_done(&f);
		assert_int_equal(set_up(state), 0);
		on_plan = lie_in_a_leaf;
		on_claims = lie_nothing_verified;
		/* What no node can be, or what hangs in the air, is not even a proof. */
		json_t *proof = try_make();
		if (!proof || !leaf_path[0]) {
			json_decref(proof);
			continue;
		}
		const char *keys[] = { f.key };
		struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .replan = ai_replan };
		struct ai_err err = { 0 };
		json_t *report = NULL;
		judged++;
		/* The machine's second GPU is what the builder says it was; the first is that of another step, too. */
		if (fake_verify(&f, proof, &o, &report, &err) == 0 && !strstr(leaf_path, "environment.gpus[1]."))
			fail_msg("%s: the proof still verifies", leaf_path);
		json_decref(report);
		json_decref(proof);
	}
	assert_true(leaf_wanted > 200 && judged > 150);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(no_text_can_be_another, set_up, teardown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
