# SPDX-License-Identifier: MIT
"""How often a BPF program ran: the only proof that it did.

Statistics are switched on like kernel.bpf_stats_enabled=1, but through an fd:
the kernel switches them off again when it is closed, whatever happens.
"""
import contextlib
import ctypes
import os
import platform
import re
from pathlib import Path

import proc

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_ENABLE_STATS = 32
BPF_STATS_RUN_TIME = 0


@contextlib.contextmanager
def enabled():
    attr = (ctypes.c_uint32 * 32)(BPF_STATS_RUN_TIME)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(SYS_BPF, BPF_ENABLE_STATS, ctypes.byref(attr), ctypes.sizeof(attr))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "BPF_ENABLE_STATS")
    try:
        yield
    finally:
        os.close(fd)


def program(pid, fd):
    """What the kernel says of the program that is this fd of this process: id, run count, tag..."""
    lines = Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines()
    info = dict(re.split(r":\s*", line, maxsplit=1) for line in lines)
    return {**info, "prog_id": int(info["prog_id"]), "run_cnt": int(info["run_cnt"])}


def programs(pid):
    """All program fds of a process."""
    return [fd for fd, link in proc.fds(pid).items() if link == "anon_inode:bpf-prog"]
