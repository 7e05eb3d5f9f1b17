# SPDX-License-Identifier: MIT
"""Who pays: accounts of uid and label, what their faults and their kept sets cost them.

The limits themselves, one by one: test_broker_limits.py.
"""
import contextlib
import re
import resource
import time
from pathlib import Path

import pytest
import vectors
import wire
from broker import CLIENT, CPUS_POSSIBLE, Broker, in_cgroup, with_cpus
from interposed import LABELS, OLD_KERNEL
from waiting import wait_for

OTHER = 65533  # the next account
INFO = vectors.read("request-info")
ACQUIRE = wire.acquire(flags=wire.NO_CONFIG)
COUNTING = wire.acquire(flags=wire.NO_CONFIG | wire.STATS)
EXPORT = vectors.read("request-export-abi")
SETS_MAX = 500  # of one account, in a test
SET_MIN = 48 << 10  # bytes: what the kernel charges for a set is more


@contextlib.contextmanager
def limited(build, *options, **kwargs):
    with Broker(build, "--allow-user", str(OTHER), *map(str, options), **kwargs) as broker:
        yield broker


@contextlib.contextmanager
def held(things):
    with contextlib.ExitStack() as stack:
        for thing in things:
            stack.push(thing)
        yield things


def acquired(broker, n, uid=CLIENT):
    """n grants, each of them given."""
    replies = []
    for _ in range(n):
        reply = broker.ask(ACQUIRE, uid)
        while reply.status == wire.BUSY:
            reply = broker.ask(ACQUIRE, uid)
        assert reply.status == wire.OK, reply.reason
        replies.append(reply)
    return replies


def is_served(broker, uid):
    with broker.ask(ACQUIRE, uid) as reply:
        return reply.status == wire.OK


def test_connections_in_all(build):
    with limited(build, "--max-connections", 3, "--share", 1) as broker:
        with held([broker.connect(uid) for uid in (CLIENT, OTHER, 0)]) as connections:
            for connection in connections:
                assert connection.ask(INFO).status == wire.OK
            with broker.connect(0) as late:  # not even root
                refusal = late.receive()
                assert (refusal.status, refusal.op) == (wire.LIMIT, wire.REPLY)
                assert "connections in all: 3 of 3" in refusal.reason
                assert late.is_closed()
        wait_for(lambda: broker.ask(INFO, 0).status == wire.OK, "a free connection")


def test_the_end_of_a_lease_frees_the_quota(build):
    """The broker hears of that end a moment later."""
    with limited(build, "--max-grants", 2, "--share", 1) as broker:

        def granted():
            reply = broker.ask(ACQUIRE, CLIENT)
            return [reply] if reply.status == wire.OK else []

        for _ in range(5):
            (reply,) = wait_for(granted, "the quota")
            assert broker.ask(ACQUIRE, CLIENT).status == wire.LIMIT
            reply.close()


# --- faults ------------------------------------------------------------------------------------


def sends_an_fd(broker):
    with broker.connect() as connection:
        connection.send(INFO, [0])
        with contextlib.suppress(ConnectionResetError):
            connection.receive()


def test_fault_9_the_price_of_an_fd(build, interposed):
    """Where the kernel does not refuse it, the account pays, and waits for its tokens."""
    env = interposed(OLD_KERNEL)
    with limited(build, "--tokens", 100, "--token-rate", 1000, env=env) as broker:
        sends_an_fd(broker)
        wait_for(lambda: "an fd it sent" in broker.log(), "the log line")
        refusal = broker.ask(INFO)
        assert refusal.status == wire.LIMIT and 0 < refusal.retry_ms <= 5000
        assert is_served(broker, OTHER)
        time.sleep(refusal.retry_ms / 1000 + 0.05)
        assert broker.ask(INFO).status == wire.OK


# --- who pays -------------------------------------------------------------------------------------


def told_of(reply):
    """The id of the first grant that an account is told of; 0: of none."""
    assert reply.status == wire.OK
    return reply.grant_id


