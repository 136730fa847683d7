/* tpm_bootlog.c -- the firmware's log of a measured boot, as the kernel keeps it; see tpm_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "attest/tpm/tpm_parts.h"
#include "base/fs.h"

/* The number of the kernel's TPM in "device:/dev/tpmrm0", or -1: another kind of TCTI has no log on this machine. */
static int
kernel_number(const char *name)
{
	static const char *const prefixes[] = { "device:/dev/tpmrm", "device:/dev/tpm" };
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		const char *digit = name + strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0 && *digit >= '0' && *digit <= '9' && digit[1] == '\0')
			return *digit - '0';
	}
	return -1;
}

/* Only root may read it on most systems. Without it the quote stands as it is, and the verifier cannot replay the boot. */
static char *
why_not(const char *path, int cause)
{
	if (cause == EACCES || cause == EPERM)
		return ai_format("the boot log '%s' cannot be read by this user, so no verifier can replay the boot", path);
	return ai_format("there is no boot log '%s', so no verifier can replay the boot", path);
}

int
ai_boot_log_read(const char *security, const char *name, struct ai_buf *out, char **path_out, char **note_out, struct ai_err *err)
{
	int number = kernel_number(name);
	if (number < 0) {
		char *note = ai_strdup("");
		*path_out = NULL;
		*note_out = note;
		return note ? 0 : ai_nomem(err);
	}
	AI_FREE char *path = ai_format("%s/tpm%d/binary_bios_measurements", security, number);
	if (!path)
		return ai_nomem(err);
	if (access(path, R_OK) < 0) {
		char *note = why_not(path, errno);
		if (!note)
			return ai_nomem(err);
		*note_out = note;
		*path_out = path;
		path = NULL;
		return 0;
	}
	if (ai_read_file(AT_FDCWD, path, out, err) < 0) {
		err->code = AI_EENV;
		return ai_in(err, "boot log");
	}
	*path_out = path;
	path = NULL;
	return 1;
}
