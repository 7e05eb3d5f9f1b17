# SPDX-License-Identifier: MIT
"""docs/examples: each steers a tap as nobody, and as the words that it prints say.

The one in C is built outside the tree, against what make install leaves behind.
"""
import os
import re
import select
import shutil
import subprocess

from copied_tree import flags, output_of
import flows
from paths import ROOT
import pytest
from tap_reader import MAC
from waiting import wait_for
from world import stop

EXAMPLES = ROOT / "docs" / "examples"
QUEUES = 3
FLOWS = 60
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


@pytest.fixture(scope="module")
def directory(world):
    return world.directory("examples", owner=0)


def make_python(directory, request):
    return ["/usr/bin/python3", shutil.copy(EXAMPLES / "steer.py", directory)]


def make_c(directory, request):
    prefix = request.getfixturevalue("prefix")
    source = shutil.copy(EXAMPLES / "steer.c", directory)
    output_of("cc", *WARNINGS, source, "-o", directory / "steer-c", *flags(prefix))
    shutil.copy(prefix / "lib" / "librssb.so.0", directory)
    return [directory / "steer-c"]


def make_go(directory, request):
    output_of("gccgo", "-Wall", EXAMPLES / "steer.go", "-o", directory / "steer-go")
    return [directory / "steer-go"]


def make_rust(directory, request):
    prefix = request.getfixturevalue("prefix")
    output_of("rustc", "-D", "warnings", EXAMPLES / "steer.rs", "-o", directory / "steer-rs",
              "-L", prefix / "lib", "-l", "rssb")  # fmt: skip
    shutil.copy(prefix / "lib" / "librssb.so.0", directory)
    return [directory / "steer-rs"]


MADE = {"python": make_python, "c": make_c, "go": make_go}
if shutil.which("rustc"):  # the others' compilers are installed by deps.sh, this one where it is
    MADE["rust"] = make_rust


@pytest.fixture(scope="module", params=MADE.values(), ids=MADE)
def command(request, directory):
    return request.param(directory, request)


@pytest.fixture
def tap(world):
    yield world.tap("ex0")
    world.run(["ip", "link", "del", "ex0"])


def environment(directory, socket):
    return {**os.environ, "RSSB_SOCKET": str(socket), "LD_LIBRARY_PATH": str(directory)}


def steering_of(line):
    """What the first line says, such as: ex0: "equal 3 hkey aa:bb:..." """
    key = re.fullmatch(rf'ex0: "equal {QUEUES} hkey ([0-9a-f:]{{119}})"\n', line)[1]
    return flows.Steering(bytes.fromhex(key.replace(":", "")), [i % QUEUES for i in range(128)])


def test_it_steers(world, broker, command, directory, tap, rng):
    """Each packet in the queue that the printed steering says; its length tells which it is."""
    with subprocess.Popen(
        world.command([*command, tap, QUEUES], unprivileged=True),
        stdout=subprocess.PIPE, text=True, env=environment(directory, broker.socket),
    ) as example:  # fmt: skip
        try:
            steering = steering_of(example.stdout.readline())
            assert_arrivals(world, tap, example.stdout, steering, flows.random_flows(rng, FLOWS))
        finally:
            stop(example)


def assert_arrivals(world, tap, output, steering, sent):
    with world.packet_socket(tap) as sock:
        wait_for(lambda: passes(sock, output), "the tap to pass packets")
        for number, flow in enumerate(sent):
            frame = flow.frame(b"", MAC)
            sock.send(flow.frame(bytes(200 + number - len(frame)), MAC))
    arrived = {}
    while len(arrived) < len(sent):
        line = re.fullmatch(r"queue (\d+): (\d+) bytes\n", output.readline())
        queue, length = map(int, line.groups())
        if length >= 200:  # else it is another of those that asked whether the tap passes any
            arrived[length - 200] = queue
    assert arrived == {number: steering.queue(flow) for number, flow in enumerate(sent)}


def passes(sock, output):
    """A tap's queueing discipline starts some time after its first queue is opened."""
    sock.send(MAC + MAC + b"\x88\xb5 is it up?")
    return select.select([output], [], [], 0.05)[0] and output.readline()


def test_it_says_why_not(world, command, directory, tap):
    done = world.run(
        [*command, tap, QUEUES], unprivileged=True, check=False,
        env=environment(directory, world.dir / "no-such-socket"),
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert "no-such-socket" in done.stderr or "No such file" in done.stderr
