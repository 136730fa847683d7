/* policy_init.c -- `aicert policy init`: a policy that accepts just this proof.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/policy/policy_init.h"

#include <stdlib.h>
#include <string.h>

#include "proof/policy/policy_parts.h"

struct init {
	const json_t *proof, *nodes, *report, *run, *plan;
	struct ai_boots boots;
	struct ai_buf *out;
};

static const json_t *
node(const struct init *in, const char *id)
{
	return id ? json_object_get(in->nodes, id) : NULL;
}

static bool
is_withheld(const json_t *n)
{
	return n && ai_node_kind(n) == AI_KIND_WITHHELD;
}

static void
put_text(struct init *in, const char *before, const char *text, const char *after)
{
	ai_buf_puts(in->out, before);
	ai_init_text(in->out, text);
	ai_buf_puts(in->out, after);
}

/* The same of a proof that is carried as an input's: what this policy asks, it asks of each. */
static struct init
of_kin(const struct init *in, const char *root, const json_t *proof)
{
	struct init k = { .proof = proof, .nodes = json_object_get(proof, "nodes"), .report = in->report, .out = in->out };
	k.run = node(&k, root);
	k.plan = node(&k, ai_json_str(k.run, "plan"));
	return k;
}

/* --- the attestation --------------------------------------------------------------- */

static void
put_key(struct init *in, json_t *seen, const char *key, const char *why)
{
	if (!key || !*key || strcmp(key, ai_json_str(in->report, "key")) == 0 || json_object_get(seen, key))
		return;
	ai_buf_printf(in->out, "    - %s   # attested %s\n", key, why);
	if (json_object_set_new(seen, key, json_true()) < 0)
		in->out->state = AI_BUF_NOMEM;
}

static void
put_reused_keys(struct init *in, json_t *seen, const json_t *proof)
{
	const char *id;
	json_t *a;
	json_object_foreach(json_object_get(proof, "attestations"), id, a)
		put_key(in, seen, ai_json_str(json_object_get(a, "claims"), "ak"), "reused results");
}

/* Of this proof and of those that it carries. */
static void
put_authorities(struct init *in)
{
	AI_JSON *names = json_object();
	const char *name = ai_json_str(in->report, "authority");
	size_t i, n = 0;
	json_t *v;
	if (name && name[0] && json_object_set_new(names, name, json_true()) < 0)
		in->out->state = AI_BUF_NOMEM;
	json_array_foreach(json_object_get(in->report, "lineage"), i, v)
		if (ai_json_str(v, "authority")[0] && json_object_set_new(names, ai_json_str(v, "authority"), json_true()) < 0)
			in->out->state = AI_BUF_NOMEM;
	json_object_foreach(names, name, v)
		put_text(in, n++ ? ", " : "# Who operates the TPM and what is below it.\nauthorities: [ ", name, "");
	ai_buf_puts(in->out, n ? " ]\n" : "");
}

static void
put_keys(struct init *in, const char *level)
{
	const char *id, *own = ai_json_str(in->report, "key");
	json_t *a;
	AI_JSON *seen = json_object();
	/* A policy that names the key accepts it: that is level 'software'. */
	bool named = strcmp(level, "unsigned") == 0 || strcmp(level, "software") == 0;
	ai_buf_printf(in->out, "aicert-policy: 1\nrequire: %s\n\n", named ? "software" : level);
	ai_buf_printf(in->out, "# Whose word it is: attestation keys by fingerprint%s.\nkeys:\n  accept:\n    - %s\n",
		named ? ". Ask the keys' owner whether they are theirs" : "", own);
	put_reused_keys(in, seen, in->proof);
	json_object_foreach(json_object_get(in->proof, "proofs"), id, a) {
		put_key(in, seen, ai_json_str(json_object_get(a, "claims"), "ak"), "the proof of an input");
		put_reused_keys(in, seen, a);
	}
	const char *anchor = ai_json_str(in->report, "anchor");
	if (named || !anchor || !anchor[0])
		return;
	put_authorities(in);
	if (json_object_size(seen) == 0)
		put_text(in, "roots: { builtin: [ ", anchor, " ] }\n");
}

