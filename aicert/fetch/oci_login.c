/* oci_login.c -- see oci_login.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/oci_login.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "fetch/auth.h"
#include "fetch/oci_text.h"

enum { MAX_SECRET = 64 << 10 };

static const char hub_key[] = "https://index.docker.io/v1/";

static void
forget(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void
ai_oci_login_done(struct ai_oci_login *l)
{
	forget(&l->user);
	forget(&l->password);
	forget(&l->identity);
}

/* --- which entry of a file ----------------------------------------------------------- */

static bool
same_host(const char *key, size_t n, const char *registry)
{
	static const char *const hub[] = { "docker.io", "index.docker.io", "registry-1.docker.io" };
	if (strlen(registry) == n && strncasecmp(key, registry, n) == 0)
		return true;
	for (size_t i = 0; strcmp(registry, "docker.io") == 0 && i < sizeof hub / sizeof *hub; i++)
		if (strlen(hub[i]) == n && strncasecmp(key, hub[i], n) == 0)
			return true;
	return false;
}

/* How exactly does the key name the repository? 0 not at all; "quay.io/org" is nearer to quay.io/org/x than "quay.io" is. */
static size_t
names(const char *key, const char *registry, const char *repository)
{
	const char *host = strncasecmp(key, "https://", 8) == 0 ? key + 8 : strncasecmp(key, "http://", 7) == 0 ? key + 7 : key;
	size_t n = strcspn(host, "/");
	if (!same_host(host, n, registry))
		return 0;
	const char *path = host + n + (host[n] == '/');
	if (host != key || !*path || strncmp(path, "v1", 2) == 0 || strncmp(path, "v2", 2) == 0)
		return 1;
	size_t k = strlen(path);
	return strncmp(repository, path, k) == 0 && (repository[k] == '/' || !repository[k]) ? 1 + k : 0;
}

/* "user:password" in base64, as people and programs write it. */
static int
split_auth(const char *auth, struct ai_oci_login *out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(MAX_SECRET);
	AI_BUF_AUTO plain = AI_BUF(MAX_SECRET);
	struct ai_err bad;
	for (const char *p = auth; *p; p++)
		if (!strchr(" \t\r\n", *p))
			ai_buf_putc(&text, *p);
	if (text.len == 0 || text.state != AI_BUF_GOOD || ai_b64_get(text.data, text.len, &plain, &bad) < 0 || plain.len == 0)
		return 0;
	const char *colon = memchr(plain.data, ':', plain.len);
	bool good = colon && strlen(plain.data) == plain.len;
	if (good) {
		out->user = ai_strndup(plain.data, (size_t)(colon - plain.data));
		out->password = ai_strdup(colon + 1);
	}
	explicit_bzero(text.data, text.len);
	explicit_bzero(plain.data, plain.len);
	return !good ? 0 : out->user && out->password ? 1 : ai_nomem(err);
}

/* A password of the user "<token>" is an identity token. */
static int
made_of(const char *user, const char *password, struct ai_oci_login *out, struct ai_err *err)
{
	if (strcmp(user, "<token>") == 0) {
		out->identity = ai_strdup(password);
		return out->identity ? 1 : ai_nomem(err);
	}
	out->user = ai_strdup(user);
	out->password = ai_strdup(password);
	return out->user && out->password ? 1 : ai_nomem(err);
}

static int
entry_login(const json_t *entry, struct ai_oci_login *out, struct ai_err *err)
{
	const char *identity = ai_json_str(entry, "identitytoken"), *auth = ai_json_str(entry, "auth");
	const char *user = ai_json_str(entry, "username"), *password = ai_json_str(entry, "password");
	struct ai_oci_login l = { NULL, NULL, NULL };
	int r = 0;
	if (identity && *identity)
		r = made_of("<token>", identity, &l, err);
	else if (auth && *auth)
		r = split_auth(auth, &l, err);
	else if (user && *user && password)
		r = made_of(user, password, &l, err);
	if (r == 1)
		*out = l;
	else
		ai_oci_login_done(&l);
	return r;
}

int
ai_oci_login_auths(const json_t *file, const char *registry, const char *repository, struct ai_oci_login *out, struct ai_err *err)
{
	struct ai_oci_login best = { NULL, NULL, NULL };
	size_t rank = 0;
	const char *key;
	json_t *entry;
	json_object_foreach(ai_json_obj(file, "auths"), key, entry) {
		struct ai_oci_login l = { NULL, NULL, NULL };
		size_t named = names(key, registry, repository);
		int r = named > rank ? entry_login(entry, &l, err) : 0;
		if (r < 0) {
			ai_oci_login_done(&best);
			return r;
		}
		if (r == 1) {
			ai_oci_login_done(&best);
			best = l;
			rank = named;
		}
	}
	if (rank)
		*out = best;
	return rank > 0;
}

