"""`aicert vm build`: the same bytes wherever it runs, nothing but what is pinned in them, and no way around a pin.

Packages come through a proxy on loopback that keeps what it has fetched once, so that the tests of one session download it once, and that can be told to lie.
"""
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pytest
from conftest import BUILD, ROOT

NOBODY = 65534
BOUND = 40 << 20


class Mirror(http.server.ThreadingHTTPServer):
    """A proxy for http. lies: url -> bytes, or a status."""
    daemon_threads = True

    def __init__(self, keep):
        super().__init__(("127.0.0.1", 0), Answer)
        self.keep, self.lies, self.asked = keep, {}, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def get(self, url):
        at = self.keep / hashlib.sha256(url.encode()).hexdigest()
        if not at.exists():
            with urllib.request.urlopen(url, timeout=60) as r:  # by the proxy that the machine has, if any
                part = at.with_suffix(f".{threading.get_ident()}")
                part.write_bytes(r.read())
            part.rename(at)
        return at.read_bytes()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        said = self.server.lies.get(self.path)
        try:
            status, body = (said, b"") if isinstance(said, int) else (200, said if said is not None else self.server.get(self.path))
        except urllib.error.HTTPError as e:
            status, body = e.code, b""
        except OSError:
            status, body = 502, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Workshop:
    """A folder that every user can get at, with copies of the programs; each place in it has a home of its own."""

    def __init__(self, folder, mirror):
        self.folder, self.mirror = folder, mirror
        self.bin = folder / "bin"
        self.bin.mkdir()
        for p in ("aicert", "aicert-engine"):
            shutil.copy(BUILD / p, self.bin / p)
        # No package of a runner has the sanitizers' libraries.
        shutil.copy((BUILD if not BUILD.name.startswith("build-") else ROOT / "build") / "aicert-agent", self.bin)
        self.agent = self.bin / "aicert-agent"

    def place(self, name, user=0):
        p = self.folder / name
        p.mkdir()
        if os.geteuid() == 0:
            os.chown(p, user, user)
        return p

    def command(self, place, *args):
        return [str(self.bin / "aicert"), "vm", "build", *map(str, args)]

    def env(self, place, env=None):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(place), "AICERT_HOME": str(place / "home"), "NO_COLOR": "1", "http_proxy": self.mirror.url,
                **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}, **(env or {})}

    def build(self, place, *args, code=0, user=0, umask=0o22, env=None, wrap=(), cwd=None, timeout=600):
        who = {"user": user, "group": user, "extra_groups": []} if user and os.geteuid() == 0 else {}
        r = subprocess.run([*wrap, *self.command(place, *args)], cwd=cwd or place, env=self.env(place, env), umask=umask, capture_output=True, text=True, timeout=timeout,
                           stdin=subprocess.DEVNULL, **who)
        if r.returncode == 5 and code != 5 and ("cannot be reached" in r.stderr or "Temporary failure" in r.stderr or "Could not connect" in r.stderr):
            pytest.skip(f"no mirror of the distribution can be reached: {r.stderr.strip()[-300:]}")
        assert r.returncode == code, f"exit {r.returncode}, expected {code}\n{r.stdout}\n{r.stderr}"
        return r


@pytest.fixture(scope="session")
def workshop():
    if not shutil.which("apt-get"):
        pytest.skip("apt-get is absent: this is no Debian")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="aicert-vm-"))
    folder.chmod(0o755)
    (folder / "kept").mkdir()
    mirror = Mirror(folder / "kept")
    threading.Thread(target=mirror.serve_forever, daemon=True).start()
    yield Workshop(folder, mirror)
    mirror.shutdown()
    mirror.server_close()
    shutil.rmtree(folder)


# The machine's apt and dpkg, as nobody may change them.
READ_ONLY = ("for d in /var/lib/apt /var/lib/dpkg /var/cache/apt; do mount --bind $d $d && mount -o remount,bind,ro $d || exit 99; done; exec \"$@\"")


