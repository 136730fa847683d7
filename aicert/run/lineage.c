/* lineage.c -- see lineage.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/lineage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fs.h"
#include "base/path.h"
#include "fetch/http.h"
#include "model/lock.h"
#include "model/lock_files.h"
#include "proof/lineage.h"
#include "proof/policy/policy.h"
#include "proof/trust.h"

/* A proof of an input that was read and holds to what this user asks for. */
struct read {
	struct ai_buf text;
	json_t *proof;
	const json_t *run;             /* borrowed from proof */
	struct ai_digest file;         /* of the text */
	char *path;                    /* of the file, absolute; NULL: it came from elsewhere */
};

static void
read_done(struct read *r)
{
	ai_buf_done(&r->text);
	json_decref(r->proof);
	free(r->path);
}
#define READ_AUTO __attribute__((cleanup(read_done))) struct read

static bool
is_url(const char *where)
{
	return strncasecmp(where, "http://", 7) == 0 || strncasecmp(where, "https://", 8) == 0;
}

/* The path that is written, from the project's folder; a file: URL's. */
static int
path_of(const struct ai_job *job, const char *where, char **out, struct ai_err *err)
{
	if (strncasecmp(where, "file:", 5) == 0)
		return ai_http_file_path(where, out, err);
	*out = where[0] == '/' ? ai_strdup(where) : ai_join(job->project, where);
	return *out ? 0 : ai_nomem(err);
}

/* --- the proof ----------------------------------------------------------------- */

/* The file; of a folder, the proof that a run leaves in it. */
static int
read_path(struct ai_job *job, const struct ai_input *in, struct read *r, struct ai_err *err)
{
	AI_FREE char *path = NULL;
	struct stat st;
	if (path_of(job, in->where, &path, err) < 0)
		return err->code;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		char *inside = ai_join(path, "proof.json");
		free(path);
		path = inside;
		if (!path)
			return ai_nomem(err);
	}
	r->path = realpath(path, NULL);
	if (!r->path || stat(r->path, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "proof '%s': cannot open", in->where);
	if (!S_ISREG(st.st_mode))
		return ai_fail(err, AI_EINPUT, "proof '%s': is not a file", in->where);
	if (strcmp(r->path, job->proof) == 0) {
		ai_fail(err, AI_EUSAGE, "proof '%s': is where this run's own proof goes", in->where);
		return ai_hint(err, "choose another place with --output-bom");
	}
	return ai_read_file(AT_FDCWD, r->path, &r->text, err);
}

static int
read_url(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, struct read *r, struct ai_err *err)
{
	const struct ai_input url = { .name = in->name, .type = AI_INPUT_URL, .where = in->where, .sha256 = in->sha256, .size = -1 };
	AI_JSON *pin = NULL;
	struct ai_digest id;
	if (ai_fetch_resolve(f, &url, &pin, err) < 0)
		return err->code;
	return ai_json_digest(pin, "sha256", &id) ? ai_store_get_bytes(job->store, &id, &r->text, err) : ai_fail(err, AI_EINPUT, "internal: no sha256");
}

/* The key under which the store remembers the file of a run's proof. */
static int
kept_key(const char *root, char **out, struct ai_err *err)
{
	*out = ai_format("proof %s", root);
	return *out ? 0 : ai_nomem(err);
}

static int
keep(struct ai_job *job, const char *root, const struct read *r, struct ai_err *err)
{
	AI_FREE char *key = NULL;
	struct ai_ref ref = { .type = AI_REF_BLOB };
	if (kept_key(root, &key, err) < 0 || ai_store_put_bytes(job->store, r->text.data, r->text.len, &ref.id, err) < 0)
		return err->code;
	return ai_store_put_pin(job->store, key, &ref, "proof", err);
}

/* 1 there, 0 not. */
static int
read_kept(struct ai_job *job, const char *root, struct ai_buf *out, struct ai_err *err)
{
	AI_FREE char *key = NULL;
	struct ai_ref ref;
	char how[16];
	int r = kept_key(root, &key, err) < 0 ? err->code : ai_store_get_pin(job->store, key, &ref, how, err);
	if (r <= 0)
		return r;
	return ref.type != AI_REF_BLOB ? 0 : ai_store_get_bytes(job->store, &ref.id, out, err) < 0 ? err->code : 1;
}

/* The same bytes, asked for the same: a run may take very many outputs of one other run. */
static bool
was_judged(const struct ai_job *job, const struct read *r, ai_level require)
{
	char hex[AI_HEX];
	ai_hex(&r->file, hex);
	const json_t *level = json_object_get(job->judged, hex);
	return level && json_integer_value(level) >= (json_int_t)require;
}

