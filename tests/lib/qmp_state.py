# SPDX-License-Identifier: MIT
"""What a running QEMU is, to be compared before and after somebody asked it.

It asks nothing but qom-list and query-status.
"""
import socket
import struct
from pathlib import Path

import machine


class Monitor(machine.Qmp):
    """With what compares a QEMU with itself."""

    def pid(self):
        return struct.unpack("iII", self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def tree(self, path="/machine"):
        """{path: {name of a property: its type}} of an object and all that it contains."""
        listed = {row["name"]: row["type"] for row in self.execute("qom-list", path=path)}
        tree = {path: listed}
        for name, kind in listed.items():
            if kind.startswith("child<"):
                tree.update(self.tree(f"{path}/{name}"))
        return tree

    def close(self):
        self.__exit__()


def of(path):
    """The objects, the state, and when the process was started."""
    monitor = Monitor(path)
    pid = monitor.pid()
    state = {
        "objects": monitor.tree(),
        "status": monitor.execute("query-status"),
        "process": (pid, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]),
    }
    monitor.close()
    return state
