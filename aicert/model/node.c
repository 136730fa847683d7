/*
 * node.c -- see node.h.
 *
 * Each kind is a table of fields, sorted by key. One walk over the tables checks
 * shapes and another, in the same order, gives the edges; so what is checked and
 * what is followed cannot drift apart. ORDER KIND: the table of shapes at the end.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/node.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"

enum { OPTIONAL = 1, LIST = 2, FILLED = 4, SORTED = 8, UNIQUE = 16 };

struct shape;

struct field {
	const char *key;
	unsigned flags;              /* LIST: an array of what follows; FILLED: not empty; SORTED (which implies unique), UNIQUE */
	const char *(*leaf)(const json_t *); /* what was expected, or NULL when the value is it */
	const struct shape *shape;   /* instead of leaf: an object */
	const char *by;              /* SORTED, UNIQUE: the key that orders objects; NULL for strings */
	ai_kind edge;                /* the value is an id of this kind */
};

struct shape {
	const struct field *fields;
	size_t n;
	const char *(*also)(const json_t *);                   /* a rule across fields; as leaf */
	const struct shape *(*pick)(const json_t *);           /* the shape depends on the object (then fields is empty) */
};

#define SHAPE(name, ...) static const struct shape name = { name##_fields, sizeof name##_fields / sizeof *name##_fields, __VA_ARGS__ }
#define EDGE_BY_TYPE AI_KIND_NONE + 100 /* "id" beside "type": a tree for a dir, else a blob */

/* --- leaves ---------------------------------------------------------------- */

static bool
is_hex(const char *s, size_t n)
{
	return s && strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static const char *
id(const json_t *v)
{
	return is_hex(json_string_value(v), 64) ? NULL : "64 lower-case hex digits";
}

static const char *
string(const json_t *v)
{
	return json_is_string(v) ? NULL : "a string";
}

/* Text for people: not empty, no control characters. */
static const char *
text(const json_t *v)
{
	const char *s = json_string_value(v);
	bool good = s && *s;
	for (; good && *s; s++)
		good = (unsigned char)*s >= 0x20 && *s != 0x7f;
	return good ? NULL : "a text, not empty, without control characters";
}

static const char *
token(const json_t *v)
{
	const char *s = json_string_value(v);
	return s && *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s) ? NULL : "a word of a-z, 0-9 and '-'";
}

static const char *
platform(const json_t *v)
{
	const char *s = json_string_value(v);
	size_t n = s ? strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") : 0;
	size_t m = n && s[n] == '/' ? strspn(s + n + 1, "abcdefghijklmnopqrstuvwxyz0123456789-_") : 0;
	return m && s[n + 1 + m] == '\0' ? NULL : "a platform like 'linux/amd64'";
}

static const char *
manifest(const json_t *v)
{
	const char *s = json_string_value(v);
	return s && strncmp(s, "sha256:", 7) == 0 && is_hex(s + 7, 64) ? NULL : "'sha256:' and 64 lower-case hex digits";
}

static const char *
entry_name(const json_t *v)
{
	struct ai_err quiet;
	const char *s = json_string_value(v);
	return s && ai_name_check(s, &quiet) == 0 ? NULL : "a file name";
}

static const char *
path(const json_t *v)
{
	struct ai_err quiet;
	const char *s = json_string_value(v);
	bool good = s && s[0] == '/' && (s[1] == '\0' || ai_relpath_check(s + 1, &quiet) == 0);
	return good ? NULL : "an absolute path without '.', '..' or empty parts";
}

static const char *
variable(const json_t *v)
{
	const char *s = json_string_value(v);
	return s && *s && !strchr(s, '=') ? NULL : "a variable's name";
}

static const char *
yes(const json_t *v)
{
	return json_is_true(v) ? NULL : "true";
}

static const char *
one(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) == 1 ? NULL : "1";
}

static const char *
out_type(const json_t *v)
{
	const char *s = json_string_value(v);
	return s && (strcmp(s, "file") == 0 || strcmp(s, "dir") == 0) ? NULL : "'file' or 'dir'";
}

