# SPDX-License-Identifier: MIT
"""Where the broker listens: what it replaces, what it leaves alone, what it refuses."""
import os
import signal
import socket
import stat

import pytest
import vectors
import wire
from broker import CLIENT, UID, Broker

INFO = vectors.read("request-info")
SUN_PATH_MAX = 107


@pytest.fixture
def broker(build):
    """Not started yet."""
    broker = Broker(build)
    yield broker
    broker.clean()


def serves(broker):
    return wire.ask(broker.socket, INFO).status == wire.OK


def leave_socket(path, kind=socket.SOCK_SEQPACKET):
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(str(path))


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


# --- the file -----------------------------------------------------------------


def test_open_to_all_when_somebody_is_named(broker):
    broker.start().wait_ready()
    assert mode_of(broker.socket) == 0o666
    with wire.as_user(CLIENT):
        assert serves(broker)
    with wire.as_user(1000):
        assert wire.ask(broker.socket, INFO).status == wire.DENIED


def in_a_system_with(tmp_path, group):
    """A command that starts another one where this user and, perhaps, this group exist."""
    passwd, groups = tmp_path / "passwd", tmp_path / "group"
    passwd.write_text(f"root:x:0:0::/:/bin/sh\nrss-broker:x:{UID}:{UID}::/:/bin/false\n")
    groups.write_text("root:x:0:\n" + (f"rss-broker:x:{UID}:\n" if group else ""))
    mounts = f"mount --bind {passwd} /etc/passwd && mount --bind {groups} /etc/group"
    return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


def test_default_user_and_group(build, tmp_path):
    """0660 root:rss-broker: the kernel itself keeps others away."""
    prefix = in_a_system_with(tmp_path, group=True)
    with Broker(build, user=None, allow=None, prefix=prefix) as broker:
        status = os.stat(broker.socket)
        assert (status.st_uid, status.st_gid, mode_of(broker.socket)) == (0, UID, 0o660)
        assert broker.front.status()["Uid"].split() == [str(UID)] * 4
        with wire.as_user(CLIENT), pytest.raises(PermissionError):
            wire.Connection(broker.socket)
        with wire.as_user(CLIENT, groups=[UID]):  # nobody's groups count for nothing
            assert wire.ask(broker.socket, INFO).status == wire.DENIED
        with wire.as_user(1000, groups=[UID]):
            assert serves(broker)
        assert serves(broker)


def test_no_group(build, tmp_path):
    """Only root is left, and that is said."""
    prefix = in_a_system_with(tmp_path, group=False)
    with Broker(build, user=None, allow=None, prefix=prefix) as broker:
        status = os.stat(broker.socket)
        assert (status.st_uid, status.st_gid, mode_of(broker.socket)) == (0, 0, 0o660)
        assert "there is no group rss-broker: only root may make requests (groupadd " in broker.log()
        assert serves(broker)


@pytest.mark.parametrize("length", [SUN_PATH_MAX, SUN_PATH_MAX - 1])
def test_fault_29_long_path(broker, length):
    broker.socket = broker.dir / ("s" * (length - len(str(broker.dir)) - 1))
    broker.command[broker.command.index("--socket") + 1] = str(broker.socket)
    assert len(str(broker.socket)) == length
    broker.start().wait_ready()
    assert serves(broker)


@pytest.mark.parametrize("length", [SUN_PATH_MAX + 1, SUN_PATH_MAX + 2, 5000])
def test_fault_29_too_long_path(build, length):
    broker = Broker(build, socket_path="/" + "s" * (length - 1))
    status, log = broker.fails()
    broker.clean()
    assert status == 1
    assert f"socket path has {length} bytes, at most 107 are possible" in log


@pytest.mark.parametrize("path", ["sock", "./sock", "@abstract", ""])
def test_fault_29_path_that_is_not_absolute(build, path):
    broker = Broker(build, "--socket", path)
    status, log = broker.fails()
    broker.clean()
    assert (status, f"socket path '{path}' is not absolute" in log) == (1, True)


# --- what is there already ----------------------------------------------------


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_fault_25_stale_socket_is_replaced(broker, kind):
    leave_socket(broker.socket, kind)
    broker.start().wait_ready()
    assert serves(broker)


def test_its_own_stale_socket_is_replaced(broker):
    for sig in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        broker.log_path.write_text("")
        broker.start().wait_ready()
        assert serves(broker)
        broker.process.send_signal(sig)
        broker.process.wait(60)
        assert broker.socket.is_socket() and not broker.is_up()


def test_fault_26_second_broker(broker):
    broker.start().wait_ready()
    first = broker.process
    status, log = broker.fails()
    assert status == 1
    assert f"another broker holds {broker.socket}.lock: it is running already" in log
    assert first.poll() is None and serves(broker)
    first.kill()
    first.wait()


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_fault_26_live_socket_is_left_alone(broker, kind):
    with socket.socket(socket.AF_UNIX, kind) as other:
        other.bind(str(broker.socket))
        if kind != socket.SOCK_DGRAM:
            other.listen()
        before = os.lstat(broker.socket)
        status, log = broker.fails()
        assert (status, f"{broker.socket} is in use by another process: left alone" in log) == (1, True)
        assert os.lstat(broker.socket)[:7] == before[:7]  # all but the times


