/* git_auth.c -- who we are and who they are: callbacks of libgit2 (git.h).  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/path.h"
#include "fetch/auth.h"
#include "fetch/git.h"
#include "fetch/known_hosts.h"

/* The ways to log in, in the order in which they are tried; each once. */
enum way { WAY_URL, WAY_TOKEN, WAY_NETRC, WAY_HELPER, WAY_AGENT, WAY_KEY_ED25519, WAY_KEY_ECDSA, WAY_KEY_RSA };

static bool
first_time(struct ai_git_link *l, enum way way)
{
	bool first = !(l->tried & 1u << way);
	l->tried |= 1u << way;
	return first;
}

static const char *
login_name(const struct ai_git_url *url)
{
	const struct passwd *pw = url->user ? NULL : getpwuid(geteuid());
	return url->user ? url->user : pw ? pw->pw_name : "git";
}

static int
refuse(struct ai_git_link *l, int code)
{
	git_error_set_str(GIT_ERROR_CALLBACK, l->said.text);
	return code;
}

/* A login for http(s): 0 with *out, GIT_PASSTHROUGH when there is none left, else refused. */
static int
plain_login(struct ai_git_link *l, git_credential **out)
{
	const struct ai_git_url *u = l->url;
	const char *scheme = u->scheme == AI_GIT_HTTPS ? "https" : "http";
	struct ai_login login = { NULL, NULL };
	int found = 0, r;
	if (u->password && first_time(l, WAY_URL))
		return git_credential_userpass_plaintext_new(out, u->user, u->password);
	/* A token goes over TLS only, and only to the host that it is for. */
	if (u->scheme == AI_GIT_HTTPS && first_time(l, WAY_TOKEN))
		found = ai_auth_token(u->host, &login, &l->said);
	if (found == 1 && u->user) {
		r = git_credential_userpass_plaintext_new(out, u->user, login.password);
		ai_login_done(&login);
		return r;
	}
	if (found == 0 && first_time(l, WAY_NETRC))
		found = ai_auth_netrc(u->host, u->user, &login, &l->said);
	if (found == 0 && first_time(l, WAY_HELPER))
		found = ai_auth_helper(scheme, u->host, u->port, u->user, &login, &l->said);
	if (found < 0)
		return refuse(l, GIT_EUSER);
	if (found == 0)
		return GIT_PASSTHROUGH;
	r = git_credential_userpass_plaintext_new(out, login.user, login.password);
	ai_login_done(&login);
	return r;
}

static int
key_login(struct ai_git_link *l, const char *user, git_credential **out)
{
	static const struct { enum way way; const char *file; } keys[] = {
		{ WAY_KEY_ED25519, "id_ed25519" }, { WAY_KEY_ECDSA, "id_ecdsa" }, { WAY_KEY_RSA, "id_rsa" },
	};
	const char *agent = getenv("SSH_AUTH_SOCK"), *home = getenv("HOME");
	if (agent && *agent && first_time(l, WAY_AGENT))
		return git_credential_ssh_key_from_agent(out, user);
	for (size_t i = 0; home && i < sizeof keys / sizeof *keys; i++) {
		AI_FREE char *private = ai_format("%s/.ssh/%s", home, keys[i].file);
		if (private && first_time(l, keys[i].way) && access(private, R_OK) == 0)
			return git_credential_ssh_key_new(out, user, NULL, private, NULL);
	}
	return GIT_PASSTHROUGH;
}

static const char *
login_hint(const struct ai_git_url *u)
{
	return u->scheme == AI_GIT_SSH ? "load a key into ssh-agent that the server accepts (keys with a passphrase are used from the agent only)" :
		"set up a git credential helper, ~/.netrc, or a token variable (GITHUB_TOKEN, GITLAB_TOKEN, HF_TOKEN, AICERT_GIT_TOKEN)";
}

