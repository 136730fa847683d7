/* GPUs: the driver's texts, a made-up device tree, and what a step is given of it.  SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sandbox_unit.h"

#include "base/json.h"
#include "run/box/gpu.h"

static char *root;

static char *
at(const char *path)
{
	return ai_format("%s/%s", root, path);
}

static void
put(const char *path, const char *text)
{
	struct ai_err err = { 0 };
	char *p = at(path), *dir = ai_strndup(p, (size_t)(strrchr(p, '/') - p));
	if (ai_mkdirs(dir, 0755, &err) < 0)
		fail_msg("%s", err.text);
	put_file(p, text, 0644);
	free(dir);
	free(p);
}

/* A node that is as good as the driver's: /dev/null under another name, which only root can make; a link to it serves a user. */
static void
node(const char *path, mode_t mode)
{
	struct ai_err err = { 0 };
	char *p = at(path), *dir = ai_strndup(p, (size_t)(strrchr(p, '/') - p));
	if (ai_mkdirs(dir, 0755, &err) < 0)
		fail_msg("%s", err.text);
	(void)unlink(p);
	if (geteuid() == 0)
		assert_true(mknod(p, S_IFCHR | mode, makedev(1, 3)) == 0 && chmod(p, mode) == 0);
	else
		assert_int_equal(symlink("/dev/null", p), 0);
	free(dir);
	free(p);
}

static void
away(const char *path)
{
	char *p = at(path);
	ai_discard_tree(p);
	assert_false(ai_exists(p));
	free(p);
}

#define CLOSED "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
#define OPEN "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  555.58.02  Release Build  (dvs-builder@U16-I3-B03-4-3)  Tue Jun 25 01:26:03 UTC 2024\n"
#define INFO(model, uuid, minor, excluded) "Model: \t\t " model "\nIRQ:   \t\t 47\nGPU UUID: \t " uuid "\nVideo BIOS: \t 92.00.45.00.03\nBus Type: \t PCIe\n" \
	"DMA Size: \t 47 bits\nDMA Mask: \t 0x7fffffffffff\nBus Location: \t 0000:01:00.0\nDevice Minor: \t " minor "\nGPU Firmware: \t 535.183.01\nGPU Excluded:\t " excluded "\n"
#define UUID(n) "GPU-" n "2345678-90ab-cdef-1234-567890abcdef"
#define LIBS "usr/lib/x86_64-linux-gnu/"

/* Three GPUs, one that is excluded, and one whose node another container has. */
static void
plant(void)
{
	root = in_place("machine");
	put("proc/driver/nvidia/version", CLOSED);
	put("proc/driver/nvidia/gpus/0000:01:00.0/information", INFO("NVIDIA A100-SXM4-40GB", UUID("1"), "2", "No"));
	put("proc/driver/nvidia/gpus/0000:02:00.0/information", INFO("NVIDIA H100 80GB HBM3", UUID("2"), "0", "No"));
	put("proc/driver/nvidia/gpus/0000:03:00.0/information", INFO("Tesla V100", UUID("3"), "1", "No"));
	put("proc/driver/nvidia/gpus/0000:04:00.0/information", INFO("Tesla V100", UUID("4"), "3", "Yes"));
	put("proc/driver/nvidia/gpus/0000:05:00.0/information", INFO("Tesla V100", UUID("5"), "4", "No"));
	static const char *const nodes[] = { "dev/nvidia0", "dev/nvidia1", "dev/nvidia2", "dev/nvidia3", "dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia-uvm-tools",
		"dev/nvidia-modeset" };
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		node(nodes[i], 0666);
	node("dev/nvidia-caps/nvidia-cap1", 0400);
	node("dev/nvidia-caps/nvidia-cap2", 0444);
	put(LIBS "libcuda.so.535.183.01", "cuda");
	put(LIBS "libcuda.so.470.1.2", "old");
	put(LIBS "libnvidia-ml.so.535.183.01", "ml");
	put("opt/driver/libnvidia-ptxjitcompiler.so.535.183.01", "ptx");
	put("usr/bin/nvidia-smi", "#!/bin/sh\n");
	char *conf = ai_format("# the driver's\n%s\n/opt/driver # here\n", "/nonexistent"), *r = ai_format("%s", root);
	put("etc/ld.so.conf.d/nvidia.conf", conf);
	assert_int_equal(setenv("AICERT_GPU_ROOT", r, 1), 0);
	free(conf);
	free(r);
}

static void
fell(void)
{
	ai_discard_tree(root);
	free(root);
	root = NULL;
	unsetenv("AICERT_GPU_ROOT");
}

static const struct ai_bind *
bound(const struct ai_gpu_mounts *m, const char *to)
{
	for (size_t i = 0; i < m->n_binds; i++)
		if (strcmp(m->binds[i].to, to) == 0)
			return &m->binds[i];
	return NULL;
}

