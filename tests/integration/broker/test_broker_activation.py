# SPDX-License-Identifier: MIT
"""What a service manager passes: LISTEN_FDS, LISTEN_PID, NOTIFY_SOCKET."""
import os
import signal
import socket
import stat
import time

import pytest
import vectors
import wire
from activated import Activated
from broker import CLIENT, Broker, kernel_refuses_fds, running, sockets_at_rest
from waiting import wait_for

INFO = vectors.read("request-info")


def ask(path):
    with wire.as_user(CLIENT):
        return wire.ask(path, INFO).status


def test_socket_is_taken(build, directory, listener):
    """Served from there, and nowhere else."""
    with Activated(build, listener) as broker:
        assert broker.front.kinds()["socket"] == 3  # this one, the loader, the closer
        assert ask(directory / "sock") == wire.OK
        assert not broker.socket.exists()


def test_who_connects_before_the_broker_runs_is_served(build, directory, listener):
    """And across a restart nobody is refused: connections wait in the socket."""
    early = wire.Connection(directory / "sock")
    early.send(INFO)
    with Activated(build, listener) as broker:
        assert early.receive().status == wire.OK
        assert broker.stop() == 0
        between = wire.Connection(directory / "sock")
        between.send(INFO)
        broker.log_path.write_text("")
        broker.start().wait_ready()
        assert between.receive().status == wire.OK
    early.close()
    between.close()


def test_fds_are_refused_on_a_passed_socket_too(build, directory, listener):
    """By the kernel where it can (the sender hears so), else by the broker."""
    with Activated(build, listener) as broker:
        os.kill(broker.process.pid, signal.SIGSTOP)  # before it is accepted, too
        with wire.Connection(directory / "sock") as client:
            if kernel_refuses_fds():
                with pytest.raises(PermissionError):
                    client.send(INFO, [0])
                client.send(INFO)
            else:
                client.send(INFO, [0])
            os.kill(broker.process.pid, signal.SIGCONT)
            assert client.last_words().status == (wire.OK if kernel_refuses_fds() else wire.MALFORMED)


def test_fault_30_none(build):
    """LISTEN_FDS=0: it makes its own."""
    with Activated(build) as broker:
        assert ask(broker.socket) == wire.OK


def test_fault_30_two(build, listener):
    broker = Activated(build, listener, listener)
    status, log = broker.fails()
    broker.clean()
    assert (status, "LISTEN_FDS is 2, exactly one socket can be served" in log) == (1, True)


@pytest.mark.parametrize("pid", ["1", "999999999"])
def test_fault_30_of_another_process(build, listener, pid):
    """Left in the environment by somebody above: not for us, and closed."""
    with Activated(build, listener, env={"PID": pid}) as broker:
        assert broker.front.kinds()["socket"] == sockets_at_rest()
        assert ask(broker.socket) == wire.OK


LAST_FDS = ["junk", "-1", "-2147483648", "", "1025", "2147483647", "2147483648", "4294967294",
            "18446744073709551617", "1x", "+1"]  # fmt: skip


def refuses(build, *socks, why, **env):
    """It says so in one line, ends with status 1, and nothing of it is left."""
    broker = Activated(build, *socks, env=env)
    try:
        status, log = broker.fails()
        assert (status, log.count("<3>")) == (1, 1) and why in log
        wait_for(lambda: not running(broker.program), "the end of all its processes")
    finally:
        broker.clean()


@pytest.mark.parametrize("n", LAST_FDS)
def test_fault_67_a_count_that_is_none(build, listener, n):
    refuses(build, listener, why="LISTEN_FDS is not a number from 0 to 1024", LISTEN_FDS=n)


@pytest.mark.parametrize("pid", ["0", "-1", " ", "junk", "4294967297", "1x"])
def test_fault_67_a_process_that_is_none(build, listener, pid):
    refuses(build, listener, why="LISTEN_PID is not the number of a process", PID=pid)


@pytest.mark.parametrize("usec", ["", "0", "999999", "-30000000", "junk", "30s", "1000000000000000",
                                  "18446744073709551615", "18446744073739551616"])  # fmt: skip
def test_fault_67_a_watchdog_that_is_none(build, listener, usec):
    refuses(build, listener, why="WATCHDOG_USEC is not a number from 1000000, a second",
            WATCHDOG_USEC=usec)  # fmt: skip


@pytest.mark.parametrize("pid", ["", "0", "-1", "junk", "4294967297", "1x"])
def test_fault_67_a_watchdogs_process_that_is_none(build, listener, pid):
    refuses(build, listener, why="WATCHDOG_PID is not the number of a process",
            WATCHDOG_USEC="2000000", WATCHDOG_PID=pid)  # fmt: skip


