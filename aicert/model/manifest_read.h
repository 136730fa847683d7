/*
 * manifest_read.h -- what the parts of the Aicertfile's reader share; of no interest elsewhere.
 *
 * Depends on: base, yaml, manifest.  Threads: a reader belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_MANIFEST_READ_H
#define AI_MANIFEST_READ_H

#include "model/manifest.h"

struct reader {
	const char *file;
	struct ai_manifest *m;
	size_t cap_inputs, cap_outputs, cap_images, cap_matrices;
	struct ai_names image_names;       /* of m->images; borrows their texts */
	struct ai_names values;            /* of m->parameters */
	size_t room;                       /* bytes that texts and steps may still grow by */
	const struct ai_image_ref *image;  /* of steps that do not say their own; NULL: host */
	struct ai_err *err;
};

/* AI_EUSAGE at the node's place. */
int ai_at(struct reader *r, const struct ai_yaml *at, const char *fmt, ...) AI_PRINTF(3, 4);
/* AI_EENV at the node's place: good, but not in this version. */
int ai_unsupported(struct reader *r, const struct ai_yaml *at, const char *what, const char *hint);
/* Every key of map is one of n known; what ("an input") words the refusal of others, with the nearest. */
int ai_known_keys(struct reader *r, const struct ai_yaml *map, const char *what, const char *const *known, size_t n) AI_CHECKED;
/* The node is a non-empty text; what names it. *out is fresh. */
int ai_take_text(struct reader *r, const struct ai_yaml *y, const char *what, char **out) AI_CHECKED;
/* Letters, digits, '_' and '-', at most 100: what inputs, steps and outputs may be called. */
int ai_take_name(struct reader *r, const struct ai_yaml *y, const char *what, char **out) AI_CHECKED;
int ai_take_flag(struct reader *r, const struct ai_yaml *y, const char *what, bool *out) AI_CHECKED;
/* Digits only, at most max. */
int ai_take_count(struct reader *r, const struct ai_yaml *y, const char *what, unsigned long long max, unsigned long long *out) AI_CHECKED;

/* One input, appended to the manifest. name is fresh and taken over, also on failure. manifest_input.c */
int ai_read_input(struct reader *r, char *name, const struct ai_yaml *at, const struct ai_yaml *map) AI_CHECKED;
/* An input that a source rule resolves: 1 when it is one and was read, 0 when not. manifest_source.c */
int ai_read_rule_input(struct reader *r, const struct ai_yaml *map, struct ai_input *in) AI_CHECKED;
/* `to`: below /workspace, written relative to it or in full. manifest_input.c */
int ai_read_to(struct reader *r, const struct ai_yaml *y, struct ai_input *in) AI_CHECKED;
/* A name made of the last part of where the input comes from; NULL when that gives none. Caller frees. */
char *ai_input_name(const struct ai_yaml *map);
/* manifest_limits.c */
int ai_read_limits(struct reader *r, const struct ai_yaml *map, struct ai_limits *out) AI_CHECKED;
/* `environment:` of a file or a step: *out is an image of the manifest's, or NULL for the host. manifest_step.c */
int ai_read_environment(struct reader *r, const struct ai_yaml *y, const struct ai_image_ref **out) AI_CHECKED;
/* `image:`, the reference itself. manifest_step.c */
int ai_read_image(struct reader *r, const struct ai_yaml *y, const struct ai_image_ref **out) AI_CHECKED;
/* Appends a step whose attributes are map, after taking use (the rule's name), limits, environment and checkpoint out of it. name is taken over. */
int ai_read_step(struct reader *r, char *name, const char *use_key, const struct ai_yaml *at, struct ai_yaml *map, bool short_form) AI_CHECKED;
/* Some words of templates look like a step's output. */
int ai_check_step_name(struct reader *r, const char *name, int line, int column) AI_CHECKED;

/* One axis of a matrix, and the value that holds now. */
struct axis {
	const char *name, *value;
	size_t len;
	struct ai_yaml *list;
	size_t at;
};
/* Effective values of the parameters that `declared` (NULL: none) names, from what is given. manifest_param.c */
int ai_read_parameters(struct reader *r, const struct ai_yaml *declared, const json_t *given) AI_CHECKED;
/* Puts values in the place of ${param.NAME}, and of ${matrix.NAME} when there are axes, in every text below y. manifest_param.c */
int ai_fill_in(struct reader *r, struct ai_yaml *y, const struct axis *axes, size_t n) AI_CHECKED;
/* Puts the steps that they mean in the place of those with `matrix:`, in the document's map of steps, and fills in all. manifest_matrix.c */
int ai_expand_steps(struct reader *r, struct ai_yaml *steps) AI_CHECKED;

/* The short form: a map with `kind:`. manifest_short.c */
int ai_read_short(struct reader *r, struct ai_yaml *map) AI_CHECKED;

#endif