/* --- the tree ------------------------------------------------------------------ */

static void
all_that_is_there(void **state)
{
	(void)state;
	struct ai_gpus g;
	struct ai_buf b = AI_BUF(4096);
	plant();
	ok(ai_gpus_find(&g, &err));
	assert_string_equal(g.driver, "535.183.01");
	assert_int_equal(g.n, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(g.list[i].minor, i);
	assert_string_equal(g.list[0].uuid, UUID("2"));
	assert_string_equal(g.list[2].model, "NVIDIA A100-SXM4-40GB");
	json_t *nodes = ai_gpus_nodes(&g);
	ok(ai_canon(nodes, &b, &err));
	assert_string_equal(b.data, "[{\"driver\":\"535.183.01\",\"model\":\"NVIDIA H100 80GB HBM3\"},{\"driver\":\"535.183.01\",\"model\":\"Tesla V100\"},"
		"{\"driver\":\"535.183.01\",\"model\":\"NVIDIA A100-SXM4-40GB\"}]");
	ai_buf_done(&b);
	json_decref(nodes);
	ai_gpus_done(&g);
	fell();
}

static void
given_to_a_step(void **state)
{
	(void)state;
	struct ai_gpus g;
	struct ai_gpu_mounts m;
	plant();
	ok(ai_gpus_find(&g, &err));
	ok(ai_gpus_mounts(&g, 2, false, &m, &err));
	static const char *const given[] = { "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools" };
	for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
		const struct ai_bind *b = bound(&m, given[i]);
		assert_non_null(b);
		assert_true(b->device);
		char *from = ai_format("%s%s", root, given[i]);
		assert_string_equal(b->from, from);
		free(from);
	}
	/* Not the third, nothing that sets displays or makes partitions, no library: those of the host are there. */
	assert_null(bound(&m, "/dev/nvidia2"));
	assert_null(bound(&m, "/dev/nvidia-modeset"));
	assert_null(bound(&m, "/dev/nvidia-caps/nvidia-cap1"));
	assert_int_equal(m.n_binds, geteuid() == 0 ? 6 : 5);
	assert_true((geteuid() == 0) == (bound(&m, "/dev/nvidia-caps/nvidia-cap2") != NULL));
	ai_gpus_mounts_done(&m);
	ok(ai_gpus_mounts(&g, 0, true, &m, &err));
	assert_int_equal(m.n_binds, 0);
	memset(&m, 0xaa, sizeof m);
	refused(AI_EENV, "the step wants 4, this machine has 3", ai_gpus_mounts(&g, 4, true, &m, &err));
	assert_int_equal(((unsigned char *)&m)[0], 0xaa);
	ai_gpus_done(&g);
	fell();
}

static void
given_to_an_image(void **state)
{
	(void)state;
	struct ai_gpus g;
	struct ai_gpu_mounts m;
	plant();
	ok(ai_gpus_find(&g, &err));
	ok(ai_gpus_mounts(&g, 1, true, &m, &err));
	static const struct { const char *to, *from; } libs[] = {
		{ AI_GPU_LIBRARIES "/libcuda.so.535.183.01", LIBS "libcuda.so.535.183.01" }, { AI_GPU_LIBRARIES "/libcuda.so.1", LIBS "libcuda.so.535.183.01" },
		{ AI_GPU_LIBRARIES "/libcuda.so", LIBS "libcuda.so.535.183.01" }, { AI_GPU_LIBRARIES "/libnvidia-ml.so.1", LIBS "libnvidia-ml.so.535.183.01" },
		{ AI_GPU_LIBRARIES "/libnvidia-ptxjitcompiler.so.1", "opt/driver/libnvidia-ptxjitcompiler.so.535.183.01" },
		{ "/usr/bin/nvidia-smi", "usr/bin/nvidia-smi" },
	};
	for (size_t i = 0; i < sizeof libs / sizeof *libs; i++) {
		const struct ai_bind *b = bound(&m, libs[i].to);
		char *p = at(libs[i].from), *from = realpath(p, NULL);
		if (!b)
			fail_msg("%s is not bound", libs[i].to);
		assert_false(b->device);
		assert_string_equal(b->from, from);
		free(p);
		free(from);
	}
	/* Of what the machine lacks there is nothing. */
	assert_null(bound(&m, AI_GPU_LIBRARIES "/libnvidia-nvvm.so.4"));
	ai_gpus_mounts_done(&m);
	ai_gpus_done(&g);
	fell();
}

