/* standing.c -- see standing.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/standing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/ownkeys.h"
#include "base/fs.h"
#include "base/path.h"
#include "cache/idset.h"
#include "proof/trust.h"
#include "run/job.h"
#include "run/observe/used.h"
#include "run/plan/plan_cache.h"

/* What is looked at of a path. */
enum {
	ITSELF = 'p',     /* how it looks, links not followed */
	LEADS_TO = 'l',   /* how that looks which it leads to */
	IS = 'i',         /* which file it leads to; it may change */
	OTHERS_SEE = 'o', /* how it looks to a step of the host environment */
	WRITTEN = 'w',    /* as ITSELF, of what the run has just written and read again */
};

enum {
	MAX_PATHS = 1 << 20, /* with more no note is kept */
	MAX_DEPTH = 256,
	MAX_NOTE = 256 << 20,
};

static const char magic[] = "aicert standing 1 ";

struct list {
	struct ai_buf text;      /* a letter, a path, NUL; and so on */
	size_t n;
	bool off;                /* this run leaves no note */
};

static void
add(struct list *l, char how, const char *path)
{
	l->off = l->off || l->n++ >= MAX_PATHS;
	if (l->off)
		return;
	ai_buf_putc(&l->text, how);
	ai_buf_put(&l->text, path, strlen(path) + 1);
}

/* --- how it looks now ---------------------------------------------------------- */

/* False: cannot be said. */
static bool
look(char how, const char *path, struct stat *st, bool *there)
{
	bool follows = how == LEADS_TO || how == IS;
	*there = fstatat(AT_FDCWD, path, st, follows ? 0 : AT_SYMLINK_NOFOLLOW) == 0;
	return *there || errno == ENOENT || errno == ENOTDIR || (how == OTHERS_SEE && (errno == EACCES || errno == ELOOP));
}

static bool
before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* What the run knows of a path was read after `began`; of what it wrote itself, after `again`. */
struct since { struct timespec began, again; };

/* Adds to the hash how a path looks. 1; 0 there is no saying, or it changed since (NULL: whenever). */
static int
add_look(struct ai_sha *sha, const char *entry, const struct since *since)
{
	struct stat st;
	bool there;
	uint64_t seen[9] = { 0 };
	char how = *entry;
	if (!look(how, entry + 1, &st, &there))
		return 0;
	seen[0] = there;
	if (there) {
		seen[1] = st.st_dev, seen[2] = st.st_ino;
		const struct timespec *then = !since || how == IS ? NULL : how == WRITTEN ? &since->again : &since->began;
		/* What came into this form in the tick of the clock in which it was read could go on changing in it. */
		if (then && !(before(&st.st_mtim, then) && before(&st.st_ctim, then)))
			return 0;
	}
	if (there && how != IS) {
		seen[3] = st.st_mode, seen[4] = (uint64_t)st.st_size;
		seen[5] = (uint64_t)st.st_mtim.tv_sec, seen[6] = (uint64_t)st.st_mtim.tv_nsec;
		seen[7] = (uint64_t)st.st_ctim.tv_sec, seen[8] = (uint64_t)st.st_ctim.tv_nsec;
	}
	ai_sha_add(sha, entry, strlen(entry) + 1);
	ai_sha_add(sha, seen, sizeof seen);
	return 1;
}

/* The hash of what was asked and of how all of the list looks: 1, or 0 as add_look. Those that OTHERS_SEE stand last. */
static int
state_of(const struct ai_buf *asked, const char *list, size_t n, const struct since *since, struct ai_digest *out, struct ai_err *err)
{
	struct ai_sha sha;
	AI_GUISE guise = { .on = false };
	int r = 1;
	bool others = false;
	if (ai_sha_init(&sha, err) < 0)
		return err->code;
	ai_sha_add(&sha, asked->data, asked->len);
	for (const char *p = list; r == 1 && p < list + n; p += strlen(p) + 1) {
		if (*p == OTHERS_SEE && !others && ai_guise_on(&guise, err) < 0)
			r = err->code;
		others = others || *p == OTHERS_SEE;
		if (r == 1)
			r = add_look(&sha, p, since);
	}
	ai_sha_end(&sha, out);
	return r;
}

/* --- what was asked --------------------------------------------------------------- */

static void
put(struct ai_buf *b, const char *what, const char *text)
{
	ai_buf_puts(b, what);
	ai_buf_put(b, text ? text : "", text ? strlen(text) + 1 : 0);
	ai_buf_putc(b, '\0');
}

