/*
 * sandbox_box.h -- what the files of the sandbox share.
 *
 * Three processes take part: aicert itself (sandbox.c, prepared by
 * sandbox_scratch.c); pid 1 of the new namespaces (sandbox_init.c), which builds the
 * tree (sandbox_root.c; sandbox_host.c what is the machine's in it), gives up every
 * right and reaps; and the command. They speak over one SEQPACKET pair, one struct
 * ai_box_msg a packet.
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SANDBOX_BOX_H
#define AI_SANDBOX_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "run/box/limits.h"
#include "run/box/sandbox.h"
#include "run/box/seccomp.h"

/* The step's user as it sees itself, whatever the kernel calls it outside. */
#define AI_BOX_UID 1000
#define AI_BOX_GID 1000
#define AI_BOX_HOME "/home/aicert"

/* Files of /etc that are the same in every step, whoever runs it and on whatever: X(name, text). */
#define AI_BOX_ETC(X) \
	X("passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\naicert:x:1000:1000:aicert:" AI_BOX_HOME ":/bin/sh\n" \
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n") \
	X("group", "root:x:0:\naicert:x:1000:\nnogroup:x:65534:\n") \
	X("hosts", "127.0.0.1 localhost aicert\n::1 localhost ip6-localhost ip6-loopback\n") \
	X("hostname", "aicert\n") \
	X("host.conf", "multi on\n") \
	X("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n")

/* What ai_box_prepare decides. */
struct ai_box_found {
	bool places;                  /* the image lacks a place of s->binds: scratch/places has it, to be laid over */
	bool overlay[];               /* per mount: overlay (else a scratch mount has been copied) */
};

struct ai_box {
	const struct ai_sandbox *s;
	bool root;                    /* started by root: the step becomes an unused uid */
	uid_t uid;                    /* the step's, as the kernel outside calls it */
	gid_t gid;
	struct ai_box_found *found;   /* shared memory: pid 1 reads what ai_box_prepare writes meanwhile */
	char **host; size_t n_host;   /* the machine's own paths that belong into the tree, absent ones too */
	struct ai_filter filter;
	struct ai_rlimits rlimits;    /* the command's */
};

typedef enum ai_box_kind {
	AI_BOX_GO,           /* to pid 1: its group and ids are set, go on; then: scratch is ready; root: its ids are set anew */
	AI_BOX_MAP,          /* from pid 1: in a user namespace now, wants its ids */
	AI_BOX_ROOT,         /* from pid 1: the tree stands; with its root's descriptor if somebody looks on */
	AI_BOX_SERVICE,      /* from pid 1: with the service's listening socket */
	AI_BOX_LISTENER,     /* from the command: with the seccomp listener */
	AI_BOX_FAILED,       /* from either: the set-up failed; code, text, hint */
	AI_BOX_END,          /* from pid 1: the command ended; value is its wait status, code how many tasks it left behind */
} ai_box_kind;

struct ai_box_msg {
	ai_box_kind kind;
	int value, code;
	char text[1024], hint[512];
};

/* --- sandbox_scratch.c ----------------------------------------------------- */
/* Before the clone: checks what is asked for, decides the uid. b->found is fresh until ai_box_forget. */
int ai_box_check(struct ai_box *b, struct ai_err *err) AI_CHECKED;
void ai_box_forget(struct ai_box *b);
/* While pid 1 builds the tree: makes the folders under scratch, and copies or readies what is mounted writable. */
int ai_box_prepare(struct ai_box *b, struct ai_err *err) AI_CHECKED;
/* Can an open folder be the lower layer of the step's overlay? Some file systems cannot be given to another user (tmpfs before Linux 6.3). */
bool ai_box_can_give(const struct ai_box *b, int fd);
/*
 * ai_box_point -- a place to mount on: rel below dirfd, a folder or an empty file, its parents made.
 * What is made belongs to b->uid if own. Follows no link, so that nothing in an input leads a mount elsewhere. *fd_out is O_PATH.
 */
int ai_box_point(const struct ai_box *b, int dirfd, const char *rel, bool folder, bool own, int *fd_out, struct ai_err *err) AI_CHECKED;

/* --- sandbox_host.c: the machine's part of the tree ------------------------ */
/* Which of the machine's own paths belong into the tree: b->host. Called before the clone. */
int ai_box_host_paths(struct ai_box *b, struct ai_err *err) AI_CHECKED;
/* Fills the new root, a fresh tmpfs that is the working directory and that root is; the machine's tree is still "/". */
int ai_box_host_tree(const struct ai_box *b, int root, struct ai_err *err) AI_CHECKED;
/* extra_host, once /tmp and the like are mounted, for it may lie in them. */
int ai_box_host_asked(const struct ai_box *b, int root, struct ai_err *err) AI_CHECKED;
/* --- sandbox_root.c: in the new mount namespace --------------------------- */
struct ai_site {
	int scratch;    /* the scratch folder itself, below what is mounted on it */
	int root;       /* the new root */
};
/* The environment, /proc and /dev; b->found is not looked at unless an image gets binds. */
int ai_box_begin(const struct ai_box *b, struct ai_site *out, struct ai_err *err) AI_CHECKED;
/* What scratch and the inputs add, once they are ready; then nothing but the tree is left. */
int ai_box_finish(const struct ai_box *b, struct ai_site *site, struct ai_err *err) AI_CHECKED;
/* What from names, with all that is mounted below it, also at the place that at is; attrs: MOUNT_ATTR_*. name is for errors. */
int ai_box_bind(int from, int at, unsigned long long attrs, const char *name, struct ai_err *err) AI_CHECKED;
/* --- sandbox_init.c: pid 1 and the command -------------------------------- */
/* Does not return. sock is its end of the pair, log the pipe's. */
_Noreturn void ai_box_init(const struct ai_box *b, int sock, int log);
/* One packet, with a descriptor when fd >= 0; false when the other end is gone. */
bool ai_box_send(int sock, const struct ai_box_msg *msg, int fd);
/* 1 a packet (*fd is -1 or caller's), 0 nobody there, -1 try again. */
int ai_box_receive(int sock, struct ai_box_msg *msg, int *fd);

#endif
