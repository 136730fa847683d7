/* auth.c -- see auth.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"

extern char **environ;

void
ai_login_done(struct ai_login *l)
{
	if (l->password)
		explicit_bzero(l->password, strlen(l->password));
	free(l->user);
	free(l->password);
	*l = (struct ai_login){ NULL, NULL };
}

/* The variable's value, or NULL where it is not set or empty. */
static const char *
variable(const char *name)
{
	const char *v = getenv(name);
	return v && *v ? v : NULL;
}

static int
login_of(const char *user, const char *password, size_t n, struct ai_login *out, struct ai_err *err)
{
	struct ai_login l = { ai_strdup(user), ai_strndup(password, n) };
	if (!l.user || !l.password) {
		ai_login_done(&l);
		return ai_nomem(err);
	}
	*out = l;
	return 1;
}

/* Is this the hub, or what HF_ENDPOINT says stands for it? */
static bool
is_hub(const char *host)
{
	const char *endpoint = variable("HF_ENDPOINT"), *from = endpoint ? strstr(endpoint, "://") : NULL;
	if (strcasecmp(host, "huggingface.co") == 0)
		return true;
	size_t n = from ? strcspn(from + 3, from[3] == '[' ? "/]" : ":/") : 0;
	n += from && from[3] == '[';
	return n > 0 && strlen(host) == n && strncasecmp(host, from + 3, n) == 0;
}

/* Where `huggingface-cli login` leaves its token. */
static char *
hub_token_path(void)
{
	const char *path = variable("HF_TOKEN_PATH"), *hf = variable("HF_HOME"), *cache = variable("XDG_CACHE_HOME"), *home = variable("HOME");
	return path ? ai_strdup(path) : hf ? ai_join(hf, "token") : cache ? ai_join(cache, "huggingface/token")
		: home ? ai_join(home, ".cache/huggingface/token") : NULL;
}

static int
hub_token(struct ai_login *out, struct ai_err *err)
{
	const char *token = variable("HF_TOKEN") ? variable("HF_TOKEN") : variable("HUGGING_FACE_HUB_TOKEN");
	if (token)
		return login_of("hf", token, strlen(token), out, err);
	AI_FREE char *path = hub_token_path();
	AI_BUF_AUTO text = AI_BUF(4096);
	struct ai_err unread = { 0 };
	if (!path || ai_read_file_if(AT_FDCWD, path, &text, &unread) != 1 || text.len == 0)
		return 0;
	size_t n = strcspn(text.data, " \t\r\n");
	int r = n > 0 ? login_of("hf", text.data, n, out, err) : 0;
	explicit_bzero(text.data, text.len);
	return r;
}

int
ai_auth_token(const char *host, struct ai_login *out, struct ai_err *err)
{
	static const struct { const char *host, *user, *variable; } known[] = {
		{ "github.com", "x-access-token", "GITHUB_TOKEN" }, { "github.com", "x-access-token", "GH_TOKEN" }, { "gitlab.com", "oauth2", "GITLAB_TOKEN" },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const char *token = strcasecmp(host, known[i].host) == 0 ? variable(known[i].variable) : NULL;
		if (token)
			return login_of(known[i].user, token, strlen(token), out, err);
	}
	const char *own = variable("AICERT_GIT_TOKEN"), *own_host = variable("AICERT_GIT_TOKEN_HOST");
	if (own && own_host && strcasecmp(host, own_host) == 0)
		return login_of("x-access-token", own, strlen(own), out, err);
	return is_hub(host) ? hub_token(out, err) : 0;
}

/* --- netrc ------------------------------------------------------------------ */

