/* doctor_box.c -- what steps are shut in (doctor.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "cli/doctor.h"
#include "run/box/cgroup.h"
#include "run/box/gpu.h"
#include "run/box/sandbox.h"

/* Each alone, in a child, so that what is missing has a name. */
static void
check_namespaces(struct ai_checkup *c)
{
	static const struct { const char *name; int flag; } kinds[] = { { "mount", CLONE_NEWNS }, { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET },
		{ "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP } };
	const size_t n = sizeof kinds / sizeof *kinds;
	AI_BUF_AUTO missing = AI_BUF(AI_MAX_HEADER);
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		int lacks = unshare(CLONE_NEWUSER) < 0 ? 1 : 0;
		for (size_t i = 0; i < n; i++)
			if (unshare(kinds[i].flag) < 0)
				lacks |= 2 << i;
		_exit(lacks);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	int lacks = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0x7f;
	if (lacks & 1)
		ai_buf_puts(&missing, " user");
	for (size_t i = 0; i < n; i++)
		if (lacks & (2 << i))
			ai_buf_printf(&missing, " %s", kinds[i].name);
	bool all = lacks == 0;
	/* Root has the others without the first. */
	ai_checkup_add(c, "namespaces", all ? AI_FINDING_OK : lacks == 1 && geteuid() == 0 ? AI_FINDING_WARN : AI_FINDING_FAIL,
		all ? NULL : "sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000; on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0; "
		"in a container: run it with --privileged, or aicert outside",
		"%s%s", all ? "user, mount, pid, net, ipc, uts, cgroup" : "not to be had:", missing.data ? missing.data : "");
}

/* Writes over what it was given, sees no way to any network (the table of routes is its head alone), and leaves what it wrote where it belongs. */
static int
run_probe(const char *folder, struct ai_err *err)
{
	static const char script[] = "echo over > /workspace/src/file && test $(wc -l < /proc/net/route) = 1 && echo out > /workspace/outputs/file";
	static const char *const argv[] = { "/bin/sh", "-c", script, NULL }, *const env[] = { "PATH=/usr/bin:/bin", "HOME=/tmp", NULL };
	AI_FREE char *scratch = ai_join(folder, "scratch"), *source = ai_join(folder, "source");
	AI_FREE char *file = source ? ai_join(source, "file") : NULL, *out = scratch ? ai_join(scratch, "workspace/outputs/file") : NULL;
	AI_FD log = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct ai_end end;
	struct stat st;
	if (!scratch || !source || !file || !out)
		return ai_nomem(err);
	if (ai_mkdirs(scratch, 0755, err) < 0 || ai_mkdirs(source, 0755, err) < 0 || ai_write_file(AT_FDCWD, file, "under\n", 6, 0644, err) < 0)
		return err->code;
	const struct ai_mount mounts[] = { { source, "/workspace/src", AI_MOUNT_SCRATCH } };
	const struct ai_sandbox s = { .scratch = scratch, .host = true, .mounts = mounts, .n_mounts = 1, .argv = argv, .env = env, .cwd = "/workspace",
		.outputs = "/workspace/outputs", .log_fd = log, .time_s = 30 };
	if (ai_sandbox_run(&s, &end, err) < 0)
		return err->code;
	if (end.kind != AI_END_EXIT || end.value != 0)
		return ai_fail(err, AI_EENV, "a step that writes two files ended with %s %d", end.kind == AI_END_SIGNAL ? "signal" : "exit", end.value);
	if (stat(out, &st) < 0 || st.st_size != 4 || stat(file, &st) < 0 || st.st_size != 6)
		return ai_fail(err, AI_EENV, "what a step wrote is not where it belongs");
	return 0;
}

static void
check_sandbox(struct ai_checkup *c)
{
	AI_FREE char *there = ai_checkup_there(c->home.cache);
	AI_FREE char *prefix = there ? ai_join(access(there, W_OK) == 0 ? there : "/tmp", ".aicert-doctor") : NULL;
	AI_FREE char *folder = NULL;
	struct ai_err err = { 0 };
	if (!prefix || ai_mkdtemp(prefix, &folder, &err) < 0) {
		ai_checkup_error(c, "sandbox", AI_FINDING_FAIL, &err);
		return;
	}
	if (run_probe(folder, &err) < 0)
		ai_checkup_error(c, "sandbox", AI_FINDING_FAIL, &err);
	else
		ai_checkup_add(c, "sandbox", AI_FINDING_OK, NULL, "a step ran: overlay, no network, nothing left behind");
	ai_discard_tree(folder);
}

static void
check_landlock(struct ai_checkup *c)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);
	if (abi > 0)
		ai_checkup_add(c, "landlock", AI_FINDING_OK, NULL, "version %ld", abi);
	else
		ai_checkup_add(c, "landlock", AI_FINDING_WARN, "boot with lsm=landlock,… on Linux 5.13 or newer; mounts alone confine writing without it", "the kernel has none");
}

static void
check_limits(struct ai_checkup *c)
{
	const struct ai_cgroup_want want = { .memory = 256u << 20, .pids = 256, .cpus = 1 };
	struct ai_cgroup g = { 0 };
	ai_cgroup_make(&want, &g);
	unsigned holds = g.holds;
	ai_cgroup_done(&g);
	bool all = holds == (AI_HOLDS_CPUS | AI_HOLDS_PIDS | AI_HOLDS_MEMORY);
	ai_checkup_add(c, "limits", all ? AI_FINDING_OK : AI_FINDING_WARN, all ? NULL : "systemd-run --user --scope -p Delegate=yes aicert …", "control groups hold%s%s%s%s%s",
		holds & AI_HOLDS_MEMORY ? " memory" : "", holds & AI_HOLDS_PIDS ? " processes" : "", holds & AI_HOLDS_CPUS ? " processors" : "",
		holds ? "" : " nothing", all ? "" : "; the rest is held by rlimits, process by process");
}

static void
check_gpus(struct ai_checkup *c)
{
	struct ai_gpus g = { 0 };
	struct ai_err err = { 0 };
	if (ai_gpus_find(&g, &err) < 0)
		ai_checkup_error(c, "gpus", AI_FINDING_WARN, &err);
	else if (g.n)
		ai_checkup_add(c, "gpus", AI_FINDING_OK, NULL, "%zu, the first a %s, driver %s", g.n, g.list[0].model, g.driver);
	else
		ai_checkup_add(c, "gpus", AI_FINDING_NOTE, NULL, "none that an NVIDIA driver shows: steps with 'limits: { gpus: N }' do not run here");
	ai_gpus_done(&g);
}

void
ai_doctor_box(struct ai_checkup *c)
{
	check_namespaces(c);
	check_sandbox(c);
	check_landlock(c);
	check_limits(c);
	check_gpus(c);
}
