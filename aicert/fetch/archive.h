/*
 * archive.h -- what is in an archive, as a tree: tar (ustar, pax, GNU; plain, gz, bz2, xz, zst) and zip.
 *
 * Which of them it is shows in its bytes, never in its name. What a tree does not have is lost: owners, times, modes but the owner's x. Refused by
 * name: absolute paths and "..", links that lead out, by their names or from where they came to lie, devices and the like, bad names, members that
 * are encrypted; and archives that unpack to more than AI_ARCHIVE_FREE bytes and AI_ARCHIVE_RATIO times their own size, or to more than AI_ARCHIVE_ENTRIES entries.
 * Names are the bytes that they are, but of a zip that says of them that they are UTF-8: libarchive composes those (NFC).
 * Of two members with one name the later counts, and a link among its parents is followed, as when it is unpacked to disk.
 *
 * Depends on: base, model, sink, archive_walk.  Threads: pure but for the sink.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ARCHIVE_H
#define AI_ARCHIVE_H

#include "base/hash.h"
#include "fetch/sink.h"

#define AI_ARCHIVE_FREE ((uint64_t)1 << 30)
#define AI_ARCHIVE_RATIO 200
#define AI_ARCHIVE_ENTRIES 2000000

struct ai_talk;

/* fd is read from its start. strip: so many leading parts of each path are left out, and what has no more than these. AI_EINPUT names the member. */
int ai_archive_tree(int fd, unsigned strip, const struct ai_sink *sink, const struct ai_talk *talk, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

#endif
