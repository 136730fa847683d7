/*
 * eventlog_ipl.c -- what boot loaders and the kernel's stub put into a log: GRUB, shim, systemd-boot and -stub, Linux; see eventlog.h.
 *
 * EV_IPL says nothing by itself; each loader has its own habit, and its PCR tells which:
 *   8   GRUB: "grub_cmd: …", "kernel_cmdline: …", the digest of what follows the label; systemd-boot before 250: the command line in UTF-16
 *   9   GRUB: the name of a file, the digest of its content
 *   11  systemd-stub: twice the name of a section, first the digest of the name, then that of the section
 *   12  systemd-stub: the command line in UTF-16; the names of credentials and the like, the digest of their archives
 *   14  shim: "MokList" and its kin, the digest of their content
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "attest/eventlog/eventlog_parts.h"

/* GRUB's labels for what it interprets. Which of them an event has is not hashed. */
static const struct label { const char *text; bool command_line; } labels[] = {
	{ "kernel_cmdline: ", true }, { "grub_kernel_cmdline ", true }, { "kernel_cmdline ", true },
	{ "grub_cmd: ", false }, { "grub_cmd ", false }, { "module_cmdline: ", false }, { "grub_module_cmdline ", false },
};

static bool
is_utf16(const struct ai_event *e)
{
	return e->data_len >= 4 && e->data[0] && e->data[1] == 0 && (e->data[2] || e->data_len <= 5) && e->data[3] == 0;
}

/* Is the digest that of the text, with or without the NUL (of `wide` bytes) at its end? */
static bool
text_measured(struct ai_fact *f, const uint8_t *p, size_t n, size_t wide)
{
	static const uint8_t nul[2];
	size_t bare = n;
	uint8_t digest[64];
	if (n % wide == 0 && n >= wide && memcmp(p + n - wide, nul, wide) == 0)
		bare -= wide;
	if (!f->digest)
		return false;
	/* systemd-boot logged one byte less than it hashed: half a NUL is there. */
	if (ai_fact_is(f, p, n) || (bare < n && ai_fact_is(f, p, bare)))
		return true;
	return ai_bank_hash_of(f->hash, p, n, nul, 1, digest) && memcmp(digest, f->digest, f->hash->size) == 0;
}

/* The text of an event as a fact, without the NUL at its end. */
static void
put_text(struct ai_fact *f, const char *key, const uint8_t *p, size_t n, bool utf16)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (utf16) {
		if (n % 2 && p[n - 1] == 0)
			n--;
		while (n >= 2 && p[n - 1] == 0 && p[n - 2] == 0)
			n -= 2;
		ai_text_utf16(&text, p, n);
	} else {
		while (n && p[n - 1] == 0)
			n--;
		ai_text_bytes(&text, p, n);
	}
	ai_fact_text(f, f->o, key, &text);
}

static void
grub_text(struct ai_fact *f)
{
	const uint8_t *p = f->event->data;
	size_t n = f->event->data_len;
	bool command_line = false;
	for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
		size_t len = strlen(labels[i].text);
		if (n < len || memcmp(p, labels[i].text, len) != 0)
			continue;
		AI_BUF_AUTO label = AI_BUF(AI_MAX_TEXT);
		ai_text_bytes(&label, p, strcspn(labels[i].text, ": "));
		ai_fact_text(f, f->o, "label", &label);
		command_line = labels[i].command_line;
		p += len;
		n -= len;
		break;
	}
	put_text(f, "text", p, n, false);
	ai_fact_what(f, command_line ? "command-line" : "loader", text_measured(f, p, n, 1));
}

/* The section's name as characters: the log has them in UTF-16, the name's digest is of bytes. */
static size_t
section_name(const struct ai_event *e, uint8_t name[16])
{
	size_t wide = is_utf16(e) ? 2 : 1, n = 0;
	for (size_t i = 0; i < e->data_len && e->data[i] && n < 15; i += wide)
		name[n++] = e->data[i];
	name[n] = 0;
	return n;
}

