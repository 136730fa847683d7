/* test_s3.c -- signatures of Amazon's own examples, credentials files, URIs and listings.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/s3.h"
#include "unit.h"

/* "Authenticating Requests: Using the Authorization Header", Amazon S3 API reference. */
static void
amazons_examples(void **state)
{
	(void)state;
	static const struct { const char *query, *signature; } cases[] = {
		{ "max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
		{ "lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	};
	struct ai_s3_keys keys = { (char *)"AKIAIOSFODNN7EXAMPLE", (char *)"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char got[AI_S3_AUTHORIZATION], want[AI_S3_AUTHORIZATION];
		const struct ai_s3_get get = { "examplebucket.s3.amazonaws.com", "/", cases[i].query, "us-east-1", 1369353600 };
		ok(ai_s3_sign(&get, &keys, got, &err));
		snprintf(want, sizeof want, "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
			"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=%s", cases[i].signature);
		assert_string_equal(got, want);
	}
}

static void
credentials_files(void **state)
{
	(void)state;
	static const char text[] = "# mine\n[other]\naws_access_key_id = OTHER\naws_secret_access_key=o\n\n[default]\r\n  aws_access_key_id=AKID\r\n"
		"aws_secret_access_key = a/b+c=\r\nregion = eu-west-1\n[profile x]\naws_access_key_id=NO\n[half]\naws_access_key_id=HALF\n"
		"[long]\naws_access_key_id=L\naws_secret_access_key=l\naws_session_token=tok";
	static const struct { const char *profile, *id, *secret, *session; } cases[] = {
		{ "default", "AKID", "a/b+c=", NULL }, { "other", "OTHER", "o", NULL }, { "long", "L", "l", "tok" }, { "half", NULL, NULL, NULL }, { "none", NULL, NULL, NULL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_s3_keys k = { NULL, NULL, NULL };
		struct ai_err err = { 0 };
		assert_int_equal(ai_s3_keys_read(text, sizeof text - 1, cases[i].profile, &k, &err), cases[i].id != NULL);
		if (!cases[i].id)
			continue;
		assert_string_equal(k.id, cases[i].id);
		assert_string_equal(k.secret, cases[i].secret);
		assert_true(cases[i].session ? strcmp(k.session, cases[i].session) == 0 : !k.session);
		ai_s3_keys_done(&k);
	}
	for (size_t cut = 0; cut < sizeof text; cut++) {
		struct ai_s3_keys k = { NULL, NULL, NULL };
		struct ai_err err = { 0 };
		char *copy = malloc(cut + 1);
		memcpy(copy, text, cut);
		if (ai_s3_keys_read(copy, cut, "long", &k, &err) == 1)
			ai_s3_keys_done(&k);
		free(copy);
	}
}

static void
places(void **state)
{
	(void)state;
	static const char *const variables[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
		"AWS_ENDPOINT_URL_S3", "AWS_PROFILE" };
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		unsetenv(variables[i]);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
	static const struct { const char *uri, *url; } cases[] = {
		{ "s3://my-bucket/a/b.bin", "https://my-bucket.s3.us-east-1.amazonaws.com/a/b.bin" },
		{ "s3://my.bucket/a%20b", "https://s3.us-east-1.amazonaws.com/my.bucket/a%20b" },
		{ "s3://my-bucket/a+b%2Fc%C3%BC?region=eu-west-3", "https://my-bucket.s3.eu-west-3.amazonaws.com/a%2Bb/c%C3%BC" },
		{ "s3://my-bucket/a?versionId=x%2By", "https://my-bucket.s3.us-east-1.amazonaws.com/a?versionId=x%2By" },
		{ "s3://my-bucket/?list", "https://my-bucket.s3.us-east-1.amazonaws.com/?list-type=2&max-keys=1000" },
		{ "s3://my-bucket/?list&prefix=a%2Fb&after=a%2Fb%26", "https://my-bucket.s3.us-east-1.amazonaws.com/?list-type=2&max-keys=1000&prefix=a%2Fb&start-after=a%2Fb%26" },
		{ "s3+https://minio.example.org:9000/B_x/k", "https://minio.example.org:9000/B_x/k" },
		{ "s3+https://minio.example.org:443/b/k", "https://minio.example.org/b/k" },
		{ "s3+http://127.0.0.1:80/b/", "http://127.0.0.1/b/" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_place p;
		ok(ai_s3_place(cases[i].uri, &p, &err));
		assert_string_equal(p.url, cases[i].url);
		assert_int_equal(p.n_headers, 0);
		ai_place_done(&p);
	}
	static const char *const none[] = { "s3://", "s3:///k", "s3://ab/k", "s3://Bucket/k", "s3://my-bucket/../k", "s3://my-bucket/a/./k", "s3://-ab/k", "s3://a..b/k", "s3+https:///b/k",
		"s3+https://u@h/b/k", "s3://my-bucket/k?region=x/y", "s3://my_bucket/k", "s3+https://host" };
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		struct ai_place p = { .url = (char *)"untouched" };
		struct ai_err err = { 0 };
		if (ai_s3_place(none[i], &p, &err) != AI_EINPUT)
			fail_msg("'%s' is taken", none[i]);
		assert_string_equal(p.url, "untouched");
	}
	setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	setenv("AWS_SESSION_TOKEN", "t", 1);
	struct ai_place p;
	ok(ai_s3_place("s3://my-bucket/k", &p, &err));
	assert_int_equal(p.n_headers, 4);
	ai_place_done(&p);
	setenv("AWS_SESSION_TOKEN", "t\r\nEvil: x", 1);
	refused(AI_EINPUT, "holds what no header can", ai_s3_place("s3://my-bucket/k", &p, &err));
}

static int
listing(const char *xml, json_t **out, struct ai_err *err)
{
	return ai_s3_listing(xml, strlen(xml), out, err);
}

#define bad(words, xml) do { json_t *kept = (json_t *)0xaa; refused(AI_EINPUT, words, listing(xml, &kept, &err)); assert_ptr_equal(kept, (json_t *)0xaa); } while (0)
#define R(body) "<ListBucketResult>" body "</ListBucketResult>"

static void
listings(void **state)
{
	(void)state;
	json_t *j = NULL;
	AI_BUF_AUTO b = AI_BUF(4096);
	ok(listing("\xef\xbb\xbf<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://x/>\"><Name>n</Name><Delimiter/><IsTruncated>true</IsTruncated>\n"
		"<Contents><Key>a&amp;b/&#xfc;&#252;\xc3\xbc</Key><Size>12</Size><ETag>&quot;e&quot;</ETag><Owner><ID>i</ID><Key>no</Key></Owner></Contents>"
		"<Contents><Key>&lt;x&gt;</Key><Size>0</Size></Contents></ListBucketResult>\n", &j, &err));
	ok(ai_canon(j, &b, &err));
	assert_string_equal(b.data, "{\"files\":[{\"etag\":\"\\\"e\\\"\",\"key\":\"a&b/\xc3\xbc\xc3\xbc\xc3\xbc\",\"size\":12},{\"key\":\"<x>\",\"size\":0}],\"more\":true}");
	json_decref(j);
	ok(listing(R(""), &j, &err));
	json_decref(j);
	bad("cut off", "");
	bad("cut off", "<ListBucketResult><Contents>");
	bad("cut off", "<ListBucketResult");
	bad("cut off", "<?xml");
	bad("an error", "<Error><Code>x</Code></Error>");
	bad("expected a ListBucketResult", "<html><body/></html>");
	bad("do not nest", "<ListBucketResult></Other>");
	bad("behind the end", R("") "<x/>");
	bad("outside", "text" R(""));
	bad("without a name", "<!DOCTYPE x [<!ENTITY a \"b\">]>" R(""));
	bad("without a name", R("<![CDATA[x]]>"));
	bad("none of the five", R("<Contents><Key>&a;</Key></Contents>"));
	bad("number", R("&#0;"));
	bad("number", R("&#xd800;"));
	bad("number", R("&#99999999;"));
	bad("too deep", "<ListBucketResult><a><a><a><a><a><a><a><a>");
	bad("without key or size", R("<Contents><Key>k</Key></Contents>"));
	bad("without key or size", R("<Contents/>"));
	bad("no number", R("<Contents><Size>1x</Size></Contents>"));
	bad("two names", R("<Contents><Key>a</Key><Key>b</Key></Contents>"));
	bad("not UTF-8", R("<Contents><Key>\xff</Key></Contents>"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(amazons_examples), cmocka_unit_test(credentials_files), cmocka_unit_test(places), cmocka_unit_test(listings) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
