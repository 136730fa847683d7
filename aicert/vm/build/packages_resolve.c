/*
 * packages_resolve.c -- what apt would fetch for an empty system (packages.h).
 *
 * apt-get is asked with an empty dpkg status and caches of its own, so that neither what is installed here counts nor anything of the machine's
 * is touched; its sources, keys and lists are the machine's (lists of our own where the machine has none). No hook of the machine's runs.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "vm/build/packages.h"

enum { MAX_ARGS = 96, MAX_SAID = 8 << 20 };

/* The arguments of one call; strings are ours. */
struct call {
	char *argv[MAX_ARGS + 1];
	size_t n;
	bool nomem;
};

static void
call_done(struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->argv[i]);
}

#define CALL_AUTO __attribute__((cleanup(call_done))) struct call

static void
put(struct call *c, char *owned)
{
	if (!owned || c->n == MAX_ARGS) {
		c->nomem = true;
		free(owned);
		return;
	}
	c->argv[c->n++] = owned;
}

static void
put_text(struct call *c, const char *s)
{
	put(c, ai_strdup(s));
}

static const char config[] =
	"#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
	"#clear DPkg::Pre-Install-Pkgs;\n#clear APT::Architectures;\n"
	"APT::Architecture \"amd64\";\nAPT::Architectures { \"amd64\"; };\nAPT::Install-Recommends \"false\";\nAPT::Install-Suggests \"false\";\n"
	"Acquire::ForceHash \"SHA256\";\nAcquire::Languages \"none\";\nDebug::NoLocking \"true\";\nAPT::Sandbox::User \"root\";\n"
	"Dir::Cache::pkgcache \"pkgcache.bin\";\nDir::Cache::srcpkgcache \"srcpkgcache.bin\";\nAPT::Get::List-Cleanup \"false\";\n";

/* Folders and files that apt wants below scratch. */
static int
prepare(const char *scratch, struct ai_err *err)
{
	static const char *const folders[] = { "archives/partial", "lists/partial" };
	AI_FREE char *status = ai_join(scratch, "status");
	AI_FREE char *conf = ai_join(scratch, "apt.conf");
	if (!status || !conf)
		return ai_nomem(err);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		AI_FREE char *path = ai_join(scratch, folders[i]);
		if (!path)
			return ai_nomem(err);
		if (ai_mkdirs(path, 0700, err) < 0)
			return err->code;
	}
	return ai_write_file(AT_FDCWD, status, "", 0, 0600, err) < 0 ? err->code : ai_write_file(AT_FDCWD, conf, config, sizeof config - 1, 0600, err);
}

static void
begin(struct call *c, const char *scratch, bool own_lists)
{
	put_text(c, "apt-get");
	put_text(c, "-qq");
	put_text(c, "-c");
	put(c, ai_join(scratch, "apt.conf"));
	put_text(c, "-o");
	put(c, ai_format("Dir::State::status=%s/status", scratch));
	put_text(c, "-o");
	put(c, ai_format("Dir::State::extended_states=%s/extended_states", scratch));
	put_text(c, "-o");
	put(c, ai_format("Dir::Cache=%s", scratch));
	put_text(c, "-o");
	put(c, ai_format("Dir::Cache::archives=%s/archives", scratch));
	if (own_lists) {
		put_text(c, "-o");
		put(c, ai_format("Dir::State::lists=%s/lists", scratch));
	}
}

/* --- the process ------------------------------------------------------------------ */

/* PATH, a locale whose messages can be read, and how to reach the network. Entries are borrowed. */
static char **
environment(void)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy" };
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	size_t n = 0, k = 0;
	while (environ[n])
		n++;
	char **env = ai_calloc(n + 3, sizeof *env);
	if (!env)
		return NULL;
	env[k++] = path;
	env[k++] = locale;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < sizeof proxies / sizeof *proxies; j++)
			if (strncasecmp(environ[i], proxies[j], strlen(proxies[j])) == 0 && environ[i][strlen(proxies[j])] == '=')
				env[k++] = environ[i];
	return env;
}

