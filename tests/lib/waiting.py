# SPDX-License-Identifier: MIT
"""For what comes soon, and by itself.

Limits of time are written for this machine.  Where all of it is emulated (tests/hosts) everything
takes a multiple of that: RSSB_TIME_FACTOR says which, and all limits are scaled by it.
"""
import os
import socket
import subprocess
import time

FACTOR = float(os.environ.get("RSSB_TIME_FACTOR") or 1)


def scaled(seconds):
    """A limit of this machine's, as it is where the tests run."""
    return seconds * FACTOR


def wait_for(condition, what, timeout_s=60.0):
    """Returns what condition() returned, as soon as that is true."""
    timeout_s = scaled(timeout_s)
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.005)
    return result


def scale_limits():
    """Scales every limit that a test gives to the end of a process, or to a socket."""
    wait, communicate = subprocess.Popen.wait, subprocess.Popen.communicate
    settimeout = socket.socket.settimeout

    def scaled_wait(self, timeout=None):
        return wait(self, timeout and scaled(timeout))

    def scaled_communicate(self, input=None, timeout=None):
        return communicate(self, input, timeout and scaled(timeout))

    def scaled_settimeout(self, value):
        settimeout(self, value and scaled(value))

    subprocess.Popen.wait, subprocess.Popen.communicate = scaled_wait, scaled_communicate
    socket.socket.settimeout = scaled_settimeout
