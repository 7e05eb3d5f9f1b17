# SPDX-License-Identifier: MIT
"""What the broker's two processes may do, as the kernel tells it."""
import os
import re

import pytest
import vectors
import wire
from broker import UID, Broker, kernel_refuses_fds, sockets_at_rest
from interposed import OLD_KERNEL
from seccomp import Filter, number_of
from waiting import wait_for

CAP_BPF, CAP_PERFMON = 1 << 39, 1 << 38
NO_CAPS = f"{0:016x}"

FRONT_SYSCALLS_MAX, LOADER_SYSCALLS_MAX = 24, 15
BPF_MAP_CREATE, BPF_PROG_LOAD = 0, 5
NEVER = (
    "execve execveat open openat openat2 creat socket connect bind listen fork vfork clone clone3 "
    "ptrace process_vm_readv kill tkill setuid setgid setresuid capset mount unshare setns "
    "mprotect prctl seccomp io_uring_setup perf_event_open userfaultfd init_module chmod unlink "
    "sendto recvfrom"
).split()


@pytest.fixture(scope="module")
def broker(build):
    with Broker(build) as broker:
        # What it does for clients must not change any of it.
        for name in ("request-acquire-no-config", "request-export-abi", "bad-magic"):
            wire.ask(broker.socket, vectors.read(name)).close()
        wait_for(lambda: is_all_over(broker), "a full pool, and the end of the grant")
        yield broker


def is_all_over(broker):
    """Of a ready set's lease the front has both ends, of a grant's one."""
    kinds = broker.front.kinds()
    return broker.is_at_rest() and kinds["pipe"] == 2 * kinds["anon_inode:bpf-prog"]


@pytest.fixture
def processes(broker):
    return [broker.front, broker.loader]


def is_dumpable(process):
    """The files of a process that is not belong to root."""
    return os.stat(f"/proc/{process.pid}/fd").st_uid == UID


def caps(process):
    return {name: value for name, value in process.status().items() if name.startswith("Cap")}


def test_capabilities(broker):
    none = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), NO_CAPS)
    both = f"{CAP_BPF | CAP_PERFMON:016x}"
    assert caps(broker.front) == none
    assert caps(broker.loader) == {**none, "CapPrm": both, "CapEff": both}


def test_capabilities_without_perfmon(build):
    with Broker(build, "--no-perfmon") as broker:
        alone = f"{CAP_BPF:016x}"
        status = broker.loader.status()
        assert (status["CapPrm"], status["CapEff"]) == (alone, alone)
        with wire.ask(broker.socket, vectors.read("request-acquire-handoff")) as reply:
            assert reply.status == wire.OK


def test_identity(processes):
    for process in processes:
        status = process.status()
        assert status["Uid"].split() == status["Gid"].split() == [str(UID)] * 4
        assert status["Groups"].split() == []


def test_no_group_is_inherited(build):
    with Broker(build, prefix=["setpriv", "--groups=4,20"]) as broker:
        for process in broker.front, broker.loader:
            assert process.status()["Groups"].split() == []


def test_confinement(processes):
    for process in processes:
        status = process.status()
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert status["Threads"] == "1"
        assert not is_dumpable(process)
        with open(f"/proc/{process.pid}/limits") as limits:
            core = next(line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]


def test_these_are_all_processes(broker):
    closer = [] if kernel_refuses_fds() else ["rss-closer"]
    names = [process.status()["Name"] for process in broker.front.children()]
    assert sorted(names) == [*closer, "rss-loader"]
    assert broker.loader.children() == []
    assert broker.front.status()["Name"] == "rss-broker"


def test_fds_of_the_loader(broker):
    """Its line to the front, and the types of the maps."""
    kinds = broker.loader.kinds()
    assert kinds.pop("/dev/null") == 2 and kinds.pop(str(broker.log_path)) == 1  # stdio
    assert kinds == {"socket": 1, "anon_inode:btf": broker.n_objects()}


def test_fds_of_the_front(broker):
    """Nothing of a file system but the lock and memory cgroups; of bpf what is in the pool."""
    kinds = broker.front.kinds()
    assert kinds.pop("/dev/null") == 2 and kinds.pop(str(broker.log_path)) == 1  # stdio
    programs = kinds.pop("anon_inode:bpf-prog")
    assert kinds.pop("anon_inode:bpf-map") >= 3 * programs
    assert kinds.pop("pipe") == 2 * programs  # the leases to come
    cgroups = [path for path in kinds if re.match(r"/sys/fs/cgroup/.*/memory\.\w+$", path)]
    assert {kinds.pop(path) for path in cgroups} <= {1}
    assert kinds == {
        "socket": sockets_at_rest(),
        "anon_inode:eventpoll": 1,
        "anon_inode:signalfd": 1,
        f"{broker.socket}.lock": 1,
    }


def test_no_memory_is_writable_and_executable(processes):
    for process in processes:
        with open(f"/proc/{process.pid}/maps") as maps:
            assert not [line for line in maps if "wx" in line.split()[1]]


# --- seccomp ------------------------------------------------------------------


def is_sanitized(build):
    return "san" in build.parts


def test_syscalls_of_the_front(broker, build):
    allowed = Filter(broker.front.pid)
    names = allowed.allowed()
    assert "recvmsg" in names and "accept4" in names  # the filter was understood
    assert "bpf" not in names
    prot_exec, prot_write = 4, 2
    if not is_sanitized(build):
        assert not allowed.allows(number_of("mmap"), 0, 4096, prot_exec)
        assert not allowed.allows(number_of("mmap"), 0, 4096, prot_exec | prot_write)
        assert len(names) <= FRONT_SYSCALLS_MAX, sorted(names)
        assert not names & set(NEVER)


def test_syscalls_of_the_loader(broker, build):
    allowed = Filter(broker.loader.pid)
    names = allowed.allowed()
    bpf = number_of("bpf")
    commands = {command for command in range(64) if allowed.allows(bpf, command)}
    assert commands == {BPF_MAP_CREATE, BPF_PROG_LOAD}
    if not is_sanitized(build):
        assert len(names) <= LOADER_SYSCALLS_MAX, sorted(names)
        assert not names & (set(NEVER) | {"accept4", "epoll_wait"})


def test_the_closer_makes_no_thread(build, interposed):
    """A child of its own it may make: of the flags of clone(2) no other is allowed."""
    with Broker(build, env=interposed(OLD_KERNEL)) as broker:
        (closer,) = [p for p in broker.front.children() if p.status()["Name"] == "rss-closer"]
        asked, clone = Filter(closer.pid), number_of("clone")
        child_tid, sigchld = 0x01200000, 17  # CLONE_CHILD_SETTID and _CLEARTID, as fork(3) has it
        assert asked.allows(clone, child_tid | sigchld)
        for flag in (0x100, 0x200, 0x400, 0x10000, 0x20000, 0x10000000, 0x20000000, 0x40000000):
            assert not asked.allows(clone, flag | child_tid | sigchld), hex(flag)


def test_what_is_not_allowed_kills(processes):
    """Also with the numbers of 32-bit programs."""
    audit_arch_i386, x32 = 0x40000003, 0x40000000
    kill_process, kill_thread = 0x80000000, 0
    for process in processes:
        asked = Filter(process.pid)
        assert asked.verdict(number_of("execve")) == kill_process
        assert asked.verdict(number_of("bpf"), [99]) == kill_process
        for number in range(600):
            assert asked.verdict(number, arch=audit_arch_i386) in (kill_process, kill_thread)
            assert asked.verdict(number | x32) in (kill_process, kill_thread)
