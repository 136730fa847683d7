/* watch.c -- a disk whose reads fail gives no proof (agent_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdalign.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/buf.h"
#include "vm/agent/agent_parts.h"

enum { RECORD = 8192, BLOCK = 4096 };

/*
 * blk_print_req_error; bio_check_eod, when a disk became shorter; set_capacity_and_notify (of the mapper's devices our own doing), for a read of a disk
 * that is empty by now fails without a word. Each says ten in five seconds, for all disks together: so those of one that does not matter can hide
 * those of the one that does, and whatever the disk, it is one too many.
 */
bool
ai_agent_read_failed(const char *record)
{
	return strstr(record, " error, dev ") || strstr(record, "attempt to access beyond end of device") ||
		(strstr(record, ": detected capacity change from ") && !strstr(record, ";dm-"));
}

static _Noreturn void
watch(int fd, const char *disk, pid_t agent, const struct ai_talk *talk)
{
	char record[RECORD];
	for (;;) {
		ssize_t n = read(fd, record, sizeof record - 1);
		if (n < 0 && errno == EINTR)
			continue;
		/* EPIPE too: nobody knows what the records said that were overwritten before they were read. */
		if (n > 0) {
			record[n] = '\0';
			if (!ai_agent_read_failed(record))
				continue;
		}
		/* Devices may take their time to be shut down: until then nobody is to go on. */
		(void)kill(agent, SIGKILL);
		ai_say(talk, AI_TALK_STAGE, "failed: %s cannot be read: the machine ends", disk);
		(void)reboot(RB_POWER_OFF);
		_exit(1);
	}
}

int
ai_agent_watch(const char *disk, const struct ai_talk *talk, struct ai_err *err)
{
	/* From the log's first record on: what was said before counts among the ten. */
	AI_FD fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "/dev/kmsg");
	pid_t agent = getpid(), pid = fork();
	if (pid == 0)
		watch(fd, disk, agent, talk);
	return pid < 0 ? ai_fail_errno(err, AI_EENV, "cannot start a process") : 0;
}

int
ai_agent_disk_there(int fd, uint64_t size, struct ai_err *err)
{
	alignas(BLOCK) char block[BLOCK];
	uint64_t now = 0;
	int flags = fcntl(fd, F_GETFL);
	/* Past what memory remembers of it. */
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0 || ioctl(fd, BLKGETSIZE64, &now) < 0)
		return ai_fail_errno(err, AI_EENV, "the job disk is gone");
	if (now != size || pread(fd, block, sizeof block, 0) != (ssize_t)sizeof block)
		return ai_fail(err, AI_EENV, "the job disk is gone: what was read of it last may not have been read");
	return 0;
}