/* The devices work inside, and no other does; what is bound read-only is. */
static void
in_the_sandbox(void **state)
{
	(void)state;
	struct ai_gpus g;
	struct ai_gpu_mounts m;
	struct trial t;
	plant();
	ok(ai_gpus_find(&g, &err));
	ok(ai_gpus_mounts(&g, 1, false, &m, &err));
	trial_start(&t);
	t.s.binds = m.binds;
	t.s.n_binds = m.n_binds;
	trial_expect(&t, "sh", "set -e; cd /dev; for d in nvidia0 nvidiactl nvidia-uvm; do test -c $d; echo x > $d; test -z \"$(cat $d)\"; done; "
		"for d in nvidia1 nvidia2 nvidia-modeset; do if test -e $d; then exit 3; fi; done; if rm -f nvidia0 || touch new; then exit 4; fi", 0);
	trial_end(&t);
	ai_gpus_mounts_done(&m);
	ai_gpus_done(&g);
	fell();
}

#define BUSYBOX "/usr/bin/busybox"

static void
copy_program(const char *from, const char *to)
{
	struct ai_buf b = AI_BUF(16u << 20);
	ok(ai_read_file(AT_FDCWD, from, &b, &err));
	ok(ai_write_file(AT_FDCWD, to, b.data, b.len, 0755, &err));
	ai_buf_done(&b);
}

/* An image that knows nothing of GPUs, not even the folders, gets devices, libraries under each of their names, and nvidia-smi. */
static void
in_an_image(void **state)
{
	(void)state;
	static const char *const image_env[] = { "PATH=/bin:/usr/bin", "LD_LIBRARY_PATH=" AI_GPU_LIBRARIES, NULL };
	static const char *const made[] = { "bin", "dev", "proc", "tmp", "workspace", "home", "home/aicert" };
	if (access(BUSYBOX, X_OK) < 0)
		skip();
	struct ai_gpus g;
	struct ai_gpu_mounts m;
	struct trial t;
	plant();
	put("usr/bin/nvidia-smi", "two GPUs\n");
	char *image = in_place("image"), *program = in_place("image/bin/busybox"), *sh = in_place("image/bin/sh");
	mkdir(image, 0755);
	for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
		char *d = ai_join(image, made[i]);
		assert_int_equal(mkdir(d, 0755), 0);
		free(d);
	}
	copy_program(BUSYBOX, program);
	assert_int_equal(symlink("busybox", sh), 0);
	ok(ai_gpus_find(&g, &err));
	ok(ai_gpus_mounts(&g, 2, true, &m, &err));
	trial_start(&t);
	t.s.host = false;
	t.s.root = image;
	t.s.env = image_env;
	t.s.binds = m.binds;
	t.s.n_binds = m.n_binds;
	trial_expect(&t, "sh", "set -e; b=busybox; cd $LD_LIBRARY_PATH; for f in libcuda.so libcuda.so.1 libcuda.so.535.183.01; do test \"$($b cat $f)\" = cuda; done; "
		"test \"$($b cat libnvidia-ml.so.1)\" = ml; $b cat /usr/bin/nvidia-smi; for d in nvidia0 nvidia1 nvidiactl nvidia-uvm; do echo x > /dev/$d; done; "
		"if test -e /dev/nvidia2 || echo x > libcuda.so || $b rm -f libcuda.so || $b touch new; then exit 3; fi", 0);
	assert_non_null(strstr(t.log, "two GPUs\n"));
	trial_end(&t);
	ai_gpus_mounts_done(&m);
	ai_gpus_done(&g);
	/* The image itself is as it was. */
	char *usr = ai_join(image, "usr");
	assert_false(ai_exists(usr));
	ai_discard_tree(image);
	free(usr);
	free(sh);
	free(program);
	free(image);
	fell();
}

/* --- what is missing --------------------------------------------------------------- */

static void
nothing_there(void **state)
{
	(void)state;
	struct ai_gpus g;
	plant();
	away("proc/driver/nvidia/gpus");
	ok(ai_gpus_find(&g, &err));
	assert_int_equal(g.n, 0);
	ai_gpus_done(&g);
	away("proc");
	ok(ai_gpus_find(&g, &err));
	assert_int_equal(g.n, 0);
	assert_null(g.driver);
	json_t *nodes = ai_gpus_nodes(&g);
	assert_int_equal(json_array_size(nodes), 0);
	json_decref(nodes);
	ai_gpus_done(&g);
	node("dev/dxg", 0666);
	refused(AI_EENV, "WSL", ai_gpus_find(&g, &err));
	fell();
}

