/* worker_side.c -- see worker.h: what a worker does, and the nursery that forks it.  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "run/box/cgroup.h"
#include "run/worker_parts.h"

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
heard_signal(int sig)
{
	(void)sig;
	ai_interrupted = 1;
}

static void
say_on(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	const struct ai_say_frame say = { kind, done, total };
	if (!ai_frame_send(*(int *)ctx, AI_FRAME_SAY, &say, sizeof say, text, kind == AI_TALK_LOG ? (size_t)done : strlen(text)))
		_exit(1);
}

static void
step_on(void *ctx, const struct ai_step_event *e)
{
	if (e->kind == AI_STEP_LOGS && !ai_frame_send(*(int *)ctx, AI_FRAME_LOG, e->bytes, e->n, NULL, 0))
		_exit(1);
}

/* What a worker knows: one step of a job. */
struct place {
	struct ai_job job;
	struct ai_run_options options;
	struct ai_talk talk;
	struct ai_job_step step;
	struct ai_step_spec spec;
	json_t *environment, *recipe;
};

/* The next n of the bytes, as text or as JSON; NULL for none. */
static char *
take_text(const char **p, unsigned n)
{
	char *text = n ? ai_strndup(*p, n) : NULL;
	*p += n;
	return text;
}

static int
take_json(const char **p, unsigned n, json_t **out, struct ai_err *err)
{
	const char *text = *p;
	*p += n;
	return ai_json_parse(text, n, "worker", out, err);
}

static void
forget_step(struct place *w)
{
	struct ai_job_step *s = &w->step;
	free((char *)s->name);
	free(w->spec.checkpoint);
	json_decref(s->result);
	json_decref(s->step);
	json_decref(w->environment);
	json_decref(w->recipe);
	free(s->failure);
	free(s->log);
	*s = (struct ai_job_step){ 0 };
	w->spec = (struct ai_step_spec){ 0 };
	w->environment = w->recipe = NULL;
}

static int
run_given(struct place *w, const struct ai_step_frame *given, const char *p, struct ai_answer *a)
{
	struct ai_job *job = &w->job;
	struct ai_job_step *s = &w->step;
	struct ai_err *err = &a->err;
	*s = (struct ai_job_step){ .name = take_text(&p, given->n_name), .spec = &w->spec, .id = given->id };
	w->spec = (struct ai_step_spec){ .checkpoint = take_text(&p, given->n_checkpoint), .limits = given->limits };
	if (!s->name || (given->n_checkpoint && !w->spec.checkpoint))
		return ai_nomem(err);
	if (take_json(&p, given->n_environment, &w->environment, err) < 0 || take_json(&p, given->n_recipe, &w->recipe, err) < 0 ||
		take_json(&p, given->n_node, &s->step, err) < 0)
		return err->code;
	s->environment = w->environment;
	s->recipe = w->recipe;
	if (json_array_size(ai_json_arr(s->environment, "gpus")) > 0 && !job->gpus.root && ai_gpus_find(&job->gpus, err) < 0)
		return err->code;
	if (!job->store) {
		if (ai_store_open(&job->home, &job->store, err) < 0)
			return err->code;
		ai_store_defer(job->store);
	}
	if (ai_run_actions(job, s, err) < 0)
		return err->code;
	return ai_store_hand_over(job->store, &a->waits, err);
}

static void
answer(int sock, const struct ai_answer *a, const struct ai_job_step *s)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_FRAME);
	struct ai_answer_frame f = { .code = a->code, .err = a->err, .seconds = a->seconds };
	if (a->code == 0 && ai_canon(s->result, &text, &f.err) < 0)
		f.code = f.err.code;
	f.n_result = f.code == 0 ? (unsigned)text.len : 0;
	f.n_failure = s->failure ? (unsigned)strlen(s->failure) : 0;
	f.n_log = s->log ? (unsigned)strlen(s->log) : 0;
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_FRAME);
	ai_buf_put(&bytes, &f, sizeof f);
	ai_buf_put(&bytes, s->failure ? s->failure : "", f.n_failure);
	ai_buf_put(&bytes, s->log ? s->log : "", f.n_log);
	ai_buf_put(&bytes, text.data ? text.data : "", f.n_result);
	if (bytes.state != AI_BUF_GOOD || (a->waits.len > 0 && !ai_frame_send(sock, AI_FRAME_WAITS, a->waits.data, a->waits.len, NULL, 0)) ||
		!ai_frame_send(sock, AI_FRAME_ANSWER, bytes.data, bytes.len, NULL, 0))
		_exit(1);
}

