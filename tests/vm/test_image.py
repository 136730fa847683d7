"""`aicert vm image`, judged by other people's code: sgdisk, fsck.vfat, mtools, qemu-img, tar; and booted. SPDX-License-Identifier: Apache-2.0"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

MIB = 1 << 20
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "MTOOLS_SKIP_CHECK": "1"}


def tool(*argv, code=0):
    """Runs a program of the distribution; skips where it is not installed."""
    if not shutil.which(argv[0], path=ENV["PATH"]):
        pytest.skip(f"{argv[0]} is not installed")
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, env=ENV, timeout=120, stdin=subprocess.DEVNULL)
    assert r.returncode == code, f"{argv}: exit {r.returncode}\n{r.stdout}\n{r.stderr}"
    return r.stdout + r.stderr


@pytest.fixture
def uki(tmp_path):
    """An EFI program as far as disks care: larger than what the smallest FAT32 holds, and no two sectors alike."""
    path = tmp_path / "runner.efi"
    path.write_bytes(b"MZ" + b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range((40 * MIB + 12345) // 32)))
    return path


def image(aicert, uki, form, *more):
    out = uki.parent / f"image.{form}"
    line = aicert("vm", "image", uki, "--format", form, "--out", out, *more).stdout
    assert line == f"{hashlib.sha256(out.read_bytes()).hexdigest()}  {out}\n"
    return out


def check_disk(raw, uki, tmp_path):
    said = tool("sgdisk", "-v", raw)
    assert "No problems found" in said
    table = tool("sgdisk", "-i", "1", raw)
    assert "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" in table and "First sector: 2048" in table
    sectors = int(next(line for line in table.splitlines() if line.startswith("Partition size")).split()[2])
    esp = tmp_path / "esp"
    with open(raw, "rb") as f:
        f.seek(MIB)
        esp.write_bytes(f.read(sectors * 512))
    said = tool("fsck.vfat", "-n", "-v", esp)
    assert "32 bit entries" in said and "4 files" in said
    for complaint in ("differ", "wrong", "Orphan", "inconsistent", "reclaim", "Dirty"):
        assert complaint not in said, said
    back = tmp_path / "back.efi"
    tool("mcopy", "-n", "-o", "-i", esp, "::EFI/BOOT/BOOTX64.EFI", back)
    assert back.read_bytes() == uki.read_bytes()
    listing = tool("mdir", "-i", esp, "-/", "-a", "-b", "::")
    assert listing.split() == ["::/EFI/", "::/EFI/BOOT/", "::/EFI/BOOT/BOOTX64.EFI"]


def test_raw(aicert, uki, tmp_path):
    raw = image(aicert, uki, "raw")
    size = raw.stat().st_size
    assert size % MIB == 0 and size < uki.stat().st_size * 5 // 4 + 4 * MIB
    check_disk(raw, uki, tmp_path)


def test_small_program(aicert, tmp_path):
    """FAT32 has a least size, which a program of a sector is blown up to and no further."""
    uki = tmp_path / "small.efi"
    uki.write_bytes(b"MZ" + bytes(510))
    raw = image(aicert, uki, "raw")
    assert raw.stat().st_size < 40 * MIB
    check_disk(raw, uki, tmp_path)


def test_vhd(aicert, uki):
    raw, vhd = image(aicert, uki, "raw"), image(aicert, uki, "vhd")
    assert vhd.stat().st_size == raw.stat().st_size + 512
    assert "Images are identical" in tool("qemu-img", "compare", "-f", "vpc", "-F", "raw", vhd, raw)
    said = tool("qemu-img", "info", "-f", "vpc", vhd)
    assert f"({raw.stat().st_size} bytes)" in said


def test_qcow2(aicert, uki):
    raw, qcow2 = image(aicert, uki, "raw"), image(aicert, uki, "qcow2")
    assert "No errors were found" in tool("qemu-img", "check", "-f", "qcow2", qcow2)
    assert "Images are identical" in tool("qemu-img", "compare", "-f", "qcow2", "-F", "raw", qcow2, raw)
    assert "compat: 1.1" in tool("qemu-img", "info", qcow2)


def test_gcp(aicert, uki, tmp_path):
    """A tar.gz of disk.raw alone, of whole GiB, small; and that disk is as good as the raw one."""
    archive = image(aicert, uki, "gcp")
    assert archive.stat().st_size < uki.stat().st_size * 5 // 4
    assert tool("tar", "--list", "--gzip", "--file", archive).split() == ["disk.raw"]
    tool("tar", "--extract", "--gzip", "--sparse", "--file", archive, "--directory", tmp_path)
    disk = tmp_path / "disk.raw"
    assert disk.stat().st_size == 1 << 30
    check_disk(disk, uki, tmp_path)


def test_same_bytes(aicert, aicert_in, uki, tmp_path):
    """Who makes it, where, when and under which umask and time zone does not matter."""
    first = {form: image(aicert, uki, form).read_bytes() for form in ("raw", "vhd", "qcow2", "gcp")}
    other = tmp_path / "elsewhere"
    other.mkdir()
    copy = shutil.copy(uki, other / "named-otherwise.efi")
    old = os.umask(0o077)
    try:
        for form, data in first.items():
            out = other / f"x.{form}"
            aicert_in(other, other)("vm", "image", copy, "--format", form, "--out", out, env={"TZ": "Asia/Tokyo"})
            assert out.read_bytes() == data, form
    finally:
        os.umask(old)


def test_refusals(aicert, uki, tmp_path):
    out = tmp_path / "image"
    assert "'--out' is missing" in aicert("vm", "image", uki, code=2).stderr
    assert "did you mean 'qcow2'" in aicert("vm", "image", uki, "--format", "qcow", "--out", out, code=2).stderr
    assert "there is no runner yet" in aicert("vm", "image", "--out", out, code=3).stderr
    text = tmp_path / "text"
    text.write_text("not a program, however long it may be" * 10)
    assert "not an EFI program" in aicert("vm", "image", text, "--out", out, code=3).stderr
    assert not out.exists()
    out.write_text("kept")
    aicert("vm", "image", uki, "--out", out, code=2)
    assert out.read_text() == "kept"
    aicert("vm", "image", uki, "--out", out, "--force")
    assert out.stat().st_size > uki.stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("image")) == ["image"]


def test_json(aicert, uki, tmp_path):
    out = tmp_path / "image.raw"
    j = aicert.json("vm", "image", uki, "--out", out)
    assert j == {"image": str(out), "format": "raw", "uki": str(uki), "bytes": out.stat().st_size, "sha256": hashlib.sha256(out.read_bytes()).hexdigest()}


@pytest.mark.long
@pytest.mark.parametrize("form", ["raw", "qcow2", "vhd"])
def test_boots(aicert, tmp_path, form):
    """Firmware finds the program on the disk, with nothing else to boot, and starts it: systemd's stub, which has no kernel to go on with and says so."""
    stub = pathlib.Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
    code, variables = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
    for p in (stub, code, variables):
        if not p.exists():
            pytest.skip(f"{p} is absent")
    qemu = shutil.which("qemu-system-x86_64") or pytest.skip("QEMU is absent")
    uki = tmp_path / "stub.efi"
    uki.write_bytes(stub.read_bytes())
    disk = image(aicert, uki, form)
    shutil.copy(variables, tmp_path / "vars.fd")
    log = tmp_path / "console"
    argv = [qemu, "-M", "q35,smm=off", "-accel", "tcg", "-cpu", "max", "-m", "256", "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none",
            "-monitor", "none", "-no-reboot", "-serial", f"file:{log}", "-net", "none",
            "-drive", f"if=pflash,format=raw,readonly=on,file={code}", "-drive", f"if=pflash,format=raw,file={tmp_path}/vars.fd",
            "-drive", f"if=none,id=d,format={ {'vhd': 'vpc'}.get(form, form) },readonly=on,file={disk}", "-device", "virtio-blk-pci,drive=d,bootindex=1"]
    said, end = "", time.monotonic() + 120
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENV) as p:
        try:
            while p.poll() is None and time.monotonic() < end and "Internal Shell" not in said:
                time.sleep(0.5)
                said = log.read_bytes().decode("latin-1") if log.exists() else ""
        finally:
            p.kill()
    # What gives up comes back to the firmware, which goes on to what else it has: its shell.
    assert re.search(r'BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot\(0x0\)/Pci\(0x1,0x0\)', said), said[-2000:]
    assert "failed to load" not in said and "Internal Shell" in said
