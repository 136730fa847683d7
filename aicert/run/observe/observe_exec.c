/* observe_exec.c -- see observe_seen.h: what the kernel reads by itself for an exec, and what /proc/self is.  SPDX-License-Identifier: Apache-2.0 */
#include "run/observe/observe_seen.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define HEAD 256         /* BINPRM_BUF_SIZE: what the kernel reads of a program to see what it is */
#define MAX_HEADERS 1024 /* of an ELF file; the kernel stops at 64 KiB of them */

static char *
elf_interpreter(int fd, const char *head, size_t n)
{
	Elf64_Ehdr h;
	if (n < sizeof h)
		return NULL;
	memcpy(&h, head, sizeof h);
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	for (unsigned i = 0; i < h.e_phnum && i < MAX_HEADERS; i++) {
		Elf64_Phdr p;
		if (pread(fd, &p, sizeof p, (off_t)(h.e_phoff + i * sizeof p)) != (ssize_t)sizeof p)
			return NULL;
		if (p.p_type != PT_INTERP)
			continue;
		if (p.p_filesz < 2 || p.p_filesz > 4096)
			return NULL;
		char *name = ai_calloc(1, p.p_filesz + 1);
		if (name && pread(fd, name, p.p_filesz, (off_t)p.p_offset) == (ssize_t)p.p_filesz)
			return name;
		free(name);
		return NULL;
	}
	return NULL;
}

char *
ai_exec_interpreter(int fd)
{
	char head[HEAD + 1];
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	ssize_t n = pread(fd, head, HEAD, 0);
	if (n < 4)
		return NULL;
	head[n] = '\0';
	if (memcmp(head, ELFMAG, SELFMAG) == 0)
		return elf_interpreter(fd, head, (size_t)n);
	if (head[0] != '#' || head[1] != '!')
		return NULL;
	const char *name = head + 2 + strspn(head + 2, " \t");
	return ai_strndup(name, strcspn(name, " \t\n"));
}

bool
ai_exec_proc_self(pid_t caller, bool thread, char out[64])
{
	char name[64], text[4096];
	snprintf(name, sizeof name, "/proc/%d/status", caller);
	AI_FD fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The numbers in each namespace, ours first; the sandbox's is one deeper. */
	const char *group = strstr(text, "\nNStgid:"), *own = strstr(text, "\nNSpid:");
	int outer, tgid, pid;
	if (!group || !own || sscanf(group, "\nNStgid: %d %d", &outer, &tgid) != 2 || sscanf(own, "\nNSpid: %d %d", &outer, &pid) != 2)
		return false;
	if (thread)
		snprintf(out, 64, "/proc/%d/task/%d", tgid, pid);
	else
		snprintf(out, 64, "/proc/%d", tgid);
	return true;
}
