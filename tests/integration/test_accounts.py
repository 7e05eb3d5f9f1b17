# SPDX-License-Identifier: MIT
"""Every limit: one client reaches it and is told, the next is not touched."""
import contextlib
import re
import resource
import time

import pytest
import vectors
import wire
from broker import CLIENT, Broker, in_cgroup, wait_for

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


def connect(broker, uid=CLIENT):
    with wire.as_user(uid):
        return wire.Connection(broker.socket)


def talk(connection, message):
    """Like a good client: a broker that has hung up has said why before."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(message)
    try:
        return connection.receive()
    except ConnectionResetError:
        return connection.receive()


def ask(broker, message, uid=CLIENT):
    with connect(broker, uid) as connection:
        return talk(connection, message)


def acquired(broker, n, uid=CLIENT):
    """n grants, each of them given."""
    replies = []
    for _ in range(n):
        reply = ask(broker, ACQUIRE, uid)
        while reply.status == wire.BUSY:
            reply = ask(broker, ACQUIRE, uid)
        assert reply.status == wire.OK, reply.reason
        replies.append(reply)
    return replies


def is_served(broker, uid):
    with ask(broker, ACQUIRE, uid) as reply:
        return reply.status == wire.OK


# --- connections ------------------------------------------------------------------------


def test_connections_in_all(build):
    with limited(build, "--max-connections", 3) as broker:
        with held([connect(broker) for _ in range(2)] + [connect(broker, OTHER)]) as connections:
            for connection in connections:
                assert connection.ask(INFO).status == wire.OK
            with connect(broker, 0) as late:  # not even root
                refusal = late.receive()
                assert (refusal.status, refusal.op) == (wire.LIMIT, wire.REPLY)
                assert "connections in all: 3 of 3" in refusal.reason
                assert late.is_closed()
        wait_for(lambda: ask(broker, INFO, 0).status == wire.OK, "a free connection")


def test_connections_of_an_account(build):
    with limited(build, "--max-account-connections", 2) as broker:
        with held([connect(broker) for _ in range(2)]) as connections:
            for connection in connections:
                assert connection.ask(INFO).status == wire.OK
            with connect(broker) as third:
                refusal = talk(third, INFO)
                assert refusal.status == wire.LIMIT
                assert "connections of your account: 2 of 2" in refusal.reason
            assert is_served(broker, OTHER)
            with held([connect(broker, 0) for _ in range(4)]) as of_root:
                assert all(c.ask(INFO).status == wire.OK for c in of_root)
        assert is_served(broker, CLIENT)


def test_unread_replies_of_an_account(build):
    with limited(build, "--max-account-unread", 2) as broker:
        with held([connect(broker) for _ in range(3)]) as connections:
            for lazy in connections[:2]:
                lazy.send(ACQUIRE)
            time.sleep(0.2)
            refusal = connections[2].ask(ACQUIRE)
            assert refusal.status == wire.LIMIT and refusal.retry_ms
            assert "unread replies of your account: 2 of 2" in refusal.reason
            assert is_served(broker, OTHER)
            for lazy in connections[:2]:
                lazy.receive().close()
            with connections[2].ask(ACQUIRE) as reply:
                assert reply.status == wire.OK


# --- grants ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option, text, others_too",
    [
        ("--max-grants", "live grants in all", True),
        ("--max-uid-grants", "live grants of your uid", False),
        ("--max-account-grants", "live grants of your account", False),
    ],
)
def test_live_grants(build, option, text, others_too):
    """Fault 20: the one too many; release one, ask again; the next account is not touched."""
    with limited(build, option, 3) as broker:
        replies = acquired(broker, 3)
        refusal = ask(broker, ACQUIRE)
        assert refusal.status == wire.LIMIT and f"{text}: 3 of 3" in refusal.reason
        assert is_served(broker, OTHER) != others_too
        assert ask(broker, wire.release(replies[0].grant_id)).status == wire.OK
        with ask(broker, ACQUIRE) as reply:
            assert reply.status == wire.OK
        for reply in replies:
            reply.close()


def test_the_end_of_a_lease_frees_the_quota_at_once(build):
    with limited(build, "--max-account-grants", 1) as broker:
        for _ in range(5):
            (reply,) = acquired(broker, 1)
            reply.close()
            closed = time.monotonic()
            wait_for(lambda: is_served(broker, CLIENT), "the quota")
            assert time.monotonic() - closed < 0.1
            time.sleep(0.05)


def test_ended_grants(build):
    """Fault 21: leases closed, fds kept; the second budget, and how it comes back."""
    with limited(build, "--ended-grants", 4, "--ended-refill", 2) as broker:
        kept = acquired(broker, 4)
        for reply in kept:
            reply.close(wire.LEASE)
        wait_for(lambda: broker.log().count("END uid=") == 4, "the ends")
        refusal = ask(broker, ACQUIRE)
        assert refusal.status == wire.LIMIT and 0 < refusal.retry_ms <= 2000
        assert "ended grants of your account: 4 of 4 used" in refusal.reason
        assert is_served(broker, OTHER)
        time.sleep(refusal.retry_ms / 1000)
        assert is_served(broker, CLIENT)
        for reply in kept:
            reply.close()


def test_grants_a_second(build):
    with limited(build, "--rate-burst", 3, "--rate", 2) as broker:
        for reply in acquired(broker, 3):
            reply.close()
        refusal = ask(broker, ACQUIRE)
        assert refusal.status == wire.LIMIT and 0 < refusal.retry_ms <= 500
        assert "3 at once, then 2" in refusal.reason
        assert is_served(broker, OTHER)
        assert all(is_served(broker, 0) for _ in range(5))
        time.sleep(refusal.retry_ms / 1000)
        assert is_served(broker, CLIENT)


# --- faults ------------------------------------------------------------------------------------


def malformed(broker):
    assert ask(broker, b"\0" * 16).status == wire.MALFORMED


def says_nothing(broker):
    with connect(broker) as silent:
        started = time.monotonic()
        assert silent.receive().status == wire.TIMEOUT
        assert silent.is_closed() and time.monotonic() - started < 1


def never_reads(broker):
    with connect(broker) as lazy:
        lazy.send(INFO)
        lazy.send(INFO)  # before the first reply was read


def sends_an_fd(broker):
    with connect(broker) as connection:
        connection.send(INFO, [0])
        with contextlib.suppress(ConnectionResetError):
            connection.receive()


OLD_KERNEL = """
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level == SOL_SOCKET && option == 83) { /* SO_PASSRIGHTS */
		errno = ENOPROTOOPT;
		return -1;
	}
	return syscall(SYS_setsockopt, fd, level, option, value, len);
}
"""

# A security label for each gid, as an LSM would give one for each VM.
LABELS = """
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	if (level != SOL_SOCKET || option != SO_PEERSEC)
		return syscall(SYS_getsockopt, fd, level, option, value, len);
	syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &cred, &size);
	*len = snprintf(value, *len, "vm:c%u", cred.gid) + 1;
	return 0;
}
"""


@pytest.mark.parametrize(
    "fault, option, text",
    [
        (malformed, "--penalty-malformed", "a malformed request"),
        (never_reads, "--penalty-malformed", "a malformed request"),
        (says_nothing, "--penalty-timeout", "a timeout"),
        (sends_an_fd, "--penalty-fd", "an fd it sent"),
    ],
)
def test_penalties(build, interposed, fault, option, text):
    env = interposed(OLD_KERNEL) if fault is sends_an_fd else None
    with limited(build, option, 2, "--first-request-timeout", 200, env=env) as broker:
        fault(broker)
        wait_for(lambda: text in broker.log(), "the log line")
        refusal = ask(broker, INFO)
        assert refusal.status == wire.LIMIT and 0 < refusal.retry_ms <= 2000
        assert "come back in" in refusal.reason
        assert is_served(broker, OTHER)
        assert broker.log().count("has to wait") == 1
        time.sleep(refusal.retry_ms / 1000)
        assert is_served(broker, CLIENT)


def test_penalties_add_up_to_their_most(build):
    with limited(build, "--penalty-malformed", 5, "--penalty-max", 8) as broker:
        with held([connect(broker) for _ in range(4)]) as connections:
            for connection in connections:
                connection.ask(INFO)
            for connection in connections:
                connection.send(b"\0" * 16)
                connection.receive()
        assert 7000 < ask(broker, INFO).retry_ms <= 8000


def test_a_reply_that_is_never_read(build):
    """Fault 15: the connection ends, with all that it was given, and the account waits."""
    with limited(build, "--read-reply-timeout", 200, "--penalty-timeout", 1) as broker:
        with connect(broker) as lazy:
            lazy.send(ACQUIRE)
            wait_for(lambda: "a timeout" in broker.log(), "the deadline")
            lazy.receive().close()  # what was sent before can still be read
            assert lazy.is_closed()
        assert is_served(broker, OTHER)


# --- who pays -------------------------------------------------------------------------------------


def test_a_label_is_an_account_of_its_own(build, interposed):
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
            reply = ask(broker, ACQUIRE)
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


