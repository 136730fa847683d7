/* test_node.c -- the exact shape of every kind: one good node each, then every field dropped, renamed, added, mistyped.  SPDX-License-Identifier: Apache-2.0 */
#include "model/node.h"
#include "base/json.h"
#include "unit.h"

#define ID "1111111111111111111111111111111111111111111111111111111111111111"
#define ID2 "2222222222222222222222222222222222222222222222222222222222222222"
#define STEP "{'kind':'step','actions':[{'do':'run','argv':['a'],'env':[{'name':'A','value':''},{'name':'B','value':'x'}],'cwd':'/workspace'}," \
	"{'do':'write','path':'/workspace/t','text':''},{'do':'copy','from':'/workspace/a','to':'/workspace/b'}],'environment':'" ID "'," \
	"'inputs':[{'path':'/workspace/a','blob':'" ID "'},{'path':'/workspace/b','tree':'" ID "'}]," \
	"'outputs':[{'name':'m','path':'/workspace/outputs/m','type':'dir','exclude':['*.log']}]}"

/* Each with every optional field that can stand beside the others. */
static const char *const good[] = {
	"{'kind':'tree','entries':[{'id':'" ID "','name':'a','type':'dir'},{'id':'" ID "','name':'b','type':'exec'},{'name':'c','target':'b','type':'link'}]}",
	"{'kind':'source','type':'git','uri':'https://example.org/r','ref':'main','revision':'036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2','content':{'tree':'" ID "'}}",
	"{'kind':'source','type':'path','content':{'blob':'" ID "'}}",
	"{'kind':'environment','platform':'linux/amd64','host':true,'gpus':[{'model':'H100','driver':'550'}]}",
	"{'kind':'environment','platform':'linux/amd64','image':{'manifest':'sha256:" ID "','content':'" ID "'}}",
	STEP,
	"{'kind':'result','step':'" ID "','outputs':[{'name':'m','blob':'" ID "'}],'used':'" ID "','resumed':['" ID "']}",
	"{'kind':'used','files':[{'path':'/a','type':'dir'},{'id':'" ID "','path':'/a/b','type':'file'},{'path':'/c','target':'a/b','type':'link'}],"
		"'absent':['/x','/y'],'listed':[{'names':'" ID "','path':'/'}]}",
	"{'kind':'plan','aicertfile':'" ID "','lock':'" ID "','rules':[{'name':'python','blob':'" ID "'}],'parameters':[{'name':'p','value':''}],"
		"'sources':[{'name':'a','id':'" ID "'},{'name':'b','id':'" ID "'}],'steps':[{'name':'s','recipe':" STEP "},{'name':'t','recipe':"
		"{'kind':'step','actions':[{'do':'copy','from':'/a','to':'/b'}],'environment':'" ID "','outputs':[],"
		"'inputs':[{'path':'/a','step':'s','output':'m'}]}}],'outputs':[{'name':'m','step':'s','output':'m'}]}",
	"{'kind':'run','format':1,'name':'n','plan':'" ID "','results':[{'name':'s','id':'" ID "'}],'outputs':[{'name':'m','blob':'" ID "'}],'lineage':['" ID "']}",
	"{'kind':'claims','plan':'" ID "','root':'" ID "','nonce':'n','executed':['" ID "'],'reused':[{'result':'" ID "','attestation':'" ID "'}],"
		"'failed':[{'step':'s','how':'exit 1'}],'verified':[{'id':'" ID "','how':'git'},{'id':'" ID2 "','how':'none'}],'started':'2026-01-01T00:00:00Z',"
		"'finished':'2026-12-31T23:59:60Z','machine':{'cpu':'x','gpus':['a',{'model':'m','driver':'d'}]},'program':{'version':'0.1.0','sha256':'" ID "'},"
		"'ak':'" ID "','boot_log':'" ID "'}",
	"{'kind':'withheld'}",
};