@pytest.mark.parametrize("path", ["/" + "x" * 107, "@" + "x" * 200])
def test_fault_67_a_notify_socket_that_is_none(build, listener, path):
    refuses(build, listener, why=f"NOTIFY_SOCKET has {len(path)} bytes, at most 107", NOTIFY_SOCKET=path)


def bound(kind, path):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    return sock


def listening(kind, path):
    sock = bound(kind, path)
    sock.listen()
    return sock


WRONG = {
    "stream": lambda path: listening(socket.SOCK_STREAM, path),
    "datagram": lambda path: bound(socket.SOCK_DGRAM, path),
    "not listening": lambda path: bound(socket.SOCK_SEQPACKET, path),
    "connected": lambda _: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)[0],
    "TCP": lambda _: socket.create_server(("127.0.0.1", 0)),
    "file": lambda path: open(path, "w"),
    "device": lambda _: open("/dev/null"),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_fault_30_wrong_kind(build, directory, make):
    with make(directory / "s") as sock:
        broker = Activated(build, sock)
        status, log = broker.fails()
        broker.clean()
    assert status == 1
    assert "fd 3 of LISTEN_FDS is not a listening UNIX SOCK_SEQPACKET socket" in log


# --- NOTIFY_SOCKET ------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_fault_68_the_managers_socket_is_closed_once_ready(build, directory, abstract):
    name = f"rssb-test-{os.getpid()}" if abstract else str(directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name if abstract else name)
        if not abstract:
            os.chmod(name, 0o700)  # root's alone
        manager.settimeout(60)
        broker = Broker(build, env={**os.environ, "NOTIFY_SOCKET": "@" * abstract + name})
        with broker:
            assert manager.recv(100) == b"READY=1"
            assert ask(broker.socket) == wire.OK
            wait_for(lambda: broker.front.kinds()["socket"] == sockets_at_rest(), "the end of the line to it")
            assert broker.stop() == 0


# --- the watchdog ---------------------------------------------------------------


@pytest.fixture
def manager(directory):
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(directory / "notify"))
        sock.settimeout(60)
        yield sock


def watched(build, manager, *args, **env):
    """A broker that must answer every second."""
    env = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000000", **env}
    return Broker(build, *args, env={**os.environ, **env})


def empty(manager):
    """Takes what lies in it already."""
    manager.setblocking(False)
    try:
        while manager.recv(100):
            pass
    except BlockingIOError:
        pass


def test_the_watchdog_is_answered(build, manager):
    """By a front that runs; a stopped one says nothing, and goes on when it goes on."""
    with watched(build, manager) as broker:
        assert [manager.recv(100) for _ in range(4)] == [b"READY=1", *[b"WATCHDOG=1"] * 3]
        os.kill(broker.process.pid, signal.SIGSTOP)
        wait_for(lambda: broker.front.status()["State"][0] == "T", "its stop")
        empty(manager)
        manager.settimeout(2.5)
        with pytest.raises(TimeoutError):
            manager.recv(100)
        os.kill(broker.process.pid, signal.SIGCONT)
        manager.settimeout(60)
        assert manager.recv(100) == b"WATCHDOG=1"
        assert ask(broker.socket) == wire.OK


def test_the_watchdog_of_another_process(build, manager):
    """Left in the environment by somebody above."""
    with watched(build, manager, WATCHDOG_PID="1") as broker:
        assert manager.recv(100) == b"READY=1"
        wait_for(lambda: broker.front.kinds()["socket"] == sockets_at_rest(), "the end of the line to it")
        assert broker.front.fds()[0] == "/dev/null"


def test_a_manager_that_hears_nothing_keeps_nobody_waiting(build, manager, directory):
    """Its queue is full: the watchdog is not answered, who asks is."""
    with watched(build, manager, "--tokens=1000000000") as broker:
        assert manager.recv(100) == b"READY=1"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    other.sendto(b"x", str(directory / "notify"))
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            assert ask(broker.socket) == wire.OK
        assert broker.stop() == 0


def test_not_ready_when_it_fails(build, directory):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(directory / "notify"))
        env = {**os.environ, "NOTIFY_SOCKET": str(directory / "notify")}
        broker = Broker(build, env=env, prefix=["setpriv", "--bounding-set=-bpf"])
        assert broker.fails()[0] == 1
        broker.clean()
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)


@pytest.mark.parametrize("path", ["/nowhere/notify", "relative", "/" + "x" * 106, ""])
def test_notify_socket_that_is_none(build, path):
    """A warning at most; the service goes on."""
    with Broker(build, env={**os.environ, "NOTIFY_SOCKET": path}) as broker:
        assert ask(broker.socket) == wire.OK
        assert stat.S_ISSOCK(os.stat(broker.socket).st_mode)
