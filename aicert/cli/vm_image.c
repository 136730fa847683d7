/* vm_image.c -- `aicert vm image`.  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/talk.h"
#include "cli/engine.h"
#include "cli/exchange.h"
#include "cli/vm.h"
#include "vm/cloud/image.h"

enum { MAX_UKI = 1 << 30 };

struct wishes { const char *uki, *format, *out; int force, json; };

/* Beside its place and then to it, so that what is there is whole or untouched. */
static int
write_image(const struct wishes *w, const struct ai_buf *uki, ai_vm_format format, struct ai_err *err)
{
	AI_FREE char *fresh = ai_format("%s.XXXXXX", w->out);
	if (!fresh)
		return ai_nomem(err);
	AI_FD fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", w->out);
	int r = ai_vm_image_write(fd, uki->data, uki->len, format, err);
	r = r < 0 ? r : ai_check_interrupt(err);
	if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0 || rename(fresh, w->out) < 0))
		r = ai_fail_errno(err, AI_EENV, "%s", w->out);
	if (r < 0)
		unlink(fresh);
	return r;
}

static int
report(const struct wishes *w, const char *uki, struct ai_err *err)
{
	struct ai_digest d;
	uint64_t size;
	char hex[AI_HEX];
	AI_FD fd = open(w->out, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", w->out);
	if (ai_sha256_fd(fd, &d, &size, err) < 0)
		return err->code;
	ai_hex(&d, hex);
	if (w->json) {
		AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
		AI_JSON *j = json_pack("{s:s, s:s, s:s, s:I, s:s}", "image", w->out, "format", w->format, "uki", uki, "bytes", (json_int_t)size, "sha256", hex);
		if (!j)
			return ai_nomem(err);
		return ai_json_pretty(j, &text, err) < 0 ? err->code : ai_exchange_write(NULL, &text, err);
	}
	printf("%s  ", hex);
	ai_put_safe(w->out);
	putchar('\n');
	return 0;
}

static int
work(const struct wishes *w, struct ai_err *err)
{
	AI_FREE char *found = NULL;
	AI_BUF_AUTO uki = AI_BUF(MAX_UKI);
	ai_vm_format format;
	if (!w->out)
		return ai_fail(err, AI_EUSAGE, "usage: aicert vm image: '--out' is missing: expected the image's file");
	if (ai_vm_format_parse(w->format, &format, err) < 0 || ai_exchange_room(w->out, w->force, err) < 0)
		return err->code;
	if (!w->uki && ai_vm_default_uki(&found, err) < 0)
		return err->code;
	const char *path = w->uki ? w->uki : found;
	if (ai_read_file(AT_FDCWD, path, &uki, err) < 0)
		return err->code;
	if (write_image(w, &uki, format, err) < 0)
		return ai_in(err, "%s", path);
	return report(w, path, err);
}

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert vm image [UKI] --out FILE [OPTION…]\n"
	     "\n"
	     "The measured runner (or another UKI) as a disk that firmware boots: one EFI system partition with EFI/BOOT/BOOTX64.EFI. The\n"
	     "same UKI gives the same bytes. Prints the image's SHA-256 and name.\n");
	ai_options_help(table, n);
	puts("\n"
	     "  raw    a plain disk, for dd and most hypervisors\n"
	     "  vhd    fixed, of whole MiB: what Azure takes\n"
	     "  qcow2  version 3, for QEMU\n"
	     "  gcp    disk.raw of whole GiB in a tar.gz: what `gcloud compute images create --source-uri` takes\n"
	     "\n"
	     "exit codes: 0 written; 2 usage; 3 no UKI; 5 the disk refuses\n"
	     "example: aicert vm image --format vhd --out aicert.vhd");
}

int
ai_vm_image_main(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	struct wishes w = { .format = "raw" };
	const struct ai_option table[] = {
		{ "format", 0, AI_OPTION_TEXT, (void *)&w.format, "FORMAT", "raw (default), vhd, qcow2 or gcp" },
		{ "out", 'o', AI_OPTION_TEXT, (void *)&w.out, "FILE", "the image" },
		{ "force", 0, AI_OPTION_FLAG, &w.force, NULL, "overwrite FILE" },
		{ "json", 0, AI_OPTION_FLAG, &w.json, NULL, "print file, format, size and SHA-256 as JSON" },
		{ "help", 'h', AI_OPTION_FLAG, &e.help, NULL, "show this" },
	};
	enum { ROWS = sizeof table / sizeof *table };
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, ROWS, argc, argv, &words, &err);
	if (r == 0 && e.help) {
		help(table, ROWS);
	} else if (r == 0 && words.n > 1) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert vm image [UKI]: got '%s' too", words.items[1]);
	} else if (r == 0) {
		w.uki = words.n ? words.items[0] : NULL;
		ai_engine_listen(&e);
		r = work(&w, &err);
	}
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