static const char *
in_type(const json_t *v)
{
	const char *s = json_string_value(v);
	bool good = s && (strcmp(s, "file") == 0 || strcmp(s, "exec") == 0 || strcmp(s, "dir") == 0 || strcmp(s, "link") == 0);
	return good ? NULL : "'file', 'exec', 'dir' or 'link'";
}

static const char *
how(const json_t *v)
{
	const char *s = json_string_value(v);
	bool good = s && (strcmp(s, "git") == 0 || strcmp(s, "oci") == 0 || strcmp(s, "sha256") == 0 || strcmp(s, "none") == 0);
	return good ? NULL : "'git', 'oci', 'sha256' or 'none'";
}

static const char *
nonce(const json_t *v)
{
	const char *s = json_string_value(v);
	bool good = s && *s && strlen(s) <= 128;
	for (; good && *s; s++)
		good = *s >= 0x20 && *s < 0x7f;
	return good ? NULL : "1 to 128 printable characters";
}

/* n digits at s as a number within lo..hi. */
static bool
digits(const char *s, int n, int lo, int hi)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (s[i] - '0');
	}
	return v >= lo && v <= hi;
}

/* One form only, so that times compare as texts. */
static const char *
moment(const json_t *v)
{
	const char *s = json_string_value(v);
	bool good = s && strlen(s) == 20 && s[4] == '-' && s[7] == '-' && s[10] == 'T' && s[13] == ':' && s[16] == ':' && s[19] == 'Z'
		&& digits(s, 4, 1970, 9999) && digits(s + 5, 2, 1, 12) && digits(s + 8, 2, 1, 31)
		&& digits(s + 11, 2, 0, 23) && digits(s + 14, 2, 0, 59) && digits(s + 17, 2, 0, 60);
	return good ? NULL : "a time like '2026-01-01T00:00:00Z'";
}

/* --- shapes ---------------------------------------------------------------- */

static const char *
one_reference(const json_t *o)
{
	return !json_object_get(o, "blob") != !json_object_get(o, "tree") ? NULL : "exactly one of 'blob' and 'tree'";
}

static const char *
one_origin(const json_t *o)
{
	int n = (json_object_get(o, "blob") != NULL) + (json_object_get(o, "tree") != NULL) + (json_object_get(o, "step") != NULL);
	bool both = !json_object_get(o, "step") == !json_object_get(o, "output");
	return n == 1 && both ? NULL : "exactly one of 'blob', 'tree' and 'step' with 'output'";
}

static const char *
id_or_target(const json_t *o)
{
	const char *type = ai_json_str(o, "type");
	bool link = type && strcmp(type, "link") == 0;
	bool good = link == (json_object_get(o, "target") != NULL) && !link == (json_object_get(o, "id") != NULL);
	return good ? NULL : "'target' for a link and 'id' for all else";
}

/* As id_or_target, but a folder of which only the existence was looked at has neither. */
static const char *
id_target_or_neither(const json_t *o)
{
	const char *type = ai_json_str(o, "type");
	if (type && strcmp(type, "dir") == 0)
		return json_object_get(o, "id") || json_object_get(o, "target") ? "neither 'id' nor 'target' for a dir" : NULL;
	return id_or_target(o);
}

/* A revision is shown for the content's hash where the claims say that it was tied to the content, so it has the form of one. */
static const char *
revision_of_type(const json_t *o)
{
	const char *type = ai_json_str(o, "type"), *revision = ai_json_str(o, "revision");
	/* What has no revisions must not show one: nothing could have compared it. */
	if (type && revision && (strcmp(type, "url") == 0 || strcmp(type, "path") == 0 || strcmp(type, "wheels") == 0))
		return "no 'revision' for url, path and wheels";
	if (type && strcmp(type, "image") == 0)
		return manifest(json_object_get(o, "revision")) || !ai_json_str(json_object_get(o, "content"), "tree")
			? "a 'revision' of 'sha256:' and 64 lower-case hex digits, and a tree, for image" : NULL;
	if (!type || strcmp(type, "git") != 0)
		return NULL;
	return is_hex(revision, 40) || is_hex(revision, 64) ? NULL : "a 'revision' of 40 or 64 lower-case hex digits for git";
}

