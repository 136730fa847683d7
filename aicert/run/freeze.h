/*
 * freeze.h -- this machine's own files as an image: for a machine without a registry, and for the measured runner, which has no host environment.
 *
 * What the last run's steps looked at in the host environment (their `used` nodes: files, links, folders), and whole paths that are named.
 * Every file is hashed again and must be as `used` says. The same files give the same image on any machine.
 *
 * Depends on: run/job, observe, fetch (image_write).  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_FREEZE_H
#define AI_FREEZE_H

#include "base/json.h"
#include "run/run.h"

struct ai_freeze {
	const char *out;                      /* folder of the image layout */
	const char *const *paths; size_t n_paths; /* folders whole, links followed */
	bool no_run;                          /* only the paths: no project, no run is looked at */
	bool force;                           /* an image at out may be replaced */
};

/*
 * run: file, home and talk are used. *report (new reference): {"image": path, "manifest": "sha256:…", "layer": "sha256:…", "bytes": of the layer, "files",
 * "folders", "links", "left_out": [paths]}. AI_EUSAGE when there is no run or a path is not for an image, AI_EINPUT when a file is no
 * longer what the run used.
 */
int ai_freeze(const struct ai_run_options *run, const struct ai_freeze *in, json_t **report, struct ai_err *err) AI_CHECKED;

#endif
