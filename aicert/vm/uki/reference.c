/* reference.c -- what a UKI's bytes say that it will measure; see reference.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/uki/reference.h"

#include <string.h>

#include "vm/uki/pe.h"

/* systemd 252 src/fundamental/tpm-pcr.c: unified_sections, in the order in which the stub measures those that are there; .pcrsig is not. */
static const char *const measured[] = { ".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrpkey" };
enum { N_MEASURED = sizeof measured / sizeof *measured };

static const char stub_magic[] = "#### LoaderInfo: systemd-stub 252";

/* A PCR that is extended with this digest. */
static void
extend(struct ai_digest *pcr, const struct ai_digest *d)
{
	ai_sha256_pair(pcr, d, pcr);
}

static int
check_stub(const struct ai_pe *pe, struct ai_err *err)
{
	const struct ai_pe_section *s = ai_pe_find(pe, ".sdmagic");
	size_t n = sizeof stub_magic - 1;
	const unsigned char *p = s ? pe->bytes + s->offset : NULL;
	if (!s)
		return ai_fail(err, AI_EINPUT, "UKI: there is no section '.sdmagic': it is not made with systemd's stub");
	if (s->raw_size <= n || memcmp(p, stub_magic, n) != 0 || (p[n] >= '0' && p[n] <= '9'))
		return ai_fail(err, AI_EINPUT, "UKI: section '.sdmagic' is not that of systemd-stub 252: what another version measures is not known here");
	return 0;
}

/* A section as the stub sees it in memory: 1 there, 0 not. The same name twice, or zeros beyond the file's bytes, are nobody's intention. */
static int
section_bytes(const struct ai_pe *pe, const char *name, const unsigned char **bytes, size_t *n, struct ai_err *err)
{
	const struct ai_pe_section *s = ai_pe_find(pe, name);
	size_t times = 0;
	for (size_t i = 0; i < pe->n_sections; i++)
		times += strcmp(pe->sections[i].name, name) == 0;
	if (times > 1)
		return ai_fail(err, AI_EINPUT, "UKI: section '%s' is there %zu times", name, times);
	if (!s || s->virtual_size == 0)
		return 0;
	if (s->virtual_size > s->raw_size)
		return ai_fail(err, AI_EINPUT, "UKI: section '%s': got %u bytes in memory of %u in the file", name, s->virtual_size, s->raw_size);
	*bytes = pe->bytes + s->offset;
	*n = s->virtual_size;
	return 1;
}

static int
need_section(const struct ai_pe *pe, const char *name, const unsigned char **bytes, size_t *n, struct ai_err *err)
{
	int found = section_bytes(pe, name, bytes, n, err);
	return found ? found : ai_fail(err, AI_EINPUT, "UKI: there is no section '%s'", name);
}

static int
list_digest(json_t *list, const char *key, const char *what, const struct ai_digest *d, struct ai_err *err)
{
	json_t *hex = ai_json_hex(d), *one = hex ? json_pack("{s:s, s:o}", key, what, "sha256", hex) : NULL;
	return one && json_array_append_new(list, one) == 0 ? 0 : ai_nomem(err);
}

/* PCR 11: of each section its name, with its NUL, then its bytes. */
static int
measure_sections(const struct ai_pe *pe, struct ai_reference *r, struct ai_err *err)
{
	for (size_t i = 0; i < N_MEASURED; i++) {
		const unsigned char *bytes = NULL;
		size_t n = 0;
		struct ai_digest d;
		int found = section_bytes(pe, measured[i], &bytes, &n, err);
		if (found < 0)
			return found;
		if (!found)
			continue;
		ai_sha256(measured[i], strlen(measured[i]) + 1, &d);
		extend(&r->pcr11, &d);
		ai_sha256(bytes, n, &d);
		extend(&r->pcr11, &d);
		if (list_digest(r->sections, "name", measured[i], &d, err) < 0)
			return err->code;
	}
	return 0;
}

