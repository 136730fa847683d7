#!/usr/bin/python3
"""What PCR 0 of a QEMU machine holds, computed from the bytes of its firmware: where the table of aicert/vm/uki/reference_firmware.c comes from.

    tests/vm/ovmf_values.py [OVMF_CODE_4M.fd]      prints the table

OVMF measures its version (none), the volume that its first stage runs in (PEIFV) and the one of its drivers (DXEFV), then the separator. Both come out of
the code image's LZMA section. PEIFV is measured after it ran: the module PlatformPei keeps there what it found of the machine (EFI_HOB_PLATFORM_INFO
of OvmfPkg/Include/Library/PlatformInitLib.h), so that those bytes depend on memory and processors. SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import lzma
import struct
import sys

GIB = 1 << 30
# 1 GiB; where 2 GiB lie below 4 GiB (machines of 2, and from 2.75 on) what counts is how many times 32 GiB hold all: up to 30 GiB, up to 62…
MEMORY = [GIB, *(n * 32 * GIB - 2 * GIB for n in range(1, 9))]
CPUS = [1 << k for k in range(7)]
KINDS = ["intel", "amd"]
# SHA-256 of a code image -> its name, and where in PEIFV the platform's record is.
BUILDS = {"b157d97b1f69729514feb7f201d2cbe4957f23ab77920e361fe9f822ba49ca4c": ("Debian ovmf 2022.11-6+deb12u2, OVMF_CODE_4M.fd", 0xe0d8)}
LZMA_SECTION = bytes.fromhex("98584eee143959429d6edc7bd79403cf")


def volumes(image):
    """(PEIFV, DXEFV): the firmware volumes in the first LZMA section (UEFI PI, volume 3: EFI_SECTION_GUID_DEFINED, _FIRMWARE_VOLUME_IMAGE)."""
    at = image.index(LZMA_SECTION) - 4
    size, offset = int.from_bytes(image[at:at + 3], "little"), int.from_bytes(image[at + 20:at + 22], "little")
    plain = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE).decompress(image[at + offset:at + size])
    found, p = [], 0
    while p + 4 <= len(plain):
        n, head = int.from_bytes(plain[p:p + 3], "little"), 4
        if n == 0xffffff:
            n, head = int.from_bytes(plain[p + 4:p + 8], "little"), 8
        if plain[p + 3] == 0x17:
            found.append(plain[p + head:p + n])
        p = (p + n + 3) & ~3
    return found


def record(memory, cpus, kind):
    """The platform's record on q35 without SMM: offset in it -> bytes. kind: whose processor; of Intel's the firmware does not believe 40 address bits."""
    low = 2 * GIB if memory >= 0xb0000000 else memory
    top = 4 * GIB + memory - low
    base = -(-top // (32 * GIB)) * 32 * GIB
    first = base + 32 * GIB
    bits = max(36, (first - 1).bit_length()) if kind == "intel" else 40
    window = (base, 32 * GIB) if kind == "intel" else ((1 << 40) - (1 << 37), 1 << 37)
    kept = 0x80000 + 0x8000 * cpus
    return {0: struct.pack("<H", 0x29c0), 15: b"\x01", 20: struct.pack("<QBI", first, bits, 0x80000000),
            46: struct.pack("<QQIIQQ", *window, 0xc0000000, 0x3c000000, 0x6000, 0xa000),
            94: struct.pack("<IIIIIBB", cpus, cpus, 64, min(memory, 2 * GIB) - kept, kept, 1, 1)}


def pei_volume(peifv, at, memory, cpus, kind):
    out = bytearray(peifv)
    for offset, value in record(memory, cpus, kind).items():
        assert not any(peifv[at + offset:at + offset + len(value)]), "the record's place is not empty in the file"
        out[at + offset:at + offset + len(value)] = value
    return bytes(out)


def pcr0(peifv, dxefv, at, memory, cpus, kind):
    pcr = bytes(32)
    for data in (b"\0\0", pei_volume(peifv, at, memory, cpus, kind), dxefv, bytes(4)):
        pcr = hashlib.sha256(pcr + hashlib.sha256(data).digest()).digest()
    return pcr.hex()


def table(image):
    """[(kind, memory, cpus, PCR 0)] of a code image that is known."""
    _, at = BUILDS[hashlib.sha256(image).hexdigest()]
    peifv, dxefv = volumes(image)
    return [(k, m, c, pcr0(peifv, dxefv, at, m, c, k)) for k in KINDS for m in MEMORY for c in CPUS]


def main():
    with open(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/OVMF/OVMF_CODE_4M.fd", "rb") as f:
        image = f.read()
    for kind in KINDS:
        print(f"static const char *const ovmf_{kind}[] = {{")
        for value in (v for k, _, _, v in table(image) if k == kind):
            print(f'\t"{value}",')
        print("};")


if __name__ == "__main__":
    main()
