/* test_vm_job_disk.c -- a job packed outside is the same job inside; whoever packs it, a commit and a manifest give what they name.  SPDX-License-Identifier: Apache-2.0 */
#include "vm_inside_unit.h"

static int
try(const struct parts *p, struct ai_err *err)
{
	struct inside in;
	int fd = put_together(p, "job", SIZE_MAX);
	int r = unpack(fd, &in, err);
	inside_done(&in);
	close(fd);
	return r;
}

/* --- what is packed is unpacked --------------------------------------------------------------- */

static void
is_same_job(struct inside *in)
{
	static const struct { const char *name, *how; } hows[] = { { "code", "git" }, { "data", "none" }, { "oci:image", "oci" }, { "words", "sha256" } };
	assert_true(ai_digest_eq(&in->u.plan_id, &project.job.plan_id));
	assert_true(json_equal(in->u.plan, project.job.plan));
	assert_string_equal(in->u.nonce, "a nonce");
	assert_int_equal(in->u.n_sources, 4);
	for (size_t i = 0; i < 4; i++) {
		struct ai_ref ref;
		const struct ai_unpacked_source *s = &in->u.sources[i];
		assert_string_equal(s->name, hows[i].name);
		assert_string_equal(s->how, hows[i].how);
		ok(ai_ref_get(ai_json_obj(s->node, "content"), &ref, &err));
		struct ai_err e = { 0 };
		assert_int_equal(ai_store_has(in->store, &ref, &e), 1);
		/* As the run outside says of the same source. */
		bool found = false;
		for (size_t k = 0; k < project.job.n_sources; k++)
			if (strcmp(project.job.sources[k].name, s->name) == 0) {
				found = true;
				assert_true(json_equal(project.job.sources[k].node, s->node));
				assert_string_equal(project.job.sources[k].how, s->how);
			}
		assert_true(found);
	}
}

static void
test_round_trip(void **state)
{
	(void)state;
	struct inside in;
	watch(good_fd, size_of(good_fd));
	ok(unpack(good_fd, &in, &err));
	watch_ends();
	is_same_job(&in);
	/* At least what is on the disk, and what is derived from it. */
	assert_true(good_bytes > 2000 && good_bytes < size_of(good_fd));
	inside_done(&in);
}

static void
spoil(int fd, off_t at, size_t n)
{
	char *junk = malloc(n);
	memset(junk, 0x5a, n);
	put(fd, at, junk, n);
	free(junk);
}

/* Every region of the disk becomes junk as soon as it was read: the job is the same. */
static void
test_disk_changes_behind_the_reader(void **state)
{
	(void)state;
	struct inside in;
	struct parts p = take_apart(good_fd, "job");
	int fd = put_together(&p, "job", SIZE_MAX);
	watch(fd, size_of(fd));
	after_read = spoil;
	ok(unpack(fd, &in, &err));
	watch_ends();
	is_same_job(&in);
	inside_done(&in);
	parts_free(&p);
	close(fd);
}

/* Twice from the same job: the same disk, so the same header is measured. */
static void
test_same_job_same_disk(void **state)
{
	(void)state;
	struct ai_digest a, b;
	struct ai_job_pack in = pack_of(&project);
	int fd = scratch_file();
	ok(ai_job_pack(&in, fd, 64u << 20, &a, NULL, &err));
	ok(ai_job_pack(&in, fd, 64u << 20, &b, NULL, &err));
	assert_true(ai_digest_eq(&a, &b));
	in.nonce = "another";
	ok(ai_job_pack(&in, fd, 64u << 20, &b, NULL, &err));
	assert_false(ai_digest_eq(&a, &b));
	close(fd);
}

static void
test_pack_refuses(void **state)
{
	(void)state;
	struct ai_job_pack in = pack_of(&project);
	const char *nowhere = "/nonexistent";
	int fd = scratch_file();
	struct ai_digest h;
	in.aside = &nowhere;
	refused(AI_EINPUT, "is missing", ai_job_pack(&in, fd, 64u << 20, &h, NULL, &err));
	in = pack_of(&project);
	in.nonce = "two\nlines";
	refused(AI_EINPUT, "nonce", ai_job_pack(&in, fd, 64u << 20, &h, NULL, &err));
	in = pack_of(&project);
	refused(AI_EENV, "is full", ai_job_pack(&in, fd, 4 * AI_DISK_BLOCK, &h, NULL, &err));
	struct ai_disk *d = NULL;
	refused(AI_ENO, "nothing was written", ai_disk_open(fd, size_of(fd), "job", NULL, NULL, &d, &err));
	close(fd);
}

