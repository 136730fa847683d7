/* tpm_eventlog.c -- `aicert tpm eventlog`; see tpm_eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/tpm_eventlog.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/tpm.h"

struct request {
	const char *file, *bank, *known;
	struct ai_text_list pcrs;
	int json, allow_sha1, help;
};

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert tpm eventlog FILE [OPTION…]\n"
	     "\n"
	     "Says what a boot log tells, PCR by PCR and event by event, and what its PCRs replay to. FILE holds the bytes of\n"
	     "/sys/kernel/security/tpm0/binary_bios_measurements, or their base64; - is standard input.\n");
	ai_options_help(table, n);
	puts("\nA log is worth what its replay is: compare it with values that a quote vouches for (aicert tpm check).\n"
	     "--json: {format: crypto-agile or sha1, bank, banks: [{name, size, replayed, why}], locality, hcrtm, pcrs: {bank: {pcr: hex}}, events: [{index,\n"
	     "pcr, type, digest, what, believed, …}], faults: [text], and with --pcrs compared: [{bank, pcr, equal, known, replayed, why}], equal}.\n"
	     "An event's `believed` says whether its facts are what was hashed; `digest` is in `bank`. Another --json's pcrs serve as --pcrs.\n"
	     "Exit codes: 0 done, and equal; 1 a known value differs, or the log or the values are SHA-1's; 2 usage; 3 unreadable or malformed.\n"
	     "\n"
	     "example: aicert tpm eventlog binary_bios_measurements --pcr 7 --pcrs known.json");
}

/* The bytes of FILE. Text that is base64 stands for what it encodes, if that can be a log: one begins with the number of a PCR. */
static int
read_log(const char *path, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO raw = AI_BUF(2 * AI_MAX_BOOT_LOG);
	AI_BUF_AUTO bare = AI_BUF(2 * AI_MAX_BOOT_LOG);
	int r = strcmp(path, "-") == 0 ? ai_read_fd(0, "standard input", &raw, err) : ai_read_file(AT_FDCWD, path, &raw, err);
	if (r < 0)
		return r;
	bool text = raw.len > 0;
	for (size_t i = 0; i < raw.len && text; i++) {
		char c = raw.data[i];
		if (strchr("\r\n\t ", c) && c)
			continue;
		text = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
		ai_buf_putc(&bare, c);
	}
	struct ai_err not_base64 = { 0 };
	if (text && ai_b64_get(bare.data, bare.len, out, &not_base64) == 0 && out->len >= 4 && memchr(out->data, 0, 4))
		return 0;
	ai_buf_clear(out);
	ai_buf_put(out, raw.data, raw.len);
	return ai_buf_ok(out, path, err);
}

/* A TCG_EfiSpecIDEvent alone is a log's header without the event around it: it is put into one. */
static int
wrap_header(struct ai_buf *b, struct ai_err *err)
{
	static const char signature[16] = "Spec ID Event03";
	if (b->len < sizeof signature || memcmp(b->data, signature, sizeof signature) != 0 || b->len > UINT16_MAX)
		return 0;
	uint8_t head[32] = { [4] = 3, [28] = (uint8_t)(b->len & 0xff), [29] = (uint8_t)(b->len >> 8) };
	AI_BUF_AUTO whole = AI_BUF(AI_MAX_BOOT_LOG);
	ai_buf_put(&whole, head, sizeof head);
	ai_buf_put(&whole, b->data, b->len);
	ai_buf_clear(b);
	ai_buf_put(b, whole.data, whole.len);
	fputs("note: this is a log's header (TCG_EfiSpecIDEvent) alone, without events\n", stderr);
	return ai_buf_ok(b, "event log", err);
}

/* "7" or "0,2,7", any number of times. */
static int
which_pcrs(const struct ai_text_list *list, uint32_t *out, struct ai_err *err)
{
	uint32_t mask = list->n ? 0 : (1u << AI_LOG_PCRS) - 1;
	for (size_t i = 0; i < list->n; i++) {
		const char *s = list->items[i];
		for (bool more = true; more;) {
			size_t n = strspn(s, "0123456789");
			unsigned v = n == 0 || n > 2 ? AI_LOG_PCRS : n == 1 ? (unsigned)(s[0] - '0') : (unsigned)((s[0] - '0') * 10 + (s[1] - '0'));
			if (v >= AI_LOG_PCRS || (s[n] != ',' && s[n] != '\0'))
				return ai_fail(err, AI_EUSAGE, "usage: --pcr: got '%s', expected PCRs, 0 to %d, with commas between", list->items[i], AI_LOG_PCRS - 1);
			mask |= 1u << v;
			more = s[n] == ',';
			s += n + 1;
		}
	}
	*out = mask;
	return 0;
}

/* Every bank; one that cannot be replayed says why. */
static void
replay_all(const struct ai_eventlog *log, struct ai_replayed out[AI_LOG_BANKS])
{
	for (size_t i = 0; i < log->n_banks; i++) {
		struct ai_err err = { 0 };
		out[i] = (struct ai_replayed){ .bank = log->banks[i] };
		out[i].done = ai_eventlog_replay(log, log->banks[i], out[i].pcrs, &out[i].mask, &err) == 0;
		snprintf(out[i].why, sizeof out[i].why, "%.255s", err.text);
	}
}

