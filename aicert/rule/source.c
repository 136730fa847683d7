/* source.c -- see source.h: one evaluation, from an input's YAML to its pin.  SPDX-License-Identifier: Apache-2.0 */
#include "rule/source.h"

#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/pin.h"
#include "rule/language.h"
#include "rule/ready.h"
#include "rule/state.h"

/* A listing of a large repository is some ten megabytes of tables. */
static const struct ai_ceilings ceilings = { 512u << 20, (size_t)8 << 30, 200000000, 30 };

struct request {
	const struct ai_rule_text *rule;
	const char *file, *where;       /* where: "rules/x.lua" */
	const struct ai_input *input;
	const struct ai_source_net *net; /* NULL: only the attributes are looked at */
	unsigned calls;
	size_t bytes;                   /* of bodies so far */
	bool failed;                    /* net->get did, and net_err says how */
	struct ai_err net_err;
};

/* What a call holds of C while Lua may raise errors: a userdata, so that closing the state releases it. */
struct call {
	json_t *headers, *answer;
	struct ai_buf body;
};

static int
call_gc(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);
	json_decref(c->headers);
	json_decref(c->answer);
	ai_buf_done(&c->body);
	*c = (struct call){ 0 };
	return 0;
}

static struct call *
push_call(lua_State *L)
{
	struct call *c = lua_newuserdatauv(L, sizeof *c, 0);
	*c = (struct call){ 0 };
	if (luaL_newmetatable(L, "call")) {
		lua_pushcfunction(L, call_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return c;
}

/* How a request is framed, for whom, and as whom, is the engine's to say. */
static bool
is_ours(const char *name)
{
	static const char *const names[] = { "authorization", "connection", "content-length", "cookie", "expect", "host", "proxy-authorization", "proxy-connection", "te",
		"trailer", "transfer-encoding", "upgrade" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* The list at index: name, value, name, value… Texts with control characters or NUL would be another header's beginning. */
static json_t *
headers_at(lua_State *L, int index, struct call *c)
{
	size_t n = (size_t)lua_rawlen(L, index);
	if (n == 0)
		return NULL;
	c->headers = json_object();
	for (size_t i = 1; i < n; i += 2) {
		lua_rawgeti(L, index, (lua_Integer)i);
		lua_rawgeti(L, index, (lua_Integer)i + 1);
		size_t k, m;
		const char *name = lua_tolstring(L, -2, &k), *value = lua_tolstring(L, -1, &m);
		bool good = name && value && k > 0 && m <= 8192 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == k;
		for (size_t j = 0; good && j < m; j++)
			good = (unsigned char)value[j] >= 0x20 && (unsigned char)value[j] < 0x7f;
		if (!good)
			luaL_error(L, "net: a header's name or value is not one");
		if (is_ours(name))
			luaL_error(L, "net: header '%s' is not a rule's to set", name);
		if (!c->headers || json_object_set_new(c->headers, name, json_stringn(value, m)) < 0)
			luaL_error(L, "not enough memory");
		lua_pop(L, 2);
	}
	return c->headers;
}

/* { status, url, body, headers } of an answer. */
static void
push_answer(lua_State *L, const char *url, const struct call *c)
{
	const char *name, *from = ai_json_str(c->answer, "url");
	json_t *value;
	lua_createtable(L, 0, 4);
	ai_set_integer(L, "status", json_integer_value(json_object_get(c->answer, "status")));
	ai_set_text(L, "url", from ? from : url);
	lua_pushlstring(L, c->body.data ? c->body.data : "", c->body.len);
	lua_setfield(L, -2, "body");
	lua_newtable(L);
	json_object_foreach(json_object_get(c->answer, "headers"), name, value)
		ai_set_text(L, name, json_string_value(value));
	lua_setfield(L, -2, "headers");
}

/* ask(url, {name, value, …}, max): one call of the network. max 0: the usual. */
static int
ask(lua_State *L)
{
	struct request *q = lua_touserdata(L, lua_upvalueindex(1));
	size_t n, left = AI_SOURCE_BYTES - q->bytes;
	const char *url = luaL_checklstring(L, 1, &n);
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_Integer want = luaL_checkinteger(L, 3);
	if (strlen(url) != n || n > AI_MAX_PIN_URL)
		return luaL_error(L, "net: the URL holds NUL or is longer than %d bytes", AI_MAX_PIN_URL);
	if (ai_url_has_secret(url))
		return luaL_error(L, "net: the URL holds a secret; credentials are the engine's to add");
	if (++q->calls > AI_SOURCE_CALLS)
		return luaL_error(L, "net: more than %d calls", AI_SOURCE_CALLS);
	if (left == 0)
		return luaL_error(L, "net: more than %d bytes in all", (int)AI_SOURCE_BYTES);
	size_t max = want <= 0 ? AI_SOURCE_BODY : (size_t)want;
	max = max > left ? left : max;
	struct call *c = push_call(L);
	c->body = AI_BUF(max);
	if (q->net->get(q->net->ctx, url, headers_at(L, 2, c), max, &c->body, &c->answer, &q->net_err) < 0) {
		q->failed = true; /* nothing in the state can catch it: it ends here, and q->net_err is told */
		return luaL_error(L, "net: no answer");
	}
	q->bytes += c->body.len;
	ai_state_charge(L, c->body.len / 16);
	push_answer(L, url, c);
	return 1;
}

static void
push(lua_State *L, void *ctx)
{
	struct request *q = ctx;
	lua_createtable(L, 0, 8);
	ai_set_text(L, "where", q->where);
	ai_set_text(L, "file", q->file);
	ai_set_text(L, "rule", q->rule->name);
	ai_set_text(L, "what", "input");
	ai_set_text(L, "name", q->input->name);
	ai_set_integer(L, "line", q->input->line);
	ai_set_integer(L, "column", q->input->column);
	if (q->net) {
		lua_pushlightuserdata(L, q);
		lua_pushcclosure(L, ask, 1);
		lua_setfield(L, -2, "ask");
	}
	ai_push_yaml(L, q->input->attrs);
}

static int
run(struct request *q, json_t **out, struct ai_err *err)
{
	const struct ai_question question = { "source", "evaluate", push, q, 0, q->net ? &ceilings : NULL, "the pin" };
	if (!q->where)
		return ai_nomem(err);
	int rc = ai_ready_ask(q->rule, q->where, &question, out, err);
	if (rc < 0 && q->failed) {
		*err = q->net_err;
		rc = ai_in(err, "%s:%d:%d: input '%s'", q->file, q->input->line, q->input->column, q->input->name);
	}
	return rc;
}

int
ai_source_resolve(const struct ai_rule_text *rule, const char *file, const struct ai_input *input, const struct ai_source_net *net, json_t **pin, struct ai_err *err)
{
	AI_FREE char *where = ai_format("rules/%s.lua", rule->name);
	struct request q = { .rule = rule, .file = file, .where = where, .input = input, .net = net };
	AI_JSON *j = NULL;
	if (run(&q, &j, err) < 0)
		return err->code;
	if (ai_pin_check(j, err) < 0)
		return ai_in(err, "%s: the pin of input '%s'", where, input->name);
	*pin = json_incref(j);
	return 0;
}

int
ai_source_check(const struct ai_rule_text *rule, const char *file, const struct ai_input *input, struct ai_err *err)
{
	AI_FREE char *where = ai_format("rules/%s.lua", rule->name);
	struct request q = { .rule = rule, .file = file, .where = where, .input = input };
	AI_JSON *j = NULL;
	return run(&q, &j, err);
}
