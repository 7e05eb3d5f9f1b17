# SPDX-License-Identifier: MIT
"""The client's side of QMP, byte for byte: what was sent is up to the test.

It must never hang: a server that does not answer fails the test.
"""
import contextlib
import json
import os
import select
import socket
import subprocess
import time

from waiting import scaled

TIMEOUT_S = 60

NEGOTIATE = b'{"execute": "qmp_capabilities"}'


class Talk:
    """A QMP conversation over fds or a socket.  Events are left out."""

    def __init__(self, reader, writer):
        self._in, self._out = reader, writer
        self._buffer = b""
        self._marks = 0
        self.greeting = self.answer()

    def send(self, data):
        while data:
            data = data[os.write(self._out, data) :]

    def line(self, timeout_s=TIMEOUT_S):
        """One line without its CRLF; None at the end."""
        deadline = time.monotonic() + scaled(timeout_s)
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self._in], [], [], left)[0]:
                raise TimeoutError(f"no answer within {timeout_s} s; so far {self._buffer[:200]}")
            data = os.read(self._in, 1 << 16)
            if not data:
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        assert line.endswith(b"\r") and line.isascii(), line[:200]
        return line[:-1]

    def answer(self, timeout_s=TIMEOUT_S):
        """One answer, parsed; None at the end."""
        while (line := self.line(timeout_s)) is not None:
            message = json.loads(line)
            if "event" not in message:
                return message
        return None

    def execute(self, command, **arguments):
        self.send(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        return self.answer()

    def exchange(self, *writes):
        """All that is answered to these writes: up to the answer to a mark sent after them."""
        for data in writes:
            self.send(data)
        self._marks += 1
        mark = f"mark-{self._marks}"
        self.send(b'\n{"execute": "no-such", "id": "%s"}\n' % mark.encode())
        answers = []
        while (answer := self.answer()) is not None:
            if answer.get("id") == mark:
                return answers
            answers.append(answer)
        raise EOFError(f"the server hung up after {answers}")


@contextlib.contextmanager
def talk_to_program(args, **kwargs):
    """A Talk with a program that speaks QMP on its standard input and output."""
    with subprocess.Popen(
        list(map(str, args)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, **kwargs
    ) as process:
        try:
            yield Talk(process.stdout.fileno(), process.stdin.fileno())
        finally:
            process.kill()


@contextlib.contextmanager
def talk_to_socket(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect(str(path))
        sock.setblocking(True)
        yield Talk(sock.fileno(), sock.fileno())


def qemu_args(qemu):
    return [qemu, "-machine", "none", "-nodefaults", "-display", "none", "-qmp", "stdio"]
