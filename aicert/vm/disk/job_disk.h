/*
 * job_disk.h -- what a measured run is given: a planned job, packed outside, unpacked and re-derived inside.
 *
 * Of the container (disk.h), kind "job". about: {"plan": id, "nonce"?: text, "version": of aicert, "certificates"?: [base64 DER of the AK's chain],
 * "shelf"?: root of the hashes of what stays on the disk (shelf.h)}.
 * Objects: the plan, its sources and environments as nodes; Aicertfile, lock and rules as blobs; the content of url, path, wheels and
 * huggingface sources as tree nodes and blobs; of git sources the commit's objects instead (submodules' too), of image sources manifest, config
 * and layers (and the index, where the image's name holds its digest). Inside, content is derived from those, so what a commit or a manifest
 * names is what is used, whoever packed the disk.
 *
 * Depends on: disk, base, model, fetch (walks and merges), cache.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_JOB_DISK_H
#define AI_VM_JOB_DISK_H

#include "base/talk.h"
#include "cache/store.h"
#include "vm/disk/disk.h"
#include "vm/disk/shelf.h"

/* --- outside ------------------------------------------------------------ */
struct ai_job_pack {
	struct ai_store *store;          /* has every node and content of the plan */
	const json_t *plan;              /* node */
	const char *nonce;               /* NULL: none */
	const json_t *certificates;      /* array of base64 DER; NULL: none */
	const json_t *environments;      /* array of nodes */
	const char *const *aside;        /* folders where the fetch stage kept git and image objects (see vm/host/objects.h): git/<sha1>, oci/<hex> */
	size_t n_aside;
	uint64_t room;                   /* bytes of content that the machine has memory for; 0: for all. The largest blobs beyond go onto a shelf */
	uint64_t *shelved;               /* how many bytes went there; may be NULL */
	const struct ai_talk *talk;
};
/* Writes the job disk; *bytes (may be NULL): how much content is to go into memory, unpacked. AI_EINPUT names what is not in the store. */
int ai_job_pack(const struct ai_job_pack *in, int fd, uint64_t limit, struct ai_digest *header, uint64_t *bytes, struct ai_err *err) AI_CHECKED;

/* --- inside ------------------------------------------------------------- */
struct ai_unpacked_source { char *name; json_t *node; const char *how; }; /* how: git, oci, sha256 or none: what was recomputed here */
struct ai_unpacked {
	struct ai_digest plan_id;
	json_t *plan;                    /* node, with the id that about names */
	char *nonce;
	json_t *certificates;
	struct ai_unpacked_source *sources; size_t n_sources; /* as the plan lists them */
};
/*
 * ai_job_unpack -- every object of an open job disk into the store (or into folder aside, made for it and then gone), sources re-derived. shelf:
 * NULL, or the disk's, whose objects the store has already; a disk that has one is not unpacked without.
 * AI_EINPUT names the object that is not what it says, a source whose objects give other content, what is missing, and what nothing needs.
 */
int ai_job_unpack(struct ai_disk *d, struct ai_store *store, const char *aside, const struct ai_shelf *shelf, const struct ai_talk *talk,
	struct ai_unpacked *out, struct ai_err *err) AI_CHECKED;
/* 1 and the shelf that an open job disk has; 0: it has none. */
int ai_job_shelf(const struct ai_disk *d, struct ai_shelf *out, struct ai_err *err) AI_CHECKED;
void ai_unpacked_done(struct ai_unpacked *u);

#endif
