/* trust.c -- `aicert trust`.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/enrol/authority.h"
#include "attest/x509/chain.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/home.h"
#include "base/json.h"
#include "base/when.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"
#include "proof/trust.h"

struct trust_options {
	const char *name, *root, *role, *authority, *why, *as_of;
	int json, help;
};

/* --- list ---------------------------------------------------------------------- */

static void
put_text(const json_t *j, const char *key)
{
	ai_put_safe(ai_json_str(j, key) ? ai_json_str(j, key) : "");
}

static void
put_keys(const json_t *keys)
{
	size_t i;
	json_t *k;
	printf("%skeys%s whose word is taken, beside this machine's own%s\n", ai_bold(), ai_plain(), json_array_size(keys) ? "" : ": none");
	json_array_foreach(keys, i, k) {
		printf("  %s  ", ai_json_str(k, "fingerprint"));
		put_text(k, "name");
		putchar('\n');
	}
}

static const char *
standing(const json_t *root)
{
	if (json_is_true(json_object_get(root, "removed")))
		return "removed";
	if (json_is_true(json_object_get(root, "revoked")))
		return "revoked";
	return json_is_true(json_object_get(root, "builtin")) ? "built in" : "added";
}

static void
put_roots(const json_t *roots)
{
	size_t i, k;
	json_t *r, *role;
	printf("\n%sroots%s\n  %-12s  %-11s  %-18s  %-24s  %-8s  name\n", ai_bold(), ai_plain(), "key", "role", "authority", "valid", "");
	json_array_foreach(roots, i, r) {
		char roles[64] = "";
		json_array_foreach(ai_json_arr(r, "roles"), k, role)
			snprintf(roles + strlen(roles), sizeof roles - strlen(roles), "%s%s", *roles ? "," : "", json_string_value(role));
		const char *authority = ai_json_str(r, "authority");
		printf("  %.12s  %-11s  ", ai_json_str(r, "spki"), roles);
		ai_put_safe(*authority ? authority : "-");
		size_t columns = ai_columns(*authority ? authority : "-");
		printf("%*s  %.10s to %.10s  %-8s  ", columns < 18 ? (int)(18 - columns) : 0, "", ai_json_str(r, "not_before"), ai_json_str(r, "not_after"),
			standing(r));
		put_text(r, "name");
		putchar('\n');
	}
}

static void
put_revoked(const json_t *revoked)
{
	size_t i;
	json_t *r;
	if (json_array_size(revoked))
		printf("\n%srevoked%s\n", ai_bold(), ai_plain());
	json_array_foreach(revoked, i, r) {
		printf("  %s  ", ai_json_str(r, "id"));
		put_text(r, "why");
		putchar('\n');
	}
}

static int
list(const char *data, const struct trust_options *o, struct ai_err *err)
{
	AI_JSON *all = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (ai_trust_list(data, &all, err) < 0)
		return err->code;
	if (o->json) {
		if (ai_json_pretty(all, &text, err) < 0)
			return err->code;
		fputs(text.data, stdout);
		return 0;
	}
	put_keys(ai_json_arr(all, "keys"));
	put_roots(ai_json_arr(all, "roots"));
	put_revoked(ai_json_arr(all, "revoked"));
	return 0;
}

/* --- check --------------------------------------------------------------------- */

static int
read_files(const struct ai_text_list *w, json_t *certificates, struct ai_err *err)
{
	for (size_t i = 1; i < w->n; i++) {
		AI_BUF_AUTO bytes = AI_BUF(8 * AI_MAX_CERT);
		if (ai_read_file(AT_FDCWD, w->items[i], &bytes, err) < 0)
			return err->code;
		if (ai_certificates_add(certificates, bytes.data, bytes.len, err) < 0)
			return ai_in(err, "%s", w->items[i]);
	}
	return 0;
}

/* What is said of a chain that holds; a: NULL when it is not believed, for the reason why. */
static int
say_chain(const struct ai_chain *c, const struct ai_anchor *a, const char *at, const char *why, bool as_json, struct ai_err *err)
{
	char from[AI_WHEN_TEXT], to[AI_WHEN_TEXT];
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	ai_when_text(c->not_before, from);
	ai_when_text(c->not_after, to);
	if (as_json) {
		AI_JSON *j = json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?}", "believed", a != NULL, "subject", c->subject, "ends_at", c->issuer,
			"not_before", from, "not_after", to, "at", at, "root", a ? a->name : NULL, "authority", a ? a->authority : NULL, "why", why);
		if (!j || ai_json_pretty(j, &text, err) < 0)
			return err->code ? err->code : ai_nomem(err);
		fputs(text.data, stdout);
		return 0;
	}
	if (!a)
		return 0;
	ai_put_safe(*c->subject ? c->subject : "(a certificate without a subject)");
	printf("\n  believed at %s: vouched for by '", at);
	ai_put_safe(a->name);
	fputs("'", stdout);
	if (*a->authority) {
		fputs(", authority ", stdout);
		ai_put_safe(a->authority);
	}
	printf("\n  all %zu certificates are valid from %s to %s\n", c->n, from, to);
	return 0;
}

