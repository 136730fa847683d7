/* vtpm.c -- see vtpm.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/host/vtpm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "attest/ownkeys.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "vm/host/vtpm_parts.h"

enum { MAX_CERTIFICATES = 1 << 20, SETUP_SECONDS = 120 };

/* swtpm's names in the folder that it is told to keep its CA in. */
#define EK_ROOT "ca/swtpm-localca-rootca-cert.pem"
#define EK_ISSUER "ca/issuer.pem"

/* --- open ------------------------------------------------------------------- */

int
ai_vtpm_open(const char *state, const struct ai_talk *talk, struct ai_vtpm *v, struct ai_err *err)
{
	*v = AI_VTPM_NONE;
	if (ai_vm_scratch_make(&v->scratch, err) < 0)
		return err->code;
	AI_FREE char *data = ai_join(v->scratch.path, "data");
	if (!data)
		return ai_nomem(err);
	if (ai_swtpm_start(state, v->scratch.path, talk, &v->server, err) < 0)
		return err->code;
	struct ai_tpm_options o = { .tcti = v->server.tcti, .state = data };
	return ai_tpm_open(&o, &v->tpm, err) < 0 ? ai_in(err, "vTPM") : 0;
}

void
ai_vtpm_close(struct ai_vtpm *v)
{
	ai_tpm_close(v->tpm);
	ai_swtpm_stop(&v->server);
	ai_vm_scratch_done(&v->scratch);
	*v = AI_VTPM_NONE;
}

/* --- what is known of it ------------------------------------------------------ */

int
ai_vtpm_remember(const struct ai_home *home, const struct ai_tpm *tpm, json_t *certificates, struct ai_err *err)
{
	AI_FREE char *path = ai_join(home->data, "vm/certificates.json");
	AI_BUF_AUTO text = AI_BUF(MAX_CERTIFICATES);
	struct ai_digest ak;
	size_t n;
	const void *public = ai_tpm_ak_public(tpm, &n);
	ai_sha256(public, n, &ak);
	AI_JSON *file = json_pack("{s:o, s:O}", "ak", ai_json_hex(&ak), "certificates", certificates);
	if (!path || !file)
		return ai_nomem(err);
	if (ai_ownkeys_add(home->data, &ak, "vm", err) < 0 || ai_json_pretty(file, &text, err) < 0)
		return err->code;
	return ai_write_file(AT_FDCWD, path, text.data, text.len, 0600, err);
}

int
ai_vtpm_certificates(const struct ai_home *home, json_t **certificates, struct ai_digest *ak, struct ai_err *err)
{
	AI_FREE char *path = ai_join(home->data, "vm/certificates.json");
	AI_BUF_AUTO text = AI_BUF(MAX_CERTIFICATES);
	AI_JSON *file = NULL;
	if (!path)
		return ai_nomem(err);
	if (ai_read_file(AT_FDCWD, path, &text, err) < 0 || ai_json_parse(text.data ? text.data : "", text.len, path, &file, err) < 0)
		return err->code = AI_EENV;
	json_t *list = ai_json_arr(file, "certificates");
	struct ai_digest found;
	if (!list || !ai_json_digest(file, "ak", &found))
		return ai_fail(err, AI_EENV, "%s: is damaged: expected 'ak' and 'certificates'", path);
	*certificates = json_incref(list);
	*ak = found;
	return 0;
}

int
ai_vtpm_ek_ca(const char *state, struct ai_buf *root, struct ai_buf *issuer, struct ai_err *err)
{
	AI_FREE char *root_path = ai_join(state, EK_ROOT);
	AI_FREE char *issuer_path = ai_join(state, EK_ISSUER);
	if (!root_path || !issuer_path)
		return ai_nomem(err);
	if (ai_read_file(AT_FDCWD, root_path, root, err) < 0 || ai_read_file(AT_FDCWD, issuer_path, issuer, err) < 0)
		return err->code = AI_EENV;
	return 0;
}

/* --- made ---------------------------------------------------------------------- */

static int
write_text(const char *dir, const char *name, const char *text, struct ai_err *err)
{
	AI_FREE char *path = ai_join(dir, name);
	return path && text ? ai_write_file(AT_FDCWD, path, text, strlen(text), 0600, err) : ai_nomem(err);
}

