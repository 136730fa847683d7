/*
 * fuzz_answer.c -- any bytes as what a server says to a source rule: a pin that is checked, or an error with its text. The rule hands on all that
 * it finds, so that nothing but the engine's own checks stands between the server and the pin.
 *
 * Each question has a Lua state of its own, which compiles lua/ anew: two milliseconds. What is no JSON, as most mutations are, is refused by the same few
 * lines whatever it is; so of these one in sixteen is asked about, and the time is left for the others.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/pin.h"
#include "rule/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "return source { name = 'hub', attrs = {}, resolve = function(a, net)\n"
	"  local said = net.json('https://hub.test/')\n"
	"  local which = type(said) == 'table' and said.pin\n"
	"  if which == 'git' then return pin.git(said.given) end\n"
	"  if which == 'url' then return pin.url(said.given) end\n"
	"  return pin.files(which == 'files' and said.given or said)\n"
	"end }";

struct input {
	const uint8_t *data;
	size_t size;
};

static int
get(void *ctx, const char *url, const json_t *headers, size_t max, struct ai_buf *body, json_t **answer, struct ai_err *err)
{
	const struct input *in = ctx;
	(void)headers;
	if (in->size > max)
		return ai_fail(err, AI_EINPUT, "%s: too long", url);
	ai_buf_put(body, in->data, in->size);
	*answer = json_pack("{s:i,s:s,s:{}}", "status", 200, "url", url, "headers");
	return *answer ? 0 : ai_nomem(err);
}

/* Is it worth a state? */
static bool
is_worth(const uint8_t *data, size_t size)
{
	unsigned sum = 0;
	json_t *j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	struct ai_err err = { 0 };
	/* The same bytes as a pin, without a rule that made it. */
	if (j && ai_pin_check(j, &err) < 0 && !*err.text)
		abort();
	json_decref(j);
	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + data[i];
	return j || sum % 16 == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ai_rule_text rule = { (char *)(uintptr_t)"hub", (char *)(uintptr_t)text, sizeof text - 1 };
	struct ai_yaml attrs = { .type = AI_YAML_MAP, .line = 1, .column = 1 };
	const struct ai_input input = { .name = (char *)(uintptr_t)"x", .use = rule.name, .attrs = &attrs, .line = 1, .column = 1 };
	struct input in = { data, size };
	const struct ai_source_net net = { get, &in };
	struct ai_err err = { 0 }, again = { 0 };
	json_t *pin = NULL;
	if (!is_worth(data, size))
		return 0;
	int rc = ai_source_resolve(&rule, "Aicertfile", &input, &net, &pin, &err);
	if (rc < 0 && (pin || !*err.text || err.code != rc))
		abort();
	if (rc == 0 && (!pin || ai_pin_check(pin, &again) < 0))
		abort();
	const json_t *f;
	size_t i;
	json_array_foreach(ai_json_arr(pin, "files"), i, f)
		if (ai_relpath_check(ai_json_str(f, "path"), &again) < 0)
			abort();
	json_decref(pin);
	return 0;
}