/* 0 when this verifier would believe these certificates, AI_ENO when not. */
static int
check(const char *data, const struct ai_text_list *w, const struct trust_options *o, struct ai_err *err)
{
	AI_JSON *certificates = json_array();
	struct ai_roots *roots = NULL;
	struct ai_chain chain = { 0 };
	const struct ai_anchor *anchor = NULL;
	struct ai_err said = { 0 };
	ai_role role = AI_ROLE_AK_CLOUD;
	int64_t at = (int64_t)time(NULL);
	char when[AI_WHEN_TEXT];
	if (!certificates)
		return ai_nomem(err);
	if ((o->role && ai_role_parse(o->role, &role, err) < 0) || (o->as_of && ai_when_parse(o->as_of, &at, err) < 0) || read_files(w, certificates, err) < 0
		|| ai_trust_roots(data, &roots, err) < 0)
		return err->code;
	ai_when_text(at, when);
	int r = ai_chain_check_key(certificates, NULL, roots, &chain, err);
	if (r == 0) {
		r = ai_chain_trust(&chain, roots, o->role ? (unsigned)role : AI_ROLE_AK_CLOUD | AI_ROLE_AK_CA, at, &anchor, err);
		if (say_chain(&chain, anchor, when, r < 0 ? err->text : NULL, o->json, &said) < 0) {
			*err = said;
			r = said.code;
		}
		ai_chain_done(&chain);
	}
	ai_roots_free(roots);
	return r;
}

/* --- the others ------------------------------------------------------------------ */

static int
add_root(const char *data, const struct trust_options *o, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
	ai_role role;
	if (!o->role)
		return ai_fail(err, AI_EUSAGE, "--root needs --role: what may this CA vouch for? ek, ak-ca, ak-cloud or tsa");
	if (ai_role_parse(o->role, &role, err) < 0 || ai_read_file(AT_FDCWD, o->root, &bytes, err) < 0)
		return err->code;
	if (ai_trust_add_root(data, bytes.data, bytes.len, o->name, role, o->authority, err) < 0)
		return ai_in(err, "%s", o->root);
	return 0;
}

/* A key's fingerprint; or the name of a built-in root that was removed. */
static int
add(const char *data, const char *word, const struct trust_options *o, struct ai_err *err)
{
	struct ai_digest d;
	char beginning[13];
	snprintf(beginning, sizeof beginning, "%s", word);
	if (ai_unhex(word, &d))
		return ai_trust_add(data, word, o->name ? o->name : beginning, err);
	if (ai_trust_restore(data, word, err) < 0 && err->code == AI_EUSAGE)
		return ai_fail(err, AI_EUSAGE, "'%.100s': expected a key's fingerprint (64 lower-case hex digits), --root FILE, or a built-in root that was removed",
			word);
	return err->code;
}

/* SHA-256 of a certificate or of its key; or the certificate itself: then its key. */
static int
digest_of(const char *word, struct ai_digest *out, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
	if (ai_unhex(word, out))
		return 0;
	if (ai_read_file(AT_FDCWD, word, &bytes, err) < 0)
		return err->code;
	return ai_roots_spki(bytes.data, bytes.len, out, err) < 0 ? ai_in(err, "%s", word) : 0;
}

static int
change(const char *data, const struct ai_text_list *w, const struct trust_options *o, struct ai_err *err)
{
	const char *verb = w->items[0], *word = w->n > 1 ? w->items[1] : NULL;
	struct ai_digest d;
	if (strcmp(verb, "add") == 0 && o->root && w->n == 1)
		return add_root(data, o, err);
	if (strcmp(verb, "add") == 0 && !o->root && !o->role && !o->authority && w->n == 2)
		return add(data, word, o, err);
	if (strcmp(verb, "check") == 0 && w->n > 1)
		return check(data, w, o, err);
	if (strcmp(verb, "remove") == 0 && w->n == 2)
		return ai_trust_remove(data, word, err);
	if (strcmp(verb, "revoke") == 0 && w->n == 2)
		return digest_of(word, &d, err) < 0 ? err->code : ai_trust_revoke(data, &d, o->why, err);
	if (strcmp(verb, "unrevoke") == 0 && w->n == 2)
		return digest_of(word, &d, err) < 0 ? err->code : ai_trust_unrevoke(data, &d, err);
	(void)ai_fail(err, AI_EUSAGE, "trust '%.100s' with %zu arguments: no such use", verb, w->n - 1);
	return ai_hint(err, "aicert trust --help shows each use");
}

