/* worker.c -- see worker.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So much of a worker's words is read at once: one that floods does not keep the others waiting. */
#define GULP (256u << 10)
#define MAX_FRAME (512u << 20)
/* How often the user's Ctrl-C is looked at when nothing else happens. */
#define TICK_MS 100

typedef enum frame_kind { FRAME_STEP, FRAME_LOG, FRAME_SAY, FRAME_WAITS, FRAME_ANSWER } frame_kind;

struct frame { frame_kind kind; unsigned n; };
/* Its bytes are the step's node. */
struct step_frame { size_t step; struct ai_digest id; };
/* Its bytes are the text. */
struct say_frame { ai_talk_kind kind; uint64_t done, total; };
/* Its bytes are failure, log and the result's node, in this order; each may be of no bytes. */
struct answer_frame { int code; struct ai_err err; double seconds; unsigned n_failure, n_log, n_result; };

struct worker {
	pid_t pid;              /* 0: it is gone */
	int sock;
	size_t step;            /* AI_NO_STEP: idle */
	bool told;              /* to stop */
	struct ai_buf in;       /* of frames that have not come whole */
	struct ai_buf waits;
};

struct ai_workers {
	struct ai_job *job;
	struct worker *all;
	unsigned n;
};

#define NO_STEP SIZE_MAX

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A frame of up to three parts; false when the other end is gone. */
static bool
send_frame(int sock, frame_kind kind, const void *a, size_t n, const void *b, size_t m)
{
	const struct frame head = { kind, (unsigned)(n + m) };
	struct iovec io[3] = { { (void *)&head, sizeof head }, { (void *)a, n }, { (void *)b, m } };
	struct msghdr msg = { .msg_iov = io, .msg_iovlen = 3 };
	for (size_t left = sizeof head + n + m; left > 0;) {
		ssize_t sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		left -= (size_t)sent;
		for (size_t i = 0; i < 3; i++) {
			size_t part = (size_t)sent < io[i].iov_len ? (size_t)sent : io[i].iov_len;
			io[i] = (struct iovec){ (char *)io[i].iov_base + part, io[i].iov_len - part };
			sent -= (ssize_t)part;
		}
	}
	return true;
}

/* --- the worker's side ------------------------------------------------------------ */

static void
heard_signal(int sig)
{
	(void)sig;
	ai_interrupted = 1;
}

static void
say_on(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	const struct say_frame say = { kind, done, total };
	if (!send_frame(*(int *)ctx, FRAME_SAY, &say, sizeof say, text, kind == AI_TALK_LOG ? (size_t)done : strlen(text)))
		_exit(1);
}

static void
step_on(void *ctx, const struct ai_step_event *e)
{
	if (e->kind == AI_STEP_LOGS && !send_frame(*(int *)ctx, FRAME_LOG, e->bytes, e->n, NULL, 0))
		_exit(1);
}

