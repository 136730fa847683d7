/* build.c -- see build.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/build/build.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/home.h"
#include "base/path.h"
#include "cache/session.h"
#include "vm/build/build_parts.h"
#include "vm/build/packages.h"
#include "vm/uki/uki.h"

/* Of Debian 12. A kernel and a stub without what would install them; what the agent links with; what compiles it. */
#define KERNEL "linux-image-[0-9]*"
static const struct ai_wanted wanted[] = {
	{ "linux-image-cloud-amd64", KERNEL, "runtime" }, { "systemd-boot-efi", "systemd-boot-efi", "runtime" },
#define WHOLE(name, use) { name, NULL, use }
	WHOLE("libc6", "runtime"), WHOLE("libssl3", "runtime"), WHOLE("libjansson4", "runtime"), WHOLE("libyaml-0-2", "runtime"),
	WHOLE("liblua5.4-0", "runtime"), WHOLE("libsqlite3-0", "runtime"),
	WHOLE("libtss2-esys-3.0.2-0", "runtime"), WHOLE("libtss2-mu0", "runtime"), WHOLE("libtss2-rc0", "runtime"),
	WHOLE("libtss2-tctildr0", "runtime"), WHOLE("libtss2-tcti-device0", "runtime"), WHOLE("libzstd1", "runtime"), WHOLE("zlib1g", "runtime"),
	WHOLE("gcc-12", "compiler"), WHOLE("binutils", "compiler"), WHOLE("make", "compiler"), WHOLE("dash", "compiler"), WHOLE("coreutils", "compiler"),
	WHOLE("sed", "compiler"), WHOLE("findutils", "compiler"), WHOLE("libc6-dev", "compiler"), WHOLE("libssl-dev", "compiler"),
	WHOLE("libjansson-dev", "compiler"), WHOLE("libyaml-dev", "compiler"), WHOLE("liblua5.4-dev", "compiler"), WHOLE("libgit2-dev", "compiler"),
	WHOLE("libcurl4-openssl-dev", "compiler"), WHOLE("libsqlite3-dev", "compiler"), WHOLE("libtss2-dev", "compiler"),
	WHOLE("libarchive-dev", "compiler"), WHOLE("libtpms-dev", "compiler"),
#undef WHOLE
};
enum { N_WANTED = sizeof wanted / sizeof *wanted };

/* virtio: QEMU and Google's clouds; Hyper-V: Azure. NVMe is built into the kernel. Overlay: the sandbox. Device mapper, erofs: what stays on the job disk. */
static const char *const modules[] = {
	"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_rng", "hv_vmbus", "hv_storvsc", "sd_mod", "nvme", "overlay", "squashfs",
	"dm_mod", "dm_verity", "erofs",
};

struct build {
	const struct ai_vm_build *in;
	struct ai_home home;
	struct ai_store *store;
	char *out, *pins_path, *partial, *version;
	size_t n_wanted;              /* of wanted[]: without a compiler when the agent is given */
	json_t *pins;
	struct ai_sysroot runtime;
	struct ai_buf agent, uki;
	struct ai_digest source;
	struct ai_cpio_files files;
};

static void
build_done(struct build *b)
{
	ai_cpio_files_done(&b->files);
	ai_buf_done(&b->agent);
	ai_buf_done(&b->uki);
	json_decref(b->pins);
	ai_store_close(b->store);
	ai_home_done(&b->home);
	free(b->out);
	free(b->pins_path);
	free(b->partial);
	free(b->version);
}

static int
begin(struct build *b, struct ai_err *err)
{
	const struct ai_vm_build *in = b->in;
	if (ai_home_find(in->home, &b->home, err) < 0 || ai_home_make(&b->home, err) < 0 || ai_store_open(&b->home, &b->store, err) < 0)
		return err->code;
	AI_FREE char *given = in->out ? NULL : ai_join(b->home.cache, "vm/aicert.efi");
	b->out = ai_abspath(in->out ? in->out : given ? given : "");
	b->pins_path = b->out ? in->pins ? ai_abspath(in->pins) : ai_format("%s.pins.json", b->out) : NULL;
	b->partial = ai_join(b->home.cache, "partial");
	for (b->n_wanted = 0; b->n_wanted < N_WANTED && (!in->agent || strcmp(wanted[b->n_wanted].use, "compiler") != 0);)
		b->n_wanted++;
	return b->pins_path && b->partial && (in->out || given) ? 0 : ai_nomem(err);
}

/* --- packages -------------------------------------------------------------------------- */

static int
resolve(struct build *b, struct ai_err *err)
{
	AI_FREE char *scratch = NULL;
	AI_FD lock = -1;
	if (ai_scratch_make(b->home.cache, "apt", &scratch, &lock, err) < 0)
		return err->code;
	int r = ai_packages_resolve(wanted, b->n_wanted, scratch, b->in->talk, &b->pins, err);
	ai_discard_tree(scratch);
	return r;
}

static int
read_pins(struct build *b, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_PINS_MAX);
	return ai_read_file(AT_FDCWD, b->pins_path, &text, err) < 0 ? err->code : ai_pins_parse(text.data, text.len, b->pins_path, &b->pins, err);
}

static int
get_pins(struct build *b, struct ai_err *err)
{
	int r = b->in->strict ? read_pins(b, err) : resolve(b, err);
	return r < 0 ? r : ai_pins_have(b->pins, wanted, b->n_wanted, b->in->strict ? b->pins_path : "apt-get", err);
}

