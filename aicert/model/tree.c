/* tree.c -- see tree.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/node.h"

static const char *const words[] = { "file", "exec", "dir", "link" }; /* as ai_entry_type counts */

const char *
ai_entry_word(ai_entry_type type)
{
	return words[type];
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct ai_entry *)a)->name, ((const struct ai_entry *)b)->name);
}

/* A JSON string of text that holds no control characters: only the quote and the backslash need an escape. */
static void
put_string(struct ai_buf *b, const char *s)
{
	ai_buf_putc(b, '"');
	for (;;) {
		size_t n = strcspn(s, "\"\\");
		ai_buf_put(b, s, n);
		if (!s[n])
			break;
		ai_buf_putc(b, '\\');
		ai_buf_putc(b, s[n]);
		s += n + 1;
	}
	ai_buf_putc(b, '"');
}

static int
check_target(const struct ai_entry *e, struct ai_err *err)
{
	size_t n = e->target ? strlen(e->target) : 0;
	bool control = false;
	for (size_t i = 0; i < n; i++)
		control |= (unsigned char)e->target[i] < 0x20 || e->target[i] == 0x7f;
	if (n == 0 || n > 4095 || control || !ai_utf8_valid(e->target, n))
		return ai_fail(err, AI_EINPUT, "link '%s': its target is empty, longer than 4095 bytes, not UTF-8 or holds a control character", e->name);
	return 0;
}

static int
put_entry(const struct ai_entry *e, struct ai_buf *out, struct ai_err *err)
{
	if (ai_name_check(e->name, err) < 0)
		return err->code;
	if (e->type == AI_ENTRY_LINK) {
		if (check_target(e, err) < 0)
			return err->code;
		ai_buf_puts(out, "{\"name\":");
		put_string(out, e->name);
		ai_buf_puts(out, ",\"target\":");
		put_string(out, e->target);
	} else {
		char hex[AI_HEX];
		ai_hex(&e->id, hex);
		ai_buf_printf(out, "{\"id\":\"%s\",\"name\":", hex);
		put_string(out, e->name);
	}
	ai_buf_printf(out, ",\"type\":\"%s\"}", words[e->type]);
	return 0;
}

int
ai_tree_bytes(struct ai_entry *entries, size_t n, struct ai_buf *out, struct ai_err *err)
{
	if (n > 1)
		qsort(entries, n, sizeof *entries, by_name);
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	ai_buf_puts(&b, "{\"entries\":[");
	for (size_t i = 0; i < n; i++) {
		if (i && by_name(&entries[i - 1], &entries[i]) == 0)
			return ai_fail(err, AI_EINPUT, "folder: two entries are named '%s'", entries[i].name);
		if (i)
			ai_buf_putc(&b, ',');
		if (put_entry(&entries[i], &b, err) < 0)
			return err->code;
	}
	ai_buf_puts(&b, "],\"kind\":\"tree\"}");
	if (ai_buf_ok(&b, "folder", err) < 0)
		return err->code;
	ai_buf_put(out, b.data, b.len);
	return ai_buf_ok(out, "folder", err);
}

static int
get_entry(const json_t *j, struct ai_entry *e, struct ai_err *err)
{
	const char *type = ai_json_str(j, "type"), *target = ai_json_str(j, "target");
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(type, words[i]) == 0)
			e->type = (ai_entry_type)i;
	e->name = ai_strdup(ai_json_str(j, "name"));
	e->target = target ? ai_strdup(target) : NULL;
	if (!e->name || (target && !e->target))
		return ai_nomem(err);
	if (!target && !ai_json_digest(j, "id", &e->id))
		return ai_fail(err, AI_EINPUT, "entry '%s': no id", e->name);
	return 0;
}

int
ai_tree_parse(const char *bytes, size_t len, struct ai_entry **out, size_t *n_out, struct ai_err *err)
{
	AI_JSON *node = NULL;
	if (ai_json_parse(bytes, len, "tree", &node, err) < 0)
		return err->code;
	if (ai_node_kind(node) != AI_KIND_TREE)
		return ai_fail(err, AI_EINPUT, "tree: its kind is not 'tree'");
	if (ai_node_check(node, err) < 0)
		return err->code;
	const json_t *list = ai_json_arr(node, "entries");
	size_t n = json_array_size(list);
	struct ai_entry *entries = ai_calloc(n ? n : 1, sizeof *entries);
	if (!entries)
		return ai_nomem(err);
	AI_BUF_AUTO again = AI_BUF(AI_MAX_NODE);
	for (size_t i = 0; i < n; i++)
		if (get_entry(json_array_get(list, i), &entries[i], err) < 0)
			goto fail;
	/* The same tree in other bytes (white space, escapes) would have another id. */
	if (ai_tree_bytes(entries, n, &again, err) < 0)
		goto fail;
	if (again.len != len || memcmp(again.data, bytes, len) != 0) {
		(void)ai_fail(err, AI_EINPUT, "tree: its bytes are not canonical");
		goto fail;
	}
	*out = entries;
	*n_out = n;
	return 0;
fail:
	ai_entries_free(entries, n);
	return err->code;
}

void
ai_entries_free(struct ai_entry *entries, size_t n)
{
	for (size_t i = 0; entries && i < n; i++) {
		free(entries[i].name);
		free(entries[i].target);
	}
	free(entries);
}
