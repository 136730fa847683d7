/* progress.c -- see progress.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/talk.h"
#include "cli/progress_view.h"

enum { MAX_FRAME = 1 << 20, MAX_ROWS = 512, ENOUGH_ABOVE = 1 << 18 };
#define BETWEEN_S 0.1

typedef enum frame_type { FRAME_SAY, FRAME_STEP, FRAME_END } frame_type;

struct frame {
	frame_type type;
	int kind;
	uint64_t done, total, index; /* of a step: total steps */
	double seconds;
	bool has_why;
	uint32_t n_step, n_text;     /* of a step: why, or what it printed */
};

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the process that draws ------------------------------------------------------ */

struct drawer {
	struct ai_view view;
	struct ai_buf in, out;
	size_t columns[MAX_ROWS], rows;  /* of what is shown */
	double drawn;
	bool ended, dirty;
};

static volatile sig_atomic_t continued, resized;

static void
on_signal(int sig)
{
	continued = continued || sig == SIGCONT;
	resized = 1;
}

static void
window(size_t *width, size_t *height)
{
	struct winsize size;
	bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
	*width = known && size.ws_col > 1 ? size.ws_col : 80;
	*height = known && size.ws_row > 2 ? size.ws_row : 24;
	if (*height > MAX_ROWS)
		*height = MAX_ROWS;
}

/* The cursor stands where the view's last line begins. A terminal that became narrower has broken its lines anew. */
static void
put_clear(struct drawer *d, size_t width)
{
	size_t up = 0;
	for (size_t i = 0; i + 1 < d->rows; i++)
		up += d->columns[i] ? (d->columns[i] + width - 1) / width : 1;
	if (d->rows == 0)
		return;
	if (up)
		ai_buf_printf(&d->out, "\r\033[%zuA\033[J", up);
	else
		ai_buf_puts(&d->out, "\r\033[J");
	d->rows = 0;
}

static bool
put_out(struct drawer *d)
{
	struct ai_buf *b = &d->out;
	size_t at = 0;
	while (at < b->len) {
		ssize_t n = write(STDERR_FILENO, b->data + at, b->len - at);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	ai_buf_clear(b);
	return true;
}

/* What was said, and below it the view; the last one is not drawn. */
static bool
draw(struct drawer *d, bool last)
{
	size_t width, height;
	window(&width, &height);
	/* The shell has written below the view while we were stopped: it stays where it is. */
	if (continued)
		d->rows = 0;
	continued = resized = 0;
	put_clear(d, width);
	if (d->view.above.len)
		ai_buf_put(&d->out, d->view.above.data, d->view.above.len);
	ai_buf_clear(&d->view.above);
	if (!last)
		d->rows = ai_view_draw(&d->view, width - 1, height - 1, &d->out, d->columns);
	/* The terminal itself shows ^C where the cursor is: at the end of a full line that would take a line more. */
	if (d->rows)
		ai_buf_putc(&d->out, '\r');
	d->drawn = d->view.now;
	d->dirty = false;
	return put_out(d);
}

static void
take_frame(struct drawer *d, const struct frame *f, char *step, const char *text)
{
	/* Texts came with a NUL each. */
	if (f->type == FRAME_SAY) {
		ai_view_say(&d->view, f->kind, text, f->kind == AI_TALK_LOG ? f->n_text - 1 : f->done, f->total);
	} else if (f->type == FRAME_STEP) {
		bool logs = f->kind == AICERT_STEP_LOGS;
		ai_view_step(&d->view, &(aicert_step_event){ .kind = f->kind, .step = step, .why = f->has_why ? text : NULL, .index = f->index,
			.total = f->total, .seconds = f->seconds, .bytes = logs ? text : NULL, .n = logs ? f->n_text - 1 : 0 });
	} else {
		d->ended = true;
	}
	d->dirty = true;
}

static void
take_frames(struct drawer *d)
{
	size_t at = 0;
	struct frame f;
	while (d->in.len - at >= sizeof f) {
		memcpy(&f, d->in.data + at, sizeof f);
		size_t n = sizeof f + f.n_step + f.n_text;
		if (d->in.len - at < n)
			break;
		char *step = d->in.data + at + sizeof f;
		take_frame(d, &f, step, step + f.n_step);
		at += n;
	}
	memmove(d->in.data, d->in.data + at, d->in.len - at);
	d->in.len -= at;
}

/* False when nobody writes any more. */
static bool
hear(struct drawer *d, int fd)
{
	char chunk[1 << 16];
	ssize_t n = read(fd, chunk, sizeof chunk);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	d->view.now = now_s();
	ai_buf_put(&d->in, chunk, (size_t)n);
	if (d->in.state != AI_BUF_GOOD)
		return false;
	take_frames(d);
	return n > 0 && !d->ended;
}

static void
run_drawer(int fd, bool verbose)
{
	const char *no = getenv("NO_COLOR");
	struct drawer d = { .in = AI_BUF(2 * MAX_FRAME), .out = AI_BUF(AI_MAX_TEXT) };
	ai_view_init(&d.view, verbose, !(no && *no), now_s());
	for (bool more = true; more;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		double since = now_s() - d.drawn;
		/* Times go on by themselves; what is new waits until the last drawing could be seen. */
		double wait = d.dirty ? BETWEEN_S - since : 1 - since;
		int r = poll(&p, 1, wait <= 0 ? 0 : (int)(wait * 1000) + 1);
		if (r > 0)
			more = hear(&d, fd);
		d.view.now = now_s();
		since = d.view.now - d.drawn;
		if (!more || resized || d.view.above.len > ENOUGH_ABOVE || since >= (d.dirty ? BETWEEN_S : 1))
			more = draw(&d, !more) && more;
	}
	ai_view_done(&d.view);
	ai_buf_done(&d.in);
	ai_buf_done(&d.out);
}

/* --- the side that tells ------------------------------------------------------------ */

struct ai_live {
	pid_t pid;
	int fd;
	struct ai_buf out;
	double sent;
};

bool
ai_live_possible(void)
{
	const char *term = getenv("TERM");
	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* Ctrl-C is for who tells us: the pipe's end is our signal. */
static _Noreturn void
be_drawer(int fd, bool verbose)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		signal(ours[i], SIG_IGN);
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGCONT, &sa, NULL);
	sigaction(SIGWINCH, &sa, NULL);
	run_drawer(fd, verbose);
	_exit(0);
}