int
ai_git_credentials(git_credential **out, const char *url, const char *user, unsigned allowed, void *link)
{
	struct ai_git_link *l = link;
	(void)url;
	int r = GIT_PASSTHROUGH;
	if (allowed & GIT_CREDENTIAL_USERNAME)
		return git_credential_username_new(out, login_name(l->url));
	if (allowed & GIT_CREDENTIAL_SSH_KEY)
		r = key_login(l, user ? user : login_name(l->url), out);
	else if (l->url->scheme == AI_GIT_SSH && l->url->password && first_time(l, WAY_URL) && allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT)
		r = git_credential_userpass_plaintext_new(out, l->url->user, l->url->password);
	else if (l->url->scheme != AI_GIT_SSH && allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT)
		r = plain_login(l, out);
	if (r != GIT_PASSTHROUGH)
		return r;
	ai_fail(&l->said, AI_EINPUT, "git: '%s': %s", l->url->shown, l->tried ? "the login is refused" : "needs a login and there is none");
	ai_hint(&l->said, "%s", login_hint(l->url));
	return refuse(l, GIT_EUSER);
}

/* The key's fingerprint as ssh shows it: SHA256: and base64 without padding. */
static void
fingerprint(const git_cert_hostkey *key, struct ai_buf *out)
{
	struct ai_digest d;
	ai_sha256(key->hostkey, key->hostkey_len, &d);
	ai_buf_puts(out, "SHA256:");
	ai_b64_put(out, d.b, sizeof d.b);
	while (out->len && out->data[out->len - 1] == '=')
		out->data[--out->len] = '\0';
}

/* One file's word on the key; a file that cannot be read says nothing. */
static ai_host_verdict
ask_file(const char *path, const struct ai_git_url *u, const git_cert_hostkey *key)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	struct ai_err unread = { 0 };
	if (!path || ai_read_file_if(AT_FDCWD, path, &text, &unread) != 1 || !text.data)
		return AI_HOST_UNKNOWN;
	return ai_known_hosts_check(text.data, text.len, u->host, u->port, key->hostkey, key->hostkey_len);
}

static int
check_host_key(struct ai_git_link *l, const git_cert_hostkey *key)
{
	const struct ai_git_url *u = l->url;
	const char *home = getenv("HOME");
	if (!(key->type & GIT_CERT_SSH_RAW)) {
		ai_fail(&l->said, AI_EENV, "git: '%s': the server showed no host key", u->shown);
		return refuse(l, GIT_ECERTIFICATE);
	}
	AI_FREE char *own = home ? ai_join(home, ".ssh/known_hosts") : NULL;
	ai_host_verdict mine = ask_file(own, u, key), all = ask_file("/etc/ssh/ssh_known_hosts", u, key);
	if (mine != AI_HOST_REVOKED && all != AI_HOST_REVOKED && (mine == AI_HOST_KNOWN || all == AI_HOST_KNOWN))
		return 0;
	AI_BUF_AUTO shown = AI_BUF(256);
	fingerprint(key, &shown);
	bool unknown = mine == AI_HOST_UNKNOWN && all == AI_HOST_UNKNOWN;
	bool revoked = mine == AI_HOST_REVOKED || all == AI_HOST_REVOKED;
	ai_fail(&l->said, AI_EINPUT, "git: '%s': host key %s %s", u->shown, shown.data ? shown.data : "",
		unknown ? "is not in ~/.ssh/known_hosts" : revoked ? "is revoked in known_hosts" : "is not the one in known_hosts: somebody may be in between");
	if (unknown && u->port)
		ai_hint(&l->said, "compare the fingerprint with the server's, then: ssh-keyscan -p %u %s >> ~/.ssh/known_hosts", u->port, u->host);
	else if (unknown)
		ai_hint(&l->said, "compare the fingerprint with the server's, then: ssh-keyscan %s >> ~/.ssh/known_hosts", u->host);
	return refuse(l, GIT_ECERTIFICATE);
}

int
ai_git_certificate(git_cert *cert, int valid, const char *host, void *link)
{
	struct ai_git_link *l = link;
	if (cert->cert_type == GIT_CERT_HOSTKEY_LIBSSH2)
		return check_host_key(l, (const git_cert_hostkey *)cert);
	if (valid)
		return 0;
	ai_fail(&l->said, AI_EENV, "git: '%s': the certificate of '%s' is not valid for it or not from a trusted authority", l->url->shown, host);
	ai_hint(&l->said, "set SSL_CERT_FILE to a bundle that holds the authority's certificate");
	return refuse(l, GIT_ECERTIFICATE);
}
