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
	size_t cap_inputs, cap_steps, cap_outputs, cap_images;
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
/* A name made of the last part of where the input comes from; NULL when that gives none. Caller frees. */
char *ai_input_name(const struct ai_yaml *map);
/* manifest_limits.c */
int ai_read_limits(struct reader *r, const struct ai_yaml *map, struct ai_limits *out) AI_CHECKED;
/* `environment:` of a file or a step: *out is an image of the manifest's, or NULL for the host. manifest_step.c */
int ai_read_environment(struct reader *r, const struct ai_yaml *y, const struct ai_image_ref **out) AI_CHECKED;
/* `image:`, the reference itself. manifest_step.c */
int ai_read_image(struct reader *r, const struct ai_yaml *y, const struct ai_image_ref **out) AI_CHECKED;
/* Appends a step whose attributes are map, after taking use (the rule's name), limits and environment out of it. name is taken over. */
int ai_read_step(struct reader *r, char *name, const char *use_key, const struct ai_yaml *at, struct ai_yaml *map, bool short_form) AI_CHECKED;
/* The short form: a map with `kind:`. manifest_short.c */
int ai_read_short(struct reader *r, struct ai_yaml *map) AI_CHECKED;

#endif
