/* tpm_eventlog_show.c -- a boot log as lines for people and as JSON; see tpm_eventlog.h.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "cli/print.h"
#include "cli/tpm_eventlog.h"

/* A line's text is cut here; --json has all of it. */
enum { SHOWN = 120 };

static const char *
text_of(const json_t *fact, const char *key)
{
	const char *s = ai_json_str(fact, key);
	return s ? s : "";
}

static bool
is_true(const json_t *fact, const char *key)
{
	return json_is_true(json_object_get(fact, key));
}

/* "2 certificates, 77 hashes" */
static void
put_signatures(struct ai_buf *b, const json_t *list)
{
	size_t i, certificates = 0, hashes = 0, others = 0;
	json_t *s;
	json_array_foreach((json_t *)list, i, s) {
		const char *type = text_of(s, "type");
		certificates += strcmp(type, "x509") == 0;
		hashes += strcmp(type, "sha256") == 0;
		others += strcmp(type, "x509") != 0 && strcmp(type, "sha256") != 0;
	}
	ai_buf_printf(b, ": %zu certificate%s, %zu hash%s", certificates, certificates == 1 ? "" : "s", hashes, hashes == 1 ? "" : "es");
	if (others)
		ai_buf_printf(b, ", %zu of another kind", others);
}

static void
put_variable(struct ai_buf *b, const json_t *fact)
{
	const char *name = text_of(fact, "name"), *value = text_of(fact, "value");
	const json_t *signatures = ai_json_arr(fact, "signatures");
	const json_t *first = json_array_get(signatures, 0);
	if (is_true(fact, "authority")) {
		ai_buf_printf(b, "authority '%s'", name);
		if (first)
			ai_buf_printf(b, ": %s", ai_json_str(first, "subject") ? text_of(first, "subject") : text_of(first, "sha256"));
		else if (ai_json_str(fact, "text"))
			ai_buf_printf(b, ": '%s'", text_of(fact, "text"));
		return;
	}
	ai_buf_printf(b, "variable '%s'", name);
	if (strcmp(name, "SecureBoot") == 0)
		ai_buf_puts(b, strcmp(value, "01") == 0 ? ": Secure Boot is on" : ": Secure Boot is off");
	else if (signatures)
		put_signatures(b, signatures);
	else
		ai_buf_printf(b, ": %zu bytes", strlen(value) / 2);
	if (is_true(fact, "value_believed"))
		ai_buf_puts(b, " (the value alone was hashed)");
}

/* What an image is called is what the log calls it; but that is what people look for. */
static const char *
role(const char *path)
{
	static const struct { const char *part, *role; } roles[] = {
		{ "shim", "shim" }, { "grub", "boot loader" }, { "systemd-boot", "boot loader" }, { "bootmgfw", "Windows boot manager" },
		{ "vmlinuz", "kernel" }, { "linux", "kernel" }, { "bootx64", "boot loader" }, { "fwupd", "firmware updater" }, { "mmx64", "MOK manager" },
	};
	char name[64] = { 0 };
	const char *base = path;
	for (const char *p = path; *p; p++)
		if (*p == '\\' || *p == '/')
			base = p + 1;
	for (size_t i = 0; base[i] && i + 1 < sizeof name; i++)
		name[i] = base[i] >= 'A' && base[i] <= 'Z' ? (char)(base[i] + 32) : base[i];
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (strstr(name, roles[i].part))
			return roles[i].role;
	return NULL;
}

static void
put_image(struct ai_buf *b, const json_t *fact)
{
	const char *path = text_of(fact, "path"), *slash = strrchr(path, '/'), *r = role(path);
	ai_buf_printf(b, "image '%s'", slash ? slash + 1 : path);
	if (r)
		ai_buf_printf(b, " (%s by its name)", r);
	if (slash)
		ai_buf_printf(b, " on %.*s", (int)(slash - path), path);
}

static void
put_named(struct ai_buf *b, const json_t *fact)
{
	static const struct { const char *what, *words, *key; } kinds[] = {
		{ "no-action", "not extended: ", "signature" }, { "firmware-version", "firmware version ", "version" }, { "gpt", "partition table of disk ", "disk" },
		{ "action", "", "text" }, { "command-line", "kernel command line ", "text" }, { "file", "file ", "name" }, { "tables", "firmware's tables", NULL },
	};
	const char *what = text_of(fact, "what"), *type = text_of(fact, "type");
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].what, what) == 0) {
			ai_buf_puts(b, kinds[i].words);
			if (kinds[i].key)
				ai_buf_printf(b, "'%s'", text_of(fact, kinds[i].key));
			return;
		}
	ai_buf_puts(b, type);
	if (ai_json_str(fact, "tag"))
		ai_buf_printf(b, " %s", text_of(fact, "tag"));
	if (ai_json_str(fact, "text"))
		ai_buf_printf(b, " '%s'", text_of(fact, "text"));
}