static const char *
carried_file(const json_t *o)
{
	return json_object_get(o, "carried") && strcmp(ai_json_str(o, "type"), "file") != 0 ? "'carried' of a file, not of a dir" : NULL;
}

static const char *
host_or_image(const json_t *o)
{
	return !json_object_get(o, "host") != !json_object_get(o, "image") ? NULL : "exactly one of 'host' and 'image'";
}

#define KIND { "kind", 0, token, NULL, NULL, 0 }
#define REFERENCE_BLOB { "blob", OPTIONAL, id, NULL, NULL, AI_KIND_BLOB }
#define REFERENCE_TREE { "tree", OPTIONAL, id, NULL, NULL, AI_KIND_TREE }

static const struct field reference_fields[] = { REFERENCE_BLOB, REFERENCE_TREE };
SHAPE(reference, .also = one_reference);
static const struct field named_ref_fields[] = { REFERENCE_BLOB, { "name", 0, text, NULL, NULL, 0 }, REFERENCE_TREE };
SHAPE(named_ref, .also = one_reference);
static const struct field input_fields[] = { REFERENCE_BLOB, { "path", 0, path, NULL, NULL, 0 }, REFERENCE_TREE };
SHAPE(input, .also = one_reference);
static const struct field recipe_input_fields[] = { REFERENCE_BLOB, { "output", OPTIONAL, text, NULL, NULL, 0 },
	{ "path", 0, path, NULL, NULL, 0 }, { "step", OPTIONAL, text, NULL, NULL, 0 }, REFERENCE_TREE };
SHAPE(recipe_input, .also = one_origin);

static const struct field name_value_fields[] = { { "name", 0, variable, NULL, NULL, 0 }, { "value", 0, string, NULL, NULL, 0 } };
SHAPE(name_value, .also = NULL);

static const struct field entry_fields[] = { { "id", OPTIONAL, id, NULL, NULL, EDGE_BY_TYPE }, { "name", 0, entry_name, NULL, NULL, 0 },
	{ "target", OPTIONAL, text, NULL, NULL, 0 }, { "type", 0, in_type, NULL, NULL, 0 } };
SHAPE(entry, .also = id_or_target);
static const struct field tree_fields[] = { { "entries", LIST | SORTED, NULL, &entry, "name", 0 }, KIND };
SHAPE(tree, .also = NULL);

static const struct field source_fields[] = { { "content", 0, NULL, &reference, NULL, 0 }, KIND, { "ref", OPTIONAL, text, NULL, NULL, 0 },
	{ "revision", OPTIONAL, text, NULL, NULL, 0 }, { "type", 0, token, NULL, NULL, 0 }, { "uri", OPTIONAL, text, NULL, NULL, 0 } };
SHAPE(source, .also = revision_of_type);

static const struct field gpu_fields[] = { { "driver", 0, text, NULL, NULL, 0 }, { "model", 0, text, NULL, NULL, 0 } };
SHAPE(gpu, .also = NULL);
static const struct field image_fields[] = { { "content", 0, id, NULL, NULL, AI_KIND_TREE }, { "manifest", 0, manifest, NULL, NULL, 0 } };
SHAPE(image, .also = NULL);
static const struct field environment_fields[] = { { "gpus", OPTIONAL | LIST | FILLED, NULL, &gpu, NULL, 0 }, { "host", OPTIONAL, yes, NULL, NULL, 0 },
	{ "image", OPTIONAL, NULL, &image, NULL, 0 }, KIND, { "platform", 0, platform, NULL, NULL, 0 } };
SHAPE(environment, .also = host_or_image);

static const struct field do_run_fields[] = { { "argv", LIST | FILLED, string, NULL, NULL, 0 }, { "cwd", 0, path, NULL, NULL, 0 },
	{ "do", 0, token, NULL, NULL, 0 }, { "env", LIST | SORTED, NULL, &name_value, "name", 0 } };
