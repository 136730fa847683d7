/* ca_init.c -- `aicert ca init`.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "cli/ca.h"
#include "cli/exchange.h"
#include "cli/options.h"
#include "cli/print.h"

struct wishes { const char *dir, *name, *days, *curve, *passphrase_file; int json; };

/* Makes the folder, or takes one of ours that is there; of two at once the second waits, and finds the first one's CA. */
static int
prepare(const char *dir, const char *key, const char *root, int *lock, struct ai_err *err)
{
	AI_FREE char *file = ai_join(dir, "lock");
	struct stat st;
	if (!file)
		return ai_nomem(err);
	if (ai_mkdirs(dir, 0700, err) < 0)
		return err->code;
	if (stat(dir, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077))
		return ai_fail(err, AI_EENV, "%s: is not yours alone: got mode %03o, expected 700", dir, (unsigned)st.st_mode & 0777);
	*lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*lock < 0 || flock(*lock, LOCK_EX) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot lock", file);
	if (ai_exists(key) || ai_exists(root))
		return ai_fail(err, AI_EUSAGE, "%s: holds an attestation CA already", dir);
	return 0;
}

static int
make(const struct wishes *w, const char *passphrase, struct ai_err *err)
{
	AI_FREE char *key_path = ai_join(w->dir, "ca.key");
	AI_FREE char *root_path = ai_join(w->dir, "ca.pem");
	AI_BUF_AUTO key = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
	AI_FD lock = -1;
	int days = 0;
	if (!key_path || !root_path)
		return ai_nomem(err);
	if (ai_ca_days(w->days, &days, err) < 0 || ai_authority_make(w->name, w->curve, days, ai_exchange_now(), passphrase, &key, &root, err) < 0)
		return err->code;
	int r = prepare(w->dir, key_path, root_path, &lock, err);
	/* The key first: a root whose key is lost is of no use. */
	r = r < 0 ? r : ai_write_file(AT_FDCWD, key_path, key.data, key.len, 0600, err);
	explicit_bzero(key.data, key.len);
	return r < 0 ? r : ai_write_file(AT_FDCWD, root_path, root.data, root.len, 0644, err);
}

static int
tell(const struct wishes *w, struct ai_err *err)
{
	struct ai_ca_dir d = { .lock = -1 };
	struct ai_authority *a = NULL;
	struct ai_digest spki;
	char hex[AI_HEX];
	int r = ai_ca_open(w->dir, &d, err);
	r = r < 0 ? r : ai_ca_authority(&d, false, NULL, &a, err);
	r = r < 0 ? r : ai_authority_fingerprint(a, &spki, err);
	if (r == 0) {
		ai_hex(&spki, hex);
		AI_JSON *j = json_pack("{s:s, s:s}", "name", w->name, "spki", hex);
		AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
		if (w->json)
			r = j && ai_json_pretty(j, &text, err) == 0 ? ai_exchange_write(NULL, &text, err) : ai_nomem(err);
		else
			puts(hex);
		fprintf(stderr, "aicert: a verifier takes this CA's word after: aicert trust add --root %s/ca.pem --role ak-ca --authority NAME\n", w->dir);
	}
	ai_authority_free(a);
	ai_ca_close(&d);
	return r;
}

int
ai_ca_init(int argc, char **argv)
{
	struct wishes w = { .name = "Example attestation CA", .days = "3650", .curve = "P-384" };
	int help = 0;
	const struct ai_option table[] = {
		{ "name", 0, AI_OPTION_TEXT, (void *)&w.name, "NAME", "what its certificate calls it (default: Example attestation CA)" },
		{ "days", 0, AI_OPTION_TEXT, (void *)&w.days, "N", "how long its certificate is valid (default: 3650)" },
		{ "curve", 0, AI_OPTION_TEXT, (void *)&w.curve, "CURVE", "P-256 or P-384 (default)" },
		{ "passphrase-file", 0, AI_OPTION_TEXT, (void *)&w.passphrase_file, "FILE", "encrypt the key with the first line of FILE" },
		{ "json", 0, AI_OPTION_FLAG, &w.json, NULL, "print {\"name\", \"spki\"}" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	char *passphrase = NULL;
	int r = ai_options_parse(table, 6, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert ca init DIR [OPTION…]\n"
		     "\n"
		     "Makes an attestation CA: DIR/ca.key (yours alone), DIR/ca.pem (for verifiers). Prints the SHA-256 of its key's\n"
		     "SubjectPublicKeyInfo, for whoever gets ca.pem by another way. Keep DIR where few can log in.\n");
		ai_options_help(table, 6);
		puts("\nexample: aicert ca init ~/attestation-ca --name \"Example attestation CA\"");
	} else if (r == 0 && words.n != 1) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert ca init DIR: got %zu arguments", words.n);
	} else if (r == 0) {
		w.dir = words.items[0];
		r = ai_ca_passphrase(w.passphrase_file, &passphrase, &err);
		r = r < 0 ? r : make(&w, passphrase, &err);
		r = r < 0 ? r : tell(&w, &err);
	}
	ai_ca_forget(passphrase);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}
