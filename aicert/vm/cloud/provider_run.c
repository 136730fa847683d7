/*
 * provider_run.c -- the stages of a provider in order, and destroy after whatever happened (provider.h).
 *
 * What can be wrong with the provider's file is found before anything is made: every stage is asked once with the examples that its calls
 * give. Destroying is tried four times, by commands whose failure is none and questions of what is left that must be answered by nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "vm/cloud/image.h"
#include "vm/cloud/provider.h"
#include "vm/cloud/provider_parts.h"

enum { ATTEMPTS = 4, LOST = 5, LEFT_ALONE_S = 3600, MAX_UKI = 1 << 30 };

struct stage { const char *name; unsigned time_s; }; /* of one command */
static const struct stage stages[] = { { "create", 1800 }, { "upload", 86400 }, { "start", 1800 }, { "wait", 600 }, { "collect", 86400 } };
static const struct stage destroy = { "destroy", 3600 };

struct state {
	struct ai_provider *p;
	const struct ai_talk *talk;
	unsigned time_s;
	json_t *vars;             /* what a stage is given as `run` */
	char *scratch;            /* folder of our own; NULL: none yet */
	struct ai_secrets secrets;
	const char *records;      /* NULL: none are kept */
	int lock;                 /* of this machine's record; -1 */
	bool began;               /* a command ran: there may be something to destroy */
};

/* What it calls itself: it may have been named by a path. */
static const char *
shown(const struct ai_provider *p)
{
	return ai_json_str(p->about, "name");
}

static void
state_done(struct state *st)
{
	json_decref(st->vars);
	if (st->scratch)
		ai_discard_tree(st->scratch);
	free(st->scratch);
	ai_secrets_done(&st->secrets);
	if (st->lock >= 0)
		close(st->lock);
}

/* --- one call ------------------------------------------------------------- */

/* deaf: an interrupt ends nothing. */
static int
pause_s(unsigned seconds, bool deaf, struct ai_err *err)
{
	for (unsigned tenths = 0; tenths < seconds * 10; tenths++) {
		if (!deaf && ai_check_interrupt(err) < 0)
			return err->code;
		(void)!poll(NULL, 0, 100);
	}
	return 0;
}

static int
once(struct state *st, const struct stage *stage, const json_t *what, bool deaf, char **said, struct ai_err *err)
{
	const struct ai_call call = { .what = what, .time_s = stage->time_s, .deaf = deaf, .secrets = &st->secrets, .talk = st->talk, .began = &st->began };
	AI_BUF_AUTO words = AI_BUF(AI_MAX_TEXT);
	ai_provider_words(json_object_get(what, "argv"), &words);
	if (ai_buf_ok(&words, "command line", err) < 0)
		return err->code;
	ai_say(st->talk, AI_TALK_DETAIL, "$ %s", words.data);
	return ai_call_run(&call, said, err);
}

/* Asked again and again until it says so. A few failures in between are the network's. */
static int
wait_for(struct state *st, const struct stage *stage, const json_t *what, const char *wanted, bool deaf, char **said, struct ai_err *err)
{
	const unsigned every = (unsigned)strtoull(ai_json_str(what, "every"), NULL, 10);
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	const long long end = (long long)t.tv_sec + st->time_s;
	for (int lost = 0;;) {
		AI_FREE char *text = NULL;
		int r = once(st, stage, what, deaf, &text, err);
		if (r == AI_EINTR || (r < 0 && ++lost >= LOST))
			return r;
		if (r == 0 && strcmp(text, wanted) == 0) {
			*said = text;
			text = NULL;
			return 0;
		}
		lost = r == 0 ? 0 : lost;
		clock_gettime(CLOCK_MONOTONIC, &t);
		if (st->time_s && t.tv_sec > end)
			return ai_fail(err, AI_EENV, "the machine did not end by itself within %u s", st->time_s);
		if (pause_s(every, deaf, err) < 0)
			return err->code;
	}
}