static int
start(struct call *c, int out, int errors, pid_t *pid, struct ai_err *err)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	AI_FREE char **env = environment();
	if (!env || c->nomem || posix_spawn_file_actions_init(&fa) != 0)
		return ai_nomem(err);
	posix_spawnattr_init(&attr);
	/* A session of its own: no question on our terminal, and Ctrl-C is ours to pass on. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, errors, 2);
	int r = posix_spawnp(pid, c->argv[0], &fa, &attr, c->argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	errno = r;
	if (r == ENOENT) {
		ai_fail(err, AI_EENV, "apt-get: is not on this machine, and finds the runner's packages");
		return ai_hint(err, "use a Debian 12, or give the pins file of a release: --pins FILE");
	}
	return r ? ai_fail_errno(err, AI_EENV, "apt-get: cannot start") : 0;
}

/* Both outputs until they end. */
static int
listen_to(int out, int errors, struct ai_buf *said, struct ai_buf *complaints, struct ai_err *err)
{
	struct pollfd p[2] = { { .fd = out, .events = POLLIN }, { .fd = errors, .events = POLLIN } };
	struct ai_buf *to[2] = { said, complaints };
	char chunk[1 << 14];
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (ai_check_interrupt(err) < 0)
			return err->code;
		if (poll(p, 2, 200) <= 0)
			continue;
		for (int i = 0; i < 2; i++) {
			ssize_t n = p[i].fd >= 0 && p[i].revents ? read(p[i].fd, chunk, sizeof chunk) : -2;
			if (n > 0)
				ai_buf_put(to[i], chunk, (size_t)n);
			else if (n == 0 || (n == -1 && errno != EINTR))
				p[i].fd = -1;
		}
	}
	return 0;
}

static const char full[] = "No space left on device";

/* The first line with an "E: ", or the last there is, without its end. */
static const char *
complaint(struct ai_buf *b)
{
	char *first = b->data ? strstr(b->data, "E: ") : NULL;
	first = first ? first + 3 : b->data;
	if (!first || !*first)
		return "it did not say why";
	first[strcspn(first, "\n")] = '\0';
	return first;
}