static int
note_judged(struct ai_job *job, const struct read *r, ai_level require, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(&r->file, hex);
	if (!job->judged)
		job->judged = json_object();
	return json_object_set_new(job->judged, hex, json_integer((json_int_t)require)) < 0 ? ai_nomem(err) : 0;
}

static int
verify(struct ai_job *job, const struct ai_input *in, const struct ai_policy *policy, const struct ai_roots *roots, struct read *r, struct ai_err *err)
{
	struct ai_verify_options o = {
		.require = AI_LEVEL_MEASURED_PLATFORM, .trusted = job->accepted, .policy = policy, .roots = roots, .now = time(NULL), .replan = job->opt->replan,
	};
	ai_level asked = o.require;
	if (in->level && ai_level_parse(in->level, &asked, err) < 0)
		return ai_in(err, "%s:%d:%d", job->shown, in->line, in->column);
	/* Whose Aicertfile it may be: it asks for no less than the policy of who runs it. */
	if (!policy || !ai_policy_require(policy, &o.require) || (in->level && asked > o.require))
		o.require = asked;
	if (was_judged(job, r, o.require))
		return 0;
	AI_JSON *report = NULL;
	int code = ai_verify(r->text.data, r->text.len, in->where, &o, &report, err);
	if (code == 0)
		return note_judged(job, r, o.require, err);
	if (code != AI_ENO)
		return code;
	err->code = AI_EINPUT;
	/* A hint for who verifies by hand; a run has no such option. */
	if (strstr(err->hint, "--allow-withheld")) {
		err->hint[0] = '\0';
		return ai_hint(err, "a policy can accept that: 'withhold: [ source ]' or what it is (--policy FILE)");
	}
	ai_level reached;
	struct ai_err unsaid = { 0 };
	bool less = report && ai_level_parse(ai_json_str(report, "level"), &reached, &unsaid) == 0 && reached >= AI_LEVEL_SOFTWARE && reached < o.require;
	if (less)
		err->hint[0] = '\0';
	return less ? ai_hint(err, "if that is enough for you: 'level: %s' in the input, or a policy that says so (--policy FILE)", ai_json_str(report, "level"))
		: err->code;
}

/* Holds what was read to what the user asks for, and opens it. */
static int
judge(struct ai_job *job, const struct ai_input *in, struct read *r, struct ai_err *err)
{
	struct ai_policy *policy = NULL;
	struct ai_roots *roots = NULL;
	char got[AI_HEX];
	ai_sha256(r->text.data ? r->text.data : "", r->text.len, &r->file);
	ai_hex(&r->file, got);
	if (in->sha256 && strcmp(in->sha256, got) != 0)
		return ai_fail(err, AI_EINPUT, "proof '%s': sha256: got %s, expected %s", in->where, got, in->sha256);
	int code = ai_trust_roots(job->home.data, &roots, err);
	if (code == 0 && job->opt->policy)
		code = ai_policy_load(job->opt->policy, &policy, err);
	if (code == 0)
		code = verify(job, in, policy, roots, r, err);
	ai_policy_free(policy);
	ai_roots_free(roots);
	if (code < 0)
		return code;
	if (ai_json_parse(r->text.data, r->text.len, in->where, &r->proof, err) < 0)
		return err->code;
	r->run = json_object_get(ai_json_obj(r->proof, "nodes"), ai_json_str(r->proof, "root"));
	return 0;
}

static int
read_place(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, struct read *r, struct ai_err *err)
{
	*r = (struct read){ .text = AI_BUF(AI_MAX_PROOF) };
	return is_url(in->where) ? read_url(job, f, in, r, err) : read_path(job, in, r, err);
}

/* The output's content, as the proof has it. */
static int
output_of(const struct ai_job *job, const struct ai_input *in, const struct read *r, struct ai_ref *out, const char **name, struct ai_err *err)
{
	if (ai_lineage_output(r->run, in->output, out, name, err) == 0)
		return 0;
	err->code = AI_EINPUT;
	return ai_in(err, "%s:%d:%d: proof '%s'", job->shown, in->line, in->column, in->where);
}

int
ai_lineage_resolve(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, json_t **pin, struct ai_err *err)
{
	READ_AUTO r = { .text = AI_BUF(AI_MAX_PROOF) };
	struct ai_ref content;
	AI_FREE char *uri = ai_source_uri(in);
	if (!uri)
		return ai_nomem(err);
	if (read_place(job, f, in, &r, err) < 0 || judge(job, in, &r, err) < 0 || output_of(job, in, &r, &content, NULL, err) < 0 ||
		keep(job, ai_json_str(r.proof, "root"), &r, err) < 0)
		return err->code;
	AI_JSON *made = json_pack("{s:s, s:s, s:s*, s:s}", "type", "proof", "uri", uri, "ref", in->output, "revision", ai_json_str(r.proof, "root"));
	if (!made || ai_ref_set(made, &content, err) < 0)
		return ai_fail(err, AI_EINPUT, "the place of the proof is not UTF-8");
	*pin = json_incref(made);
	return 0;
}

