/*
 * fuzz_vm_pins.c -- any bytes as what the runner's builder reads: 0 a pins file (read, written and read again it is the same), 1 what apt prints (what is
 * taken from it makes a pins file), 2 a kernel module, 3 a package of Debian. The first byte says which.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fetch/archive_deb.h"
#include "vm/build/build_parts.h"
#include "vm/build/packages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
as_pins(const char *text, size_t n)
{
	struct ai_err err = { 0 };
	AI_JSON *pins = NULL;
	AI_JSON *again = NULL;
	AI_BUF_AUTO one = AI_BUF(AI_PINS_MAX);
	AI_BUF_AUTO two = AI_BUF(AI_PINS_MAX);
	int r = ai_pins_parse(text, n, "pins", &pins, &err);
	if (r < 0) {
		if (r != AI_EINPUT || pins || !err.text[0])
			abort();
		return;
	}
	if (ai_pins_text(pins, &one, &err) < 0 || ai_pins_parse(one.data, one.len, "pins", &again, &err) < 0 || ai_pins_text(again, &two, &err) < 0)
		abort();
	if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
		abort();
}

static void
as_listed(const char *text, size_t n)
{
	struct ai_err err = { 0 };
	AI_JSON *list = json_array();
	if (ai_packages_listed(text, n, list, &err) < 0 && (err.code != AI_EENV || !err.text[0]))
		abort();
}

static int
take(void *ctx, const char *name, size_t len, struct ai_err *err)
{
	/* Every byte of it can be read. */
	size_t *sum = ctx;
	(void)err;
	for (size_t i = 0; i < len; i++)
		*sum += (unsigned char)name[i];
	return 0;
}

static void
as_module(const char *bytes, size_t n)
{
	struct ai_err err = { 0 };
	size_t sum = 0;
	/* Memory of its own, so that a step beyond its end is seen. */
	AI_FREE char *copy = malloc(n ? n : 1);
	if (!copy)
		abort();
	memcpy(copy, bytes, n);
	if (ai_modinfo_depends(copy, n, take, &sum, &err) < 0 && (err.code != AI_EINPUT || !err.text[0]))
		abort();
}

static int open_objects;

static int
begin(void *ctx, void **obj, struct ai_err *err)
{
	(void)ctx;
	(void)err;
	open_objects++;
	*obj = &open_objects;
	return 0;
}

static int
write_some(void *obj, const void *p, size_t n, struct ai_err *err)
{
	(void)obj;
	(void)p;
	(void)n;
	(void)err;
	return 0;
}

static int
commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	(void)obj;
	(void)size_out;
	(void)err;
	open_objects--;
	memset(out, 1, sizeof *out);
	return 0;
}

static void
give_up(void *obj)
{
	(void)obj;
	open_objects--;
}

/* Every name and target in a tree keeps its rules, or this refuses. */
static int
tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_tree_bytes(entries, n, &b, err) < 0)
		abort();
	ai_sha256(b.data, b.len, out);
	return 0;
}

static void
as_deb(const void *bytes, size_t n)
{
	static const struct ai_sink sink = { NULL, begin, write_some, commit, give_up, NULL, tree, NULL };
	struct ai_err err = { 0 };
	struct ai_digest id;
	struct ai_debs *d;
	AI_FD fd = memfd_create("deb", MFD_CLOEXEC);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || ai_debs_new(&sink, NULL, &d, &err) < 0)
		abort();
	int r = ai_debs_apply(d, fd, &err);
	if (r < 0 && (r != err.code || (r != AI_EINPUT && r != AI_EENV) || !err.text[0]))
		abort();
	if (r == 0 && ai_debs_tree(d, &id, &err) < 0)
		abort();
	ai_debs_free(d);
	if (open_objects != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0] & 3) {
	case 0: as_pins((const char *)data + 1, size - 1); break;
	case 1: as_listed((const char *)data + 1, size - 1); break;
	case 2: as_module((const char *)data + 1, size - 1); break;
	default: as_deb(data + 1, size - 1);
	}
	return 0;
}
