/*
 * gpu.h -- the machine's NVIDIA GPUs, as a step is given them.
 *
 * Found by what the driver shows: /proc/driver/nvidia (version, gpus/<bus>/information) and /dev/nvidia*. A step with
 * `limits: {gpus: N}` gets the first N (by device minor), the control devices, and, in an image, the driver's
 * libraries of the machine, for they must be of the kernel module's version. Model and driver enter the environment
 * node; uuids only the claims. Devices that set display modes or partition GPUs are not among them.
 *
 * Tests point AICERT_GPU_ROOT at a made-up tree with proc/driver/nvidia, dev, etc and usr.
 *
 * Depends on: base, sandbox.h.  Threads: pure but for the disk.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GPU_H
#define AI_GPU_H

#include "base/json.h"
#include "run/box/sandbox.h"

struct ai_gpu {
	char *model, *uuid;      /* "NVIDIA A100-SXM4-40GB", "GPU-…" */
	unsigned minor;          /* /dev/nvidia<minor> */
};

struct ai_gpus {
	char *driver;            /* "535.183.01"; NULL without a driver */
	struct ai_gpu *list; size_t n;
	char *root;              /* "" or AICERT_GPU_ROOT */
};

/*
 * All that this machine has and lets a step use, by minor; n may be 0. AI_EENV when a driver is there and cannot be used: its
 * version, device nodes or libcuda; the hint says what to do. One without a node of its own (a container's) is left out.
 */
int ai_gpus_find(struct ai_gpus *out, struct ai_err *err) AI_CHECKED;
void ai_gpus_done(struct ai_gpus *g);
/* [{"model","driver"}] of all, in their order: what the planner takes. New reference, NULL when memory is out. */
json_t *ai_gpus_nodes(const struct ai_gpus *g);
/*
 * ai_gpus_mounts -- what the sandbox must be given for the first n: the device nodes and, when image, the driver's libraries (into
 * AI_GPU_LIBRARIES) and nvidia-smi. The array is fresh, freed by ai_gpus_mounts_done. AI_EENV when there are fewer than n.
 */
struct ai_gpu_mounts { struct ai_bind *binds; size_t n_binds; };
int ai_gpus_mounts(const struct ai_gpus *g, size_t n, bool image, struct ai_gpu_mounts *out, struct ai_err *err) AI_CHECKED;
void ai_gpus_mounts_done(struct ai_gpu_mounts *m);
/* Where the driver's libraries stand inside an image: goes to the front of LD_LIBRARY_PATH. */
#define AI_GPU_LIBRARIES "/usr/local/nvidia/lib64"

/* --- gpu_text.c: the driver's own texts; pure ------------------------------- */
/* The module's version in /proc/driver/nvidia/version, of either flavour; fresh, NULL when none is in there. */
char *ai_gpu_version(const char *text);
/*
 * One GPU's "information": 1 read, 0 it is excluded from use, AI_EENV when model, uuid or minor are missing or malformed.
 * out's texts are fresh, and nothing of it is touched otherwise.
 */
int ai_gpu_information(const char *text, struct ai_gpu *out, struct ai_err *err) AI_CHECKED;

#endif
