/*
 * reference.h -- what a machine that boots this UKI must measure, computed from its bytes alone, as a policy that `aicert verify` takes.
 *
 * PCR 4: Authenticode hash of the UKI and of the kernel in it, with the usual action and separator between. PCR 9: what the stub and the
 * kernel's EFI entry measure of load options and initrd. PCR 11: the stub's sections, name and content. 8, 10 (without IMA), 12, 13, 14: zero.
 * Firmware (PCR 0, 1, 2, 3, 5, 6, 7) goes by known sets of firmware builds and by event rules.
 *
 * Depends on: pe, base, attest (event log facts), model.  Threads: pure.
 * Source: TCG PC Client Platform Firmware Profile; systemd 252 src/boot/efi/stub.c; Linux 6.1 drivers/firmware/efi/libstub.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_REFERENCE_H
#define AI_VM_REFERENCE_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"

struct ai_reference {
	struct ai_digest uki, kernel;              /* Authenticode */
	/* The final values, booted by firmware with nothing else in between: from a disk, or (direct) by QEMU's -kernel, which loads first and then announces. */
	struct ai_digest pcr4, pcr4_direct, pcr9, pcr11;
	json_t *sections;                          /* [{"name","sha256"}] as measured into PCR 11, in order */
	json_t *files;                             /* [{"what": "load options"|"initrd", "sha256"}] as measured into PCR 9, in order */
	char *command_line;
};
/* AI_EINPUT when it is no UKI, or one whose stub is not known here. */
int ai_reference_compute(const void *uki, size_t n, struct ai_reference *out, struct ai_err *err) AI_CHECKED;
void ai_reference_done(struct ai_reference *r);

/* {"uki","kernel","command_line","pcrs":{"4","9","11"},"pcr4_direct","sections","files"}; new reference. */
int ai_reference_json(const struct ai_reference *r, json_t **out, struct ai_err *err) AI_CHECKED;
/*
 * The policy (YAML): require measured-platform, PCRs 4, 9, 11 and events by these values, the rest by known firmware sets and rules.
 *   machine     "qemu" (booted by -kernel, as vm/host/machine.h does), "azure" or "gcp": whose firmware and boot variables are meant
 *   firmware    array of {"name","pcrs":{"0": [hex], …}}: known builds; NULL: the built-in ones of that machine
 *   authority   operator that the policy names, with the root's PEM (both NULL for the clouds, whose roots are built in). Without one a policy
 *               for qemu asks for level software: nobody but the builder operates that TPM
 * AI_EUSAGE when there is no such machine, when no build of its firmware is known, or when authority and root_pem do not come together.
 */
int ai_reference_policy(const struct ai_reference *r, const char *machine, const json_t *firmware, const char *authority, const char *root_pem,
	struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/*
 * The firmware builds that are known for a machine, as ai_reference_policy takes them; an empty array when there is none. Those of one code image only when
 * image (its SHA-256) is given. AI_EUSAGE for a machine that nobody knows.
 */
int ai_reference_firmware(const char *machine, const struct ai_digest *image, json_t **out, struct ai_err *err) AI_CHECKED;
/*
 * OVMF's first volume runs where it is measured and keeps there what it found, memory and processors among it: PCR 0 has another value for each
 * shape of the machine. This rounds up to one of those whose values are known: 1 GiB, 2 GiB, or any size from 3 to 254 GiB; 1, 2, 4 … 64 processors.
 * What is larger stays as it is.
 */
void ai_reference_shape(uint64_t *memory, unsigned *cpus);

#endif
