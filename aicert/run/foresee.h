/*
 * foresee.h -- what a run would do now, without doing any of it: `aicert plan`.
 *
 * Asks no network and writes nothing: no lock, no content, no node. What an input holds is known when its pin says so (hashes) or when it
 * is in the store; a commit that was never fetched, or an input that has no pin yet, is unknown, and so are the steps that it reaches.
 * For those it stands as a made-up pin and id, which never leave the planner.
 *
 * Depends on: all of run.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FORESEE_H
#define AI_FORESEE_H

#include "run/job.h"

/*
 * ai_foresee -- *report is new:
 *   {"name", "sources": [{"name","type","uri","would": "nothing"|"fetch"|"pin","size"?}],
 *    "steps": [{"step","would": "reuse"|"run"|"wait","why","needs": [names]}],
 *    "totals": {"steps","reuse","run","wait","fetch","pin","size"}}
 * in the order of the plan. size: bytes to be fetched, where the lock tells; pin: resolved, then fetched. wait: whether the step would run
 * is known when what it waits for is there.
 */
int ai_foresee(const struct ai_run_options *options, json_t **report, struct ai_err *err) AI_CHECKED;

/*
 * ai_graph -- inputs, images, steps and outputs, and who takes what from whom; of each step what became of it in this project's last run. What
 * inputs hold does not matter, so none is looked at. *report is new:
 *   {"name", "nodes": [{"kind": "input"|"image"|"step"|"output","name","type"?,"state"?}], "edges": [{"from","to"}]}
 * type: of an input, or the rule of a step; state: executed, reused, failed, waiting; from and to: places in nodes.
 */
int ai_graph(const struct ai_run_options *options, json_t **report, struct ai_err *err) AI_CHECKED;

/*
 * A made-up pin of an input or image that has none, as the lock would have one, with unknown (of 64 digits) wherever a hash stands. New
 * reference; NULL when memory is out.
 */
json_t *ai_provisional_pin(const struct ai_input *in, const char *unknown);
json_t *ai_provisional_image(const struct ai_image_ref *image, const char *unknown);

#endif
