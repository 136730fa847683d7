/* index.c -- see index.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/pip/index.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fs.h"
#include "base/path.h"
#include "fetch/http.h"

#define MAX_FILE (16ull << 30)
#define MAX_FILES 2000000 /* links in all; a page is answered from what is known of it, so asking again adds none */
/* A client that says nothing, or takes nothing, for this long is not pip. */
#define PATIENCE_S 30

/* One linked file; where its bytes are once somebody asked for them. */
struct file {
	struct ai_link link;
	size_t index;                /* of options.indexes: whose login may go with it */
	bool here;
	struct ai_digest sha256;
	uint64_t size;
};

struct page {
	size_t index;
	char *project;
	size_t first, n;             /* its files */
	bool there;
};

struct ai_index {
	struct ai_index_options opt;
	struct file *files; size_t n_files, cap_files;
	struct page *pages; size_t n_pages, cap_pages;
	int listener;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	struct ai_err first;         /* the first error that is not pip's to see past */
};

int
ai_index_new(const struct ai_index_options *options, struct ai_index **out, struct ai_err *err)
{
	struct ai_index *x = ai_calloc(1, sizeof *x);
	if (!x)
		return ai_nomem(err);
	x->opt = *options;
	x->listener = -1;
	if (!x->opt.max_file)
		x->opt.max_file = MAX_FILE;
	*out = x;
	return 0;
}

void
ai_index_free(struct ai_index *x)
{
	if (!x)
		return;
	struct ai_err ignored = { 0 };
	(void)!ai_index_stop(x, &ignored);
	for (size_t i = 0; i < x->n_files; i++)
		ai_link_done(&x->files[i].link);
	for (size_t i = 0; i < x->n_pages; i++)
		free(x->pages[i].project);
	free(x->files);
	free(x->pages);
	free(x);
}

/* --- sinks: a page into memory, a file into the folder ---------------------------- */

struct landing {
	struct ai_buf *page;         /* or: */
	int fd;
	struct ai_sha sha;
	uint64_t size;
};

static int
land_begin(void *ctx, void **obj, struct ai_err *err)
{
	struct landing *l = ctx;
	*obj = l;
	l->size = 0;
	if (l->page)
		ai_buf_clear(l->page);
	else if (ftruncate(l->fd, 0) < 0 || lseek(l->fd, 0, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot write a downloaded file");
	return ai_sha_init(&l->sha, err);
}

static int
land_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	struct landing *l = obj;
	l->size += n;
	ai_sha_add(&l->sha, p, n);
	if (l->page) {
		ai_buf_put(l->page, p, n);
		return ai_buf_ok(l->page, "page", err);
	}
	return ai_write_all(l->fd, p, n, "downloaded file", err);
}

static int
land_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct landing *l = obj;
	(void)err;
	ai_sha_end(&l->sha, out);
	if (size_out)
		*size_out = l->size;
	return 0;
}

static void
land_abort(void *obj)
{
	ai_sha_done(&((struct landing *)obj)->sha);
}

static struct ai_sink
landing_sink(struct landing *l)
{
	return (struct ai_sink){ .ctx = l, .begin = land_begin, .write = land_write, .commit = land_commit, .abort = land_abort };
}

/* --- what is asked of the indexes ----------------------------------------------------- */

static char *
file_path(const struct ai_index *x, size_t k)
{
	return ai_format("%s/%zu", x->opt.folder, k);
}

static int
fetch_file(struct ai_index *x, size_t k, struct ai_err *err)
{
	struct file *f = &x->files[k];
	if (f->here)
		return 0;
	AI_FREE char *path = file_path(x, k);
	AI_FREE char *url = ai_url_with_login(f->link.url, x->opt.indexes->url[f->index]);
	if (!path || !url)
		return ai_nomem(err);
	AI_FD fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot create", path);
	struct landing l = { .fd = fd };
	struct ai_sink sink = landing_sink(&l);
	struct ai_http_request q = { .url = url, .sha256 = f->link.hashed ? &f->link.sha256 : NULL, .size = -1, .partial = x->opt.partial,
		.max = x->opt.max_file, .stop = &x->stop, .ca = x->opt.ca };
	if (ai_http_get(&q, &sink, &f->sha256, &f->size, err) < 0)
		return err->code;
	f->here = true;
	return 0;
}