static void
partial_trees(void **state)
{
	(void)state;
	static const struct { const char *gone, *words, *hint; } all[] = {
		{ "dev", "no device node (/dev/nvidia0)", "nvidia-modprobe" }, { "dev/nvidia-uvm", "/dev/nvidia-uvm is missing", "nvidia-modprobe -c 0 -u" },
		{ "dev/nvidiactl", "/dev/nvidiactl is missing", "nvidia-modprobe" },
		{ LIBS "libcuda.so.535.183.01", "the loaded NVIDIA driver is 535.183.01, but there is no libcuda.so.535.183.01", "reboot" },
		{ "proc/driver/nvidia/gpus/0000:02:00.0/information", "cannot read", "" },
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct ai_gpus g;
		struct ai_err err = { 0 };
		plant();
		away(all[i].gone);
		memset(&g, 0xaa, sizeof g);
		assert_int_equal(ai_gpus_find(&g, &err), AI_EENV);
		assert_int_equal(((unsigned char *)&g)[0], 0xaa);
		if (!strstr(err.text, all[i].words) || !strstr(err.hint, all[i].hint))
			fail_msg("%s gone: '%s' '%s'", all[i].gone, err.text, err.hint);
		fell();
	}
}

/* A node that the step's user may not open, or that is none. */
static void
unusable_nodes(void **state)
{
	(void)state;
	struct ai_gpus g;
	plant();
	away("dev/nvidia-uvm");
	put("dev/nvidia-uvm", "");
	refused(AI_EENV, "may not open", ai_gpus_find(&g, &err));
	if (geteuid() == 0) {
		node("dev/nvidia-uvm", 0660);
		struct ai_err err = { 0 };
		assert_int_equal(ai_gpus_find(&g, &err), AI_EENV);
		assert_non_null(strstr(err.hint, "NVreg_DeviceFileMode"));
	}
	fell();
}

/* --- the texts ----------------------------------------------------------------------- */

static void
versions(void **state)
{
	(void)state;
	static const struct { const char *text, *want; } all[] = {
		{ CLOSED, "535.183.01" }, { OPEN, "555.58.02" }, { "GCC version: 12.2.0\n" OPEN, "555.58.02" }, { "NVRM version: 610.43", "610.43" },
		{ "", NULL }, { "NVRM version:", NULL }, { "NVRM version: NVIDIA\n535.1.2\n", NULL }, { "GCC version: 12.2.0\n", NULL },
		{ "NVRM version: 535..1 .1 1. 5 x1.2 1.2/..\n", NULL }, { "NVRM version: 1.2345678901234567890123456789012345\n", NULL },
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char *got = ai_gpu_version(all[i].text);
		if (!got != !all[i].want || (got && strcmp(got, all[i].want) != 0))
			fail_msg("%s: got %s", all[i].text, got ? got : "nothing");
		free(got);
	}
}

static void
informations(void **state)
{
	(void)state;
	static const struct { const char *text, *words; } bad[] = {
		{ "", "Device Minor" }, { INFO("M", UUID("1"), "", "No"), "Device Minor" }, { INFO("M", UUID("1"), "-1", "No"), "Device Minor" },
		{ INFO("M", UUID("1"), "99999", "No"), "Device Minor" }, { INFO("M", UUID("1"), "1x", "No"), "Device Minor" },
		{ INFO("", UUID("1"), "1", "No"), "Model" }, { INFO("M\x01", UUID("1"), "1", "No"), "Model" }, { INFO("\xff", UUID("1"), "1", "No"), "Model" },
		{ INFO("M", "", "1", "No"), "GPU UUID" }, { INFO("M", "GPU-\?\?\?\?-\?\?", "1", "No"), "has not been started" },
	};
	struct ai_gpu g;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memset(&g, 0xaa, sizeof g);
		struct ai_err err = { 0 };
		if (ai_gpu_information(bad[i].text, &g, &err) != AI_EENV || !strstr(err.text, bad[i].words))
			fail_msg("%zu: '%s'", i, err.text);
		assert_int_equal(((unsigned char *)&g)[0], 0xaa);
	}
	struct ai_err err = { 0 };
	assert_int_equal(ai_gpu_information(INFO("M", "?", "x", "Yes"), &g, &err), 0);
	assert_int_equal(ai_gpu_information("Device Minor:7\r\nModel:  a  b \t\nGPU UUID: u", &g, &err), 1);
	assert_true(g.minor == 7 && strcmp(g.model, "a  b") == 0 && strcmp(g.uuid, "u") == 0);
	free(g.model);
	free(g.uuid);
}

static int
tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(all_that_is_there), cmocka_unit_test(given_to_a_step), cmocka_unit_test(given_to_an_image), cmocka_unit_test(in_the_sandbox), cmocka_unit_test(in_an_image),
		cmocka_unit_test(nothing_there), cmocka_unit_test(partial_trees), cmocka_unit_test(unusable_nodes), cmocka_unit_test(versions),
		cmocka_unit_test(informations),
	};
	return cmocka_run_group_tests_name("gpu", all, NULL, NULL);
}

int
main(void)
{
	return as_root_and_user(tests);
}
