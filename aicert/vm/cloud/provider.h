/*
 * provider.h -- where a measured run's machine is, described by a Lua file of rules/providers: a cloud (which command lines create a machine, give it a
 * job, take its result, destroy it), or this host (the command lines of its TPM and of the machine itself: vm/host/machine.h starts them).
 *
 * A provider file returns `provider { name, doc, disks, settings, stages }` (lua/provider.lua); each stage is a pure function from checked settings
 * (and the paths and names of this run) to command lines: arrays of texts, nothing else. They are run as they are (no shell), one after
 * another; destroy runs always: after success, failure, interrupt, and a failed create. What a command prints a later stage may use.
 *
 * Secrets (a signed URL that a command printed) may stand in the environment of a command; in a command line they are refused, and what is
 * said, logged or reported has *** in their place.
 *
 * Depends on: rule (the closed Lua state), base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_PROVIDER_H
#define AI_VM_PROVIDER_H

#include <stdbool.h>

#include "base/json.h"
#include "base/talk.h"

struct ai_provider;

/* Where records go, below the home's data folder. */
#define AI_CLOUD_RECORDS "vm/clouds"

/* Of a cloud, in the order in which they run; ends with NULL. */
extern const char *const ai_provider_stages[];
/* The names of the built-in ones, sorted; NULL beyond the last. */
const char *ai_provider_builtin(size_t i);

/* {"NAME": "VALUE"} of "NAME=VALUE" each, as they are written after --set; AI_EUSAGE when one is not, or a name is there twice. */
int ai_provider_settings(const char *const *set, size_t n, json_t **out, struct ai_err *err) AI_CHECKED;
/*
 * name: a built-in one, or the path of a file that ends in ".lua". text: the file's, or NULL to look it up by its name; settings: {"name": text} as
 * given (--set NAME=VALUE), checked here. AI_EUSAGE names what is missing or unknown.
 */
int ai_provider_open(const char *name, const char *text, size_t n, const json_t *settings, struct ai_provider **out, struct ai_err *err) AI_CHECKED;
void ai_provider_close(struct ai_provider *p);
/* What the file of that name says of itself: {"name","doc","disks","place":"cloud"|"host","settings":[{"name","type","doc"?,"default"?,"needed"?}]} (new reference). */
int ai_provider_about(const char *name, json_t **about, struct ai_err *err) AI_CHECKED;

/*
 * The calls of a stage: [{"argv":[text…], "env"?:{…}, "keep"?, "secret"?, "like"?, "expect"?, "wait_for"?, "every"?, "maybe"?, "show"?}] (new reference; see
 * lua/provider.lua). run: {"machine","image","job","result","scratch","limit","said":{…}}, all texts.
 */
int ai_provider_stage(struct ai_provider *p, const char *stage, const json_t *run, json_t **calls, struct ai_err *err) AI_CHECKED;
/* Those of all stages for a machine of this name, with examples for what commands would print: {stage: calls}. */
int ai_provider_plan(struct ai_provider *p, const char *machine, json_t **plan, struct ai_err *err) AI_CHECKED;

/* Is its machine one of this host? Then its stages are tpm and machine, and it is neither planned, run nor destroyed by what is for clouds. */
bool ai_provider_is_host(const struct ai_provider *p);
/* A setting's text as it was given; NULL when it was not. Borrowed. */
const char *ai_provider_given(const struct ai_provider *p, const char *name);
/*
 * The one call of a stage of this host: {"argv":[text…],"package":text} (new reference). settled: {"name": text}, which settings are now, whatever was given;
 * run: texts, as the file wants them.
 */
int ai_provider_program(struct ai_provider *p, const char *stage, const json_t *settled, const json_t *run, json_t **program, struct ai_err *err) AI_CHECKED;

struct ai_buf;
/* A command line as somebody would type it. */
void ai_provider_words(const json_t *argv, struct ai_buf *out);

struct ai_provider_run {
	const char *uki;          /* made into the provider's kind of disk here */
	const char *job;          /* the job disk; where the provider takes VHDs, padded and given a footer in place */
	const char *result;       /* path that the result disk is written to */
	const char *machine;      /* lower-case letters, digits, '-', at most 20; NULL: a name is made */
	const char *records;      /* folder for a file that says so while there may be a machine; NULL: none */
	unsigned time_s;          /* from the machine's start to its end; 0: no limit */
	bool *collected;          /* NULL, or set when the result disk has arrived, which it may have although destroying failed */
	const struct ai_talk *talk;
};
/* All stages in order; destroy always, and a destroy that fails is an error that names what may be left and the command to type. */
int ai_provider_run(struct ai_provider *p, const struct ai_provider_run *run, struct ai_err *err) AI_CHECKED;
/* Destroy alone: what is left of a machine of that name, and its record. records may be NULL. */
int ai_provider_destroy(struct ai_provider *p, const char *machine, const char *records, const struct ai_talk *talk, struct ai_err *err) AI_CHECKED;
/* The machines that there may be: [{"machine", "provider", "settings", "running": is its run still going on}] (new reference). */
int ai_provider_left(const char *records, json_t **out, struct ai_err *err) AI_CHECKED;

#endif