/*
 * systemd-stub measures name, content, name, content. That the second is the content of what the first named follows from their order, which
 * the PCR holds too; a content that reads like a name changes nothing, since it is counted, not looked at.
 */
static void
stub_section(struct ai_fact *f)
{
	uint8_t name[16], due[16];
	size_t n = section_name(f->event, name);
	bool content = *f->section_due, believed;
	if (content)
		believed = section_name(*f->section, due) == n && memcmp(name, due, n) == 0;
	else
		believed = ai_fact_is(f, name, n + 1) || ai_fact_is(f, name, n);
	*f->section_due = believed && !content;
	*f->section = f->event;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	ai_text_bytes(&text, name, n);
	ai_fact_text(f, f->o, "section", &text);
	ai_fact_set(f, f->o, "of", json_string(content ? "content" : "name"));
	ai_fact_what(f, "uki-section", believed);
}

/* PCR 12 and 13 of systemd-stub: a text that was measured itself is a command line, another names an archive. */
static void
stub_text(struct ai_fact *f)
{
	const struct ai_event *e = f->event;
	bool utf16 = is_utf16(e), measured = text_measured(f, e->data, e->data_len, utf16 ? 2 : 1);
	static const char *const archives[] = { "initrd", "redentials", "extension" };
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (utf16)
		ai_text_utf16(&text, e->data, e->data_len);
	else
		ai_text_bytes(&text, e->data, e->data_len);
	bool archive = false;
	for (size_t i = 0; i < sizeof archives / sizeof *archives; i++)
		archive |= !measured && text.data && strstr(text.data, archives[i]) && !strchr(text.data, '=');
	put_text(f, archive ? "name" : "text", e->data, e->data_len, utf16);
	ai_fact_what(f, archive ? "file" : "command-line", measured);
}

void
ai_fact_ipl(struct ai_fact *f)
{
	const struct ai_event *e = f->event;
	bool utf16 = is_utf16(e);
	if (e->pcr == 11 && e->data_len && e->data[0] == '.') {
		stub_section(f);
	} else if (e->pcr == 9) {
		put_text(f, "name", e->data, e->data_len, utf16);
		ai_fact_what(f, "file", text_measured(f, e->data, e->data_len, utf16 ? 2 : 1));
	} else if (e->pcr == 12 || e->pcr == 13) {
		stub_text(f);
	} else if (e->pcr == 8 && utf16) {
		put_text(f, "text", e->data, e->data_len, true);
		ai_fact_what(f, "command-line", text_measured(f, e->data, e->data_len, 2));
	} else if (e->pcr == 8) {
		grub_text(f);
	} else {
		put_text(f, "text", e->data, e->data_len, utf16);
		ai_fact_what(f, "loader", text_measured(f, e->data, e->data_len, utf16 ? 2 : 1));
	}
}

/* TCG_PCClientTaggedEvent: id, length, data. Linux' and systemd's name what they hashed; others are known by their number only. */
void
ai_fact_tag(struct ai_fact *f)
{
	static const uint32_t named[] = {
		0x8f3b22ec, 0x8f3b22ed,                          /* Linux' stub: the initrd, the load options */
		0xf5bc582a, 0x6c46f751, 0x49dffe0f, 0xdac08e1a,  /* systemd: loader.conf; device tree, initrd and microcode of an addon */
	};
	const struct ai_event *e = f->event;
	size_t covered;
	bool whole = ai_fact_of_data(f, &covered) && covered == e->data_len, known = false;
	uint32_t tag = e->data_len >= 8 ? ai_le32(e->data) : 0, n = e->data_len >= 8 ? ai_le32(e->data + 4) : 0;
	if (e->data_len < 8 || n > e->data_len - 8) {
		ai_fact_what(f, "other", whole);
		return;
	}
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	ai_buf_printf(&text, "0x%08x", tag);
	ai_fact_text(f, f->o, "tag", &text);
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		known |= named[i] == tag;
	if (known) {
		const uint8_t *p = e->data + 8;
		put_text(f, "name", p, n, n >= 4 && p[0] && p[1] == 0 && p[3] == 0);
	}
	ai_fact_what(f, known ? "file" : "other", whole);
}
