/* pending.c -- weak stands-in while the parts of images land; goes away with the last of them.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/oci.h"
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
