/*
 * client.c -- a program of somebody else's: only aicert.h, linked by pkg-config. tests/api/test_api.py builds and runs it.
 *
 *   client verify PROOF LEVEL        prints the answer's code, then error text and hint, then the report
 *   client edges PROOF               the corners of aicert_verify: options of other sizes, nothing to answer into, bytes without an end
 *   client run CLONE COMMIT          (with -DFULL) runs the project in the present folder and verifies what came out
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <aicert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
answer(int code, const aicert_error *error, char *report)
{
	printf("%d\n%s\n%s\n%s\n", code, code ? error->text : "", code ? error->hint : "", report ? report : "");
	aicert_free(report);
	return 0;
}

static int
verify(const char *proof, const char *level)
{
	aicert_verify_options o = { .size = sizeof o };
	aicert_error error;
	char *report = NULL;
	o.require = level;
	int code = aicert_verify_file(proof, &o, &report, &error);
	return answer(code, &error, report);
}

/* The file's bytes in a block of just their size, so that a sanitizer sees a read behind them. */
static char *
slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END) < 0)
		return NULL;
	*n = (size_t)ftell(f);
	rewind(f);
	char *bytes = malloc(*n);
	size_t got = bytes ? fread(bytes, 1, *n, f) : 0;
	fclose(f);
	return got == *n ? bytes : NULL;
}

#define EXPECT(what) do { if (!(what)) { printf("%d: %s\n", __LINE__, #what); return 1; } } while (0)

static int
edges(const char *path)
{
	size_t n = 0;
	char *proof = slurp(path, &n), *report = NULL;
	aicert_error error;
	aicert_verify_options o = { .size = sizeof o };
	EXPECT(proof && strcmp(aicert_version(), VERSION) == 0);

	/* Whoever asks for nothing in particular asks for the most. */
	EXPECT(aicert_verify(proof, n, NULL, &report, &error) == AICERT_NO && report && error.code == AICERT_NO);
	EXPECT(strstr(error.text, "measured-platform"));
	aicert_free(report);
	EXPECT(aicert_verify(proof, n, NULL, NULL, NULL) == AICERT_NO);
	o.require = "software";
	EXPECT(aicert_verify(proof, n, &o, NULL, &error) == AICERT_OK && error.code == 0 && !error.text[0] && !error.hint[0]);

	/* A caller that was compiled with an older header knows only the first fields; one with a newer header is told. */
	o.size = offsetof(aicert_verify_options, keys);
	o.n_keys = 1000;
	EXPECT(aicert_verify(proof, n, &o, NULL, &error) == AICERT_OK);
	o.size = sizeof o + 8;
	report = NULL;
	EXPECT(aicert_verify(proof, n, &o, &report, &error) == AICERT_USAGE && !report);
	o.size = 0;
	EXPECT(aicert_verify(proof, n, &o, &report, &error) == AICERT_USAGE && !report);

	EXPECT(aicert_verify(proof, n - 2, NULL, &report, &error) == AICERT_INPUT && !report && error.text[0]);
	EXPECT(aicert_verify("", 0, NULL, &report, &error) == AICERT_INPUT && !report);
	EXPECT(aicert_verify_file("/nowhere/proof.json", NULL, &report, &error) == AICERT_INPUT && !report);
	EXPECT(aicert_hash(path, &report, &error) == AICERT_OK && strstr(report, "blob"));
	aicert_free(report);
	aicert_free(NULL);
	free(proof);
	return puts("good") < 0;
}

#ifdef FULL
static int lines;

static void
say(void *ctx, int kind, const char *text, unsigned long long done, unsigned long long total)
{
	(void)text, (void)done, (void)total;
	if (ctx == &lines && kind == 0)
		lines++;
}

static int
run(const char *clone, const char *commit)
{
	aicert_run_options o = { .size = sizeof o };
	aicert_error error;
	char *report = NULL, *path = NULL, *why = NULL, *id = NULL;
	o.proof = "by-client.json";
	o.say = say;
	o.ctx = &lines;
	if (aicert_run(&o, &report, &error) < 0)
		return answer(error.code, &error, NULL);
	EXPECT(lines > 0 && strstr(report, "\"executed\": 1"));
	EXPECT(aicert_log(&o, NULL, &path, &error) == AICERT_OK && path[0] == '/');
	EXPECT(aicert_why(&o, NULL, &why, &error) == AICERT_OK && strstr(why, "\"would\""));
	EXPECT(aicert_hash_commit(clone, commit, &id, &error) == AICERT_OK && strlen(id) == 64);
	EXPECT(aicert_lock(&o, "nothing", 1, &error) == AICERT_USAGE && error.text[0]);
	o.size = sizeof o + 8;
	EXPECT(aicert_run(&o, NULL, &error) == AICERT_USAGE);
	aicert_free(report);
	aicert_free(path);
	aicert_free(why);
	aicert_free(id);
	return verify("by-client.json", "software");
}
#endif

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "verify") == 0)
		return verify(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "edges") == 0)
		return edges(argv[2]);
#ifdef FULL
	if (argc == 4 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv[3]);
#endif
	return 2;
}