/* A frame whose fixed part is n bytes; its others are fresh. NULL when there is none to come, or it is none of that kind. */
static char *
receive_frame(int sock, ai_frame_kind kind, void *fixed, size_t n)
{
	struct ai_frame head;
	if (!ai_frame_receive(sock, &head, sizeof head) || head.kind != kind || head.n < n || !ai_frame_receive(sock, fixed, n))
		return NULL;
	AI_FREE char *rest = malloc(head.n - n + 1);
	if (!rest || !ai_frame_receive(sock, rest, head.n - n))
		return NULL;
	char *out = rest;
	rest = NULL;
	return out;
}

/* One step from beginning to end; false when there is none to come. */
static bool
work_once(struct place *w, int sock)
{
	struct ai_step_frame given;
	AI_FREE char *bytes = receive_frame(sock, AI_FRAME_STEP, &given, sizeof given);
	if (!bytes)
		return false;
	struct ai_answer a = { .waits = AI_BUF(AI_MAX_FRAME) };
	double began = now_s();
	a.code = run_given(w, &given, bytes, &a);
	a.seconds = now_s() - began;
	answer(sock, &a, &w->step);
	ai_answer_done(&a);
	forget_step(w);
	return true;
}

static bool
greet(struct place *w, int sock)
{
	struct ai_hello_frame hello;
	AI_FREE char *bytes = receive_frame(sock, AI_FRAME_HELLO, &hello, sizeof hello);
	const char *p = bytes;
	if (!bytes)
		return false;
	w->job.home.cache = take_text(&p, hello.n_cache);
	w->job.home.data = take_text(&p, hello.n_data);
	w->job.project = take_text(&p, hello.n_project);
	w->options.fresh = hello.fresh;
	w->options.jobs = hello.jobs;
	return w->job.home.cache && w->job.home.data && w->job.project;
}

/* As long as there is somebody to work for. */
static _Noreturn void
work(int sock, void (*ready)(void))
{
	static struct place w;
	struct sigaction act = { .sa_handler = heard_signal };
	sigset_t none;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_DFL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	w.talk = (struct ai_talk){ .say = say_on, .ctx = &sock, .step = step_on };
	w.options.talk = &w.talk;
	w.job = (struct ai_job){ .opt = &w.options, .steps = &w.step, .n_steps = 1 };
	if (ready)
		ready();
	if (greet(&w, sock))
		while (work_once(&w, sock))
			;
	ai_store_close(w.job.store);
	_exit(0);
}

/* --- the nursery ------------------------------------------------------------------------ */

/* A worker's process number, with its socket. */
static bool
send_worker(int to, pid_t pid, int sock)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec io = { .iov_base = &pid, .iov_len = sizeof pid };
	struct msghdr head = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&head);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof sock);
	memcpy(CMSG_DATA(c), &sock, sizeof sock);
	return sendmsg(to, &head, MSG_NOSIGNAL) == (ssize_t)sizeof pid;
}

_Noreturn void
ai_nurse(int sock, void (*ready)(void))
{
	/* A worker that is told to stop before it can listen hears of it then; ignored, as the nursery does, it would be lost. */
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	ai_cgroup_head(getppid());
	for (char ask; ai_frame_receive(sock, &ask, 1);) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			_exit(1);
		pid_t pid = fork();
		if (pid == 0) {
			close(sock);
			close(pair[0]);
			work(pair[1], ready);
		}
		if (pid < 0 || !send_worker(sock, pid, pair[0]))
			_exit(1);
		close(pair[0]);
		close(pair[1]);
	}
	_exit(0);
}