/* Whose attestations count is part of the question: a result that rests on a key that is trusted no more must run again. */
static int
put_accepted(const struct ai_job *job, struct ai_buf *b, struct ai_err *err)
{
	AI_JSON *own = NULL;
	AI_JSON *trusted = NULL;
	if (ai_ownkeys_read(job->home.data, &own, err) < 0 || ai_trust_read(job->home.data, &trusted, err) < 0)
		return err->code;
	return ai_canon(own, b, err) < 0 || ai_canon(trusted, b, err) < 0 ? err->code : 0;
}

static int
asked(const struct ai_job *job, struct ai_buf *b, struct ai_err *err)
{
	const struct ai_run_options *o = job->opt;
	char build[AI_HEX];
	if (!ai_build_id(build))
		return ai_fail(err, AI_EENV, "standing: this build has no id");
	put(b, "build", build);
	put(b, "platform", AI_PLATFORM);
	put(b, "file", job->file);
	put(b, "proof", job->proof);
	put(b, "outputs", job->output_dir);
	put(b, "cache", job->home.cache);
	put(b, "tpm", o->tpm ? o->tpm : getenv("AICERT_TPM"));
	put(b, "ak", o->ak);
	put(b, "policy", o->policy);
	put(b, "locked", o->locked ? "yes" : NULL);
	put(b, "trees", o->with_trees ? "yes" : NULL);
	for (size_t i = 0; i < o->n_define; i++)
		put(b, "define", o->define[i]);
	for (size_t i = 0; i < o->n_steps; i++)
		put(b, "step", o->steps[i]);
	if (put_accepted(job, b, err) < 0)
		return err->code;
	return ai_buf_ok(b, "standing", err);
}

/* What must be done, or be said anew, whatever stands. */
static bool
is_plain(const struct ai_run_options *o)
{
	return !o->nonce && !o->fresh && !o->look && !o->n_check && !o->timestamp && !o->parameters && !o->scratch;
}

/* --- the note ------------------------------------------------------------------------ */

static char *
folder_of(const struct ai_job *job)
{
	return ai_format("%s/standing", job->home.data);
}

static char *
place_of(const struct ai_job *job)
{
	struct ai_digest d;
	char hex[AI_HEX];
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	put(&b, "", job->file);
	put(&b, "", job->proof);
	put(&b, "", job->output_dir);
	ai_sha256(b.data, b.len, &d);
	ai_hex(&d, hex);
	return ai_format("%s/standing/%s", job->home.data, hex);
}

struct note {
	struct ai_digest state, root;
	unsigned steps;
	const char *list; size_t n; /* in the text */
};

/* False: it is no note of ours. */
static bool
parse(const struct ai_buf *text, struct note *out)
{
	enum { HEAD = sizeof magic - 1, STEPS = HEAD + 2 * AI_HEX };
	char state[AI_HEX], root[AI_HEX], *end;
	if (text->len < STEPS + 2 || memcmp(text->data, magic, HEAD) != 0 || text->data[text->len - 1] != '\0')
		return false;
	memcpy(state, text->data + HEAD, AI_HEX);
	memcpy(root, text->data + HEAD + AI_HEX, AI_HEX);
	if (state[AI_HEX - 1] != ' ' || root[AI_HEX - 1] != ' ')
		return false;
	state[AI_HEX - 1] = root[AI_HEX - 1] = '\0';
	errno = 0;
	unsigned long long steps = strtoull(text->data + STEPS, &end, 10);
	if (errno || *end != '\n' || steps > AI_MAX_STEPS || !ai_unhex(state, &out->state) || !ai_unhex(root, &out->root))
		return false;
	out->steps = (unsigned)steps;
	out->list = end + 1;
	out->n = text->len - (size_t)(end + 1 - text->data);
	return out->n > 0;
}

