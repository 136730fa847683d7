/*
 * vm_inside_unit.h -- a job's disk, good as it is, and the machine that takes it in.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_INSIDE_UNIT_H
#define AI_VM_INSIDE_UNIT_H

#include "vm_job_unit.h"

static struct project project;
static int good_fd;
static uint64_t good_bytes;

/* Takes a disk into a store of its own, as the machine does. */
struct inside { char *dir, *aside; struct ai_home home; struct ai_store *store; struct ai_unpacked u; };

static inline void
inside_done(struct inside *in)
{
	ai_unpacked_done(&in->u);
	ai_store_close(in->store);
	ai_home_done(&in->home);
	ok(ai_remove_tree(AT_FDCWD, in->dir, &err));
	free(in->dir);
	free(in->aside);
}

static inline void
enter(struct inside *in)
{
	*in = (struct inside){ 0 };
	ok(ai_mkdtemp("/tmp/aicert-inside", &in->dir, &err));
	in->aside = ai_join(in->dir, "aside");
	char *home = ai_join(in->dir, "home");
	ok(ai_home_find(home, &in->home, &err));
	ok(ai_store_open(&in->home, &in->store, &err));
	free(home);
}

static inline int
unpack(int fd, struct inside *in, struct ai_err *err)
{
	struct ai_disk *d = NULL;
	enter(in);
	int r = ai_disk_open(fd, size_of(fd), "job", NULL, NULL, &d, err);
	if (r == 0)
		r = ai_job_unpack(d, in->store, in->aside, NULL, NULL, &in->u, err);
	ai_disk_close(d);
	/* What lay aside is gone, whatever happened. */
	assert_false(ai_exists(in->aside));
	if (r < 0) {
		assert_null(in->u.plan);
		assert_int_equal(in->u.n_sources, 0);
	}
	return r;
}

static inline int
inside_setup(void **state)
{
	(void)state;
	struct ai_digest header;
	make_project(&project);
	plan_project(&project, project.aside);
	struct ai_job_pack in = pack_of(&project);
	good_fd = scratch_file();
	ok(ai_job_pack(&in, good_fd, 64u << 20, &header, &good_bytes, &err));
	return 0;
}

static inline int
inside_teardown(void **state)
{
	(void)state;
	close(good_fd);
	remove_project(&project);
	return 0;
}

#endif