def test_live_socket_with_a_full_backlog_is_left_alone(broker):
    """It answers nobody just now, but somebody is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(str(broker.socket))
        other.listen(0)
        with wire.Connection(broker.socket):
            status, log = broker.fails()
        assert (status, f"{broker.socket} is in use by another process: left alone" in log) == (1, True)
        assert broker.socket.is_socket()


def make_symlink_to_file(path):
    target = path.with_name("target")
    target.write_text("precious")
    path.symlink_to(target)


def make_symlink_to_socket(path):
    leave_socket(path.with_name("target"))
    path.symlink_to(path.with_name("target"))


OTHERS = {
    "file": lambda path: path.write_text("precious"),
    "empty file": lambda path: path.touch(),
    "directory": lambda path: path.mkdir(),
    "FIFO": os.mkfifo,
    "device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
    "symlink to a file": make_symlink_to_file,
    "symlink to a stale socket": make_symlink_to_socket,
    "dangling symlink": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_fault_27_what_is_no_socket_is_left_alone(broker, make):
    make(broker.socket)
    before = {path.name: os.lstat(path) for path in broker.dir.iterdir()}
    status, log = broker.fails()
    assert status == 1
    assert f"{broker.socket} exists and is not a socket: left alone" in log
    for name in before.keys() - {"log"}:
        after = os.lstat(broker.dir / name)
        assert after[:7] == before[name][:7], name


@pytest.mark.parametrize("make", [make_symlink_to_file, os.mkfifo], ids=["symlink", "FIFO"])
def test_lock_that_is_no_file(broker, make):
    """Nobody can make the broker write elsewhere, or wait, through its lock."""
    make(broker.socket.with_name("sock.lock"))
    if make is make_symlink_to_file:
        status, log = broker.fails()
        assert status == 1 and f"cannot open the lock file {broker.socket}.lock" in log
        assert broker.dir.joinpath("target").read_text() == "precious"
    else:
        broker.start().wait_ready()  # a lock is a lock


# --- the directory ------------------------------------------------------------


def refused_for(broker, directory):
    """Why the broker does not start: its one line about the directory."""
    status, log = broker.fails()
    begin = f"the socket's directory {directory}: "
    assert (status, log.count(begin), len(log.splitlines())) == (1, 1, 1), log
    return log.partition(begin)[2].strip()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o757])
def test_fault_28_directory_that_others_can_write(broker, mode):
    broker.dir.chmod(mode)
    whose = "its group" if mode == 0o775 else "everybody"
    assert refused_for(broker, broker.dir) == (
        f"{broker.dir} (owner uid 0, mode {mode:04o}) can be written by {whose}: chmod go-w {broker.dir}")  # fmt: skip
    assert not broker.socket.exists()


def test_directory_of_somebody_else(broker):
    os.chown(broker.dir, 1000, 0)
    mode = stat.S_IMODE(broker.dir.stat().st_mode)
    assert refused_for(broker, broker.dir) == (
        f"{broker.dir} (owner uid 1000, mode {mode:04o}) does not belong to root: chown root {broker.dir}")  # fmt: skip


FAULTY_PARENTS = {
    "another's": (lambda above: os.chown(above, 1000, 0),
                  "(owner uid 1000, mode 0755) does not belong to root: chown root {above}"),
    "everybody's": (lambda above: above.chmod(0o757),
                    "(owner uid 0, mode 0757) can be written by everybody: chmod go-w {above}{or_sticky}"),
    "its group's": (lambda above: above.chmod(0o775),
                    "(owner uid 0, mode 0775) can be written by its group: chmod go-w {above}{or_sticky}"),
    "a symlink": (lambda above: replace_by_symlink(above, "a\n\x1breal"),
                  "(owner uid 0, mode 0777) is a symlink to a??real, and none is followed: give "
                  "the path that has no symlink in it"),
    "a file": (lambda above: replace_by_file(above),
               "(owner uid 0, mode 0644) is not a directory: remove it, or give another path"),
    "missing": (lambda above: above.rename(above.with_name("other")),
                "does not exist: mkdir -m 755 {above}"),
}  # fmt: skip


def replace_by_symlink(path, name):
    path.rename(path.with_name(name))
    path.symlink_to(name)


def replace_by_file(path):
    path.rename(path.with_name("other"))
    path.touch(0o644)
    path.chmod(0o644)


@pytest.mark.parametrize("what", FAULTY_PARENTS)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_fault_74_a_directory_above_that_others_can_change(broker, what, depth):
    """Whoever can rename a directory on the way can put a socket of his own in its place."""
    above = broker.dir / "above"
    inner = above.joinpath(*["inner"] * depth)
    inner.mkdir(parents=True)
    above.chmod(0o755)
    make, why = FAULTY_PARENTS[what]
    make(above)
    broker.command[broker.command.index("--socket") + 1] = str(inner / "sock")
    why = why.format(above=above, or_sticky=" (or chmod +t)" if depth else "")
    assert refused_for(broker, inner) == f"{above} {why}"
    assert not list(broker.dir.rglob("sock"))


def test_a_sticky_directory_above_is_as_good(broker):
    """Such as /tmp: nobody can rename what is another's there."""
    above = broker.dir / "above"
    (above / "inner").mkdir(parents=True)
    above.chmod(0o1777)
    broker.socket = above / "inner" / "sock"
    broker.command[broker.command.index("--socket") + 1] = str(broker.socket)
    broker.start().wait_ready()
    assert serves(broker)