static struct page *
page_known(struct ai_index *x, size_t index, const char *project)
{
	for (size_t i = 0; i < x->n_pages; i++)
		if (x->pages[i].index == index && strcmp(x->pages[i].project, project) == 0)
			return &x->pages[i];
	return NULL;
}

/* A page's bytes: 1 there, 0 the index has no such project. */
static int
fetch_page(struct ai_index *x, const char *url, struct ai_buf *html, struct ai_err *err)
{
	static const char *const accept[] = { "Accept: text/html, application/vnd.pypi.simple.v1+html" };
	struct landing l = { .page = html };
	struct ai_sink sink = landing_sink(&l);
	struct ai_http_request q = { .url = url, .headers = accept, .n_headers = 1, .size = -1, .partial = x->opt.partial, .max = AI_MAX_PAGE,
		.stop = &x->stop, .ca = x->opt.ca };
	struct ai_digest id;
	uint64_t size;
	if (ai_http_get(&q, &sink, &id, &size, err) == 0)
		return 1;
	if (!strstr(err->text, "is gone"))
		return err->code;
	*err = (struct ai_err){ 0 };
	return 0;
}

/* Takes over the links. */
static int
add_files(struct ai_index *x, size_t index, struct ai_link *links, size_t n, struct ai_err *err)
{
	size_t taken = 0;
	int r = x->n_files + n > MAX_FILES ? ai_fail(err, AI_EINPUT, "the indexes link to more than %d files", MAX_FILES) : 0;
	for (; r == 0 && taken < n; taken++) {
		r = ai_grow(&x->files, &x->cap_files, x->n_files, sizeof *x->files, err);
		if (r < 0)
			break;
		x->files[x->n_files++] = (struct file){ .link = links[taken], .index = index };
	}
	for (size_t i = taken; i < n; i++)
		ai_link_done(&links[i]);
	free(links);
	return r;
}

/* Links to files of other projects than the page's are nothing that pip would look at. */
static size_t
only_of(const char *project, struct ai_link *links, size_t n)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		AI_FREE char *of = ai_file_project(links[i].name);
		if (of && strcmp(of, project) == 0)
			links[k++] = links[i];
		else
			ai_link_done(&links[i]);
	}
	return k;
}

static int
load_page(struct ai_index *x, size_t index, const char *project, struct page **out, struct ai_err *err)
{
	const char *base = x->opt.indexes->url[index];
	AI_FREE char *shown = ai_url_public(base);
	/* A query of the index's own URL would come between it and the project: pip knows none there either. */
	AI_FREE char *url = ai_format("%.*s%s%s/", (int)strcspn(base, "?#"), base, base[strcspn(base, "?#") - 1] == '/' ? "" : "/", project);
	AI_BUF_AUTO html = AI_BUF(AI_MAX_PAGE);
	struct ai_link *links = NULL;
	size_t n = 0;
	if (!shown || !url)
		return ai_nomem(err);
	int r = fetch_page(x, url, &html, err);
	if (r == 1 && ai_index_page_links(html.data ? html.data : "", html.len, url, &links, &n, err) < 0)
		r = err->code;
	if (r < 0)
		return ai_in(err, "index '%s'", shown);
	n = only_of(project, links, n);
	struct page p = { .index = index, .first = x->n_files, .n = n, .there = r == 1 };
	if (add_files(x, index, links, n, err) < 0 || ai_grow(&x->pages, &x->cap_pages, x->n_pages, sizeof *x->pages, err) < 0)
		return err->code;
	if (!(p.project = ai_strdup(project)))
		return ai_nomem(err);
	x->pages[x->n_pages] = p;
	*out = &x->pages[x->n_pages++];
	return 0;
}

static bool
may_see(void *ctx, const struct ai_link *l)
{
	const struct ai_index *x = ctx;
	if (l->kind == AI_LINK_WHEEL || x->opt.all_sdists)
		return true;
	AI_FREE char *project = ai_file_project(l->name);
	for (size_t i = 0; project && x->opt.sdists && x->opt.sdists[i]; i++)
		if (strcmp(x->opt.sdists[i], project) == 0)
			return true;
	return false;
}

