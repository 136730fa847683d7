/*
 * cpio.h -- a newc cpio archive, the same bytes for the same entries: no times, owners, inode numbers of any machine.
 *
 * Depends on: base.  Threads: pure.  Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_CPIO_H
#define AI_VM_CPIO_H

#include "base/buf.h"

struct ai_cpio_entry { const char *path; unsigned mode; const void *data; size_t n; }; /* path without leading "/"; mode with its S_IFMT; a link's data is its target */

/* Sorts entries by path bytes (parents come so before what is in them, and must be there), appends the archive. */
int ai_cpio_write(struct ai_cpio_entry *entries, size_t n, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

#endif
