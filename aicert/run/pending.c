/* pending.c -- weak stands-in while the parts of images and GPUs land; goes away with the last of them.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/oci.h"
#include "run/gpu.h"
#include "run/image_root.h"

#define WEAK __attribute__((weak))

WEAK int
ai_oci_resolve(const struct ai_fetch *f, const struct ai_image_ref *ref, const char *platform, json_t **pin, struct ai_err *err)
{
	(void)f, (void)platform, (void)pin;
	return ai_fail(err, AI_EENV, "%s: images are not in this build", ref->text);
}

WEAK int
ai_oci_content(const struct ai_fetch *f, const struct ai_image_ref *ref, const json_t *pin, struct ai_digest *tree_out, struct ai_err *err)
{
	(void)f, (void)pin, (void)tree_out;
	return ai_fail(err, AI_EENV, "%s: images are not in this build", ref->text);
}

WEAK int
ai_image_root(struct ai_store *store, const struct ai_digest *tree, char **path_out, struct ai_err *err)
{
	(void)store, (void)tree, (void)path_out;
	return ai_fail(err, AI_EENV, "images are not in this build");
}

WEAK int
ai_gpus_find(struct ai_gpus *out, struct ai_err *err)
{
	(void)out;
	return ai_fail(err, AI_EENV, "GPUs are not in this build");
}

WEAK void
ai_gpus_done(struct ai_gpus *g)
{
	(void)g;
}

WEAK json_t *
ai_gpus_nodes(const struct ai_gpus *g)
{
	(void)g;
	return NULL;
}

WEAK int
ai_gpus_mounts(const struct ai_gpus *g, size_t n, bool image, struct ai_gpu_mounts *out, struct ai_err *err)
{
	(void)g, (void)n, (void)image, (void)out;
	return ai_fail(err, AI_EENV, "GPUs are not in this build");
}

WEAK void
ai_gpus_mounts_done(struct ai_gpu_mounts *m)
{
	(void)m;
}
