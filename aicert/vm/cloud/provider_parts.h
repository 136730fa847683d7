/*
 * provider_parts.h -- between provider.c (what is to be done), provider_run.c (in what order, and what happens when it fails) and call.c (one command).
 *
 * Depends on: base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_PROVIDER_PARTS_H
#define AI_VM_PROVIDER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/talk.h"

struct ai_provider {
	char *name, *where, *text;   /* where: the file, for errors */
	size_t n;
	json_t *about, *settings;
};

/* AI_EUSAGE when clouds would not take it as the name of what is made. */
int ai_machine_name(const char *name, struct ai_err *err) AI_CHECKED;

/* Before the first command; *lock: held until the run is over. AI_EUSAGE when there is one of that name. */
int ai_record_begin(const struct ai_provider *p, const char *folder, const char *machine, int *lock, struct ai_err *err) AI_CHECKED;
void ai_record_end(const char *folder, const char *machine);

/* Texts that nobody is to see, longest first. */
struct ai_secrets { char **v; size_t n, cap; };
void ai_secrets_done(struct ai_secrets *s);
/* The text and, of a URL, its query and the values in it that are long enough to be no words; encoded and not. */
int ai_secrets_add(struct ai_secrets *s, const char *text, struct ai_err *err) AI_CHECKED;
bool ai_secrets_in(const struct ai_secrets *s, const char *text);
/* *** for each of them; NULL when memory is out. */
char *ai_secrets_hide(const struct ai_secrets *s, const char *text, size_t n);

struct ai_call {
	const json_t *what;          /* of ai_provider_stage */
	unsigned time_s;             /* 0: none */
	bool deaf;                   /* goes on when the user interrupts */
	const struct ai_secrets *secrets;
	const struct ai_talk *talk;
	bool *began;                 /* set as soon as the program runs */
};
/*
 * One command line, to its end. *said: what it printed, without the white space at its end (empty when it printed more than a MiB); caller frees.
 * AI_EENV: it is not there (with a hint), failed (with the last line of what it said) or took too long: then it is gone. AI_EINTR: so too.
 */
int ai_call_run(const struct ai_call *call, char **said, struct ai_err *err) AI_CHECKED;

#endif
