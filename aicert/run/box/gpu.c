/* gpu.c -- see gpu.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/box/gpu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"

#define PROC "/proc/driver/nvidia"
#define MAX_GPUS 1024
#define MAX_CONF 64

/*
 * The driver's libraries for computing, with the names that programs look them up by; the rest of the names (OpenGL, Vulkan,
 * video) is for pictures. Each is libX.so.<version>, as the module's own; other versions do not work with it.
 */
static const struct { const char *name, *links[2]; } libraries[] = {
	{ "libcuda.so", { "libcuda.so.1", "libcuda.so" } }, { "libnvidia-ml.so", { "libnvidia-ml.so.1", NULL } },
	{ "libnvidia-ptxjitcompiler.so", { "libnvidia-ptxjitcompiler.so.1", NULL } }, { "libnvidia-nvvm.so", { "libnvidia-nvvm.so.4", NULL } },
	{ "libnvidia-opencl.so", { "libnvidia-opencl.so.1", NULL } }, { "libnvidia-cfg.so", { "libnvidia-cfg.so.1", NULL } },
	{ "libnvidia-allocator.so", { "libnvidia-allocator.so.1", NULL } }, { "libcudadebugger.so", { "libcudadebugger.so.1", NULL } },
	{ "libnvidia-gpucomp.so", { NULL, NULL } }, { "libnvidia-compiler.so", { NULL, NULL } }, { "libnvidia-nvvm70.so", { "libnvidia-nvvm70.so.4", NULL } },
	{ "libnvidia-fatbinaryloader.so", { NULL, NULL } }, { "libnvidia-pkcs11.so", { NULL, NULL } },
	{ "libnvidia-pkcs11-openssl3.so", { NULL, NULL } }, { "libnvidia-tileiras.so", { NULL, NULL } },
};

/* Where distributions and NVIDIA's own installer put them; then what /etc/ld.so.conf.d names. */
static const char *const folders[] = {
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu/nvidia/current", "/usr/lib64", "/usr/lib64/nvidia", "/usr/lib", "/usr/lib/nvidia",
	"/lib/x86_64-linux-gnu", "/lib64", "/usr/local/nvidia/lib64", "/usr/local/lib",
};

#define EACH(i, array) (size_t i = 0; i < sizeof (array) / sizeof *(array); i++)

/* --- finding ----------------------------------------------------------------- */

static bool
there(const struct ai_gpus *g, const char *path)
{
	AI_FREE char *p = ai_format("%s%s", g->root, path);
	return p && ai_exists(p);
}

/* A character device that the step can open: root's steps are nobody, a user's are the user. */
static bool
usable(const struct ai_gpus *g, const char *path)
{
	struct stat st;
	AI_FREE char *p = ai_format("%s%s", g->root, path);
	return p && stat(p, &st) == 0 && S_ISCHR(st.st_mode) &&
		(geteuid() == 0 ? (st.st_mode & 06) == 06 : faccessat(AT_FDCWD, p, R_OK | W_OK, AT_EACCESS) == 0);
}

/* One of those nodes without which nothing works. */
static int
need_node(const struct ai_gpus *g, const char *path, struct ai_err *err)
{
	if (usable(g, path))
		return 0;
	if (!there(g, path)) {
		ai_fail(err, AI_EENV, "gpu: the NVIDIA driver %s is loaded, but %s is missing", g->driver, path);
		return ai_hint(err, "make the device nodes, as root: nvidia-modprobe -c 0 -u");
	}
	ai_fail(err, AI_EENV, "gpu: %s: the step's user may not open it", path);
	return ai_hint(err, "let everybody: chmod 666 /dev/nvidia* (lasting: options nvidia NVreg_DeviceFileMode=0666 in /etc/modprobe.d)");
}

/* A file of the driver's library in that folder, or NULL; fresh, with the root before it. */
static char *
in_folder(const struct ai_gpus *g, const char *folder, const char *name)
{
	struct stat st;
	char *path = ai_format("%s%s/%s.%s", g->root, folder, name, g->driver);
	if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return path;
	free(path);
	return NULL;
}

/* The folders that one file of /etc/ld.so.conf.d names, a line each. */
static char *
in_conf(const struct ai_gpus *g, int dirfd, const char *conf, const char *name)
{
	struct ai_err ignored = { 0 };
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	if (ai_read_file(dirfd, conf, &text, &ignored) < 0 || !text.data)
		return NULL;
	for (const char *line = text.data; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		AI_FREE char *folder = *line == '/' ? ai_strndup(line, strcspn(line, " \t\r\n#")) : NULL;
		char *path = folder ? in_folder(g, folder, name) : NULL;
		if (path)
			return path;
	}
	return NULL;
}