/* The bank whose digests are shown: the one asked for, else the best that can be replayed, else the best. */
static int
pick_bank(const struct ai_eventlog *log, const struct ai_replayed *replayed, const char *word, size_t *out, struct ai_err *err)
{
	static const uint16_t order[] = { AI_BANK_SHA256, AI_BANK_SHA384, AI_BANK_SHA512, AI_BANK_SM3, AI_BANK_SHA1 };
	uint16_t asked = word ? ai_bank_parse(word) : 0;
	if (word && !asked)
		return ai_fail(err, AI_EUSAGE, "usage: --bank: got '%s', expected sha256, sha384, sha512, sm3_256 or sha1", word);
	for (int need_replay = 1; need_replay >= 0; need_replay--)
		for (size_t i = 0; i < sizeof order / sizeof *order; i++)
			for (size_t k = 0; k < log->n_banks; k++)
				if (log->banks[k] == order[i] && (asked ? asked == order[i] : replayed[k].done || !need_replay)) {
					*out = k;
					return 0;
				}
	return asked ? ai_fail(err, AI_ENO, "event log: got no bank %s", word) : ai_fail(err, AI_EINPUT, "event log: got no bank whose hash is known here");
}

/* The known values held against the log. 1 when they were compared, 0 when there are none. */
static int
compare(const struct request *q, const struct ai_eventlog *log, const struct ai_replayed *replayed, struct ai_comparison *out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(1u << 20);
	struct ai_known_pcrs known;
	if (!q->known)
		return 0;
	if (ai_read_file(AT_FDCWD, q->known, &text, err) < 0 || ai_known_pcrs_parse(text.data ? text.data : "", text.len, q->known, &known, err) < 0 ||
		ai_known_pcrs_compare(&known, log, replayed, q->bank ? ai_bank_parse(q->bank) : 0, out, err) < 0)
		return err->code;
	bool strong = false;
	for (size_t i = 0; i < out->n; i++)
		strong |= out->items[i].bank != AI_BANK_SHA1;
	if (out->n == 0)
		return ai_fail(err, AI_ENO, "%s: got no values of bank %s", q->known, q->bank ? q->bank : "any");
	if (!strong && !q->allow_sha1) {
		ai_fail(err, AI_ENO, "%s: got SHA-1 values alone, expected another bank's: equal ones would prove nothing", q->known);
		return ai_hint(err, "--allow-sha1 compares them nevertheless");
	}
	return 1;
}

static int
put_json(const struct ai_log_shown *s, struct ai_err *err)
{
	AI_JSON *o = ai_log_json(s);
	char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	if (!text)
		return ai_nomem(err);
	puts(text);
	free(text);
	return 0;
}

/* 0, 1 when a known value differs, or negative. */
static int
judge(const struct request *q, const struct ai_eventlog *log, struct ai_err *err)
{
	struct ai_replayed replayed[AI_LOG_BANKS];
	AI_FREE struct ai_comparison *compared = ai_calloc(1, sizeof *compared);
	AI_JSON *facts = NULL;
	AI_JSON *faults = NULL;
	struct ai_log_shown s = { .log = log, .replayed = replayed, .all = q->pcrs.n == 0 };
	if (!compared)
		return ai_nomem(err);
	replay_all(log, replayed);
	if (which_pcrs(&q->pcrs, &s.pcrs, err) < 0 || pick_bank(log, replayed, q->bank, &s.bank, err) < 0)
		return err->code;
	int r = compare(q, log, replayed, compared, err);
	if (r < 0 || ai_eventlog_facts(log, replayed[s.bank].bank, &facts, err) < 0 || ai_eventlog_rules(log, &faults, err) < 0)
		return err->code;
	s.facts = facts;
	s.faults = faults;
	s.compared = r ? compared : NULL;
	if (q->json && put_json(&s, err) < 0)
		return err->code;
	if (!q->json)
		ai_log_show(&s);
	return r && compared->n_equal != compared->n ? 1 : 0;
}

static int
run(const struct request *q, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(2 * AI_MAX_BOOT_LOG);
	struct ai_eventlog log;
	if (read_log(q->file, &bytes, err) < 0 || wrap_header(&bytes, err) < 0)
		return err->code;
	if (ai_eventlog_parse((const uint8_t *)(bytes.data ? bytes.data : ""), bytes.len, q->allow_sha1, &log, err) < 0)
		return ai_in(err, "%s", q->file);
	int r = judge(q, &log, err);
	ai_eventlog_done(&log);
	return r;
}

int
ai_cmd_tpm_eventlog(int argc, char **argv)
{
	struct request q = { 0 };
	const struct ai_option table[] = {
		{ "pcr", 0, AI_OPTION_LIST, &q.pcrs, "N,…", "show these PCRs only (the comparison is of all)" },
		{ "bank", 0, AI_OPTION_TEXT, (void *)&q.bank, "NAME", "show and compare this bank: sha256 (else the best there is), sha384, sha512, sm3_256, sha1" },
		{ "pcrs", 0, AI_OPTION_TEXT, (void *)&q.known, "FILE", "known values, {\"sha256\": {\"0\": hex}} or {\"0\": hex}: exit 1 unless the log replays to each" },
		{ "allow-sha1", 0, AI_OPTION_FLAG, &q.allow_sha1, NULL, "take a log of TPM 1.2's SHA-1 format, and SHA-1 values alone; they prove nothing" },
		{ "json", 0, AI_OPTION_FLAG, &q.json, NULL, "print it all for machines (see below)" },
		{ "help", 'h', AI_OPTION_FLAG, &q.help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, sizeof table / sizeof *table, argc, argv, &words, &err);
	if (r == 0 && q.help)
		help(table, sizeof table / sizeof *table);
	else if (r == 0 && words.n != 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert tpm eventlog FILE: got %zu files, expected one", words.n);
	if (r == 0 && !q.help) {
		q.file = words.items[0];
		r = run(&q, &err);
	}
	ai_text_list_done(&words);
	ai_text_list_done(&q.pcrs);
	return r < 0 ? ai_print_err(&err) : ai_print_end(r);
}