/* --- the run ----------------------------------------------------------------------- */

static const char *
content_of(const json_t *reference)
{
	return ai_json_str(reference, "blob") ? ai_json_str(reference, "blob") : ai_json_str(reference, "tree");
}

static void
put_inputs(struct init *in)
{
	static const char *const fields[] = { "type", "uri", "revision" };
	const json_t *sources = json_object_get(in->plan, "sources");
	size_t i, shown = 0;
	json_t *named;
	json_array_foreach((json_t *)sources, i, named) {
		const json_t *source = node(in, ai_json_str(named, "id"));
		if (is_withheld(source))
			continue;
		put_text(in, shown++ ? "  " : "\ninputs:\n  ", ai_json_str(named, "name"), ":\n");
		for (size_t f = 0; f < 3; f++)
			if (ai_json_str(source, fields[f])) {
				ai_buf_printf(in->out, "    %s: ", fields[f]);
				put_text(in, "", ai_json_str(source, fields[f]), "\n");
			}
		ai_buf_printf(in->out, "    hash: %s\n", content_of(json_object_get(source, "content")));
	}
	if (shown && shown == i)
		ai_buf_puts(in->out, "inputs-only: true\n");
	else if (shown < i)
		ai_buf_printf(in->out, "# %zu inputs are withheld: nothing can be asked of them.\n", i - shown);
}

static void
put_outputs(struct init *in)
{
	size_t i;
	json_t *o;
	json_array_foreach(json_object_get(in->run, "outputs"), i, o) {
		put_text(in, i ? "  " : "\noutputs:\n  ", ai_json_str(o, "name"), ": ");
		ai_buf_printf(in->out, "%s\n", content_of(o));
	}
}

static void
collect_rules(struct init *in, json_t *by_name)
{
	size_t i;
	json_t *rule;
	json_array_foreach(json_object_get(in->plan, "rules"), i, rule) {
		const char *name = ai_json_str(rule, "name");
		if (!json_object_get(by_name, name) && json_object_set_new(by_name, name, json_array()) < 0)
			in->out->state = AI_BUF_NOMEM;
		json_t *list = json_object_get(by_name, name);
		if (!ai_policy_lists(list, ai_json_str(rule, "blob")) && json_array_append(list, json_object_get(rule, "blob")) < 0)
			in->out->state = AI_BUF_NOMEM;
	}
}

static void
put_rules(struct init *in)
{
	AI_JSON *by_name = json_object();
	size_t i;
	json_t *rule, *list, *proof;
	const char *name;
	collect_rules(in, by_name);
	json_object_foreach(json_object_get(in->proof, "proofs"), name, proof) {
		struct init kin = of_kin(in, name, proof);
		collect_rules(&kin, by_name);
	}
	bool first = true;
	json_object_foreach(by_name, name, list) {
		put_text(in, first ? "\nrules:\n  " : "  ", name, ": [");
		json_array_foreach(list, i, rule)
			ai_buf_printf(in->out, "%s%s", i ? ", " : " ", json_string_value(rule));
		ai_buf_puts(in->out, " ]\n");
		first = false;
	}
}

/* The environments that the steps ran in. Is one withheld? */
static bool
collect_environments(struct init *in, json_t *manifests, json_t *kinds)
{
	bool hidden = false;
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(in->run, "results"), i, item) {
		const json_t *step = node(in, ai_json_str(node(in, ai_json_str(item, "id")), "step")), *environment = node(in, ai_json_str(step, "environment"));
		const char *manifest = ai_json_str(json_object_get(environment, "image"), "manifest");
		hidden |= !environment || is_withheld(environment);
		if (json_object_set_new(kinds, manifest ? "image" : "host", json_true()) < 0 || (manifest && json_object_set_new(manifests, manifest, json_true()) < 0))
			in->out->state = AI_BUF_NOMEM;
	}
	return hidden;
}

