/*
 * archive_deb.h -- packages of Debian (.deb) merged into one tree, as if they were unpacked over each other; nothing of them is run.
 *
 * Below the first package lies what every system with a merged /usr has: the folders usr/bin, usr/sbin, usr/lib, usr/lib64, and links to them in the root. A
 * folder of a package keeps a link that leads to a folder, as dpkg does; other files replace what has their name. What a tree does not have
 * is lost: owners, times, modes but the owner's x. Devices and the like are refused: no package that we want has any.
 *
 * A .deb is an ar(1) container, deb(5): "debian-binary" ("2.0\n" and later minor versions), "control.tar*", "data.tar*" (plain, gz, xz, zst).
 *
 * Depends on: base, model, sink, archive_walk.  Threads: belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ARCHIVE_DEB_H
#define AI_ARCHIVE_DEB_H

#include "base/err.h"
#include "base/hash.h"
#include "fetch/sink.h"

struct ai_debs;

/* leave_out: NULL-terminated patterns (base/path.h's ai_glob) of paths below the root that stay out of the tree; may be NULL. Borrowed. */
int ai_debs_new(const struct ai_sink *sink, const char *const *leave_out, struct ai_debs **out, struct ai_err *err) AI_CHECKED;
/* The next package. fd is read by offset from its start. AI_EINPUT names the entry and what is wrong; then no tree is to be had any more. */
int ai_debs_apply(struct ai_debs *d, int fd, struct ai_err *err) AI_CHECKED;
int ai_debs_tree(struct ai_debs *d, struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;
void ai_debs_free(struct ai_debs *d);

#endif
