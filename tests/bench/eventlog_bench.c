/*
 * eventlog_bench -- microseconds of a boot log parsed and replayed, beside the SHA-256 of its bytes alone.
 *
 *     eventlog_bench RUNS [FILE]
 *
 * Without FILE a log of 60 KB is made that is shaped as GRUB's machines write theirs: 150 events, most of them short, and a
 * revocation list of 17 KB. Both sides in turn; prints the least of each, and of the facts in words: replay hash facts bytes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/eventlog/eventlog.h"
#include "base/buf.h"
#include "base/fs.h"

static double
now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
put32(struct ai_buf *b, uint32_t v)
{
	const uint8_t le[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };
	ai_buf_put(b, le, 4);
}

/* The digest is of the data, so that the facts are believed and cost what they cost. */
static void
put_event(struct ai_buf *b, uint32_t pcr, uint32_t type, const char *data, size_t n)
{
	struct ai_digest d;
	ai_sha256(data, n, &d);
	put32(b, pcr);
	put32(b, type);
	put32(b, 1);
	ai_buf_put(b, "\13\0", 2);
	ai_buf_put(b, d.b, 32);
	put32(b, (uint32_t)n);
	ai_buf_put(b, data, n);
}

static void
make_log(struct ai_buf *b)
{
	static char data[17 << 10];
	static const char head[] = "Spec ID Event03\0\0\0\0\0\0\2\0\2\1\0\0\0\13\0\40\0";
	memset(data, 'x', sizeof data);
	put32(b, 0);
	put32(b, 3);
	for (int i = 0; i < 5; i++)
		put32(b, 0);
	put32(b, sizeof head);
	ai_buf_put(b, head, sizeof head);
	put_event(b, 7, 0x80000001u, data, sizeof data);
	for (uint32_t i = 0; b->len < 60000; i++)
		put_event(b, i % 10, i % 10 < 8 ? 0x80000007u : 0xd, data, 20 + i * 61 % 440);
}

static int
replay(const struct ai_buf *b, bool words, struct ai_err *err)
{
	struct ai_eventlog log;
	struct ai_pcr_value pcrs[AI_LOG_PCRS];
	uint32_t mask;
	AI_JSON *facts = NULL;
	if (ai_eventlog_parse((const uint8_t *)b->data, b->len, true, &log, err) < 0)
		return err->code;
	uint16_t bank = log.banks[log.n_banks > 1 ? 1 : 0];
	int r = words ? ai_eventlog_facts(&log, bank, &facts, err) : ai_eventlog_replay(&log, bank, pcrs, &mask, err);
	ai_eventlog_done(&log);
	return r;
}

enum { REPLAY, HASH, FACTS, SIDES };

static int
timed(int side, const struct ai_buf *b, double least[SIDES], struct ai_err *err)
{
	struct ai_digest d;
	int r = 0;
	double t = now_us();
	if (side == HASH)
		ai_sha256(b->data, b->len, &d);
	else
		r = replay(b, side == FACTS, err);
	t = now_us() - t;
	least[side] = t < least[side] ? t : least[side];
	return r;
}

int
main(int argc, char **argv)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_BOOT_LOG);
	struct ai_err err = { 0 };
	double least[SIDES] = { 1e9, 1e9, 1e9 };
	if (argc < 2)
		return 2;
	int r = 0;
	if (argc > 2)
		r = ai_read_file(AT_FDCWD, argv[2], &b, &err);
	else
		make_log(&b);
	long long runs = strtoll(argv[1], NULL, 10);
	for (long long i = 0; r == 0 && i < runs; i++)
		for (int side = REPLAY; side <= HASH && r == 0; side++)
			r = timed(side, &b, least, &err);
	/* Apart: the memory that it frees would be given back and asked for again by what comes after it. */
	for (long long i = 0; r == 0 && i < runs / 10 + 1; i++)
		r = timed(FACTS, &b, least, &err);
	if (r < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("%.2f %.2f %.2f %zu\n", least[REPLAY], least[HASH], least[FACTS], b.len);
	return 0;
}
