# SPDX-License-Identifier: MIT
"""The sandbox from outside: no system call too many, no allocation after start, no way to block."""
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import vectors
import wire
from broker import CLIENT, Broker, in_cgroup
from interposed import OLD_KERNEL
from lingering import lingering
from waiting import wait_for

KEY = bytes(range(91, 131))  # of whom nothing else in a broker's memory reminds


def holds(process, what):
    """Whether a process's own writable memory has these bytes in it."""
    found = False
    with open(f"/proc/{process.pid}/maps") as maps, open(f"/proc/{process.pid}/mem", "rb") as mem:
        for line in maps:
            span, mode, *_ = line.split()
            if mode.startswith("rw-p"):
                start, end = (int(word, 16) for word in span.split("-"))
                mem.seek(start)
                found |= what in mem.read(end - start)
    return found


@pytest.mark.parametrize("kind", [wire.HANDOFF, wire.MANAGED])
def test_no_key_stays_in_the_front(build, kind):
    """Of a request neither its packet, nor what was read from that."""
    message = wire.acquire(kind, steering=(0x3F, 4, 0, KEY, [0, 1, 2, 3]))
    assert KEY in message
    with Broker(build) as broker:
        os.kill(broker.process.pid, signal.SIGSTOP)
        with wire.Connection(broker.socket) as client:
            client.send(message)
            os.kill(broker.process.pid, signal.SIGCONT)
            with client.receive() as reply:
                assert reply.status == wire.OK
            wait_for(broker.is_at_rest, "a full pool")
            assert not holds(broker.front, KEY[8:32])


# Not on every machine, or not in every run: where else each is used.
NOT_ALWAYS = {
    "clock_gettime": "the vDSO answers",
    "epoll_pwait": "epoll_wait of architectures without the older call",
    "ppoll": "poll of architectures without the older call",
    "gettid": "fork() of other C libraries",
    "rt_sigprocmask": "likewise",
    "restart_syscall": "poll after a stop: tests/faults/test_takeover.py",
}


def lists(build):
    """What each process may call, as the sources say."""
    text = (build / "broker" / "common" / "syscalls.h").read_text()
    found = re.findall(r"#define SYSCALLS_(FRONT|LOADER|CLOSER) (.*)", text)
    return {name: set(re.findall(r'"(\w+)"', names)) for name, names in found}


def test_the_lists_are_short(build):
    allowed = lists(build)
    assert len(allowed["FRONT"]) <= 24
    assert len(allowed["LOADER"]) <= 15
    assert "bpf" not in allowed["FRONT"] | allowed["CLOSER"]


def use_everything(path):
    """Every operation, and most of what goes wrong, as nobody."""
    steering = (0x3F, 4, 0, bytes(40), [0, 1, 2, 3])
    with wire.as_user(CLIENT), wire.Connection(path) as c:
        for name in ("info", "object", "export-abi", "stats", "update"):
            c.ask(vectors.read(f"request-{name}")).close()
        for kind in (wire.HANDOFF, wire.PROGRAM_ONLY, wire.MANAGED):
            c.ask(wire.acquire(kind, wire.STATS, steering=steering)).close()
        with c.ask(wire.acquire(wire.MANAGED, wire.STATS, b"web", steering)) as reply:
            stats = wire.put(vectors.read("request-stats"), 16, "Q16s", reply.grant_id, b"")
            assert c.ask(stats).status == wire.OK
            assert c.ask(wire.release(reply.grant_id)).status == wire.OK
    for _ in range(20):  # until it has no tokens left
        with wire.as_user(CLIENT), wire.Connection(path) as c:
            if c.ask(b"").status == wire.LIMIT:
                break
    else:
        raise AssertionError("faults have no price")


def calls_after_the_seal(trace):
    """By process: the names of the system calls after its seccomp(2)."""
    sealed, calls, early = set(), {}, {}
    for line in trace.read_text().splitlines():
        match = re.match(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)", line)
        if not match:
            continue
        pid, name = match.groups()
        if name == "seccomp" and "SECCOMP_SET_MODE_FILTER" in line:
            sealed.add(pid)
            calls.setdefault(pid, set())
        elif pid in sealed:
            calls[pid].add(name)
        else:
            early.setdefault(pid, set()).add(name)
        child = name == "clone" and pid in sealed and re.search(r"= (\d+)$", line)
        if child:  # it inherits the filter, and counts as its parent
            sealed.add(child[1])
            calls[pid] |= early.pop(child[1], set())  # before clone() returned here
            calls[child[1]] = calls[pid]
    return calls


def send_what_lingers(path):
    """On an old kernel: an fd whose close waits until the closer's timer ends that."""
    sender, receiver = lingering(600)
    with receiver, wire.as_user(CLIENT), wire.Connection(path) as c:
        c.send(vectors.read("request-info"), [sender.fileno()])
        sender.close()
        assert c.ask(b"").status in (wire.MALFORMED, wire.LIMIT)
        time.sleep(0.3)


def traced(build, tmp_path, *options, prefix=(), more=None):
    """The calls that each process of a broker makes once it is sealed, in a list."""
    trace = tmp_path / "trace"
    strace = [*prefix, "strace", "-f", "-qq", "-o", trace, *options]
    with Broker(build, "--token-rate=1", prefix=strace) as broker:
        if more:
            more(broker.socket)
        use_everything(broker.socket)
        os.kill(broker.front.children()[0].pid, signal.SIGTERM)  # the front is strace's child
        broker.process.wait(60)
    return list(calls_after_the_seal(trace).values())