/* NULL when the machine has no such library of this version. */
static char *
find_library(const struct ai_gpus *g, const char *name)
{
	char *path = NULL;
	for EACH(i, folders)
		if ((path = in_folder(g, folders[i], name)))
			return path;
	AI_FREE char *dir = ai_format("%s/etc/ld.so.conf.d", g->root);
	DIR *d = dir ? opendir(dir) : NULL;
	size_t left = MAX_CONF;
	for (struct dirent *e; d && !path && left > 0 && (e = readdir(d)); left--)
		if (*e->d_name != '.')
			path = in_conf(g, dirfd(d), e->d_name, name);
	if (d)
		closedir(d);
	return path;
}

static int
by_minor(const void *a, const void *b)
{
	const struct ai_gpu *x = a, *y = b;
	return (x->minor > y->minor) - (x->minor < y->minor);
}

static int
read_gpu(const struct ai_gpus *g, const char *bus, struct ai_gpu *out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	AI_FREE char *path = ai_format("%s" PROC "/gpus/%s/information", g->root, bus);
	if (!path)
		return ai_nomem(err);
	if (ai_read_file(AT_FDCWD, path, &text, err) < 0)
		return ai_fail_errno(err, AI_EENV, "gpu: %s: cannot read", path);
	int r = ai_gpu_information(text.data ? text.data : "", out, err);
	return r < 0 ? ai_in(err, "gpu: " PROC "/gpus/%s", bus) : r;
}

/* Those that have a node; *seen counts the others too. */
static int
read_gpus(struct ai_gpus *g, size_t *seen, struct ai_err *err)
{
	AI_FREE char *dir = ai_format("%s" PROC "/gpus", g->root);
	size_t cap = 0;
	int r = 0;
	*seen = 0;
	DIR *d = dir ? opendir(dir) : NULL;
	for (struct dirent *e; d && r >= 0 && (e = readdir(d));) {
		struct ai_gpu gpu;
		if (*e->d_name == '.' || (r = read_gpu(g, e->d_name, &gpu, err)) <= 0)
			continue;
		(*seen)++;
		AI_FREE char *node = ai_format("/dev/nvidia%u", gpu.minor);
		bool ours = node && there(g, node);
		r = !node ? ai_nomem(err) : *seen > MAX_GPUS ? ai_fail(err, AI_EENV, "gpu: more than %d GPUs", MAX_GPUS) : 0;
		if (r == 0 && ours)
			r = need_node(g, node, err);
		if (r == 0 && ours && (r = ai_grow(&g->list, &cap, g->n, sizeof *g->list, err)) == 0) {
			g->list[g->n++] = gpu;
			continue;
		}
		free(gpu.model);
		free(gpu.uuid);
	}
	if (d)
		closedir(d);
	if (r >= 0 && g->n > 1)
		qsort(g->list, g->n, sizeof *g->list, by_minor);
	return r < 0 ? r : 0;
}

static int
read_driver(struct ai_gpus *g, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	AI_FREE char *path = ai_format("%s" PROC "/version", g->root);
	if (!path)
		return ai_nomem(err);
	int r = ai_read_file_if(AT_FDCWD, path, &text, err);
	if (r == 0 && there(g, "/dev/dxg"))
		return ai_fail(err, AI_EENV, "gpu: GPUs under WSL are not supported: the Linux driver is not theirs");
	if (r <= 0)
		return r < 0 ? err->code : 0;
	g->driver = ai_gpu_version(text.data ? text.data : "");
	return g->driver ? 1 : ai_fail(err, AI_EENV, "gpu: " PROC "/version: no version in it");
}

static int
look_around(struct ai_gpus *g, struct ai_err *err)
{
	const char *root = getenv("AICERT_GPU_ROOT");
	size_t seen;
	g->root = ai_strdup(root ? root : "");
	if (!g->root)
		return ai_nomem(err);
	int r = read_driver(g, err);
	if (r <= 0 || read_gpus(g, &seen, err) < 0)
		return err->code;
	if (seen == 0)
		return 0;
	if (g->n == 0) {
		ai_fail(err, AI_EENV, "gpu: the NVIDIA driver %s shows %zu GPU%s, but no device node (/dev/nvidia0) is there", g->driver, seen,
			seen == 1 ? "" : "s");
		return ai_hint(err, "make the device nodes, as root: nvidia-modprobe -c 0 -u (in a container: give it the GPUs)");
	}
	if (need_node(g, "/dev/nvidiactl", err) < 0 || need_node(g, "/dev/nvidia-uvm", err) < 0)
		return err->code;
	AI_FREE char *cuda = find_library(g, "libcuda.so");
	if (cuda)
		return 0;
	ai_fail(err, AI_EENV, "gpu: the loaded NVIDIA driver is %s, but there is no libcuda.so.%s", g->driver, g->driver);
	return ai_hint(err, "install the driver's libraries of that version; after an update of the driver, reboot");
}

int
ai_gpus_find(struct ai_gpus *out, struct ai_err *err)
{
	struct ai_gpus g = { 0 };
	int r = look_around(&g, err);
	if (r < 0)
		ai_gpus_done(&g);
	else
		*out = g;
	return r;
}

void
ai_gpus_done(struct ai_gpus *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->list[i].model);
		free(g->list[i].uuid);
	}
	free(g->list);
	free(g->driver);
	free(g->root);
	*g = (struct ai_gpus){ 0 };
}