/* --- what goes into the runner ------------------------------------------------------------ */

static int
get_agent(struct build *b, struct ai_err *err)
{
	struct ai_digest compiler;
	if (b->in->agent)
		return ai_read_file(AT_FDCWD, b->in->agent, &b->agent, err);
	if (ai_packages_tree(b->store, b->partial, b->pins, "compiler", b->in->talk, &compiler, err) < 0)
		return err->code;
	return ai_build_agent(b->in, b->home.cache, b->store, &compiler, &b->agent, &b->source, err);
}

static int
fill(struct build *b, struct ai_err *err)
{
	AI_BUF_AUTO init = AI_BUF(AI_BUILD_FILE);
	ai_buf_put(&init, b->agent.data, b->agent.len);
	if (ai_sysroot_only(&b->runtime, "lib/modules", "*", &b->version, err) < 0)
		return ai_in(err, "kernel");
	if (ai_cpio_file(&b->files, "init", 0755, &init, err) < 0 || ai_build_libraries(&b->runtime, b->agent.data, b->agent.len, &b->files, err) < 0)
		return err->code;
	return ai_build_modules(&b->runtime, b->version, modules, sizeof modules / sizeof *modules, &b->files, err);
}

static int
assemble(struct build *b, struct ai_err *err)
{
	AI_BUF_AUTO stub = AI_BUF(AI_BUILD_FILE);
	AI_BUF_AUTO kernel = AI_BUF(AI_BUILD_FILE);
	AI_BUF_AUTO initrd = AI_BUF(AI_BUILD_FILE);
	AI_FREE char *path = ai_format("boot/vmlinuz-%s", b->version);
	if (!path)
		return ai_nomem(err);
	if (ai_sysroot_need(&b->runtime, "usr/lib/systemd/boot/efi/linuxx64.efi.stub", &stub, err) < 0 || ai_sysroot_need(&b->runtime, path, &kernel, err) < 0 ||
		ai_cpio_write(b->files.entries, b->files.n, &initrd, err) < 0)
		return err->code;
	const struct ai_uki_parts parts = {
		.stub = stub.data, .stub_n = stub.len, .kernel = kernel.data, .kernel_n = kernel.len, .initrd = initrd.data, .initrd_n = initrd.len,
		.command_line = AI_UKI_COMMAND_LINE, .os_release = "ID=aicert\nNAME=aicert\nVERSION_ID=" AICERT_VERSION "\n", .uname = b->version,
	};
	return ai_uki_make(&parts, &b->uki, err);
}

static int
publish(struct build *b, struct ai_err *err)
{
	AI_FREE char *folder = ai_strndup(b->out, (size_t)(ai_basename(b->out) - b->out));
	AI_BUF_AUTO text = AI_BUF(AI_PINS_MAX);
	if (!folder)
		return ai_nomem(err);
	if (ai_mkdirs(folder, 0755, err) < 0 || ai_pins_text(b->pins, &text, err) < 0)
		return err->code;
	if (!b->in->strict && ai_write_file(AT_FDCWD, b->pins_path, text.data, text.len, 0644, err) < 0)
		return err->code;
	return ai_write_file(AT_FDCWD, b->out, b->uki.data, b->uki.len, 0644, err);
}

static int
tell(const struct build *b, json_t **report, struct ai_err *err)
{
	struct ai_digest uki, agent;
	char uki_hex[AI_HEX], agent_hex[AI_HEX];
	ai_sha256(b->uki.data, b->uki.len, &uki);
	ai_sha256(b->agent.data, b->agent.len, &agent);
	ai_hex(&uki, uki_hex);
	ai_hex(&agent, agent_hex);
	json_t *j = json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:s}", "uki", b->out, "sha256", uki_hex, "bytes", (json_int_t)b->uki.len, "agent", agent_hex,
		"kernel", b->version, "packages", (json_int_t)json_array_size(ai_json_arr(b->pins, "packages")), "pins", b->pins_path);
	if (j && !b->in->agent && json_object_set_new(j, "source", ai_json_hex(&b->source)) < 0) {
		json_decref(j);
		j = NULL;
	}
	if (!j)
		return ai_nomem(err);
	*report = j;
	return 0;
}

static int
build(struct build *b, json_t **report, struct ai_err *err)
{
	if (begin(b, err) < 0 || get_pins(b, err) < 0)
		return err->code;
	b->runtime.store = b->store;
	if (ai_packages_tree(b->store, b->partial, b->pins, "runtime", b->in->talk, &b->runtime.tree, err) < 0 || get_agent(b, err) < 0)
		return err->code;
	if (fill(b, err) < 0 || assemble(b, err) < 0 || ai_check_interrupt(err) < 0 || publish(b, err) < 0)
		return err->code;
	return tell(b, report, err);
}

int
ai_vm_build(const struct ai_vm_build *in, json_t **report, struct ai_err *err)
{
	struct build b = { .in = in, .agent = AI_BUF(AI_BUILD_FILE), .uki = AI_BUF(AI_BUILD_FILE) };
	if (!in->agent && !in->source)
		return ai_fail(err, AI_EUSAGE, "vm build: neither source nor agent is given");
	if (in->strict && !in->pins)
		return ai_fail(err, AI_EUSAGE, "vm build: strict, and no pins file is given");
	int r = build(&b, report, err);
	build_done(&b);
	return r;
}
