/*
 * attacks.h -- every attack by name, and what it tries. test_attacks.py reads this table too.
 *
 * Depends on: nothing.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ATTACKS_H
#define ATTACKS_H

#define ATTACKS(X) \
	/* network: attack_net.c */ \
	X(net_inet, "connect to a server of the machine on 127.0.0.1") \
	X(net_inet6, "connect to a server of the machine on ::1") \
	X(net_out, "connect to addresses beyond the machine, IPv4 and IPv6") \
	X(net_udp, "send a datagram to a server of the machine") \
	X(net_dns, "ask a resolver on 127.0.0.53 or 127.0.0.1") \
	X(net_other_stream, "connect to a server of the machine by MPTCP, SCTP, DCCP, UDP-Lite") \
	X(net_unix_path, "connect to a unix socket in a folder of the machine") \
	X(net_unix_abstract, "connect to an abstract unix socket of the machine") \
	X(net_unix_known, "connect to D-Bus, systemd, docker, containerd, udev, X11, ssh-agent") \
	X(net_netlink_change, "change interfaces and addresses by NETLINK_ROUTE") \
	X(net_netlink_other, "open netlink's other protocols: audit, uevents, netfilter, crypto, generic") \
	X(net_interface, "turn an interface by ioctl") \
	X(net_vsock, "reach the hypervisor by AF_VSOCK") \
	X(net_packet, "listen to frames by AF_PACKET") \
	X(net_raw, "open raw sockets, IPv4 and IPv6") \
	X(net_ping, "send an echo request") \
	X(net_alg, "drive the kernel's ciphers by AF_ALG") \
	X(net_bluetooth, "open AF_BLUETOOTH") \
	X(net_tipc, "open AF_TIPC") \
	X(net_can, "open AF_CAN") \
	X(net_xdp, "open AF_XDP") \
	X(net_families, "open each other socket family") \
	X(net_tun, "make an interface by /dev/net/tun") \
	/* files of the machine: attack_files.c */ \
	X(file_absolute, "read a secret of the machine by its path") \
	X(file_dotdot, "read it by ../../..") \
	X(file_proc_1_root, "read it by /proc/1/root and /proc/1/cwd") \
	X(file_proc_self_root, "read it by /proc/self/root, /proc/thread-self/root") \
	X(file_proc_others, "read it by each process's root, cwd and open descriptors") \
	X(file_handle, "read it by open_by_handle_at") \
	X(file_old_root, "find what pivot_root left behind") \
	X(file_chroot_out, "leave by chroot and ../.. ") \
	X(file_write, "write and make files in a folder of the machine") \
	X(file_machine_secrets, "read shadow, host keys, machine-id, root's HOME") \
	X(file_store, "read aicert's store, scratch folders and logs") \
	X(file_tpm, "read the TPM's device and the software TPM's state") \
	X(file_descriptors, "use descriptors that aicert inherited") \
	X(file_environment, "read secrets of aicert's environment") \
	X(file_system_write, "write to programs, libraries and /etc") \
	X(file_system_metadata, "chmod, utimes, xattr of the environment's files and of /dev/null") \
	X(file_setuid_bit, "run a program that was made set-user-id") \
	X(file_su, "become root by su, sudo, mount, newgrp, pkexec") \
	/* inputs, which are the store's objects: attack_inputs.c */ \
	X(input_write, "open an input for writing") \
	X(input_reopen, "open it for writing by /proc/self/fd") \
	X(input_truncate, "truncate it") \
	X(input_mode, "chmod and chown it") \
	X(input_times, "set its times") \
	X(input_xattr, "set its extended attributes and flags") \
	X(input_unlink, "remove it") \
	X(input_rename, "rename it, and something over it") \
	X(input_link, "make a hard link of it in the outputs") \
	X(input_map, "map it shared and writable") \
	X(input_clone, "clone or copy bytes into it, punch holes") \
	X(input_lease, "take a lease on it") \
	X(input_folder, "make, move and remove things in an input's folder") \
	X(input_program, "write to the running program") \
	/* other processes: attack_process.c */ \
	X(proc_signal, "kill a process of the same uid outside") \
	X(proc_pidfd, "open it as a pidfd and signal that") \
	X(proc_seen, "see any process of the machine") \
	X(proc_init_kill, "kill, stop and quit the sandbox's pid 1") \
	X(proc_init_look, "look into pid 1: memory, descriptors, environment, program") \
	X(proc_init_getfd, "take pid 1's sockets by pidfd_getfd") \
	X(proc_ptrace, "ptrace the process outside, pid 1 and the own parent") \
	X(proc_vm, "read and write others' memory by process_vm_*") \
	X(proc_mem, "read others' memory by /proc/PID/mem") \
	X(proc_kcmp, "compare, move pages and read robust lists of others") \
	X(proc_rlimit, "change the limits of the process outside") \
	X(proc_priority, "change priority and I/O priority of all processes of this uid") \
	X(proc_affinity, "change processors and scheduler of the process outside") \
	X(proc_realtime, "become a real-time process") \
	X(proc_oom, "hide from the OOM killer, and point it at pid 1") \
	X(proc_limits_raise, "raise the own hard limits") \
	X(proc_core, "have the machine's core handler run") \
	X(proc_identity, "become another user or group") \
	X(proc_capabilities, "gain capabilities") \
	/* namespaces and mounts: attack_mounts.c */ \
	X(ns_user, "make a user namespace by unshare, clone and clone3") \
	X(ns_each, "make each other namespace by unshare, clone and clone3") \
	X(ns_setns, "enter namespaces of /proc/*/ns") \
	X(ns_owner, "get the owner and the parent of a namespace by ioctl") \
	X(ns_maps, "write uid_map, gid_map, setgroups, timens_offsets") \
	X(mount_new, "mount tmpfs, proc, sysfs, cgroup, cgroup2, overlay, devpts, debugfs, bpf") \
	X(mount_bind, "bind, remount writable, move, make shared") \
	X(mount_umount, "take mounts away, so that what they cover shows") \
	X(mount_api, "fsopen, fsmount, open_tree, move_mount, mount_setattr, fspick") \
	X(mount_root, "pivot_root and chroot") \
	X(mount_list, "list mounts by statmount and listmount") \
	X(mount_cgroup, "write release_agent and cgroup.procs") \
	/* the kernel and the machine: attack_kernel.c */ \
	X(sys_core_pattern, "set kernel.core_pattern") \
	X(sys_settings, "set other sysctls: modprobe, hostname, overcommit, ip_forward, suid_dumpable…") \
	X(sys_sysrq, "write to sysrq-trigger") \
	X(sys_binfmt, "register a binary format") \
	X(sys_sysfs, "write to /sys") \
	X(sys_proc_read, "read the kernel's memory, log, symbols, keys and timers in /proc") \
	X(sys_device_make, "mknod of memory, disk, terminal, whiteout") \
	X(sys_device_open, "open memory, disks, log, KVM, FUSE, GPUs, loop control, input") \
	X(sys_device_list, "find devices beyond null, zero, full, random, urandom, shm") \
	X(sys_keys, "add, find and read keys") \
	X(sys_bpf, "load a BPF program") \
	X(sys_perf, "open performance counters") \
	X(sys_userfaultfd, "stop the kernel in a page fault") \
	X(sys_io_uring, "make an io_uring") \
	X(sys_fanotify, "watch the machine's files by fanotify") \
	X(sys_modules, "load and remove kernel modules") \
	X(sys_kexec, "load another kernel, reboot") \
	X(sys_clock, "set the clock") \
	X(sys_names, "set the host and domain name") \
	X(sys_swap, "swapon, swapoff, acct") \
	X(sys_quota, "quotactl") \
	X(sys_ports, "iopl, ioperm") \
	X(sys_log, "read and clear the kernel's log") \
	X(sys_ldt, "modify_ldt") \
	X(sys_personality, "turn address randomisation off") \
	X(sys_listener, "install a seccomp listener that answers in the observer's place") \
	X(sys_int80, "make 32-bit system calls") \
	X(sys_x32, "make x32 system calls") \
	X(sys_new_calls, "make calls that are newer than the list") \
	X(sys_tiocsti, "type into a terminal by TIOCSTI and TIOCLINUX") \
	X(sys_tty, "open terminals and consoles") \
	X(sys_ipc, "find shared memory, semaphores and message queues of the machine")

#endif
