/*
 * agent_parts.h -- what the files of the agent share; of no interest elsewhere.
 *
 * init.c makes the machine a place to work in and ends it; modules.c loads drivers; disks.c finds what was given; shelf.c makes what stays on the
 * job disk part of the store, watch.c sees whether it can be read; job.c does the work; console.c tells people.
 *
 * Depends on: disk, cache, base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_AGENT_PARTS_H
#define AI_VM_AGENT_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/store.h"
#include "vm/agent/agent.h"
#include "vm/disk/shelf.h"

/* --- console.c: lines for people ------------------------------------------- */

/* What steps print live, in all; the rest is in their logs only. */
enum { AI_CONSOLE_LIVE = 4 << 20, AI_CONSOLE_LINE = 1000 };

struct ai_console {
	int fd;
	size_t column;        /* of a step's line that is begun; 0: none is */
	uint64_t live;        /* bytes that steps printed so far */
	bool cut;             /* they have printed more than is shown */
};

/* A talk that writes to c: "aicert: …", "| …". Control characters become '?'. What cannot be written is lost. */
struct ai_talk ai_console_talk(struct ai_console *c);

/* --- modules.c ---------------------------------------------------------------- */

/*
 * Loads the modules that folder/order lists, one relative path a line. One that is missing, or whose hardware is, is said and passed over;
 * AI_EINPUT when the list is malformed: then none is loaded.
 */
int ai_agent_modules(const char *folder, const struct ai_talk *talk, struct ai_err *err) AI_CHECKED;

/* --- disks.c ---------------------------------------------------------------- */

struct ai_agent_disks { int job, result; uint64_t job_size, result_size; };
/*
 * The disks with the serials of agent.h among the block devices that sys ("/sys/block") lists and dev ("/dev") has nodes of. Where no
 * disk has such a serial (clouds), the one that begins as a job disk, and the only one that begins with 4096 zeros. AI_EENV names what is not there.
 */
int ai_agent_find_disks(const char *sys, const char *dev, struct ai_agent_disks *out, struct ai_err *err) AI_CHECKED;
void ai_agent_disks_done(struct ai_agent_disks *d);

/* --- shelf.c ---------------------------------------------------------------- */

/*
 * The shelf of an open job disk, a block device, under the cache folder, which no store is open in yet: its objects stand in objects/, each
 * block of them checked whenever it is read, and what is written there goes into memory. folder: for the mounts' own. AI_EINPUT: the file system on
 * the disk is not the one that the index gives; a block that is not what its hash says ends the machine.
 */
int ai_agent_shelf(const struct ai_disk *d, const struct ai_shelf *s, int job, const char *folder, const char *cache, const struct ai_talk *talk,
	struct ai_err *err) AI_CHECKED;
/* Each object read once whole, and the store's if it is what it is named. */
int ai_agent_shelf_adopt(const struct ai_disk *d, const struct ai_shelf *s, struct ai_store *store, const struct ai_talk *talk,
	struct ai_err *err) AI_CHECKED;

/* --- watch.c ---------------------------------------------------------------- */

/* Does this record of the kernel's log say that a disk could not be read, or is not what it was? */
bool ai_agent_read_failed(const char *record);
/*
 * From now on, in a process of its own: such a record, or one that is lost, ends the agent and the machine. A block that is not what its hash says does so
 * by itself; but a read that the disk's other end refuses is an error to whoever reads, and one who takes it for the end of a file would be attested.
 */
int ai_agent_watch(const char *disk, const struct ai_talk *talk, struct ai_err *err) AI_CHECKED;
/*
 * To be asked before anything is attested: of a disk that was pulled out the kernel's log need not say what failed (blk_update_request is silent about
 * what is marked dead); but it never comes back. AI_EENV: it is gone.
 */
int ai_agent_disk_there(int fd, uint64_t size, struct ai_err *err) AI_CHECKED;

#endif