json_t *
ai_gpus_nodes(const struct ai_gpus *g)
{
	AI_JSON *nodes = json_array();
	for (size_t i = 0; nodes && i < g->n; i++)
		if (json_array_append_new(nodes, json_pack("{s:s, s:s}", "model", g->list[i].model, "driver", g->driver)) < 0)
			return NULL;
	return nodes ? json_incref(nodes) : NULL;
}

/* --- binding ------------------------------------------------------------------- */

struct binds {
	struct ai_gpu_mounts *m;
	size_t cap;
	struct ai_err *err;
};

/* from, which becomes the list's, at `to`. */
static int
add(struct binds *b, char *from, const char *to, bool device)
{
	AI_FREE char *owned = from;
	if (!owned)
		return ai_nomem(b->err);
	if (ai_grow(&b->m->binds, &b->cap, b->m->n_binds, sizeof *b->m->binds, b->err) < 0)
		return b->err->code;
	AI_FREE char *at = ai_strdup(to);
	if (!at)
		return ai_nomem(b->err);
	b->m->binds[b->m->n_binds++] = (struct ai_bind){ .from = owned, .to = at, .device = device };
	owned = at = NULL;
	return 0;
}

static int
add_device(const struct ai_gpus *g, struct binds *b, const char *path)
{
	return add(b, ai_format("%s%s", g->root, path), path, true);
}

/* The first n, what controls all of them, and those capabilities (of MIG instances) that everybody may read. */
static int
add_devices(const struct ai_gpus *g, size_t n, struct binds *b)
{
	int r = add_device(g, b, "/dev/nvidiactl") < 0 ? b->err->code : add_device(g, b, "/dev/nvidia-uvm");
	if (r == 0 && usable(g, "/dev/nvidia-uvm-tools"))
		r = add_device(g, b, "/dev/nvidia-uvm-tools");
	for (size_t i = 0; r == 0 && i < n; i++) {
		AI_FREE char *path = ai_format("/dev/nvidia%u", g->list[i].minor);
		r = path ? add_device(g, b, path) : ai_nomem(b->err);
	}
	AI_FREE char *caps = ai_format("%s/dev/nvidia-caps", g->root);
	DIR *d = caps ? opendir(caps) : NULL;
	for (struct dirent *e; d && r == 0 && (e = readdir(d));) {
		struct stat st;
		AI_FREE char *path = ai_format("/dev/nvidia-caps/%s", e->d_name);
		if (path && strncmp(e->d_name, "nvidia-cap", 10) == 0 && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISCHR(st.st_mode) && st.st_mode & 04)
			r = add_device(g, b, path);
	}
	if (d)
		closedir(d);
	return r;
}

/* An image has no driver, or another machine's. Links are not bound, so each of a library's names is a bind of its file. */
static int
add_libraries(const struct ai_gpus *g, struct binds *b)
{
	int r = 0;
	for EACH(i, libraries) {
		AI_FREE char *file = r == 0 ? find_library(g, libraries[i].name) : NULL;
		AI_FREE char *real = file ? realpath(file, NULL) : NULL;
		if (!real)
			continue;
		AI_FREE char *to = ai_format(AI_GPU_LIBRARIES "/%s.%s", libraries[i].name, g->driver);
		r = to ? add(b, ai_strdup(real), to, false) : ai_nomem(b->err);
		for (size_t k = 0; r == 0 && k < 2 && libraries[i].links[k]; k++) {
			AI_FREE char *link = ai_format(AI_GPU_LIBRARIES "/%s", libraries[i].links[k]);
			r = link ? add(b, ai_strdup(real), link, false) : ai_nomem(b->err);
		}
	}
	AI_FREE char *smi = ai_format("%s/usr/bin/nvidia-smi", g->root);
	AI_FREE char *real_smi = smi ? realpath(smi, NULL) : NULL;
	return r == 0 && real_smi ? add(b, ai_strdup(real_smi), "/usr/bin/nvidia-smi", false) : r;
}

int
ai_gpus_mounts(const struct ai_gpus *g, size_t n, bool image, struct ai_gpu_mounts *out, struct ai_err *err)
{
	struct ai_gpu_mounts m = { 0 };
	struct binds b = { .m = &m, .err = err };
	if (n > g->n)
		return ai_fail(err, AI_EENV, "gpu: the step wants %zu, this machine has %zu", n, g->n);
	int r = n > 0 ? add_devices(g, n, &b) : 0;
	if (r == 0 && n > 0 && image)
		r = add_libraries(g, &b);
	if (r < 0)
		ai_gpus_mounts_done(&m);
	else
		*out = m;
	return r;
}

void
ai_gpus_mounts_done(struct ai_gpu_mounts *m)
{
	for (size_t i = 0; i < m->n_binds; i++) {
		free(m->binds[i].from);
		free(m->binds[i].to);
	}
	free(m->binds);
	*m = (struct ai_gpu_mounts){ 0 };
}
