/*
 * vm_job_unit.h -- a project with one source of each kind (git with a submodule and a large file, folder, url, image), fetched and planned; and its job disk, taken apart.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_JOB_UNIT_H
#define AI_VM_JOB_UNIT_H

#include <sys/stat.h>

#include "base/path.h"
#include "run/job.h"
#include "vm/disk/job_disk.h"
#include "vm/disk/result_disk.h"
#include "vm/host/objects.h"
#include "vm_disk_unit.h"

struct project {
	char *dir, *home, *aside, *aicertfile;
	struct ai_run_options options;
	struct ai_job job;
};

static inline void
run_shell(const char *cwd, const char *script)
{
	char *line = ai_format("cd '%s' && export HOME='%s' GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a "
		"GIT_COMMITTER_EMAIL=a@example.org GIT_AUTHOR_DATE=2026-01-01T00:00:00Z GIT_COMMITTER_DATE=2026-01-01T00:00:00Z && (set -e; %s) >/dev/null 2>&1", cwd, cwd, script);
	assert_int_equal(system(line), 0);
	free(line);
}

static inline void
write_text(const char *dir, const char *name, const void *p, size_t n)
{
	char *path = ai_join(dir, name);
	ok(ai_write_file(AT_FDCWD, path, p, n, 0644, &err));
	free(path);
}

/* --- an image --------------------------------------------------------------------------- */

/* One plain file as a tar: ustar, as POSIX has it. */
static inline void
tar_of(const char *name, const char *text, struct ai_buf *out)
{
	char head[512] = { 0 }, zeros[1024] = { 0 };
	unsigned sum = 0;
	size_t n = strlen(text);
	memcpy(head, name, strlen(name));
	memcpy(head + 100, "0000644\0000000000\0000000000", 23);
	snprintf(head + 124, 12, "%011o", (unsigned)n & 07777777);
	memcpy(head + 136, "00000000000", 11);
	memcpy(head + 148, "        ", 8);
	head[156] = '0';
	memcpy(head + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof head; i++)
		sum += (unsigned char)head[i];
	snprintf(head + 148, 8, "%06o", sum);
	ai_buf_put(out, head, sizeof head);
	ai_buf_put(out, text, n);
	ai_buf_put(out, zeros, (512 - n % 512) % 512);
	ai_buf_put(out, zeros, sizeof zeros);
}

static inline void
put_part(const char *layout, const void *p, size_t n, char hex[AI_HEX])
{
	struct ai_digest d;
	char name[AI_HEX + 16];
	ai_sha256(p, n, &d);
	ai_hex(&d, hex);
	snprintf(name, sizeof name, "blobs/sha256/%s", hex);
	write_text(layout, name, p, n);
}