/* The next word at *p, quoted or not, into fresh memory; NULL at the end. */
static char *
netrc_word(const char **p, const char *end)
{
	AI_BUF_AUTO w = AI_BUF(4096);
	const char *s = *p;
	while (s < end && strchr(" \t\r\n", *s))
		s++;
	*p = s;
	if (s == end)
		return NULL;
	bool quoted = *s == '"';
	for (s += quoted; s < end && (quoted ? *s != '"' : !strchr(" \t\r\n", *s)); s++) {
		if (*s == '\\' && quoted && s + 1 < end)
			s++;
		ai_buf_putc(&w, *s);
	}
	*p = s + (quoted && s < end);
	ai_buf_put(&w, "", 0);
	return w.state == AI_BUF_GOOD ? ai_buf_take(&w) : ai_strdup("");
}

/* A macro runs to the next empty line and is nothing to us. */
static void
skip_macro(const char **p, const char *end)
{
	const char *s = *p;
	while (s + 1 < end && !(s[0] == '\n' && s[1] == '\n'))
		s++;
	*p = s;
}

int
ai_netrc_find(const char *text, size_t n, const char *host, const char *user, struct ai_login *out, struct ai_err *err)
{
	const char *p = text, *end = text + n;
	struct ai_login now = { NULL, NULL };
	bool ours = false;
	for (;;) {
		AI_FREE char *word = netrc_word(&p, end);
		bool machine = word && strcmp(word, "machine") == 0, other = word && strcmp(word, "default") == 0;
		if (!word || machine || other) {
			if (ours && now.user && now.password && (!user || strcmp(user, now.user) == 0))
				break;
			ai_login_done(&now);
			if (!word)
				return 0;
			AI_FREE char *name = machine ? netrc_word(&p, end) : NULL;
			ours = other || (name && strcasecmp(name, host) == 0);
		} else if (strcmp(word, "macdef") == 0) {
			skip_macro(&p, end);
		} else if (strcmp(word, "login") == 0 || strcmp(word, "password") == 0) {
			char **slot = word[0] == 'l' ? &now.user : &now.password;
			free(*slot);
			*slot = netrc_word(&p, end);
		} else if (strcmp(word, "account") == 0) {
			free(netrc_word(&p, end));
		} else if (word[0] == '#') {
			while (p < end && *p != '\n')
				p++;
		}
	}
	*out = now;
	(void)err;
	return 1;
}

int
ai_auth_netrc(const char *host, const char *user, struct ai_login *out, struct ai_err *err)
{
	const char *named = getenv("NETRC"), *home = getenv("HOME");
	AI_FREE char *path = named && *named ? ai_strdup(named) : home && *home ? ai_join(home, ".netrc") : NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	struct ai_err unread = { 0 };
	if (!path || ai_read_file_if(AT_FDCWD, path, &text, &unread) != 1 || text.len == 0)
		return 0;
	int r = ai_netrc_find(text.data, text.len, host, user, out, err);
	explicit_bzero(text.data, text.len);
	return r;
}

/* --- credential helpers -------------------------------------------------------- */

/* Our environment, so that helpers work, but with every way to ask somebody closed. */
static char **
quiet_environment(void)
{
	static const char *const ours[] = { "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false", "GCM_INTERACTIVE=never" };
	enum { OURS = sizeof ours / sizeof *ours };
	size_t n = 0, k = 0;
	while (environ[n])
		n++;
	char **env = ai_calloc(n + OURS + 1, sizeof *env);
	for (size_t i = 0; env && i < n; i++) {
		bool replaced = false;
		for (size_t j = 0; j < OURS; j++)
			replaced |= strncmp(environ[i], ours[j], strcspn(ours[j], "=") + 1) == 0;
		/* These would point git at a repository, whose configuration is not the user's. */
		replaced |= strncmp(environ[i], "GIT_DIR=", 8) == 0 || strncmp(environ[i], "GIT_WORK_TREE=", 14) == 0;
		if (!replaced)
			env[k++] = environ[i];
	}
	for (size_t j = 0; env && j < OURS; j++)
		env[k++] = (char *)(uintptr_t)ours[j];
	return env;
}

