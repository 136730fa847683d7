/* trust_roots.c -- the roots in trust.json. See trust.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/trust.h"

#include <string.h>

#include "base/buf.h"
#include "base/when.h"
#include "proof/trust_parts.h"

/* --- the set ------------------------------------------------------------------- */

/* The built-in anchor with this key; NULL when this version has none. */
static const struct ai_anchor *
builtin_with(const struct ai_roots *r, const struct ai_digest *spki)
{
	for (size_t i = 0; i < ai_roots_n(r); i++)
		if (ai_roots_at(r, i)->builtin && ai_digest_eq(&ai_roots_at(r, i)->spki, spki))
			return ai_roots_at(r, i);
	return NULL;
}

/* The certificate of an entry of "roots", and its key. */
static int
entry_bytes(const json_t *e, struct ai_buf *der, struct ai_digest *spki, struct ai_err *err)
{
	const char *text = ai_json_str(e, "certificate");
	if (ai_b64_get(text, strlen(text), der, err) < 0 || ai_roots_spki(der->data, der->len, spki, err) < 0)
		return err->code = AI_EINPUT;
	return 0;
}

static int
add_entry(struct ai_roots *r, const json_t *e, struct ai_err *err)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_digest spki;
	ai_role role;
	if (entry_bytes(e, &der, &spki, err) < 0)
		return err->code;
	if (ai_role_parse(ai_json_str(e, "role"), &role, err) < 0)
		return err->code = AI_EINPUT;
	/* What was added once, and is built in since: the file stays good. */
	const struct ai_anchor *known = builtin_with(r, &spki);
	if (known && (known->roles & role))
		return 0;
	if (ai_roots_add(r, der.data, der.len, ai_json_str(e, "name"), role, ai_json_str(e, "authority"), err) < 0)
		return err->code = AI_EINPUT;
	return 0;
}

/* Built in, added; without those removed unless all. */
static int
make_roots(const json_t *whole, bool all, struct ai_roots *r, struct ai_err *err)
{
	size_t i;
	json_t *e;
	struct ai_digest d;
	json_array_foreach(ai_json_arr(whole, "removed"), i, e) {
		const struct ai_anchor *a = !all && ai_json_digest(e, "spki", &d) ? builtin_with(r, &d) : NULL;
		if (a && ai_roots_drop(r, (const char *const[]){ a->name }, 1, err) < 0)
			return err->code;
	}
	json_array_foreach(ai_json_arr(whole, "roots"), i, e)
		if (add_entry(r, e, err) < 0)
			return ai_in(err, "trust.json: roots[%zu]", i);
	json_array_foreach(ai_json_arr(whole, "revoked"), i, e)
		if (ai_json_digest(e, "id", &d) && ai_roots_revoke(r, &d, err) < 0)
			return err->code;
	return 0;
}

static int
roots_of(const json_t *whole, bool all, struct ai_roots **out, struct ai_err *err)
{
	struct ai_roots *r = NULL;
	if (ai_roots_new(true, &r, err) < 0)
		return err->code;
	int result = make_roots(whole, all, r, err);
	if (result < 0)
		ai_roots_free(r);
	else
		*out = r;
	return result;
}

int
ai_trust_roots(const char *data, struct ai_roots **out, struct ai_err *err)
{
	AI_JSON *whole = NULL;
	return ai_trust_file(data, &whole, err) < 0 ? err->code : roots_of(whole, false, out, err);
}

/* --- adding -------------------------------------------------------------------- */

/* The anchor that add_entry would make of the last entry, and nobody else's name. */
static int
check_new(const json_t *whole, const struct ai_roots *r, struct ai_err *err)
{
	const char *name = ai_roots_at(r, ai_roots_n(r) - 1)->name;
	size_t i;
	json_t *k;
	if (ai_trust_text("root name", name, err) < 0)
		return err->code;
	for (i = 0; i + 1 < ai_roots_n(r); i++)
		if (strcmp(ai_roots_at(r, i)->name, name) == 0)
			return ai_fail(err, AI_EUSAGE, "root name '%s' is taken", name);
	/* A policy that keeps the roots of an authority by its word would keep this one too. */
	for (i = 0; i + 1 < ai_roots_n(r); i++)
		if (strcmp(ai_roots_at(r, i)->authority, name) == 0)
			return ai_fail(err, AI_EUSAGE, "root name '%s' is taken: it is an authority's", name);
	json_array_foreach(ai_json_arr(whole, "keys"), i, k)
		if (strcmp(ai_json_str(k, "name"), name) == 0)
			return ai_fail(err, AI_EUSAGE, "root name '%s' is taken by a key", name);
	return 0;
}

/* Whole, with the new root; r: all the roots, the new one last. */
static int
append_root(json_t *whole, const struct ai_roots *r, const struct ai_buf *der, ai_role role, const char *authority, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(2 * AI_MAX_CERT);
	char added[21];
	if (check_new(whole, r, err) < 0 || ai_trust_now(added, err) < 0)
		return err->code;
	ai_b64_put(&text, der->data, der->len);
	if (ai_buf_ok(&text, "root", err) < 0)
		return err->code;
	json_t *e = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", ai_roots_at(r, ai_roots_n(r) - 1)->name, "role", ai_role_word(role),
		"authority", authority, "certificate", text.data, "added", added);
	return json_array_append_new(ai_json_arr(whole, "roots"), e) < 0 ? ai_nomem(err) : 0;
}