/* What swtpm_setup and its CA read, instead of what /etc and the user's home say. */
static int
write_settings(const char *dir, struct ai_err *err)
{
	AI_FREE char *setup = ai_format("create_certs_tool=swtpm_localca\ncreate_certs_tool_config=%s/localca.conf\n"
		"create_certs_tool_options=%s/localca.options\n", dir, dir);
	AI_FREE char *ca = ai_format("statedir=%s/ca\nsigningkey=%s/ca/key.pem\nissuercert=%s/ca/issuer.pem\ncertserial=%s/ca/serial\n", dir, dir, dir, dir);
	AI_FREE char *folder = ai_join(dir, "ca");
	if (!folder)
		return ai_nomem(err);
	if (ai_mkdirs(folder, 0700, err) < 0 || write_text(dir, "setup.conf", setup, err) < 0 || write_text(dir, "localca.conf", ca, err) < 0)
		return err->code;
	return write_text(dir, "localca.options", "--platform-manufacturer aicert\n--platform-version 1\n--platform-model vm\n", err);
}

static int
run_setup(const char *dir, struct ai_err *err)
{
	AI_FREE char *errors = ai_join(dir, "setup.log");
	struct ai_argv a = { 0 };
	static const char *const words[] = { "swtpm_setup", "--tpm2", "--create-ek-cert", "--lock-nvram", "--pcr-banks", "sha256", "--tpmstate" };
	if (!errors)
		return ai_nomem(err);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		ai_argv_add(&a, "%s", words[i]);
	ai_argv_add(&a, "%s", dir);
	ai_argv_add(&a, "--config");
	ai_argv_add(&a, "%s/setup.conf", dir);
	int r = ai_child_run(&a, "swtpm-tools", errors, SETUP_SECONDS, err);
	ai_argv_done(&a);
	return r < 0 ? ai_in(err, "vTPM") : 0;
}

/* Whole or not at all: made beside its place. */
static int
make(const char *state, const struct ai_talk *talk, struct ai_err *err)
{
	AI_FREE char *dir = NULL;
	if (ai_mkdtemp(state, &dir, err) < 0)
		return err->code;
	ai_say(talk, AI_TALK_STAGE, "vm      a vTPM is made for the machines of this host");
	int r = write_settings(dir, err);
	r = r < 0 ? r : run_setup(dir, err);
	if (r == 0 && rename(dir, state) < 0)
		r = ai_fail_errno(err, AI_EENV, "%s", state);
	if (r < 0)
		ai_discard_tree(dir);
	return r;
}

/* What somebody left who was killed over it, keys and all: whoever makes one holds the lock. */
static void
sweep(const char *folder)
{
	static const char fresh[] = "tpm.XXXXXX";
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		AI_FREE char *path = strlen(e->d_name) == sizeof fresh - 1 && strncmp(e->d_name, fresh, 4) == 0 ? ai_join(folder, e->d_name) : NULL;
		if (path)
			ai_discard_tree(path);
	}
	if (d)
		closedir(d);
}

/* What a state that is new says of itself: its AK. */
static int
learn(const struct ai_home *home, const char *state, const struct ai_talk *talk, struct ai_err *err)
{
	struct ai_vtpm v;
	AI_JSON *none = json_array();
	if (!none)
		return ai_nomem(err);
	int r = ai_vtpm_open(state, talk, &v, err);
	r = r < 0 ? r : ai_vtpm_remember(home, v.tpm, none, err);
	ai_vtpm_close(&v);
	return r;
}

/* 1 it was made now, 0 it was there. */
static int
make_if_absent(const struct ai_home *home, const char *state, const struct ai_talk *talk, struct ai_err *err)
{
	AI_FREE char *folder = ai_join(home->data, "vm");
	AI_FREE char *known = ai_join(home->data, "vm/certificates.json");
	AI_FD lock = -1;
	if (!folder || !known)
		return ai_nomem(err);
	if (ai_mkdirs(folder, 0700, err) < 0 || ai_swtpm_lock(state, talk, &lock, err) < 0)
		return err->code;
	sweep(folder);
	if (ai_exists(state))
		return 0;
	/* What was known is of another vTPM. */
	if (unlink(known) < 0 && errno != ENOENT)
		return ai_fail_errno(err, AI_EENV, "%s", known);
	return make(state, talk, err) < 0 ? err->code : 1;
}

int
ai_vtpm_state(const struct ai_home *home, const struct ai_talk *talk, char **path, struct ai_err *err)
{
	AI_FREE char *state = ai_join(home->data, "vm/tpm");
	AI_FREE char *known = ai_join(home->data, "vm/certificates.json");
	if (!state || !known)
		return ai_nomem(err);
	if (strchr(state, ',')) {
		(void)ai_fail(err, AI_EENV, "vTPM: %s: swtpm cannot be told of a folder whose path has a comma", state);
		return ai_hint(err, "$AICERT_HOME or $XDG_DATA_HOME names another place");
	}
	int r = make_if_absent(home, state, talk, err);
	/* Also when an earlier one was interrupted here. */
	if (r >= 0 && !ai_exists(known))
		r = learn(home, state, talk, err);
	if (r < 0)
		return r;
	*path = state;
	state = NULL;
	return 0;
}