SHAPE(do_run, .also = NULL);
static const struct field do_write_fields[] = { { "do", 0, token, NULL, NULL, 0 }, { "path", 0, path, NULL, NULL, 0 }, { "text", 0, string, NULL, NULL, 0 } };
SHAPE(do_write, .also = NULL);
static const struct field do_copy_fields[] = { { "do", 0, token, NULL, NULL, 0 }, { "from", 0, path, NULL, NULL, 0 }, { "to", 0, path, NULL, NULL, 0 } };
SHAPE(do_copy, .also = NULL);

static const struct shape *
pick_action(const json_t *o)
{
	const char *verb = ai_json_str(o, "do");
	if (!verb)
		return NULL;
	return strcmp(verb, "run") == 0 ? &do_run : strcmp(verb, "write") == 0 ? &do_write : strcmp(verb, "copy") == 0 ? &do_copy : NULL;
}
static const struct shape action = { .pick = pick_action };

static const struct field output_fields[] = { { "carried", OPTIONAL, yes, NULL, NULL, 0 }, { "exclude", OPTIONAL | LIST | FILLED, text, NULL, NULL, 0 }, { "name", 0, text, NULL, NULL, 0 },
	{ "path", 0, path, NULL, NULL, 0 }, { "type", 0, out_type, NULL, NULL, 0 } };
SHAPE(output, .also = carried_file);
#define STEP_FIELDS(input_shape) { { "actions", LIST | FILLED, NULL, &action, NULL, 0 }, { "environment", 0, id, NULL, NULL, AI_KIND_ENVIRONMENT }, \
	{ "inputs", LIST | SORTED, NULL, &input_shape, "path", 0 }, KIND, { "outputs", LIST | SORTED, NULL, &output, "path", 0 } }
static const struct field step_fields[] = STEP_FIELDS(input);
static const struct field recipe_fields[] = STEP_FIELDS(recipe_input);

/* Says "step" (which a recipe within a plan must, too); outputs are in the order of their paths, and no two have one name. */
static const char *
step_with_names(const json_t *o)
{
	AI_JSON *seen = json_object();
	size_t i;
	json_t *v;
	if (ai_node_kind(o) != AI_KIND_STEP)
		return "kind 'step'";
	json_array_foreach(json_object_get(o, "outputs"), i, v)
		if (json_object_get(seen, ai_json_str(v, "name")) || json_object_set_new(seen, ai_json_str(v, "name"), json_true()) < 0)
			return "outputs of different names";
	return NULL;
}
SHAPE(step, .also = step_with_names);
SHAPE(recipe, .also = step_with_names);

static const struct field result_fields[] = { KIND, { "outputs", LIST | UNIQUE, NULL, &named_ref, "name", 0 },
	{ "resumed", OPTIONAL | LIST | FILLED | UNIQUE, id, NULL, NULL, AI_KIND_TREE }, { "step", 0, id, NULL, NULL, AI_KIND_STEP },
	{ "used", OPTIONAL, id, NULL, NULL, AI_KIND_USED } };
SHAPE(result, .also = NULL);

static const struct field used_file_fields[] = { { "id", OPTIONAL, id, NULL, NULL, AI_KIND_BLOB }, { "path", 0, path, NULL, NULL, 0 },
	{ "target", OPTIONAL, text, NULL, NULL, 0 }, { "type", 0, in_type, NULL, NULL, 0 } };
SHAPE(used_file, .also = id_target_or_neither);
static const struct field listed_fields[] = { { "names", 0, id, NULL, NULL, AI_KIND_BLOB }, { "path", 0, path, NULL, NULL, 0 } };
SHAPE(listed, .also = NULL);
static const struct field used_fields[] = { { "absent", LIST | SORTED, path, NULL, NULL, 0 }, { "files", LIST | SORTED, NULL, &used_file, "path", 0 },
	KIND, { "listed", LIST | SORTED, NULL, &listed, "path", 0 } };
SHAPE(used, .also = NULL);