/* What it printed is from now on run.said.NAME. */
static int
keep(struct state *st, const json_t *what, char *said, struct ai_err *err)
{
	const char *name = ai_json_str(what, "keep");
	if (!*said || strchr(said, '\n') || !ai_utf8_valid(said, strlen(said)))
		return ai_fail(err, AI_EENV, "'%s': got %zu bytes, expected one line of text", name, strlen(said));
	if (json_object_get(what, "secret") && ai_secrets_add(&st->secrets, said, err) < 0)
		return err->code;
	return json_object_set_new(json_object_get(st->vars, "said"), name, json_string(said)) < 0 ? ai_nomem(err) : 0;
}

static int
run_call(struct state *st, const struct stage *stage, const json_t *what, bool deaf, struct ai_err *err)
{
	AI_FREE char *said = NULL;
	const char *wanted = ai_json_str(what, "wait_for"), *expected = ai_json_str(what, "expect");
	int r = wanted ? wait_for(st, stage, what, wanted, deaf, &said, err) : once(st, stage, what, deaf, &said, err);
	if (r == 0 && expected && strcmp(said, expected) != 0) {
		AI_FREE char *clean = ai_secrets_hide(&st->secrets, said, strlen(said));
		AI_BUF_AUTO words = AI_BUF(AI_MAX_TEXT);
		ai_provider_words(json_object_get(what, "argv"), &words);
		r = ai_fail(err, AI_EENV, "%.300s: got '%.200s', expected '%.200s'", words.data ? words.data : "", clean ? clean : "", expected);
	}
	if (r == 0 && json_object_get(what, "keep"))
		r = keep(st, what, said, err);
	if (r == 0 && json_object_get(what, "show") && *said) {
		AI_FREE char *clean = ai_secrets_hide(&st->secrets, said, strlen(said));
		if (clean)
			ai_say_log(st->talk, clean, strlen(clean));
	}
	if (r < 0 && r != AI_EINTR && json_object_get(what, "maybe")) {
		ai_say(st->talk, AI_TALK_DETAIL, "%s (passed over)", err->text);
		return 0;
	}
	return r;
}

/* --- stages --------------------------------------------------------------- */

/* The calls of a stage, none of which has a secret in its command line. */
static int
plan_stage(struct state *st, const char *name, json_t **out, struct ai_err *err)
{
	AI_JSON *calls = NULL;
	size_t i, k;
	json_t *call, *word;
	if (ai_provider_stage(st->p, name, st->vars, &calls, err) < 0)
		return err->code;
	json_array_foreach(calls, i, call)
		json_array_foreach(json_object_get(call, "argv"), k, word)
			if (ai_secrets_in(&st->secrets, json_string_value(word)))
				return ai_fail(err, AI_EUSAGE, "%s: stage '%s': command %zu: argument %zu holds a secret: expected it in env", st->p->where, name, i + 1, k);
	*out = json_incref(calls);
	return 0;
}

static int
run_stage(struct state *st, const struct stage *stage, struct ai_err *err)
{
	AI_JSON *calls = NULL;
	size_t i;
	json_t *call;
	if (ai_check_interrupt(err) < 0 || plan_stage(st, stage->name, &calls, err) < 0)
		return err->code;
	ai_say(st->talk, AI_TALK_STAGE, "cloud   %s: %s", shown(st->p), stage->name);
	json_array_foreach(calls, i, call)
		if (run_call(st, stage, call, false, err) < 0)
			return err->code == AI_EINTR ? err->code : ai_in(err, "%s: %s", shown(st->p), stage->name);
	return 0;
}

/* --- destroy -------------------------------------------------------------- */

/* Every call of it, whatever came of those before; the first error that is one. */
static int
destroy_once(struct state *st, const json_t *calls, struct ai_err *err)
{
	size_t i;
	json_t *call;
	struct ai_err first = { 0 };
	json_array_foreach(calls, i, call) {
		struct ai_err now = { 0 };
		if (run_call(st, &destroy, call, true, &now) < 0 && !first.code)
			first = now;
	}
	if (first.code)
		*err = first;
	return first.code;
}