/* --- the content ----------------------------------------------------------------- */

/* Where the run laid its output: the path below /workspace/outputs, "" for the folder itself; NULL when it lay elsewhere. */
static const char *
laid(const struct read *r, const char *output)
{
	static const char base[] = "/workspace/outputs";
	const json_t *plan = json_object_get(ai_json_obj(r->proof, "nodes"), ai_json_str(r->run, "plan")), *wanted = NULL;
	size_t i, k;
	json_t *item, *o;
	json_array_foreach(ai_json_arr(plan, "outputs"), i, item)
		if (strcmp(ai_json_str(item, "name"), output) == 0)
			wanted = item;
	json_array_foreach(ai_json_arr(plan, "steps"), i, item) {
		if (!wanted || strcmp(ai_json_str(item, "name"), ai_json_str(wanted, "step")) != 0)
			continue;
		json_array_foreach(ai_json_arr(ai_json_obj(item, "recipe"), "outputs"), k, o) {
			const char *path = ai_json_str(o, "path");
			if (strcmp(ai_json_str(o, "name"), ai_json_str(wanted, "output")) == 0 && strncmp(path, base, sizeof base - 1) == 0
				&& (path[sizeof base - 1] == '/' || path[sizeof base - 1] == '\0'))
				return path + sizeof base - 1 + (path[sizeof base - 1] == '/');
		}
	}
	return NULL;
}

/* Is the content at this path? 1 and it is in the store, 0. A file is hashed before it is copied: what lies there by that name may be large. */
static int
is_at(struct ai_job *job, const char *path, const struct ai_ref *want, struct ai_err *err)
{
	struct stat st;
	struct ai_ref got = { .type = AI_REF_BLOB };
	struct ai_path_options none = { .talk = job->opt->talk };
	if (stat(path, &st) < 0 || !(want->type == AI_REF_TREE ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)))
		return 0;
	if (want->type == AI_REF_BLOB && (ai_store_hash_file(job->store, AT_FDCWD, path, &got.id, err) < 0))
		return err->code;
	if (want->type == AI_REF_BLOB && !ai_ref_eq(&got, want))
		return 0;
	if (ai_path_import(ai_store_sink(job->store), path, &none, &got, err) < 0)
		return err->code;
	return ai_ref_eq(&got, want);
}

/* Beside the proof's file, where a run puts its outputs. 1 found, 0 not: *tried says where it was looked for. */
static int
is_beside(struct ai_job *job, const struct read *r, const char *output, const struct ai_ref *want, struct ai_buf *tried, struct ai_err *err)
{
	const char *rel = laid(r, output);
	AI_FREE char *folder = ai_strndup(r->path, (size_t)(ai_basename(r->path) - r->path));
	AI_FREE char *outputs = folder ? ai_join(folder, "outputs") : NULL;
	if (!outputs)
		return ai_nomem(err);
	const struct { const char *in, *name; } places[] = { { outputs, rel }, { outputs, output }, { folder, output }, { folder, rel } };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		if (!places[i].name || (!*places[i].name && places[i].in == folder))
			continue;
		AI_FREE char *path = *places[i].name ? ai_join(places[i].in, places[i].name) : ai_strdup(outputs);
		int there = path ? is_at(job, path, want, err) : ai_nomem(err);
		if (there != 0)
			return there;
		ai_buf_printf(tried, "%s'%s'", tried->len ? ", " : "", path);
	}
	return 0;
}

/* What `content:` names, which must be it. */
static int
bring_named(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, const struct ai_ref *want, struct ai_err *err)
{
	char hex[AI_HEX], is[AI_HEX];
	struct ai_ref got = { .type = AI_REF_BLOB };
	ai_hex(&want->id, hex);
	if (is_url(in->content)) {
		const struct ai_input url = {
			.name = in->name, .type = AI_INPUT_URL, .where = in->content, .sha256 = want->type == AI_REF_BLOB ? hex : NULL, .size = -1,
			.unpack = want->type == AI_REF_TREE,
		};
		AI_JSON *pin = NULL;
		if (ai_fetch_resolve(f, &url, &pin, err) < 0)
			return ai_in(err, "content");
		if (want->type == AI_REF_BLOB)
			return 0;
		int r = ai_pin_content(pin, &got, err);
		if (r < 0)
			return r;
	} else {
		AI_FREE char *path = NULL;
		struct ai_path_options none = { .talk = job->opt->talk };
		if (path_of(job, in->content, &path, err) < 0)
			return err->code;
		AI_FREE char *real = realpath(path, NULL);
		if (!real)
			return ai_fail_errno(err, AI_EINPUT, "content '%s': cannot open", in->content);
		if (ai_path_import(ai_store_sink(job->store), real, &none, &got, err) < 0)
			return err->code;
	}
	if (ai_ref_eq(&got, want))
		return 0;
	ai_hex(&got.id, is);
	return ai_fail(err, AI_EINPUT, "content '%s': got %s %s, expected %s %s, which is what the proof says", in->content, ai_ref_word(got.type), is,
		ai_ref_word(want->type), hex);
}