/* Steps, and what they and those of carried proofs ran in. */
static void
put_steps(struct init *in)
{
	AI_JSON *manifests = json_object(), *kinds = json_object();
	size_t i, n = 0;
	json_t *item, *t;
	const char *word;
	json_array_foreach(json_object_get(in->run, "results"), i, item)
		put_text(in, i ? ", " : "\nsteps: { require: [ ", ai_json_str(item, "name"), "");
	if (i)
		ai_buf_puts(in->out, " ] }\n");
	bool hidden = collect_environments(in, manifests, kinds);
	json_object_foreach(json_object_get(in->proof, "proofs"), word, item) {
		struct init kin = of_kin(in, word, item);
		hidden |= collect_environments(&kin, manifests, kinds);
	}
	if (i == 0 || hidden) {
		ai_buf_puts(in->out, hidden ? "# Environments are withheld: nothing can be asked of them.\n" : "");
		return;
	}
	json_object_foreach(kinds, word, t)
		ai_buf_printf(in->out, "%s%s", n++ ? ", " : "environments: [ ", word);
	ai_buf_puts(in->out, " ]\n");
	n = 0;
	json_object_foreach(manifests, word, t)
		ai_buf_printf(in->out, "%s%s", n++ ? ", " : "images: [ ", word);
	ai_buf_puts(in->out, n ? " ]\n" : "");
}

struct hidden { const struct init *in; json_t *words; };

/* Sources by their names, which collect_withheld knows. */
static int
note_withheld(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	struct hidden *h = ctx;
	char hex[AI_HEX];
	(void)where;
	ai_hex(id, hex);
	if (kind != AI_KIND_SOURCE && is_withheld(node(h->in, hex)) && json_object_set_new(h->words, ai_kind_word(kind), json_true()) < 0)
		return ai_nomem(err);
	return 0;
}

/* What the policy must let be withheld: {word: true}. */
static int
collect_withheld(const struct init *in, json_t *words, struct ai_err *err)
{
	struct hidden h = { in, words };
	const char *id;
	json_t *n;
	size_t i;
	json_object_foreach((json_t *)in->nodes, id, n)
		if (!is_withheld(n) && ai_node_edges(n, note_withheld, &h, err) < 0)
			return err->code;
	json_array_foreach(json_object_get(in->plan, "sources"), i, n) {
		AI_FREE char *named = is_withheld(node(in, ai_json_str(n, "id"))) ? ai_format("source:%s", ai_json_str(n, "name")) : ai_strdup("");
		if (!named || (*named && json_object_set_new(words, named, json_true()) < 0))
			return ai_nomem(err);
	}
	return 0;
}

/* By the proof, and by those that it carries. */
static int
put_withheld(struct init *in, struct ai_err *err)
{
	AI_JSON *words = json_object();
	const char *word;
	json_t *proof, *item;
	size_t listed = 0;
	if (!words)
		return ai_nomem(err);
	if (collect_withheld(in, words, err) < 0)
		return err->code;
	json_object_foreach(json_object_get(in->proof, "proofs"), word, proof) {
		struct init kin = of_kin(in, word, proof);
		if (collect_withheld(&kin, words, err) < 0)
			return err->code;
	}
	json_object_foreach(words, word, item)
		put_text(in, listed++ ? ", " : "\nwithhold: [ ", word, "");
	ai_buf_puts(in->out, listed ? " ]\n" : "");
	return 0;
}

/* A measured runner's, if every attestation is. */
static void
put_job(struct init *in)
{
	bool alone = in->boots.n > 0;
	for (size_t i = 0; i < in->boots.n; i++) {
		ai_evidence_note_job(&in->boots.evidence[i]);
		alone = alone && in->boots.evidence[i].alone;
	}
	if (alone)
		ai_buf_printf(in->out, "\n# A measured runner was given this as its job disk, and did nothing else: %s.\njob: required\n", in->boots.evidence[0].job);
}

/* --- the whole ------------------------------------------------------------------------ */

