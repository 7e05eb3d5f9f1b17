# SPDX-License-Identifier: MIT
"""What an attacker can do who runs code in the front: every system call that its filter allows,
with hostile arguments, made by a running front.

test_takeover.py asks the filters; here the kernel answers.
"""
import contextlib
import errno
import os
import random
import select
import signal
import socket
import struct

import bpf_fd
import pytest
import wire
from activated import Activated
from broker import Process, sockets_at_rest
from seccomp import Filter, number_of
from sweep import ACQUIRE, steers
from taken_over import SOURCE, Ended, TakenOver
from waiting import wait_for

SO_PASSRIGHTS = 83
SCM_RIGHTS_OF = struct.Struct("<Qiii4x")
ROUNDS = 20 if os.environ.get("RSSB_SOAK") else 3
CALLS_EACH = 300


@pytest.fixture
def environment(build, interposed):
    if "san" in build.parts:
        pytest.skip("a sanitizer wants to be the first library; the plain build is attacked")
    return interposed(SOURCE)


class World:
    """What the attacker would like to reach, and does not."""

    def __init__(self, directory, stack):
        self.name = str(directory / "victim")
        self.abstract = f"\0rssb-victim-{os.getpid()}"
        self.datagrams = []
        for name in (self.name, self.abstract):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            sock.bind(name)
            self.datagrams.append(sock)
        os.chmod(self.name, 0o777)
        self.tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.manager.bind(str(directory / "notify"))
        self.listening = [*self.datagrams, self.tcp]

    def addresses(self):
        """Each as a struct sockaddr."""
        unix = [struct.pack("<H", socket.AF_UNIX) + name.encode() + b"\0" * (name[0] != "\0")
                for name in (self.name, self.abstract)]  # fmt: skip
        host, port = self.tcp.getsockname()
        return [*unix, struct.pack("<H", socket.AF_INET) + struct.pack(">H", port)
                + socket.inet_aton(host) + bytes(8)]  # fmt: skip

    def is_untouched(self):
        return not select.select(self.listening, [], [], 0)[0]


@pytest.fixture
def world(directory):
    with contextlib.ExitStack() as stack:
        yield World(directory, stack)


def taken_over(build, environment, world, *args, **keywords):
    env = {"NOTIFY_SOCKET": world.manager.getsockname(), "WATCHDOG_USEC": "600000000"}
    return TakenOver(build, environment, *args, env=env, **keywords)


def killed_by_the_filter(broker, name, *args):
    """Whether that is the end of the front."""
    with pytest.raises(Ended) as ended:
        broker.call(name, *args)
    return ended.value.status == -signal.SIGSYS


# --- what the filter allows, with hostile arguments -------------------------------------------


def pools(broker, world, dice):
    """What the arguments are drawn from."""
    fds = [*broker.front.fds(), -1, 1 << 20, (1 << 31) - 1]
    rights = [SCM_RIGHTS_OF.pack(20, socket.SOL_SOCKET, 1, fd) for fd in fds]
    messages = [broker.message(name=name, control=dice.choice([b"", *rights]))
                for name in [b"", *world.addresses()] * 3]  # fmt: skip
    scratch = broker.at(bytes(4096))
    return {
        "fd": fds,
        "message": [*messages, 0, scratch, -1, -4096],
        "address": [0, scratch, scratch + 1, -1, -4096, 1 << 47, 4096],
        "size": [0, 1, 4, 64],
        "number": [0, 1, 2, 4, 8, 16, 83, -1, 1 << 31, 1 << 32, 0x5421, 0xFFFFFFFF00000001],
        "soon": [0, 1],
        "any": [0, 1, -1, 1 << 31, scratch],
    }


