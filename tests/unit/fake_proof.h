/*
 * fake_proof.h -- a whole proof of a small pipeline, and the places where a builder with a good key could lie.
 *
 * Sources `alpaca` (url) and `code` (git); steps `tokens` (reused from an earlier run) and
 * `train` (executed, takes tokens' output); output `model`. Each hook may change one
 * part before it is hashed, so that what is built on it is consistent and signed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FAKE_PROOF_H
#define FAKE_PROOF_H

#include "fake_tpm.h"
#include "proof/dag.h"
#include "proof/proof.h"
#include "proof/verify.h"

struct fake;
typedef void fake_hook(struct fake *f, json_t *part);

struct fake {
	struct fake_tpm tpm, other_tpm;  /* other_tpm attests the earlier run when two_keys */
	bool two_keys;
	json_t *nodes, *blobs, *attestations; /* the store; blobs hold text */
	json_t *trees;                   /* nodes that the proof carries though no rule says so */
	json_t *proofs;                  /* {root: proof} of inputs; NULL: whatever is asked for is an empty object */
	char key[AI_HEX], root[AI_HEX], plan[AI_HEX];
	char code[AI_HEX], alpaca[AI_HEX], environment[AI_HEX], used[AI_HEX], repo[AI_HEX], csv[AI_HEX];
	char tokens_step[AI_HEX], tokens[AI_HEX], train_step[AI_HEX], train[AI_HEX], earlier[AI_HEX];
	/* Hooks; NULL = as it should be. */
	fake_hook *on_recipe, *on_train_step, *on_tokens_result, *on_train_result, *on_plan, *on_run, *on_claims, *on_log, *on_earlier, *on_earlier_log;
};

/* JSON with single quotes for double ones; %s and kin filled in. */
static inline json_t *
fake_json(const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	assert_in_range(n, 1, sizeof text - 1);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	json_t *j = NULL;
	ok(ai_json_parse(text, (size_t)n, "test", &j, &err));
	return j;
}

/* Steals node. */
static inline void
fake_put(struct fake *f, json_t *node, char id_out[AI_HEX])
{
	struct ai_digest d;
	ok(ai_json_id(node, &d, &err));
	ai_hex(&d, id_out);
	json_object_set_new(f->nodes, id_out, node);
}

static inline void
fake_blob(struct fake *f, const char *text, char id_out[AI_HEX])
{
	struct ai_digest d;
	ai_sha256(text, strlen(text), &d);
	ai_hex(&d, id_out);
	json_object_set_new(f->blobs, id_out, json_string(text));
}

static inline void
fake_call(fake_hook *hook, struct fake *f, json_t *part)
{
	if (hook)
		hook(f, part);
}

static inline void
fake_init(struct fake *f)
{
	*f = (struct fake){ .nodes = json_object(), .blobs = json_object(), .attestations = json_object(), .trees = json_object() };
	fake_tpm_init(&f->tpm);
	fake_tpm_init(&f->other_tpm);
}

static inline void
fake_done(struct fake *f)
{
	fake_tpm_done(&f->tpm);
	fake_tpm_done(&f->other_tpm);
	json_decref(f->nodes);
	json_decref(f->blobs);
	json_decref(f->attestations);
	json_decref(f->trees);
	json_decref(f->proofs);
}

static inline void
fake_sources(struct fake *f)
{
	char main_py[AI_HEX], elf[AI_HEX], names[AI_HEX];
	fake_blob(f, "print('hello')\n", main_py);
	fake_blob(f, "instruction,output\nbonjour,salut\n", f->csv);
	fake_blob(f, "elf", elf);
	fake_blob(f, "[\"libm.so.6\"]", names);
	fake_put(f, fake_json("{'kind':'tree','entries':[{'id':'%s','name':'main.py','type':'exec'}]}", main_py), f->repo);
	fake_put(f, fake_json("{'kind':'source','type':'git','uri':'https://example.org/r.git','ref':'main',"
		"'revision':'036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2','content':{'tree':'%s'}}", f->repo), f->code);
	fake_put(f, fake_json("{'kind':'source','type':'url','uri':'https://example.org/d/alpaca.csv','content':{'blob':'%s'}}", f->csv), f->alpaca);
	fake_put(f, fake_json("{'kind':'environment','platform':'linux/amd64','host':true}"), f->environment);
	fake_put(f, fake_json("{'kind':'used','files':[{'path':'/usr/bin/python3','target':'python3.11','type':'link'},"
		"{'id':'%s','path':'/usr/bin/python3.11','type':'exec'}],'absent':['/usr/lib/x'],"
		"'listed':[{'names':'%s','path':'/usr/lib'}]}", elf, names), f->used);
}