static const char *const optional[] = { "ref", "revision", "uri", "gpus", "used", "resumed", "nonce", "root", "exclude", "cpu" };

static const char *const refused_nodes[] = {
	"{'kind':'nothing'}", "{}", "[]", "{'kind':1}", "{'kind':'blob'}",
	"{'kind':'tree','entries':[{'id':'" ID "','name':'b','type':'file'},{'id':'" ID "','name':'a','type':'file'}]}",
	"{'kind':'tree','entries':[{'id':'" ID "','name':'a','type':'file'},{'id':'" ID "','name':'a','type':'exec'}]}",
	"{'kind':'tree','entries':[{'id':'" ID "','name':'..','type':'dir'}]}",
	"{'kind':'tree','entries':[{'id':'" ID "','name':'a/b','type':'dir'}]}",
	"{'kind':'tree','entries':[{'id':'" ID "','name':'a\\u0007','type':'dir'}]}",
	"{'kind':'tree','entries':[{'id':'" ID "','name':'a','type':'link'}]}",
	"{'kind':'tree','entries':[{'id':'" ID "','name':'a','target':'b','type':'link'}]}",
	"{'kind':'tree','entries':[{'name':'a','target':'b','type':'file'}]}",
	"{'kind':'tree','entries':[{'id':'" ID "','name':'a','type':'socket'}]}",
	"{'kind':'source','type':'git','content':{'tree':'" ID "'}}",
	"{'kind':'source','type':'git','revision':'main','content':{'tree':'" ID "'}}",
	"{'kind':'source','type':'GIT','content':{'tree':'" ID "'}}",
	"{'kind':'source','type':'url','content':{'tree':'" ID "','blob':'" ID "'}}",
	"{'kind':'source','type':'url','content':{}}",
	"{'kind':'source','type':'url','content':{'tree':'1111'}}",
	"{'kind':'source','type':'url','uri':'','content':{'tree':'" ID "'}}",
	"{'kind':'environment','platform':'linux/amd64'}",
	"{'kind':'environment','platform':'linux/amd64','host':false}",
	"{'kind':'environment','platform':'linux','host':true}",
	"{'kind':'environment','platform':'linux/amd64','host':true,'image':{'manifest':'sha256:" ID "','content':'" ID "'}}",
	"{'kind':'environment','platform':'linux/amd64','image':{'manifest':'" ID "','content':'" ID "'}}",
	"{'kind':'used','files':[],'absent':['/b','/a'],'listed':[]}",
	"{'kind':'used','files':[],'absent':['/a','/a'],'listed':[]}",
	"{'kind':'used','files':[],'absent':['a'],'listed':[]}",
	"{'kind':'used','files':[],'absent':['/a/../b'],'listed':[]}",
	"{'kind':'used','files':[],'absent':['/a//b'],'listed':[]}",
	"{'kind':'used','files':[{'id':'" ID "','path':'/a','type':'dir'}],'absent':[],'listed':[]}",
	"{'kind':'used','files':[],'absent':[],'listed':[{'names':'" ID "','path':'/b'},{'names':'" ID "','path':'/a'}]}",
	"{'kind':'run','format':2,'name':'n','plan':'" ID "','results':[{'name':'s','id':'" ID "'}],'outputs':[],'lineage':[]}",
	"{'kind':'run','format':1,'name':'n','plan':'" ID "','results':[{'name':'s','id':'" ID "'},{'name':'s','id':'" ID "'}],'outputs':[],'lineage':[]}",
	"{'kind':'run','format':1,'name':'n','plan':'" ID "','results':[],'outputs':[],'lineage':[]}",
	"{'kind':'result','step':'" ID "','outputs':[{'name':'m','blob':'" ID "','tree':'" ID "'}]}",
	"{'kind':'result','step':'" ID "','outputs':[{'name':'m','blob':'" ID "'},{'name':'m','blob':'" ID "'}]}",
};

