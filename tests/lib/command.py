# SPDX-License-Identifier: MIT
"""What a command of ours did: it worked, or it said in one line why not."""


def ok(done):
    """It worked without a word on stderr; returns what it printed."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(done, text, status=1):
    """One line on stderr with this text, this exit status, and nothing on stdout."""
    assert done.stderr.startswith("rssb: ")
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert (done.returncode, done.stdout) == (status, "")