int
ai_trust_add_root(const char *data, const void *certificate, size_t n, const char *name, ai_role role, const char *authority, struct ai_err *err)
{
	AI_JSON *whole = NULL;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_roots *r = NULL;
	const char *word = authority ? authority : "";
	if (name && ai_trust_text("root name", name, err) < 0)
		return err->code;
	if (*word && ai_trust_text("authority", word, err) < 0)
		return err->code;
	AI_FD lock = ai_trust_lock(data, err);
	if (lock < 0 || ai_trust_file(data, &whole, err) < 0 || roots_of(whole, true, &r, err) < 0)
		return err->code;
	int result = ai_roots_add(r, certificate, n, name, role, word, err);
	if (result == 0)
		result = ai_roots_der(certificate, n, &der, err);
	if (result == 0)
		result = append_root(whole, r, &der, role, word, err);
	if (result == 0)
		result = ai_trust_write(data, whole, err);
	ai_roots_free(r);
	return result;
}

/* --- taking away ----------------------------------------------------------------- */

/* Where a word points: an entry of an array, or a built-in anchor. */
struct pointed { json_t *array; size_t at; const struct ai_anchor *builtin; size_t n; };

static void
point_entries(json_t *array, const char *hex_key, const char *word, struct pointed *p)
{
	size_t i;
	json_t *e;
	json_array_foreach(array, i, e)
		if (ai_trust_fits(word, ai_json_str(e, "name"), ai_json_str(e, hex_key))) {
			p->array = array;
			p->at = i;
			p->n++;
		}
}

static int
point_added(json_t *roots, const char *word, struct pointed *p, struct ai_err *err)
{
	size_t i;
	json_t *e;
	json_array_foreach(roots, i, e) {
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		struct ai_digest spki;
		char hex[AI_HEX];
		if (entry_bytes(e, &der, &spki, err) < 0)
			return ai_in(err, "trust.json: roots[%zu]", i);
		ai_hex(&spki, hex);
		if (!ai_trust_fits(word, ai_json_str(e, "name"), hex))
			continue;
		p->array = roots;
		p->at = i;
		p->n++;
	}
	return 0;
}

static bool
is_removed(const json_t *whole, const struct ai_anchor *a)
{
	size_t i;
	json_t *e;
	struct ai_digest d;
	json_array_foreach(ai_json_arr(whole, "removed"), i, e)
		if (a->builtin && ai_json_digest(e, "spki", &d) && ai_digest_eq(&d, &a->spki))
			return true;
	return false;
}

static void
point_builtin(const json_t *whole, const struct ai_roots *r, const char *word, struct pointed *p)
{
	for (size_t i = 0; i < ai_roots_n(r); i++) {
		const struct ai_anchor *a = ai_roots_at(r, i);
		char spki[AI_HEX];
		ai_hex(&a->spki, spki);
		if (!a->builtin || is_removed(whole, a) || !ai_trust_fits(word, a->name, spki))
			continue;
		p->builtin = a;
		p->n++;
	}
}

static int
fail_fit(const char *word, size_t n, struct ai_err *err)
{
	(void)ai_fail(err, AI_EUSAGE, "'%.100s': fits %zu accepted keys and roots, expected exactly one", word, n);
	return ai_hint(err, "give a name, or at least 8 digits of a fingerprint; aicert trust lists them");
}

static int
take_away(json_t *whole, const struct pointed *p, struct ai_err *err)
{
	char spki[AI_HEX], added[21];
	if (!p->builtin)
		return json_array_remove(p->array, p->at) < 0 ? ai_nomem(err) : 0;
	if (ai_trust_now(added, err) < 0)
		return err->code;
	ai_hex(&p->builtin->spki, spki);
	json_t *e = json_pack("{s:s, s:s, s:s}", "name", p->builtin->name, "spki", spki, "added", added);
	return json_array_append_new(ai_json_arr(whole, "removed"), e) < 0 ? ai_nomem(err) : 0;
}

int
ai_trust_remove(const char *data, const char *word, struct ai_err *err)
{
	AI_JSON *whole = NULL;
	struct ai_roots *r = NULL;
	struct pointed p = { 0 };
	AI_FD lock = ai_trust_lock(data, err);
	if (lock < 0 || ai_trust_file(data, &whole, err) < 0 || point_added(ai_json_arr(whole, "roots"), word, &p, err) < 0 || ai_roots_new(true, &r, err) < 0)
		return err->code;
	point_entries(ai_json_arr(whole, "keys"), "fingerprint", word, &p);
	point_builtin(whole, r, word, &p);
	int result = p.n == 1 ? take_away(whole, &p, err) : fail_fit(word, p.n, err);
	if (result == 0)
		result = ai_trust_write(data, whole, err);
	ai_roots_free(r);
	return result;
}

