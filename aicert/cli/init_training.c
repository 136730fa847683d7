/* init_training.c -- see init_training.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/init_training.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/path.h"

/* Axolotl's own images have it in /workspace, where a step has its own files. */
#define AXOLOTL_IMAGE "registry.example/team/axolotl:1"
#define TRL_IMAGE "docker.io/huggingface/trl:latest"

enum { MAX_CONFIG = 1 << 20 };

/* Plain enough to stand between double quotes in YAML. */
static bool
is_plain(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == '"' || s[i] == '\\' || s[i] == '$')
			return false;
	return n > 0 && n < 256 && ai_utf8_valid(s, n);
}

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n > m && strcmp(s + n - m, end) == 0;
}

/* The bytes of a file that is one, and not large: 1; 0 anything else. */
static int
read_small(const char *dir, const char *name, struct ai_buf *out, struct ai_err *err)
{
	AI_FREE char *path = ai_join(dir, name);
	struct stat st;
	if (!path)
		return ai_nomem(err);
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_CONFIG)
		return 0;
	return ai_read_file_if(AT_FDCWD, path, out, err);
}

/* What stands behind "key:" in a line of n bytes: fresh, or NULL. */
static char *
value_of(const char *line, size_t n, const char *key)
{
	size_t k = strlen(key);
	if (n < k + 2 || memcmp(line, key, k) != 0 || line[k] != ':')
		return NULL;
	const char *from = line + k + 1, *end = line + n;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	bool quoted = from < end && (*from == '"' || *from == '\'');
	const char *stop = quoted ? memchr(from + 1, *from, (size_t)(end - from - 1)) : NULL;
	if (quoted)
		from++;
	for (const char *p = from; !quoted && !stop && p < end; p++)
		if (*p == '#' && (p == from || p[-1] == ' '))
			stop = p;
	end = stop ? stop : end;
	while (end > from && strchr(" \t\r", end[-1]))
		end--;
	return is_plain(from, (size_t)(end - from)) ? ai_strndup(from, (size_t)(end - from)) : NULL;
}

static void
take(char **to, char *value)
{
	if (value && !*to)
		*to = value;
	else
		free(value);
}

static void
take_data(struct ai_training *t, char *value)
{
	if (value && t->n_data < AI_TRAINING_DATA)
		t->data[t->n_data++] = value;
	else
		free(value);
}

/* Is it the configuration of a training? Then t is filled in. */
static void
read_config(const char *text, size_t len, struct ai_training *t)
{
	char *axolotl = NULL, *trl = NULL;
	bool in_data = false;
	for (const char *p = text, *end = text + len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
		const char *inner = p;
		while (inner < p + n && strchr(" -\t", *inner))
			inner++;
		if (inner == p && n)
			in_data = n >= 9 && memcmp(p, "datasets:", 9) == 0;
		take(&axolotl, value_of(p, n, "base_model"));
		take(&trl, value_of(p, n, "model_name_or_path"));
		take(&t->output, value_of(p, n, "output_dir"));
		take_data(t, value_of(p, n, "dataset_name"));
		if (in_data && inner > p)
			take_data(t, value_of(inner, (size_t)(p + n - inner), "path"));
		p += n + 1;
	}
	t->use = axolotl ? "axolotl" : trl ? "train-hf" : NULL;
	t->model = axolotl ? axolotl : trl;
	if (axolotl)
		free(trl);
}

static const char *
trl_command(const char *name)
{
	static const char *const commands[] = { "distillation", "dpo", "grpo", "kto", "reward", "rloo" };
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strstr(name, commands[i]))
			return commands[i];
	return "sft";
}

static int
try_config(const char *dir, const char *name, struct ai_training *out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(MAX_CONFIG + 1);
	struct ai_training t = { 0 };
	int r = read_small(dir, name, &text, err);
	if (r <= 0)
		return r;
	read_config(text.data ? text.data : "", text.len, &t);
	t.config = t.use ? ai_strdup(name) : NULL;
	if (!t.config) {
		ai_training_done(&t);
		return 0;
	}
	t.trl = strcmp(t.use, "train-hf") == 0 ? trl_command(name) : NULL;
	ai_training_done(out);
	*out = t;
	return 1;
}