struct ai_live *
ai_live_start(bool verbose)
{
	int fds[2];
	struct ai_live *l = ai_calloc(1, sizeof *l);
	if (!l || pipe2(fds, O_CLOEXEC) < 0) {
		free(l);
		return NULL;
	}
	*l = (struct ai_live){ .fd = fds[1], .out = AI_BUF(4 * MAX_FRAME) };
	l->pid = fork();
	if (l->pid == 0) {
		close(fds[1]);
		be_drawer(fds[0], verbose);
	}
	close(fds[0]);
	if (l->pid > 0)
		return l;
	close(l->fd);
	free(l);
	return NULL;
}

/* A drawer that died hears nothing: what the run does goes on all the same. */
static void
tell(struct ai_live *l)
{
	for (size_t at = 0; at < l->out.len;) {
		ssize_t n = write(l->fd, l->out.data + at, l->out.len - at);
		if (n < 0 && errno != EINTR)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	ai_buf_clear(&l->out);
	l->sent = now_s();
}

static void
put_frame(struct ai_live *l, struct frame *f, const char *step, const char *text, size_t n)
{
	size_t most = MAX_FRAME / 4;
	n = n < most ? n : most;
	f->n_step = step ? (uint32_t)strlen(step) + 1 : 0;
	f->n_text = (uint32_t)n + 1;
	ai_buf_put(&l->out, f, sizeof *f);
	if (step)
		ai_buf_put(&l->out, step, f->n_step);
	if (n)
		ai_buf_put(&l->out, text, n);
	ai_buf_putc(&l->out, '\0');
}

void
ai_live_say(struct ai_live *l, int kind, const char *text, unsigned long long done, unsigned long long total)
{
	struct frame f = { .type = FRAME_SAY, .kind = kind, .done = done, .total = total };
	/* Nobody sees more of them than are drawn. */
	if (kind == AI_TALK_PROGRESS && now_s() - l->sent < BETWEEN_S / 2 && !(total && done >= total))
		return;
	put_frame(l, &f, NULL, text, kind == AI_TALK_LOG ? done : strlen(text));
	tell(l);
}

void
ai_live_step(struct ai_live *l, const aicert_step_event *e)
{
	struct frame f = { .type = FRAME_STEP, .kind = e->kind, .total = e->total, .index = e->index, .seconds = e->seconds, .has_why = e->why != NULL };
	bool logs = e->kind == AICERT_STEP_LOGS;
	for (size_t at = 0, n; logs && at < e->n; at += n) {
		n = e->n - at < 1 << 16 ? e->n - at : 1 << 16;
		put_frame(l, &f, e->step, e->bytes + at, n);
		tell(l);
	}
	if (!logs)
		put_frame(l, &f, e->step, e->why, e->why ? strlen(e->why) : 0);
	/* A hundred thousand steps that are reused are told in few writes. */
	if (e->kind != AICERT_STEP_IS_REUSED || l->out.len > MAX_FRAME / 4 || now_s() - l->sent > BETWEEN_S)
		tell(l);
}

void
ai_live_stop(struct ai_live *l)
{
	if (!l)
		return;
	struct frame f = { .type = FRAME_END };
	put_frame(l, &f, NULL, "", 0);
	tell(l);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	close(l->fd);
	ai_buf_done(&l->out);
	free(l);
}