# An LSM that is there, and whose answer is an error.
NO_LABEL = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	if (level != SOL_SOCKET || option != SO_PEERSEC)
		return syscall(SYS_getsockopt, fd, level, option, value, len);
	errno = EACCES;
	return -1;
}
"""


def test_who_has_a_label_that_cannot_be_read_is_refused(build, interposed):
    """It would share the account of those that have none."""
    with Broker(build, env=interposed(NO_LABEL)) as broker:
        with broker.connect(0) as client:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                client.send(INFO)
            assert client.is_closed()
        assert "a connection was refused: its uid or label cannot be read: Permission denied" in broker.log()


def test_fault_41_who_has_no_account_does_not_fill_the_log(build, interposed):
    """A label that is too long: each connection of its owner, who pays for none, was a line."""
    with Broker(build, env=interposed(NO_LABEL.replace("EACCES", "ERANGE"))) as broker:
        for _ in range(50):
            with broker.connect() as client:
                assert client.is_closed()
        assert 0 < broker.log().count("a connection was refused: ") < 10
        assert " log lines were dropped" not in broker.log()


def test_fault_20_a_label_is_an_account_of_its_own(build, interposed):
    """Fault 20: VMs share a uid; one that is full does not fill the other."""
    with limited(build, "--max-grants", 6, "--share", 1, env=interposed(LABELS)) as broker:

        def as_vm(gid, message):
            with wire.as_user(CLIENT, gid):
                return wire.ask(broker.socket, message)

        mine = [as_vm(7, ACQUIRE) for _ in range(2)]
        assert all(reply.status == wire.OK for reply in mine)
        assert as_vm(7, ACQUIRE).status == wire.LIMIT
        with as_vm(8, ACQUIRE) as other:
            assert other.status == wire.OK
        # Nor does one hear of, or end, what the other has.
        assert told_of(as_vm(8, vectors.read("request-grant"))) == 0
        assert told_of(as_vm(7, vectors.read("request-grant"))) in [r.grant_id for r in mine]
        assert as_vm(8, wire.release(mine[0].grant_id)).status == wire.NO_GRANT
        assert as_vm(7, wire.release(mine[0].grant_id)).status == wire.OK
        assert re.search(r"uid=65534 label=vm:c7 ", broker.log())
        for reply in mine:
            reply.close()


# --- memory ---------------------------------------------------------------------------------------


def oom_kills(group):
    text = "".join((group / name).read_text() for name in ("memory.oom_control", "memory.events")
                   if (group / name).exists())
    return int(re.search(r"^oom_kill (\d+)", text, re.M)[1])


def usage_of(group):
    return next(group.glob("memory.current"), group / "memory.usage_in_bytes")


def kept_until_refused(broker, message, uid, *roles):
    """What an account keeps, of each reply but these roles, until it gets no more; and why."""
    kept = []
    with broker.connect(uid) as connection:
        while len(kept) < SETS_MAX:
            reply = connection.ask(message)
            if reply.status == wire.LIMIT:
                return kept, reply.reason
            if reply.status == wire.OK:
                reply.close(*roles) if roles else None
                kept.append(reply)
    raise AssertionError("nothing is refused")


def prefix_of(group, cpus, directory):
    return [*in_cgroup(group), *(with_cpus(cpus, directory) if cpus else [])]


@pytest.mark.parametrize("message, roles, cpus", [
    (ACQUIRE, [wire.LEASE], None), (ACQUIRE, [], None), (EXPORT, [], None),
    (COUNTING, [wire.LEASE], None), (COUNTING, [wire.LEASE], "0-511"), (COUNTING, [], "0-511")],
    ids=["ended", "live", "copies", "counting", "512-ended", "512-live"])  # fmt: skip
def test_fault_64_what_is_held_fills_the_memory(build, memory_cgroup, tmp_path, message, roles, cpus):
    """At full speed: each uid leaves the next one its share, and nobody wakes the OOM killer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, hard), hard))
    prefix = prefix_of(memory_cgroup, cpus, tmp_path)
    with limited(build, "--tokens", 1000000, prefix=prefix) as broker:
        mine, why = kept_until_refused(broker, message, CLIENT, *roles)
        assert why.startswith("KiB of kernel memory of your account: ")
        others, why = kept_until_refused(broker, message, OTHER, *roles)
        assert why.startswith("KiB of kernel memory of your account: ")
        # Of few, heavy sets one more is much: the kernel frees meanwhile what the start took.
        assert len(mine) / 2 < len(others) < len(mine) * (2 if cpus else 1)
        rest, why = kept_until_refused(broker, message, 0, *roles)
        assert "the broker's memory is over 75 % of its limit" in why
        assert oom_kills(memory_cgroup) == 0
        for reply in mine + others + rest:
            reply.close()
        wait_for(lambda: is_served(broker, 0), "memory again")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def weighed(group, broker, message, n):
    """Bytes of memory that the kernel charges for one of n."""
    kept, _ = [], None
    used = usage_of(group)
    with broker.connect() as connection:

        def keep(many):
            while len(kept) < many:
                reply = connection.ask(message)
                assert reply.status in (wire.OK, wire.BUSY), reply.reason
                if reply.status == wire.OK:
                    kept.append(reply)

        keep(20)
        wait_for(broker.is_at_rest, "a full pool")
        before = int(used.read_text())
        keep(20 + n)
        wait_for(broker.is_at_rest, "a full pool")
        weight = (int(used.read_text()) - before) / n
    for reply in kept:
        reply.close()
    return weight


