/* test_confined_host.c -- a confined child does not disturb the process that it comes from: its signals, children and threads.  SPDX-License-Identifier: Apache-2.0 */
#include "confined_help.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/talk.h"

static int
fn_die(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)ctx, (void)out, (void)err;
	_exit(0);
}

static int n_signals;
static void count_signal(int s) { (void)s; n_signals++; }
static void reap_all(int s) { (void)s; while (waitpid(-1, NULL, WNOHANG) > 0) n_signals++; }

/* However the host deals with its children, answers come, deaths are deaths, and its own setup stays. */
static void
test_sigchld_of_a_host(void **state)
{
	(void)state;
	void (*const handlers[])(int) = { SIG_IGN, count_signal, reap_all };
	for (size_t i = 0; i < 3; i++) {
		struct sigaction act = { .sa_handler = handlers[i] }, old, now;
		sigaction(SIGCHLD, &act, &old);
		for (int k = 0; k < 20; k++) {
			AI_BUF_AUTO out = AI_BUF(100);
			ok(ai_confined(fn_echo, "x", &limits, &out, &err));
			AI_BUF_AUTO none = AI_BUF(100);
			refused(AI_ENO, "died", ai_confined(fn_die, NULL, &limits, &none, &err));
		}
		sigaction(SIGCHLD, &old, &now);
		assert_true(now.sa_handler == handlers[i]);
		no_child_left();
	}
	sigset_t mask;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGINT), 0);
}

/* Another child of the host is not reaped by us. */
static void
test_other_children_stay(void **state)
{
	(void)state;
	pid_t other = fork();
	int status;
	if (other == 0)
		_exit(42);
	for (int i = 0; i < 10; i++) {
		AI_BUF_AUTO out = AI_BUF(100);
		ok(ai_confined(fn_echo, "x", &limits, &out, &err));
	}
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void wish_to_stop(int s) { (void)s; ai_interrupted = 1; }

static void
test_interrupt(void **state)
{
	(void)state;
	struct sigaction act = { .sa_handler = wish_to_stop }, old;
	struct timespec from, to;
	sigaction(SIGALRM, &act, &old);
	clock_gettime(CLOCK_MONOTONIC, &from);
	alarm(1);
	fails(AI_EINTR, "interrupted", fn_loop, NULL, &limits);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ai_interrupted = 0;
	sigaction(SIGALRM, &old, NULL);
	assert_true(to.tv_sec - from.tv_sec < 4);
}

/* Not bool: UBSan's look at a bool makes gcc 12 forget that it is volatile. */
static volatile int stop;
static void *volatile churned; /* so that the compiler does not leave out malloc and free as a pair */

static void *
churn(void *p)
{
	for (size_t n = 1; !stop; n = n % 5000 + 100) {
		void *mine = malloc(n);
		churned = mine;
		free(mine);
	}
	return p;
}

static void *
confine_often(void *p)
{
	for (int i = 0; i < 20; i++) {
		AI_BUF_AUTO out = AI_BUF(100);
		struct ai_err err = { 0 };
		if (ai_confined(fn_work, NULL, &limits, &out, &err) < 0) {
			*(struct ai_err *)p = err;
			return p;
		}
	}
	return NULL;
}

/* Threads that are in malloc at the moment of the fork, and two that confine at once. */
static void
test_many_threads(void **state)
{
	(void)state;
	pthread_t churns[2], confines[2];
	struct ai_err errs[2] = { 0 };
	if (SANITIZED) /* their own malloc may be locked in the child: gcc 12's does not look at fork */
		skip();
	stop = 0;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&churns[i], NULL, churn, NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&confines[i], NULL, confine_often, &errs[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(confines[i], NULL);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(churns[i], NULL);
	assert_string_equal(errs[0].text, "");
	assert_string_equal(errs[1].text, "");
	no_child_left();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sigchld_of_a_host),
		cmocka_unit_test(test_other_children_stay),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