/* --- answers ------------------------------------------------------------------------------- */

static bool
send_all(int fd, const void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = send(fd, (const char *)p + done, n - done, MSG_NOSIGNAL);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		done += (size_t)k;
	}
	return true;
}

static bool
answer_head(int fd, int status, const char *type, uint64_t size)
{
	AI_BUF_AUTO b = AI_BUF(1024);
	ai_buf_printf(&b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %llu\r\nConnection: close\r\n\r\n", status,
		status == 200 ? "OK" : "No", type, (unsigned long long)size);
	return b.state == AI_BUF_GOOD && send_all(fd, b.data, b.len);
}

static void
answer_bytes(int fd, int status, const char *type, const struct ai_buf *body)
{
	if (answer_head(fd, status, type, body->len) && body->len)
		(void)send_all(fd, body->data, body->len);
}

static void
answer_status(int fd, int status)
{
	(void)answer_head(fd, status, "text/plain", 0);
}

static void
answer_file(int fd, const char *path, uint64_t size)
{
	AI_FD in = open(path, O_RDONLY | O_CLOEXEC);
	if (in < 0 || !answer_head(fd, 200, "application/octet-stream", size))
		return;
	for (uint64_t left = size; left > 0;) {
		ssize_t k = sendfile(fd, in, NULL, left < 1u << 30 ? (size_t)left : 1u << 30);
		if (k <= 0 && !(k < 0 && errno == EINTR))
			return;
		left -= k > 0 ? (uint64_t)k : 0;
	}
}

static int
serve_project(struct ai_index *x, int fd, const struct ai_index_request *q, struct ai_err *err)
{
	AI_FREE char *project = ai_project_name(q->project, strlen(q->project));
	if (!project)
		return ai_nomem(err);
	if (q->number >= x->opt.indexes->n) {
		answer_status(fd, 404);
		return 0;
	}
	struct page *p = page_known(x, q->number, project);
	if (!p && load_page(x, q->number, project, &p, err) < 0)
		return err->code;
	if (!p->there) {
		answer_status(fd, 404);
		return 0;
	}
	AI_BUF_AUTO body = AI_BUF(2 * AI_MAX_PAGE);
	AI_FREE struct ai_link *links = ai_calloc(p->n, sizeof *links);
	if (!links)
		return ai_nomem(err);
	for (size_t i = 0; i < p->n; i++)
		links[i] = x->files[p->first + i].link;
	ai_index_page_write(links, p->n, p->first, may_see, x, &body);
	if (ai_buf_ok(&body, "page", err) < 0)
		return err->code;
	answer_bytes(fd, 200, "text/html", &body);
	return 0;
}

static int
serve_metadata(struct ai_index *x, int fd, size_t k, struct ai_err *err)
{
	const struct file *f = &x->files[k];
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	AI_FREE char *url = ai_url_with_login(f->link.url, x->opt.indexes->url[f->index]);
	size_t n = url ? strcspn(url, "?") : 0;
	AI_FREE char *beside = url ? ai_format("%.*s.metadata%s", (int)n, url, url + n) : NULL;
	if (!beside)
		return ai_nomem(err);
	struct landing l = { .page = &text };
	struct ai_sink sink = landing_sink(&l);
	struct ai_http_request q = { .url = beside, .sha256 = f->link.metadata_hashed ? &f->link.metadata_sha256 : NULL, .size = -1,
		.partial = x->opt.partial, .max = AI_MAX_TEXT, .stop = &x->stop, .ca = x->opt.ca };
	struct ai_digest id;
	uint64_t size;
	if (ai_http_get(&q, &sink, &id, &size, err) < 0)
		return err->code;
	answer_bytes(fd, 200, "text/plain", &text);
	return 0;
}

static int
serve(struct ai_index *x, int fd, const struct ai_index_request *q, struct ai_err *err)
{
	if (!q->get) {
		answer_status(fd, 405);
		return 0;
	}
	if (q->what == AI_ASK_PROJECT)
		return serve_project(x, fd, q, err);
	bool known = (q->what == AI_ASK_FILE || q->what == AI_ASK_METADATA) && q->number < x->n_files && may_see(x, &x->files[q->number].link);
	if (!known) {
		answer_status(fd, 404);
		return 0;
	}
	if (q->what == AI_ASK_METADATA)
		return serve_metadata(x, fd, q->number, err);
	AI_FREE char *path = file_path(x, q->number);
	if (!path)
		return ai_nomem(err);
	if (fetch_file(x, q->number, err) < 0)
		return err->code;
	answer_file(fd, path, x->files[q->number].size);
	return 0;
}

