/*
 * worker_parts.h -- what the two sides of run/worker.h say to each other.
 *
 * Depends on: job.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_WORKER_PARTS_H
#define AI_WORKER_PARTS_H

#include "run/job.h"
#include "run/worker.h"

#define AI_MAX_FRAME (512u << 20)

typedef enum ai_frame_kind { AI_FRAME_HELLO, AI_FRAME_STEP, AI_FRAME_LOG, AI_FRAME_SAY, AI_FRAME_WAITS, AI_FRAME_ANSWER } ai_frame_kind;

struct ai_frame { ai_frame_kind kind; unsigned n; };
/* Its bytes are the folders' names: cache, data, project. jobs: how many workers there are. */
struct ai_hello_frame { unsigned n_cache, n_data, n_project, jobs; bool fresh; };
/* Its bytes are name and checkpoint (or none), and as JSON environment, recipe (of its inputs the source alone) and node. */
struct ai_step_frame {
	size_t step;
	struct ai_digest id;
	struct ai_limits limits;
	unsigned n_name, n_checkpoint, n_environment, n_recipe, n_node;
};
/* Its bytes are the text. */
struct ai_say_frame { ai_talk_kind kind; uint64_t done, total; };
/* Its bytes are failure, log and the result's node, in this order; each may be of no bytes. */
struct ai_answer_frame { int code; struct ai_err err; double seconds; unsigned n_failure, n_log, n_result; };

/* A frame of a fixed part and further bytes; false when the other end is gone. */
bool ai_frame_send(int sock, ai_frame_kind kind, const void *a, size_t n, const void *b, size_t m);
/* n bytes; false at the end. */
bool ai_frame_receive(int sock, void *to, size_t n);

/*
 * Both sides must be of one build. A program of its own (aicert-worker) is started with this text as its word, the socket being its
 * descriptor AI_NURSERY_FD.
 */
#define AI_NURSERY_FD 3
void ai_nursery_tag(char out[128]);
/* The nursery: forks workers as it is asked to, until nobody can ask it any more. ready: what each does first; may be NULL. */
_Noreturn void ai_nurse(int sock, void (*ready)(void));

#endif
