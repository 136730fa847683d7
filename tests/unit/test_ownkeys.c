/* test_ownkeys.c -- the list of this machine's own keys.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/ownkeys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "unit.h"

static int
fresh(void **state)
{
	struct ai_err err;
	char *dir = NULL;
	int r = ai_mkdtemp("/tmp/aicert-ownkeys", &dir, &err);
	*state = dir;
	return r;
}

static int
gone(void **state)
{
	struct ai_err err;
	int r = ai_remove_tree(AT_FDCWD, *state, &err);
	free(*state);
	return r;
}

static void
keeps_each_key_once(void **state)
{
	const char *dir = *state;
	struct ai_digest a = { { 1 } }, b = { { 2 } };
	char hex[AI_HEX];
	for (int i = 0; i < 2; i++) {
		ok(ai_ownkeys_add(dir, &a, "embedded", &err));
		ok(ai_ownkeys_add(dir, &b, "device:/dev/tpmrm0", &err));
	}
	AI_JSON *keys = NULL;
	ok(ai_ownkeys_read(dir, &keys, &err));
	assert_int_equal(json_array_size(keys), 2);
	ai_hex(&b, hex);
	assert_string_equal(json_string_value(json_array_get(keys, 1)), hex);
	struct stat st;
	AI_FREE char *path = ai_format("%s/tpm/own-keys.json", dir);
	AI_FREE char *folder = ai_format("%s/tpm", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void
no_file_is_no_key(void **state)
{
	AI_JSON *keys = NULL;
	ok(ai_ownkeys_read(*state, &keys, &err));
	assert_int_equal(json_array_size(keys), 0);
}

static void
refuses_a_damaged_file(void **state)
{
	static const struct { const char *text, *words; } files[] = {
		{ "", "not JSON" }, { "{\"keys\":[", "not JSON" }, { "[]", "'keys' is not a list" }, { "{\"keys\":{}}", "'keys' is not a list" },
		{ "{\"keys\":[{}]}", "keys[0]" }, { "{\"keys\":[{\"fingerprint\":\"00\"}]}", "keys[0]" }, { "{\"keys\":[],\"keys\":[]}", "not JSON" },
	};
	AI_FREE char *folder = ai_format("%s/tpm", (char *)*state);
	AI_FREE char *path = ai_format("%s/own-keys.json", folder);
	ok(ai_mkdirs(folder, 0700, &err));
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		json_t *keys = NULL;
		struct ai_digest a = { { 1 } };
		AI_BUF_AUTO after = AI_BUF(1000);
		ok(ai_write_file(AT_FDCWD, path, files[i].text, strlen(files[i].text), 0600, &err));
		refused(AI_EINPUT, files[i].words, ai_ownkeys_read(*state, &keys, &err));
		refused(AI_EINPUT, files[i].words, ai_ownkeys_add(*state, &a, "embedded", &err));
		assert_null(keys);
		ok(ai_read_file(AT_FDCWD, path, &after, &err));
		assert_string_equal(after.data, files[i].text);
	}
}

/* Eight processes add four keys each at once: none is lost. */
static void
many_at_once(void **state)
{
	enum { PROCESSES = 8, EACH = 4 };
	pid_t pid[PROCESSES];
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			struct ai_err err = { 0 };
			for (int k = 0; k < EACH && err.code == 0; k++) {
				struct ai_digest d = { { (uint8_t)i, (uint8_t)k } };
				(void)!ai_ownkeys_add(*state, &d, "embedded", &err);
			}
			_exit(err.code != 0);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	AI_JSON *keys = NULL;
	ok(ai_ownkeys_read(*state, &keys, &err));
	assert_int_equal(json_array_size(keys), PROCESSES * EACH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_each_key_once, fresh, gone), cmocka_unit_test_setup_teardown(no_file_is_no_key, fresh, gone),
		cmocka_unit_test_setup_teardown(refuses_a_damaged_file, fresh, gone), cmocka_unit_test_setup_teardown(many_at_once, fresh, gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
