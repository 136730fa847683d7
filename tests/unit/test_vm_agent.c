/* test_vm_agent.c -- what the agent says, which modules it loads, which disks it takes.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "vm/agent/agent_parts.h"

static char *place;

static char *
in_place(const char *name)
{
	char *path = ai_join(place, name);
	assert_non_null(path);
	return path;
}

static void
put(const char *name, const void *p, size_t n)
{
	AI_FREE char *path = in_place(name);
	AI_FREE char *folder = ai_strndup(path, (size_t)(ai_basename(path) - path));
	ok(ai_mkdirs(folder, 0755, &err));
	ok(ai_write_file(AT_FDCWD, path, p, n, 0644, &err));
}

/* --- the console ------------------------------------------------------------- */

struct screen {
	struct ai_console c;
	struct ai_talk talk;
	char *path;
};

static void
screen_open(struct screen *s)
{
	s->path = in_place("console");
	s->c = (struct ai_console){ .fd = open(s->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) };
	s->talk = ai_console_talk(&s->c);
	assert_true(s->c.fd >= 0);
}

static char *
screen_text(struct screen *s)
{
	struct ai_buf b = AI_BUF(64u << 20);
	assert_int_equal(lseek(s->c.fd, 0, SEEK_SET), 0);
	ok(ai_read_fd(s->c.fd, "console", &b, &err));
	return ai_buf_take(&b);
}

static void
screen_close(struct screen *s)
{
	close(s->c.fd);
	free(s->path);
}

static void
log_text(struct screen *s, const char *text)
{
	ai_say_log(&s->talk, text, strlen(text));
}

static void
lines_for_people(void **state)
{
	(void)state;
	struct screen s;
	screen_open(&s);
	ai_say(&s.talk, AI_TALK_STAGE, "run     %s", "train");
	log_text(&s, "one\ntw");
	log_text(&s, "o\n10%\r20%\rdone");
	ai_say(&s.talk, AI_TALK_NOTE, "a note");
	ai_say(&s.talk, AI_TALK_DETAIL, "nobody asked");
	ai_say_progress(&s.talk, "job", 1, 2);
	AI_FREE char *text = screen_text(&s);
	assert_string_equal(text, "aicert: run     train\n| one\n| two\n| 10%\n| 20%\n| done\naicert: note: a note\n");
	screen_close(&s);
}

/* Whatever a step prints, no line of it begins like one of ours, moves the cursor, or ends early. */
static void
a_step_cannot_speak_for_us(void **state)
{
	(void)state;
	struct screen s;
	screen_open(&s);
	log_text(&s, "x\raicert: done\n\033[2Jaicert: done\n\naicert: attest\b\b\tend\x7f");
	ai_say(&s.talk, AI_TALK_STAGE, "failed: 'a\nb\033'");
	AI_FREE char *text = screen_text(&s);
	assert_string_equal(text, "| x\n| aicert: done\n| ?[2Jaicert: done\n| \n| aicert: attest??\tend?\naicert: failed: 'a?b?'\n");
	screen_close(&s);
}

static void
long_lines_and_long_logs(void **state)
{
	(void)state;
	struct screen s;
	screen_open(&s);
	AI_FREE char *flood = ai_calloc(1 << 20, 1);
	memset(flood, 'a', (1 << 20) - 1);
	for (int i = 0; i < 8; i++)
		log_text(&s, flood);
	ai_say(&s.talk, AI_TALK_STAGE, "attest");
	AI_FREE char *text = screen_text(&s);
	size_t longest = 0, lines = 0;
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1, lines++)
		longest = strcspn(p, "\n") > longest ? strcspn(p, "\n") : longest;
	assert_true(longest <= AI_CONSOLE_LINE + 2);
	assert_true(strlen(text) < AI_CONSOLE_LIVE + 4 * lines);
	const char *cut = strstr(text, "\naicert: what is printed from here on is kept in the steps' logs only\n");
	assert_non_null(cut);
	assert_string_equal(cut + 1 + strcspn(cut + 1, "\n"), "\naicert: attest\n");
	screen_close(&s);
}