/* The first in the order of names, so that it is the same everywhere. */
static int
find_config(const char *dir, struct ai_training *out, struct ai_err *err)
{
	DIR *d = opendir(dir);
	if (!d)
		return ai_fail_errno(err, AI_EUSAGE, "%s: cannot list", dir);
	int r = 0;
	for (struct dirent *e; r >= 0 && (e = readdir(d));)
		if ((ends_with(e->d_name, ".yml") || ends_with(e->d_name, ".yaml")) && is_plain(e->d_name, strlen(e->d_name)) &&
			(!out->config || strcmp(e->d_name, out->config) < 0))
			r = try_config(dir, e->d_name, out, err);
	closedir(d);
	return r < 0 ? r : 0;
}

int
ai_training_find(const char *dir, struct ai_training *out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(MAX_CONFIG + 1);
	if (find_config(dir, out, err) < 0)
		return err->code;
	int r = out->use ? 0 : read_small(dir, "config.json", &text, err);
	if (r == 1 && text.data && memmem(text.data, text.len, "\"model_type\"", 12)) {
		out->use = "train-hf";
		out->trl = "sft";
	}
	return r < 0 ? r : 0;
}

void
ai_training_done(struct ai_training *t)
{
	free(t->config);
	free(t->model);
	free(t->output);
	for (size_t i = 0; i < t->n_data; i++)
		free(t->data[i]);
	*t = (struct ai_training){ 0 };
}

/* "owner/name" of the hub, and nothing that lies here. */
static bool
is_of_hub(const char *dir, const char *name)
{
	AI_FREE char *path = ai_join(dir, name);
	const char *slash = strchr(name, '/');
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/");
	return path && slash && slash > name && slash[1] && !strchr(slash + 1, '/') && name[n] == '\0' && name[0] != '.' && !ai_exists(path);
}

/* One input, and to which of the step's lists it belongs. */
static void
put_input(struct ai_buf *b, const char *dir, const char *name, const char *what, bool data, struct ai_buf *hub, struct ai_buf *resources)
{
	bool of_hub = is_of_hub(dir, what);
	if (!of_hub && ai_path_tells(what)) {
		/* A stranger's configuration does not choose what of this machine is taken in. */
		ai_buf_printf(b, "  # %s: { path: \"%s\" }   # the configuration names it, and it lies elsewhere on this machine: put it where you mean\n", name, what);
		return;
	}
	struct ai_buf *list = of_hub ? hub : resources;
	if (of_hub)
		ai_buf_printf(b, "  %s: { huggingface: \"%s%s\", layout: hub-cache }\n", name, data ? "datasets/" : "", what);
	else
		ai_buf_printf(b, "  %s: { path: \"%s\" }   # the configuration names it: in the step it is resources/%s\n", name, what, ai_basename(what));
	ai_buf_printf(list, "%s%s", list->len ? ", " : "", name);
}

static void
put_environment(struct ai_buf *b, const char *image)
{
	if (strcmp(image, AXOLOTL_IMAGE) == 0)
		ai_buf_puts(b, "\n# What it runs in: an image of yours. Axolotl's have it in /workspace, where a step has its own files; one that fits is built of\n"
			"#   FROM docker.io/axolotlai/axolotl:main-latest\n"
			"#   RUN mv /workspace/axolotl /opt/axolotl && pip install --no-deps --no-build-isolation -e /opt/axolotl\n");
	else
		ai_buf_puts(b, "\n# What it runs in: any image with the libraries.");
	ai_buf_printf(b, "%s aicert.lock pins its digest, so that others get the same root.\n"
		"environment: { image: \"%s\" }\n# In place of the image, the packages of this machine:\n# environment: host\n\n",
		strcmp(image, AXOLOTL_IMAGE) == 0 ? "#" : "", image);
}

