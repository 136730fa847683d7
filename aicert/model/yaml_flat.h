/*
 * yaml_flat.h -- a tree of yaml.h as bytes, for one process to hand to another.
 *
 * Canonical JSON: an array of nodes, each before what is in it. A text is ["s",line,column,plain,text]; a list ["l",line,column,n], with its n
 * values behind it; a map ["m",line,column,n], with n times a key and its value. So reading nests no deeper than the tree, and
 * what is read is such a tree as ai_yaml_parse gives, or refused: who wrote the bytes is not believed.
 *
 * Depends on: base, yaml.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_YAML_FLAT_H
#define AI_YAML_FLAT_H

#include "model/yaml.h"

struct ai_buf;

/* Appended to out. */
int ai_yaml_flat(const struct ai_yaml *y, struct ai_buf *out, struct ai_err *err) AI_CHECKED;
/* AI_EINPUT. *out is the caller's. */
int ai_yaml_unflat(const char *bytes, size_t n, struct ai_yaml **out, struct ai_err *err) AI_CHECKED;

#endif
