/*
 * policy_parts.h -- what the parts of the policy share: its normal form, and how its reader takes a value.
 *
 * A policy is kept as one JSON object, every value checked when it was read, so that asking it is looking up:
 *
 *   require       level                         keys          {accept: [hex], deny: [hex]}
 *   roots         {builtin: bool or [word], add: [{name, role, authority, certificate: base64}], revoked: [hex]}
 *   authorities   [name]                        pcrs          {"4": "zero" or "rules" or [hex], "10": also "boot-aggregate"}
 *   boot          {secure_boot: "on" or "off", secure_boot_keys: {"PK": [hex]}, verified_by: [hex], firmware: [text],
 *                  images, files: {exactly: bool, digests: [hex]}, drivers: [hex], command_line, loader, actions: [text],
 *                  variables: [{name, guid, pcr, unnamed: bool, values?: [hex]}], gpt: "any", uki: [[[section, hex]]], events: {"14": [hex]}}
 *   root          [hex]
 *   inputs        {name: {hash?, type?, uri?, revision?}}           inputs-only: true
 *   outputs       {name: hex}                   rules         {name: [hex]}
 *   images        ["sha256:…"]                  steps         {require: [name]}
 *   environments  ["image", "host"]             deny          {programs: [hex], keys: [hex]}
 *   withhold      [word]                        nonce, threshold, timestamp, job: "required" or [hex]
 *
 * An absent key was not spoken of; an empty list allows nothing.
 *
 * Depends on: base, model (YAML).  Threads: a reader belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_POLICY_PARTS_H
#define AI_POLICY_PARTS_H

#include "base/json.h"
#include "model/yaml.h"
#include "proof/policy/policy.h"

enum { AI_N_BOOT_PCRS = 15 };   /* 0 to 14: 15 is the run log's */

/* EFI_GLOBAL_VARIABLE and EFI_IMAGE_SECURITY_DATABASE_GUID, as ai_eventlog_facts writes them. */
#define AI_GUID_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define AI_GUID_SECURITY "d719b2cb-3d3a-4596-a3bc-dad00e67656f"

struct ai_policy { json_t *j; };

struct ai_policy_reader {
	const char *file;
	int (*read)(void *ctx, const char *path, struct ai_buf *out, struct ai_err *err);
	void *ctx;
	struct ai_err *err;
};

/* Takes the value at y, which `what` names in a refusal, into *out (new reference); AI_EUSAGE at its place. */
typedef int ai_policy_take(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, json_t **out);
struct ai_policy_field { const char *key; ai_policy_take *take; };

/* AI_EUSAGE at the node's place. */
int ai_policy_at(struct ai_policy_reader *r, const struct ai_yaml *at, const char *fmt, ...) AI_PRINTF(3, 4);
/* A map of these keys, each taken by its function; another is refused with the nearest. */
int ai_policy_fields(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, const struct ai_policy_field *fields, size_t n,
	json_t **out) AI_CHECKED;
/* A list whose members are taken by one function; none twice. */
int ai_policy_list(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, ai_policy_take *one, json_t **out) AI_CHECKED;
/* A map from names of the user's to what one function takes. */
int ai_policy_map(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, ai_policy_take *one, json_t **out) AI_CHECKED;
/* One of n words. */
int ai_policy_word(struct ai_policy_reader *r, const struct ai_yaml *y, const char *what, const char *const *words, size_t n, json_t **out) AI_CHECKED;
/* A text (an empty one only in quotes); 64 hex digits; lists of them; true or false. */
ai_policy_take ai_policy_text, ai_policy_hex, ai_policy_texts, ai_policy_hexes, ai_policy_flag;
/* policy_read_boot.c */
ai_policy_take ai_policy_pcrs, ai_policy_boot;

/* The whole file. policy_read.c */
int ai_policy_read(struct ai_policy_reader *r, const struct ai_yaml *top, json_t **out) AI_CHECKED;

/* Is text a member of an array of strings? false when list is NULL. */
bool ai_policy_lists(const json_t *list, const char *text);

/* EV_EFI_VARIABLE… "Boot0001" against "Boot####": '#' stands for one hex digit, anything else for itself. */
bool ai_policy_name_fits(const char *pattern, const char *name);
/* May a boot manager measure this in every boot: calls and ends of the boot services? */
bool ai_policy_usual_action(int pcr, const char *text);

#endif
