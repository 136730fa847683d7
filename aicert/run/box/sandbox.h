/*
 * sandbox.h -- one command, confined: only what it was given, no network, nothing left behind.
 *
 * Namespaces (user, mount, pid, net, ipc, uts, cgroup), pivot_root onto a fresh
 * root, read-only binds of the environment and inputs, overlay for scratch, seccomp,
 * Landlock, no new privileges, no capabilities, an unused uid when started by root.
 * Each measure says beside its code what it stops.
 *
 * Depends on: base.  Threads: call from one thread; the calling process must not be multithreaded while it clones.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SANDBOX_H
#define AI_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct ai_observer;   /* run/observe/observe.h; may be NULL */
struct ai_talk;

/* One thing put into the sandbox's tree. */
struct ai_mount {
	const char *from;      /* absolute path outside */
	const char *to;        /* absolute path inside, under /workspace */
	enum {
		AI_MOUNT_READ_ONLY,
		AI_MOUNT_SCRATCH,  /* overlay over from: changes are thrown away */
		AI_MOUNT_WRITABLE, /* from itself, a folder, which becomes the step's: changes stay */
	} how;
};

/* A file, folder or device of the machine at a place of its own inside, outside /workspace. */
struct ai_bind {
	char *from, *to;                /* absolute */
	bool device;                    /* a device node: usable, and writable; else read-only */
};

/*
 * A listening socket on the step's own 127.0.0.1, made before the command starts and handed out: how a step that must
 * reach something (an index of packages) reaches that and nothing else. listening() takes over fd and returns at once
 * (serving it from a thread of its own); 0 or negative.
 */
struct ai_service {
	unsigned short port;
	int (*listening)(void *ctx, int fd, struct ai_err *err);
	void *ctx;
};

struct ai_sandbox {
	const char *scratch;            /* empty folder outside for upper layers, /tmp, HOME, /workspace; on disk; removed by the caller */
	bool host;                      /* the machine's system folders read-only; else root */
	const char *root;               /* an image laid out by run/box/image_root.h, read-only; NULL with host */
	const struct ai_bind *binds; size_t n_binds; /* further things of the machine */
	const struct ai_service *service; /* may be NULL */
	const struct ai_mount *mounts; size_t n_mounts;
	const char *const *argv;        /* NULL-terminated; argv[0] is looked up in PATH of env inside */
	const char *const *env;         /* NULL-terminated "NAME=value": all of the environment */
	const char *cwd;                /* inside */
	const char *outputs;            /* path inside that is collected afterwards ("/workspace/outputs"): a folder under scratch */
	const char *const *folders;     /* NULL-terminated paths inside that the command finds made, unless an input is there; may be NULL */
	int log_fd;                     /* stdout and stderr go here as well as to talk */
	const struct ai_talk *talk;
	double time_s;                  /* 0 = no limit */
	unsigned long long memory;      /* bytes; 0 = no limit */
	unsigned pids;                  /* 0 = default */
	unsigned cpus;                  /* how many processors the command starts on; 0 = all of ours */
	struct ai_observer *observer;   /* gets every path looked at outside the workspace */
	bool busy;                      /* every processor has something to do already: nothing is made beside something else */
	const char *const *extra_host;  /* NULL-terminated further folders of the machine, read-only at their own path and observed; may be NULL */
};

typedef enum ai_end_kind { AI_END_EXIT, AI_END_SIGNAL, AI_END_TIME, AI_END_MEMORY, AI_END_PIDS } ai_end_kind;

struct ai_end {
	ai_end_kind kind;
	int value;                      /* exit status or signal */
};

/*
 * ai_sandbox_run -- runs the command to its end; every process it started is dead on return.
 * 0 with *end filled in (also when the command failed); AI_EENV when the sandbox cannot be made (hint says what is missing);
 * AI_EINTR when the user interrupted. Outside path of workspace content afterwards: scratch + "/workspace" + path.
 */
int ai_sandbox_run(const struct ai_sandbox *s, struct ai_end *end, struct ai_err *err) AI_CHECKED;

#endif