/* --- the server ------------------------------------------------------------------------------ */

/* The head of a request: 1 read, 0 the client is not pip. */
static int
read_request(int fd, struct ai_index_request *q)
{
	AI_BUF_AUTO head = AI_BUF(AI_MAX_REQUEST + 1);
	char chunk[4096];
	struct ai_err malformed = { 0 };
	for (;;) {
		ssize_t n = recv(fd, chunk, sizeof chunk, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		ai_buf_put(&head, chunk, (size_t)n);
		if (head.state != AI_BUF_GOOD)
			return 0;
		int r = ai_index_request(head.data, head.len, q, &malformed);
		if (r != 0)
			return r > 0;
	}
}

static void
serve_connection(struct ai_index *x, int fd)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct ai_index_request q;
	struct ai_err err = { 0 };
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (!read_request(fd, &q)) {
		answer_status(fd, 400);
		return;
	}
	if (serve(x, fd, &q, &err) == 0)
		return;
	if (!x->first.code)
		x->first = err;
	answer_status(fd, 502);
}

static void *
serve_all(void *ctx)
{
	struct ai_index *x = ctx;
	while (!atomic_load(&x->stop)) {
		struct pollfd p = { .fd = x->listener, .events = POLLIN };
		if (poll(&p, 1, 100) <= 0)
			continue;
		AI_FD fd = accept4(x->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) {
			if (p.revents & (POLLERR | POLLHUP | POLLNVAL))
				break;
			continue;
		}
		serve_connection(x, fd);
	}
	return NULL;
}

int
ai_index_listen(void *ctx, int fd, struct ai_err *err)
{
	struct ai_index *x = ctx;
	if (x->running) {
		close(fd);
		return ai_fail(err, AI_EENV, "index: it is served already");
	}
	x->listener = fd;
	atomic_store(&x->stop, false);
	int e = pthread_create(&x->thread, NULL, serve_all, x);
	if (e) {
		close(fd);
		x->listener = -1;
		errno = e;
		return ai_fail_errno(err, AI_EENV, "index: cannot start a thread");
	}
	x->running = true;
	return 0;
}

int
ai_index_stop(struct ai_index *x, struct ai_err *err)
{
	if (x->running) {
		atomic_store(&x->stop, true);
		(void)pthread_join(x->thread, NULL);
		close(x->listener);
		x->listener = -1;
		x->running = false;
		atomic_store(&x->stop, false);
	}
	if (x->first.code)
		*err = x->first;
	return x->first.code;
}

int
ai_index_file(struct ai_index *x, size_t k, struct ai_index_file *out, struct ai_err *err)
{
	if (k >= x->n_files || !may_see(x, &x->files[k].link))
		return ai_fail(err, AI_EINPUT, "pip names a file that no index linked to");
	if (fetch_file(x, k, err) < 0)
		return err->code;
	struct file *f = &x->files[k];
	struct ai_index_file got = { .name = f->link.name, .path = file_path(x, k), .uri = ai_url_public(f->link.url), .sha256 = f->sha256,
		.size = f->size };
	if (!got.path || !got.uri) {
		free(got.path);
		free(got.uri);
		return ai_nomem(err);
	}
	*out = got;
	return 0;
}

void
ai_index_offer(const struct ai_index *x, const char *project, struct ai_index_offer *out)
{
	*out = (struct ai_index_offer){ 0 };
	for (size_t i = 0; i < x->n_pages; i++) {
		const struct page *p = &x->pages[i];
		if (strcmp(p->project, project) != 0)
			continue;
		out->listed |= p->there;
		for (size_t k = 0; k < p->n; k++) {
			const struct ai_link *l = &x->files[p->first + k].link;
			if (l->kind == AI_LINK_WHEEL)
				out->wheel = l->name;
			else if (!may_see((void *)(uintptr_t)x, l))
				out->sdist = l->name;
		}
	}
}