@pytest.fixture(scope="session")
def first(workshop):
    """Built by root under the machine's own settings, with --agent: place, report, runner, pins."""
    place = workshop.place("first")
    wrap = ("unshare", "-m", "sh", "-c", READ_ONLY, "sh") if os.geteuid() == 0 else ()
    r = workshop.build(place, "--agent", workshop.agent, "--out", "runner.efi", "--json", wrap=wrap)
    return place, json.loads(r.stdout), place / "runner.efi", place / "runner.efi.pins.json"


def sections(pe):
    """Sections of a PE image by name (Microsoft PE format, section 4)."""
    at = struct.unpack_from("<I", pe, 0x3c)[0]
    n, opt = struct.unpack_from("<H", pe, at + 6)[0], struct.unpack_from("<H", pe, at + 20)[0]
    out = {}
    for i in range(n):
        h = at + 24 + opt + 40 * i
        name, size, raw = pe[h:h + 8].rstrip(b"\0").decode(), *(struct.unpack_from("<I", pe, h + o)[0] for o in (8, 20))
        out[name] = pe[raw:raw + size]
    return out


def newc(data):
    """Entries of a cpio archive: path -> (mode, bytes)."""
    out, at = {}, 0
    while True:
        f = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        assert data[at:at + 6] == b"070701"
        name = data[at + 110:at + 110 + f[11] - 1].decode()
        body = -(-(at + 110 + f[11]) // 4) * 4
        if name == "TRAILER!!!":
            return out
        assert (f[2], f[3], f[5]) == (0, 0, 0), "owner and time are nobody's"
        out[name] = f[1], data[body:body + f[6]]
        at = -(-(body + f[6]) // 4) * 4


def test_report_is_of_what_was_built(first, workshop):
    place, report, runner, pins = first
    data = runner.read_bytes()
    assert report["uki"] == str(runner) and report["pins"] == str(pins)
    assert report["sha256"] == hashlib.sha256(data).hexdigest()
    assert report["agent"] == hashlib.sha256(workshop.agent.read_bytes()).hexdigest()
    assert report["bytes"] == len(data) < BOUND
    listed = json.loads(pins.read_text())["packages"]
    assert report["packages"] == len(listed)
    kernels = [p["name"] for p in listed if p["name"].startswith("linux-image")]
    assert kernels == [f"linux-image-{report['kernel']}"], "the kernel without the package that only points to it"
    assert not {"initramfs-tools", "gcc-12"} & {p["name"] for p in listed}
    assert sections(data)[".uname"].decode() == report["kernel"]


def test_other_user_folder_umask_time_zone_and_language(first, workshop):
    _, report, runner, pins = first
    place = workshop.place("second", NOBODY)
    (place / "deep").mkdir(mode=0o777)
    if os.geteuid() == 0:
        os.chown(place / "deep", NOBODY, NOBODY)
    r = workshop.build(place, "--agent", workshop.agent, "--out", place / "deep/r.efi", "--json", user=NOBODY, umask=0o77, cwd=place / "deep",
                       env={"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1234567890"})
    assert json.loads(r.stdout)["sha256"] == report["sha256"]
    assert (place / "deep/r.efi").read_bytes() == runner.read_bytes()
    assert (place / "deep/r.efi.pins.json").read_bytes() == pins.read_bytes()


def test_only_the_agent_its_libraries_and_modules(first, workshop, tmp_path):
    _, _, runner, _ = first
    files = newc(sections(runner.read_bytes())[".initrd"])
    assert files["init"] == (0o100755, workshop.agent.read_bytes())
    assert files["lib"] == (0o120777, b"usr/lib") and files["lib64"] == (0o120777, b"usr/lib64")
    for path, (mode, _) in files.items():
        assert path in ("init", "lib", "lib64", "usr", "usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu", "modules", "modules/order") \
            or path.startswith("modules/") and path.endswith(".ko") or ".so" in pathlib.PurePath(path).name and path.startswith("usr/lib"), path
    order = files["modules/order"][1].decode().splitlines()
    assert sorted(order) == sorted(p.removeprefix("modules/") for p in files if p.endswith(".ko"))
    assert order.index("virtio_ring.ko") < order.index("virtio_pci.ko") and order.index("virtio.ko") < order.index("virtio_blk.ko")
    assert order.index("hv_vmbus.ko") < order.index("hv_storvsc.ko") and order.index("scsi_mod.ko") < order.index("sd_mod.ko")
    assert {"overlay.ko", "squashfs.ko", "virtio_scsi.ko", "virtio_blk.ko", "dm-verity.ko", "erofs.ko"} <= set(order)
    if os.geteuid() != 0:
        return
    # Its own loader finds every library, with nothing else in the root.
    for path, (mode, data) in sorted(files.items()):
        at = tmp_path / path
        if mode & 0o170000 == 0o040000:
            at.mkdir()
        elif mode & 0o170000 == 0o120000:
            at.symlink_to(data.decode())
        else:
            at.write_bytes(data)
            at.chmod(mode & 0o777)
    r = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "--list", "/init"], preexec_fn=lambda: (os.chroot(tmp_path), os.chdir("/")), capture_output=True, text=True, env={})
    assert r.returncode == 0 and "not found" not in r.stdout + r.stderr and "libcrypto" in r.stdout, r.stdout + r.stderr