static const struct field plan_output_fields[] = { { "name", 0, text, NULL, NULL, 0 }, { "output", 0, text, NULL, NULL, 0 }, { "step", 0, text, NULL, NULL, 0 } };
SHAPE(plan_output, .also = NULL);
static const struct field plan_rule_fields[] = { { "blob", 0, id, NULL, NULL, AI_KIND_BLOB }, { "name", 0, text, NULL, NULL, 0 } };
SHAPE(plan_rule, .also = NULL);
static const struct field plan_source_fields[] = { { "id", 0, id, NULL, NULL, AI_KIND_SOURCE }, { "name", 0, text, NULL, NULL, 0 } };
SHAPE(plan_source, .also = NULL);
static const struct field plan_step_fields[] = { { "name", 0, text, NULL, NULL, 0 }, { "recipe", 0, NULL, &recipe, NULL, 0 } };
SHAPE(plan_step, .also = NULL);
static const struct field plan_fields[] = { { "aicertfile", 0, id, NULL, NULL, AI_KIND_BLOB }, KIND, { "lock", 0, id, NULL, NULL, AI_KIND_BLOB },
	{ "outputs", LIST | UNIQUE, NULL, &plan_output, "name", 0 }, { "parameters", LIST | SORTED, NULL, &name_value, "name", 0 },
	{ "rules", LIST | SORTED, NULL, &plan_rule, "name", 0 }, { "sources", LIST | SORTED, NULL, &plan_source, "name", 0 },
	{ "steps", LIST | FILLED | UNIQUE, NULL, &plan_step, "name", 0 } };
SHAPE(plan, .also = NULL);

static const struct field run_result_fields[] = { { "id", 0, id, NULL, NULL, AI_KIND_RESULT }, { "name", 0, text, NULL, NULL, 0 } };
SHAPE(run_result, .also = NULL);
static const struct field run_fields[] = { { "format", 0, one, NULL, NULL, 0 }, KIND, { "lineage", LIST | SORTED, id, NULL, NULL, AI_KIND_RUN },
	{ "name", 0, text, NULL, NULL, 0 }, { "outputs", LIST | UNIQUE, NULL, &named_ref, "name", 0 }, { "plan", 0, id, NULL, NULL, AI_KIND_PLAN },
	{ "results", LIST | FILLED | UNIQUE, NULL, &run_result, "name", 0 } };
SHAPE(run, .also = NULL);

/* What the builder asserts of the machine: texts under any key, and gpus as a list of texts or of {driver, model}. */
static const char *
machine(const json_t *v)
{
	static const char want[] = "an object of texts, with 'gpus' as a list";
	const char *key;
	json_t *value, *g;
	size_t i;
	if (!json_is_object(v))
		return want;
	json_object_foreach((json_t *)v, key, value) {
		if (strcmp(key, "gpus") != 0) {
			if (!json_is_string(value))
				return want;
			continue;
		}
		if (!json_is_array(value))
			return want;
		json_array_foreach(value, i, g) {
			bool object = json_object_size(g) == 2 && ai_json_str(g, "driver") && ai_json_str(g, "model");
			if (!json_is_string(g) && !object)
				return want;
		}
	}
	return NULL;
}

static const struct field reused_fields[] = { { "attestation", 0, id, NULL, NULL, AI_KIND_CLAIMS }, { "result", 0, id, NULL, NULL, AI_KIND_RESULT } };
SHAPE(reused, .also = NULL);
static const struct field failed_fields[] = { { "how", 0, text, NULL, NULL, 0 }, { "step", 0, text, NULL, NULL, 0 } };
SHAPE(failed, .also = NULL);
static const struct field verified_fields[] = { { "how", 0, how, NULL, NULL, 0 }, { "id", 0, id, NULL, NULL, AI_KIND_SOURCE } };
SHAPE(verified, .also = NULL);
static const struct field program_fields[] = { { "sha256", 0, id, NULL, NULL, 0 }, { "version", 0, text, NULL, NULL, 0 } };
SHAPE(program, .also = NULL);
static const struct field claims_fields[] = { { "ak", 0, id, NULL, NULL, 0 }, { "boot_log", 0, id, NULL, NULL, 0 },
	{ "executed", LIST | UNIQUE, id, NULL, NULL, AI_KIND_RESULT }, { "failed", LIST | UNIQUE, NULL, &failed, "step", 0 },
	{ "finished", 0, moment, NULL, NULL, 0 }, KIND, { "machine", 0, machine, NULL, NULL, 0 }, { "nonce", OPTIONAL, nonce, NULL, NULL, 0 },
	{ "plan", 0, id, NULL, NULL, AI_KIND_PLAN }, { "program", 0, NULL, &program, NULL, 0 }, { "reused", LIST | UNIQUE, NULL, &reused, "result", 0 },
	{ "root", OPTIONAL, id, NULL, NULL, AI_KIND_RUN }, { "started", 0, moment, NULL, NULL, 0 },
	{ "verified", LIST | UNIQUE, NULL, &verified, "id", 0 } };
