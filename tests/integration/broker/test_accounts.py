# SPDX-License-Identifier: MIT
"""Who pays: accounts of uid and label, what their faults and their kept sets cost them.

The limits themselves, one by one: test_broker_limits.py.
"""
import contextlib
import re
import resource
import time

import vectors
import wire
from broker import CLIENT, Broker, in_cgroup
from interposed import LABELS, OLD_KERNEL
from waiting import wait_for

OTHER = 65533  # the next account
INFO = vectors.read("request-info")
ACQUIRE = wire.acquire(flags=wire.NO_CONFIG)


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
    with limited(build, "--max-connections", 3) as broker:
        with held([broker.connect() for _ in range(2)] + [broker.connect(OTHER)]) as connections:
            for connection in connections:
                assert connection.ask(INFO).status == wire.OK
            with broker.connect(0) as late:  # not even root
                refusal = late.receive()
                assert (refusal.status, refusal.op) == (wire.LIMIT, wire.REPLY)
                assert "connections in all: 3 of 3" in refusal.reason
                assert late.is_closed()
        wait_for(lambda: broker.ask(INFO, 0).status == wire.OK, "a free connection")


def test_the_end_of_a_lease_frees_the_quota_at_once(build):
    with limited(build, "--max-account-grants", 1) as broker:
        for _ in range(5):
            (reply,) = acquired(broker, 1)
            reply.close()
            closed = time.monotonic()
            wait_for(lambda: is_served(broker, CLIENT), "the quota")
            assert time.monotonic() - closed < 0.1
            time.sleep(0.05)


# --- faults ------------------------------------------------------------------------------------


def sends_an_fd(broker):
    with broker.connect() as connection:
        connection.send(INFO, [0])
        with contextlib.suppress(ConnectionResetError):
            connection.receive()


def test_fault_9_penalty_for_an_fd(build, interposed):
    """Where the kernel does not refuse it, the account waits for it."""
    env = interposed(OLD_KERNEL)
    with limited(build, "--penalty-fd", 2, env=env) as broker:
        sends_an_fd(broker)
        wait_for(lambda: "an fd it sent" in broker.log(), "the log line")
        refusal = broker.ask(INFO)
        assert refusal.status == wire.LIMIT and 0 < refusal.retry_ms <= 2000
        assert is_served(broker, OTHER)
        time.sleep(refusal.retry_ms / 1000)
        assert is_served(broker, CLIENT)


# --- who pays -------------------------------------------------------------------------------------


def test_fault_20_a_label_is_an_account_of_its_own(build, interposed):
    """Fault 20: VMs share a uid; one that is full does not fill the other."""
    with limited(build, "--max-account-grants", 2, env=interposed(LABELS)) as broker:

        def as_vm(gid, message):
            with wire.as_user(CLIENT, gid):
                return wire.ask(broker.socket, message)

        mine = [as_vm(7, ACQUIRE) for _ in range(2)]
        assert all(reply.status == wire.OK for reply in mine)
        assert as_vm(7, ACQUIRE).status == wire.LIMIT
        with as_vm(8, ACQUIRE) as other:
            assert other.status == wire.OK
        # Nor does one end what the other has.
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


def test_memory_of_sets_that_were_kept(build, memory_cgroup):
    """Handed-over sets fill the broker's cgroup: it refuses long before the OOM killer acts."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    kept = []
    with limited(build, "--max-account-grants", 2000, "--rate", 1000, "--rate-burst", 2000,
                 prefix=in_cgroup(memory_cgroup)) as broker:  # fmt: skip
        while len(kept) < 1000:
            reply = broker.ask(ACQUIRE)
            if reply.status == wire.LIMIT:
                break
            if reply.status == wire.OK:
                reply.close(wire.LEASE)
                kept.append(reply)
        assert "the broker's memory is over 75 % of its limit" in reply.reason
        assert 50 < len(kept) < 1000
        assert oom_kills(memory_cgroup) == 0
        for reply in kept:
            reply.close()
        wait_for(lambda: is_served(broker, CLIENT), "memory again")


