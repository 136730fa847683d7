/* watch.c -- a disk whose reads fail ends the machine (agent_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/buf.h"
#include "vm/agent/agent_parts.h"

enum { RECORD = 8192 };

bool
ai_agent_read_failed(const char *record, const char *disk)
{
	char of_disk[64];
	snprintf(of_disk, sizeof of_disk, " error, dev %s,", disk);
	/* blk_print_req_error, and bio_check_eod when the disk became shorter. */
	return strstr(record, of_disk) || strstr(record, "attempt to access beyond end of device");
}

static _Noreturn void
watch(int fd, const char *disk, pid_t agent, const struct ai_talk *talk)
{
	char record[RECORD];
	for (;;) {
		ssize_t n = read(fd, record, sizeof record - 1);
		/* EPIPE: some were overwritten before they were read, and the next is there. */
		if (n < 0 && (errno == EINTR || errno == EPIPE))
			continue;
		if (n > 0) {
			record[n] = '\0';
			if (!ai_agent_read_failed(record, disk))
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
	AI_FD fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return ai_fail_errno(err, AI_EENV, "/dev/kmsg");
	pid_t agent = getpid(), pid = fork();
	if (pid == 0)
		watch(fd, disk, agent, talk);
	return pid < 0 ? ai_fail_errno(err, AI_EENV, "cannot start a process") : 0;
}