static int
act(const struct ai_text_list *w, const struct trust_options *o, struct ai_err *err)
{
	struct ai_home home = { 0 };
	if (ai_home_find(NULL, &home, err) < 0)
		return err->code;
	bool listing = w->n == 0 || (w->n == 1 && strcmp(w->items[0], "list") == 0);
	int r = listing ? list(home.data, o, err) : change(home.data, w, o, err);
	ai_home_done(&home);
	return r;
}

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert trust [list] [--json]\n"
	     "       aicert trust add FINGERPRINT [--name NAME]\n"
	     "       aicert trust add --root FILE --role ek|ak-ca|ak-cloud|tsa [--name NAME] [--authority WORD]\n"
	     "       aicert trust remove NAME-OR-FINGERPRINT\n"
	     "       aicert trust add NAME                       (a built-in root that was removed)\n"
	     "       aicert trust revoke SHA256-OR-FILE [--why TEXT]\n"
	     "       aicert trust unrevoke SHA256-OR-FILE\n"
	     "       aicert trust check FILE… [--role ROLE] [--as-of WHEN] [--json]\n"
	     "\n"
	     "Keys: attestation keys whose word this verifier takes, beside this machine's own. A fingerprint is the SHA-256 of the key's TPMT_PUBLIC,\n"
	     "as `aicert verify` prints it; get it from the key's owner, not from a proof.\n"
	     "\n"
	     "Roots: certificates that may vouch for a TPM's key, each for what its role says:\n"
	     "  ek        endorsement keys, when an attestation key is enrolled (TPM makers; built in)\n"
	     "  ak-cloud  attestation keys of a cloud's vTPMs (Azure, Google; built in)\n"
	     "  ak-ca     attestation keys that a team's CA enrolled (`aicert ca`)\n"
	     "  tsa       time stamps\n"
	     "An authority is who operates what the root vouches for, as a policy names it.\n"
	     "\n"
	     "A revoked certificate (by the SHA-256 of its key or of its DER) makes every chain that it is in worthless.\n"
	     "check: would these certificates (DER or PEM, leaf first, the root last) be believed? Exit 1 when not. Without --role: as an attestation key's.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert trust add 5c19e6697d7c99f5… --name build-server\n"
	     "         aicert trust add --root team-ca.pem --role ak-ca --authority our-datacentre");
}

int
ai_cmd_trust(int argc, char **argv)
{
	struct trust_options o = { 0 };
	const struct ai_option table[] = {
		{ "name", 0, AI_OPTION_TEXT, (void *)&o.name, "NAME", "with add: what to call it (default: how the fingerprint begins, or the certificate's name)" },
		{ "root", 0, AI_OPTION_TEXT, (void *)&o.root, "FILE", "with add: a CA certificate, DER or PEM" },
		{ "role", 0, AI_OPTION_TEXT, (void *)&o.role, "ROLE", "with --root: what it may vouch for; with check: what for" },
		{ "authority", 0, AI_OPTION_TEXT, (void *)&o.authority, "WORD", "with --root: who operates what it vouches for" },
		{ "why", 0, AI_OPTION_TEXT, (void *)&o.why, "TEXT", "with revoke: a note" },
		{ "as-of", 0, AI_OPTION_TEXT, (void *)&o.as_of, "WHEN", "with check: judge at 2026-01-31 or 2026-01-31T12:00:00Z, not now" },
		{ "json", 0, AI_OPTION_FLAG, &o.json, NULL, "print the list as JSON: {\"keys\", \"roots\", \"revoked\"}; with check the answer" },
		{ "help", 'h', AI_OPTION_FLAG, &o.help, NULL, "show this" },
	};
	struct ai_text_list w = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, sizeof table / sizeof *table, argc, argv, &w, &err);
	if (r == 0 && o.help)
		help(table, sizeof table / sizeof *table);
	else if (r == 0)
		r = act(&w, &o, &err);
	ai_text_list_done(&w);
	return r < 0 ? ai_print_err(&err) : 0;
}