static void
put_fact(struct ai_buf *b, const json_t *fact)
{
	const char *what = text_of(fact, "what");
	if (strcmp(what, "variable") == 0)
		put_variable(b, fact);
	else if (strcmp(what, "image") == 0)
		put_image(b, fact);
	else if (strcmp(what, "separator") == 0)
		ai_buf_puts(b, is_true(fact, "error") ? "separator: firmware met an error" : "separator");
	else if (strcmp(what, "uki-section") == 0)
		ai_buf_printf(b, "UKI section '%s': its %s", text_of(fact, "section"), text_of(fact, "of"));
	else if (strcmp(what, "loader") == 0)
		ai_buf_printf(b, "%s '%s'", ai_json_str(fact, "label") ? text_of(fact, "label") : "boot loader", text_of(fact, "text"));
	else if (strcmp(what, "firmware") == 0 && ai_json_str(fact, "base"))
		ai_buf_printf(b, "firmware at %s, %s bytes %s", text_of(fact, "base"), text_of(fact, "length"), text_of(fact, "text"));
	else if (strcmp(what, "firmware") == 0)
		ai_buf_printf(b, "firmware '%s'", text_of(fact, "text"));
	else
		put_named(b, fact);
}

/* Cut between characters. */
static void
cut(struct ai_buf *b)
{
	if (ai_columns(b->data) <= SHOWN)
		return;
	size_t at = 0;
	for (size_t columns = 0; at < b->len; at++)
		if (((unsigned char)b->data[at] & 0xc0) != 0x80 && columns++ == SHOWN - 1)
			break;
	b->data[at] = '\0';
	b->len = at;
	ai_buf_puts(b, "…");
}

static void
show_event(const json_t *fact)
{
	AI_BUF_AUTO line = AI_BUF(AI_MAX_TEXT);
	put_fact(&line, fact);
	if (line.state != AI_BUF_GOOD || !line.data)
		return;
	cut(&line);
	bool believed = is_true(fact, "believed");
	printf("  %4lld  %s%.12s%s %s ", (long long)json_integer_value(json_object_get(fact, "index")), ai_dim(), text_of(fact, "digest"), ai_plain(), believed ? "=" : "~");
	ai_put_safe(line.data);
	putchar('\n');
}

static void
show_pcr(const struct ai_log_shown *s, unsigned pcr)
{
	const struct ai_replayed *r = &s->replayed[s->bank];
	char hex[129];
	ai_hex_bytes(r->pcrs[pcr].b, r->pcrs[pcr].n, hex);
	printf("%sPCR %u%s  %s", ai_bold(), pcr, ai_plain(), r->done ? hex : "not replayed");
	for (size_t i = 0; s->compared && i < s->compared->n; i++) {
		const struct ai_compared *c = &s->compared->items[i];
		if (c->pcr == pcr && c->bank == r->bank)
			printf("  %s%s%s", c->equal ? ai_green() : ai_red(), c->equal ? "equal" : "DIFFERS", ai_plain());
	}
	putchar('\n');
}

/* The events of one PCR; -1: of none. */
static void
show_group(const struct ai_log_shown *s, int pcr)
{
	size_t i;
	json_t *fact;
	bool head = false, extended = pcr >= 0 && (s->replayed[s->bank].mask & 1u << pcr);
	json_array_foreach((json_t *)s->facts, i, fact) {
		if (json_integer_value(json_object_get(fact, "pcr")) != pcr)
			continue;
		if (!head && pcr >= 0)
			show_pcr(s, (unsigned)pcr);
		else if (!head)
			puts("no PCR");
		head = true;
		show_event(fact);
	}
	if (!head && extended)
		show_pcr(s, (unsigned)pcr);
}

static void
show_comparison(const struct ai_comparison *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct ai_compared *one = &c->items[i];
		if (one->equal)
			continue;
		char known[129], replayed[129] = "nothing";
		ai_hex_bytes(one->known.b, one->known.n, known);
		if (one->replayed.n)
			ai_hex_bytes(one->replayed.b, one->replayed.n, replayed);
		printf("%s PCR %u %sdiffers%s: replays to %s, expected %s\n", ai_bank_word(one->bank), one->pcr, ai_red(), ai_plain(), replayed, known);
		if (one->why[0]) {
			printf("    ");
			ai_put_safe(one->why);
			putchar('\n');
		}
	}
	printf("%s%zu of %zu known values are what the log replays to%s\n", c->n_equal == c->n ? ai_green() : ai_red(), c->n_equal, c->n, ai_plain());
}