/* A proof's own attestation, and those of what it reused. */
static int
open_boots_of(struct init *in, const json_t *proof, struct ai_err *err)
{
	const char *id;
	json_t *a;
	if (ai_evidence_open(proof, &in->boots.evidence[in->boots.n], err) < 0)
		return err->code;
	in->boots.n++;
	json_object_foreach(json_object_get(proof, "attestations"), id, a) {
		if (ai_evidence_open(a, &in->boots.evidence[in->boots.n], err) < 0)
			return ai_in(err, "attestation %s", id);
		in->boots.n++;
	}
	return 0;
}

static int
open_boots(struct init *in, struct ai_err *err)
{
	const json_t *proofs = json_object_get(in->proof, "proofs");
	size_t n = 1 + json_object_size(json_object_get(in->proof, "attestations"));
	const char *root;
	json_t *kin;
	json_object_foreach((json_t *)proofs, root, kin)
		n += 1 + json_object_size(json_object_get(kin, "attestations"));
	in->boots.evidence = ai_calloc(n, sizeof *in->boots.evidence);
	if (!in->boots.evidence)
		return ai_nomem(err);
	if (open_boots_of(in, in->proof, err) < 0)
		return err->code;
	json_object_foreach((json_t *)proofs, root, kin)
		if (open_boots_of(in, kin, err) < 0)
			return ai_in(err, "proof %s", root);
	return 0;
}

static int
write_all(struct init *in, const json_t *boot, struct ai_err *err)
{
	const char *level = ai_json_str(in->report, "level"), *nonce = ai_json_str(json_object_get(in->proof, "claims"), "nonce");
	ai_buf_printf(in->out, "# What `aicert verify --policy` asks of a proof. Written from the proof with the root\n# %s,\n"
		"# and accepts just that: take out, or add to, what may differ in the next. `aicert policy --help` says what each key means.\n",
		ai_json_str(in->report, "root"));
	put_keys(in, level);
	ai_buf_printf(in->out, "\n# This run and no other. Without it, what stands below is what is asked for.\nroot: %s\n", ai_json_str(in->report, "root"));
	put_inputs(in);
	put_outputs(in);
	put_rules(in);
	put_steps(in);
	if (put_withheld(in, err) < 0)
		return err->code;
	put_job(in);
	if (json_array_size(boot) > 0)
		ai_init_boot(&in->boots, boot, in->out);
	if (nonce)
		ai_buf_puts(in->out, "\n# The run answered a nonce. For a fresh proof write yours: nonce: TEXT\n");
	return ai_buf_ok(in->out, "policy", err);
}

int
ai_policy_init(const json_t *proof, const json_t *report, const json_t *boot, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO made = AI_BUF(AI_MAX_AICERTFILE);
	const char *level = ai_json_str(report, "level");
	if (!level || strcmp(level, "none") == 0)
		return ai_fail(err, AI_ENO, "the proof does not hold, so no policy is made from it");
	struct init in = { .proof = proof, .nodes = json_object_get(proof, "nodes"), .report = report, .out = &made };
	in.run = node(&in, ai_json_str(proof, "root"));
	in.plan = node(&in, ai_json_str(in.run, "plan"));
	if (!in.plan)
		return ai_fail(err, AI_EINPUT, "the proof has no run, or no plan");
	int r = open_boots(&in, err);
	if (r == 0)
		r = write_all(&in, boot, err);
	for (size_t i = 0; i < in.boots.n; i++)
		ai_evidence_done(&in.boots.evidence[i]);
	free(in.boots.evidence);
	struct ai_policy *p = NULL;
	/* What a name or an address of the proof may hold, a policy's file may not always: better said here than at its first use. */
	if (r == 0)
		r = ai_policy_parse(made.data, made.len, "policy", NULL, NULL, &p, err);
	ai_policy_free(p);
	if (r < 0)
		return r;
	ai_buf_put(out, made.data, made.len);
	return ai_buf_ok(out, "policy", err);
}
