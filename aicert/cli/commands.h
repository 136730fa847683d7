/*
 * commands.h -- the commands: one function and one file each.
 *
 * `aicert` and `aicert-engine` are one main with two tables: the light one holds
 * what needs neither curl, git2, SQLite nor tss2, so that `aicert verify` starts at
 * once; a command that is not in it is handed to aicert-engine by exec.
 *
 * Depends on: api.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_COMMANDS_H
#define AI_COMMANDS_H

#include <stdbool.h>

struct ai_command {
	const char *name;
	int (*main)(int argc, char **argv);  /* arguments after the command's name; NULL: aicert-engine has it */
	const char *line;                    /* for the list */
};

/* Ends with a NULL name. */
extern const struct ai_command ai_commands[];

int ai_cmd_run(int argc, char **argv);
int ai_cmd_init(int argc, char **argv);
int ai_cmd_lock(int argc, char **argv);
int ai_cmd_plan(int argc, char **argv);
int ai_cmd_graph(int argc, char **argv);
int ai_cmd_doctor(int argc, char **argv);
int ai_cmd_why(int argc, char **argv);
int ai_cmd_log(int argc, char **argv);
int ai_cmd_verify(int argc, char **argv);
int ai_cmd_reproduce(int argc, char **argv);
int ai_cmd_show(int argc, char **argv);
int ai_cmd_merge(int argc, char **argv);
int ai_cmd_redact(int argc, char **argv);
int ai_cmd_disclose(int argc, char **argv);
int ai_cmd_hash(int argc, char **argv);
int ai_cmd_rules(int argc, char **argv);
int ai_cmd_trust(int argc, char **argv);
int ai_cmd_policy(int argc, char **argv);
int ai_cmd_env(int argc, char **argv);
int ai_cmd_tpm(int argc, char **argv);
int ai_cmd_vm(int argc, char **argv);
int ai_cmd_ca(int argc, char **argv);
int ai_cmd_enroll(int argc, char **argv);
int ai_cmd_timestamp(int argc, char **argv);

/* What both tables list, so that help is the same in both. X(name, function suffix, light, line) */
#define AI_COMMANDS(X) \
	X("run", run, 0, "run the Aicertfile and write its proof (what `aicert` alone does)") \
	X("init", init, 0, "write a first Aicertfile for what is in a folder") \
	X("lock", lock, 0, "pin every input in aicert.lock, or move pins with --update") \
	X("plan", plan, 0, "say what a run would fetch, run and reuse; changes nothing") \
	X("graph", graph, 0, "draw inputs, steps and outputs: DOT, Mermaid or SVG") \
	X("why", why, 0, "say for each step whether it would run, and why") \
	X("log", log, 0, "print what a step printed when it last ran") \
	X("verify", verify, 1, "judge a proof: the level it reaches and what was checked") \
	X("reproduce", reproduce, 0, "run a proof's steps again and compare every result with the proof's") \
	X("show", show, 1, "print a proof's inputs, steps and outputs for people") \
	X("merge", merge, 1, "put proofs of one root by different attestations into one") \
	X("redact", redact, 1, "withhold nodes of a proof") \
	X("disclose", disclose, 1, "show that one file is in a folder that a proof names") \
	X("hash", hash, 1, "print the id of a file or folder") \
	X("rules", rules, 1, "list the types of steps and inputs, explain one, or run a rule's tests") \
	X("timestamp", timestamp, 0, "have a time-stamping authority say when a proof was there") \
	X("trust", trust, 1, "list, add, remove or revoke the keys and roots that this verifier believes") \
	X("policy", policy, 1, "write or read a policy: what a verifier asks of a proof") \
	X("env", env, 0, "make an image of this machine's own files") \
	X("doctor", doctor, 0, "examine this machine, and say what to do about what is amiss") \
	X("vm", vm, 0, "build the measured runner: a machine that holds nothing but aicert") \
	X("tpm", tpm, 1, "look at TPMs, quotes and event logs") \
	X("enroll", enroll, 0, "get a certificate for this TPM's attestation key from an attestation CA") \
	X("ca", ca, 1, "be an attestation CA: judge requests, challenge TPMs, issue certificates")

#endif
