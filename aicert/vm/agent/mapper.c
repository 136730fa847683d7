/* mapper.c -- see mapper.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/agent/mapper.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/buf.h"

enum { SECTOR = 512, BLOCK = 4096, MAX_PARAMETERS = 512 };

/* What an ioctl is given, and what comes back in its place. */
struct request {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char parameters[MAX_PARAMETERS];
};

static int
call(int control, unsigned long number, const char *name, struct request *r, struct ai_err *err)
{
	r->head.version[0] = DM_VERSION_MAJOR;
	r->head.data_size = sizeof *r;
	r->head.data_start = offsetof(struct request, target);
	memcpy(r->head.name, name, strlen(name) + 1);
	return ioctl(control, number, r) < 0 ? ai_fail_errno(err, AI_EENV, "device mapper: '%s'", name) : 0;
}

int
ai_mapper_make(const char *name, const char *target, const char *parameters, uint64_t length, dev_t *out, struct ai_err *err)
{
	struct request create = { .head.flags = DM_READONLY_FLAG }, resume = { 0 };
	struct request load = { .head = { .flags = DM_READONLY_FLAG, .target_count = 1 }, .target = { .length = length / SECTOR } };
	AI_FD control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return ai_fail_errno(err, AI_EENV, "device mapper");
	if (strlen(name) >= sizeof load.head.name || strlen(target) >= sizeof load.target.target_type || strlen(parameters) >= sizeof load.parameters)
		return ai_fail(err, AI_EUSAGE, "internal: device mapper: '%s': too long", name);
	memcpy(load.target.target_type, target, strlen(target) + 1);
	memcpy(load.parameters, parameters, strlen(parameters) + 1);
	if (call(control, DM_DEV_CREATE, name, &create, err) < 0 || call(control, DM_TABLE_LOAD, name, &load, err) < 0 ||
		call(control, DM_DEV_SUSPEND, name, &resume, err) < 0)
		return err->code;
	*out = (dev_t)create.head.dev;
	return 0;
}

int
ai_mapper_linear(const char *name, dev_t disk, uint64_t at, uint64_t length, dev_t *out, struct ai_err *err)
{
	char parameters[MAX_PARAMETERS];
	snprintf(parameters, sizeof parameters, "%u:%u %llu", major(disk), minor(disk), (unsigned long long)at / SECTOR);
	return ai_mapper_make(name, "linear", parameters, length, out, err);
}

int
ai_mapper_verity(const char *name, dev_t data, uint64_t blocks, dev_t hashes, uint64_t at, const struct ai_digest *root, dev_t *out, struct ai_err *err)
{
	char parameters[MAX_PARAMETERS], hex[AI_HEX];
	ai_hex(root, hex);
	snprintf(parameters, sizeof parameters, "1 %u:%u %u:%u %d %d %llu %llu sha256 %s - 1 panic_on_corruption", major(data), minor(data), major(hashes),
		minor(hashes), BLOCK, BLOCK, (unsigned long long)blocks, (unsigned long long)at / BLOCK, hex);
	return ai_mapper_make(name, "verity", parameters, blocks * BLOCK, out, err);
}
