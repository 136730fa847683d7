/*
 * provider.h -- a cloud, described by a Lua file of rules/providers: which command lines create a machine, give it a job, take its result, destroy it.
 *
 * A provider file returns `provider { name, doc, settings, stages }`; each stage is a pure function from checked settings (and the paths and names of this run) to
 * command lines: arrays of texts, nothing else. They are run as they are (no shell), one after another; destroy runs always: after
 * success, failure, interrupt, and a failed create. What a stage prints as JSON a later one may use.
 *
 * Depends on: rule (the closed Lua state), base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_PROVIDER_H
#define AI_VM_PROVIDER_H

#include "base/json.h"
#include "base/talk.h"

struct ai_provider;

/* text: the file's; settings: {"name": text} as given (--set NAME=VALUE), checked here. AI_EUSAGE names what is missing or unknown. */
int ai_provider_open(const char *name, const char *text, size_t n, const json_t *settings, struct ai_provider **out, struct ai_err *err) AI_CHECKED;
void ai_provider_close(struct ai_provider *p);
/* The command lines of a stage ("create", "upload", "start", "wait", "collect", "destroy"): array of arrays of text (new reference). run: {"machine","image","job","result","said"}. */
int ai_provider_stage(struct ai_provider *p, const char *stage, const json_t *run, json_t **argvs, struct ai_err *err) AI_CHECKED;

struct ai_provider_run { const char *image, *job, *result; const char *machine; unsigned time_s; const struct ai_talk *talk; };
/* All stages in order; destroy always, and a destroy that fails is an error that names what may be left and the command to type. */
int ai_provider_run(struct ai_provider *p, const struct ai_provider_run *run, struct ai_err *err) AI_CHECKED;

#endif