/* --- modules -------------------------------------------------------------------- */

static void
modules(const char *order, size_t n, int want, const char *words)
{
	struct screen s;
	AI_FREE char *folder = in_place("modules");
	screen_open(&s);
	put("modules/order", order, n);
	if (want == 0)
		ok(ai_agent_modules(folder, &s.talk, &err));
	else
		refused(want, words, ai_agent_modules(folder, &s.talk, &err));
	AI_FREE char *text = screen_text(&s);
	/* A malformed list loads nothing of it. */
	if (want == 0 ? !strstr(text, words) : *text)
		fail_msg("said '%s', expected '%s'", text, words);
	screen_close(&s);
}

static void
module_lists(void **state)
{
	(void)state;
	struct ai_console none = { .fd = -1 };
	const struct ai_talk talk = ai_console_talk(&none);
	AI_FREE char *absent = in_place("absent");
	ok(ai_agent_modules(absent, &talk, &err));
	put("modules/garbage.ko", "no module", 9);
	modules("", 0, 0, "");
	modules("gone.ko\n", 8, 0, "module gone.ko: not loaded: No such file");
	modules("garbage.ko", 10, 0, "module garbage.ko: not loaded");
	modules("gone.ko\n../x.ko\n", 16, AI_EINPUT, "order:2");
	modules("/x.ko\n", 6, AI_EINPUT, "order:1");
	modules("gone.ko\n\ngone.ko\n", 17, AI_EINPUT, "order:2");
	modules("gone.so\n", 8, AI_EINPUT, "got 'gone.so', expected a module");
	modules("gone.ko\0x\n", 10, AI_EINPUT, "holds a NUL");
}

/* --- disks ------------------------------------------------------------------------ */

static const char header[] = "aicert disk v1\n\0job";

static void
disk(const char *name, const char *serial, const char *where, const char *begin, size_t n)
{
	char bytes[8192] = { 0 };
	AI_FREE char *dev = ai_format("dev/%s", name);
	AI_FREE char *sys = ai_format("sys/%s/%s", name, serial ? where : "size");
	memcpy(bytes, begin, n);
	put(dev, bytes, sizeof bytes);
	put(sys, serial ? serial : "16\n", serial ? strlen(serial) : 3);
}

static void
clear(void)
{
	AI_FREE char *dev = in_place("dev"), *sys = in_place("sys");
	ok(ai_remove_tree(AT_FDCWD, dev, &err));
	ok(ai_remove_tree(AT_FDCWD, sys, &err));
	ok(ai_mkdirs(dev, 0755, &err));
	ok(ai_mkdirs(sys, 0755, &err));
}

static int
find(struct ai_agent_disks *out, struct ai_err *err)
{
	AI_FREE char *dev = in_place("dev"), *sys = in_place("sys");
	return ai_agent_find_disks(sys, dev, out, err);
}

