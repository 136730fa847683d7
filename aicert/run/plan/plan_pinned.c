/* plan_pinned.c -- sources whose content follows from their pins: source rules, lists of URLs, archives (plan_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/lock.h"
#include "model/lock_files.h"
#include "run/plan/plan_parts.h"

static int
differs(const struct plan *p, const struct ai_input *in, const char *what, const char *got, const char *want)
{
	return ai_fail(p->err, AI_EINPUT, "%s:%d:%d: input '%s': %s: got %s, expected %s", p->in->file, in->line, in->column, in->name, what,
		got ? got : "none", want ? want : "none");
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What the pin says of its content is what the source has. */
static int
check_content(const struct plan *p, const struct ai_input *in, const json_t *node, const json_t *pin)
{
	struct ai_ref want, got;
	char want_hex[AI_HEX], got_hex[AI_HEX];
	int r = ai_pin_content(pin, &want, p->err);
	if (r <= 0)
		return r;
	if (ai_ref_get(ai_json_obj(node, "content"), &got, p->err) < 0)
		return p->err->code;
	if (ai_ref_eq(&got, &want))
		return 0;
	ai_hex(&got.id, got_hex);
	ai_hex(&want.id, want_hex);
	return differs(p, in, got.type == want.type ? "content" : want.type == AI_REF_TREE ? "content, a folder" : "content, a file", got_hex, want_hex);
}

int
ai_plan_check_resolved(const struct plan *p, const struct ai_input *in, const json_t *node, const json_t *pin)
{
	static const char *const fields[] = { "uri", "ref", "revision" };
	size_t rule;
	if (!ai_names_find(&p->rule_names, in->use, strlen(in->use), &rule))
		return ai_fail(p->err, AI_EUSAGE, "%s:%d:%d: input '%s': there is no rule '%s'", p->in->file, in->line, in->column, in->name, in->use);
	p->rule_used[rule] = true;
	if (!same_text(ai_json_str(node, "type"), in->use))
		return differs(p, in, "type", ai_json_str(node, "type"), in->use);
	for (size_t i = 0; pin && i < sizeof fields / sizeof *fields; i++)
		if (!same_text(ai_json_str(node, fields[i]), ai_json_str(pin, fields[i])))
			return differs(p, in, fields[i], ai_json_str(node, fields[i]), ai_json_str(pin, fields[i]));
	return pin ? check_content(p, in, node, pin) : 0;
}

int
ai_plan_check_urls(const struct plan *p, const struct ai_input *in, const json_t *node, const json_t *pin)
{
	/* Of an archive the Aicertfile knows the packed bytes; what is in them, the pin. */
	if (in->unpack && in->sha256 && !same_text(ai_json_str(pin, "sha256"), in->sha256))
		return differs(p, in, "sha256", ai_json_str(pin, "sha256"), in->sha256);
	for (size_t i = 0; in->sha256s && i < in->n_urls; i++) {
		AI_FREE char *path = ai_url_file_name(in->urls[i]);
		const char *got = path ? ai_json_str(ai_files_find(ai_json_arr(pin, "files"), path), "sha256") : NULL;
		if (in->sha256s[i] && !same_text(got, in->sha256s[i]))
			return differs(p, in, path ? path : "sha256", got, in->sha256s[i]);
	}
	return check_content(p, in, node, pin);
}