/* PCR 9, by the kernel: its load options, which are the command line as UTF-16 with a NUL; then the initrd as the stub hands it over. */
static int
measure_files(const struct ai_pe *pe, struct ai_reference *r, struct ai_err *err)
{
	const unsigned char *line = NULL, *initrd = NULL;
	size_t n_line = 0, n_initrd = 0;
	struct ai_digest d;
	if (need_section(pe, ".cmdline", &line, &n_line, err) < 0 || need_section(pe, ".initrd", &initrd, &n_initrd, err) < 0)
		return err->code;
	AI_BUF_AUTO wide = AI_BUF(2 * AI_MAX_HEADER);
	for (size_t i = 0; i < n_line; i++) {
		if (line[i] < ' ' || line[i] > '~' || (line[i] == ' ' && (i == 0 || i + 1 == n_line)))
			return ai_fail(err, AI_EINPUT, "UKI: section '.cmdline': got byte 0x%02x at %zu, expected printable ASCII without spaces around", line[i], i);
		ai_buf_putc(&wide, (char)line[i]);
		ai_buf_putc(&wide, 0);
	}
	ai_buf_put(&wide, "\0", 2);
	if (ai_buf_ok(&wide, "UKI: section '.cmdline'", err) < 0)
		return err->code;
	ai_sha256(wide.data, wide.len, &d);
	extend(&r->pcr9, &d);
	if (list_digest(r->files, "what", "load options", &d, err) < 0)
		return err->code;
	ai_sha256(initrd, n_initrd, &d);
	extend(&r->pcr9, &d);
	r->command_line = ai_strndup((const char *)line, n_line);
	return r->command_line ? list_digest(r->files, "what", "initrd", &d, err) : ai_nomem(err);
}

/* PCR 4: images as they are loaded, and the firmware's announcement that it calls one. */
static int
measure_images(const struct ai_pe *pe, struct ai_reference *r, struct ai_err *err)
{
	static const char calling[] = "Calling EFI Application from Boot Option";
	const unsigned char *bytes = NULL;
	size_t n = 0;
	struct ai_pe kernel;
	struct ai_digest action, separator;
	if (ai_pe_authenticode(pe, &r->uki, err) < 0 || need_section(pe, ".linux", &bytes, &n, err) < 0)
		return err->code;
	if (ai_pe_parse(bytes, n, &kernel, err) < 0 || ai_pe_authenticode(&kernel, &r->kernel, err) < 0)
		return ai_in(err, "UKI: section '.linux'");
	ai_sha256(calling, sizeof calling - 1, &action);
	ai_sha256("\0\0\0", 4, &separator);
	const struct ai_digest *disk[] = { &action, &separator, &r->uki, &r->kernel }, *direct[] = { &r->uki, &action, &separator, &r->kernel };
	for (size_t i = 0; i < 4; i++) {
		extend(&r->pcr4, disk[i]);
		extend(&r->pcr4_direct, direct[i]);
	}
	return 0;
}

int
ai_reference_compute(const void *uki, size_t n, struct ai_reference *out, struct ai_err *err)
{
	struct ai_reference r = { .sections = json_array(), .files = json_array() };
	struct ai_pe pe;
	int code = !r.sections || !r.files ? ai_nomem(err) : ai_pe_parse(uki, n, &pe, err);
	if (code == 0)
		code = check_stub(&pe, err);
	if (code == 0)
		code = measure_images(&pe, &r, err);
	if (code == 0)
		code = measure_files(&pe, &r, err);
	if (code == 0)
		code = measure_sections(&pe, &r, err);
	if (code < 0) {
		ai_reference_done(&r);
		return code;
	}
	*out = r;
	return 0;
}

void
ai_reference_done(struct ai_reference *r)
{
	json_decref(r->sections);
	json_decref(r->files);
	free(r->command_line);
	*r = (struct ai_reference){ 0 };
}

int
ai_reference_json(const struct ai_reference *r, json_t **out, struct ai_err *err)
{
	char uki[AI_HEX], kernel[AI_HEX], pcr4[AI_HEX], direct[AI_HEX], pcr9[AI_HEX], pcr11[AI_HEX];
	ai_hex(&r->uki, uki);
	ai_hex(&r->kernel, kernel);
	ai_hex(&r->pcr4, pcr4);
	ai_hex(&r->pcr4_direct, direct);
	ai_hex(&r->pcr9, pcr9);
	ai_hex(&r->pcr11, pcr11);
	*out = json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:s, s:O, s:O}", "uki", uki, "kernel", kernel, "command_line", r->command_line,
		"pcrs", "4", pcr4, "9", pcr9, "11", pcr11, "pcr4_direct", direct, "sections", r->sections, "files", r->files);
	return *out ? 0 : ai_nomem(err);
}
