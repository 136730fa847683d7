/* landlock.c -- see landlock.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/box/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"

/* Of newer kernels than the distribution's headers: values of include/uapi/linux/landlock.h. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

/* struct landlock_ruleset_attr as of ABI 6; a kernel takes as much of it as it knows. */
struct ruleset {
	uint64_t fs, net, scoped;
};

static const uint64_t on_files = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;

static int
allow(int ruleset, const char *path, uint64_t access, struct ai_err *err)
{
	AI_FD fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "landlock: %s", path);
	struct landlock_path_beneath_attr rule = { .allowed_access = S_ISDIR(st.st_mode) ? access : access & on_files, .parent_fd = fd };
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return ai_fail_errno(err, AI_EENV, "landlock: cannot allow %s", path);
	return 0;
}

int
ai_landlock_confine(const char *const *writable, struct ai_err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	if (abi < 0)
		return ai_fail_errno(err, AI_EENV, "landlock: cannot ask for its version");
	struct ruleset attr = {
		.fs = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
			LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
			LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
			LANDLOCK_ACCESS_FS_MAKE_SYM,
	};
	if (abi >= 2)
		attr.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		attr.fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 6)
		attr.scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL;
	size_t known = abi >= 6 ? sizeof attr : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
	AI_FD ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, known, 0);
	if (ruleset < 0)
		return ai_fail_errno(err, AI_EENV, "landlock: cannot make a ruleset");
	/* Device nodes cannot be made anywhere: without capabilities mknod fails too. */
	uint64_t allowed = attr.fs & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK);
	for (; *writable; writable++)
		if (allow(ruleset, *writable, allowed, err) < 0)
			return err->code;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return ai_fail_errno(err, AI_EENV, "landlock: cannot confine");
	return 0;
}