/* n bytes; false at the end: then there is nobody to work for. */
static bool
receive(int sock, void *to, size_t n)
{
	for (size_t have = 0; have < n;) {
		ssize_t got = recv(sock, (char *)to + have, n - have, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	return true;
}

static int
run_given(struct ai_job *job, const struct step_frame *given, const char *node, size_t n, struct ai_answer *a)
{
	struct ai_job_step *s = &job->steps[given->step];
	struct ai_err *err = &a->err;
	if (!job->store) {
		if (ai_store_open(&job->home, &job->store, err) < 0)
			return err->code;
		ai_store_defer(job->store);
	}
	json_decref(s->step);
	s->step = NULL;
	if (ai_json_parse(node, n, "step", &s->step, err) < 0)
		return err->code;
	s->id = given->id;
	if (ai_exec_step(job, s, err) < 0)
		return err->code;
	return ai_store_hand_over(job->store, &a->waits, err);
}

static void
answer(int sock, const struct ai_answer *a, const struct ai_job_step *s)
{
	AI_BUF_AUTO text = AI_BUF(MAX_FRAME);
	struct answer_frame f = { .code = a->code, .err = a->err, .seconds = a->seconds };
	if (a->code == 0 && ai_canon(s->result, &text, &f.err) < 0)
		f.code = f.err.code;
	f.n_result = f.code == 0 ? (unsigned)text.len : 0;
	f.n_failure = s->failure ? (unsigned)strlen(s->failure) : 0;
	f.n_log = s->log ? (unsigned)strlen(s->log) : 0;
	AI_BUF_AUTO bytes = AI_BUF(MAX_FRAME);
	ai_buf_put(&bytes, &f, sizeof f);
	ai_buf_put(&bytes, s->failure ? s->failure : "", f.n_failure);
	ai_buf_put(&bytes, s->log ? s->log : "", f.n_log);
	ai_buf_put(&bytes, text.data ? text.data : "", f.n_result);
	if (bytes.state != AI_BUF_GOOD || (a->waits.len > 0 && !send_frame(sock, FRAME_WAITS, a->waits.data, a->waits.len, NULL, 0)) ||
		!send_frame(sock, FRAME_ANSWER, bytes.data, bytes.len, NULL, 0))
		_exit(1);
}

/* One step from beginning to end; false when there is none to come. */
static bool
work_once(struct ai_job *job, int sock)
{
	struct frame head;
	struct step_frame given;
	if (!receive(sock, &head, sizeof head) || head.n < sizeof given || !receive(sock, &given, sizeof given))
		return false;
	size_t n = head.n - sizeof given;
	AI_FREE char *node = malloc(n + 1);
	if (!node || !receive(sock, node, n))
		return false;
	struct ai_job_step *s = &job->steps[given.step];
	struct ai_answer a = { .waits = AI_BUF(MAX_FRAME) };
	double began = now_s();
	a.code = run_given(job, &given, node, n, &a);
	a.seconds = now_s() - began;
	answer(sock, &a, s);
	ai_answer_done(&a);
	json_decref(s->result);
	json_decref(s->step);
	s->result = s->step = NULL;
	return true;
}

/* As long as there is somebody to work for. What is inherited of the TPM and of the caller's is not touched. */
static _Noreturn void
work(struct ai_job *job, int sock)
{
	struct sigaction act = { .sa_handler = heard_signal };
	sigset_t none;
	struct ai_talk talk = { .say = say_on, .ctx = &sock, .step = step_on };
	struct ai_run_options options = *job->opt;
	options.talk = &talk;
	job->opt = &options;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	while (work_once(job, sock))
		;
	ai_store_close(job->store);
	_exit(0);
}

/* --- starting and ending ------------------------------------------------------------ */

void
ai_answer_done(struct ai_answer *a)
{
	json_decref(a->result);
	free(a->failure);
	free(a->log);
	ai_buf_done(&a->waits);
	*a = (struct ai_answer){ 0 };
}

static int
start_one(struct ai_workers *w, struct worker *one, struct ai_err *err)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return ai_fail_errno(err, AI_EENV, "worker: cannot make a socket pair");
	AI_FD theirs = pair[1];
	AI_FD ours = pair[0];
	pid_t pid = fork();
	if (pid < 0)
		return ai_fail_errno(err, AI_EENV, "worker: cannot start a process");
	if (pid == 0) {
		/* Nor is anybody else's end kept open here: each must see that it is alone. */
		for (unsigned i = 0; i < w->n; i++)
			ai_close_fd(&w->all[i].sock);
		close(ours);
		work(w->job, theirs);
	}
	*one = (struct worker){ .pid = pid, .sock = ours, .step = NO_STEP, .in = AI_BUF(MAX_FRAME), .waits = AI_BUF(MAX_FRAME) };
	ours = -1;
	w->n++;
	return 0;
}

int
ai_workers_start(struct ai_job *job, unsigned n, struct ai_workers **out, struct ai_err *err)
{
	struct ai_workers *w = ai_calloc(1, sizeof *w);
	if (!w || !(w->all = ai_calloc(n, sizeof *w->all))) {
		free(w);
		return ai_nomem(err);
	}
	w->job = job;
	int r = ai_store_flush(job->store, err);
	ai_store_close(job->store);
	job->store = NULL;
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = start_one(w, &w->all[i], err);
	struct ai_err second = { 0 };
	if (ai_store_open(&job->home, &job->store, r == 0 ? err : &second) == 0)
		ai_store_defer(job->store);
	else if (r == 0)
		r = err->code;
	if (r < 0)
		ai_workers_stop(w);
	else
		*out = w;
	return r;
}

/* Takes a dead or dying worker away; returns its wait status. */
static int
reap(struct worker *one)
{
	int status = 0;
	close(one->sock);
	while (waitpid(one->pid, &status, 0) < 0 && errno == EINTR)
		;
	ai_buf_done(&one->in);
	ai_buf_done(&one->waits);
	*one = (struct worker){ .sock = -1, .step = NO_STEP };
	return status;
}

void
ai_workers_stop(struct ai_workers *w)
{
	if (!w)
		return;
	/* Who has nothing to do tidies up and goes. */
	for (unsigned i = 0; i < w->n; i++)
		if (w->all[i].pid > 0 && w->all[i].step == NO_STEP)
			(void)shutdown(w->all[i].sock, SHUT_RDWR);
		else if (w->all[i].pid > 0)
			kill(w->all[i].pid, SIGKILL);
	for (unsigned i = 0; i < w->n; i++)
		if (w->all[i].pid > 0)
			(void)reap(&w->all[i]);
	free(w->all);
	free(w);
}

unsigned
ai_workers_idle(const struct ai_workers *w)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->n; i++)
		n += w->all[i].pid > 0 && w->all[i].step == NO_STEP;
	return n;
}

