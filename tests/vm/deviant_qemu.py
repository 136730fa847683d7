#!/usr/bin/python3
"""QEMU as a hostile host starts it: found on PATH under QEMU's name, it boots the real one with one thing other than aicert asked for.

AICERT_TEST_DEVIATION is a JSON object:
  append    a kernel command line beside the runner's own
  firmware  another file of firmware code;  variables: another file of its variables
  uki       another runner
  bios      no UEFI: SeaBIOS starts this kernel ({"kernel", "initrd", "append"})
  extra     further arguments
  fails     a sector of the job disk that cannot be read
  when      a text: once the console shows it, the bytes of `poke` ({"at", "hex"}, at < 0: from the file's end) go into the job disk,
            and if there is "every" and "times", at so many places more, so far apart
  pulls     a socket's path; then, instead of a poke, the job disk is pulled out of the running machine
  agent     the agent without a machine: {"program", "home", "state": of the vTPM; absent: a TPM of the agent's own}
  given     a file whose bytes become the job disk's before anything starts
  instead   a file whose bytes become the result disk's: no machine is booted. console: a file of what it prints
  after     a file whose bytes replace the result disk's once the machine is off
  keep      a folder that job and result disk are copied to

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

REAL = "/usr/bin/qemu-system-x86_64"


def option(argv, prefix):
    """Index of the argument that begins so."""
    return next(i for i, a in enumerate(argv) if a.startswith(prefix))


def file_of(argv, prefix):
    return argv[option(argv, prefix)].split("file=", 1)[1].replace(",,", ",")


def deviate(argv, how):
    if "append" in how:
        argv += ["-append", how["append"]]
    if "firmware" in how:
        i = option(argv, "if=pflash,unit=0")
        argv[i] = argv[i].split("file=", 1)[0] + "file=" + how["firmware"]
    if "variables" in how:
        shutil.copyfile(how["variables"], file_of(argv, "if=pflash,unit=1"))
    if "uki" in how:
        argv[argv.index("-kernel") + 1] = how["uki"]
    if "bios" in how:
        while any(a.startswith("if=pflash") for a in argv):
            i = option(argv, "if=pflash")
            del argv[i - 1:i + 1]
        argv[argv.index("-kernel") + 1] = how["bios"]["kernel"]
        argv += ["-initrd", how["bios"]["initrd"], "-append", how["bios"]["append"]]
    if "fails" in how:
        argv[option(argv, "if=none,id=job")] = ("if=none,id=job,driver=raw,readonly=on,file.driver=blkdebug,file.image.driver=file,file.image.filename="
                                                + file_of(argv, "if=none,id=job") + ",file.inject-error.0.event=read_aio,file.inject-error.0.errno=5,"
                                                + f"file.inject-error.0.sector={how['fails']},file.inject-error.0.once=off")
    if "pulls" in how:
        i = option(argv, "virtio-blk-pci,drive=job")
        argv[i] += ",bus=removable,id=pulled"
        argv[i - 1:i - 1] = ["-qmp", f"unix:{how['pulls']},server=on,wait=off", "-device", "pcie-root-port,id=removable,chassis=1"]
    return argv + how.get("extra", [])


def pull(path):
    """The guest hears that its disk's slot is to be empty, and lets go of the disk."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        with s.makefile("rw", encoding="utf-8") as f:
            f.readline()
            for call in ({"execute": "qmp_capabilities"}, {"execute": "device_del", "arguments": {"id": "pulled"}}):
                f.write(json.dumps(call) + "\n")
                f.flush()
                f.readline()


def poke(path, at, data, every=0, times=1):
    with open(path, "r+b") as f:
        for i in range(times):
            f.seek(at + i * every, os.SEEK_END if at < 0 else os.SEEK_SET)
            f.write(data)
        f.flush()
        os.fsync(f.fileno())


def watched(argv, how):
    """The machine, with an eye on its console."""
    waits = how.get("when", "").encode()
    job = waits and file_of(argv, "if=none,id=job")
    with subprocess.Popen([REAL, *argv], stdout=subprocess.PIPE, preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL)) as p:
        for line in p.stdout:
            if waits and waits in line:
                if "pulls" in how:
                    pull(how["pulls"])
                else:
                    where = how["poke"]
                    poke(job, where["at"], bytes.fromhex(where["hex"]), where.get("every", 0), where.get("times", 1))
                waits = b""
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    return p.returncode


def free_port():
    """With a neighbour that is free too: swtpm's control."""
    while True:
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0))
            try:
                b.bind(("127.0.0.1", a.getsockname()[1] + 1))
            except OSError:
                continue
            return a.getsockname()[1]


def without_machine(agent, job, result):
    """The same program, started by the host: what it says, the vTPM's key signs."""
    if "state" not in agent:
        return subprocess.run([agent["program"], job, result, agent["home"], "embedded"], check=False)
    port = free_port()
    with subprocess.Popen(["swtpm", "socket", "--tpm2", "--server", f"type=tcp,port={port},bindaddr=127.0.0.1", "--ctrl",
                           f"type=tcp,port={port + 1},bindaddr=127.0.0.1", "--flags", "not-need-init,startup-clear", "--tpmstate",
                           f"dir={agent['state']}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tpm:
        for _ in range(500):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port + 1)) == 0:
                    break
            time.sleep(0.01)
        try:
            return subprocess.run([agent["program"], job, result, agent["home"], f"swtpm:host=127.0.0.1,port={port}"], check=False)
        finally:
            tpm.kill()


def replace(path, by):
    """The same file with other bytes: whoever has it open sees them."""
    with open(path, "r+b") as f, open(by, "rb") as new:
        size = f.seek(0, os.SEEK_END)
        f.seek(0)
        shutil.copyfileobj(new, f)
        f.truncate(max(size, f.tell()))


def main(argv):
    how = json.loads(os.environ.get("AICERT_TEST_DEVIATION", "{}"))
    if "-kernel" not in argv:
        os.execv(REAL, [REAL, *argv])
    argv = deviate(argv, how)
    result = file_of(argv, "if=none,id=result")
    if "given" in how:
        replace(file_of(argv, "if=none,id=job"), how["given"])
    if "instead" in how:
        replace(result, how["instead"])
        with open(how["console"], "rb") as f:
            sys.stdout.buffer.write(f.read())
        code = 0
    elif "agent" in how:
        code = 0
        without_machine(how["agent"], file_of(argv, "if=none,id=job"), result)
    else:
        code = watched(argv, how)
    if "keep" in how:
        os.makedirs(how["keep"], exist_ok=True)
        for name in ("job", "result"):
            subprocess.run(["cp", "--sparse=always", file_of(argv, f"if=none,id={name}"), f"{how['keep']}/{name}"], check=True)
    if "after" in how:
        replace(result, how["after"])
    return code


sys.exit(main(sys.argv[1:]))
