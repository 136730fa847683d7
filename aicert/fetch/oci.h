/*
 * oci.h -- container images: a name to a pin, a pin to one merged tree in the store.
 *
 * Speaks the OCI distribution API (and Docker's registry v2, its older name) over
 * fetch/http; reads OCI layouts and archives too. Nothing is used before its bytes hash
 * to the digest that led to it: index -> manifest -> config and layers.
 * Layers are merged as the OCI image specification says (whiteouts, opaque folders, hard links).
 * A tree has no owners, no modes but exec, no extended attributes and no devices: setuid bits and file
 * capabilities are so lost, which a step could not use anyway (no new privileges).
 *
 * Depends on: base, model, http, sink.  Threads: one pull per thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OCI_H
#define AI_OCI_H

#include "base/json.h"
#include "fetch/fetch.h"
#include "model/image_ref.h"

/*
 * ai_oci_resolve -- what does this name mean now, on this platform ("linux/amd64")?
 * *pin: {"type":"image", "uri": ai_image_uri, "digest": "sha256:…" of what the name gives (an index, or the manifest itself),
 *  "revision": "sha256:…" of the platform's manifest, "platform", "config": {"env": [{"name","value"}] sorted by name, "workdir"?, "entrypoint"?, "cmd"?: [words]}}
 * New reference. Variables whose names say that they are secret, or are no names, are left out (with a note).
 * AI_EENV cannot be reached; AI_EINPUT no such image, no right to it (hint: docker login), not for this platform (lists those it is for),
 * or malformed.
 */
int ai_oci_resolve(const struct ai_fetch *f, const struct ai_image_ref *ref, const char *platform, json_t **pin, struct ai_err *err) AI_CHECKED;

/* The merged layers of the manifest that the pin names, in the store; the pin's config must be the manifest's. AI_EINPUT shows what differs. */
int ai_oci_content(const struct ai_fetch *f, const struct ai_image_ref *ref, const json_t *pin, struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;

#endif