/* An OCI layout of two layers; the name of its index, which names the manifest. */
static inline void
make_layout(const char *layout, char index_hex[AI_HEX])
{
	static const char platform[] = "\"architecture\":\"amd64\",\"os\":\"linux\"";
	struct ai_buf a = AI_BUF(1u << 16), b = AI_BUF(1u << 16);
	char one[AI_HEX], two[AI_HEX], config_hex[AI_HEX], manifest_hex[AI_HEX];
	char *blobs = ai_join(layout, "blobs/sha256");
	ok(ai_mkdirs(blobs, 0755, &err));
	tar_of("etc/motd", "of the image\n", &a);
	tar_of("etc/issue", "its second layer\n", &b);
	put_part(layout, a.data, a.len, one);
	put_part(layout, b.data, b.len, two);
	char *config = ai_format("{%s,\"config\":{\"Env\":[\"PATH=/bin\",\"LANG=C\"],\"WorkingDir\":\"/srv\"},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\",\"sha256:%s\"]}}", platform, one, two);
	put_part(layout, config, strlen(config), config_hex);
	char *manifest = ai_format("{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
		"\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:%s\",\"size\":%zu},"
		"{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:%s\",\"size\":%zu}]}", config_hex, strlen(config), one, a.len, two, b.len);
	put_part(layout, manifest, strlen(manifest), manifest_hex);
	char *index = ai_format("{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		"\"digest\":\"sha256:%s\",\"size\":%zu,\"platform\":{%s}}]}", manifest_hex, strlen(manifest), platform);
	put_part(layout, index, strlen(index), index_hex);
	write_text(layout, "index.json", index, strlen(index));
	write_text(layout, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", 30);
	char *all[] = { blobs, config, manifest, index };
	for (size_t i = 0; i < 4; i++)
		free(all[i]);
	ai_buf_done(&a);
	ai_buf_done(&b);
}

/* --- a project ------------------------------------------------------------------------------ */

#define WORDS "one two three\n"
#define WORDS_SHA256 "$(sha256sum words.txt | cut -d' ' -f1)"

/* Every kind of source. The image's tag is its layout's; more is put at the end. */
static inline void
make_project(struct project *p)
{
	char index[AI_HEX];
	*p = (struct project){ 0 };
	ok(ai_mkdtemp("/tmp/aicert-vm", &p->dir, &err));
	p->home = ai_join(p->dir, "home");
	p->aside = ai_join(p->dir, "aside");
	p->aicertfile = ai_join(p->dir, "Aicertfile");
	char *layout = ai_join(p->dir, "image");
	ok(ai_mkdirs(layout, 0755, &err));
	make_layout(layout, index);
	free(layout);
	run_shell(p->dir, "printf 'one two three\\n' > words.txt; mkdir -p data/deep; echo a > data/a; echo b > data/deep/b; ln -s a data/l; chmod +x data/a; "
		"mkdir inner && git -C inner init -q -b main && echo inner > inner/i && git -C inner add . && git -C inner commit -qm i; "
		"mkdir repo && cd repo && git init -q -b main && mkdir src && echo 'print(1)' > src/main.py && echo x > empty && : > nothing && ln -s src/main.py link && "
		"echo '*.bin filter=lfs' > .gitattributes && echo large > l && o=$(sha256sum < l | cut -c-64) && d=.git/lfs/objects/$(echo $o | cut -c-2)/$(echo $o | cut -c3-4) && mkdir -p $d && mv l $d/$o && "
		"printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 6\n' $o > large.bin && "
		"cp src/main.py same.py && git -c protocol.file.allow=always submodule add -q ../inner sub && git add . && git commit -qm r");
	char *text = ai_format("aicert: 1\nname: disks\nenvironment: {image: 'oci:image'}\ninputs:\n  code: {git: repo}\n  data: {path: data}\n  words: {url: 'file://%s/words.txt'}\n"
		"steps:\n  one: {use: shell, source: code, inputs: {data: data, words: words}, script: 'cp -r resources/* outputs', outputs: {kept: {type: dir}}}\n"
		"  two: {use: shell, inputs: {kept: one.kept}, script: 'cat resources/kept/* > $OUT_ALL', outputs: {all: {type: file}}}\n", p->dir);
	write_text(p->dir, "Aicertfile", text, strlen(text));
	free(text);
}

static inline void
plan_project(struct project *p, const char *aside)
{
	p->options = (struct ai_run_options){ .file = p->aicertfile, .home = p->home, .fresh = true };
	ok(ai_job_open(&p->options, &p->job, &err));
	ok(ai_job_fetch(&p->job, &err));
	ok(ai_job_plan(&p->job, &err));
	if (aside)
		ok(ai_job_objects(&p->job, aside, &err));
}

static inline void
remove_project(struct project *p)
{
	ai_job_done(&p->job);
	ok(ai_remove_tree(AT_FDCWD, p->dir, &err));
	char *all[] = { p->dir, p->home, p->aside, p->aicertfile };
	for (size_t i = 0; i < 4; i++)
		free(all[i]);
}

static inline struct ai_job_pack
pack_of(struct project *p)
{
	return (struct ai_job_pack){ .store = p->job.store, .plan = p->job.plan, .nonce = "a nonce", .environments = p->job.environments,
		.aside = (const char *const *)&p->aside, .n_aside = 1 };
}

/* --- a disk in parts ----------------------------------------------------------------------------- */

struct part { char *type, *name; struct ai_buf bytes; };
struct parts { json_t *about; struct part *list; size_t n; };

static inline int
part_bytes(void *ctx, const void *p, size_t n, struct ai_err *err)
{
	ai_buf_put(ctx, p, n);
	return ai_buf_ok(ctx, "part", err);
}

static inline struct parts
take_apart(int fd, const char *kind)
{
	struct ai_disk *d = NULL;
	struct parts p = { 0 };
	ok(ai_disk_open(fd, size_of(fd), kind, NULL, NULL, &d, &err));
	p.about = json_deep_copy(ai_disk_about(d));
	p.list = calloc(ai_disk_count(d) + 8, sizeof *p.list);
	for (p.n = 0; p.n < ai_disk_count(d); p.n++) {
		struct part *x = &p.list[p.n];
		*x = (struct part){ strdup(ai_disk_object(d, p.n)->type), strdup(ai_disk_object(d, p.n)->name), AI_BUF(1u << 26) };
		ok(ai_disk_read(d, p.n, part_bytes, &x->bytes, &err));
		ai_buf_put(&x->bytes, "", 0);
	}
	ai_disk_close(d);
	return p;
}

static inline void
parts_free(struct parts *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->list[i].type);
		free(p->list[i].name);
		ai_buf_done(&p->list[i].bytes);
	}
	free(p->list);
	json_decref(p->about);
}

