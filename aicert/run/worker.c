/* worker.c -- see worker.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/worker_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So much of a worker's words is read at once: one that floods does not keep the others waiting. */
#define GULP (256u << 10)
/* How often the user's Ctrl-C is looked at when nothing else happens. */
#define TICK_MS 100

struct ai_nursery {
	pid_t pid;
	int sock;
};

struct worker {
	int sock, pidfd;        /* -1: it is gone */
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

/* 0 and the worker, or negative. */
static int
receive_worker(int from, pid_t *pid, int *sock, struct ai_err *err)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec io = { .iov_base = pid, .iov_len = sizeof *pid };
	struct msghdr head = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	ssize_t n;
	while ((n = recvmsg(from, &head, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	struct cmsghdr *c = n == (ssize_t)sizeof *pid ? CMSG_FIRSTHDR(&head) : NULL;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof *sock))
		return ai_fail(err, AI_EENV, "worker: cannot start a process");
	memcpy(sock, CMSG_DATA(c), sizeof *sock);
	return 0;
}

/*
 * Once the first worker is asked for: a program beside ours that has less memory and fewer libraries, where there is one. What is
 * meant for the group of the terminal is for the others to hear: a nursery ends when nobody can ask it any more.
 */
static _Noreturn void
become_nursery(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	char path[4096], tag[128];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	if (!(p.revents & POLLIN))
		_exit(0);
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "aicert-worker");
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n > 0) {
		memcpy(path + n, "aicert-worker", sizeof "aicert-worker");
		ai_nursery_tag(tag);
		/* dup2 of a descriptor to itself would keep it closing on exec. */
		int other = sock == AI_NURSERY_FD ? dup(sock) : sock;
		if (access(path, X_OK) == 0 && dup2(other, AI_NURSERY_FD) >= 0)
			execl(path, "aicert-worker", tag, (char *)NULL);
	}
	ai_nurse(sock, NULL);
}

int
ai_nursery_open(struct ai_nursery **out, struct ai_err *err)
{
	int pair[2];
	AI_FREE struct ai_nursery *n = ai_calloc(1, sizeof *n);
	if (!n)
		return ai_nomem(err);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return ai_fail_errno(err, AI_EENV, "worker: cannot make a socket pair");
	AI_FD theirs = pair[1];
	AI_FD ours = pair[0];
	pid_t pid = fork();
	if (pid < 0)
		return ai_fail_errno(err, AI_EENV, "worker: cannot start a process");
	if (pid == 0) {
		close(ours);
		become_nursery(theirs);
	}
	*n = (struct ai_nursery){ pid, ours };
	ours = -1;
	*out = n;
	n = NULL;
	return 0;
}

void
ai_nursery_close(struct ai_nursery *n)
{
	if (!n)
		return;
	close(n->sock);
	while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(n);
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
start_one(const struct ai_workers *w, unsigned jobs, struct worker *one, struct ai_err *err)
{
	const struct ai_job *job = w->job;
	const struct ai_hello_frame hello = { (unsigned)strlen(job->home.cache), (unsigned)strlen(job->home.data), (unsigned)strlen(job->project), jobs,
		job->opt->fresh };
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_TEXT);
	AI_FD sock = -1;
	pid_t pid;
	ai_buf_put(&bytes, &hello, sizeof hello);
	ai_buf_puts(&bytes, job->home.cache);
	ai_buf_puts(&bytes, job->home.data);
	ai_buf_puts(&bytes, job->project);
	if (ai_buf_ok(&bytes, "worker", err) < 0)
		return err->code;
	int asked = send(job->nursery->sock, "", 1, MSG_NOSIGNAL) == 1 ? receive_worker(job->nursery->sock, &pid, &sock, err) :
		ai_fail_errno(err, AI_EENV, "worker: cannot start a process");
	if (asked < 0)
		return asked;
	/* It lives as long as we hold its socket, so the number is still its own. */
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return ai_fail_errno(err, AI_EENV, "worker: cannot watch its process");
	*one = (struct worker){ .sock = sock, .pidfd = pidfd, .step = NO_STEP, .in = AI_BUF(AI_MAX_FRAME), .waits = AI_BUF(AI_MAX_FRAME) };
	sock = -1;
	(void)ai_frame_send(one->sock, AI_FRAME_HELLO, bytes.data, bytes.len, NULL, 0);
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
	for (; w->n < n; w->n++) {
		if (start_one(w, n, &w->all[w->n], err) < 0) {
			ai_workers_stop(w);
			return err->code;
		}
	}
	*out = w;
	return 0;
}