static int
look_at_note(struct ai_job *job, struct ai_run_report *report, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(MAX_NOTE);
	AI_BUF_AUTO question = AI_BUF(AI_MAX_TEXT);
	struct ai_err quiet = { 0 };
	struct ai_digest now;
	struct note note;
	AI_FREE char *place = place_of(job);
	if (!place)
		return ai_nomem(err);
	/* A note that cannot be read is none: the run finds out what is the matter. */
	if (ai_read_file_if(AT_FDCWD, place, &text, &quiet) <= 0 || !parse(&text, &note) || ai_home_make(&job->home, &quiet) < 0 ||
		asked(job, &question, &quiet) < 0 || state_of(&question, note.list, note.n, NULL, &now, &quiet) <= 0 || !ai_digest_eq(&now, &note.state))
		return 0;
	*report = (struct ai_run_report){ .proof = ai_strdup(job->proof), .output_dir = ai_strdup(job->output_dir), .reused = note.steps };
	ai_hex(&note.root, report->root);
	if (!report->proof || !report->output_dir) {
		ai_run_report_done(report);
		return ai_nomem(err);
	}
	ai_say(job->opt->talk, AI_TALK_STAGE, "stands  nothing to do: inputs, outputs and proof are as the last run left them");
	return 1;
}

int
ai_standing_look(const struct ai_run_options *options, struct ai_run_report *report, struct ai_err *err)
{
	struct ai_job job;
	struct ai_err quiet = { 0 };
	if (!is_plain(options))
		return 0;
	int r = ai_job_find(options, &job, &quiet) < 0 || ai_home_find(options->home, &job.home, &quiet) < 0 ? 0 : look_at_note(&job, report, err);
	ai_job_done(&job);
	return r;
}

/* --- what a run hung on ------------------------------------------------------------------ */

/* Inputs are taken in without what git keeps of itself. */
static void
add_tree(struct list *l, const char *path, bool input, int depth)
{
	struct stat st;
	add(l, ITSELF, path);
	if (l->off || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	DIR *d = depth < MAX_DEPTH ? opendir(path) : NULL;
	l->off = !d;
	for (const struct dirent *e; d && !l->off && (e = readdir(d));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || (input && strcmp(e->d_name, ".git") == 0))
			continue;
		AI_FREE char *inner = ai_join(path, e->d_name);
		l->off = !inner;
		if (inner)
			add_tree(l, inner, input, depth + 1);
	}
	if (d)
		closedir(d);
}

/* Inputs, by what decides of them: the lock has what was pinned; a path is what lies there; a proof is judged anew each time. */
static int
add_inputs(const struct ai_job *job, struct list *l, struct ai_err *err)
{
	for (size_t i = 0; i < job->manifest->n_inputs && !l->off; i++) {
		const struct ai_input *in = &job->manifest->inputs[i];
		if (in->type == AI_INPUT_PROOF || (in->type == AI_INPUT_PATH && in->follow))
			l->off = true;
		if (in->type != AI_INPUT_PATH || l->off)
			continue;
		AI_FREE char *path = ai_join(job->project, in->where);
		if (!path)
			return ai_nomem(err);
		add_tree(l, path, true, 0);
	}
	return 0;
}

static int
add_own(const struct ai_job *job, struct list *l, struct ai_err *err)
{
	struct stat st;
	AI_FREE char *store = ai_join(job->home.cache, "store.db");
	if (!store)
		return ai_nomem(err);
	/* A pipe of the user's says something else each time. */
	l->off = l->off || stat(job->file, &st) < 0 || !S_ISREG(st.st_mode);
	add(l, IS, store);
	add(l, IS, "/dev/tpmrm0");
	add(l, LEADS_TO, job->file);
	add(l, LEADS_TO, job->lock_file);
	for (size_t i = 0; i < job->n_rules; i++) {
		AI_FREE char *path = ai_format("%s/rules/%s.lua", job->project, job->rules[i].name);
		if (!path)
			return ai_nomem(err);
		add(l, LEADS_TO, path);
	}
	return 0;
}

/* The paths of an array, those that no node before had. */
static int
add_used_paths(struct list *l, struct ai_idset *known, const json_t *array, struct ai_err *err)
{
	size_t i;
	json_t *v;
	json_array_foreach(array, i, v) {
		const char *path = json_is_string(v) ? json_string_value(v) : ai_json_str(v, "path");
		struct ai_digest d;
		if (!path)
			continue;
		ai_sha256(path, strlen(path), &d);
		if (ai_idset_get(known, &d, NULL))
			continue;
		if (ai_idset_put(known, &d, 0, err) < 0)
			return err->code;
		add(l, OTHERS_SEE, path);
	}
	return 0;
}

