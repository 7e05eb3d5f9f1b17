# SPDX-License-Identifier: MIT
"""For what comes soon, and by itself."""
import time


def wait_for(condition, what, timeout_s=10.0):
    """Returns what condition() returned, as soon as that is true."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.005)
    return result
