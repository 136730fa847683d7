/*
 * lock.h -- aicert.lock: the pins of everything that a name could change.
 *
 *   {"format": 1, "inputs": {"code": {"type": "git", "uri": "https://…", "ref": "main", "revision": "<commit>"},
 *                            "data": {"type": "url", "uri": "https://…", "sha256": "<hex>", "size": 123}},
 *    "images": {"docker.io/library/python:3.11": {"type": "image", "uri": …, "digest": "sha256:…", "revision": "sha256:…",
 *               "platform": "linux/amd64", "config": {"env": [{"name", "value"}], "workdir": "/x", "entrypoint": [words], "cmd": [words]}}}}
 *
 * digest is of what the image's name gave, revision of the platform's manifest, config what that manifest's config says and a
 * plan needs. "images" is there when there is one, and so is "wheels" (lock_wheels.h).
 * Pins of lists, archives and source rules: lock_files.h. Of an output of another run: {"type": "proof", "uri", "ref"? (the output, as written),
 * "revision": the run's root, "blob" or "tree": what the output holds}; the file may be another proof of that run.
 *
 * Written with sorted keys, so that two users write the same bytes. Holds no
 * secret and no absolute path: uri is ai_source_uri() of what was written.
 *
 * Depends on: base.  Threads: a lock belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LOCK_H
#define AI_LOCK_H

#include <stdbool.h>

#include "base/json.h"

struct ai_buf;
struct ai_input;
struct ai_image_ref;

/* text may be NULL (no lock yet): an empty lock. AI_EINPUT when malformed or of a newer format. */
int ai_lock_parse(const char *text, size_t len, json_t **out, struct ai_err *err) AI_CHECKED;
/* The lock's bytes as they stand in the file and in the plan's blob. */
int ai_lock_format(const json_t *lock, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* The pin of an input, or NULL: absent, or made for another uri or ref (of a source rule: for other attributes) than the input now has. Borrowed. */
json_t *ai_lock_pin(const json_t *lock, const struct ai_input *input);
/* Adds or replaces a pin (steals nothing; pin is copied by reference). */
int ai_lock_set(json_t *lock, const char *name, json_t *pin, struct ai_err *err) AI_CHECKED;

/* The pin of an image, or NULL: absent, or for another platform. Borrowed. */
json_t *ai_lock_image(const json_t *lock, const struct ai_image_ref *image, const char *platform);
/* Adds or replaces it. */
int ai_lock_set_image(json_t *lock, const struct ai_image_ref *image, json_t *pin, struct ai_err *err) AI_CHECKED;

/*
 * ai_source_uri -- what may be written of where an input comes from.
 * Without user info and signed query; a path or file:// URL that is absolute or leads out of the project is "local".
 * Caller frees; NULL when memory is out.
 */
char *ai_source_uri(const struct ai_input *input);
/* The same of one URL: fresh. */
char *ai_url_written(const char *url);
/* The file name that the last part of a URL or path gives, fresh; NULL when it gives none (or memory is out). */
char *ai_url_file_name(const char *url);

#endif