static void
put_lists(struct ai_buf *b, const struct ai_buf *hub, const struct ai_buf *resources)
{
	if (hub->len)
		ai_buf_printf(b, "    hub: [%s]\n", hub->data);
	if (resources->len)
		ai_buf_printf(b, "    resources: [%s]\n", resources->data);
}

/* Only what lies in outputs/ is kept. */
static void
put_output(struct ai_buf *b, const struct ai_training *t)
{
	const char *out = t->output ? t->output : "";
	out += strncmp(out, "./", 2) == 0 ? 2 : 0;
	bool inside = strncmp(out, "outputs/", 8) == 0 && out[8] && !strstr(out, "..");
	const char *name = inside ? out + 8 : "model";
	size_t n = strlen(name);
	if (!inside && strcmp(t->use, "axolotl") == 0)
		ai_buf_puts(b, "    args: [\"--output-dir=outputs/model\"]   # only what is written to outputs/ is kept\n");
	else if (!inside)
		ai_buf_puts(b, "    args: [--output_dir, \"${out.model}\"]   # only what is written to outputs/ is kept\n");
	ai_buf_printf(b, "    outputs: { model: \"%s%s\" }\n", name, n && name[n - 1] == '/' ? "" : "/");
	ai_buf_puts(b, "    # checkpoint: outputs/checkpoints   # a folder that outlives a crash\n    # limits: { gpus: 1 }   # without it a step sees no GPU\n");
}

static void
put_configured(struct ai_buf *b, const char *dir, const struct ai_training *t)
{
	AI_BUF_AUTO hub = AI_BUF(AI_MAX_HEADER), resources = AI_BUF(AI_MAX_HEADER);
	ai_buf_printf(b, "inputs:\n  config: { path: \"%s\" }\n", t->config);
	if (t->model)
		put_input(b, dir, "model", t->model, false, &hub, &resources);
	for (size_t i = 0; i < t->n_data; i++) {
		AI_FREE char *name = i ? ai_format("data%zu", i + 1) : ai_strdup("data");
		if (name)
			put_input(b, dir, name, t->data[i], true, &hub, &resources);
	}
	ai_buf_printf(b, "\nsteps:\n  train:\n    use: %s\n", t->use);
	if (t->trl)
		ai_buf_printf(b, "    trl: %s\n", t->trl);
	ai_buf_puts(b, "    config: config\n");
	put_lists(b, &hub, &resources);
	put_output(b, t);
}

static void
put_model(struct ai_buf *b)
{
	ai_buf_puts(b, "inputs:\n  model: { path: ., exclude: [Aicertfile, aicert.lock, proof.json, outputs] }\n"
		"  # What it is trained on: put yours in its place, here and in args.\n"
		"  data: { huggingface: \"datasets/trl-lib/Capybara\", layout: hub-cache }\n"
		"\nsteps:\n  train:\n    use: train-hf\n    trl: sft\n    hub: [data]\n    resources: [model]\n"
		"    args: [--model_name_or_path, \"${model}\", --dataset_name, trl-lib/Capybara, --output_dir, \"${out.model}\"]\n"
		"    outputs: { model: model/ }\n    # checkpoint: outputs/checkpoints   # a folder that outlives a crash\n    # limits: { gpus: 1 }   # without it a step sees no GPU\n");
}

void
ai_training_put(struct ai_buf *b, const char *dir, const struct ai_training *t)
{
	ai_buf_puts(b, "aicert: 1\n");
	put_environment(b, strcmp(t->use, "axolotl") == 0 ? AXOLOTL_IMAGE : TRL_IMAGE);
	if (t->config)
		put_configured(b, dir, t);
	else
		put_model(b);
	ai_buf_puts(b, "\noutputs: { model: train.model }\n");
}