def test_strict_pins_give_the_same_and_ask_nobody(first, workshop):
    place, report, runner, pins = first
    before, asked = pins.read_bytes(), len(workshop.mirror.asked)
    r = workshop.build(place, "--agent", workshop.agent, "--pins", pins, "--out", "again.efi", "--json", env={"PATH": "/nowhere"})
    assert json.loads(r.stdout)["sha256"] == report["sha256"]
    assert len(workshop.mirror.asked) == asked, "what is in the store is not fetched"
    assert pins.read_bytes() == before
    assert not (place / "again.efi.pins.json").exists()


def package(pins, name):
    return next(p for p in pins["packages"] if p["name"].startswith(name))


def change_key(pins):
    package(pins, "libc6")["note"] = "x"
    return "package 'libc6': unknown key 'note'"


def change_platform(pins):
    pins["platform"] = "linux/riscv64"
    return "platform: got 'linux/riscv64', expected 'linux/amd64'"


def change_hash(pins):
    package(pins, "systemd-boot-efi")["sha256"] = "0" * 64
    return "package 'systemd-boot-efi'"


def change_size(pins):
    package(pins, "systemd-boot-efi")["size"] += 1
    return "systemd-boot-efi"


def change_list(pins):
    pins["packages"].remove(package(pins, "libc6"))
    return "no package 'libc6'"


def change_kernel(pins):
    pins["packages"].remove(package(pins, "linux-image"))
    return "no package 'linux-image"


def change_library(pins):
    p = package(pins, "libyaml-0-2")
    p["for"] = "compiler"
    return "package 'libyaml-0-2': for: got 'compiler'"


def change_dependency(pins):
    pins["packages"].remove(package(pins, "libtss2-sys1"))
    return "library 'libtss2-sys.so.1': no package has it"


@pytest.mark.parametrize("change", [change_key, change_platform, change_hash, change_size, change_list, change_kernel, change_library, change_dependency])
def test_pins_that_are_not_so(first, workshop, tmp_path, change):
    place, _, _, good = first
    pins = json.loads(good.read_text())
    said = change(pins)
    if change is change_size:
        place = workshop.place("size")  # what is in a store is not fetched, whatever size the pins say
    bad, out = place / f"{change.__name__}.json", place / f"{change.__name__}.efi"
    bad.write_text(json.dumps(pins))
    r = workshop.build(place, "--agent", workshop.agent, "--pins", bad, "--out", out, code=3)
    assert said in r.stderr
    assert not list(place.glob(f"{change.__name__}.efi*")), "nothing half-written"


