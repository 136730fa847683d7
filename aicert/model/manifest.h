/*
 * manifest.h -- what an Aicertfile says, whichever of its forms it was written in.
 *
 * The short form (one step: `kind:` and attributes) is rewritten into the long
 * form here, so that everything behind this header knows one form only, and both
 * give the same step for the same meaning. Attributes of steps stay YAML: the rule
 * that the step uses declares and checks them (rule/).
 *
 * Depends on: base, yaml.  Threads: a manifest belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_MANIFEST_H
#define AI_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/image_ref.h"
#include "model/yaml.h"

/* A verifier reads what a stranger wrote: these keep its work in bounds. */
#define AI_MAX_STEPS 1000
#define AI_MAX_INPUTS 4000

typedef enum ai_input_type { AI_INPUT_GIT, AI_INPUT_URL, AI_INPUT_PATH } ai_input_type;

struct ai_input {
	char *name;
	ai_input_type type;
	char *where;            /* the URL, or the path, as written (may hold secrets: never stored) */
	char *ref;              /* git: branch, tag or commit as written; NULL = the remote's HEAD */
	char *sha256;           /* url, path (a file): expected digest, 64 hex; else NULL */
	long long size;         /* url: expected bytes, or -1 */
	char *to;               /* path in the workspace where steps find it, relative to /workspace; NULL = as the rule says */
	char **exclude;         /* path: globs */
	size_t n_exclude;
	bool follow;            /* path: links are replaced by what they point to */
	bool submodules;        /* git: default true */
	int line, column;
};

struct ai_limits {
	double time_s;                 /* 0 = none */
	unsigned long long memory;     /* bytes; 0 = none */
	unsigned cpus, pids, gpus;     /* 0 = none */
};

/* 32G, 512M, 1Ti, 4GiB, 1000; and 12h, 30m, 45s, 1h30m, 90 (seconds). false: it is none, or 0. */
bool ai_memory_parse(const char *text, unsigned long long *out);
bool ai_duration_parse(const char *text, double *out);

struct ai_step_spec {
	char *name;
	char *use;                     /* the rule */
	const struct ai_yaml *attrs;   /* MAP without use, environment and limits: what the rule checks; borrowed from the manifest */
	struct ai_limits limits;
	const struct ai_image_ref *image; /* what the step runs in; NULL: the host. Borrowed from the manifest */
	bool short_form;               /* attrs are the top level of the file: for near names only */
	int line, column;
};

struct ai_output_spec {
	char *name, *step, *output;
	int line, column;
};

struct ai_manifest {
	char *file;                    /* as named in errors */
	char *name;                    /* of the run; "aicert" when not given */
	struct ai_yaml *yaml;          /* owns what attrs borrow */
	struct ai_input *inputs;       size_t n_inputs;
	struct ai_step_spec *steps;    size_t n_steps;
	struct ai_output_spec *outputs; size_t n_outputs; /* empty: every output of every step that no other step takes */
	struct ai_image_ref **images;  size_t n_images; /* every image that a step names, once each */
	bool host_said;                /* `environment: host` was written */
};

/* AI_EUSAGE with `file:line:column:` on unknown keys (with the nearest known one), wrong types, bad references, cycles. */
int ai_manifest_parse(const char *text, size_t len, const char *file, struct ai_manifest **out, struct ai_err *err) AI_CHECKED;
/* The same of what was parsed already; yaml is taken over, also on failure. */
int ai_manifest_of(struct ai_yaml *yaml, const char *file, struct ai_manifest **out, struct ai_err *err) AI_CHECKED;
void ai_manifest_free(struct ai_manifest *m);
const struct ai_input *ai_manifest_input(const struct ai_manifest *m, const char *name);

#endif