# The kinds of their arguments; who waits does it for a millisecond.
CALLS = {
    "accept4": ["fd", "address", "address", "number"],
    "clock_gettime": ["number", "address"],
    "close": None,  # below: it could only end what is its own
    "epoll_ctl": ["fd", "number", "fd", "address"],
    "epoll_pwait": ["fd", "address", "size", "soon", "address", "size"],
    "epoll_wait": ["fd", "address", "size", "soon"],
    "exit_group": None,
    "fcntl": ["fd", "number", "any"],
    "getsockopt": ["fd", "number", "number", "address", "address"],
    "ioctl": ["fd", "number", "any"],
    "memfd_create": ["address", "number"],
    "mmap": ["address", "size", "number", "number", "fd", "number"],
    "munmap": ["address", "size"],
    "pipe2": ["address", "number"],
    "poll": ["address", "soon", "soon"],
    "ppoll": None,  # as poll; its timeout is behind a pointer
    "pread64": ["fd", "address", "size", "number"],
    "pwrite64": ["fd", "address", "size", "number"],
    "recvmsg": ["fd", "message", "number"],
    "restart_syscall": [],
    "sendmsg": ["fd", "message", "number"],
    "setsockopt": ["fd", "number", "number", "address", "size"],
    "shutdown": ["fd", "number"],
    "write": ["fd", "address", "size"],
}


def passes(broker_filter, call):
    name, *args = call
    return broker_filter.allows(number_of(name), *[a & (1 << 64) - 1 for a in args])


def test_every_call_that_the_filter_allows_has_a_row(build, environment, world):
    with taken_over(build, environment, world) as broker:
        assert Filter(broker.front.pid).allowed() <= set(CALLS)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_taken_over_front_reaches_nothing(build, environment, world, seed):
    """It may end itself; but no socket, file or process outside hears of it."""
    dice = random.Random(seed)
    rows = {name: kinds for name, kinds in CALLS.items() if kinds is not None}
    with taken_over(build, environment, world) as broker, broker.connect():
        with wire.ask(broker.socket, ACQUIRE) as held:
            processes = {p.pid for p in broker.front.children()}
            rules = Filter(broker.front.pid)
            pool = pools(broker, world, dice)
            calls = []
            while len(calls) < CALLS_EACH:
                name = dice.choice(list(rows))
                call = (name, *[dice.choice(pool[kind]) for kind in rows[name]])
                if passes(rules, call):  # the others end it: test_takeover.py
                    calls.append(call)
            with contextlib.suppress(Ended, OSError):  # it may have ended meanwhile
                broker.make(calls)
                assert {p.pid for p in broker.front.children()} <= processes
                status = broker.front.status()
                assert (int(status["CapPrm"], 16), status["Seccomp"]) == (0, "2")
                assert all(is_harmless(what) for what in broker.front.fds().values())
            assert world.is_untouched()
            assert steers(held.fds[wire.PROG])
            assert bpf_fd.test_run(held.fds[wire.PROG], bytes(64)) == 0
        broker.process.kill()
        wait_for(lambda: not any(Process(pid).is_alive() for pid in processes), "the others' end")


def is_harmless(what):
    """Of what it had before, or made without a name: nothing that was opened or connected."""
    return what.startswith(("socket:", "pipe:", "anon_inode:", "pidfd:", "/memfd:", "/dev/null", "/sys/fs/cgroup")) \
        or what.endswith(("/log", "/sock.lock", "/orders"))  # fmt: skip


# --- chosen ones ---------------------------------------------------------------------------------


def test_fault_68_no_name_is_reached_through_the_managers_line(build, environment, world):
    """write(2) goes to the manager; sendmsg(2) on that fd, however it is spelt, is the end."""
    for fd in (0, 1 << 32, 3 << 32):
        with taken_over(build, environment, world) as broker:
            world.manager.setblocking(True)
            assert world.manager.recv(100) == b"READY=1"
            assert broker.front.fds()[0].startswith("socket:")
            assert broker.call("write", 0, broker.at(b"STATUS=x"), 8) == 8
            assert world.manager.recv(100) == b"STATUS=x"
            message = broker.message(name=world.addresses()[0])
            assert killed_by_the_filter(broker, "sendmsg", fd, message, 0)
            assert world.is_untouched()