/* Runs it to its end: 0, AI_EENV with what it complained of, AI_EINTR. */
static int
run(struct call *c, struct ai_buf *said, struct ai_err *err)
{
	int out[2], errors[2], status = 0;
	pid_t pid;
	AI_BUF_AUTO complaints = AI_BUF(MAX_SAID);
	if (pipe2(out, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "pipe");
	AI_FD from = out[0], to = out[1];
	if (pipe2(errors, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "pipe");
	AI_FD errors_from = errors[0], errors_to = errors[1];
	if (start(c, to, errors_to, &pid, err) < 0)
		return err->code;
	close(to);
	close(errors_to);
	to = errors_to = -1;
	int r = listen_to(from, errors_from, said, &complaints, err);
	if (r < 0)
		(void)kill(-pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		const char *said_so = complaint(&complaints);
		ai_fail(err, AI_EENV, "apt-get: %.600s", said_so);
		return strstr(said_so, full) ? ai_hint(err, "free some space, or set AICERT_HOME to a folder on a larger disk") : err->code;
	}
	return ai_buf_ok(said, "apt-get", err);
}

/* --- what is asked ------------------------------------------------------------------- */

struct asked {
	const char *scratch;
	const struct ai_wanted *wanted; size_t n;
	bool own_lists;
	json_t *packages;   /* the result */
};

/* Adds what was listed for this use, of those whose names keep matches (NULL: all). */
static int
add(struct asked *a, const json_t *listed, const char *keep, const char *use, struct ai_err *err)
{
	size_t i, j, kept = 0;
	json_t *p, *old;
	json_array_foreach(listed, i, p) {
		json_t *there = NULL;
		const char *name = ai_json_str(p, "name");
		if (keep && !ai_glob(keep, name))
			continue;
		kept++;
		json_array_foreach(a->packages, j, old)
			if (strcmp(ai_json_str(old, "name"), name) == 0)
				there = old;
		if (!there && (json_array_append(a->packages, p) < 0 || json_object_set_new(p, "for", json_string(use)) < 0))
			return ai_nomem(err);
		if (there && strcmp(ai_json_str(there, "for"), use) != 0 && json_object_set_new(there, "for", json_string("both")) < 0)
			return ai_nomem(err);
		if (there && strcmp(ai_json_str(there, "sha256"), ai_json_str(p, "sha256")) != 0)
			return ai_fail(err, AI_EENV, "apt-get: package '%s': got version %s beside %s", name, ai_json_str(p, "version"), ai_json_str(there, "version"));
	}
	return kept ? 0 : ai_fail(err, AI_EENV, "apt-get: the distribution has no package '%s'", keep ? keep : "?");
}

/* What comes with wanted[only], or (only == n) with all of this use that come whole. */
static int
ask(struct asked *a, const char *use, size_t only, struct ai_err *err)
{
	CALL_AUTO c = { .n = 0 };
	AI_BUF_AUTO said = AI_BUF(MAX_SAID);
	AI_JSON *listed = json_array();
	begin(&c, a->scratch, a->own_lists);
	put_text(&c, "--print-uris");
	put_text(&c, "install");
	size_t names = c.n;
	for (size_t i = 0; i < a->n; i++)
		if (only == a->n ? !a->wanted[i].keep && strcmp(a->wanted[i].use, use) == 0 : i == only)
			put_text(&c, a->wanted[i].name);
	if (c.n == names && !c.nomem)
		return 0;
	if (!listed)
		return ai_nomem(err);
	if (run(&c, &said, err) < 0 || ai_packages_listed(said.data ? said.data : "", said.len, listed, err) < 0)
		return err->code;
	return add(a, listed, only == a->n ? NULL : a->wanted[only].keep, use, err);
}

static int
ask_all(struct asked *a, struct ai_err *err)
{
	json_array_clear(a->packages);
	for (size_t i = 0; i < a->n; i++)
		if (a->wanted[i].keep && ask(a, a->wanted[i].use, i, err) < 0)
			return err->code;
	return ask(a, "runtime", a->n, err) < 0 ? err->code : ask(a, "compiler", a->n, err);
}

static int
update(struct asked *a, struct ai_err *err)
{
	CALL_AUTO c = { .n = 0 };
	AI_BUF_AUTO said = AI_BUF(MAX_SAID);
	a->own_lists = true;
	begin(&c, a->scratch, true);
	put_text(&c, "update");
	return run(&c, &said, err);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(ai_json_str(*(json_t *const *)a, "name"), ai_json_str(*(json_t *const *)b, "name"));
}

static int
sorted(const json_t *packages, json_t *out, struct ai_err *err)
{
	size_t n = json_array_size(packages);
	AI_FREE json_t **list = ai_calloc(n, sizeof *list);
	if (!list || !out)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++)
		list[i] = json_array_get(packages, i);
	qsort(list, n, sizeof *list, by_name);
	for (size_t i = 0; i < n; i++)
		if (json_array_append(out, list[i]) < 0)
			return ai_nomem(err);
	return 0;
}

int
ai_packages_resolve(const struct ai_wanted *wanted, size_t n, const char *scratch, const struct ai_talk *talk, json_t **pins, struct ai_err *err)
{
	AI_JSON *packages = json_array();
	AI_JSON *list = json_array();
	struct asked a = { .scratch = scratch, .wanted = wanted, .n = n, .packages = packages };
	struct ai_err first = { 0 };
	if (!packages || !list)
		return ai_nomem(err);
	if (prepare(scratch, err) < 0)
		return ai_in(err, "apt-get");
	ai_say(talk, AI_TALK_STAGE, "resolve the runner's packages (apt-get)");
	int r = ask_all(&a, &first);
	if (r == AI_EENV && strncmp(first.text, "apt-get: is not", 15) != 0 && !strstr(first.text, full)) {
		/* The machine has no lists, or lists of another day: ours are fresh. */
		ai_say(talk, AI_TALK_STAGE, "update  package lists of our own: %s", first.text);
		r = update(&a, err) < 0 ? err->code : ask_all(&a, err);
	} else if (r < 0) {
		*err = first;
	}
	if (r < 0 || sorted(packages, list, err) < 0)
		return err->code;
	json_t *made = json_pack("{s:i, s:O, s:s}", "aicert-vm-pins", 1, "packages", list, "platform", AI_PINS_PLATFORM);
	if (!made)
		return ai_nomem(err);
	*pins = made;
	return 0;
}