@pytest.mark.parametrize("lie,said", [(404, "package 'libyaml-0-2'"), (b"x" * 1000, "sha256: got"), (b"short", "size: got 5 bytes")], ids=["gone", "altered", "short"])
def test_a_mirror_that_lies(first, workshop, lie, said):
    place, _, _, good = first
    pins = json.loads(good.read_text())
    p = package(pins, "libyaml-0-2")
    p["url"] = f"http://mirror.example/{said[:3]}.deb"
    p["sha256"] = hashlib.sha256(said.encode()).hexdigest()
    if isinstance(lie, bytes) and len(lie) > 10:
        p["size"] = len(lie)
    workshop.mirror.lies[p["url"]] = lie
    (place / "lied.json").write_text(json.dumps(pins))
    r = workshop.build(place, "--agent", workshop.agent, "--pins", "lied.json", "--out", "lied.efi", code=3)
    assert said in r.stderr and "libyaml-0-2" in r.stderr
    if lie == 404:  # somebody answered, and has it no more
        assert "hint:" in r.stderr and "snapshot" in r.stderr
    assert not (place / "lied.efi").exists()


def test_agents_that_cannot_be(first, workshop):
    place, _, _, pins = first
    r = workshop.build(place, "--agent", "/etc/passwd", "--pins", pins, "--out", "x.efi", code=3)
    assert "the agent" in r.stderr
    r = workshop.build(place, "--agent", workshop.bin / "aicert-engine", "--pins", pins, "--out", "x.efi", code=3)
    assert "no package has it" in r.stderr
    r = workshop.build(place, "--agent", place / "nothing", "--pins", pins, "--out", "x.efi", code=3)
    assert "nothing" in r.stderr
    r = workshop.build(place, "--pins", place / "nothing", "--agent", workshop.agent, "--out", "x.efi", code=3)
    assert "nothing" in r.stderr
    assert not (place / "x.efi").exists()


def test_usage(workshop):
    place = workshop.place("usage")
    r = workshop.build(place, code=2)
    assert "is not aicert's source" in r.stderr and "--source" in r.stderr
    r = workshop.build(place, "--agent", "a", "--source", "b", code=2)
    assert "'--agent'" in r.stderr
    r = workshop.build(place, "word", code=2)
    assert "'word'" in r.stderr
    assert "example:" in workshop.build(place, "--help").stdout
    r = workshop.build(place, "--agent", workshop.agent, "--out", "x.efi", code=5, env={"PATH": "/nowhere", "http_proxy": "http://127.0.0.1:1"})
    assert "apt-get" in r.stderr
    assert not (place / "x.efi").exists() and not list((place / "home").glob("**/tmp/apt*"))


def test_a_full_disk_is_no_lack_of_packages(workshop):
    """Nothing is asked of the network, and the word is space."""
    place = workshop.place("full")
    bin_ = place / "bin"
    bin_.mkdir()
    (bin_ / "apt-get").write_text('#!/bin/sh\necho "$@" >> calls\necho "E: Write error - write (28: No space left on device)" >&2\nexit 100\n')
    (bin_ / "apt-get").chmod(0o755)
    r = workshop.build(place, "--agent", workshop.agent, "--out", "x.efi", code=5, env={"PATH": f"{bin_}:/usr/bin:/bin"})
    assert "aicert: apt-get: Write error - write (28: No space left on device)\nhint: free some space" in r.stderr
    assert len((place / "calls").read_text().splitlines()) == 1


# --- with the compiler: minutes --------------------------------------------------------

PARTS = ("Makefile", "aicert", "cache", "lua", "rules")