void
ai_log_show(const struct ai_log_shown *s)
{
	size_t i;
	json_t *fault;
	const struct ai_replayed *r = &s->replayed[s->bank];
	printf("%s log, %zu events; banks:", s->log->crypto_agile ? "crypto-agile" : "SHA-1 format", s->log->n);
	for (size_t k = 0; k < s->log->n_banks; k++) {
		if (ai_bank_word(s->log->banks[k]))
			printf(" %s", ai_bank_word(s->log->banks[k]));
		else
			printf(" 0x%04x", s->log->banks[k]);
	}
	printf("; shown: %s\n%s=  the line is what was hashed (of an image, its code);  ~  the log says it of itself (a file's digest is of its bytes)%s\n",
		ai_bank_word(r->bank), ai_dim(), ai_plain());
	for (int pcr = 0; pcr < AI_LOG_PCRS; pcr++)
		if (s->pcrs & 1u << pcr)
			show_group(s, pcr);
	if (s->all)
		show_group(s, -1);
	for (size_t k = 0; k < s->log->n_banks; k++)
		if (!s->replayed[k].done)
			printf("not replayed: %s\n", s->replayed[k].why);
	if (json_array_size(s->faults))
		puts("Not as the TCG's profile asks for it:");
	json_array_foreach((json_t *)s->faults, i, fault) {
		printf("  ");
		ai_put_safe(json_string_value(fault));
		putchar('\n');
	}
	if (s->compared)
		show_comparison(s->compared);
}

static json_t *
hex_value(const struct ai_pcr_value *v)
{
	char hex[129];
	ai_hex_bytes(v->b, v->n, hex);
	return json_string(hex);
}

static json_t *
json_pcrs(const struct ai_log_shown *s)
{
	json_t *banks = json_object();
	for (size_t k = 0; k < s->log->n_banks; k++) {
		const struct ai_replayed *r = &s->replayed[k];
		if (!r->done)
			continue;
		json_t *pcrs = json_object();
		for (unsigned pcr = 0; pcr < AI_LOG_PCRS; pcr++) {
			char key[4];
			snprintf(key, sizeof key, "%u", pcr);
			if (r->mask & s->pcrs & 1u << pcr)
				json_object_set_new(pcrs, key, hex_value(&r->pcrs[pcr]));
		}
		json_object_set_new(banks, ai_bank_word(r->bank), pcrs);
	}
	return banks;
}

static json_t *
json_comparison(const struct ai_comparison *c)
{
	json_t *list = json_array();
	for (size_t i = 0; i < c->n; i++) {
		const struct ai_compared *one = &c->items[i];
		json_t *row = json_pack("{s:s, s:i, s:b, s:o}", "bank", ai_bank_word(one->bank), "pcr", (int)one->pcr, "equal", (int)one->equal, "known", hex_value(&one->known));
		if (one->replayed.n)
			json_object_set_new(row, "replayed", hex_value(&one->replayed));
		if (one->why[0])
			json_object_set_new(row, "why", json_string(one->why));
		json_array_append_new(list, row);
	}
	return list;
}

json_t *
ai_log_json(const struct ai_log_shown *s)
{
	size_t i;
	json_t *fact, *events = json_array(), *banks = json_array();
	json_array_foreach((json_t *)s->facts, i, fact) {
		json_int_t pcr = json_integer_value(json_object_get(fact, "pcr"));
		if (pcr < 0 ? s->all : (s->pcrs & 1u << pcr) != 0)
			json_array_append(events, fact);
	}
	for (size_t k = 0; k < s->log->n_banks; k++) {
		char number[8];
		snprintf(number, sizeof number, "0x%04x", s->log->banks[k]);
		json_t *row = json_pack("{s:s, s:i, s:b}", "name", ai_bank_word(s->log->banks[k]) ? ai_bank_word(s->log->banks[k]) : number, "size", (int)s->log->sizes[k],
			"replayed", (int)s->replayed[k].done);
		if (!s->replayed[k].done)
			json_object_set_new(row, "why", json_string(s->replayed[k].why));
		json_array_append_new(banks, row);
	}
	json_t *o = json_pack("{s:s, s:s, s:o, s:i, s:b, s:o, s:o, s:O}", "format", s->log->crypto_agile ? "crypto-agile" : "sha1", "bank",
		ai_bank_word(s->replayed[s->bank].bank), "banks", banks, "locality", (int)s->log->locality, "hcrtm", (int)s->log->hcrtm, "pcrs", json_pcrs(s),
		"events", events, "faults", (json_t *)s->faults);
	if (o && s->compared) {
		json_object_set_new(o, "compared", json_comparison(s->compared));
		json_object_set_new(o, "equal", json_boolean(s->compared->n_equal == s->compared->n));
	}
	return o;
}
