/* eventlog_text.c -- foreign bytes of a log as printable text; see eventlog_parts.h.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "attest/eventlog/eventlog_parts.h"
#include "base/hash.h"
#include "base/path.h"

/* Does a terminal draw it, and where it stands? No controls, no marks that turn the text around, no line separators, nothing that is not seen. */
static bool
drawn(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) &&
		c != 0xfeff && !(c >= 0xfff9 && c <= 0xffff) && !(c >= 0xe0000 && c < 0xe1000);
}

static void
put_utf8(struct ai_buf *out, uint32_t c)
{
	if (c < 0x80) {
		ai_buf_putc(out, (char)c);
	} else if (c < 0x800) {
		ai_buf_putc(out, (char)(0xc0 | c >> 6));
		ai_buf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		if (c < 0x10000) {
			ai_buf_putc(out, (char)(0xe0 | c >> 12));
		} else {
			ai_buf_putc(out, (char)(0xf0 | c >> 18));
			ai_buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		ai_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		ai_buf_putc(out, (char)(0x80 | (c & 0x3f)));
	}
}

static void
put_escape(struct ai_buf *out, uint8_t byte)
{
	ai_buf_printf(out, "\\x%02x", byte);
}

/* One character; next is what follows it, so that no text can pretend to be an escape. */
static void
put_character(struct ai_buf *out, uint32_t c, uint32_t next)
{
	if (c == '\\' && next == 'x') {
		put_escape(out, '\\');
	} else if (drawn(c)) {
		put_utf8(out, c);
	} else if (c < 0x100) {
		put_escape(out, (uint8_t)c);
	} else {
		put_escape(out, (uint8_t)(c >> 8 & 0xff));
		put_escape(out, (uint8_t)c);
	}
}

/* The character of UTF-8 at p, and how many bytes it has; 0 when those are none. */
static size_t
utf8_at(const uint8_t *p, size_t n, uint32_t *out)
{
	size_t len = *p < 0x80 ? 1 : *p >= 0xc2 && *p <= 0xdf ? 2 : *p >= 0xe0 && *p <= 0xef ? 3 : *p >= 0xf0 && *p <= 0xf4 ? 4 : 0;
	if (len == 0 || len > n || (*p && !ai_utf8_valid((const char *)p, len)))
		return 0;
	uint32_t c = len == 1 ? *p : *p & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3f);
	*out = c;
	return len;
}

void
ai_text_bytes(struct ai_buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		uint32_t c = 0;
		len = utf8_at(p + i, n - i, &c);
		if (len == 0 || (len > 1 && !drawn(c))) {
			put_escape(out, p[i]);
			len = 1;
		} else {
			put_character(out, c, i + len < n ? p[i + len] : 0);
		}
	}
}

void
ai_text_utf16(struct ai_buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2) {
		uint32_t c = ai_le16(p + i), next = i + 3 < n ? ai_le16(p + i + 2) : 0;
		if (c >= 0xd800 && c < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
			c = 0x10000 + ((c & 0x3ff) << 10 | (next & 0x3ff));
			if (drawn(c))
				put_utf8(out, c);
			for (size_t k = 0; k < 4 && !drawn(c); k++)
				put_escape(out, p[i + k]);
			i += 2;
		} else if (c >= 0xd800 && c < 0xe000) {
			put_escape(out, (uint8_t)(c >> 8));
			put_escape(out, (uint8_t)c);
		} else {
			put_character(out, c, next);
		}
	}
	if (n % 2)
		put_escape(out, p[n - 1]);
}

void
ai_text_guid(struct ai_buf *out, const uint8_t p[16])
{
	/* The first three fields are little-endian. */
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t bytes[16];
	char hex[33];
	for (size_t i = 0; i < 16; i++)
		bytes[i] = p[order[i]];
	ai_hex_bytes(bytes, 16, hex);
	for (size_t i = 0, at = 0; i < 5; i++) {
		size_t n = i == 0 ? 8 : i == 4 ? 12 : 4;
		if (i)
			ai_buf_putc(out, '-');
		ai_buf_put(out, hex + at, n);
		at += n;
	}
}

/* The nodes that boot paths are made of; others are written as Path(type,subtype,hex) as UEFI does. */
enum { HARDWARE = 1, ACPI = 2, MESSAGING = 3, MEDIA = 4, BIOS_BOOT = 5, END = 0x7f };
#define NODE(type, subtype) ((type) << 8 | (subtype))

static void
put_hard_drive(struct ai_buf *out, const uint8_t *d)
{
	ai_buf_printf(out, "HD(%u,", ai_le32(d));
	if (d[37] == 2) {
		ai_buf_puts(out, "GPT,");
		ai_text_guid(out, d + 20);
	} else {
		ai_buf_printf(out, "%s,0x%08x", d[37] == 1 ? "MBR" : "None", ai_le32(d + 20));
	}
	ai_buf_printf(out, ",0x%llx,0x%llx)", (unsigned long long)ai_le64(d + 4), (unsigned long long)ai_le64(d + 12));
}

static void
put_guid_node(struct ai_buf *out, const char *name, const uint8_t *d)
{
	ai_buf_printf(out, "%s(", name);
	ai_text_guid(out, d);
	ai_buf_putc(out, ')');
}

