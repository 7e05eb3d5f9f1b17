# SPDX-License-Identifier: MIT
"""A monitor of a QEMU that is a script: it notes what it is told, over a QMP socket."""
import json
import os
import socket
import threading

GREETING = {"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}}, "capabilities": []}}
# What a monitor may still have to say to the client before: QEMU keeps it for the next one.
LEFT_OVER = {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "DEVICE_DELETED",
             "data": {"device": "net1", "path": "/machine/peripheral/net1"}}  # fmt: skip


class Refused(Exception):
    """What an answer raises when QEMU refuses: its description."""


class FakeMonitor:
    """Answers as it is told to; command number `fail_at` it refuses, or hangs up at, or says nothing from then on.

    answers: what is returned, or a function of the command's arguments that returns it.
    before: what is said before the greeting.
    """

    def __init__(self, path, answers, fail_at=None, hang_up=False, silent=False, before=()):
        self.commands, self.names, self.given = [], set(), []
        self._answers, self._fail_at, self._hang_up, self._silent = answers, fail_at, hang_up, silent
        self._first = [*before, GREETING]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        os.chmod(path, 0o666)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.path = path

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(60)
        self._listener.close()
        os.unlink(self.path)

    def _serve(self):
        self._peer, _ = self._listener.accept()
        with self._peer as peer:
            for message in self._first:
                self.say(message)
            while True:
                line, fds, _, _ = socket.recv_fds(peer, 65536, 8)
                for fd in fds:
                    self.given.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
                    os.close(fd)
                if not line:
                    return
                for request in line.splitlines():  # several: who sent them waited for no answer
                    answer = self._answer(json.loads(request), len(fds))
                    if answer is None:
                        return
                    if not self._silent or len(self.commands) <= self._fail_at:
                        self.say(answer)

    def say(self, message):
        self._peer.send(json.dumps(message).encode() + b"\r\n")

    def _answer(self, request, n_fds):
        name, arguments = request["execute"], request.get("arguments", {})
        if name == "qmp_capabilities":
            return {"return": {}}
        self.commands.append((name, arguments))
        if len(self.commands) - 1 == self._fail_at and not self._silent:
            return None if self._hang_up else {"error": {"class": "GenericError", "desc": "no"}}
        if name == "getfd":
            assert n_fds == 1
            self.names.add(arguments["fdname"])
        if name == "closefd":
            if arguments["fdname"] not in self.names:
                return {"error": {"class": "GenericError", "desc": "not found"}}
            self.names.remove(arguments["fdname"])
        if name == "netdev_add":  # takes the fds that it names
            for key in ("fds", "vhostfds"):
                self.names -= set(arguments.get(key, "").split(":"))
        answer = self._answers.get(name, {})
        try:
            return {"return": answer(arguments) if callable(answer) else answer}
        except Refused as refused:
            return {"error": {"class": "GenericError", "desc": str(refused)}}
