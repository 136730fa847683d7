/*
 * uki.h -- the runner as one file: systemd's stub, a kernel, a command line, and a cpio with aicert as /init.
 *
 * Depends on: pe, cpio, base.  Threads: pure.  Source: UAPI group, Unified Kernel Image specification.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_UKI_H
#define AI_VM_UKI_H

#include "base/buf.h"

struct ai_uki_parts {
	const void *stub; size_t stub_n;
	const void *kernel; size_t kernel_n;
	const void *initrd; size_t initrd_n;
	const char *command_line, *os_release, *uname;   /* uname: the kernel's version */
};

/* Sections .osrel, .cmdline, .uname, .initrd, .linux, in the order that fits the stub. The same parts give the same bytes. */
int ai_uki_make(const struct ai_uki_parts *parts, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/*
 * What is on every runner's command line. Without init_ima the kernel would extend PCR 10 with a hash of PCRs 0 to 9: a value that differs with
 * every setting of the firmware, and says nothing that they do not.
 */
#define AI_UKI_COMMAND_LINE "console=ttyS0 quiet panic=-1 lockdown=confidentiality initcall_blacklist=init_ima"

#endif