/* Takes a dead or dying worker away; its process is gone then. */
static void
bury(struct worker *one)
{
	struct pollfd p = { .fd = one->pidfd, .events = POLLIN };
	close(one->sock);
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	close(one->pidfd);
	ai_buf_done(&one->in);
	ai_buf_done(&one->waits);
	*one = (struct worker){ .sock = -1, .pidfd = -1, .step = NO_STEP };
}

static void
signal_worker(const struct worker *one, int sig)
{
	(void)syscall(SYS_pidfd_send_signal, one->pidfd, sig, NULL, 0);
}

void
ai_workers_stop(struct ai_workers *w)
{
	if (!w)
		return;
	/* Who has nothing to do tidies up and goes. */
	for (unsigned i = 0; i < w->n; i++)
		if (w->all[i].sock >= 0 && w->all[i].step == NO_STEP)
			(void)shutdown(w->all[i].sock, SHUT_RDWR);
		else if (w->all[i].sock >= 0)
			signal_worker(&w->all[i], SIGKILL);
	for (unsigned i = 0; i < w->n; i++)
		if (w->all[i].sock >= 0)
			bury(&w->all[i]);
	free(w->all);
	free(w);
}

unsigned
ai_workers_idle(const struct ai_workers *w)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->n; i++)
		n += w->all[i].sock >= 0 && w->all[i].step == NO_STEP;
	return n;
}

unsigned
ai_workers_alive(const struct ai_workers *w)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->n; i++)
		n += w->all[i].sock >= 0;
	return n;
}

/* --- the job's side ------------------------------------------------------------------ */

/* Of a recipe what a worker asks for: whether its source is made by another step (run/pip/requirements.h). */
static json_t *
short_recipe(const json_t *recipe)
{
	AI_JSON *inputs = json_array();
	size_t i;
	json_t *in;
	json_array_foreach(ai_json_arr(recipe, "inputs"), i, in)
		if (strcmp(ai_json_str(in, "path"), "/workspace/src") == 0)
			json_array_append(inputs, in);
	return json_pack("{s:O}", "inputs", inputs);
}

/* Appends the canonical bytes of a value; how many. */
static unsigned
put_json(struct ai_buf *b, const json_t *j, struct ai_err *err)
{
	size_t before = b->len;
	return !j || ai_canon(j, b, err) < 0 ? 0 : (unsigned)(b->len - before);
}

static int
step_bytes(const struct ai_job_step *s, struct ai_step_frame *f, struct ai_buf *b, struct ai_err *err)
{
	AI_JSON *recipe = short_recipe(s->recipe);
	f->n_name = (unsigned)strlen(s->name);
	ai_buf_puts(b, s->name);
	f->n_checkpoint = s->spec->checkpoint ? (unsigned)strlen(s->spec->checkpoint) : 0;
	ai_buf_puts(b, s->spec->checkpoint ? s->spec->checkpoint : "");
	f->n_environment = put_json(b, s->environment, err);
	f->n_recipe = put_json(b, recipe, err);
	f->n_node = put_json(b, s->step, err);
	if (err->code)
		return err->code;
	return f->n_environment && f->n_recipe && f->n_node ? ai_buf_ok(b, "step", err) : ai_nomem(err);
}

