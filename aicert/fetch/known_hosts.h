/*
 * known_hosts.h -- is this the key of this ssh host? (OpenSSH's known_hosts format, sshd(8) SSH_KNOWN_HOSTS)
 *
 * Names in the clear with `*`, `?` and `!`, hashed names (|1|salt|HMAC-SHA1), [host]:port, @revoked.
 * Lines that are not understood are skipped, as ssh does. @cert-authority is not supported: no line vouches for a key by it.
 *
 * Depends on: base, libcrypto.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_KNOWN_HOSTS_H
#define AI_KNOWN_HOSTS_H

#include <stddef.h>

typedef enum ai_host_verdict {
	AI_HOST_UNKNOWN,   /* no line for this host */
	AI_HOST_KNOWN,     /* a line holds this very key */
	AI_HOST_CHANGED,   /* lines for this host, none with this key */
	AI_HOST_REVOKED,
} ai_host_verdict;

/* key: the public key as it goes over the wire. port 0 = 22. */
ai_host_verdict ai_known_hosts_check(const char *text, size_t n, const char *host, unsigned port, const void *key, size_t key_len);

#endif
