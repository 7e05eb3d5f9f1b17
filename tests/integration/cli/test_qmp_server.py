# SPDX-License-Identifier: MIT
"""rssb qmp as a service: many clients, bad ones among them, and every way to start it."""
import array
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import qmp_talk
import waiting
from broker import Broker, Process
from interposed import OLD_KERNEL
from lingering import lingering
from waiting import wait_for
from world import NOBODY, UNPRIVILEGED

REQUEST = b'{"execute": "request-ebpf", "arguments": {"id": "rss"}}\n'
PER_USER = 32
LINE_MAX = 4096


@pytest.fixture(scope="module")
def broker(build):
    with Broker(build) as broker:
        yield broker


@pytest.fixture(scope="module")
def rssb(broker, build):
    """Where nobody may run it."""
    return shutil.copy(build / "rssb", broker.dir)


def command(rssb, broker, *args):
    return [*UNPRIVILEGED, str(rssb), "--socket", str(broker.socket), "qmp", *map(str, args)]


@pytest.fixture
def directory():
    """One that nobody may write to; pytest's own are closed to all others."""
    with tempfile.TemporaryDirectory(prefix="rssb-qmp.") as path:
        os.chown(path, NOBODY, NOBODY)
        os.chmod(path, 0o755)
        yield Path(path)


@contextlib.contextmanager
def serving(args, path, **popen):
    """A server that listens at path."""
    with subprocess.Popen(args, stdin=subprocess.DEVNULL, **popen) as process:
        process.path = path
        try:
            wait_for(lambda: is_up(path) or process.poll() is not None, "the QMP socket")
            assert process.poll() is None
            yield process
        finally:
            process.kill()