static void
put_acpi(struct ai_buf *out, const uint8_t *d)
{
	uint32_t hid = ai_le32(d), uid = ai_le32(d + 4);
	if (hid == 0x0a0341d0 || hid == 0x0a0841d0)
		ai_buf_printf(out, "%s(0x%x)", hid == 0x0a0341d0 ? "PciRoot" : "PcieRoot", uid);
	else
		ai_buf_printf(out, "Acpi(0x%08x,0x%x)", hid, uid);
}

static void
put_other_node(struct ai_buf *out, unsigned type, unsigned subtype, const uint8_t *d, size_t n)
{
	ai_buf_printf(out, "Path(%u,%u", type, subtype);
	for (size_t i = 0; i < n; i++)
		ai_buf_printf(out, "%s%02x", i ? "" : ",", d[i]);
	ai_buf_putc(out, ')');
}

/* The data d of a node, n bytes of it; false when it is of no kind that is written in words. */
static bool
put_node(struct ai_buf *out, unsigned kind, const uint8_t *d, size_t n)
{
	if (kind == NODE(HARDWARE, 1) && n == 2)
		ai_buf_printf(out, "Pci(0x%x,0x%x)", d[1], d[0]);
	else if (kind == NODE(HARDWARE, 3) && n == 20)
		ai_buf_printf(out, "MemoryMapped(0x%x,0x%llx,0x%llx)", ai_le32(d), (unsigned long long)ai_le64(d + 4), (unsigned long long)ai_le64(d + 12));
	else if (kind == NODE(HARDWARE, 4) && n == 16)
		put_guid_node(out, "VenHw", d);
	else if (kind == NODE(HARDWARE, 5) && n == 4)
		ai_buf_printf(out, "Ctrl(0x%x)", ai_le32(d));
	else if (kind == NODE(ACPI, 1) && n == 8)
		put_acpi(out, d);
	else if (kind == NODE(MESSAGING, 1) && n == 4)
		ai_buf_printf(out, "Ata(%u,%u,0x%x)", d[0], d[1], ai_le16(d + 2));
	else if (kind == NODE(MESSAGING, 2) && n == 4)
		ai_buf_printf(out, "Scsi(0x%x,0x%x)", ai_le16(d), ai_le16(d + 2));
	else if (kind == NODE(MESSAGING, 5) && n == 2)
		ai_buf_printf(out, "USB(0x%x,0x%x)", d[0], d[1]);
	else if (kind == NODE(MESSAGING, 10) && n == 16)
		put_guid_node(out, "VenMsg", d);
	else if (kind == NODE(MESSAGING, 11) && n == 33)
		ai_buf_printf(out, "MAC(%02x%02x%02x%02x%02x%02x,0x%x)", d[0], d[1], d[2], d[3], d[4], d[5], d[32]);
	else if (kind == NODE(MESSAGING, 17) && n == 4)
		ai_buf_printf(out, "Unit(0x%x)", ai_le32(d));
	else if (kind == NODE(MESSAGING, 18) && n == 6)
		ai_buf_printf(out, "Sata(0x%x,0x%x,0x%x)", ai_le16(d), ai_le16(d + 2), ai_le16(d + 4));
	else if (kind == NODE(MESSAGING, 23) && n == 12)
		ai_buf_printf(out, "NVMe(0x%x,%02x-%02x-%02x-%02x-%02x-%02x-%02x-%02x)", ai_le32(d), d[11], d[10], d[9], d[8], d[7], d[6], d[5], d[4]);
	else if (kind == NODE(MEDIA, 1) && n == 38)
		put_hard_drive(out, d);
	else if (kind == NODE(MEDIA, 2) && n == 20)
		ai_buf_printf(out, "CDROM(0x%x,0x%llx,0x%llx)", ai_le32(d), (unsigned long long)ai_le64(d + 4), (unsigned long long)ai_le64(d + 12));
	else if (kind == NODE(MEDIA, 3) && n == 16)
		put_guid_node(out, "VenMedia", d);
	else if (kind == NODE(MEDIA, 6) && n == 16)
		put_guid_node(out, "FvFile", d);
	else if (kind == NODE(MEDIA, 7) && n == 16)
		put_guid_node(out, "Fv", d);
	else if (kind == NODE(MEDIA, 8) && n == 20)
		ai_buf_printf(out, "Offset(0x%llx,0x%llx)", (unsigned long long)ai_le64(d + 4), (unsigned long long)ai_le64(d + 12));
	else
		return false;
	return true;
}

void
ai_text_device_path(struct ai_buf *out, const uint8_t *p, size_t n)
{
	bool first = true;
	while (n > 0) {
		size_t len = n >= 4 ? ai_le16(p + 2) : 0;
		if (len < 4 || len > n) {
			ai_buf_puts(out, first ? "…" : "/…");
			return;
		}
		unsigned type = p[0], subtype = p[1];
		if (type == END && subtype == 0xff)
			return;
		const uint8_t *d = p + 4;
		size_t n_d = len - 4;
		ai_buf_puts(out, type == END ? "," : first ? "" : "/");
		first = type == END;
		if (type == MEDIA && subtype == 4) {
			while (n_d >= 2 && d[n_d - 1] == 0 && d[n_d - 2] == 0)
				n_d -= 2;
			ai_text_utf16(out, d, n_d);
		} else if (type == MESSAGING && subtype == 24) {
			ai_buf_puts(out, "Uri(");
			ai_text_bytes(out, d, n_d);
			ai_buf_putc(out, ')');
		} else if (type != END && !put_node(out, NODE(type, subtype), d, n_d)) {
			put_other_node(out, type, subtype, d, n_d);
		}
		p += len;
		n -= len;
	}
}