/* --- objects that are kept ------------------------------------------------------------------------ */

static void
test_objects_are_mended(void **state)
{
	(void)state;
	struct inside in;
	struct ai_digest h;
	int fd = scratch_file();
	struct ai_job_pack job = pack_of(&project);
	/* Damaged, cut short and gone: brought again. What is whole is not. */
	char *git = ai_format("cd '%s' && f=$(ls git/* | head -1) && echo junk > $f && g=$(ls git/* | tail -1) && rm $g && : > $(ls oci/* | head -1)", project.aside);
	run_shell(project.dir, git);
	free(git);
	refused(AI_EINPUT, "", ai_job_pack(&job, fd, 64u << 20, &h, NULL, &err));
	ok(ai_job_objects(&project.job, project.aside, &err));
	ok(ai_job_pack(&job, fd, 64u << 20, &h, NULL, &err));
	ok(unpack(fd, &in, &err));
	is_same_job(&in);
	inside_done(&in);
	/* With all of it there nothing is asked of the repository, which may be gone. */
	run_shell(project.dir, "mv repo repo.away; mv inner inner.away; mv image image.away");
	ok(ai_job_objects(&project.job, project.aside, &err));
	run_shell(project.dir, "rm aside/git/*");
	refused(AI_EINPUT, "input 'code'", ai_job_objects(&project.job, project.aside, &err));
	run_shell(project.dir, "mv repo.away repo; mv inner.away inner; mv image.away image");
	ok(ai_job_objects(&project.job, project.aside, &err));
	close(fd);
}

/* --- nothing too little, nothing too much ------------------------------------------------------------ */

static void
test_each_object_is_needed(void **state)
{
	(void)state;
	struct parts p = take_apart(good_fd, "job");
	assert_true(p.n > 25);
	for (size_t i = 0; i < p.n; i++) {
		struct inside in;
		struct ai_err e = { 0 };
		int fd = put_together(&p, "job", i);
		int r = unpack(fd, &in, &e);
		if (r != AI_EINPUT || !strstr(e.text, "missing"))
			fail_msg("without %s %s: got %d '%s'", p.list[i].type, p.list[i].name, r, e.text);
		inside_done(&in);
		close(fd);
	}
	parts_free(&p);
}