/* Changes to the good step, claims and plan: what replaces what. */
static const struct { unsigned i; const char *from, *to; } changes[] = {
	{ 5, "'argv':['a']", "'argv':[]" }, { 5, "'do':'run'", "'do':'fly'" }, { 5, "'name':'A','value':''", "'name':'C','value':''" },
	{ 5, "'name':'A','value':''", "'name':'A=','value':''" }, { 5, "'path':'/workspace/a'", "'path':'/workspace/c'" },
	{ 5, "'path':'/workspace/a'", "'path':'/workspace/b'" }, { 5, "'path':'/workspace/a'", "'path':'workspace/a'" }, { 5, "'type':'dir'", "'type':'exec'" },
	{ 5, "'cwd':'/workspace'", "'cwd':'/workspace/'" }, { 5, "'cwd':'/workspace'", "'cwd':'/workspace','path':'/x'" },
	{ 5, "'exclude':['*.log']}", "'exclude':['*.log']},{'name':'n','path':'/workspace/outputs/a','type':'file'}" },
	{ 5, "'exclude':['*.log']}", "'exclude':['*.log']},{'name':'m','path':'/workspace/outputs/n','type':'file'}" },
	{ 8, "'name':'a','id'", "'name':'c','id'" }, { 8, "'name':'a','id'", "'name':'b','id'" }, { 8, "'name':'t','recipe'", "'name':'s','recipe'" },
	{ 8, "'step':'s','output':'m'}]}}", "'step':'s'}]}}" }, { 8, "'step':'s','output':'m'}]}}", "'step':'s','output':'m','blob':'" ID "'}]}}" },
	{ 8, "'recipe':{'kind':'step'", "'recipe':{'kind':'run'" },
	{ 10, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00" }, { 10, "2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z" },
	{ 10, "2026-01-01T00:00:00Z", "2026-01-01 00:00:00Z" }, { 10, "'how':'git'", "'how':'trust me'" }, { 10, "'id':'" ID2 "'", "'id':'" ID "'" },
	{ 10, "'nonce':'n'", "'nonce':''" }, { 10, "'cpu':'x'", "'cpu':{}" }, { 10, "['a',{'model'", "[1,{'model'" },
};

static json_t *
parse(const char *quoted)
{
	AI_FREE char *text = ai_strdup(quoted);
	json_t *j = NULL;
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	ok(ai_json_parse(text, strlen(text), "test", &j, &err));
	return j;
}

static bool
accepted(const json_t *node)
{
	struct ai_err err = { 0 };
	int r = ai_node_check(node, &err);
	assert_true(r == 0 ? !err.code : err.code == AI_EINPUT && err.text[0]);
	return r == 0;
}

static bool
is_optional(const char *key)
{
	for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
		if (strcmp(key, optional[i]) == 0)
			return true;
	return false;
}

/* Every field of part (within node) dropped, renamed, mistyped, and one more added; part is as before afterwards. */
static void
mutate(const json_t *node, json_t *part)
{
	size_t i;
	json_t *v;
	if (json_is_array(part)) {
		json_array_foreach(part, i, v)
			mutate(node, v);
		return;
	}
	if (!json_is_object(part))
		return;
	bool machine = json_object_get(part, "cpu") != NULL;
	AI_JSON *before = json_copy(part);
	const char *key;
	if (!machine) {
		json_object_set_new(part, "extra", json_string("x"));
		assert_false(accepted(node));
		json_object_del(part, "extra");
	}
	json_object_foreach(before, key, v) {
		json_object_del(part, key);
		/* A git source must have its revision; the machine may say nothing at all. */
		bool may_go = (is_optional(key) && !(strcmp(key, "revision") == 0)) || (machine && strcmp(key, "gpus") == 0);
		if (accepted(node) != may_go)
			fail_msg("%s without '%s'", ai_json_str(node, "kind"), key);
		AI_FREE char *renamed = ai_format("%sx", key);
		json_object_set(part, renamed, v);
		if (!machine && accepted(node))
			fail_msg("%s with '%s'", ai_json_str(node, "kind"), renamed);
		json_object_del(part, renamed);
		json_t *wrong[] = { json_integer(7), json_false(), json_object() };
		for (i = 0; i < 3; i++) {
			json_object_set_new(part, key, wrong[i]);
			if (accepted(node) && !(i == 2 && strcmp(key, "machine") == 0))
				fail_msg("%s with '%s' of type %zu", ai_json_str(node, "kind"), key, i);
		}
		json_object_set(part, key, v);
		mutate(node, v);
	}
	assert_true(accepted(node));
}

static void
every_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		AI_JSON *node = parse(good[i]);
		ok(ai_node_check(node, &err));
		mutate(node, node);
	}
}