unsigned
ai_workers_alive(const struct ai_workers *w)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->n; i++)
		n += w->all[i].pid > 0;
	return n;
}

/* --- the job's side ------------------------------------------------------------------ */

int
ai_workers_give(struct ai_workers *w, size_t step, struct ai_err *err)
{
	const struct step_frame given = { step, w->job->steps[step].id };
	AI_BUF_AUTO node = AI_BUF(AI_MAX_NODE);
	if (ai_canon(w->job->steps[step].step, &node, err) < 0 || ai_buf_ok(&node, "step", err) < 0)
		return err->code;
	for (unsigned i = 0; i < w->n; i++) {
		struct worker *one = &w->all[i];
		if (one->pid <= 0 || one->step != NO_STEP)
			continue;
		/* One that is dead meanwhile is found so by ai_workers_wait. */
		one->step = step;
		(void)send_frame(one->sock, FRAME_STEP, &given, sizeof given, node.data, node.len);
		return 0;
	}
	return ai_fail(err, AI_EENV, "internal: no worker is idle");
}

static int
take_answer(const struct worker *one, const char *p, size_t n, struct ai_answer *out, struct ai_err *err)
{
	struct answer_frame f;
	if (n < sizeof f)
		return ai_fail(err, AI_EENV, "internal: worker: its answer is cut short");
	memcpy(&f, p, sizeof f);
	if ((uint64_t)f.n_failure + f.n_log + f.n_result != n - sizeof f)
		return ai_fail(err, AI_EENV, "internal: worker: its answer is cut short");
	p += sizeof f;
	struct ai_answer a = { .step = one->step, .seconds = f.seconds, .code = f.code, .err = f.err, .waits = one->waits };
	a.failure = f.n_failure ? ai_strndup(p, f.n_failure) : NULL;
	a.log = f.n_log ? ai_strndup(p + f.n_failure, f.n_log) : NULL;
	if (f.code == 0 && ai_json_parse(p + f.n_failure + f.n_log, f.n_result, "result", &a.result, err) < 0) {
		free(a.failure);
		free(a.log);
		return err->code;
	}
	*out = a;
	return 0;
}

static void
hand_on(const struct ai_workers *w, const struct worker *one, const struct frame *head, const char *p)
{
	const struct ai_talk *talk = w->job->opt->talk;
	struct say_frame say;
	if (head->kind == FRAME_LOG)
		ai_say_step(talk, &(struct ai_step_event){ .kind = AI_STEP_LOGS, .step = w->job->steps[one->step].name, .index = one->step,
			.total = w->job->n_steps, .bytes = p, .n = head->n });
	if (head->kind != FRAME_SAY || head->n < sizeof say || !talk || !talk->say)
		return;
	memcpy(&say, p, sizeof say);
	AI_FREE char *text = ai_strndup(p + sizeof say, head->n - sizeof say);
	if (text)
		talk->say(talk->ctx, say.kind, text, say.done, say.total);
}

