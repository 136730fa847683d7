/*
 * init_training.h -- what `aicert init` knows of trainings with the libraries of Hugging Face.
 *
 * Looks at a folder for the YAML of an Axolotl or TRL training (top-level keys base_model, model_name_or_path), and for a model
 * (a config.json with a model_type). Lines are enough for a first Aicertfile: nothing here is believed later.
 *
 * Depends on: base.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_INIT_TRAINING_H
#define AI_INIT_TRAINING_H

#include "base/buf.h"

enum { AI_TRAINING_DATA = 8 };

struct ai_training {
	const char *use;               /* "axolotl" or "train-hf"; NULL: nothing of the kind is there */
	const char *trl;               /* the command of TRL, or NULL */
	char *config;                  /* the YAML file; NULL: a model's folder */
	char *model, *output;          /* as it says; may be NULL */
	char *data[AI_TRAINING_DATA]; size_t n_data;
};

int ai_training_find(const char *dir, struct ai_training *out, struct ai_err *err) AI_CHECKED;
void ai_training_done(struct ai_training *t);
/* The Aicertfile; dir: where paths that it names are looked for. */
void ai_training_put(struct ai_buf *b, const char *dir, const struct ai_training *t);

#endif