static void
test_nothing_else(void **state)
{
	(void)state;
	static const char tree[] = "{\"entries\":[],\"kind\":\"tree\"}";
	static const char oci[] = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"; /* of "x" */
	const struct { const char *type, *name, *bytes, *words; } cases[] = {
		{ "blob", NULL, "nobody's", "nothing in the plan needs it" },
		{ "node", NULL, tree, "nothing in the plan needs it" },
		{ "git", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "", "nothing in the plan needs it" },
		{ "oci", oci, "x", "nothing in the plan needs it" },
		{ "log", "one", "x", "a job has no such object" },
		{ "attestation", "", "{}", "a job has no such object" },
		{ "node", NULL, "{\"kind\":\"tree\",\"entries\":[]}", "canonical" },
		{ "node", NULL, "{\"entries\":[],\"kind\":\"tree\",\"more\":1}", "more" },
		{ "node", NULL, "{\"kind\":\"sauce\"}", "node" },
		{ "node", NULL, "[1]", "node" },
		{ "node", NULL, "", "node" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct parts p = take_apart(good_fd, "job");
		part_add(&p, cases[i].type, cases[i].name, cases[i].bytes, strlen(cases[i].bytes));
		refused(AI_EINPUT, cases[i].words, try(&p, &err));
		parts_free(&p);
	}
}

static void
test_deep_node(void **state)
{
	(void)state;
	struct parts p = take_apart(good_fd, "job");
	char *deep = malloc(200000);
	memset(deep, '[', 100000);
	memset(deep + 100000, ']', 100000);
	part_add(&p, "node", NULL, deep, 200000);
	refused(AI_EINPUT, "node", try(&p, &err));
	free(deep);
	parts_free(&p);
}

static void
test_about(void **state)
{
	(void)state;
	const struct { const char *key, *json, *words; } cases[] = {
		{ "plan", "\"0000000000000000000000000000000000000000000000000000000000000000\"", "plan" },
		{ "plan", "7", "expected plan" },
		{ "more", "7", "nothing else" },
		{ "nonce", "\"\"", "nonce" },
		{ "nonce", "\"a\\nb\"", "nonce" },
		{ "nonce", "7", "nothing else" },
		{ "version", "\"\"", "version" },
		{ "version", "[]", "expected plan" },
		{ "certificates", "[7]", "certificate 0" },
		{ "certificates", "[\"no base64\"]", "certificate 0" },
		{ "certificates", "{}", "nothing else" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct parts p = take_apart(good_fd, "job");
		json_object_set_new(p.about, cases[i].key, json_loads(cases[i].json, JSON_DECODE_ANY, NULL));
		refused(AI_EINPUT, cases[i].words, try(&p, &err));
		parts_free(&p);
	}
}

/* --- lies that hold together ---------------------------------------------------------------------------- */

/* The part of a source's node, and its place in the plan. */
static struct part *
source_part(struct parts *p, const char *name, size_t *at)
{
	AI_JSON *plan = part_json(part_named(p, "node", ai_json_str(p->about, "plan")));
	const json_t *sources = ai_json_arr(plan, "sources");
	for (*at = 0; *at < json_array_size(sources); ++*at) {
		const json_t *s = json_array_get(sources, *at);
		if (strcmp(ai_json_str(s, "name"), name) == 0)
			return part_named(p, "node", ai_json_str(s, "id"));
	}
	fail_msg("no source %s", name);
	return NULL;
}

/* The plan names what stands now at a source's place; the disk says that it is of that plan. All hashes hold. */
static void
name_in_plan(struct parts *p, size_t at, const char *source)
{
	struct part *x = part_named(p, "node", ai_json_str(p->about, "plan"));
	AI_JSON *plan = part_json(x);
	char hex[AI_HEX];
	json_object_set_new(json_array_get(ai_json_arr(plan, "sources"), at), "id", json_string(source));
	part_replace(x, plan, hex);
	json_object_set_new(p->about, "plan", json_string(hex));
}

/* A source that says that something else came of it. */
static void
claim_other_content(const char *name, const char *type, const char *id, const char *words)
{
	struct parts p = take_apart(good_fd, "job");
	size_t at;
	struct part *x = source_part(&p, name, &at);
	AI_JSON *node = part_json(x);
	char hex[AI_HEX];
	json_object_set_new(node, "content", json_pack("{s:s}", type, id));
	part_replace(x, node, hex);
	name_in_plan(&p, at, hex);
	refused(AI_EINPUT, words, try(&p, &err));
	parts_free(&p);
}

#define ELSEWHERE "d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a"

static void
test_other_content(void **state)
{
	(void)state;
	claim_other_content("code", "tree", ELSEWHERE, "source 'code': the commit gives other content: got ");
	claim_other_content("code", "blob", ELSEWHERE, "source 'code': the commit gives other content: got ");
	claim_other_content("oci:image", "tree", ELSEWHERE, "source 'oci:image': the manifest gives other content: got ");
	claim_other_content("data", "tree", ELSEWHERE, "missing");
	claim_other_content("words", "blob", ELSEWHERE, "missing");
}

static void
claim_other_revision(const char *name, const char *revision, const char *words)
{
	struct parts p = take_apart(good_fd, "job");
	size_t at;
	struct part *x = source_part(&p, name, &at);
	AI_JSON *node = part_json(x);
	char hex[AI_HEX];
	json_object_set_new(node, "revision", json_string(revision));
	part_replace(x, node, hex);
	name_in_plan(&p, at, hex);
	refused(AI_EINPUT, words, try(&p, &err));
	parts_free(&p);
}

/* The id of a git object on the disk that begins with these bytes. */
static const char *
git_beginning(struct parts *p, const char *bytes)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->list[i].type, "git") == 0 && p->list[i].bytes.len > strlen(bytes) && memcmp(p->list[i].bytes.data, bytes, strlen(bytes)) == 0)
			return p->list[i].name;
	fail_msg("no git object '%s'", bytes);
	return NULL;
}

static void
test_other_revision(void **state)
{
	(void)state;
	struct parts p = take_apart(good_fd, "job");
	claim_other_revision("code", git_beginning(&p, "tree "), "got a tree, expected a commit");
	claim_other_revision("code", git_beginning(&p, "blob "), "got a blob, expected a commit");
	claim_other_revision("code", "0000000000000000000000000000000000000000", "git object 0000000000000000000000000000000000000000 is missing");
	claim_other_revision("code", "0000000000000000000000000000000000000000000000000000000000000000", "expected 40");
	claim_other_revision("oci:image", "sha256:" ELSEWHERE, "aicert.lock pins");
	parts_free(&p);
}

/* Other bytes under an object's own, official name: a poisoned tree, file, commit. */
static void
test_poisoned_objects(void **state)
{
	(void)state;
	const char *const kinds[] = { "blob ", "tree ", "commit " };
	for (size_t i = 0; i < 3; i++) {
		struct parts p = take_apart(good_fd, "job");
		struct part *x = part_named(&p, "git", git_beginning(&p, kinds[i]));
		x->bytes.data[x->bytes.len - 1] ^= 1;
		refused(AI_EINPUT, "its bytes hash to", try(&p, &err));
		parts_free(&p);
	}
}