int
ai_trust_restore(const char *data, const char *word, struct ai_err *err)
{
	AI_JSON *whole = NULL;
	struct pointed p = { 0 };
	AI_FD lock = ai_trust_lock(data, err);
	if (lock < 0 || ai_trust_file(data, &whole, err) < 0)
		return err->code;
	point_entries(ai_json_arr(whole, "removed"), "spki", word, &p);
	if (p.n != 1)
		return ai_fail(err, AI_EUSAGE, "'%.100s': fits %zu built-in roots that were removed, expected exactly one", word, p.n);
	return json_array_remove(p.array, p.at) < 0 ? ai_nomem(err) : ai_trust_write(data, whole, err);
}

/* --- revoking ---------------------------------------------------------------------- */

/* The index of the entry; the array's size when it is not there. */
static size_t
revoked_at(const json_t *revoked, const struct ai_digest *id)
{
	struct ai_digest d;
	size_t i = 0;
	while (i < json_array_size(revoked) && !(ai_json_digest(json_array_get(revoked, i), "id", &d) && ai_digest_eq(&d, id)))
		i++;
	return i;
}

int
ai_trust_revoke(const char *data, const struct ai_digest *spki_or_der, const char *why, struct ai_err *err)
{
	AI_JSON *whole = NULL;
	char id[AI_HEX], added[21];
	if (why && *why && ai_trust_text("reason", why, err) < 0)
		return err->code;
	AI_FD lock = ai_trust_lock(data, err);
	if (lock < 0 || ai_trust_file(data, &whole, err) < 0 || ai_trust_now(added, err) < 0)
		return err->code;
	json_t *revoked = ai_json_arr(whole, "revoked");
	ai_hex(spki_or_der, id);
	if (revoked_at(revoked, spki_or_der) < json_array_size(revoked))
		return ai_fail(err, AI_EUSAGE, "%s is revoked already", id);
	if (json_array_append_new(revoked, json_pack("{s:s, s:s, s:s}", "id", id, "added", added, "why", why ? why : "")) < 0)
		return ai_nomem(err);
	return ai_trust_write(data, whole, err);
}

int
ai_trust_unrevoke(const char *data, const struct ai_digest *spki_or_der, struct ai_err *err)
{
	AI_JSON *whole = NULL;
	char id[AI_HEX];
	AI_FD lock = ai_trust_lock(data, err);
	if (lock < 0 || ai_trust_file(data, &whole, err) < 0)
		return err->code;
	json_t *revoked = ai_json_arr(whole, "revoked");
	size_t i = revoked_at(revoked, spki_or_der);
	ai_hex(spki_or_der, id);
	if (i == json_array_size(revoked))
		return ai_fail(err, AI_EUSAGE, "%s is not revoked", id);
	return json_array_remove(revoked, i) < 0 ? ai_nomem(err) : ai_trust_write(data, whole, err);
}

/* --- for people and machines ---------------------------------------------------------- */

static json_t *
roles_json(unsigned roles)
{
	json_t *list = json_array();
	for (unsigned role = 1; list && role <= AI_ROLE_TSA; role <<= 1)
		if ((roles & role) && json_array_append_new(list, json_string(ai_role_word((ai_role)role))) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *
anchor_json(const json_t *whole, const struct ai_roots *r, const struct ai_anchor *a)
{
	char from[AI_WHEN_TEXT], to[AI_WHEN_TEXT];
	ai_when_text(a->not_before, from);
	ai_when_text(a->not_after, to);
	bool revoked = ai_roots_revoked(r, &a->spki) || (a->exact && ai_roots_revoked(r, &a->der));
	json_t *j = json_pack("{s:s, s:o, s:s, s:o, s:s, s:s, s:b, s:b, s:b}", "name", a->name, "roles", roles_json(a->roles), "authority", a->authority,
		"spki", ai_json_hex(&a->spki), "not_before", from, "not_after", to, "builtin", a->builtin, "removed", is_removed(whole, a), "revoked", revoked);
	if (j && a->exact && json_object_set_new(j, "der", ai_json_hex(&a->der)) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

int
ai_trust_list(const char *data, json_t **out, struct ai_err *err)
{
	AI_JSON *whole = NULL;
	AI_JSON *roots = json_array();
	struct ai_roots *r = NULL;
	if (!roots)
		return ai_nomem(err);
	if (ai_trust_file(data, &whole, err) < 0 || roots_of(whole, true, &r, err) < 0)
		return err->code;
	int result = 0;
	for (size_t i = 0; i < ai_roots_n(r) && result == 0; i++)
		result = json_array_append_new(roots, anchor_json(whole, r, ai_roots_at(r, i)));
	ai_roots_free(r);
	json_t *list = result < 0 ? NULL : json_pack("{s:O, s:O, s:O}", "keys", ai_json_arr(whole, "keys"), "roots", roots, "revoked",
		ai_json_arr(whole, "revoked"));
	if (!list)
		return ai_nomem(err);
	*out = list;
	return 0;
}
