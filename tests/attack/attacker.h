/*
 * attacker.h -- what the attacks share: their targets, and the three ways in which one ends.
 *
 * Each attack runs in a process of its own, which ends in one of the three. An errno
 * that does not mean a refusal (EFAULT, EINVAL…) is no refusal: the attack was
 * malformed and has shown nothing.
 *
 * Depends on: libc, linked statically, so that it runs in any image.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ATTACKER_H
#define ATTACKER_H

#include <stddef.h>

/* What the test outside set up, from the command line: NAME=VALUE. */
struct target {
	const char *secret;        /* a file of the machine that everybody may read; it holds SECRET */
	const char *folder;        /* a folder of the machine that everybody may write to */
	const char *home;          /* aicert's home */
	const char *unix_path, *abstract;
	const char *input;         /* a folder that is an input, with a file "data" and a folder "sub" */
	const char *outputs;
	int victim;                /* a process outside of the step's uid */
	int port, udp;
	int shm;                   /* a System V segment of the machine */
};
extern struct target target;

#define SECRET "attack-secret-4711"

_Noreturn void refused(void);                              /* errno says how */
_Noreturn void refused_as(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void no_effect(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void harmed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* harmed() if any of these can be opened so; the errno of the last stays. */
void open_each(const char *const *paths, int flags);
/* harmed() if text can be written to any of these. */
void write_each(const char *const *paths, const char *text);
/* harmed() if the file holds SECRET. */
void steal(const char *path);
/* harmed() if a result is not negative; returns otherwise. */
void must_fail(long result, const char *what);

/* A decimal number and nothing else; otherwise -1. */
long long number(const char *text);
/* deeds.c: exit status. args is NULL-terminated. */
int do_deed(const char *deed, char **args);

#define ATTACK_DECLARE(name, what) void name(void);

#endif