/* Starts it in "/" (no repository's configuration) and a session of its own (no terminal). */
static int
spawn_helper(char *const argv[], int in, int out, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	AI_FREE char **env = quiet_environment();
	if (!env || posix_spawn_file_actions_init(&fa) != 0)
		return -1;
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	posix_spawn_file_actions_addchdir_np(&fa, "/");
	posix_spawn_file_actions_adddup2(&fa, in, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	int r = posix_spawnp(pid, argv[0], &fa, &attr, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	return r == 0 ? 0 : -1;
}

/* Reads until the end, 30 s, or an interrupt. */
static int
read_answer(int fd, struct ai_buf *b, struct ai_err *err)
{
	char chunk[4096];
	for (int tenths = 0; tenths < 300;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (ai_check_interrupt(err) < 0)
			return err->code;
		int r = poll(&p, 1, 100);
		if (r <= 0) {
			tenths++;
			continue;
		}
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		ai_buf_put(b, chunk, (size_t)n);
	}
	return 0;
}

static int
answer_login(struct ai_buf *b, struct ai_login *out, struct ai_err *err)
{
	struct ai_login l = { NULL, NULL };
	for (char *p = b->data; p && *p;) {
		size_t n = strcspn(p, "\n");
		char **slot = strncmp(p, "username=", 9) == 0 ? &l.user : strncmp(p, "password=", 9) == 0 ? &l.password : NULL;
		if (slot) {
			free(*slot);
			*slot = ai_strndup(p + 9, n - 9);
		}
		p += n + (p[n] == '\n');
	}
	if (b->data)
		explicit_bzero(b->data, b->len);
	if (!l.user || !l.password || b->state != AI_BUF_GOOD) {
		ai_login_done(&l);
		return 0;
	}
	*out = l;
	(void)err;
	return 1;
}

/* Has it ended? It stays to be waited for. */
static bool
ended(pid_t pid)
{
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid;
}

int
ai_auth_ask(char *const argv[], const char *ask, size_t n, struct ai_buf *answer, int *exit_code, struct ai_err *err)
{
	int to[2], from[2], status;
	pid_t pid;
	if (pipe2(to, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "pipe");
	AI_FD to_read = to[0], to_write = to[1];
	if (pipe2(from, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "pipe");
	AI_FD from_read = from[0], from_write = from[1];
	if (spawn_helper(argv, to_read, from_write, &pid) < 0)
		return 0;
	/* Less than a pipe holds: this neither blocks nor, as we keep the reading end, raises SIGPIPE. */
	struct ai_err lost = { 0 };
	(void)!ai_write_all(to_write, ask, n, argv[0], &lost);
	close(to_write);
	to_write = -1;
	close(from_write);
	from_write = -1;
	int r = read_answer(from_read, answer, err);
	/* One that closed its output ends now; its session and group are its own, so one that hangs goes with it. */
	for (int i = 0; r == 0 && i < 100 && !ended(pid); i++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0 || !WIFEXITED(status))
		return r;
	*exit_code = WEXITSTATUS(status);
	return 1;
}

int
ai_auth_helper(const char *scheme, const char *host, unsigned port, const char *user, struct ai_login *out, struct ai_err *err)
{
	char git[] = "git", credential[] = "credential", fill[] = "fill";
	char *const argv[] = { git, credential, fill, NULL };
	int exit_code;
	AI_BUF_AUTO ask = AI_BUF(4096);
	AI_BUF_AUTO answer = AI_BUF(64u << 10);
	ai_buf_printf(&ask, port ? "protocol=%s\nhost=%s:%u\n" : "protocol=%s\nhost=%s\n", scheme, host, port);
	if (user && !strpbrk(user, "\r\n"))
		ai_buf_printf(&ask, "username=%s\n", user);
	ai_buf_puts(&ask, "\n");
	if (ai_buf_ok(&ask, "credential request", err) < 0)
		return err->code;
	int r = ai_auth_ask(argv, ask.data, ask.len, &answer, &exit_code, err);
	return r <= 0 ? r : answer_login(&answer, out, err);
}
