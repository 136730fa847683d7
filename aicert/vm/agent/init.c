/* init.c -- pid 1 of the measured machine: a place to work in, one job, power off (agent.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "vm/agent/agent_parts.h"

/* Where the new root is made before it becomes "/", and where all of the job lives in it. */
#define ROOT "/root.new"
#define HOME "/aicert"
/* Drivers find their devices in their own time. */
#define WAIT_S 20
/* A clock before this was never set: no such machine existed. */
#define EARLIEST 1700000000

static const struct { const char *type, *where; unsigned long flags; const char *options; } mounts[] = {
	/* What the job disk unpacks to, what steps write, and their memory share what the machine has. */
	{ "tmpfs", ROOT, MS_NOSUID | MS_NODEV, "mode=0755,size=90%" },
	{ "devtmpfs", ROOT "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755" },
	{ "tmpfs", ROOT "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "proc", ROOT "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", ROOT "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "securityfs", ROOT "/sys/kernel/security", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "cgroup2", ROOT "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
};
static const char *const folders[] = { "/tmp", "/run", HOME };

/*
 * Of the kernel's settings those that stand between a step and the kernel, or between us and a kernel that went wrong. One that this kernel
 * does not have protects from nothing that it has.
 */
static const struct { const char *file, *value; } settings[] = {
	{ "/proc/sys/kernel/modules_disabled", "1" },           /* whatever is asked for, no further code comes into the kernel */
	{ "/proc/sys/kernel/kexec_load_disabled", "1" },        /* nor another one in its place, which nobody measured */
	{ "/proc/sys/kernel/kptr_restrict", "2" },
	{ "/proc/sys/kernel/dmesg_restrict", "1" },
	{ "/proc/sys/kernel/unprivileged_bpf_disabled", "1" },
	{ "/proc/sys/kernel/perf_event_paranoid", "3" },
	{ "/proc/sys/kernel/io_uring_disabled", "2" },
	{ "/proc/sys/kernel/sysrq", "0" },                      /* the serial line's other end is the host's */
	{ "/proc/sys/kernel/panic_on_oops", "1" },              /* a kernel that stumbled vouches for nothing */
	{ "/proc/sys/fs/suid_dumpable", "0" },
	{ "/proc/self/oom_score_adj", "-1000" },                /* a step goes first */
	{ "/sys/fs/cgroup/cgroup.subtree_control", "+memory" },
	{ "/sys/fs/cgroup/cgroup.subtree_control", "+pids" },
	{ "/sys/fs/cgroup/cgroup.subtree_control", "+cpu" },
};

#define EACH(i, array) (size_t i = 0; i < sizeof (array) / sizeof *(array); i++)

static int
make_root(struct ai_err *err)
{
	for EACH(i, mounts) {
		if (mkdir(mounts[i].where, 0755) < 0 && errno != EEXIST)
			return ai_fail_errno(err, AI_EENV, "%s: cannot make folder", mounts[i].where);
		if (mount(mounts[i].type, mounts[i].where, mounts[i].type, mounts[i].flags, mounts[i].options) < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot mount %s", mounts[i].where, mounts[i].type);
	}
	for EACH(i, folders) {
		AI_FREE char *path = ai_format(ROOT "%s", folders[i]);
		if (!path || mkdir(path, 0755) < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot make folder", folders[i]);
	}
	return chmod(ROOT "/tmp", 01777) < 0 ? ai_fail_errno(err, AI_EENV, "/tmp") : 0;
}

/* The initramfs cannot be left by pivot_root, which the sandbox needs: what is mounted over it can. */
static int
enter_root(struct ai_err *err)
{
	if (chdir(ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return ai_fail_errno(err, AI_EENV, "cannot change the root");
	return 0;
}

static void
set_kernel(const struct ai_talk *talk)
{
	for EACH(i, settings) {
		AI_FD fd = open(settings[i].file, O_WRONLY | O_CLOEXEC);
		size_t n = strlen(settings[i].value);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || write(fd, settings[i].value, n) != (ssize_t)n)
			ai_say(talk, AI_TALK_NOTE, "%s: cannot be set to %s: %s", settings[i].file, settings[i].value, strerror(errno));
	}
}

static void
set_names(const struct ai_talk *talk)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	AI_FD s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sethostname("aicert", 6) < 0 || s < 0 || ioctl(s, SIOCSIFFLAGS, &lo) < 0)
		ai_say(talk, AI_TALK_NOTE, "host name and loopback: %s", strerror(errno));
	if (time(NULL) < EARLIEST)
		ai_say(talk, AI_TALK_NOTE, "the clock was never set: times in what is attested are wrong");
}

/* --- the job ---------------------------------------------------------------- */

static int
wait_for_disks(struct ai_agent_disks *out, struct ai_err *err)
{
	for (int i = 0;; i++) {
		*err = (struct ai_err){ 0 };
		if (ai_agent_find_disks("/sys/block", "/dev", out, err) == 0 || i == WAIT_S * 20)
			return err->code;
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
}

static int
do_job(const struct ai_talk *talk, struct ai_err *err)
{
	struct ai_agent_disks disks;
	if (wait_for_disks(&disks, err) < 0)
		return err->code;
	const struct ai_agent a = {
		.job = disks.job, .job_size = disks.job_size, .result = disks.result, .result_size = disks.result_size, .home = HOME, .talk = talk,
		.tpm = ai_exists("/dev/tpmrm0") ? "device:/dev/tpmrm0" : "device:/dev/tpm0",
	};
	int r = ai_agent_job(&a, err);
	ai_agent_disks_done(&disks);
	return r;
}

static void
say_end(const struct ai_talk *talk, int r, const struct ai_err *err)
{
	if (r == 0)
		ai_say(talk, AI_TALK_STAGE, "done");
	else
		ai_say(talk, AI_TALK_STAGE, "failed: %s", err->text);
}

/* In a process of its own: what ends it does not end pid 1, and with it the machine in a panic. */
static _Noreturn void
worker(const struct ai_talk *talk)
{
	struct ai_err err = { 0 };
	int r = do_job(talk, &err);
	say_end(talk, r, &err);
	_exit(r == 0 ? 0 : 1);
}

/* Reaps whatever ends until the job has. */
static void
work(const struct ai_talk *talk)
{
	pid_t job = fork(), pid;
	int status;
	if (job == 0)
		worker(talk);
	if (job < 0)
		ai_say(talk, AI_TALK_STAGE, "failed: cannot start a process: %s", strerror(errno));
	while (job > 0 && ((pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR)) {
		if (pid != job)
			continue;
		if (WIFSIGNALED(status))
			ai_say(talk, AI_TALK_STAGE, "failed: the agent was ended by signal %d", WTERMSIG(status));
		return;
	}
}

static _Noreturn void
power_off(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	(void)reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/* A machine's first process on what the kernel unpacked: on anybody's own machine none of this may happen. */
static bool
is_init(void)
{
	struct statfs fs;
	return getpid() == 1 && statfs("/", &fs) == 0 && (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC);
}

static void
open_console(struct ai_console *c)
{
	int fd = open(ROOT "/dev/console", O_RDWR | O_NOCTTY);
	c->fd = fd;
	for (int i = 0; fd >= 0 && i < 3; i++)
		(void)!dup2(fd, i);
	if (fd > 2) {
		close(fd);
		c->fd = 2;
	}
}

int
ai_agent_init(void)
{
	struct ai_console console = { .fd = 2 };
	const struct ai_talk talk = ai_console_talk(&console);
	struct ai_err err = { 0 };
	if (!is_init()) {
		ai_say(&talk, AI_TALK_STAGE, "this is the first process of a measured machine, and nothing to be run elsewhere");
		return -AI_EUSAGE;
	}
	/* The kernel makes variables of what it does not know on its command line. */
	(void)clearenv();
	umask(022);
	int r = make_root(&err);
	open_console(&console);
	ai_say(&talk, AI_TALK_STAGE, "boot    aicert %s", AICERT_VERSION);
	if (r == 0)
		r = ai_agent_modules("/modules", &talk, &err);
	if (r == 0)
		r = enter_root(&err);
	if (r == 0) {
		set_kernel(&talk);
		set_names(&talk);
		work(&talk);
	} else {
		say_end(&talk, r, &err);
	}
	power_off();
}
