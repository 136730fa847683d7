/*
 * image.h -- a UKI as a disk that firmware boots: GPT, one EFI system partition (FAT32), EFI/BOOT/BOOTX64.EFI; raw, fixed VHD, qcow2, GCP's archive.
 *
 * The same UKI gives the same bytes: GUIDs, volume id and times are derived or fixed.
 *
 * Depends on: base.  Threads: pure but for the file written.
 * Source: UEFI Specification 2.10 (5, 13.3); Microsoft FAT32 specification 1.03; VHD image format 1.0; QEMU docs/interop/qcow2.txt;
 * GNU tar manual ("Old GNU Format"); RFC 1952.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_IMAGE_H
#define AI_VM_IMAGE_H

#include "base/buf.h"

/*
 * AI_VM_RAW    a whole number of MiB
 * AI_VM_VHD    the same with a footer behind it, as Azure takes it
 * AI_VM_QCOW2  version 3, for QEMU
 * AI_VM_GCP    disk.raw, a whole number of GiB, in a gzipped sparse tar: what Google Compute Engine makes images of
 */
typedef enum ai_vm_format { AI_VM_RAW, AI_VM_VHD, AI_VM_QCOW2, AI_VM_GCP } ai_vm_format;
int ai_vm_format_parse(const char *word, ai_vm_format *out, struct ai_err *err) AI_CHECKED;
/* Writes the image to fd (an empty file). AI_EINPUT when the bytes are no EFI program, or are over 1 GiB. */
int ai_vm_image_write(int fd, const void *uki, size_t n, ai_vm_format format, struct ai_err *err) AI_CHECKED;

/* A disk that is there already (a job), for a cloud. A VHD is made of it in place: padded to whole MiB, a footer behind. */
int ai_vm_disk_vhd(int fd, struct ai_err *err) AI_CHECKED;
/* GCP's archive of it is written to out (an empty file). */
int ai_vm_disk_gcp(int in, int out, struct ai_err *err) AI_CHECKED;

#endif