static void
bad_nodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused_nodes / sizeof *refused_nodes; i++) {
		AI_JSON *node = parse(refused_nodes[i]);
		if (accepted(node))
			fail_msg("accepted: %s", refused_nodes[i]);
	}
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		const char *text = good[changes[i].i], *at = strstr(text, changes[i].from);
		if (!at)
			fail_msg("change %zu: its text is not there", i);
		AI_FREE char *changed = ai_format("%.*s%s%s", (int)(at - text), text, changes[i].to, at + strlen(changes[i].from));
		AI_JSON *node = parse(changed);
		if (accepted(node))
			fail_msg("accepted: %s", changed);
	}
}

static void
errors_name_the_place(void **state)
{
	(void)state;
	AI_JSON *node = parse(good[8]);
	json_t *recipe = json_object_get(json_array_get(json_object_get(node, "steps"), 1), "recipe");
	json_object_set_new(json_array_get(json_object_get(recipe, "inputs"), 0), "path", json_string("x"));
	refused(AI_EINPUT, "plan node: steps[1]: recipe: inputs[0]: path: expected an absolute path", ai_node_check(node, &err));
	AI_JSON *other = parse("{'kind':'withheld','why':'x'}");
	refused(AI_EINPUT, "withheld node: field 'why' is unknown", ai_node_check(other, &err));
}

/* --- edges --- */

static int
record(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	(void)id;
	(void)err;
	ai_buf_printf(ctx, "%s=%s ", where, ai_kind_word(kind));
	return 0;
}

static int
stop(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	(void)kind;
	(void)id;
	++*(int *)ctx;
	return ai_fail(err, AI_ENO, "enough at %s", where);
}

static void
edges(void **state)
{
	static const char *const want[] = {
		"entries[0].id=tree entries[1].id=blob ", "content.tree=tree ", "content.blob=blob ", "", "image.content=tree ",
		"environment=environment inputs[0].blob=blob inputs[1].tree=tree ",
		"outputs[0].blob=blob resumed[0]=tree step=step used=used ",
		"files[1].id=blob listed[0].names=blob ",
		"aicertfile=blob lock=blob rules[0].blob=blob sources[0].id=source sources[1].id=source steps[0].recipe.environment=environment "
			"steps[0].recipe.inputs[0].blob=blob steps[0].recipe.inputs[1].tree=tree steps[1].recipe.environment=environment ",
		"lineage[0]=run outputs[0].blob=blob plan=plan results[0].id=result ",
		"executed[0]=result plan=plan reused[0].attestation=claims reused[0].result=result root=run verified[0].id=source verified[1].id=source ",
		"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		AI_JSON *node = parse(good[i]);
		AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
		ok(ai_node_edges(node, record, &b, &err));
		assert_string_equal(b.data ? b.data : "", want[i]);
	}
	AI_JSON *node = parse(good[8]);
	int calls = 0;
	refused(AI_ENO, "enough at aicertfile", ai_node_edges(node, stop, &calls, &err));
	assert_int_equal(calls, 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field), cmocka_unit_test(bad_nodes), cmocka_unit_test(errors_name_the_place), cmocka_unit_test(edges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