static inline json_t *
fake_recipe(const struct fake *f, const char *inputs, const char *output)
{
	return fake_json("{'kind':'step','actions':[{'do':'run','argv':['python3.11','main.py'],'cwd':'/workspace/src','env':"
		"[{'name':'PYTHONHASHSEED','value':'0'}]}],'environment':'%s','inputs':%s,"
		"'outputs':[{'name':'%s','path':'/workspace/outputs/%s','type':'file'}]}", f->environment, inputs, output, output);
}

static inline void
fake_claim_boot(const struct fake_tpm *t, json_t *claims)
{
	AI_BUF_AUTO log = AI_BUF(AI_MAX_BOOT_LOG);
	struct ai_digest d;
	fake_boot_log(t, &log);
	ai_sha256(log.data ? log.data : "", log.len, &d);
	json_object_set_new(claims, "boot_log", ai_json_hex(&d));
}

static inline void
fake_attest_earlier(struct fake *f)
{
	const struct fake_tpm *t = f->two_keys ? &f->other_tpm : &f->tpm;
	char ak[AI_HEX], id[AI_HEX];
	fake_fingerprint(t, ak);
	memset(id, 'a', 64);
	id[64] = '\0';
	json_t *claims = fake_json("{'kind':'claims','plan':'%s','executed':['%s'],'reused':[],'failed':[{'step':'train','how':'exit 1'}],"
		"'verified':[],'started':'2026-01-01T00:00:00Z','finished':'2026-01-01T00:00:05Z','machine':{'cpu':'example'},"
		"'program':{'version':'0.1.0','sha256':'%s'},'ak':'%s','boot_log':'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}",
		id, f->tokens, id, ak);
	fake_claim_boot(t, claims);
	fake_call(f->on_earlier, f, claims);
	struct ai_digest d;
	ok(ai_json_id(claims, &d, &err));
	ai_hex(&d, f->earlier);
	json_t *log = fake_json("[{'event':'plan','id':'%s'},{'event':'results','ids':['%s']},{'event':'claims','id':'%s'}]", id, f->tokens, f->earlier);
	fake_call(f->on_earlier_log, f, log);
	json_object_set_new(f->attestations, f->earlier, fake_attestation(t, claims, log));
	json_decref(claims);
	json_decref(log);
}

static inline int
fake_get_node(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	*out = json_incref(json_object_get(((struct fake *)ctx)->nodes, hex));
	return *out ? 0 : ai_fail(err, AI_EINPUT, "no node");
}

static inline int
fake_get_blob(void *ctx, const struct ai_digest *id, struct ai_buf *out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	const char *text = ai_json_str(((struct fake *)ctx)->blobs, hex);
	if (!text)
		return ai_fail(err, AI_EINPUT, "no blob");
	ai_buf_puts(out, text);
	return 0;
}

static inline int
fake_get_attestation(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	*out = json_incref(json_object_get(((struct fake *)ctx)->attestations, hex));
	return *out ? 0 : ai_fail(err, AI_EINPUT, "no attestation");
}

static inline int
fake_get_proof(void *ctx, const struct ai_digest *root, json_t **out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(root, hex);
	json_t *found = json_object_get(((struct fake *)ctx)->proofs, hex);
	*out = found ? json_incref(found) : json_object();
	return *out ? 0 : ai_nomem(err);
}

