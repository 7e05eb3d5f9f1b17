/* SPDX-License-Identifier: MIT */
/* The processor that this is built for, as seccomp filters see it. */
#pragma once

#include <linux/audit.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define AUDIT_ARCH_HERE AUDIT_ARCH_RISCV64
#else
#error "add this processor's AUDIT_ARCH_; the filters are for 64 bits, little-endian"
#endif
