/* result_parts.c -- see result_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/disk/result_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char *const words[] = { [AI_STEP_WAITING] = "waiting", [AI_STEP_EXECUTED] = "executed", [AI_STEP_REUSED] = "reused",
	[AI_STEP_FAILED] = "failed" };

const char *
ai_result_state_word(ai_step_state state)
{
	return words[state];
}

/* A text for people: not empty, no control characters, shorter than max. */
static bool
is_text(const char *s, size_t max)
{
	size_t n = s ? strlen(s) : 0;
	bool good = n > 0 && n < max;
	for (; good && *s; s++)
		good = (unsigned char)*s >= 0x20 && *s != 0x7f;
	return good;
}

static int
parse_state(const char *word, ai_step_state *out, struct ai_err *err)
{
	static const ai_step_state states[] = { AI_STEP_WAITING, AI_STEP_EXECUTED, AI_STEP_FAILED };
	for (size_t i = 0; word && i < sizeof states / sizeof *states; i++)
		if (strcmp(word, words[states[i]]) == 0) {
			*out = states[i];
			return 0;
		}
	return ai_fail(err, AI_EINPUT, "state '%.32s': expected waiting, executed or failed", word ? word : "");
}

static int
parse_step(const json_t *j, struct ai_result_step *out, struct ai_err *err)
{
	struct ai_result_step s = { .name = ai_json_str(j, "name"), .failure = ai_json_str(j, "failure") };
	if (!is_text(s.name, 1024) || parse_state(ai_json_str(j, "state"), &s.state, err) < 0)
		return err->code ? err->code : ai_fail(err, AI_EINPUT, "a step without a name");
	bool has_result = ai_json_digest(j, "result", &s.result);
	s.has_step = ai_json_digest(j, "step", &s.step);
	bool executed = s.state == AI_STEP_EXECUTED, failed = s.state == AI_STEP_FAILED;
	bool fits = has_result == executed && (!s.has_step || executed || failed) && (s.has_step || !executed) && (!s.failure || failed);
	size_t fields = 2u + has_result + s.has_step + (s.failure != NULL);
	if (!fits || json_object_size(j) != fields || (s.failure && !is_text(s.failure, sizeof ((struct ai_err *)0)->text)))
		return ai_fail(err, AI_EINPUT, "step '%.100s': its fields do not fit the state '%s'", s.name, words[s.state]);
	*out = s;
	return 0;
}

static int
parse_steps(const json_t *list, struct ai_result_about *a, struct ai_err *err)
{
	a->steps = ai_calloc(json_array_size(list), sizeof *a->steps);
	if (!a->steps)
		return ai_nomem(err);
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (parse_step(json_array_get(list, i), &a->steps[i], err) < 0)
			return err->code;
		a->n_steps++;
		if (a->done && a->steps[i].state != AI_STEP_EXECUTED)
			return ai_fail(err, AI_EINPUT, "a root, though step '%.100s' is not executed", a->steps[i].name);
	}
	return 0;
}

/* The codes that are documented, and no other: it becomes what this process ends with. */
static int
parse_error(const json_t *e, struct ai_result_about *a, struct ai_err *err)
{
	static const int codes[] = { AI_ENO, AI_EUSAGE, AI_EINPUT, AI_ESTEP, AI_EENV, AI_EINTR };
	const json_t *code = json_object_get(e, "code");
	a->text = ai_json_str(e, "text");
	a->hint = ai_json_str(e, "hint");
	for (size_t i = 0; json_is_integer(code) && i < sizeof codes / sizeof *codes; i++)
		if (json_integer_value(code) == codes[i])
			a->code = codes[i];
	bool texts = is_text(a->text, sizeof ((struct ai_err *)0)->text) && (!a->hint || is_text(a->hint, sizeof ((struct ai_err *)0)->hint));
	return a->code && texts && json_object_size(e) == 2u + (a->hint != NULL) ? 0
		: ai_fail(err, AI_EINPUT, "error: expected a documented code, a text and perhaps a hint, and nothing else");
}

static int
parse(const json_t *about, struct ai_result_about *a, struct ai_err *err)
{
	const json_t *e = ai_json_obj(about, "error"), *steps = ai_json_arr(about, "steps");
	a->planned = ai_json_digest(about, "plan", &a->plan);
	a->done = ai_json_digest(about, "root", &a->root);
	if (!steps || a->done == (e != NULL) || (a->done && !a->planned) || json_object_size(about) != 2u + a->planned)
		return ai_fail(err, AI_EINPUT, "expected plan, steps and either root or error, and nothing else");
	if (!a->planned && json_array_size(steps) > 0)
		return ai_fail(err, AI_EINPUT, "steps without a plan");
	if (e && parse_error(e, a, err) < 0)
		return err->code;
	return parse_steps(steps, a, err);
}

int
ai_result_about_parse(const json_t *about, struct ai_result_about *out, struct ai_err *err)
{
	struct ai_result_about a = { 0 };
	if (parse(about, &a, err) < 0) {
		ai_result_about_done(&a);
		return ai_in(err, "about");
	}
	*out = a;
	return 0;
}

void
ai_result_about_done(struct ai_result_about *a)
{
	free(a->steps);
	*a = (struct ai_result_about){ 0 };
}