def with_call(calls, *names):
    return next(c for c in calls if c.issuperset(names))


def test_no_entry_is_unused(build, tmp_path, interposed, memory_cgroup):
    """Every call that is allowed is made: what nothing needs is not on the list."""
    allowed = lists(build)
    new = traced(build, tmp_path, prefix=in_cgroup(memory_cgroup))
    # poll and write are the log's, which may have nothing to say.
    assert allowed["LOADER"] - with_call(new, "bpf", "recvmsg") <= {*NOT_ALWAYS, "poll", "write"}
    env = interposed(OLD_KERNEL)
    variables = [f"{name}={env[name]}" for name in ("LD_PRELOAD", "ASAN_OPTIONS")]
    strace = "-E", variables[0], "-E", variables[1]
    old = traced(build, tmp_path, *strace, more=send_what_lingers)
    front = with_call(new, "epoll_wait") | with_call(old, "epoll_wait")
    assert allowed["FRONT"] - front <= set(NOT_ALWAYS)
    log_and_proto = {"poll", "write", "sendmsg"}
    unused = allowed["CLOSER"] - with_call(old, "wait4")
    assert unused <= {*NOT_ALWAYS, *log_and_proto}


# From the first accept4() on, which nobody but the loop calls, an allocation is fatal.
NO_MALLOC = """
#define _GNU_SOURCE
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
static int running;
int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	running = 1;
	return syscall(SYS_accept4, fd, address, len, flags);
}
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
static void *must(void *p) { if (running) abort(); return p; }
void *malloc(size_t n) { return must(__libc_malloc(n)); }
void *calloc(size_t n, size_t size) { return must(__libc_calloc(n, size)); }
void *realloc(void *p, size_t n) { return must(__libc_realloc(p, n)); }
"""


def test_fault_47_the_front_allocates_nothing_after_start(build, interposed):
    if build.name == "san":
        pytest.skip("the sanitizers have an allocator of their own; the plain build is tested")
    with Broker(build, "--log-level", "debug", env=interposed(NO_MALLOC)) as broker:
        use_everything(broker.socket)
        assert broker.process.poll() is None
        with wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG)) as reply:
            assert reply.status == wire.OK


def test_the_allocator_is_the_c_librarys(build):
    """Only a test puts another one in its place, and in no file of ours."""
    if build.name == "san":
        pytest.skip("the sanitizers bring one of their own")
    for program in "rss-broker", "rssb":
        listed = subprocess.run(["nm", "--defined-only", build / program], capture_output=True, text=True,
                                check=True).stdout  # fmt: skip
        defined = set(re.findall(r" [TtWi] (\w+)$", listed, re.M))
        assert "main" in defined and not defined & {"malloc", "calloc", "realloc", "free"}, program


def mapped(broker):
    """How many BPF maps the front has mapped."""
    return Path(f"/proc/{broker.process.pid}/maps").read_text().count("bpf-map")


@pytest.mark.parametrize("kind, kept", [(1, 0), (2, 0), (3, 3)])
def test_only_managed_maps_stay_with_the_front(build, kind, kept):
    """After a handoff the maps are the client's alone; nobody can change program-only ones."""
    with Broker(build) as broker:
        wait_for(lambda: broker.front.kinds().get("anon_inode:bpf-prog") == 11, "a full pool")
        before = mapped(broker)
        steering = (0x3F, 4, 0, bytes(40), [0, 1, 2, 3])
        with wire.ask(broker.socket, wire.acquire(kind, steering=steering)) as reply:
            assert reply.status == wire.OK
            wait_for(lambda: mapped(broker) == before + kept, "the pool as before")


# --- what could block ------------------------------------------------------------------------


def as_client(broker):
    with wire.as_user(CLIENT):
        return wire.Connection(broker.socket)


def served_in_ms(broker):
    started = time.monotonic()
    with wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG)) as reply:
        assert reply.status == wire.OK
    return 1000 * (time.monotonic() - started)


@pytest.mark.parametrize("when", ["with a request", "before it is accepted", "behind a wrong request"])
def test_fault_12_a_close_that_blocks_blocks_nobody(build, interposed, when):
    """Faults 10, 11 and 12 on a kernel that cannot refuse fds: the closer's business."""
    with Broker(build, "--tokens=1000000000", env=interposed(OLD_KERNEL)) as broker:
        names = [Path(f"/proc/{p.pid}/comm").read_text().strip() for p in broker.front.children()]
        assert sorted(names) == ["rss-closer", "rss-loader"]
        wait_for(lambda: broker.front.kinds().get("anon_inode:bpf-prog") == 11, "a full pool")
        before, receivers = broker.front.fds(), []
        for _ in range(3):
            sender, receiver = lingering(600)
            receivers.append(receiver)
            early = when != "before it is accepted"
            if early:
                connection = as_client(broker)
                connection.ask(vectors.read("request-info"))
            # It must not let go of the socket before we have: the last close blocks.
            os.kill(broker.process.pid, signal.SIGSTOP)
            if not early:
                connection = as_client(broker)
            fds = [sender.fileno(), connection.sock.fileno()]  # and a cycle
            if when == "behind a wrong request":
                connection.send(bytes(600), fds)
            connection.send(vectors.read("request-info"), fds)
            sender.close()
            connection.close()
            os.kill(broker.process.pid, signal.SIGCONT)
            assert served_in_ms(broker) < 300_000
        wait_for(lambda: len(broker.front.fds()) == len(before), "the fds as before")
        for receiver in receivers:
            receiver.close()