/* skip: a part that is left out; SIZE_MAX: none. Names are as they stand, true or not. */
static inline int
put_together(const struct parts *p, const char *kind, size_t skip)
{
	int fd = scratch_file();
	uint64_t at = AI_DISK_BLOCK;
	json_t *objects = json_array();
	for (size_t i = 0; i < p->n; i++) {
		const struct part *x = &p->list[i];
		if (i == skip)
			continue;
		if (x->bytes.len)
			put(fd, (off_t)at, x->bytes.data, x->bytes.len);
		json_array_append_new(objects, forged_object(x->type, x->name, x->bytes.len, x->bytes.data ? x->bytes.data : "", x->bytes.len));
		at = ai_disk_aligned(at + x->bytes.len);
	}
	forge_index(fd, kind, p->about, objects, at);
	return fd;
}

static inline struct part *
part_named(struct parts *p, const char *type, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->list[i].type, type) == 0 && strcmp(p->list[i].name, name) == 0)
			return &p->list[i];
	fail_msg("no %s %s", type, name);
	return NULL;
}

/* Further bytes, named by their SHA-256. */
static inline void
part_add(struct parts *p, const char *type, const char *name, const void *bytes, size_t n)
{
	struct ai_digest d;
	char hex[AI_HEX];
	ai_sha256(bytes, n, &d);
	ai_hex(&d, hex);
	p->list[p->n] = (struct part){ strdup(type), name ? strdup(name) : strdup(hex), AI_BUF(1u << 26) };
	ai_buf_put(&p->list[p->n].bytes, bytes, n);
	p->n++;
}

/* A node in the place of another, under its own id, which hex becomes. */
static inline void
part_replace(struct part *x, const json_t *node, char hex[AI_HEX])
{
	struct ai_digest d;
	ai_buf_clear(&x->bytes);
	ok(ai_canon(node, &x->bytes, &err));
	ai_sha256(x->bytes.data, x->bytes.len, &d);
	ai_hex(&d, hex);
	free(x->name);
	x->name = strdup(hex);
}

static inline json_t *
part_json(const struct part *x)
{
	json_t *j = NULL;
	ok(ai_json_parse(x->bytes.data, x->bytes.len, "part", &j, &err));
	return j;
}

#endif
