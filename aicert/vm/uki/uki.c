/* uki.c -- see uki.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/uki/uki.h"

#include <string.h>

#include "vm/uki/pe.h"

/* The stub passes the command line on as UTF-16, character by character: what is no printable ASCII would become something else. */
static int
check_text(const char *what, const char *s, bool lines, struct ai_err *err)
{
	if (!s || !*s)
		return ai_fail(err, AI_EUSAGE, "UKI: there is no %s", what);
	for (const char *p = s; *p; p++)
		if ((*p < ' ' || *p > '~') && !(lines && *p == '\n'))
			return ai_fail(err, AI_EUSAGE, "UKI: %s: got byte 0x%02x at %zu, expected printable ASCII", what, (unsigned char)*p, (size_t)(p - s));
	return 0;
}

/* A program for firmware of 64-bit x86. */
static int
check_image(const char *what, const void *bytes, size_t n, struct ai_pe *pe, struct ai_err *err)
{
	enum { MACHINE_X64 = 0x8664, SUBSYSTEM_AT = 68, EFI_APPLICATION = 10, COFF = 20 };
	if (ai_pe_parse(bytes, n, pe, err) < 0)
		return ai_in(err, "%s", what);
	const unsigned char *opt = pe->bytes + pe->checksum_at - 64, *machine = opt - COFF;
	unsigned m = (unsigned)(machine[0] | machine[1] << 8), s = (unsigned)(opt[SUBSYSTEM_AT] | opt[SUBSYSTEM_AT + 1] << 8);
	if (m != MACHINE_X64 || s != EFI_APPLICATION)
		return ai_fail(err, AI_EINPUT, "%s: got machine 0x%x, subsystem %u, expected an EFI application (%d) for x86-64 (0x%x)", what, m, s, EFI_APPLICATION,
			MACHINE_X64);
	return 0;
}

int
ai_uki_make(const struct ai_uki_parts *parts, struct ai_buf *out, struct ai_err *err)
{
	struct ai_pe stub, kernel;
	if (check_text("command line", parts->command_line, false, err) < 0 || check_text("os-release", parts->os_release, true, err) < 0
		|| check_text("kernel version", parts->uname, false, err) < 0)
		return err->code;
	if (check_image("stub", parts->stub, parts->stub_n, &stub, err) < 0 || check_image("kernel", parts->kernel, parts->kernel_n, &kernel, err) < 0)
		return err->code;
	/* The kernel last: what it needs beyond its end while it unpacks itself is then nobody's. */
	const struct ai_pe_add sections[] = {
		{ ".osrel", parts->os_release, strlen(parts->os_release) }, { ".cmdline", parts->command_line, strlen(parts->command_line) },
		{ ".uname", parts->uname, strlen(parts->uname) }, { ".initrd", parts->initrd, parts->initrd_n }, { ".linux", parts->kernel, parts->kernel_n },
	};
	if (ai_pe_append(&stub, sections, sizeof sections / sizeof *sections, out, err) < 0)
		return ai_in(err, "UKI");
	return 0;
}
