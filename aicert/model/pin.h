/*
 * pin.h -- what a source rule's resolve() may answer.
 *
 *   {"pin": "files", "uri", "ref"?, "revision"?, "single"?: true, "files": [{"path", "url", "sha256"?, "size"?, "git_sha1"?, "exec"?: true}, {"path", "text"}, {"path", "target"}]}
 *   {"pin": "git", "url", "ref"?, "revision"?}
 *   {"pin": "url", "url", "sha256"?, "size"?, "unpack"?: true, "strip"?}
 *
 * files are sorted by the bytes of path, at most AI_MAX_PIN_FILES, none below another; `single` has one file, which is then the content itself and
 * not a folder. A file with `text` is made of that text, at most AI_MAX_PIN_TEXT bytes, and not fetched; one with `target` is a link inside the folder. URLs are http, https or s3,
 * without user info and signed queries: a pin is public.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_PIN_H
#define AI_PIN_H

#include "base/json.h"

#define AI_MAX_PIN_FILES 200000
#define AI_MAX_PIN_TEXT (64u << 10)
#define AI_MAX_PIN_URL 8192

/* AI_EUSAGE says what is not so: "files[3]: path 'a/../b': …". */
int ai_pin_check(const json_t *pin, struct ai_err *err) AI_CHECKED;

#endif