def source(folder, of=ROOT):
    """A copy of what is committed or at least there, without what a build leaves."""
    folder.mkdir()
    for p in PARTS:
        if (of / p).is_dir():
            shutil.copytree(of / p, folder / p, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(of / p, folder / p)
    return folder


@pytest.fixture(scope="session")
def compiled(workshop):
    place = workshop.place("compiled")
    src = source(place / "src")
    r = workshop.build(place, "--source", src, "--out", "runner.efi", "--json", timeout=1800)
    return place, src, json.loads(r.stdout)


@pytest.mark.long
def test_two_compilations_give_one_runner(compiled, workshop):
    place, src, report = compiled
    other = workshop.place("compiled-again", NOBODY)
    src = source(other / "another name", src)
    # What lies about in a folder where somebody works.
    (src / ".git").mkdir()
    (src / ".git/config").write_text("[core]")
    (src / "build").mkdir()
    (src / "build/x.o").write_text("x")
    (src / "aicert/base/buf.c~").write_text("#error old")
    (src / "aicert/base/buf.o").write_text("x")
    (src / "aicert/python/__pycache__").mkdir(parents=True, exist_ok=True)
    (src / "notes.txt").write_text("x")
    subprocess.run(["chmod", "-R", "u+rwX,go+rX", str(src)], check=True)
    r = workshop.build(other, "--source", src, "--out", "r.efi", "--json", user=NOBODY, umask=0o77, timeout=1800,
                       env={"TZ": "America/Lima", "LANG": "fr_FR.UTF-8", "CFLAGS": "-O0", "CC": "false", "MAKEFLAGS": "-n", "SOURCE_DATE_EPOCH": "1"})
    again = json.loads(r.stdout)
    assert again["source"] == report["source"]
    assert again["agent"] == report["agent"]
    assert (other / "r.efi").read_bytes() == (place / "runner.efi").read_bytes()
    assert (other / "r.efi.pins.json").read_bytes() == (place / "runner.efi.pins.json").read_bytes()
    assert report["bytes"] < BOUND


@pytest.mark.long
def test_another_source_gives_another_runner(compiled, workshop):
    place, src, report = compiled
    shutil.copytree(src, place / "changed")
    main = place / "changed/aicert/vm/agent/main.c"
    main.write_text(main.read_text().replace("ai_agent_init()", "ai_agent_init() + 1"))
    r = workshop.build(place, "--source", place / "changed", "--pins", place / "runner.efi.pins.json", "--out", "changed.efi", "--json", timeout=1800)
    changed = json.loads(r.stdout)
    assert changed["source"] != report["source"] and changed["agent"] != report["agent"] and changed["sha256"] != report["sha256"]


@pytest.mark.long
def test_source_that_does_not_compile(compiled, workshop):
    place, src, _ = compiled
    shutil.copytree(src, place / "broken")
    (place / "broken/aicert/base/buf.c").write_text("this is no C\n")
    r = workshop.build(place, "--source", place / "broken", "--pins", place / "runner.efi.pins.json", "--out", "broken.efi", code=4)
    assert "compile the agent" in r.stderr and "hint: its log is" in r.stderr
    assert not (place / "broken.efi").exists()


@pytest.mark.long
def test_interrupt_leaves_nothing(compiled, workshop):
    place, src, _ = compiled
    p = subprocess.Popen(workshop.command(place, "--source", src, "--pins", place / "runner.efi.pins.json", "--out", "late.efi"), cwd=place, env=workshop.env(place),
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in p.stdout:
            if "CC " in line:
                break
        p.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert p.wait(timeout=60) == 130
        assert time.monotonic() - began < 30
    finally:
        p.kill()
        p.wait()
        p.stdout.close()
    assert not list(place.glob("late.efi*"))
    assert not list((place / "home/cache/tmp").glob("vm-build*"))


@pytest.mark.long
def test_a_machine_without_package_lists(workshop):
    """A fresh container: lists are had from the mirror, and put nowhere but in a folder of ours."""
    if os.geteuid() != 0:
        pytest.skip("hides the machine's lists behind a mount, as root")
    place = workshop.place("no-lists")
    hide = "mount -t tmpfs -o ro none /var/lib/apt/lists || exit 99; exec \"$@\""
    r = workshop.build(place, "--agent", workshop.agent, "--out", "r.efi", wrap=("unshare", "-m", "sh", "-c", hide, "sh"))
    assert "package lists of our own" in r.stderr
    assert (place / "r.efi").exists()