def test_no_socket_of_its_own_sends_to_a_name(build, environment, world):
    """Those to clients, loader and closer have a peer: a name is ignored or refused."""
    with taken_over(build, environment, world) as broker, broker.connect() as client:
        assert client.ask(ACQUIRE).status == wire.OK
        fds = sockets(broker)
        assert len(fds) == sockets_at_rest() + 1  # the client's
        with contextlib.suppress(Ended):  # the loader takes no such message
            found = broker.make([("sendmsg", fd, broker.message(name=name), socket.MSG_DONTWAIT)
                                 for fd in fds for name in world.addresses()])  # fmt: skip
            assert found.count(-errno.ENOTCONN) == 3
        assert world.is_untouched()


def sockets(broker):
    return [fd for fd, what in sorted(broker.front.fds().items()) if "socket:" in what and fd > 2]


def test_it_writes_to_no_file(build, environment, world):
    """The log's apart: of the lock and the cgroup's files it can read alone."""
    with taken_over(build, environment, world) as broker:
        files = {fd: what for fd, what in broker.front.fds().items() if what.startswith("/") and fd > 2}
        assert any(what.endswith("sock.lock") for what in files.values())
        for fd, what in files.items():
            assert broker.call("write", fd, broker.at(b"x"), 1) == -errno.EBADF, what
            assert broker.call("pwrite64", fd, broker.at(b"x"), 1, 0) < 0, what


@pytest.mark.parametrize("data", [b"", b"\xff" * 3, struct.pack("<I", 99), bytes(4096)])
def test_the_loader_takes_a_number_and_nothing_else(build, environment, world, data):
    """What is none of an object ends loader and front, and neither by a signal."""
    with taken_over(build, environment, world) as broker:
        # The closer's, if there is one, was made after it.
        link = [fd for fd in sockets(broker) if not is_listener(broker, fd)][0]
        broker.make([("sendmsg", link, broker.message(data), 0)])
        assert broker.process.wait(60) == 1 and "was killed by" not in broker.log()


def is_listener(broker, fd):
    value, size = broker.at(bytes(4)), broker.at(struct.pack("i", 4))
    assert broker.call("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ACCEPTCONN, value, size) == 0
    return broker.bytes_at(value, 4) != bytes(4)


# --- what is left to it, as docs/security.md says -------------------------------------------------


def packet_awaited(broker, session):
    """The fd that the next packet brings, taken before the front's own loop does.

    Where the kernel cannot refuse fds the sender's credentials come before it.
    """
    control = broker.at(bytes(64))
    vector = broker.at(struct.pack("<QQ", broker.at(bytes(64)), 64))
    message = broker.at(struct.pack("<QI4xQQQQi4x", 0, 0, vector, 1, control, 64, 0))
    asked = broker.at(struct.pack("<ihh", session, select.POLLIN, 0))
    broker.order([("poll", asked, 1, 60_000), ("recvmsg", session, message, 0)])

    def fd():
        came = broker.bytes_at(control, 64)
        at = 0
        while struct.unpack_from("<Qii", came, at)[1:] != (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            at += (struct.unpack_from("<Q", came, at)[0] + 7) // 8 * 8
        return struct.unpack_from("<i", came, at + 16)[0]

    return fd


def test_with_a_clients_help_it_sends_to_a_name(build, environment, world):
    """The socket of a client that works with it sends wherever the client and the broker may."""
    with taken_over(build, environment, world) as broker:
        before = set(sockets(broker))
        with broker.connect() as client, client.ask(ACQUIRE) as reply:
            assert reply.status == wire.OK
            (session,) = set(sockets(broker)) - before
            on = broker.at(struct.pack("i", 1))
            broker.call("setsockopt", session, socket.SOL_SOCKET, SO_PASSRIGHTS, on, 4)
            fd = packet_awaited(broker, session)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
                client.send(b"help", [datagram.fileno()])
            broker.results()
            message = broker.message(name=world.addresses()[0])
            assert broker.call("sendmsg", fd(), message, 0) == len(b"hostile")
            assert world.datagrams[0].recv(100) == b"hostile"


def test_a_listener_that_was_shut_down_is_refused(build, directory, listener):
    """It can shut the service manager's socket; the next start says so, and how to mend that."""
    listener.shutdown(socket.SHUT_RDWR)
    broker = Activated(build, listener)
    status, log = broker.fails()
    broker.clean()
    assert status == 1 and "was shut down: restart the socket unit" in log
