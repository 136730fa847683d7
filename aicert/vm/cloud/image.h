/*
 * image.h -- a UKI as a disk that firmware boots: GPT, one EFI system partition (FAT32), EFI/BOOT/BOOTX64.EFI; raw, fixed VHD, qcow2.
 *
 * The same UKI gives the same bytes: GUIDs, volume id and times are derived or fixed.
 *
 * Depends on: base.  Threads: pure but for the file written.
 * Source: UEFI Specification 2.10 (5, 13.3); Microsoft FAT32 specification 1.03; VHD image format 1.0; QEMU docs/interop/qcow2.txt.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_IMAGE_H
#define AI_VM_IMAGE_H

#include "base/buf.h"

typedef enum ai_vm_format { AI_VM_RAW, AI_VM_VHD, AI_VM_QCOW2 } ai_vm_format;
int ai_vm_format_parse(const char *word, ai_vm_format *out, struct ai_err *err) AI_CHECKED;
/* Writes the image to fd (an empty file). */
int ai_vm_image_write(int fd, const void *uki, size_t n, ai_vm_format format, struct ai_err *err) AI_CHECKED;

#endif
