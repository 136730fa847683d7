/*
 * layers_apart.h -- an image's layers merged in a confined child (run/plan/confined.h).
 *
 * Inflating and reading tar is libarchive's, zlib's and libzstd's work on bytes of whoever made the image, in a machine whose agent holds the TPM. So it is
 * done by a child that has the layers, to read, and a pipe, and no other file, process, socket or memory of the machine. What it says are
 * contents and trees, which this process hashes itself as they enter the sink; that every tree names only what it has given is checked too.
 *
 * What that buys: an image that takes these libraries over reaches neither TPM nor disks nor agent, and can say nothing of any other source or of the
 * plan. What it does not: such an image can lie about its own tree, for nothing here reads its tar files a second time. So `oci` in the claims is worth what
 * these libraries are worth on the very layers that the manifest names: who trusts the manifest's maker not to attack them has all of it.
 *
 * Depends on: base, cache (idset), fetch (layers), run/plan/confined.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_LAYERS_APART_H
#define AI_VM_LAYERS_APART_H

#include "fetch/oci_parts.h"

struct ai_layer_file { int fd; ai_oci_packing packing; struct ai_digest diff_id; };

/*
 * ai_layers_apart -- as ai_layers_apply of each, lowest first, and ai_layers_tree. AI_EINPUT: a layer is not what it should be, or the child was killed, or
 * said what cannot be; AI_EENV: this machine cannot confine.
 */
int ai_layers_apart(const struct ai_layer_file *files, size_t n, const char *workdir, const struct ai_sink *sink, const struct ai_talk *talk,
	struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;

#endif
