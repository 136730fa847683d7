/*
 * collect.h -- the outputs of a step, hashed into the store.
 *
 * Depends on: base, model, fetch (path import), workspace.  Threads: one; no process of the step is alive.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_COLLECT_H
#define AI_COLLECT_H

#include "base/json.h"
#include "fetch/sink.h"

/*
 * ai_collect -- *outputs: [{"name", "blob"|"tree"}] in the order of the step's outputs; new reference.
 * AI_ESTEP when one is missing, of the other type, or an empty folder; AI_EINPUT when it holds what cannot be kept
 * (devices, sockets, links that leave it, names that are no names).
 */
int ai_collect(const struct ai_sink *sink, const char *scratch, const json_t *step, json_t **outputs, struct ai_err *err) AI_CHECKED;

#endif