/* What has come of one worker; 1 with its answer, 0 not yet. */
static int
read_frames(struct ai_workers *w, struct worker *one, struct ai_answer *out, struct ai_err *err)
{
	size_t at = 0;
	int r = 0;
	struct frame head;
	while (r == 0 && one->step != NO_STEP && one->in.len - at >= sizeof head) {
		memcpy(&head, one->in.data + at, sizeof head);
		if (one->in.len - at - sizeof head < head.n)
			break;
		const char *p = one->in.data + at + sizeof head;
		at += sizeof head + head.n;
		if (head.kind == FRAME_WAITS) {
			ai_buf_put(&one->waits, p, head.n);
			r = ai_buf_ok(&one->waits, "worker", err);
		} else if (head.kind == FRAME_ANSWER) {
			r = take_answer(one, p, head.n, out, err) < 0 ? err->code : 1;
			if (r == 1)
				one->waits = AI_BUF(MAX_FRAME);
			one->step = NO_STEP;
		} else {
			hand_on(w, one, &head, p);
		}
	}
	size_t rest = one->in.len - at;
	if (rest > 0 && at > 0)
		memmove(one->in.data, one->in.data + at, rest);
	one->in.len = rest;
	return r;
}

/* It died of something that is none of the step's doing: the kernel had no memory left, or somebody killed it. */
static void
died(const struct ai_job *job, struct worker *one, struct ai_answer *out)
{
	size_t step = one->step;
	const char *name = job->steps[step].name;
	int status = reap(one);
	*out = (struct ai_answer){ .step = step, .code = AI_EENV };
	if (WIFSIGNALED(status))
		ai_fail(&out->err, AI_EENV, "step '%s': its worker was killed by signal %d", name, WTERMSIG(status));
	else
		ai_fail(&out->err, AI_EENV, "step '%s': its worker ended unasked", name);
	out->failure = ai_strdup("its worker was killed");
}

/* 1 an answer, 0 none yet. */
static int
hear(struct ai_workers *w, struct worker *one, struct ai_answer *out, struct ai_err *err)
{
	static char gulp[GULP];
	ssize_t n = recv(one->sock, gulp, sizeof gulp, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		if (one->step == NO_STEP) {
			(void)reap(one);
			return 0;
		}
		died(w->job, one, out);
		return 1;
	}
	ai_buf_put(&one->in, gulp, (size_t)n);
	return ai_buf_ok(&one->in, "worker", err) < 0 ? err->code : read_frames(w, one, out, err);
}

static void
tell_to_stop(struct ai_workers *w)
{
	for (unsigned i = 0; ai_interrupted && i < w->n; i++)
		if (w->all[i].pid > 0 && w->all[i].step != NO_STEP && !w->all[i].told) {
			w->all[i].told = true;
			kill(w->all[i].pid, SIGTERM);
		}
}

int
ai_workers_wait(struct ai_workers *w, struct ai_answer *out, struct ai_err *err)
{
	AI_FREE struct pollfd *p = ai_calloc(w->n, sizeof *p);
	if (!p)
		return ai_nomem(err);
	for (;;) {
		tell_to_stop(w);
		bool any = false;
		for (unsigned i = 0; i < w->n; i++) {
			p[i] = (struct pollfd){ .fd = w->all[i].pid > 0 ? w->all[i].sock : -1, .events = POLLIN };
			any = any || w->all[i].step != NO_STEP;
		}
		if (!any)
			return ai_fail(err, AI_EENV, "internal: no worker has a step");
		if (poll(p, w->n, TICK_MS) <= 0)
			continue;
		for (unsigned i = 0; i < w->n; i++) {
			int r = p[i].fd >= 0 && p[i].revents ? hear(w, &w->all[i], out, err) : 0;
			if (r != 0)
				return r < 0 ? r : 0;
		}
	}
}