const char *
ai_oci_login_helper(const json_t *file, const char *registry, const char *repository)
{
	const char *key, *name = NULL;
	json_t *value;
	size_t rank = 0;
	json_object_foreach(ai_json_obj(file, "credHelpers"), key, value) {
		size_t named = names(key, registry, repository);
		if (named > rank && json_string_value(value)) {
			name = json_string_value(value);
			rank = named;
		}
	}
	name = name ? name : ai_json_str(file, "credsStore");
	/* A name, not a path: the program is looked for on PATH. */
	return name && *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0' ? name : NULL;
}

/* --- the helper ---------------------------------------------------------------------------- */

static int
ask_helper(const char *name, const char *registry, const struct ai_talk *talk, struct ai_oci_login *out, struct ai_err *err)
{
	AI_FREE char *program = ai_format("docker-credential-%s", name);
	char get[] = "get";
	char *const argv[] = { program, get, NULL };
	const char *ask = strcmp(registry, "docker.io") == 0 ? hub_key : registry;
	AI_BUF_AUTO answer = AI_BUF(MAX_SECRET);
	AI_JSON *j = NULL;
	struct ai_err bad;
	int exit_code;
	if (!program)
		return ai_nomem(err);
	int r = ai_auth_ask(argv, ask, strlen(ask), &answer, &exit_code, err);
	if (r == 0)
		ai_say(talk, AI_TALK_NOTE, "%s, which the login file names, cannot be run or does not end", program);
	/* One that has no login says so by its exit code. */
	if (r <= 0 || exit_code != 0 || answer.len == 0 || answer.state != AI_BUF_GOOD)
		return r < 0 ? r : 0;
	r = ai_oci_json(answer.data, answer.len, "helper", &j, &bad) < 0 ? 0 : 1;
	explicit_bzero(answer.data, answer.len);
	const char *user = ai_json_str(j, "Username"), *secret = ai_json_str(j, "Secret");
	return r && user && *user && secret ? made_of(user, secret, out, err) : 0;
}

/* --- the files ------------------------------------------------------------------------------ */

static int
login_of_file(const char *path, const char *registry, const char *repository, const struct ai_talk *talk, struct ai_oci_login *out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_AICERTFILE);
	AI_JSON *j = NULL;
	struct ai_err bad = { 0 };
	int r = ai_read_file_if(AT_FDCWD, path, &text, &bad);
	/* What is wrong in it is not shown: it could be a piece of a password. */
	if (r < 0 || (r == 1 && text.len > 0 && ai_oci_json(text.data, text.len, "login file", &j, &bad) < 0))
		ai_say(talk, AI_TALK_NOTE, "%s: cannot be read as a file of logins: passed over", path);
	if (text.len > 0)
		explicit_bzero(text.data, text.len);
	const char *helper = j ? ai_oci_login_helper(j, registry, repository) : NULL;
	r = helper ? ask_helper(helper, registry, talk, out, err) : 0;
	return r != 0 || !j ? r : ai_oci_login_auths(j, registry, repository, out, err);
}

/* $variable/rest, else home/fallback/rest; NULL when neither is set. */
static char *
place_of(const char *variable, const char *fallback, const char *rest)
{
	const char *v = getenv(variable), *home = getenv("HOME");
	if (v && *v)
		return *rest ? ai_join(v, rest) : ai_strdup(v);
	return fallback && home && *home ? ai_format("%s/%s/%s", home, fallback, rest) : NULL;
}

int
ai_oci_login(const char *registry, const char *repository, const struct ai_talk *talk, struct ai_oci_login *out, struct ai_err *err)
{
	static const struct { const char *variable, *fallback, *rest; } files[] = {
		{ "REGISTRY_AUTH_FILE", NULL, "" }, { "XDG_RUNTIME_DIR", NULL, "containers/auth.json" },
		{ "XDG_CONFIG_HOME", ".config", "containers/auth.json" }, { "DOCKER_CONFIG", ".docker", "config.json" },
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		AI_FREE char *path = place_of(files[i].variable, files[i].fallback, files[i].rest);
		int r = path ? login_of_file(path, registry, repository, talk, out, err) : 0;
		if (r != 0)
			return r;
	}
	return 0;
}
