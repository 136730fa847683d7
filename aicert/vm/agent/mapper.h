/*
 * mapper.h -- block devices that the kernel's device mapper makes of others; by its ioctls, for libdevmapper wants a udev.
 *
 * Depends on: base.  Threads: any.
 * Source: Linux, include/uapi/linux/dm-ioctl.h; Documentation/admin-guide/device-mapper/.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_AGENT_MAPPER_H
#define AI_AGENT_MAPPER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"

/* A read-only device of one target, of a length in bytes that is a multiple of 512; *out is its number. It lasts until the machine ends. */
int ai_mapper_make(const char *name, const char *target, const char *parameters, uint64_t length, dev_t *out, struct ai_err *err) AI_CHECKED;
/* The stretch of a disk from byte at on. */
int ai_mapper_linear(const char *name, dev_t disk, uint64_t at, uint64_t length, dev_t *out, struct ai_err *err) AI_CHECKED;
/*
 * What data holds, each block compared with its hash whenever it is read: so many blocks of 4096; their tree (vm/disk/shelf.h) lies on disk hashes
 * from byte at on. A block that differs ends the machine: who sees only that a read failed could still go on and be attested.
 */
int ai_mapper_verity(const char *name, dev_t data, uint64_t blocks, dev_t hashes, uint64_t at, const struct ai_digest *root, dev_t *out,
	struct ai_err *err) AI_CHECKED;

#endif
