/*
 * fuzz_vm_disk.c -- what of a measured run's disks is parsed: header, index, what stands beside a job and a result, raw git objects; and
 * what is made of a shelf's names and sizes.
 *
 * The first byte says which: h, i, j, r, g or s; of an index the second says where it lies, in blocks.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "vm/disk/aside.h"
#include "vm/disk/disk_parts.h"
#include "vm/disk/job_parts.h"
#include "vm/disk/result_parts.h"
#include "vm/disk/shelf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int holds)
{
	if (!holds)
		abort();
}

/* What is taken is what would be written for it, and lies within the disk. */
static void
header(const char *p, size_t n)
{
	enum { SIZE = 1 << 30 };
	unsigned char block[AI_DISK_BLOCK] = { 0 }, again[AI_DISK_BLOCK];
	struct ai_disk_header h;
	struct ai_err err = { 0 };
	memcpy(block, p, n < sizeof block ? n : sizeof block);
	if (ai_disk_header_parse(block, "job", SIZE, &h, &err) < 0)
		return;
	must(h.at >= AI_DISK_BLOCK && h.at <= SIZE && h.length <= SIZE - h.at);
	ai_disk_header_format(&h, again);
	must(memcmp(block, again, sizeof block) == 0);
}

/* Objects lie between header and index, none over another, and each is found by its name. */
static void
disk_index(uint64_t blocks, const char *p, size_t n)
{
	struct ai_disk_index x = { 0 };
	struct ai_err err = { 0 };
	uint64_t at = AI_DISK_BLOCK, end = blocks * AI_DISK_BLOCK, found;
	if (blocks == 0 || ai_disk_index_parse(p, n, end, &x, &err) < 0)
		return;
	for (size_t i = 0; i < x.n; i++) {
		const struct ai_disk_entry *e = &x.entries[i];
		struct ai_digest key;
		must(e->at == at && e->object.size <= end - at);
		at = ai_disk_aligned(at + e->object.size);
		ai_disk_key(e->object.type, e->object.name, &key);
		must(ai_idset_get(&x.names, &key, &found) && found == i);
		must(ai_disk_name_check(e->object.type, e->object.name, &e->object.sha256, &err) == 0);
	}
	must(at == end);
	ai_disk_index_done(&x);
}

static void
about(char which, const char *p, size_t n)
{
	AI_JSON *j = NULL;
	struct ai_err err = { 0 };
	struct ai_job_about job;
	struct ai_result_about result;
	if (ai_json_parse(p, n, "about", &j, &err) < 0 || !json_is_object(j))
		return;
	if (which == 'j') {
		must(ai_job_about_parse(j, &job, &err) == 0 || err.text[0]);
	} else if (ai_result_about_parse(j, &result, &err) == 0) {
		must(result.done == (result.code == 0) && (result.planned || result.n_steps == 0));
		for (size_t i = 0; result.done && i < result.n_steps; i++)
			must(result.steps[i].state == AI_STEP_EXECUTED);
		ai_result_about_done(&result);
	} else {
		must(err.text[0]);
	}
}

/* What is taken is spelled as git spells it. */
static void
git(const char *p, size_t n)
{
	const char *kind;
	size_t at;
	struct ai_err err = { 0 };
	if (ai_aside_git_parse(p, n, &kind, &at, &err) < 0)
		return;
	AI_FREE char *head = ai_format("%s %zu", kind, n - at);
	must(at <= n && head && strlen(head) + 1 == at && memcmp(head, p, at) == 0);
}

/* Ten bytes a file: how its id begins, and its size. What is taken fits, and what follows it can be counted. */
static void
shelf(const uint8_t *p, size_t n)
{
	enum { EACH = 10, MOST = 4096 };
	struct ai_err err = { 0 };
	AI_BUF_AUTO b = AI_BUF(AI_SHELF_MAX_IMAGE);
	uint64_t blocks = 0;
	n = n / EACH < MOST ? n / EACH : MOST;
	AI_FREE struct ai_shelf_file *files = ai_calloc(n + 1, sizeof *files);
	must(files != NULL);
	for (size_t i = 0; i < n; i++) {
		memcpy(files[i].id.b, p + i * EACH, 2);
		memcpy(&files[i].size, p + i * EACH + 2, 8);
		blocks += files[i].size / AI_DISK_BLOCK + (files[i].size % AI_DISK_BLOCK != 0);
	}
	if (ai_shelf_image(files, n, &b, &err) < 0) {
		must(err.text[0] && b.len == 0);
		return;
	}
	must(n > 0 && b.len > 0 && b.len % AI_DISK_BLOCK == 0 && b.len / AI_DISK_BLOCK + blocks <= UINT32_MAX);
	must(ai_verity_size(b.len / AI_DISK_BLOCK + blocks) % AI_DISK_BLOCK == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	if (size < 2)
		return 0;
	switch (p[0]) {
	case 'h': header(p + 1, size - 1); break;
	case 'i': disk_index(data[1] & 15, p + 2, size - 2); break;
	case 'j': case 'r': about(p[0], p + 1, size - 1); break;
	case 'g': git(p + 1, size - 1); break;
	case 's': shelf(data + 1, size - 1); break;
	default: break;
	}
	return 0;
}