SHAPE(claims, .also = NULL);

static const struct field withheld_fields[] = { KIND };
SHAPE(withheld, .also = NULL);

static const struct shape *const shapes[] = { /* ORDER KIND */
	NULL, &tree, &source, &environment, &step, &result, &used, &plan, &run, &claims, &withheld,
};
static const char *const words[] = {
	"",
#define X(name, word) word,
	AI_KINDS(X)
#undef X
	"blob",
};

/* --- the two walks ------------------------------------------------------- */

const char *
ai_kind_word(ai_kind kind)
{
	return words[kind];
}

ai_kind
ai_node_kind(const json_t *node)
{
	const char *word = ai_json_str(node, "kind");
	for (unsigned k = AI_KIND_TREE; word && k <= AI_KIND_WITHHELD; k++)
		if (strcmp(word, words[k]) == 0)
			return (ai_kind)k;
	return AI_KIND_NONE;
}

static int check_shape(const json_t *o, const struct shape *s, struct ai_err *err);

static int
check_value(const json_t *v, const struct field *f, struct ai_err *err)
{
	if (f->shape)
		return check_shape(v, f->shape, err);
	const char *want = f->leaf(v);
	return want ? ai_fail(err, AI_EINPUT, "expected %s", want) : 0;
}

static const char *
order_key(const json_t *item, const struct field *f)
{
	return f->by ? ai_json_str(item, f->by) : json_string_value(item);
}

/* Whatever has a path or a name is an array in the one order, so that one meaning has one id. */
static int
check_order(const json_t *list, const struct field *f, struct ai_err *err)
{
	size_t n = json_array_size(list);
	if (f->flags & SORTED)
		for (size_t i = 1; i < n; i++) {
			const char *a = order_key(json_array_get(list, i - 1), f), *b = order_key(json_array_get(list, i), f);
			int c = strcmp(a, b);
			if (c >= 0)
				return ai_fail(err, AI_EINPUT, "'%s' %s '%s', expected ascending order by bytes", b, c ? "stands after" : "stands twice, after", a);
		}
	if (!(f->flags & UNIQUE) || n < 2)
		return 0;
	AI_JSON *seen = json_object();
	for (size_t i = 0; i < n; i++) {
		const char *key = order_key(json_array_get(list, i), f);
		if (json_object_get(seen, key))
			return ai_fail(err, AI_EINPUT, "'%s' stands twice", key);
		if (json_object_set_new(seen, key, json_true()) < 0)
			return ai_nomem(err);
	}
	return 0;
}

static int
check_field(const json_t *v, const struct field *f, struct ai_err *err)
{
	if (!(f->flags & LIST))
		return check_value(v, f, err) < 0 ? ai_in(err, "%s", f->key) : 0;
	if (!json_is_array(v))
		return ai_fail(err, AI_EINPUT, "%s: expected an array", f->key);
	if ((f->flags & FILLED) && json_array_size(v) == 0)
		return ai_fail(err, AI_EINPUT, "%s: is empty", f->key);
	for (size_t i = 0; i < json_array_size(v); i++)
		if (check_value(json_array_get(v, i), f, err) < 0)
			return ai_in(err, "%s[%zu]", f->key, i);
	return check_order(v, f, err) < 0 ? ai_in(err, "%s", f->key) : 0;
}

