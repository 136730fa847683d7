/* worker_frames.c -- see worker_parts.h: frames through a socket.  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "run/worker_parts.h"

bool
ai_frame_send(int sock, ai_frame_kind kind, const void *a, size_t n, const void *b, size_t m)
{
	const struct ai_frame head = { kind, (unsigned)(n + m) };
	struct iovec io[3] = { { (void *)&head, sizeof head }, { (void *)a, n }, { (void *)b, m } };
	struct msghdr msg = { .msg_iov = io, .msg_iovlen = 3 };
	for (size_t left = sizeof head + n + m; left > 0;) {
		ssize_t sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		left -= (size_t)sent;
		for (size_t i = 0; i < 3; i++) {
			size_t part = (size_t)sent < io[i].iov_len ? (size_t)sent : io[i].iov_len;
			io[i] = (struct iovec){ (char *)io[i].iov_base + part, io[i].iov_len - part };
			sent -= (ssize_t)part;
		}
	}
	return true;
}

bool
ai_frame_receive(int sock, void *to, size_t n)
{
	for (size_t have = 0; have < n;) {
		ssize_t got = recv(sock, (char *)to + have, n - have, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	return true;
}

void
ai_nursery_tag(char out[128])
{
	snprintf(out, 128, "%s-%zu-%zu-%zu-%zu-%zu", AICERT_VERSION, sizeof(struct ai_hello_frame), sizeof(struct ai_step_frame),
		sizeof(struct ai_answer_frame), sizeof(struct ai_talk), sizeof(struct ai_frame));
}
