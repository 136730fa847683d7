/* policy.c -- `aicert policy`: the schema of a policy in words, and which command of the family.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy.h"

#include <stdio.h>

#include "cli/family.h"

static const struct ai_command commands[] = {
	{ "init", ai_policy_cmd_init, "write a policy that accepts just one proof, to be loosened by hand" },
	{ "check", ai_policy_cmd_check, "read a policy and print what it asks for" },
	{ 0 },
};

static void
help_schema(void)
{
	puts("A policy is YAML. Every key but the first may be absent; what it does not speak of is not asked for. A key that is unknown,\n"
	     "or stands twice, is an error. An empty list allows nothing, and a rule that finds nothing to look at fails.\n"
	     "\n"
	     "  aicert-policy: 1\n"
	     "  require: LEVEL             unsigned, software, genuine-tpm or measured-platform (which needs `authorities` and `pcrs`)\n"
	     "  keys:                      attestation keys by fingerprint\n"
	     "    accept: [ FINGERPRINT ]  as `aicert trust add` does\n"
	     "    deny: [ FINGERPRINT ]    for every attestation of the proof, whoever accepts or certifies the key\n"
	     "  roots:\n"
	     "    builtin: true            all that this verifier believes; false: none of them; a list: only these names or authorities\n"
	     "    add: [ { name: NAME, role: ROLE, authority: NAME, file: PATH | pem: TEXT } ]   role: ek, ak-cloud, ak-ca or tsa\n"
	     "    revoked: [ SHA256 ]      certificates, by their public key or whole: nothing above them counts\n"
	     "  authorities: [ azure, gcp, { name: NAME, roots: [ NAMES of `add` ] } ]\n"
	     "                             who operates the TPMs and hypervisors in which a measured platform is believed\n"
	     "  root: ROOT                 of the run itself (also a list of them)\n"
	     "  inputs:                    by name: a HASH, or any of\n"
	     "    NAME: { type: git, uri: URL, revision: COMMIT, hash: HASH }\n"
	     "                             a revision counts if the claims tie it to the content (git, images), or with its hash\n"
	     "  inputs-only: true          and there is no other input\n"
	     "  outputs: { NAME: HASH }\n"
	     "  rules: { NAME: SHA256 }    every rule that the plan used is here (also a list, of several versions)\n"
	     "  images: [ sha256:… ]       manifests of the images that steps may run in\n"
	     "  environments: [ image ]    kinds of environment that are allowed: image, host\n"
	     "  steps: { require: [ NAME ] }\n"
	     "  nonce: TEXT                what the verifier gave the builder\n"
	     "  deny: { programs: [ SHA256 ], keys: [ FINGERPRINT ] }\n"
	     "                             versions of aicert whose attestations do not count\n"
	     "  withhold: [ KIND ]         nodes that a proof may withhold: source, environment, used, tree, source:NAME\n"
	     "  threshold: N               of how many authorities each result must have been executed by\n"
	     "  job: required              the run log is a measured runner's: it was given a job disk, and did nothing else (also a list:\n"
	     "                             SHA-256 of the headers of the disks that you made)\n"
	     "  timestamp: required        an RFC 3161 time stamp by a root with role tsa\n");
}

static void
help_boot(void)
{
	puts("What was booted, judged on PCRs that were quoted and that the boot log replays to. For level measured-platform every PCR\n"
	     "from 0 to 14 must be here (15 is the run's own log):\n"
	     "\n"
	     "  pcrs:\n"
	     "    4: [ VALUE ]             one of these values\n"
	     "    7: rules                 every event of it must be allowed by `boot`; separators and the usual actions are\n"
	     "    12-14: zero\n"
	     "    10: boot-aggregate       what a Linux with IMA, and no policy for it, measures of the other PCRs\n"
	     "  boot:                      * = demanded, whichever way its PCR goes; the others: allowed where it goes by rules\n"
	     "    secure_boot: on        * PCR 7; or off\n"
	     "    secure_boot_keys: { PK: [ DIGEST ], KEK: …, db: …, dbx: … }\n"
	     "                           * the variable's event, or the SHA-256 of each of its signatures (dbx: holds all of these)\n"
	     "    verified_by: [ DIGEST ] * PCR 7: the events that say which entry of db let an image start\n"
	     "    firmware: [ VERSION ]  * PCR 0\n"
	     "    images: [ DIGEST ]     * PCR 4: Authenticode hashes; { exactly: [ … ] }: these, in this order\n"
	     "    drivers: none          * PCR 2: or a list of hashes\n"
	     "    files: [ DIGEST ]      * PCR 9: files that the boot loader read; or { exactly: [ … ] }\n"
	     "    command_line: [ TEXT ] * the kernel's: one of these, and no second one\n"
	     "    uki: { .linux: DIGEST, .initrd: DIGEST }\n"
	     "                           * PCR 11: exactly these sections, in this order; or a list of such\n"
	     "    variables: [ BootOrder, 'Boot####', { name: N, guid: G, pcr: 1, values: [ SHA256 ], unnamed: true } ]\n"
	     "                             '#' is a hex digit; unnamed: also where the firmware hashes the value alone, so that\n"
	     "                             nothing binds the name\n"
	     "    loader: [ TEXT ]         commands of GRUB and the like\n"
	     "    gpt: any                 PCR 5: whatever partition table\n"
	     "    actions: [ TEXT ]        EV_EFI_ACTION beyond the usual\n"
	     "    events: { 14: [ DIGEST ] }   any event of a PCR, by its digest\n"
	     "\n"
	     "`aicert tpm eventlog FILE` prints the events of a boot with their digests.\n");
}

static void
help(void)
{
	puts("usage: aicert policy init PROOF [--out FILE]\n"
	     "       aicert policy check FILE [--json]\n"
	     "\n"
	     "A policy says what a verifier asks of a proof: aicert verify --policy FILE PROOF\n");
	ai_family_list(commands);
	putchar('\n');
	help_schema();
	help_boot();
	puts("example: a policy for proofs by one machine, of one source\n"
	     "  aicert-policy: 1\n"
	     "  require: software\n"
	     "  keys: { accept: [ 5c19e6697d7c99f5… ] }\n"
	     "  inputs: { code: { type: git, uri: 'https://example.org/train', revision: 036f1e8a… } }\n"
	     "  environments: [ image ]");
}

int
ai_cmd_policy(int argc, char **argv)
{
	return ai_family_run("policy", commands, help, argc, argv);
}
