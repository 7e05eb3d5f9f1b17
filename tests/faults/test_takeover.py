# SPDX-License-Identifier: MIT
"""What is left to an attacker who runs code in one of the broker's processes."""
import fcntl
import mmap
import re
import socket
import termios

import pytest
from broker import Broker
from seccomp import Filter, number_of

SIOCOUTQ, F_SETPIPE_SZ, F_ADD_SEALS = termios.TIOCOUTQ, 1031, 1033
SO_PASSRIGHTS, SO_ATTACH_FILTER, SO_ATTACH_BPF = 83, 26, 50
BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_PROG_GET_FD_BY_ID, BPF_MAP_LOOKUP_ELEM = 0, 5, 13, 1


@pytest.fixture(scope="module")
def filters(build):
    with Broker(build) as broker:
        yield {"front": Filter(broker.front.pid), "loader": Filter(broker.loader.pid)}


def test_front_arguments(filters, build):
    """Of these calls the front may make its own, and none that reaches further."""
    allows = filters["front"].allows
    ioctl, fcntl_, setsockopt, map_ = map(number_of, ("ioctl", "fcntl", "setsockopt", "mmap"))
    assert allows(ioctl, 5, SIOCOUTQ)
    for request in (termios.TIOCSTI, termios.TIOCLINUX, 0x400454E0):  # TUNSETSTEERINGEBPF
        assert not allows(ioctl, 5, request)
    assert allows(fcntl_, 5, F_ADD_SEALS) and allows(fcntl_, 5, F_SETPIPE_SZ)
    for command in (fcntl.F_DUPFD, fcntl.F_SETFL, fcntl.F_SETOWN, fcntl.F_SETSIG):
        assert not allows(fcntl_, 5, command)
    assert allows(setsockopt, 5, socket.SOL_SOCKET, SO_PASSRIGHTS)
    for option in (SO_ATTACH_FILTER, SO_ATTACH_BPF, socket.SO_MARK):
        assert not allows(setsockopt, 5, socket.SOL_SOCKET, option)
    assert allows(map_, 0, 4096, mmap.PROT_READ | mmap.PROT_WRITE)
    if "mmap" not in of_sanitizers(build):
        assert not allows(map_, 0, 4096, mmap.PROT_READ | mmap.PROT_EXEC)


CALLS = "bpf open openat openat2 connect socket execve execveat ptrace kill tgkill process_vm_readv " \
    "process_vm_writev prctl mprotect clone clone3 fork unshare mount init_module io_uring_setup " \
    "perf_event_open userfaultfd keyctl setuid capset seccomp pidfd_getfd".split()  # fmt: skip


def of_sanitizers(build):
    """What a build with sanitizers is let do besides; the plain build's list is the one that counts."""
    if "san" not in build.parts:
        return set()
    text = (build / "broker" / "common" / "syscalls.h").read_text()
    return set(re.findall(r'"(\w+)"', re.search(r"SYSCALLS_SANITIZER (.+)", text)[1]))


@pytest.mark.parametrize("name", CALLS)
def test_front_calls(filters, build, name):
    assert name in of_sanitizers(build) or not filters["front"].allows(number_of(name))


@pytest.mark.parametrize("name", [c for c in CALLS if c != "bpf"] + ["mmap", "ioctl", "fcntl"])
def test_loader_calls(filters, build, name):
    assert name in of_sanitizers(build) or not filters["loader"].allows(number_of(name))


@pytest.mark.parametrize("process", ["front", "loader"])
def test_fault_61_what_resumes_a_call_after_a_stop_is_allowed(filters, process):
    """A poll(2) that finds nothing ready while its process is stopped, as of a log that is full."""
    assert filters[process].allows(number_of("poll"))
    assert filters[process].allows(number_of("restart_syscall"))


def test_loader_bpf_commands(filters):
    """It makes maps and loads programs; it reads no map, and takes nobody's program by id."""
    bpf = number_of("bpf")
    allowed = {c for c in range(64) if filters["loader"].allows(bpf, c)}
    assert allowed == {BPF_MAP_CREATE, BPF_PROG_LOAD}
