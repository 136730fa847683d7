/* plan_cache.c -- see plan_cache.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/plan/plan_cache.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "base/buf.h"
#include "base/names.h"
#include "model/node.h"

/* --- this program --------------------------------------------------------------- */

struct build { char *out; bool found; };

/* Of one note segment: the description of the GNU build id in it. */
static bool
find_note(const char *p, size_t n, char out[AI_HEX])
{
	while (n >= sizeof(ElfW(Nhdr))) {
		ElfW(Nhdr) h;
		memcpy(&h, p, sizeof h);
		size_t name = (h.n_namesz + 3u) & ~3u, desc = (h.n_descsz + 3u) & ~3u;
		if (name > n - sizeof h || desc > n - sizeof h - name)
			return false;
		const char *text = p + sizeof h;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && memcmp(text, "GNU", 4) == 0 && h.n_descsz >= 16 && h.n_descsz <= 32) {
			ai_hex_bytes(text + name, h.n_descsz, out);
			return true;
		}
		p += sizeof h + name + desc;
		n -= sizeof h + name + desc;
	}
	return false;
}

/* The object in which this very function lies: the program, or the library that is linked into another. */
static int
look_into(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct build *b = ctx;
	uintptr_t here = (uintptr_t)&ai_build_id;
	bool ours = false;
	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		ours = ours || (h->p_type == PT_LOAD && here - (info->dlpi_addr + h->p_vaddr) < h->p_memsz);
	}
	for (size_t i = 0; ours && !b->found && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		if (h->p_type == PT_NOTE)
			b->found = find_note((const char *)(uintptr_t)(info->dlpi_addr + h->p_vaddr), h->p_memsz, b->out);
	}
	return ours;
}

bool
ai_build_id(char out[AI_HEX])
{
	struct build b = { out, false };
	(void)dl_iterate_phdr(look_into, &b);
	return b.found;
}

/* --- the key ------------------------------------------------------------------------ */

static void
put(struct ai_sha *h, const char *what, const void *p, size_t n)
{
	uint64_t size = n;
	ai_sha_add(h, what, strlen(what) + 1);
	ai_sha_add(h, &size, sizeof size);
	ai_sha_add(h, p, n);
}

static void
put_text(struct ai_sha *h, const char *what, const char *text)
{
	put(h, what, text ? text : "", text ? strlen(text) + 1 : 0);
}

static int
put_json(struct ai_sha *h, const char *what, const json_t *j, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (j && (ai_canon(j, &b, err) < 0 || ai_buf_ok(&b, what, err) < 0))
		return err->code;
	put(h, what, b.data, b.len);
	return 0;
}

static int
put_all(struct ai_sha *h, const char *build, const struct ai_plan_in *in, struct ai_err *err)
{
	put_text(h, "build", build);
	put(h, "aicertfile", in->aicertfile, in->aicertfile_len);
	put(h, in->lock ? "lock" : "no lock", in->lock, in->lock ? in->lock_len : 0);
	put_text(h, "platform", in->platform);
	for (size_t i = 0; i < in->n_rules; i++) {
		put_text(h, "rule", in->rules[i].name);
		put(h, "text", in->rules[i].text, in->rules[i].len);
	}
	for (size_t i = 0; i < in->n_sources; i++) {
		struct ai_digest id;
		if (ai_json_id(in->sources[i].node, &id, err) < 0)
			return err->code;
		put_text(h, "source", in->sources[i].name);
		put(h, "is", id.b, sizeof id.b);
	}
	return put_json(h, "parameters", in->parameters, err) < 0 ? err->code : put_json(h, "gpus", in->gpus, err);
}

int
ai_plan_key(const struct ai_plan_in *in, struct ai_digest *out, struct ai_err *err)
{
	char build[AI_HEX];
	struct ai_sha h;
	if (!ai_build_id(build))
		return 0;
	if (ai_sha_init(&h, err) < 0)
		return err->code;
	if (put_all(&h, build, in, err) < 0) {
		ai_sha_done(&h);
		return err->code;
	}
	ai_sha_end(&h, out);
	return 1;
}

/* --- what a plan says of itself --------------------------------------------------------- */

static bool
names(const json_t *plan, const char *what, const char *p, size_t n)
{
	struct ai_digest said, is;
	ai_sha256(n ? p : "", n, &is);
	return ai_json_digest(plan, what, &said) && ai_digest_eq(&said, &is);
}

/* Does the plan list these sources and no others? */
static bool
lists_sources(const json_t *plan, const struct ai_plan_in *in, struct ai_err *err)
{
	const json_t *list = ai_json_arr(plan, "sources");
	struct ai_names listed = { 0 };
	size_t i, at;
	json_t *s;
	bool good = json_array_size(list) == in->n_sources;
	json_array_foreach(list, i, s)
		good = good && ai_json_str(s, "name") && ai_names_put(&listed, ai_json_str(s, "name"), strlen(ai_json_str(s, "name")), i, err) == 1;
	for (i = 0; good && i < in->n_sources; i++) {
		const struct ai_plan_source *is = &in->sources[i];
		struct ai_digest said, id;
		good = ai_names_find(&listed, is->name, strlen(is->name), &at) && ai_json_digest(json_array_get(list, at), "id", &said) &&
			ai_json_id(is->node, &id, err) == 0 && ai_digest_eq(&said, &id);
	}
	ai_names_done(&listed);
	return good;
}

bool
ai_plan_is_of(const json_t *plan, const struct ai_plan_in *in)
{
	struct ai_err quiet = { 0 };
	return ai_node_kind(plan) == AI_KIND_PLAN && names(plan, "aicertfile", in->aicertfile, in->aicertfile_len) &&
		names(plan, "lock", in->lock, in->lock ? in->lock_len : 0) && lists_sources(plan, in, &quiet);
}