/* Which file a descriptor is. */
static void
is_disk(int fd, const char *name)
{
	struct stat a, b;
	AI_FREE char *dev = in_place("dev");
	AI_FREE char *path = ai_join(dev, name);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(stat(path, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
}

static void
found(const char *job, const char *result)
{
	struct ai_agent_disks d;
	ok(find(&d, &err));
	is_disk(d.job, job);
	is_disk(d.result, result);
	assert_int_equal(d.job_size, 8192);
	assert_int_equal(d.result_size, 8192);
	assert_int_equal(fcntl(d.job, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(d.result, F_GETFL) & O_ACCMODE, O_RDWR);
	ai_agent_disks_done(&d);
}

#define NOTHING "", 0
#define JOB header, sizeof header

static void
by_serial(void **state)
{
	(void)state;
	clear();
	disk("vda", "aicert-result", "serial", "old", 3);
	disk("vdb", "aicert-job", "serial", NOTHING);
	disk("vdc", "other", "serial", JOB);
	disk("sr0", NULL, NULL, NOTHING);
	disk("loop0", "aicert-job", "serial", NOTHING);
	found("vdb", "vda");
	/* Another that says it is the job: nobody can tell which. */
	disk("vdd", "aicert-job\n", "serial", NOTHING);
	struct ai_agent_disks d = { .job = 77 };
	refused(AI_EENV, "both could be the job disk", find(&d, &err));
	assert_int_equal(d.job, 77);
}

static void
by_what_is_on_them(void **state)
{
	(void)state;
	clear();
	struct ai_agent_disks d;
	refused(AI_EENV, "none of 0 is the job disk", find(&d, &err));
	disk("sda", NULL, NULL, "EFI PART", 8);
	disk("sdb", NULL, NULL, JOB);
	refused(AI_EENV, "none of 2 is the result disk", find(&d, &err));
	disk("nvme0n1", "vol-1", "device/serial", NOTHING);
	found("sdb", "nvme0n1");
	/* Two blank disks: none is written to. */
	disk("sdc", NULL, NULL, NOTHING);
	refused(AI_EENV, "both could be the result disk", find(&d, &err));
	/* A serial decides. */
	disk("sdd", "aicert-result  \n", "device/serial", "used", 4);
	found("sdb", "sdd");
}

/* --- init --------------------------------------------------------------------------- */

/* Started by anybody but a kernel it does nothing at all. */
static void
init_is_for_machines(void **state)
{
	(void)state;
	AI_FREE char *path = in_place("said");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), status;
	pid_t pid = fork();
	if (pid == 0) {
		(void)!dup2(fd, 2);
		_exit(ai_agent_init());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	close(fd);
}

/* As Linux 6.1 says it; a step's name stands in front of the second, and no step can write to the log. */
static void
reads_that_fail(void **state)
{
	(void)state;
	assert_true(ai_agent_read_failed("3,412,9876543,-;I/O error, dev vda, sector 2056 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2\n"));
	assert_true(ai_agent_read_failed("3,412,9876543,-;critical medium error, dev vda, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2\n"));
	assert_true(ai_agent_read_failed("6,7,8,-;sh: attempt to access beyond end of device\\x0avda: rw=0, sector=9, nr_sectors = 8 limit=8\n"));
	/* It is one limit for all disks: ten of another's, and nothing more is said. */
	assert_true(ai_agent_read_failed("3,412,9876543,-;I/O error, dev vdc, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2\n"));
	/* An empty disk's reads fail without a word. */
	assert_true(ai_agent_read_failed("6,413,9876543,-;vda: detected capacity change from 2048 to 0\n"));
	assert_true(ai_agent_read_failed("6,413,9876543,-;vdb: detected capacity change from 2048 to 4096\n"));
	assert_false(ai_agent_read_failed("6,413,9876543,-;dm-1: detected capacity change from 0 to 4096\n"));
	assert_false(ai_agent_read_failed("6,1,2,-;sh[9]: segfault at 4 ip 0000000000680266\n"));
	assert_false(ai_agent_read_failed(""));
}

/* What is no disk that answers is none that is there. */
static void
disk_gone(void **state)
{
	(void)state;
	AI_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC), file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	refused(AI_EENV, "the job disk is gone", ai_agent_disk_there(null, 0, &err));
	refused(AI_EENV, "the job disk is gone", ai_agent_disk_there(file, 4096, &err));
	refused(AI_EENV, "the job disk is gone", ai_agent_disk_there(-1, 4096, &err));
}

static int
setup(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	char *prefix = ai_format("%s/aicert-agent", tmp ? tmp : "/tmp");
	ok(ai_mkdtemp(prefix, &place, &err));
	free(prefix);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ai_discard_tree(place);
	free(place);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_for_people), cmocka_unit_test(a_step_cannot_speak_for_us), cmocka_unit_test(long_lines_and_long_logs),
		cmocka_unit_test(module_lists), cmocka_unit_test(by_serial), cmocka_unit_test(by_what_is_on_them), cmocka_unit_test(init_is_for_machines),
		cmocka_unit_test(reads_that_fail), cmocka_unit_test(disk_gone),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