static int
check_shape(const json_t *o, const struct shape *s, struct ai_err *err)
{
	if (!json_is_object(o))
		return ai_fail(err, AI_EINPUT, "expected an object");
	if (s->pick) {
		s = s->pick(o);
		if (!s)
			return ai_fail(err, AI_EINPUT, "do: expected 'run', 'write' or 'copy'");
	}
	size_t known = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct field *f = &s->fields[i];
		const json_t *v = json_object_get(o, f->key);
		known += v != NULL;
		if (!v && !(f->flags & OPTIONAL))
			return ai_fail(err, AI_EINPUT, "field '%s' is missing", f->key);
		if (v && check_field(v, f, err) < 0)
			return err->code;
	}
	const char *key;
	json_t *v;
	if (known != json_object_size(o))
		json_object_foreach((json_t *)o, key, v) {
			size_t i = 0;
			while (i < s->n && strcmp(s->fields[i].key, key) != 0)
				i++;
			if (i == s->n)
				return ai_fail(err, AI_EINPUT, "field '%s' is unknown", key);
		}
	const char *want = s->also ? s->also(o) : NULL;
	return want ? ai_fail(err, AI_EINPUT, "expected %s", want) : 0;
}

int
ai_node_check(const json_t *node, struct ai_err *err)
{
	ai_kind kind = ai_node_kind(node);
	if (kind == AI_KIND_NONE) {
		const char *word = ai_json_str(node, "kind");
		return ai_fail(err, AI_EINPUT, "node: got kind '%s', expected one of the node kinds", word ? word : "");
	}
	return check_shape(node, shapes[kind], err) < 0 ? ai_in(err, "%s node", words[kind]) : 0;
}

typedef int edge_fn(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err);

struct walk {
	edge_fn *edge;
	void *ctx;
	struct ai_err *err;
	char where[256];   /* keys are ours and nesting is bounded by the tables, so this never fills */
};

static int walk_shape(struct walk *w, const json_t *o, const struct shape *s, size_t at);

static int
walk_value(struct walk *w, const json_t *o, const json_t *v, const struct field *f, size_t at)
{
	if (f->shape)
		return walk_shape(w, v, f->shape, at);
	ai_kind kind = f->edge;
	if (kind == EDGE_BY_TYPE)
		kind = strcmp(ai_json_str(o, "type"), "dir") == 0 ? AI_KIND_TREE : AI_KIND_BLOB;
	struct ai_digest target;
	if (!ai_unhex(json_string_value(v), &target))
		return ai_fail(w->err, AI_EINPUT, "%s: expected 64 lower-case hex digits", w->where);
	return w->edge(w->ctx, kind, &target, w->where, w->err);
}

static int
walk_shape(struct walk *w, const json_t *o, const struct shape *s, size_t at)
{
	if (s->pick)
		return 0; /* actions hold no references */
	for (size_t i = 0; i < s->n; i++) {
		const struct field *f = &s->fields[i];
		const json_t *v = json_object_get(o, f->key);
		if (!v || (!f->edge && !f->shape))
			continue;
		size_t n = at + (size_t)snprintf(w->where + at, sizeof w->where - at, "%s%s", at ? "." : "", f->key);
		if (!(f->flags & LIST)) {
			if (walk_value(w, o, v, f, n) < 0)
				return w->err->code;
			continue;
		}
		for (size_t k = 0; k < json_array_size(v); k++) {
			size_t m = n + (size_t)snprintf(w->where + n, sizeof w->where - n, "[%zu]", k);
			if (walk_value(w, o, json_array_get(v, k), f, m) < 0)
				return w->err->code;
		}
	}
	return 0;
}

int
ai_node_edges(const json_t *node, edge_fn *edge, void *ctx, struct ai_err *err)
{
	struct walk w = { .edge = edge, .ctx = ctx, .err = err };
	return walk_shape(&w, node, shapes[ai_node_kind(node)], 0);
}