int
ai_workers_give(struct ai_workers *w, size_t step, struct ai_err *err)
{
	const struct ai_job_step *s = &w->job->steps[step];
	struct ai_step_frame given = { .step = step, .id = s->id, .limits = s->spec->limits };
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	if (step_bytes(s, &given, &bytes, err) < 0)
		return err->code;
	for (unsigned i = 0; i < w->n; i++) {
		struct worker *one = &w->all[i];
		if (one->sock < 0 || one->step != NO_STEP)
			continue;
		/* One that is dead meanwhile is found so by ai_workers_wait. */
		one->step = step;
		(void)ai_frame_send(one->sock, AI_FRAME_STEP, &given, sizeof given, bytes.data, bytes.len);
		return 0;
	}
	return ai_fail(err, AI_EENV, "internal: no worker is idle");
}

static int
take_answer(const struct worker *one, const char *p, size_t n, struct ai_answer *out, struct ai_err *err)
{
	struct ai_answer_frame f;
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
hand_on(const struct ai_workers *w, const struct worker *one, const struct ai_frame *head, const char *p)
{
	const struct ai_talk *talk = w->job->opt->talk;
	struct ai_say_frame say;
	if (head->kind == AI_FRAME_LOG)
		ai_say_step(talk, &(struct ai_step_event){ .kind = AI_STEP_LOGS, .step = w->job->steps[one->step].name, .index = one->step,
			.total = w->job->n_steps, .bytes = p, .n = head->n });
	if (head->kind != AI_FRAME_SAY || head->n < sizeof say || !talk || !talk->say)
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
	struct ai_frame head;
	while (r == 0 && one->step != NO_STEP && one->in.len - at >= sizeof head) {
		memcpy(&head, one->in.data + at, sizeof head);
		if (head.kind > AI_FRAME_ANSWER || head.n > AI_MAX_FRAME)
			return ai_fail(err, AI_EENV, "internal: worker: what it says is none of its words");
		if (one->in.len - at - sizeof head < head.n)
			break;
		const char *p = one->in.data + at + sizeof head;
		at += sizeof head + head.n;
		if (head.kind == AI_FRAME_WAITS) {
			ai_buf_put(&one->waits, p, head.n);
			r = ai_buf_ok(&one->waits, "worker", err);
		} else if (head.kind == AI_FRAME_ANSWER) {
			r = take_answer(one, p, head.n, out, err) < 0 ? err->code : 1;
			if (r == 1)
				one->waits = AI_BUF(AI_MAX_FRAME);
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
	*out = (struct ai_answer){ .step = one->step, .code = AI_EENV, .failure = ai_strdup("its worker was killed") };
	ai_fail(&out->err, AI_EENV, "step '%s': its worker was killed", job->steps[one->step].name);
	ai_hint(&out->err, "the kernel does so where memory runs out (dmesg says so): fewer at once (-j), or 'memory' in the steps' 'limits'");
	bury(one);
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
			bury(one);
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
		if (w->all[i].sock >= 0 && w->all[i].step != NO_STEP && !w->all[i].told) {
			w->all[i].told = true;
			signal_worker(&w->all[i], SIGTERM);
		}
}

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
ai_workers_wait(struct ai_workers *w, double until_s, struct ai_answer *out, struct ai_err *err)
{
	AI_FREE struct pollfd *p = ai_calloc(w->n, sizeof *p);
	if (!p)
		return ai_nomem(err);
	for (;;) {
		tell_to_stop(w);
		bool any = false;
		for (unsigned i = 0; i < w->n; i++) {
			p[i] = (struct pollfd){ .fd = w->all[i].sock, .events = POLLIN };
			any = any || w->all[i].step != NO_STEP;
		}
		if (!any)
			return ai_fail(err, AI_EENV, "internal: no worker has a step");
		if (until_s > 0 && now_s() >= until_s)
			return 0;
		if (poll(p, w->n, TICK_MS) <= 0)
			continue;
		for (unsigned i = 0; i < w->n; i++) {
			int r = p[i].fd >= 0 && p[i].revents ? hear(w, &w->all[i], out, err) : 0;
			if (r != 0)
				return r;
		}
	}
}
