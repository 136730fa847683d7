/* known.c -- what the file-hash cache knows of a stat, without opening anything (store.h).  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cache/inside.h"
#include "cache/store.h"

int
ai_store_known_hash(struct ai_store *s, const struct stat *st, struct ai_digest *out, struct ai_err *err)
{
	struct ai_file_key key;
	ai_file_key(st, &key);
	return ai_batch_hash_of(s, &key, out) ? 1 : ai_filehash_get(s->db, &key, out, err);
}

int
ai_store_learn_names(struct ai_store *s, const char *path, const struct stat *before, const struct timespec *began,
	const struct ai_digest *names, struct ai_err *err)
{
	struct stat st;
	struct ai_file_key was, is;
	AI_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	ai_file_key(before, &was);
	ai_file_key(&st, &is);
	if (!ai_file_key_eq(&was, &is) || ai_stamp_is_racy(&st, began, ai_stamps_trusted(fd)))
		return 0;
	return ai_batch_hash(s, &is, names, err);
}
