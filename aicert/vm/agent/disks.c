/* disks.c -- which of the machine's disks the job is on, and which the result goes to (agent_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "vm/agent/agent_parts.h"

enum { BLOCK = 4096 };

/* A block device by the name that /sys/block gives it, and what is known of it. */
struct disk {
	char *path;
	char serial[64];
	bool given, blank;    /* it begins as a job disk; with zeros */
};

struct disks {
	struct disk *list;
	size_t n, cap;
};

static void
disks_done(struct disks *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->list[i].path);
	free(d->list);
}

/* virtio says its serial at one place, NVMe at another; "" where there is none. */
static void
read_serial(const char *sys, const char *name, char *out, size_t room)
{
	static const char *const places[] = { "serial", "device/serial" };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct ai_err none = { 0 };
		AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
		AI_FREE char *path = ai_format("%s/%s/%s", sys, name, places[i]);
		if (!path || ai_read_file_if(AT_FDCWD, path, &text, &none) <= 0)
			continue;
		size_t n = strcspn(text.data ? text.data : "", " \n");
		if (n >= room)
			continue;
		memcpy(out, text.data ? text.data : "", n);
		out[n] = '\0';
		return;
	}
}

/*
 * How it begins says which disk is meant, and nothing more: what is on it is read again, and measured, when it is opened as a job. A
 * disk without a serial of ours is not written to unless it is blank.
 */
static void
look(struct disk *d)
{
	static const char job[32] = "aicert disk v1\n\0job";
	static const char zeros[BLOCK];
	char begin[BLOCK];
	AI_FD fd = open(d->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, begin, sizeof begin, 0) != (ssize_t)sizeof begin)
		return;
	d->given = memcmp(begin, job, sizeof job) == 0;
	d->blank = memcmp(begin, zeros, sizeof begin) == 0;
}

static int
list_disks(const char *sys, const char *dev, struct disks *out, struct ai_err *err)
{
	DIR *d = opendir(sys);
	int r = d ? 0 : ai_fail_errno(err, AI_EENV, "%s: cannot list", sys);
	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		if (e->d_name[0] == '.' || strncmp(e->d_name, "loop", 4) == 0 || strncmp(e->d_name, "ram", 3) == 0)
			continue;
		r = ai_grow(&out->list, &out->cap, out->n, sizeof *out->list, err);
		if (r < 0)
			break;
		struct disk *disk = &out->list[out->n++];
		*disk = (struct disk){ .path = ai_join(dev, e->d_name) };
		if (!disk->path)
			r = ai_nomem(err);
		read_serial(sys, e->d_name, disk->serial, sizeof disk->serial);
	}
	if (d)
		closedir(d);
	return r;
}

/* The only disk of which is() holds. */
static int
pick(const struct disks *d, const char *what, bool (*is)(const struct disk *disk, const char *serial), const char *serial, const struct disk **out,
	struct ai_err *err)
{
	*out = NULL;
	for (size_t i = 0; i < d->n; i++) {
		if (!is(&d->list[i], serial))
			continue;
		if (*out)
			return ai_fail(err, AI_EENV, "disks: %s and %s both could be the %s disk", (*out)->path, d->list[i].path, what);
		*out = &d->list[i];
	}
	return 0;
}

static bool by_serial(const struct disk *d, const char *serial) { return strcmp(d->serial, serial) == 0; }
static bool is_given(const struct disk *d, const char *serial) { (void)serial; return d->given; }
static bool is_blank(const struct disk *d, const char *serial) { (void)serial; return d->blank; }

static int
find(const struct disks *d, const char *what, const char *serial, bool (*alike)(const struct disk *, const char *), const struct disk **out,
	struct ai_err *err)
{
	if (pick(d, what, by_serial, serial, out, err) < 0 || (!*out && pick(d, what, alike, serial, out, err) < 0))
		return err->code;
	return *out ? 0 : ai_fail(err, AI_EENV, "disks: none of %zu is the %s disk ('%s')", d->n, what, serial);
}

static int
open_disk(const struct disk *d, int flags, int *fd, uint64_t *size, struct ai_err *err)
{
	struct stat st;
	AI_FD f = open(d->path, flags | O_CLOEXEC);
	if (f < 0 || fstat(f, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", d->path);
	*size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(f, BLKGETSIZE64, size) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot tell its size", d->path);
	*fd = f;
	f = -1;
	return 0;
}

static int
choose(struct disks *d, const char *sys, const char *dev, struct ai_agent_disks *out, struct ai_err *err)
{
	const struct disk *job, *result;
	if (list_disks(sys, dev, d, err) < 0)
		return err->code;
	for (size_t i = 0; i < d->n; i++)
		look(&d->list[i]);
	if (find(d, "job", AI_AGENT_JOB_SERIAL, is_given, &job, err) < 0 || find(d, "result", AI_AGENT_RESULT_SERIAL, is_blank, &result, err) < 0)
		return err->code;
	if (job == result)
		return ai_fail(err, AI_EENV, "disks: %s is the job disk and the result disk", job->path);
	return open_disk(job, O_RDONLY, &out->job, &out->job_size, err) < 0 ? err->code : open_disk(result, O_RDWR, &out->result, &out->result_size, err);
}

int
ai_agent_find_disks(const char *sys, const char *dev, struct ai_agent_disks *out, struct ai_err *err)
{
	struct ai_agent_disks found = { .job = -1, .result = -1 };
	struct disks d = { 0 };
	int r = choose(&d, sys, dev, &found, err);
	disks_done(&d);
	if (r < 0)
		ai_agent_disks_done(&found);
	else
		*out = found;
	return r;
}

void
ai_agent_disks_done(struct ai_agent_disks *d)
{
	ai_close_fd(&d->job);
	ai_close_fd(&d->result);
	*d = (struct ai_agent_disks){ .job = -1, .result = -1 };
}