static void
sha1_name(const void *bytes, size_t n, char hex[41])
{
	uint8_t id[20];
	ai_sha1(bytes, n, id);
	ai_hex_bytes(id, sizeof id, hex);
}

/* Objects whose names hold and whose headers lie: git itself would read them in its own way. */
static void
test_git_headers(void **state)
{
	(void)state;
	static const struct { const char *bytes; size_t n; const char *words; } cases[] = {
		{ "commit 4\0tre", 12, "header" }, { "commit 04\0tree", 14, "header" }, { "commit +4\0tree", 14, "header" }, { "commit 4 \0tree", 14, "header" },
		{ "commit\0tree", 11, "header" }, { "Commit 4\0tree", 13, "header" }, { "commit 4", 8, "header" }, { "commit 18446744073709551620\0tree", 32, "header" },
		{ "commit 4\0tree", 13, "commit" }, { "\0", 1, "header" }, { "", 0, "is empty" }, { "tag 4\0tree", 10, "got a tag" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct parts p = take_apart(good_fd, "job");
		size_t at;
		char hex[AI_HEX], name[41];
		struct part *x = source_part(&p, "code", &at);
		AI_JSON *node = part_json(x);
		sha1_name(cases[i].bytes, cases[i].n, name);
		json_object_set_new(node, "revision", json_string(name));
		part_replace(x, node, hex);
		name_in_plan(&p, at, hex);
		part_add(&p, "git", name, cases[i].bytes, cases[i].n);
		refused(AI_EINPUT, cases[i].words, try(&p, &err));
		parts_free(&p);
	}
}

/* --- images ------------------------------------------------------------------------------------------------ */

/* The lock with something else said of the image; every id above it follows. */
static void
lie_in_lock(const char *from, const char *to, const char *words)
{
	struct parts p = take_apart(good_fd, "job");
	struct part *x = part_named(&p, "node", ai_json_str(p.about, "plan"));
	AI_JSON *plan = part_json(x);
	struct part *lock = part_named(&p, "blob", ai_json_str(plan, "lock"));
	char hex[AI_HEX], *at = strstr(lock->bytes.data, from);
	struct ai_digest d;
	assert_non_null(at);
	assert_int_equal(strlen(from), strlen(to));
	memcpy(at, to, strlen(to));
	ai_sha256(lock->bytes.data, lock->bytes.len, &d);
	ai_hex(&d, hex);
	free(lock->name);
	lock->name = strdup(hex);
	json_object_set_new(plan, "lock", json_string(hex));
	part_replace(x, plan, hex);
	json_object_set_new(p.about, "plan", json_string(hex));
	refused(AI_EINPUT, words, try(&p, &err));
	parts_free(&p);
}

static void
test_lock_lies_of_image(void **state)
{
	(void)state;
	/* A variable of the image's, as steps would get it. */
	lie_in_lock("\"/bin\"", "\"/evi\"", "config is not what aicert.lock says");
	lie_in_lock("\"/srv\"", "\"/etc\"", "config is not what aicert.lock says");
}

static void
test_image_parts(void **state)
{
	(void)state;
	/* Other bytes cannot stand under a part's name: the index is refused. */
	struct parts p = take_apart(good_fd, "job");
	for (size_t i = 0; i < p.n; i++)
		if (strcmp(p.list[i].type, "oci") == 0) {
			p.list[i].bytes.data[0] ^= 1;
			refused(AI_EINPUT, "its content hashes to", try(&p, &err));
			p.list[i].bytes.data[0] ^= 1;
		}
	parts_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_disk_changes_behind_the_reader),
		cmocka_unit_test(test_same_job_same_disk),
		cmocka_unit_test(test_pack_refuses),
		cmocka_unit_test(test_objects_are_mended),
		cmocka_unit_test(test_each_object_is_needed),
		cmocka_unit_test(test_nothing_else),
		cmocka_unit_test(test_deep_node),
		cmocka_unit_test(test_about),
		cmocka_unit_test(test_other_content),
		cmocka_unit_test(test_other_revision),
		cmocka_unit_test(test_poisoned_objects),
		cmocka_unit_test(test_git_headers),
		cmocka_unit_test(test_lock_lies_of_image),
		cmocka_unit_test(test_image_parts),
	};
	return cmocka_run_group_tests(tests, inside_setup, inside_teardown);
}
