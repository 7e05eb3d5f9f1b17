# SPDX-License-Identifier: MIT
"""What is inherited, by the broker or by its children, must not stay with them."""
import os
import resource
import signal

import vectors
import wire
from activated import Activated
from broker import Broker, LogTo
from interposed import OLD_KERNEL

SIGPIPE_SET = 1 << (signal.SIGPIPE - 1)


def child(broker, name):
    (found,) = [p for p in broker.front.children() if p.status()["Name"] == name]
    return found


def test_the_loader_does_not_share_the_socket_of_the_service(build, directory, listener):
    """Who takes it over is no step nearer to the clients."""
    with Activated(build, listener) as broker:
        kinds = {name: child(broker, name).kinds()["socket"] for name in ("rss-loader", "rss-closer")}
        assert kinds == {"rss-loader": 1, "rss-closer": 1}


class LogToNobody(LogTo):
    """Its log is a pipe that had lost its reader before there was a line."""

    def __init__(self, build):
        reader, writer = os.pipe()
        super().__init__(build, writer)
        os.close(reader)
        objects = self.dir / "objects"
        objects.mkdir()
        (objects / "bad.bpf.o").write_text("what the broker writes a line about, at start")
        self.command += ["--objects", str(objects)]


def test_fault_48_a_log_without_a_reader_from_the_start(build):
    with LogToNobody(build) as broker:
        os.close(broker.stderr)
        for process in (broker.front, broker.loader):
            assert int(process.status()["SigIgn"], 16) & SIGPIPE_SET


def odd_signals():
    """What a shell's trap, or a parent that waits for signals by itself, leaves behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))


def test_fault_48_signals_that_were_blocked_or_ignored(build, interposed):
    with Broker(build, env=interposed(OLD_KERNEL), preexec_fn=odd_signals) as broker:
        closer = child(broker, "rss-closer").status()
        assert int(closer["SigBlk"], 16) == 0  # a blocked timer would end no wait
        assert not int(closer["SigIgn"], 16) & 1 << (signal.SIGCHLD - 1)
        assert broker.stop() == 0


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_fault_48_a_limit_of_file_sizes(build):
    """A copy of an object is a file to it, and so may the log be: SIGXFSZ ended the front."""
    with Broker(build, preexec_fn=small_files) as broker:
        for _ in range(3):
            with broker.ask(vectors.read("request-export-abi")) as reply:
                assert (reply.status, reply.reason) == (wire.INTERNAL, "cannot make a memfd: File too large")
        with open(broker.log_path, "ab") as log:
            log.write(b"." * 4096)
        with broker.ask(wire.acquire(flags=wire.NO_CONFIG)) as reply:  # whose line has no room
            assert reply.status == wire.OK
        assert broker.stop() == 0