/* What steps saw of the host, each `used` node once. */
static int
add_used(struct ai_job *job, struct list *l, struct ai_idset *known, struct ai_err *err)
{
	static const char *const parts[] = { "files", "absent", "listed" };
	for (size_t i = 0; i < job->n_steps && !l->off; i++) {
		struct ai_digest id;
		AI_JSON *used = NULL;
		if (!ai_json_digest(job->steps[i].result, "used", &id) || ai_idset_get(known, &id, NULL))
			continue;
		int r = ai_store_get_node(job->store, &id, &used, err);
		if (r < 0 || ai_idset_put(known, &id, 0, err) < 0)
			return err->code;
		l->off = r == 0;
		for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
			if (add_used_paths(l, known, ai_json_arr(used, parts[k]), err) < 0)
				return err->code;
	}
	return 0;
}

/* Does the proof hold the bytes that were written? Its time must be past when it is read: what is written later has another then. */
static bool
proof_is_still(struct ai_job *job, const char *id, struct timespec *now)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	struct ai_err quiet = { 0 };
	struct stat st;
	struct ai_digest want, is;
	if (!ai_unhex(id, &want) || lstat(job->proof, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	for (int i = 0; i < 20; i++) {
		clock_gettime(CLOCK_REALTIME_COARSE, now);
		if (before(&st.st_ctim, now) && before(&st.st_mtim, now))
			return ai_store_hash_file(job->store, AT_FDCWD, job->proof, &is, &quiet) == 0 && ai_digest_eq(&want, &is);
		nanosleep(&pause, NULL);
	}
	return false;
}

static void
add_written(struct ai_job *job, struct list *l, struct timespec *again)
{
	size_t i;
	json_t *w;
	json_array_foreach(job->written, i, w) {
		const char *path = ai_json_str(w, "path");
		if (strcmp(path, job->proof) != 0)
			add_tree(l, path, false, 0);
		else if (proof_is_still(job, ai_json_str(w, "id"), again))
			add(l, WRITTEN, path);
		else
			l->off = true;
	}
}

/* A run that is the last word on its project: nothing ran, came or was given that the next one would not have to ask for. */
static bool
says_all(const struct ai_job *job)
{
	for (size_t i = 0; i < job->n_steps; i++)
		if (job->steps[i].state != AI_STEP_REUSED || json_array_size(ai_json_arr(job->steps[i].environment, "gpus")) > 0)
			return false;
	return job->n_steps > 0 && job->written && !job->fetched && !job->unstamped.code && is_plain(job->opt);
}

static int
write_note(struct ai_job *job, const struct list *l, const struct ai_digest *state, struct ai_err *err)
{
	char state_hex[AI_HEX], root[AI_HEX];
	AI_BUF_AUTO text = AI_BUF(MAX_NOTE);
	AI_FREE char *place = place_of(job), *folder = folder_of(job);
	if (!place || !folder)
		return ai_nomem(err);
	ai_hex(state, state_hex);
	ai_hex(&job->root_id, root);
	ai_buf_printf(&text, "%s%s %s %zu\n", magic, state_hex, root, job->n_steps);
	ai_buf_put(&text, l->text.data, l->text.len);
	if (ai_buf_ok(&text, "standing", err) < 0)
		return err->code;
	ai_sweep_notes(folder);
	return ai_mkdirs(folder, 0700, err) < 0 ? err->code : ai_write_file(AT_FDCWD, place, text.data, text.len, 0600, err);
}

int
ai_standing_keep(struct ai_job *job, const struct timespec *began, struct ai_err *err)
{
	struct list l = { .text = AI_BUF(MAX_NOTE / 2) };
	struct since since = { *began, *began };
	struct ai_idset known = { 0 };
	struct ai_digest state;
	AI_BUF_AUTO question = AI_BUF(AI_MAX_TEXT);
	if (!says_all(job))
		return 0;
	int r = add_own(job, &l, err);
	if (r == 0)
		r = add_inputs(job, &l, err);
	if (r == 0 && !l.off)
		add_written(job, &l, &since.again);
	if (r == 0 && !l.off)
		r = add_used(job, &l, &known, err);
	if (r == 0 && !l.off)
		r = ai_buf_ok(&l.text, "standing", err);
	if (r == 0 && !l.off)
		r = asked(job, &question, err);
	if (r == 0 && !l.off && (r = state_of(&question, l.text.data, l.text.len, &since, &state, err)) == 1)
		r = write_note(job, &l, &state, err);
	ai_idset_done(&known);
	ai_buf_done(&l.text);
	return r < 0 ? r : 0;
}