@pytest.mark.parametrize("message, cpus", [(ACQUIRE, None), (COUNTING, None), (EXPORT, None),
                                           (COUNTING, "0-511")],
                         ids=["rss", "rss-stats", "copy", "rss-stats-512"])  # fmt: skip
def test_a_set_weighs_what_the_kernel_charges(build, memory_cgroup, tmp_path, message, cpus):
    """What an account is charged is at least that, and not much more.

    The kernel charges a group 256 KiB at a time for each CPU, so many sets are weighed.
    """
    limit = next(memory_cgroup.glob("memory.max"), memory_cgroup / "memory.limit_in_bytes")
    limit.write_text(str(1 << 30))
    charged = re.compile(r"KiB of kernel memory of your account: (\d+) of")
    prefix = prefix_of(memory_cgroup, cpus, tmp_path)
    with limited(build, prefix=prefix) as broker:
        kernel = weighed(memory_cgroup, broker, message, 400)
    used = usage_of(memory_cgroup)
    wait_for(lambda: int(used.read_text()) < 8 << 20, "the kernel frees what the sets had")
    with limited(build, "--memory-percent", 3, prefix=prefix) as broker:
        kept, why = kept_until_refused(broker, message, CLIENT)
        for reply in kept:
            reply.close()
    ours = int(charged.match(why)[1]) * 1024 / len(kept)
    possible = cpus or Path(CPUS_POSSIBLE).read_text().strip()
    print(f"CPUs {possible}: the kernel charges {kernel / 1024:.1f} KiB, we {ours / 1024:.1f} KiB")
    assert kernel * 0.99 < ours < kernel * 1.6


def test_fault_66_a_restart_forgets_no_memory(build, memory_cgroup):
    """A limit of the cgroup above, such as a slice's, outlives the service and its cgroup.

    How many sets each broker gives is no measure: it gives fewer while the kernel is late with
    freeing what loading them took.
    """
    below = memory_cgroup / "service"
    everything = []
    for _ in range(2):
        below.mkdir()
        with limited(build, "--share", 1, prefix=in_cgroup(below)) as broker:
            for uid in (CLIENT, 0):
                kept, why = kept_until_refused(broker, ACQUIRE, uid)
                everything += kept
        wait_for(lambda: not (below / "cgroup.procs").read_text(), "the processes' end")
        below.rmdir()
        assert "the broker's memory is over 75 % of its limit" in why
    assert oom_kills(memory_cgroup) == 0
    assert int(usage_of(memory_cgroup).read_text()) > len(everything) * SET_MIN
    for reply in everything:
        reply.close()
