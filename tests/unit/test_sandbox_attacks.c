/* The sandbox under attack: what a malicious step tries in vain.  SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "sandbox_unit.h"

static void
no_network(void **state)
{
	(void)state;
	struct trial t;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(s, 1), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&a, &n), 0);
	char *program = ai_format("import socket, errno\n"
		"def no(want, f, *x):\n try: f(*x)\n except OSError as e: assert e.errno in want, e; return\n assert False, x\n"
		"c = socket.create_connection\n"
		"no([errno.ECONNREFUSED], c, ('127.0.0.1', %u))\n"
		"no([errno.ENETUNREACH], c, ('192.0.2.1', 80))\n"
		"no([errno.ENETUNREACH, errno.EADDRNOTAVAIL], c, ('2001:db8::1', 80))\n"
		"for f in range(64):\n"
		" if f not in (1, 2, 10, 16): no([errno.EAFNOSUPPORT], socket.socket, f, socket.SOCK_STREAM)\n"
		"no([errno.EPERM, errno.EPROTONOSUPPORT], socket.socket, 2, socket.SOCK_RAW, 1)\n"
		"for p in range(1, 23): no([errno.EPROTONOSUPPORT], socket.socket, 16, socket.SOCK_RAW, p)\n", ntohs(a.sin_port));
	trial_start(&t);
	trial_expect(&t, PYTHON, program, 0);
	struct pollfd p = { .fd = s, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	close(s);
	free(program);
	trial_end(&t);
}

/* An abstract unix socket of the machine has no file that could be hidden: the network namespace hides it. */
static void
no_abstract_socket(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	char *program = ai_format("import socket\ntry: socket.socket(socket.AF_UNIX).connect('\\0aicert-test-%d')\nexcept ConnectionRefusedError: pass\n"
		"else: assert False", getpid());
	char *server = ai_format("import socket, time\ns = socket.socket(socket.AF_UNIX); s.bind('\\0aicert-test-%d'); s.listen(); print(flush=True); "
		"time.sleep(30)", getpid());
	int out[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(out[1], 1);
		execl(PYTHON, PYTHON, "-c", server, (char *)NULL);
		_exit(1);
	}
	char c;
	assert_int_equal(read(out[0], &c, 1), 1);
	trial_expect(&t, PYTHON, program, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(out[0]);
	close(out[1]);
	free(program);
	free(server);
	trial_end(&t);
}

static void
machine_is_hidden(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	char *secret = in_place("secret");
	put_file(secret, "secret", 0644);
	char *program = ai_format("! cat %s && ! ls %s && ! ls /sys && ! cat /etc/shadow && ! cat /etc/machine-id && ! ls /dev/tty && ! ls /.old && "
		"test -z \"$(find /root /run -mindepth 1)\" && test \"$(ls /home /var)\" = \"$(printf '/home:\\naicert\\n\\n/var:\\ntmp')\"", secret, place);
	trial_expect(&t, "sh", program, 0);
	free(program);
	free(secret);
	trial_end(&t);
}

static void
kernel_settings_are_read_only(void **state)
{
	(void)state;
	attempt(PYTHON, "import os, errno\n"
		"for p in ('/proc/sys/kernel/hostname', '/proc/sys/kernel/core_pattern', '/proc/sys/vm/drop_caches', '/proc/sysrq-trigger',\n"
		"          '/proc/sys/net/ipv4/ip_forward', '/usr/bin/python3', '/etc/passwd', '/etc/new', '/new', '/usr/new', '/dev/new', '/run/new',\n"
		"          '/etc/ld.so.cache', '/proc/1/oom_score_adj', '/proc/1/mem', '/proc/self/uid_map'):\n"
		" try: os.write(os.open(p, os.O_WRONLY | os.O_CREAT), b'1')\n"
		" except OSError as e: assert e.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT), (p, e)\n"
		" else: assert False, p\n"
		"for p in ('/usr/bin/env', '/etc/passwd', '/dev/null', '/'):\n"
		" try: os.chmod(p, 0o777)\n"
		" except OSError: pass\n"
		" else: assert False, p", 0);
}

static void
others_processes_are_out_of_reach(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	char *program = ai_format("import os, signal, glob\n"
		"assert len(glob.glob('/proc/[0-9]*')) == 1\n"
		"for p in (%d, %d):\n"
		" if p in (1, os.getpid()): continue\n"
		" try: os.kill(p, signal.SIGKILL)\n"
		" except ProcessLookupError: pass\n"
		" else: assert False\n"
		"for f in ('root', 'mem', 'environ', 'fd', 'cwd', 'maps'):\n"
		" try: os.listdir('/proc/1/' + f) if f in ('root', 'fd', 'cwd') else open('/proc/1/' + f).read()\n"
		" except OSError: pass\n"
		" else: assert False, f\n"
		"try: os.kill(1, signal.SIGKILL)\n"
		"except PermissionError: pass\n", (int)pid, (int)getpid());
	trial_expect(&t, PYTHON, program, 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	free(program);
	trial_end(&t);
}

/* Each call by number, straight to the kernel, with arguments that would do something were it allowed. */
static void
calls_are_refused(void **state)
{
	(void)state;
	attempt(PYTHON, "import ctypes, errno, os\n"
		"c = ctypes.CDLL(None, use_errno=True)\n"
		"def call(name, nr, *a, want=errno.EPERM):\n"
		" ctypes.set_errno(0); r = c.syscall(ctypes.c_long(nr), *[ctypes.c_long(x) if isinstance(x, int) else x for x in a])\n"
		" e = ctypes.get_errno(); assert r == -1 and e == want, (name, r, e)\n"
		"for n, nr in dict(io_uring_setup=425, io_uring_enter=426, io_uring_register=427, keyctl=250, add_key=248, request_key=249, setns=308,\n"
		"  mount=165, umount2=166, pivot_root=155, chroot=161, open_tree=428, move_mount=429, fsopen=430, fsconfig=431, fsmount=432, fspick=433,\n"
		"  mount_setattr=442, ptrace=101, process_vm_readv=310, process_vm_writev=311, bpf=321, perf_event_open=298, userfaultfd=323,\n"
		"  kexec_load=246, init_module=175, finit_module=313, delete_module=176, name_to_handle_at=303, open_by_handle_at=304, swapon=167,\n"
		"  reboot=169, quotactl=179, acct=163, settimeofday=164, clock_settime=227, adjtimex=159, iopl=172, ioperm=173, syslog=103,\n"
		"  pidfd_getfd=438, kcmp=312).items(): call(n, nr, 0, 0, 0, 0, 0)\n"
		"for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):\n"
		" call('unshare', 272, flag); call('clone', 56, flag | 17, 0, 0, 0, 0)\n"
		"call('clone3', 435, 0, 0, want=errno.ENOSYS)\n"
		"for nr in (451, 457, 467, 1000): call('newer', nr, 0, 0, 0, want=errno.ENOSYS)\n"
		"for p in (0x0040000, 0x0400000, 8): call('personality', 135, p)\n"
		"assert c.syscall(135, ctypes.c_ulong(0xffffffff)) == 0\n"
		"b = ctypes.c_char_p(b'x')\n"
		"call('TIOCSTI', 16, 0, 0x5412, b); call('TIOCSTI, high bits', 16, 0, 0x5412 | 1 << 32, b); call('TIOCLINUX', 16, 0, 0x541c, b)\n"
		"call('socket, high bits', 41, 40 | 1 << 32, 1, 0, want=errno.EAFNOSUPPORT)\n"
		"call('seccomp listener', 317, 1, 8, 0)\n"
		"try: os.mknod('/tmp/d', 0o20666, 0x103)\n"
		"except PermissionError: pass\n"
		"else: assert False\n"
		"call('setuid', 105, 0, want=errno.EINVAL); call('setuid', 105, 65520, want=errno.EINVAL)", 0);
}

/* Code of another architecture has other numbers for the same calls. */
static void
other_architecture_is_killed(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	trial_run(&t, (const char *const[]){ PYTHON, "-c",
		"import ctypes, mmap\n"
		"m = mmap.mmap(-1, 4096, prot=7)\n"
		"m.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')\n" /* mov eax, 20 (getpid); int 0x80; ret */
		"f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\n"
		"print('survived', f())", NULL });
	assert_int_equal(t.code, 0);
	assert_int_equal(t.end.kind, AI_END_SIGNAL);
	assert_null(strstr(t.log, "survived"));
	trial_run(&t, (const char *const[]){ PYTHON, "-c", "import ctypes; print('survived', ctypes.CDLL(None).syscall(0x40000000 | 39))", NULL });
	assert_int_equal(t.end.kind, AI_END_SIGNAL);
	trial_end(&t);
}

static void
set_user_id_programs_are_powerless(void **state)
{
	(void)state;
	attempt("sh", "for p in su passwd sudo mount newgrp; do command -v $p >/dev/null || continue; done; ! su root -c id; "
		"! passwd -d root; grep -q 'NoNewPrivs:.1' /proc/self/status && grep -q 'CapBnd:.0000000000000000' /proc/self/status && "
		"cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id && test \"$(/tmp/id -u)\" = 1000", 0);
}

static void
descriptors_are_not_inherited(void **state)
{
	(void)state;
	char *secret = in_place("open");
	put_file(secret, "secret", 0644);
	int fd = open(secret, O_RDWR); /* on purpose without O_CLOEXEC */
	int high = fcntl(fd, F_DUPFD, 500);
	attempt(PYTHON, "import os\nassert sorted(os.listdir('/proc/self/fd'))[:4] == ['0', '1', '2', '3'] and len(os.listdir('/proc/self/fd')) == 4\n"
		"assert os.readlink('/proc/self/fd/0') == '/dev/null'\n"
		"assert all(os.readlink('/proc/self/fd/%d' % i).startswith('pipe:') for i in (1, 2))", 0);
	close(fd);
	close(high);
	free(secret);
}

static int
tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(no_network), cmocka_unit_test(no_abstract_socket), cmocka_unit_test(machine_is_hidden),
		cmocka_unit_test(kernel_settings_are_read_only), cmocka_unit_test(others_processes_are_out_of_reach),
		cmocka_unit_test(calls_are_refused), cmocka_unit_test(other_architecture_is_killed),
		cmocka_unit_test(set_user_id_programs_are_powerless), cmocka_unit_test(descriptors_are_not_inherited),
	};
	return cmocka_run_group_tests_name("sandbox attacks", all, NULL, NULL);
}

int
main(void)
{
	return as_root_and_user(tests);
}