static int
bring_content(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, const struct read *r, const char *output,
	const struct ai_ref *want, struct ai_err *err)
{
	AI_BUF_AUTO tried = AI_BUF(AI_MAX_TEXT);
	if (in->content)
		return bring_named(job, f, in, want, err);
	int there = r->path ? is_beside(job, r, output, want, &tried, err) : 0;
	if (there != 0)
		return there < 0 ? there : 0;
	char hex[AI_HEX];
	ai_hex(&want->id, hex);
	ai_fail(err, AI_EINPUT, "proof '%s': the content of output '%s', %s %s, is not here%s%s", in->where, output, ai_ref_word(want->type), hex,
		tried.len ? ": looked at " : "", tried.len ? tried.data : "");
	return ai_hint(err, "say where it is: 'content: PATH or URL' in the input");
}

/* The pinned run's proof: from its place if it is a file here, else as it was kept, else from its place. */
static int
find_pinned(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, const char *root, struct read *r, bool *fetched, struct ai_err *err)
{
	struct ai_err gone = { 0 };
	if (!is_url(in->where) && read_path(job, in, r, &gone) == 0)
		return 0;
	if (gone.code && gone.code != AI_EINPUT)
		return (*err = gone).code;
	int kept = read_kept(job, root, &r->text, err);
	if (kept != 0)
		return kept < 0 ? kept : 0;
	if (gone.code)
		return (*err = gone).code;
	*fetched = true;
	return read_url(job, f, in, r, err);
}

static int
check_pinned(const struct ai_input *in, const struct read *r, const json_t *pin, const struct ai_ref *content, struct ai_err *err)
{
	const char *root = ai_json_str(r->proof, "root"), *want = ai_json_str(pin, "revision");
	struct ai_ref pinned;
	if (strcmp(root, want) != 0) {
		ai_fail(err, AI_EINPUT, "proof '%s': root: got %s, expected %s, which aicert.lock pins", in->where, root, want);
		return ai_hint(err, "to take this one: aicert lock --update %s", in->name);
	}
	if (ai_ref_get(pin, &pinned, err) < 0)
		return ai_in(err, "aicert.lock");
	return ai_ref_eq(&pinned, content) ? 0 : ai_fail(err, AI_EINPUT, "aicert.lock: the pinned content is not that of the output of run %s", want);
}

/* A proof that carries more than a verifier reads would be found out when all has run: it is told here. */
static int
make_room(struct ai_job *job, const struct ai_input *in, const struct read *r, struct ai_err *err)
{
	if (!job->kin)
		job->kin = json_object();
	if (!job->kin)
		return ai_nomem(err);
	if (ai_lineage_room(job->kin, r->proof, err) == 0)
		return 0;
	if (err->code == AI_ENO)
		err->code = AI_EINPUT;
	return ai_in(err, "proof '%s'", in->where);
}

int
ai_lineage_bring(struct ai_job *job, const struct ai_fetch *f, const struct ai_input *in, const json_t *pin, struct ai_ref *out, bool *fetched,
	struct ai_err *err)
{
	READ_AUTO r = { .text = AI_BUF(AI_MAX_PROOF) };
	const char *name;
	struct ai_ref content;
	if (find_pinned(job, f, in, ai_json_str(pin, "revision"), &r, fetched, err) < 0 || judge(job, in, &r, err) < 0 ||
		output_of(job, in, &r, &content, &name, err) < 0 || check_pinned(in, &r, pin, &content, err) < 0 ||
		make_room(job, in, &r, err) < 0 || keep(job, ai_json_str(pin, "revision"), &r, err) < 0)
		return err->code;
	int there = ai_store_has(job->store, &content, err);
	if (there < 0 || (there == 0 && bring_content(job, f, in, &r, name, &content, err) < 0))
		return err->code;
	*fetched = *fetched || there == 0;
	*out = content;
	return 0;
}

/* --- what the run's own proof carries ---------------------------------------------------- */

int
ai_lineage_proof(void *ctx, const struct ai_digest *root, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	char hex[AI_HEX];
	ai_hex(root, hex);
	int r = read_kept(ctx, hex, &text, err);
	if (r == 0)
		return ai_fail(err, AI_EENV, "cache: the proof of input run %s is gone", hex);
	return r < 0 ? r : ai_json_parse(text.data, text.len, "cache: proof", out, err);
}