static inline void
fake_plan_and_results(struct fake *f)
{
	char inputs[600], tokens_bytes[AI_HEX], weights[AI_HEX], aicertfile[AI_HEX], lock[AI_HEX], rule[AI_HEX];
	fake_blob(f, "1 2 3\n", tokens_bytes);
	fake_blob(f, "weights\n", weights);
	fake_blob(f, "aicert: 1\n", aicertfile);
	fake_blob(f, "{}\n", lock);
	fake_blob(f, "-- rule\n", rule);
	snprintf(inputs, sizeof inputs, "[{'path':'/workspace/src','tree':'%s'}]", f->repo);
	json_t *tokens_recipe = fake_recipe(f, inputs, "tokens");
	snprintf(inputs, sizeof inputs, "[{'path':'/workspace/resources/alpaca.csv','blob':'%s'},"
		"{'path':'/workspace/resources/tokens','step':'tokens','output':'tokens'},{'path':'/workspace/src','tree':'%s'}]", f->csv, f->repo);
	json_t *train_recipe = fake_recipe(f, inputs, "model");
	fake_call(f->on_recipe, f, train_recipe);
	fake_put(f, json_deep_copy(tokens_recipe), f->tokens_step);
	json_t *result = fake_json("{'kind':'result','step':'%s','outputs':[{'blob':'%s','name':'tokens'}],'used':'%s'}", f->tokens_step, tokens_bytes, f->used);
	fake_call(f->on_tokens_result, f, result);
	json_t *step = json_deep_copy(train_recipe);
	json_array_set_new(json_object_get(step, "inputs"), 1, fake_json("{'path':'/workspace/resources/tokens','blob':'%s'}",
		ai_json_str(json_array_get(json_object_get(result, "outputs"), 0), "blob")));
	fake_put(f, result, f->tokens);
	fake_call(f->on_train_step, f, step);
	fake_put(f, step, f->train_step);
	result = fake_json("{'kind':'result','step':'%s','outputs':[{'blob':'%s','name':'model'}],'used':'%s'}", f->train_step, weights, f->used);
	fake_call(f->on_train_result, f, result);
	fake_put(f, result, f->train);
	json_t *plan = fake_json("{'kind':'plan','aicertfile':'%s','lock':'%s','rules':[{'name':'python','blob':'%s'}],'parameters':[],"
		"'sources':[{'name':'alpaca','id':'%s'},{'name':'code','id':'%s'}],'steps':[],'outputs':[{'name':'model','step':'train','output':'model'}]}",
		aicertfile, lock, rule, f->alpaca, f->code);
	json_array_append_new(json_object_get(plan, "steps"), json_pack("{s:s, s:o}", "name", "tokens", "recipe", tokens_recipe));
	json_array_append_new(json_object_get(plan, "steps"), json_pack("{s:s, s:o}", "name", "train", "recipe", train_recipe));
	fake_call(f->on_plan, f, plan);
	fake_put(f, plan, f->plan);
	json_t *run = fake_json("{'kind':'run','format':1,'name':'guide','plan':'%s','results':[{'name':'tokens','id':'%s'},{'name':'train','id':'%s'}],"
		"'outputs':[{'name':'model','blob':'%s'}],'lineage':[]}", f->plan, f->tokens, f->train, weights);
	fake_call(f->on_run, f, run);
	fake_put(f, run, f->root);
}

/* The proof as a builder with this key would write it, hooks and all. New reference. */
static inline json_t *
fake_make(struct fake *f)
{
	struct ai_digest d;
	char claims_id[AI_HEX];
	fake_sources(f);
	fake_plan_and_results(f);
	fake_fingerprint(&f->tpm, f->key);
	fake_attest_earlier(f);
	json_t *claims = fake_json("{'kind':'claims','plan':'%s','root':'%s','nonce':'fresh','executed':['%s'],'reused':[{'result':'%s','attestation':'%s'}],"
		"'failed':[],'verified':[{'id':'%s','how':'git'},{'id':'%s','how':'sha256'}],'started':'2026-01-02T00:00:00Z','finished':'2026-01-02T00:00:05Z',"
		"'machine':{'cpu':'example','kernel':'6.1'},'program':{'version':'0.1.0','sha256':'%s'},'ak':'%s',"
		"'boot_log':'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}",
		f->plan, f->root, f->train, f->tokens, f->earlier, f->code, f->alpaca, f->root, f->key);
	fake_claim_boot(&f->tpm, claims);
	fake_call(f->on_claims, f, claims);
	ok(ai_json_id(claims, &d, &err));
	ai_hex(&d, claims_id);
	json_t *log = fake_json("[{'event':'plan','id':'%s'},{'event':'results','ids':['%s']},{'event':'claims','id':'%s'}]",
		ai_json_str(claims, "plan"), f->train, claims_id);
	fake_call(f->on_log, f, log);
	json_t *attestation = fake_attestation(&f->tpm, claims, log), *proof = NULL, *tree;
	struct ai_proof_source src = { fake_get_node, fake_get_blob, fake_get_attestation, f, false, fake_get_proof };
	ai_unhex(f->root, &d);
	ok(ai_proof_make(&d, attestation, &src, &proof, &err));
	const char *id;
	json_object_foreach(f->trees, id, tree)
		json_object_set(json_object_get(proof, "nodes"), id, tree);
	json_decref(claims);
	json_decref(log);
	json_decref(attestation);
	return proof;
}

/* ai_verify with the fake's key accepted, level software required unless options say else. */
static inline int
fake_verify(const struct fake *f, const json_t *proof, const struct ai_verify_options *options, json_t **report, struct ai_err *err)
{
	const char *keys[] = { f->key };
	struct ai_verify_options o = options ? *options : (struct ai_verify_options){ .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1 };
	char *text = json_dumps(proof, JSON_COMPACT);
	int r = ai_verify(text, strlen(text), "proof.json", &o, report, err);
	free(text);
	return r;
}

static inline const json_t *
fake_check_named(const json_t *report, const char *name)
{
	size_t i;
	json_t *c;
	json_array_foreach(json_object_get(report, "checks"), i, c)
		if (strcmp(ai_json_str(c, "name"), name) == 0)
			return c;
	fail_msg("no check '%s'", name);
	return NULL;
}

#endif