/* What somebody types when we could not: the provider's own commands if they fit in a line, else ours, which runs them. */
static int
say_left(struct state *st, const json_t *calls, struct ai_err *err)
{
	AI_BUF_AUTO line = AI_BUF(AI_MAX_TEXT);
	const char *machine = ai_json_str(st->vars, "machine"), *key;
	size_t i;
	json_t *call, *value;
	json_array_foreach(calls, i, call) {
		if (!json_object_get(call, "maybe"))
			continue;
		if (line.len)
			ai_buf_puts(&line, "; ");
		ai_provider_words(json_object_get(call, "argv"), &line);
	}
	if (line.len == 0 || line.len > 300) {
		AI_JSON *words = json_pack("[s, s, s, s, s, s]", "aicert", "vm", "provider", st->p->name, "--destroy", machine);
		json_object_foreach(st->p->settings, key, value) {
			AI_FREE char *set = ai_format("%s=%s", key, json_string_value(value));
			if (!words || !set || json_array_append_new(words, json_string("--set")) < 0 || json_array_append_new(words, json_string(set)) < 0)
				return ai_nomem(err);
		}
		ai_buf_clear(&line);
		ai_provider_words(words, &line);
	}
	err->hint[0] = '\0';
	ai_in(err, "%s: what was made for the machine '%s' may still be there, and cost money", shown(st->p), machine);
	return ai_hint(err, "type: %s", line.data);
}

/* What the stage's calls ask for, else a second. */
static unsigned
patience(const json_t *calls)
{
	size_t i;
	json_t *call;
	unsigned s = 1;
	json_array_foreach(calls, i, call)
		if (ai_json_str(call, "every"))
			s = (unsigned)strtoull(ai_json_str(call, "every"), NULL, 10);
	return s;
}

static int
destroy_all(struct state *st, struct ai_err *err)
{
	AI_JSON *calls = NULL;
	if (plan_stage(st, "destroy", &calls, err) < 0)
		return err->code;
	ai_say(st->talk, AI_TALK_STAGE, "cloud   %s: destroy", shown(st->p));
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		(void)pause_s(i ? patience(calls) : 0, true, err);
		if (destroy_once(st, calls, err) == 0) {
			if (st->records)
				ai_record_end(st->records, ai_json_str(st->vars, "machine"));
			return 0;
		}
		ai_say(st->talk, AI_TALK_NOTE, "%s: destroy: %s", shown(st->p), err->text);
	}
	err->code = AI_EENV;
	return say_left(st, calls, err);
}

/* --- the whole ------------------------------------------------------------ */

/* A name that nobody has: clouds ask for one that is theirs alone for some things. */
static int
make_name(char out[24], struct ai_err *err)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
	unsigned char r[12];
	if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
		return ai_fail_errno(err, AI_EENV, "getrandom");
	memcpy(out, "aicert-", 7);
	for (size_t i = 0; i < sizeof r; i++)
		out[7 + i] = digits[r[i] % 32];
	out[7 + sizeof r] = '\0';
	return 0;
}

static int
begin(struct state *st, struct ai_provider *p, const char *machine, unsigned time_s, const char *records, const struct ai_talk *talk, struct ai_err *err)
{
	char name[24], seconds[24];
	*st = (struct state){ .p = p, .talk = talk, .time_s = time_s, .records = records, .lock = -1 };
	if (machine ? ai_machine_name(machine, err) < 0 : make_name(name, err) < 0)
		return err->code;
	/* Until when a cloud may end the machine by itself, should nobody be here any more. */
	snprintf(seconds, sizeof seconds, "%llu", time_s ? (unsigned long long)time_s + LEFT_ALONE_S : 0);
	st->vars = json_pack("{s:s, s:s, s:{}}", "machine", machine ? machine : name, "limit", seconds, "said");
	return st->vars ? 0 : ai_nomem(err);
}

static int
set_path(struct state *st, const char *name, const char *path, struct ai_err *err)
{
	AI_FREE char *whole = ai_abspath(path);
	if (whole && !ai_utf8_valid(whole, strlen(whole)))
		return ai_fail(err, AI_EENV, "'%s': got a path that is not UTF-8, expected one that a provider's file can be told", whole);
	if (!whole || json_object_set_new(st->vars, name, json_string(whole)) < 0)
		return ai_nomem(err);
	return 0;
}

static int
make_image(const char *uki, const char *path, ai_vm_format format, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(MAX_UKI);
	if (ai_read_file(AT_FDCWD, uki, &b, err) < 0)
		return err->code;
	AI_FD fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	return ai_vm_image_write(fd, b.data, b.len, format, err);
}

