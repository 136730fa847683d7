/* test_oci_text.c -- manifests, configs and what registries say.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/oci_text.h"
#include "unit.h"

#define A "1111111111111111111111111111111111111111111111111111111111111111"
#define B "2222222222222222222222222222222222222222222222222222222222222222"
#define C "3333333333333333333333333333333333333333333333333333333333333333"
#define OCI "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."
#define ENTRY(hex, platform) "{\"mediaType\":\"" OCI "manifest.v1+json\",\"digest\":\"sha256:" hex "\",\"size\":7" platform "}"
#define PLATFORM(os, arch, more) ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"" more "}"
#define INDEX(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"
#define CONFIG "\"config\":{\"mediaType\":\"" OCI "config.v1+json\",\"digest\":\"sha256:" A "\",\"size\":12}"
#define LAYER(type, hex, size) "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" hex "\",\"size\":" size "}"
#define MANIFEST(layers) "{\"schemaVersion\":2," CONFIG ",\"layers\":[" layers "]}"
#define GZIP OCI "layer.v1.tar+gzip"

static int
pick(const char *text, const char *platform, int *first, struct ai_err *err)
{
	struct ai_digest d;
	int r = ai_oci_index_pick(text, strlen(text), platform, &d, err);
	*first = r == 1 ? d.b[0] : -1;
	return r;
}

static void
indexes(void **state)
{
	static const char two[] = INDEX(ENTRY(A, PLATFORM("linux", "amd64", "")) "," ENTRY(B, PLATFORM("linux", "arm64", ",\"variant\":\"v8\"")) ","
		ENTRY(C, PLATFORM("unknown", "unknown", "")));
	static const char variants[] = INDEX(ENTRY(C, PLATFORM("linux", "amd64", ",\"variant\":\"v3\"")) "," ENTRY(A, PLATFORM("linux", "amd64", "")) ","
		ENTRY(B, PLATFORM("linux", "arm", ",\"variant\":\"v6\"")) "," ENTRY(A, PLATFORM("linux", "arm", ",\"variant\":\"v7\"")));
	static const char docker[] = "{\"schemaVersion\":2,\"mediaType\":\"" DOCKER "distribution.manifest.list.v2+json\",\"manifests\":["
		"{\"mediaType\":\"" DOCKER "distribution.manifest.v2+json\",\"digest\":\"sha256:" B "\",\"size\":1" PLATFORM("linux", "amd64", ",\"os.version\":null") "}]}";
	int first;
	(void)state;
	ok(pick(two, "linux/amd64", &first, &err));
	assert_int_equal(first, 0x11);
	ok(pick(two, "linux/arm64", &first, &err));
	assert_int_equal(first, 0x22);
	ok(pick(two, "linux/arm64/v8", &first, &err));
	assert_int_equal(first, 0x22);
	ok(pick(two, "linux/amd64/v2", &first, &err));
	assert_int_equal(first, 0x11);
	ok(pick(variants, "linux/amd64", &first, &err));
	assert_int_equal(first, 0x11);
	ok(pick(variants, "linux/amd64/v3", &first, &err));
	assert_int_equal(first, 0x33);
	ok(pick(variants, "linux/arm", &first, &err));
	assert_int_equal(first, 0x11);
	ok(pick(docker, "linux/amd64", &first, &err));
	assert_int_equal(first, 0x22);
	ok(pick(INDEX(ENTRY(C, "")), "linux/amd64", &first, &err));
	assert_int_equal(first, 0x33);
	ok(pick(MANIFEST(LAYER(GZIP, B, "3")), "linux/amd64", &first, &err));
	assert_int_equal(first, -1);
	refused(AI_EINPUT, "not for linux/riscv64: it is for linux/amd64, linux/arm64/v8", pick(two, "linux/riscv64", &first, &err));
	refused(AI_EINPUT, "names no platform", pick(INDEX(ENTRY(A, "") "," ENTRY(B, "")), "linux/amd64", &first, &err));
	refused(AI_EINPUT, "names no platform", pick(INDEX(""), "linux/amd64", &first, &err));
	refused(AI_EINPUT, "for windows/amd64", pick(INDEX(ENTRY(A, PLATFORM("windows", "amd64", ""))), "linux/amd64", &first, &err));
}

static void
neither_index_nor_manifest(void **state)
{
	static const struct { const char *text, *words; } cases[] = {
		{ "", "not JSON" }, { "[]", "not a JSON object" }, { "{", "not JSON" }, { "{}", "no schemaVersion 2" }, { "{\"schemaVersion\":3}", "no schemaVersion 2" },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1" }, { "{\"schemaVersion\":2}", "neither 'manifests' nor 'layers'" },
		{ "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", "at once" }, { "{\"schemaVersion\":2,\"manifests\":[],\"config\":{}}", "at once" },
		{ "{\"schemaVersion\":2,\"mediaType\":\"" OCI "manifest.v1+json\",\"manifests\":[]}", "expected that of an image index" },
		{ "{\"schemaVersion\":2,\"mediaType\":\"" OCI "index.v1+json\",\"layers\":[]}", "expected that of an image manifest" },
		{ "{\"schemaVersion\":2,\"schemaVersion\":2,\"layers\":[]}", "duplicate" },
		{ INDEX("{\"mediaType\":\"" OCI "manifest.v1+json\",\"digest\":\"sha512:11\",\"size\":1}"), "64 lower-case" },
		{ INDEX("{\"mediaType\":\"" OCI "manifest.v1+json\",\"digest\":\"sha256:" A "\",\"size\":-1}"), "size" },
	};
	int first;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(AI_EINPUT, cases[i].words, pick(cases[i].text, "linux/amd64", &first, &err));
}

static void
manifests(void **state)
{
	static const char text[] = MANIFEST(LAYER(GZIP, A, "3") "," LAYER(OCI "layer.v1.tar", B, "4") "," LAYER(OCI "layer.v1.tar+zstd", C, "5") ","
		LAYER(DOCKER "image.rootfs.diff.tar.gzip", A, "6") "," LAYER(DOCKER "image.rootfs.diff.tar", A, "0"));
	static const ai_oci_packing packings[] = { AI_OCI_GZIP, AI_OCI_PLAIN, AI_OCI_ZSTD, AI_OCI_GZIP, AI_OCI_PLAIN };
	struct ai_oci_manifest m;
	(void)state;
	ok(ai_oci_manifest_parse(text, strlen(text), &m, &err));
	assert_int_equal(m.config.size, 12);
	assert_int_equal(m.n_layers, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(m.layers[i].packing, packings[i]);
	assert_int_equal(m.layers[1].digest.b[0], 0x22);
	assert_int_equal(m.layers[2].size, 5);
	ai_oci_manifest_done(&m);
}

static void
manifests_refused(void **state)
{
	static const struct { const char *text, *words; } cases[] = {
		{ MANIFEST(""), "no layers" }, { INDEX(""), "is an index" }, { MANIFEST("1"), "layer 1 of 1" }, { MANIFEST("null"), "layer 1 of 1" },
		{ MANIFEST(LAYER(OCI "layer.nondistributable.v1.tar+gzip", A, "1")), "nondistributable.v1.tar+gzip': a layer that its registry may not hand out" },
		{ MANIFEST(LAYER(DOCKER "image.rootfs.foreign.diff.tar.gzip", A, "1")), "foreign.diff.tar.gzip': a layer that its registry may not hand out" },
		{ MANIFEST(LAYER(OCI "layer.v1.tar+gzip+encrypted", A, "1")), "expected a tar layer" }, { MANIFEST(LAYER("", A, "1")), "expected a tar layer" },
		{ MANIFEST(LAYER(GZIP, A, "-1")), "size" }, { MANIFEST(LAYER(GZIP, A, "\"1\"")), "size" }, { MANIFEST(LAYER(GZIP, A, "1.5")), "size" },
		{ MANIFEST(LAYER(GZIP, A, "9007199254740991")), "size" }, { MANIFEST(LAYER(GZIP, A, "99999999999999999999")), "not JSON" },
		{ MANIFEST(LAYER(GZIP, A, "1125899906842624") "," LAYER(GZIP, A, "1125899906842624")), "more than 1125899906842624" },
		{ MANIFEST(LAYER(GZIP, "11", "1")), "64 lower-case" },
		{ "{\"schemaVersion\":2,\"layers\":[]}", "no container image" },
		{ "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\"},\"layers\":[]}", "cncf.helm" },
		{ "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" OCI "config.v1+json\",\"digest\":\"sha256:" A "\",\"size\":8388609},\"layers\":[]}", "at most 8388608" },
	};
	struct ai_oci_manifest m, poison;
	(void)state;
	memset(&m, 0xaa, sizeof m);
	poison = m;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(AI_EINPUT, cases[i].words, ai_oci_manifest_parse(cases[i].text, strlen(cases[i].text), &m, &err));
	AI_BUF_AUTO many = AI_BUF(1 << 20);
	ai_buf_puts(&many, "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(GZIP, A, "1"));
	for (int i = 0; i < AI_OCI_MAX_LAYERS; i++)
		ai_buf_puts(&many, "," LAYER(GZIP, A, "1"));
	ai_buf_puts(&many, "]}");
	refused(AI_EINPUT, "513 layers, at most 512", ai_oci_manifest_parse(many.data, many.len, &m, &err));
	AI_BUF_AUTO bomb = AI_BUF(1 << 20);
	ai_buf_puts(&bomb, "{\"a\":[");
	for (int i = 0; i < 250000; i++)
		ai_buf_puts(&bomb, "{},");
	refused(AI_EINPUT, "more than 200000 values", ai_oci_manifest_parse(bomb.data, bomb.len, &m, &err));
	assert_memory_equal(&m, &poison, sizeof m);
}

#define ROOTFS ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" A "\",\"sha256:" B "\"]}"
#define LINUX "{\"os\":\"linux\",\"architecture\":\"amd64\""

static void
configs(void **state)
{
	static const char text[] = LINUX ",\"created\":\"x\",\"history\":null,\"x\":1.5,\"config\":{\"Entrypoint\":null,\"WorkingDir\":\"/a//./b/\",\"Env\":["
		"\"PATH=/bin\",\"B=2\",\"A=x=y\",\"B=3\",\"GPG_KEY=1\",\"NOVALUE\",\"1X=1\",\"HF_TOKEN=s\",\"E=\",\"DEL=\x7f\",\"U=\xc3\xa9\",\"=x\"]}" ROOTFS "}";
	AI_JSON *config = NULL;
	AI_FREE struct ai_digest *ids = NULL;
	size_t n = 0;
	(void)state;
	ok(ai_oci_config_parse(text, strlen(text), "linux/amd64", &config, &ids, &n, &err));
	AI_BUF_AUTO canon = AI_BUF(4096);
	ok(ai_canon(config, &canon, &err));
	assert_string_equal(canon.data, "{\"env\":[{\"name\":\"A\",\"value\":\"x=y\"},{\"name\":\"B\",\"value\":\"3\"},{\"name\":\"E\",\"value\":\"\"},"
		"{\"name\":\"PATH\",\"value\":\"/bin\"},{\"name\":\"U\",\"value\":\"\xc3\xa9\"}],\"workdir\":\"/a/b\"}");
	assert_int_equal(n, 2);
	assert_int_equal(ids[1].b[31], 0x22);
	AI_JSON *left = ai_oci_config_left_out(text, strlen(text));
	AI_BUF_AUTO names = AI_BUF(4096);
	ok(ai_canon(json_array_get(left, 0), &names, &err));
	assert_int_equal(json_array_size(left), 6);
	assert_string_equal(json_string_value(json_array_get(left, 2)), "1X");
}

static void
configs_small(void **state)
{
	static const char bare[] = LINUX ROOTFS "}", root[] = LINUX ",\"config\":{\"WorkingDir\":\"/\"}" ROOTFS "}";
	(void)state;
	AI_JSON *a = NULL;
	AI_JSON *b = NULL;
	struct ai_digest *ids = NULL;
	size_t n;
	ok(ai_oci_config_parse(bare, strlen(bare), "linux/amd64/v2", &a, &ids, &n, &err));
	free(ids);
	assert_int_equal(json_array_size(json_object_get(a, "env")), 0);
	assert_null(json_object_get(a, "workdir"));
	ok(ai_oci_config_parse(root, strlen(root), "linux/amd64", &b, &ids, &n, &err));
	free(ids);
	assert_string_equal(ai_json_str(b, "workdir"), "/");
}

static void
configs_refused(void **state)
{
	static const struct { const char *text, *words; } cases[] = {
		{ "{}", "is for ?/?, expected linux/amd64" }, { "{\"os\":\"linux\",\"architecture\":\"arm64\"" ROOTFS "}", "is for linux/arm64, expected linux/amd64" },
		{ "{\"os\":\"linux\",\"architecture\":\"amd\"" ROOTFS "}", "linux/amd," }, { "{\"os\":\"lin\",\"architecture\":\"amd64\"" ROOTFS "}", "lin/amd64" },
		{ LINUX "}", "rootfs" }, { LINUX ",\"rootfs\":{\"type\":\"x\",\"diff_ids\":[]}}", "rootfs" },
		{ LINUX ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[1]}}", "diff_id" }, { LINUX ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:1\"]}}", "diff_id" },
		{ LINUX ",\"config\":{\"WorkingDir\":\"a\"}" ROOTFS "}", "absolute" }, { LINUX ",\"config\":{\"WorkingDir\":\"/a/../..\"}" ROOTFS "}", "'.' or '..'" },
		{ LINUX ",\"config\":{\"WorkingDir\":\"/a\\nb\"}" ROOTFS "}", "control" },
	};
	json_t *config = (json_t *)(uintptr_t)0xaa;
	struct ai_digest *ids = (struct ai_digest *)(uintptr_t)0xaa;
	size_t n = 0xaa;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(AI_EINPUT, cases[i].words, ai_oci_config_parse(cases[i].text, strlen(cases[i].text), "linux/amd64", &config, &ids, &n, &err));
	assert_int_equal((uintptr_t)config, 0xaa);
	assert_int_equal((uintptr_t)ids, 0xaa);
	assert_int_equal(n, 0xaa);
}

static void
challenges(void **state)
{
	struct ai_oci_challenge c;
	(void)state;
	ok(ai_oci_challenge_parse("Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"", &c, &err));
	assert_true(c.bearer && !c.basic);
	assert_string_equal(c.realm, "https://auth.docker.io/token");
	assert_string_equal(c.service, "registry.docker.io");
	assert_string_equal(c.scope, "repository:a/b:pull,push");
	ai_oci_challenge_done(&c);
	ok(ai_oci_challenge_parse("Negotiate, basic realm=\"x\", charset=UTF-8 , BEARER Realm = \"a\\\"b\" , realm=z, error=\"invalid_token\"", &c, &err));
	assert_true(c.bearer && c.basic);
	assert_string_equal(c.realm, "a\"b");
	assert_null(c.scope);
	ai_oci_challenge_done(&c);
	ok(ai_oci_challenge_parse("Basic realm=one", &c, &err));
	assert_true(!c.bearer && c.basic && !c.realm);
	ok(ai_oci_challenge_parse("", &c, &err));
	assert_true(!c.bearer && !c.basic);
	ok(ai_oci_challenge_parse("Digest realm=\"x\"", &c, &err));
	assert_true(!c.bearer && !c.basic && !c.realm);
	refused(AI_EINPUT, "cannot be read", ai_oci_challenge_parse("Bearer realm=\"x", &c, &err));
	refused(AI_EINPUT, "cannot be read", ai_oci_challenge_parse("Bearer realm=\"x\" (", &c, &err));
}

static void
answers(void **state)
{
	AI_FREE char *token = NULL;
	AI_FREE char *access = NULL;
	char *none = NULL, code[40];
	(void)state;
#define TEXT(s) s, strlen(s)
	ok(ai_oci_token_parse(TEXT("{\"token\":\"abc\",\"access_token\":\"def\",\"expires_in\":300}"), &token, &err));
	assert_string_equal(token, "abc");
	ok(ai_oci_token_parse(TEXT("{\"token\":\"\",\"access_token\":\"def\"}"), &access, &err));
	assert_string_equal(access, "def");
	refused(AI_EINPUT, "no token", ai_oci_token_parse(TEXT("{\"token\":null}"), &none, &err));
	refused(AI_EINPUT, "no header may", ai_oci_token_parse(TEXT("{\"token\":\"a\\r\\nHost: b\"}"), &none, &err));
	refused(AI_EINPUT, "no JSON object", ai_oci_token_parse(TEXT("\"s3cret"), &none, &err));
	assert_null(none);
	AI_FREE char *tags = ai_oci_tags_parse(TEXT("{\"name\":\"x\",\"tags\":[\"1\",\"2\"]}"));
	assert_string_equal(tags, "1, 2");
	assert_null(ai_oci_tags_parse(TEXT("{\"tags\":null}")));
	assert_null(ai_oci_tags_parse(TEXT("{\"tags\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1]}")));
	ai_oci_error_code(TEXT("{\"errors\":[{\"code\":\"NAME_UNKNOWN\",\"message\":\"m\"}]}"), code);
	assert_string_equal(code, "NAME_UNKNOWN");
	ai_oci_error_code(TEXT("{\"errors\":[{\"code\":\"hunter2\"}]}"), code);
	assert_string_equal(code, "");
	ai_oci_error_code(TEXT("<html>"), code);
	assert_string_equal(code, "");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(indexes), cmocka_unit_test(neither_index_nor_manifest), cmocka_unit_test(manifests), cmocka_unit_test(manifests_refused),
		cmocka_unit_test(configs), cmocka_unit_test(configs_small), cmocka_unit_test(configs_refused), cmocka_unit_test(challenges), cmocka_unit_test(answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
