/*
 * manifest_short.c -- the short form, rewritten in place into the one step that it means.
 *
 * Its three shapes: `pythonEntryPoint` inside `source`, or beside it; or, as the
 * published guide shows it, with the indentation lost, so that `source:` is empty
 * and what belongs to it stands at the left margin.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/manifest_read.h"

/* Moves a pair from one map to another when it is there. */
static int
move(struct reader *r, struct ai_yaml *from, struct ai_yaml *to, const char *key)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct ai_yaml *k = from->pairs[i].key;
		if (strcmp(k->text, key) != 0)
			continue;
		if (ai_yaml_get(to, key))
			return ai_at(r, k, "'%s' is given both inside 'source' and beside it", key);
		struct ai_yaml *copy = ai_yaml_new(AI_YAML_SCALAR, key, k);
		return ai_yaml_set(to, copy, ai_yaml_take(from, key), r->err);
	}
	return 0;
}

/* `source:` with nothing in it: the keys of a source are then looked for at the left margin. */
static int
gather_lost(struct reader *r, struct ai_yaml *map, struct ai_yaml *source)
{
	static const char *const keys[] = { "type", "git", "gitRepo", "url", "path", "huggingface", "ref", "branch", "tag", "commit", "sha256", "size",
		"to", "exclude", "follow", "submodules" };
	if (source->type != AI_YAML_SCALAR || source->text[0] || !source->plain)
		return 0;
	free(source->text);
	source->text = NULL;
	source->type = AI_YAML_MAP;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (move(r, map, source, keys[i]) < 0)
			return r->err->code;
	return source->n ? 0 : ai_at(r, source, "source: is empty: expected 'type' and 'gitRepo'");
}

/* Puts a scalar in the place of a value; the old value is freed. */
static int
replace(struct reader *r, struct ai_yaml *map, const char *key, const char *text)
{
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->pairs[i].key->text, key) == 0) {
			struct ai_yaml *y = ai_yaml_new(AI_YAML_SCALAR, text, map->pairs[i].value);
			if (!y)
				return ai_nomem(r->err);
			ai_yaml_free(map->pairs[i].value);
			map->pairs[i].value = y;
		}
	return 0;
}

static int
read_source(struct reader *r, struct ai_yaml *map)
{
	struct ai_yaml *source = ai_yaml_get(map, "source");
	if (!source)
		return 0;
	if (gather_lost(r, map, source) < 0)
		return r->err->code;
	if (source->type != AI_YAML_MAP)
		return ai_at(r, source, "source: expected a map with 'type' and 'gitRepo'");
	if (move(r, source, map, "pythonEntryPoint") < 0)
		return r->err->code;
	/* The one key that is not the input's own is not among those that a misspelt key is compared with. */
	static const char *const entry[] = { "pythonEntryPoint" };
	for (size_t i = 0; i < source->n; i++)
		if (ai_near(source->pairs[i].key->text, entry, 1))
			return ai_at(r, source->pairs[i].key, "source has no key '%s' (did you mean '%s'?)", source->pairs[i].key->text, entry[0]);
	char *name = ai_strdup("source");
	if (!name)
		return ai_nomem(r->err);
	if (ai_read_input(r, name, source, source) < 0)
		return r->err->code;
	return replace(r, map, "source", "source");
}

/* One item of inputs: becomes an input, and its name the item. */
static int
read_item(struct reader *r, struct ai_yaml *item, struct ai_yaml **named)
{
	if (item->type != AI_YAML_MAP)
		return ai_at(r, item, "inputs: expected a map with 'url', 'git' or 'path'");
	struct ai_yaml *given = ai_yaml_take(item, "name");
	char *name = NULL;
	int rc = given ? ai_take_name(r, given, "input", &name) : 0;
	ai_yaml_free(given);
	if (rc < 0)
		return rc;
	if (!given && !(name = ai_input_name(item)) && !(name = ai_strdup("input")))
		return ai_nomem(r->err);
	*named = ai_yaml_new(AI_YAML_SCALAR, name, item);
	if (!*named) {
		free(name);
		return ai_nomem(r->err);
	}
	return ai_read_input(r, name, item, item);
}

static int
read_resources(struct reader *r, struct ai_yaml *map, const char *key)
{
	struct ai_yaml *list = ai_yaml_get(map, key);
	if (!list)
		return 0;
	if (list->type != AI_YAML_LIST)
		return ai_at(r, list, "%s: expected a list of {name, url or git or path}", key);
	for (size_t i = 0; i < list->n; i++) {
		struct ai_yaml *named = NULL;
		int rc = read_item(r, list->items[i], &named);
		if (named) {
			ai_yaml_free(list->items[i]);
			list->items[i] = named;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* `image:`, the short form's word for `environment: {image: …}`. */
static int
read_image(struct reader *r, struct ai_yaml *map)
{
	const struct ai_yaml *environment = ai_yaml_get(map, "environment");
	struct ai_yaml *image = ai_yaml_take(map, "image");
	int rc = 0;
	if (image && environment)
		rc = ai_at(r, image, "'image' and 'environment' say the same: write one of them");
	else if (image)
		rc = ai_read_image(r, image, &r->image);
	ai_yaml_free(image);
	return rc;
}

/* Asked for often enough to deserve a better answer than that the attribute is unknown. */
static int
refuse_what_python_cannot(struct reader *r, const struct ai_yaml *map, const struct ai_yaml *kind)
{
	const struct ai_yaml *commands = ai_yaml_get(map, "commands");
	if (!commands || kind->type != AI_YAML_SCALAR || strcmp(kind->text, "python") != 0)
		return 0;
	ai_at(r, commands, "'python' takes no 'commands': it runs the program that 'pythonEntryPoint' names");
	return ai_hint(r->err, "write 'kind: shell' to run commands");
}

int
ai_read_short(struct reader *r, struct ai_yaml *map)
{
	const struct ai_yaml *kind = ai_yaml_get(map, "kind"), *second = ai_yaml_get(map, "resources");
	if (read_image(r, map) < 0)
		return r->err->code;
	if (second && ai_yaml_get(map, "inputs"))
		return ai_at(r, second, "'inputs' and 'resources' say the same: write one of them");
	ai_yaml_free(ai_yaml_take(map, "name"));
	if (refuse_what_python_cannot(r, map, kind) < 0 || read_source(r, map) < 0 || read_resources(r, map, "inputs") < 0
		|| read_resources(r, map, "resources") < 0)
		return r->err->code;
	kind = ai_yaml_get(map, "kind");
	char *name = NULL;
	if (ai_take_name(r, kind, "kind", &name) < 0)
		return r->err->code;
	return ai_read_step(r, name, "kind", map, map, true);
}
