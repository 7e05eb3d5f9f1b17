# SPDX-License-Identifier: MIT
"""The seccomp filter of a running process, read with ptrace and asked call by call."""
import ctypes
import os
import struct

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_SECCOMP_GET_FILTER = (
    17, 0x4206, 0x4207, 0x420C)  # fmt: skip
WALL = 0x40000000
AUDIT_ARCH_X86_64 = 0xC000003E
RET_ALLOW = 0x7FFF0000

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long
LIBSECCOMP = ctypes.CDLL("libseccomp.so.2")
LIBSECCOMP.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p


def ptrace(request, pid, addr=0, data=0):
    result = LIBC.ptrace(request, pid, addr, data)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Filter:
    """The one filter that a process has."""

    def __init__(self, pid):
        ptrace(PTRACE_SEIZE, pid)
        ptrace(PTRACE_INTERRUPT, pid)
        os.waitpid(pid, WALL)
        try:
            n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0)
            code = ctypes.create_string_buffer(8 * n)
            ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, ctypes.addressof(code))
        finally:
            ptrace(PTRACE_DETACH, pid)
        self.code = [struct.unpack_from("<HBBI", code, 8 * i) for i in range(n)]

    def verdict(self, number, args=(), arch=AUDIT_ARCH_X86_64):
        """What the kernel would do with this system call."""
        data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *[*args, 0, 0, 0, 0, 0, 0][:6])
        at = accumulator = 0
        while True:
            code, if_true, if_false, k = self.code[at]
            at += 1
            if code == 0x20:  # load a word
                accumulator = struct.unpack_from("<I", data, k)[0]
            elif code == 0x54:
                accumulator &= k
            elif code == 0x05:
                at += k
            elif code == 0x06:
                return k
            else:
                holds = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k,
                         0x45: accumulator & k != 0}[code]  # fmt: skip
                at += if_true if holds else if_false

    def allows(self, number, *args):
        return self.verdict(number, args) == RET_ALLOW

    def allowed(self):
        """The names of all system calls that are allowed with some arguments (small ones)."""
        return {
            name_of(number)
            for number in range(600)
            if any(self.allows(number, a, a, a) for a in range(8))
        }


def name_of(number):
    found = LIBSECCOMP.seccomp_syscall_resolve_num_arch(AUDIT_ARCH_X86_64, number)
    return ctypes.cast(found, ctypes.c_char_p).value.decode() if found else str(number)


def number_of(name):
    return LIBSECCOMP.seccomp_syscall_resolve_name(name.encode())