def is_up(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture
def server(rssb, broker, directory):
    path = directory / "qmp"
    with serving(command(rssb, broker, "--listen", path), path) as process:
        yield process


@pytest.fixture
def talks(server):
    """Opens conversations; they end with the test."""
    with contextlib.ExitStack() as stack:

        def talk(negotiate=True):
            new = stack.enter_context(qmp_talk.talk_to_socket(server.path))
            if negotiate:
                assert new.exchange(qmp_talk.NEGOTIATE) == [{"return": {}}]
            return new

        yield talk


@pytest.fixture
def raw(server):
    """A connected socket that nothing was read from."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(server.path))
        yield sock


class Memory:
    """What a server has asked for.  Of its files more is resident as it goes on, here and there 500 KiB.

    ASan keeps what was freed, and says nothing of it.
    """

    def __init__(self, pid):
        self.pid = pid
        self.before = self.kilobytes()

    def kilobytes(self):
        return int(Process(self.pid).status()["VmData"].split()[0])

    def grew_at_most(self, kilobytes):
        sanitized = os.environ["RSSB_BUILD"].endswith("/san")
        return sanitized or self.kilobytes() - self.before < kilobytes


def serves(talk):
    answer = talk.execute("request-ebpf", id="rss")
    assert len(answer["return"]["object"]) > 1000, answer


# --- bad lines --------------------------------------------------------------------


def padded(length):
    line = b'{"execute": "query-version", "id": "'
    return line + b"x" * (length - len(line) - 2) + b'"}'


def test_a_message_of_4096_bytes_is_taken_and_one_more_is_not(talks):
    talk = talks()
    (answer,) = talk.exchange(padded(LINE_MAX))
    assert "return" in answer
    (answer,) = talk.exchange(padded(LINE_MAX + 1))
    assert answer["error"]["class"] == "GenericError"
    assert "longer than 4096 bytes" in answer["error"]["desc"]
    serves(talk)


def test_endless_line_is_one_error_and_costs_no_memory(server, talks):
    talk = talks()
    memory = Memory(server.pid)
    answers = talk.exchange(b'{"a": "' + b"x" * (8 << 20))
    assert [a["error"]["class"] for a in answers] == ["GenericError"]
    assert memory.grew_at_most(1024)
    serves(talk)


@pytest.mark.parametrize("depth, good", [(4, True), (5, False), (1000, False)])
@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a": ', b"}")])
def test_fault_8_depth_limit(talks, depth, good, opening, closing):
    talk = talks()
    depth = min(depth, LINE_MAX // 8)
    inner = depth - 1  # the request itself is one
    value = opening * inner + b"1" + closing * inner
    (answer,) = talk.exchange(b'{"execute": "query-version", "id": ' + value + b"}")
    assert ("return" in answer) == good
    if not good:
        assert answer["error"]["class"] == "GenericError"
    serves(talk)


def test_fault_8_random_bytes_never_end_it(talks):
    talk, random = talks(), os.urandom
    for _ in range(50):
        assert all("error" in answer for answer in talk.exchange(random(1500) + b"\xff\n"))
    assert talk.execute("query-version")["return"]


# --- many clients, and bad ones --------------------------------------------------


def test_as_many_clients_as_a_user_may_have(talks, server):
    # serving() itself has connected, and gone.
    clients = [talks() for _ in range(PER_USER)]
    for client in clients:
        client.send(REQUEST)
    for client in clients:
        assert len(client.answer()["return"]["object"]) > 1000
    with socket.socket(socket.AF_UNIX) as one_more:
        one_more.settimeout(60)
        one_more.connect(str(server.path))
        lines = one_more.makefile("rb").read().splitlines()
    assert json.loads(lines[0])["error"]["desc"] == "Too many connections of this user"
    assert len(lines) == 1
    for client in clients:
        serves(client)


def test_another_user_is_served_when_one_has_taken_all_its_places(talks, server, directory):
    os.chmod(server.path, 0o666)
    clients = [talks() for _ in range(PER_USER)]
    for module in qmp_talk, waiting:  # where the other user may read them
        shutil.copy(module.__file__, directory)
    other = """
import sys; import qmp_talk
with qmp_talk.talk_to_socket(sys.argv[1]) as talk:
    talk.exchange(qmp_talk.NEGOTIATE)
    sys.exit(len(talk.execute("request-ebpf", id="rss")["return"]["object"]) < 1000)
"""
    done = subprocess.run(
        ["setpriv", "--reuid=61235", "--clear-groups", "/usr/bin/python3", "-c", other,
         str(server.path)], cwd=directory, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    serves(clients[0])


def test_one_that_never_reads_harms_nobody(server, talks, raw):
    raw.setblocking(False)
    raw.send(qmp_talk.NEGOTIATE)
    with contextlib.suppress(BlockingIOError):
        for _ in range(100_000):
            raw.send(REQUEST)
    other = talks()
    memories = [Memory(pid) for pid in [server.pid, *children(server.pid)]]
    for _ in range(100):
        serves(other)
    assert all(memory.grew_at_most(1024) for memory in memories)
    reads = children(server.pid)[0]  # all that it was sent, and then it waits for who never reads
    wait_for(lambda: not spins(reads), "it is at rest")


def children(pid):
    """The processes of its clients, oldest first."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def switches(pid):
    status = Process(pid).status()
    return int(status["voluntary_ctxt_switches"]) + int(status["nonvoluntary_ctxt_switches"])


def spins(pid):
    """Whether it runs on and on, though nobody gives it work."""
    before = switches(pid)
    time.sleep(0.5)
    return switches(pid) - before > 50


def test_silent_and_unfinished_ones_harm_nobody(talks):
    silent = [talks(negotiate=False) for _ in range(10)]
    for talk in silent[5:]:
        talk.send(b'{"execute": "que')
    serves(talks())
    silent[9].send(b'ry-version"}')
    assert silent[9].answer()["error"]["class"] == "CommandNotFound"


# One user's clients, as many as it may have, all asking and reading as fast as they can.
FLOOD = """
import select, socket, sys
line = sys.argv[2].encode() + b"\\n"
crowd = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[3]))]
for sock in crowd:
    sock.connect(sys.argv[1])
    sock.send(b'{"execute": "qmp_capabilities"}')
    sock.setblocking(False)
print("go", flush=True)
while True:
    readable, writable, _ = select.select(crowd, crowd, [])
    for sock, call in [(s, lambda s: s.recv(1 << 20)) for s in readable] + [
        (s, lambda s: s.send(line * 50)) for s in writable
    ]:
        try:
            call(sock)
        except BlockingIOError:
            pass
"""


@pytest.mark.parametrize(
    "line", ["@}", '{"execute": "query-qmp-schema"}', REQUEST.decode().strip()]
)
def test_flood_of_another_user_harms_nobody(server, talks, line):
    os.chmod(server.path, 0o666)
    talk = talks()
    with subprocess.Popen(
        ["setpriv", "--reuid=61235", "--clear-groups", "/usr/bin/python3", "-c", FLOOD,
         str(server.path), line, str(PER_USER)], stdout=subprocess.PIPE,
    ) as flood:  # fmt: skip
        try:
            assert flood.stdout.readline() == b"go\n"
            time.sleep(0.3)
            for _ in range(50):
                serves(talk)
            assert flood.poll() is None
        finally:
            flood.kill()


def test_half_closed_client_is_answered(raw):
    raw.sendall(qmp_talk.NEGOTIATE + REQUEST)
    raw.shutdown(socket.SHUT_WR)
    lines = raw.makefile("rb").read().splitlines()
    assert [list(json.loads(line))[0] for line in lines] == ["QMP", "return", "return"]


def test_client_killed_at_any_point(server, talks):
    for data in (b"", b"{", qmp_talk.NEGOTIATE, qmp_talk.NEGOTIATE + REQUEST * 10):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(server.path))
            sock.sendall(data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    serves(talks())
    wait_for(lambda: Process(server.pid).kinds().get("socket", 0) <= 3, "the dead to be buried")


def has_passrights():
    """SO_PASSRIGHTS: Linux 6.16.  Before it, only Accept=yes keeps clients apart in this."""
    return tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (6, 16)


def test_fds_that_a_client_sends_are_not_taken(talks, raw):
    """A socket with unsent data whose closing would block, were it the last copy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        slow = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 10))
        slow.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                slow.send(bytes(1 << 16))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [slow.fileno()]))]
        refusal = pytest.raises(PermissionError) if has_passrights() else contextlib.nullcontext()
        with refusal:
            raw.sendmsg([b"{"], rights)
        peer.close()
        slow.close()
    serves(talks())


@pytest.fixture
def old_kernel(interposed, directory):
    """The environment of a server whose kernel cannot refuse fds."""
    env = interposed(OLD_KERNEL)
    library = shutil.copy(env["LD_PRELOAD"], directory)  # where nobody may read it
    return {**env, "LD_PRELOAD": str(library)}


@contextlib.contextmanager
def sent_by_one_that_has_gone(server, times=1):
    """Connections, not accepted before the block ends, with fds whose close waits, and nobody else has."""
    linger_s = int(waiting.scaled(80))  # far beyond what a busy machine takes for anything here
    os.kill(server.pid, signal.SIGSTOP)
    receivers = []
    for _ in range(times):
        slow, receiver = lingering(linger_s)
        receivers.append(receiver)
        with slow, socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(server.path))
            socket.send_fds(sock, [b"{"], [slow.fileno()])
    os.kill(server.pid, signal.SIGCONT)
    start = time.monotonic()
    yield
    assert time.monotonic() - start < linger_s / 2
    for receiver in receivers:
        receiver.close()


def test_a_close_that_waits_keeps_nobody_waiting(rssb, broker, directory, old_kernel):
    """Of a connection too many the process that accepts for all closes the last copy."""
    path = directory / "qmp"
    args = command(rssb, broker, "--listen", path)
    with serving(args, path, env=old_kernel) as server, contextlib.ExitStack() as stack:
        os.chmod(path, 0o666)
        clients = [stack.enter_context(qmp_talk.talk_to_socket(path)) for _ in range(PER_USER)]
        for client in clients:
            client.exchange(qmp_talk.NEGOTIATE)
        with sent_by_one_that_has_gone(server):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(waiting.scaled(60))
                sock.connect(str(path))
                assert b"Too many connections" in sock.recv(4096)


def without_processes(rssb, broker, path):
    """As nobody: of root the kernel asks nothing."""
    args = command(rssb, broker, "--listen", path)
    return [*args[: len(UNPRIVILEGED)], "prlimit", "--nproc=0:0", *args[len(UNPRIVILEGED) :]]


def test_a_close_that_waits_does_not_keep_it_from_ending(rssb, broker, directory, old_kernel):
    """While no process can be had it accepts one in a while: when it ends others lie in its socket."""
    path = directory / "qmp"
    with serving(without_processes(rssb, broker, path), path, env=old_kernel) as server:
        os.chmod(path, 0o666)
        with sent_by_one_that_has_gone(server, 4):
            server.send_signal(signal.SIGTERM)
            assert server.wait(waiting.scaled(60)) == 0


def test_no_process_to_be_had(rssb, broker, directory):
    path = directory / "qmp"
    with serving(without_processes(rssb, broker, path), path) as process:
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(60)
                sock.connect(str(path))
                (line,) = sock.makefile("rb").read().splitlines()
            assert json.loads(line)["error"]["desc"].startswith("No process can be started")
        assert not spins(process.pid)


def test_no_fds_and_no_memory_left_over(server, talks):
    process = Process(server.pid)
    serves(talks())
    before, memory = process.kinds(), Memory(server.pid)
    for _ in range(300):
        with qmp_talk.talk_to_socket(server.path) as talk:
            talk.exchange(qmp_talk.NEGOTIATE, REQUEST)
    wait_for(lambda: process.kinds() == before, "the fds to be those from before")
    assert memory.grew_at_most(512)


# --- the broker, the end ---------------------------------------------------------


def test_it_has_no_privilege(server):
    status = Process(server.pid).status()
    assert status["Uid"].split() == [str(NOBODY)] * 4
    assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0


def test_broker_that_goes_and_comes_back(rssb, build, directory):
    path = directory / "qmp"
    with Broker(build) as broker:
        args = command(rssb, broker, "--listen", path)
        with serving(args, path), qmp_talk.talk_to_socket(path) as talk:
            talk.exchange(qmp_talk.NEGOTIATE)
            serves(talk)
            broker.stop()
            wait_for(lambda: "error" in talk.execute("request-ebpf", id="rss"), "an error")
            error = talk.execute("request-ebpf", id="rss")["error"]
            assert error["class"] == "GenericError"
            assert error["desc"].startswith("rss-broker: ")
            broker.start()
            wait_for(lambda: "return" in talk.execute("request-ebpf", id="rss"), "the broker")


def test_broker_that_does_not_answer(rssb, build, directory):
    path = directory / "qmp"
    with Broker(build) as broker:
        args = command(rssb, broker, "--listen", path)
        with serving(args, path), qmp_talk.talk_to_socket(path) as talk:
            talk.exchange(qmp_talk.NEGOTIATE)
            serves(talk)
            os.kill(broker.process.pid, signal.SIGSTOP)
            try:
                wait_for(lambda: "error" in talk.execute("request-ebpf", id="rss"), "an error")
                talk.send(REQUEST)
                with qmp_talk.talk_to_socket(path) as other:  # waits for nothing of this
                    other.exchange(qmp_talk.NEGOTIATE)
                    assert "return" in other.execute("query-version")
                assert talk.answer()["error"]["desc"].startswith("rss-broker: ")
                assert "return" in talk.execute("query-version")
            finally:
                os.kill(broker.process.pid, signal.SIGCONT)
            wait_for(lambda: "return" in talk.execute("request-ebpf", id="rss"), "the broker")


def test_quit_ends_the_conversation_and_not_the_server(server, talks):
    one, other = talks(), talks()
    assert one.execute("quit") == {"return": {}}
    assert one.answer() is None
    serves(other)
    assert server.poll() is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_and_takes_the_socket_along(server, talks, how):
    serves(talks())
    server.send_signal(how)
    assert server.wait(60) == 0
    assert not server.path.exists()


# --- where it listens ------------------------------------------------------------


def fails(args, text, **popen):
    done = subprocess.run(
        args, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        **popen,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("rssb: qmp: ") and done.stderr.count("\n") == 1
    assert text in done.stderr


def test_a_dead_socket_is_replaced(rssb, broker, directory):
    path = directory / "qmp"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    os.chown(path, NOBODY, NOBODY)
    with serving(command(rssb, broker, "--listen", path), path):
        pass


def test_what_is_in_use_or_no_socket_is_left_alone(rssb, broker, directory, server):
    fails(command(rssb, broker, "--listen", server.path), "is in use by another process: left alone")
    assert is_up(server.path)
    for make in (lambda p: p.write_text("x"), lambda p: p.mkdir(), lambda p: p.symlink_to("/x")):
        path = directory / "other"
        make(path)
        fails(command(rssb, broker, "--listen", path), "is not a socket: left alone")
        assert os.path.lexists(path)
        path.rmdir() if path.is_dir() else path.unlink()


def test_paths_that_cannot_be(rssb, broker, directory):
    fails(command(rssb, broker, "--listen", ""), "1 to 107 bytes")
    fails(command(rssb, broker, "--listen", "/tmp/" + "x" * 103), "1 to 107 bytes")
    fails(command(rssb, broker, "--listen", directory / "no" / "where"), "No such file")
    fails(command(rssb, broker, "--listen", "/proc/qmp"), "")


def test_stdio_and_listen_are_one_too_many(rssb, broker):
    done = subprocess.run(command(rssb, broker, "--stdio", "--listen", "/x"), check=False,
                          capture_output=True)  # fmt: skip
    assert done.returncode == 2


# --- socket activation -----------------------------------------------------------


@contextlib.contextmanager
def activated(args, sock, listen_fds=1, pid="$$", **popen):
    """Started as a service manager does it: the socket is fd 3."""
    script = f'exec 3<&{sock.fileno()}; LISTEN_FDS={listen_fds} LISTEN_PID={pid} exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", *args[len(UNPRIVILEGED) :]],
        pass_fds=[sock.fileno()], **{"stdin": subprocess.DEVNULL, **popen},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def listener(directory):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(directory / "activated"))
        sock.listen()
        yield sock


def test_accept_no(rssb, broker, listener):
    path = listener.getsockname()
    with contextlib.ExitStack() as stack:
        with activated(command(rssb, broker), listener) as process:
            talks = [stack.enter_context(qmp_talk.talk_to_socket(path)) for _ in range(3)]
            for talk in talks:
                talk.exchange(qmp_talk.NEGOTIATE)
                serves(talk)
            process.terminate()
            assert process.wait(60) == 0
        assert os.path.exists(path)  # it is the service manager's


def test_accept_no_is_instead_of_listen(rssb, broker, listener):
    """A service manager that passes a listening socket; the path is for a start by hand."""
    path = listener.getsockname()
    with activated(command(rssb, broker, "--listen", path), listener):
        with qmp_talk.talk_to_socket(path) as talk:
            talk.exchange(qmp_talk.NEGOTIATE)
            serves(talk)
    assert os.path.exists(path)


def test_accept_yes(rssb, broker):
    ours, theirs = socket.socketpair()
    with activated(command(rssb, broker), theirs) as process, ours:
        theirs.close()
        talk = qmp_talk.Talk(ours.fileno(), ours.fileno())
        talk.exchange(qmp_talk.NEGOTIATE)
        serves(talk)
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(60) == 0


def test_accept_yes_with_the_socket_as_standard_input(rssb, broker):
    ours, theirs = socket.socketpair()
    args = command(rssb, broker, "--stdio")
    with ours, subprocess.Popen(args, stdin=theirs, stdout=theirs) as process:
        theirs.close()
        talk = qmp_talk.Talk(ours.fileno(), ours.fileno())
        talk.exchange(qmp_talk.NEGOTIATE)
        serves(talk)
        assert talk.execute("quit") == {"return": {}}
        assert process.wait(60) == 0


def test_activation_gone_wrong(rssb, broker, listener):
    pipe = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for sock, n, text in ((listener, 2, "LISTEN_FDS is 2"), (pipe[0], 1, "ListenStream=")):
        with activated(
            command(rssb, broker), sock, n, stderr=subprocess.PIPE, text=True
        ) as process:
            assert text in process.stderr.read()
            assert process.wait(60) == 1
    # Meant for another process: not ours to take.
    with activated(command(rssb, broker), listener, pid="1", stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b'{"QMP"')
        assert process.wait(60) == 0


def test_regular_files_as_standard_input_and_output(rssb, broker, directory):
    (directory / "in").write_bytes(qmp_talk.NEGOTIATE + REQUEST)
    with open(directory / "in", "rb") as stdin, open(directory / "out", "wb") as stdout:
        subprocess.run(command(rssb, broker), stdin=stdin, stdout=stdout, timeout=120, check=True)
    lines = (directory / "out").read_bytes().splitlines()
    assert [list(json.loads(line))[0] for line in lines] == ["QMP", "return", "return"]
