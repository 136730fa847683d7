/*
 * manifest.h -- what an Aicertfile says, whichever of its forms it was written in.
 *
 * The short form (one step: `kind:` and attributes) is rewritten into the long
 * form here, so that everything behind this header knows one form only, and both
 * give the same step for the same meaning. Attributes of steps stay YAML: the rule
 * that the step uses declares and checks them (rule/).
 *
 * Behind this header there are no parameters and no matrices either: `${param.NAME}` and `${matrix.NAME}` are replaced by their texts,
 * and a step with `matrix:` stands here as the steps that it means, one behind the other.
 *
 * Depends on: base, yaml.  Threads: a manifest belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_MANIFEST_H
#define AI_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/names.h"
#include "model/image_ref.h"
#include "model/yaml.h"

/* A verifier reads what a stranger wrote: these keep its work in bounds. */
#define AI_MAX_STEPS 200000
#define AI_MAX_INPUTS 200000
#define AI_MAX_URLS 10000  /* of one input */
#define AI_MAX_STOOD_FOR 2000000 /* outputs for which matrices' names stand, in the lists of all steps */

/* RULE: a source rule resolves it (rule/source.h). */
typedef enum ai_input_type { AI_INPUT_GIT, AI_INPUT_URL, AI_INPUT_PATH, AI_INPUT_PROOF, AI_INPUT_RULE } ai_input_type;

struct ai_input {
	char *name;
	ai_input_type type;
	char *where;            /* the URL, or the path, as written (may hold secrets: never stored); RULE: what stands behind the rule's name, or that name */
	char *ref;              /* git: branch, tag or commit as written; NULL = the remote's HEAD */
	char *sha256;           /* url, path (a file): expected digest, 64 hex; else NULL */
	long long size;         /* url: expected bytes, or -1 */
	char *to;               /* path in the workspace where steps find it, relative to /workspace; NULL = as the rule says */
	char **exclude;         /* path: globs */
	size_t n_exclude;
	bool follow;            /* path: links are replaced by what they point to */
	bool submodules;        /* git: default true */
	bool lfs;               /* git: files of Git LFS are fetched: default true */
	char **urls;            /* url: more than one, a folder of them; where is the first. n_urls 0: just where */
	char **sha256s;         /* url: of each of urls, NULL where none is said */
	size_t n_urls;
	bool unpack;            /* url: an archive, its content is the input */
	unsigned strip;         /* url: leading parts of an archive's paths that are left out */
	char *output, *level, *content; /* proof: which output; the level wanted; where the output's content is; NULL: not said */
	char *use;              /* RULE: the source rule */
	struct ai_yaml *attrs;  /* RULE: MAP, what the rule checks: all that was written but to, name, use and type */
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
	const struct ai_yaml *attrs;   /* MAP without use, environment, limits, matrix and checkpoint: what the rule checks; borrowed from the manifest */
	struct ai_limits limits;
	const struct ai_image_ref *image; /* what the step runs in; NULL: the host. Borrowed from the manifest */
	char *checkpoint;              /* folder relative to /workspace that outlives a crash; NULL: none. No part of the step's key */
	size_t stands_for;             /* so many outputs of matrices' steps the names in its lists stand for */
	const char *matrix;            /* the matrix step that it is one of; NULL: none. Borrowed */
	bool short_form;               /* attrs are the top level of the file: for near names only */
	int line, column;
};

struct ai_output_spec {
	char *name, *step, *output;
	int line, column;
};

/* A step with `matrix:`: steps[first] up to steps[first + n] in the manifest are what it means. */
struct ai_matrix {
	char *name;
	size_t first, n;
};

struct ai_manifest {
	char *file;                    /* as named in errors */
	char *name;                    /* of the run; "aicert" when not given */
	struct ai_yaml *yaml;          /* owns what attrs borrow */
	struct ai_input *inputs;       size_t n_inputs;
	struct ai_step_spec *steps;    size_t n_steps;
	struct ai_matrix *matrices;    size_t n_matrices;
	struct ai_output_spec *outputs; size_t n_outputs; /* empty: every output of every step that no other step takes */
	struct ai_image_ref **images;  size_t n_images; /* every image that a step names, once each */
	json_t *parameters;            /* [{"name","value"}] sorted: every declared one with its effective value, and AI_PARAM_STEPS when it was given */
	struct ai_names selected;      /* the step names of AI_PARAM_STEPS, a matrix's name for all of it; empty: all steps */
	struct ai_names input_names, step_names, matrix_names; /* indexes; kept by the functions below */
	size_t cap_steps;
	bool host_said;                /* `environment: host` was written */
};

/* The plan's parameter that names the selected steps, joined by ','. No parameter of a user's can have a '.'. */
#define AI_PARAM_STEPS "aicert.steps"

/*
 * ai_manifest_parse -- parameters: [{"name","value"}] as in the plan node, in any order; those that are declared and not given have their
 * default. NULL: none are given. AI_EUSAGE with `file:line:column:` on unknown keys (with the nearest known one), wrong types, bad
 * references, unknown parameters, and matrices that are too large or give two steps one name.
 */
int ai_manifest_parse(const char *text, size_t len, const char *file, const json_t *parameters, struct ai_manifest **out, struct ai_err *err) AI_CHECKED;
/* The same of what was parsed already; yaml is taken over, also on failure. */
int ai_manifest_of(struct ai_yaml *yaml, const char *file, const json_t *parameters, struct ai_manifest **out, struct ai_err *err) AI_CHECKED;
void ai_manifest_free(struct ai_manifest *m);
/* "git", "url", "path", "proof", or the source rule's name. */
const char *ai_input_word(const struct ai_input *in);
/* By name, the name being its first n bytes; NULL when there is none. */
const struct ai_input *ai_manifest_input(const struct ai_manifest *m, const char *name);
struct ai_step_spec *ai_manifest_step(const struct ai_manifest *m, const char *name, size_t n);
const struct ai_matrix *ai_manifest_matrix(const struct ai_manifest *m, const char *name, size_t n);
/* Was it chosen, by its name or its matrix's? */
bool ai_manifest_is_selected(const struct ai_manifest *m, const struct ai_step_spec *s);
/*
 * Keeps the steps and inputs that are marked, the images of those steps, and the outputs of selected ones; gives the rest back. Pointers into the
 * manifest are void.
 */
int ai_manifest_keep(struct ai_manifest *m, const bool *steps, const bool *inputs, struct ai_err *err) AI_CHECKED;
/* Appends a step, whose members the manifest then owns, also on failure; pointers to steps are void. AI_EUSAGE when the name is taken. */
int ai_manifest_add_step(struct ai_manifest *m, const struct ai_step_spec *step, struct ai_err *err) AI_CHECKED;

/*
 * ai_manifest_parameters -- what `-D name=value` and chosen steps are as parameters, *out NULL when there are none. AI_EUSAGE when a
 * definition is no such thing or gives a name twice.
 */
int ai_manifest_parameters(const char *const *define, size_t n_define, const char *const *steps, size_t n_steps, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