static int
make_job(const char *job, const char *path, ai_vm_format format, struct ai_err *err)
{
	AI_FD in = open(job, (format == AI_VM_VHD ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (in < 0)
		return ai_fail_errno(err, AI_EINPUT, "%s", job);
	if (format == AI_VM_RAW)
		return 0;
	if (format == AI_VM_VHD)
		return ai_vm_disk_vhd(in, err);
	AI_FD out = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	return ai_vm_disk_gcp(in, out, err);
}

/* Image and job as this cloud takes disks, in a folder beside the job. */
static int
prepare(struct state *st, const struct ai_provider_run *run, struct ai_err *err)
{
	ai_vm_format format;
	AI_FREE char *prefix = ai_format("%s.cloud", run->job);
	if (!prefix)
		return ai_nomem(err);
	if (ai_vm_format_parse(ai_json_str(st->p->about, "disks"), &format, err) < 0 || ai_mkdtemp(prefix, &st->scratch, err) < 0)
		return err->code;
	const char *end = format == AI_VM_VHD ? "vhd" : format == AI_VM_GCP ? "tar.gz" : "raw";
	AI_FREE char *image = ai_format("%s/boot.%s", st->scratch, end);
	AI_FREE char *job = ai_format("%s/job.%s", st->scratch, end);
	if (!image || !job)
		return ai_nomem(err);
	if (make_image(run->uki, image, format, err) < 0 || make_job(run->job, job, format, err) < 0 || set_path(st, "image", image, err) < 0
		|| set_path(st, "job", format == AI_VM_GCP ? job : run->job, err) < 0 || set_path(st, "result", run->result, err) < 0)
		return err->code;
	return set_path(st, "scratch", st->scratch, err);
}

static int
run_all(struct state *st, const struct ai_provider_run *run, struct ai_err *err)
{
	struct stat s;
	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
		if (run_stage(st, &stages[i], err) < 0)
			return err->code;
	if (stat(run->result, &s) < 0 || s.st_size == 0)
		return ai_fail(err, AI_EENV, "%s: collect: no result disk came", shown(st->p));
	if (run->collected)
		*run->collected = true;
	return 0;
}

int
ai_provider_run(struct ai_provider *p, const struct ai_provider_run *run, struct ai_err *err)
{
	struct state st;
	AI_JSON *plan = NULL;
	int r = begin(&st, p, run->machine, run->time_s, run->records, run->talk, err);
	const char *machine = r == 0 ? ai_json_str(st.vars, "machine") : "";
	if (r == 0)
		r = ai_provider_plan(p, machine, &plan, err);
	if (r == 0)
		r = prepare(&st, run, err);
	if (r == 0 && run->records)
		r = ai_record_begin(p, run->records, machine, &st.lock, err);
	if (r == 0) {
		ai_say(run->talk, AI_TALK_STAGE, "cloud   %s: machine %s", shown(p), machine);
		r = run_all(&st, run, err);
	}
	/* Nothing was made, so there is nothing to record. */
	if (!st.began && st.lock >= 0)
		ai_record_end(run->records, machine);
	if (st.began) {
		struct ai_err left = { 0 };
		if (r == AI_EINTR)
			ai_say(run->talk, AI_TALK_NOTE, "%s: interrupted: destroying the machine first", shown(p));
		if (destroy_all(&st, &left) < 0) {
			if (r < 0)
				ai_say(run->talk, AI_TALK_NOTE, "%s", err->text);
			*err = left;
			r = err->code;
		}
	}
	state_done(&st);
	return r;
}

int
ai_provider_destroy(struct ai_provider *p, const char *machine, const char *records, const struct ai_talk *talk, struct ai_err *err)
{
	struct state st;
	int r = begin(&st, p, machine, 0, records, talk, err);
	/* Destroy needs no disks, but a file may name them all the same. */
	static const char *const paths[] = { "image", "job", "result", "scratch" };
	for (size_t i = 0; r == 0 && i < 4; i++)
		if (json_object_set_new(st.vars, paths[i], json_string("")) < 0)
			r = ai_nomem(err);
	if (r == 0)
		r = destroy_all(&st, err);
	state_done(&st);
	return r;
}
