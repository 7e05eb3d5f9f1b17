# SPDX-License-Identifier: MIT
"""rssb as a command: exit status 0, 1 or 2, one line on stderr, output that programs can read."""
import base64
import hashlib
import json
import os
import pty
import socket
import subprocess

import pytest

import help_text

from command import ok, refused
from world import DAEMON, NOBODY

COMMANDS = ["attach", "detach", "doctor", "export", "extract", "hash", "info", "qmp", "release",
            "run", "top", "update"]  # fmt: skip


def local(build, *args, **kwargs):
    """A command that needs no broker."""
    return subprocess.run(
        [build / "rssb", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False, **kwargs,
    )  # fmt: skip


# --- help and usage -----------------------------------------------------------


def test_help_lists_every_command(build):
    text = ok(local(build, "--help"))
    assert text.startswith("usage: rssb ")
    listed = [line.split()[0] for line in text.split("Commands")[1].splitlines()[1:]]
    assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(build, command):
    for option in ("--help", "-h"):
        text = ok(local(build, command, option))
        assert text.startswith(f"usage: rssb {command}")
        assert all(len(line) <= 100 for line in text.splitlines())


def test_version(build):
    assert ok(local(build, "--version")).startswith("rssb 0.")


USAGE = [
    ([], "no command given"),
    (["frobnicate"], "frobnicate: no such command"),
    (["--frobnicate"], "--frobnicate: no such option"),
    (["-x", "info"], "-x: no such option"),
    (["--socket"], "--socket: needs a value"),
    (["info", "--frobnicate"], "info: --frobnicate: no such option"),
    (["info", "--json=yes"], "info: --json: takes no value"),
    (["info", "now"], "info: unexpected argument: now"),
    (["attach", "t", "equal 2", "--label", "a b"], "--label a b: must be 1-16 of A-Z a-z"),
    (["release"], "release: needs GRANT, an id or a label"),
    (["release", "1", "2"], "release: needs GRANT, an id or a label"),
    (["release", "0"], "release: 0: neither a grant's id nor a label"),
    (["release", "a b"], "release: a b: neither a grant's id nor a label"),
    (["update", "web"], "update: needs GRANT, and STEERING"),
    (["update", "web", "equal"], "update: equal: needs a value"),
    (["update", "web", "hkey x"], "update: hkey: byte 1 of 40 is not two hex digits"),
    (["top"], "top: needs GRANT, an id or a label"),
    (["top", "--interval", "0", "web"], "top: --interval 0: must be seconds, from 0.1 to 86400"),
    (["top", "--interval", "nan", "web"], "top: --interval nan: must be seconds"),
    (["top", "--count", "0", "web"], "top: --count 0: must be a number from 1 on"),
    (["export", "--format", "pdf"], "export: --format pdf: must be elf, base64 or json"),
    (["export", "rss"], "export: unexpected argument: rss"),
    (["hash", "1.2.3.4"], "hash: needs SRC and DST"),
    (["hash", "1.2.3.4", "::1"], "hash: source and destination are of different IP versions"),
    (["hash", "1.2.3.4:1", "1.2.3.5"], "hash: give both ports or none"),
    (["hash", "1.2.3.4", "1.2.3.5", "equal", "4"], "hash: needs SRC and DST"),
    (["hash", "host", "1.2.3.5"], "hash: host: not an address like"),
]


@pytest.mark.parametrize("args, text", USAGE, ids=[" ".join(args) or "none" for args, _ in USAGE])
def test_wrong_usage(build, args, text):
    refused(local(build, *args), text, 2)


def test_no_broker(build, tmp_path):
    for command in ("info", "export", "release 1", "update 1 table=0", "top 1"):
        words = [word.replace("=", " ") for word in command.split()]
        done = local(build, "--socket", tmp_path / "none", *words)
        refused(done, f"no broker: {tmp_path}/none does not exist; start one (systemctl start ", 1)
    done = local(build, "info", env={**os.environ, "RSSB_SOCKET": str(tmp_path)})
    refused(done, f"no broker listens on {tmp_path}; start one (", 1)


@pytest.mark.parametrize("euid, believed", [(DAEMON, True), (NOBODY, False)])
def test_the_environment_of_somebody_else(world, build, euid, believed):
    """Who runs a set-user-ID program chooses its environment: such a one asks the system's broker."""
    done = world.run(["setpriv", f"--ruid={DAEMON}", f"--euid={euid}", "--clear-groups", "env", "RSSB_SOCKET=/none/sock",
                      world.inside(build) / "rssb", "info"], check=False)  # fmt: skip
    assert done.returncode == 1
    assert ("/none/sock does not exist" in done.stderr) == believed, done.stderr


def test_a_socket_that_is_not_the_brokers(build, tmp_path):
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        done = local(build, "--socket", path, "info")
    refused(done, f"{path} is another service's socket; say by --socket where the broker's is", 1)


def test_a_socket_that_is_not_for_everybody(world, build):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(str(world.dir / "roots"))
        other.listen()
        os.chmod(world.dir / "roots", 0o600)
        done = world.run([world.inside(build) / "rssb", "--socket", world.dir / "roots", "info"],
                         unprivileged=True, check=False)  # fmt: skip
    refused(done, "/roots is not for this user; users of any user namespace may have uid "
                  "65534; rss-broker --allow-user 65534 lets them in", 1)  # fmt: skip


def test_output_that_cannot_be_written_is_said(build):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [build / "rssb", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "rssb: stdout: No space left on device\n")


# --- hash ---------------------------------------------------------------------


def test_hash(build):
    flow = "66.9.149.187:2794", "161.142.100.80:1766"
    assert ok(local(build, "hash", *flow)) == "hash   0x51ccc178 (tcp4)\n"
    assert ok(local(build, "hash", *flow, "equal 7 start 1")) == (
        f"hash   0x51ccc178 (tcp4)\nentry  {0x78}\nqueue  {1 + 0x78 % 7}\n"
    )
    assert ok(local(build, "hash", *flow, "--proto", "udp", "table 5 hash-types tcp4")) == (
        "hash   none: no hash type is enabled for it\nqueue  0 (the default queue)\n"
    )


def test_hash_json(build):
    def run(*args):
        return json.loads(ok(local(build, "hash", "--json", *args)))

    flow = "[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766"
    expected = {"hash": 0x40207D3D, "type": "tcp6", "entry": None, "queue": None}
    assert run(*flow) == expected
    assert run(*flow, "table 1,2,3,4") == {**expected, "entry": 1, "queue": 2}
    assert run(*flow, "equal 4 default-queue 9 hash-types none") == (
        {"hash": None, "type": None, "entry": None, "queue": 9}
    )


# --- info, export, release ------------------------------------------------------


@pytest.fixture(scope="module")
def info(rssb):
    return json.loads(ok(rssb("info", "--json")))


@pytest.fixture(scope="module")
def rss(info):
    return next(entry for entry in info["objects"] if entry["name"] == "rss")


def test_info(rssb, info, rss):
    assert info["queues-max"] == 256
    assert info["table-max"] == 128
    assert {"handoff", "program-only"} <= set(info["kinds"])
    assert rss["abi"] == "qemu-rss-1"
    text = ok(rssb("info"))
    assert f"version      {info['version']}\n" in text
    assert rss["id"] in text


def test_export_is_the_object(rssb, rss, build):
    text = ok(rssb("export", "--format", "base64"))
    assert text.count("\n") == 1
    elf = base64.b64decode(text.rstrip("\n"), validate=True)
    assert len(elf) == rss["size"]
    assert hashlib.sha256(elf).hexdigest() == rss["id"]
    assert elf == (build / "bpf" / "rss.bpf.o").read_bytes()


def test_export_json_is_what_qemu_returns(rssb):
    text = ok(rssb("export", "--format", "json"))
    encoded = ok(rssb("export", "--format", "base64")).rstrip("\n")
    assert text == '{"return": {"object": "%s"}}\n' % encoded


def test_export_to_a_file(rssb, world, rss):
    directory = world.directory("export")
    for n, choice in enumerate(([], ["--object", "rss"], ["--object", rss["id"]])):
        path = directory / str(n)
        assert ok(rssb("export", *choice, "-o", path)) == ""
        assert hashlib.sha256(path.read_bytes()).hexdigest() == rss["id"]
    refused(rssb("export", "-o", directory / "no" / "such"), "No such file or directory", 1)
    refused(rssb("export", "-o", "/dev/full"), "/dev/full: No space left on device", 1)


def test_export_leaves_no_half_of_a_file(rssb, world, broker):
    path = world.directory("export-half") / "file"
    limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 2; exec "$@"', "sh"]
    done = world.run([*limited, *broker.rssb("export", "-o", path)], unprivileged=True, check=False)
    refused(done, "File too large", 1)
    assert path.read_bytes() == b""


def test_export_of_an_unknown_object(rssb):
    refused(rssb("export", "--object", "nope"), "nope: no such object", 1)
    refused(rssb("export", "--object", "0" * 64), "no such object", 1)


def test_export_spares_the_terminal(world, broker, build):
    terminal, ours = pty.openpty()
    command = broker.rssb("export")
    process = world.start(command, stdout=ours, stderr=subprocess.PIPE, text=True)
    os.close(ours)
    assert "refusing to write an ELF file to a terminal" in process.communicate(timeout=60)[1]
    assert process.returncode == 2
    os.close(terminal)


def test_release_of_what_is_not_there(rssb):
    refused(rssb("release", "12345678"), "12345678: no such grant, or not yours (rssb status ", 1)
    refused(rssb("release", "web"), "web: no such grant, or not yours (rssb status ", 1)


# --- the command line -----------------------------------------------------------


@pytest.mark.parametrize("args, said", [
    (["hotplgu"], "rssb: hotplgu: no such command; did you mean hotplug? (see rssb --help)"),
    (["sttaus"], "rssb: sttaus: no such command; did you mean status? (see rssb --help)"),
    (["hlep"], "rssb: hlep: no such command; did you mean help? (see rssb --help)"),
    (["frobnicate"], "rssb: frobnicate: no such command (see rssb --help)"),
    (["help", "sttaus"], "rssb: sttaus: no such command; did you mean status? (see rssb --help)"),
    (["info", "--jsno"], "rssb: info: --jsno: no such option; did you mean --json? (see rssb info --help)"),
    (["info", "--json=1"], "rssb: info: --json: takes no value (see rssb info --help)"),
    (["run", "--o"], "rssb: run: --o: more than one option begins with this (see rssb run --help)"),
    (["info", "--sockt", "x"], "rssb: info: --sockt: no such option; did you mean --socket? (see rssb info --help)"),
    (["info", "--frobnicate"], "rssb: info: --frobnicate: no such option (see rssb info --help)"),
])  # fmt: skip
def test_a_word_that_is_misspelt(build, args, said):
    done = local(build, *args)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said + "\n")


def test_help_and_version_are_commands(build):
    assert local(build, "help").stdout == local(build, "--help").stdout
    assert local(build, "version").stdout == local(build, "--version").stdout
    for name in help_text.commands(build):
        assert local(build, "help", name).stdout == local(build, name, "--help").stdout
        assert local(build, name, "--version").stdout == local(build, "version").stdout


def test_help_is_no_wider_than_a_terminal(build):
    texts = [help_text.read(build, "rssb"), help_text.read(build, "rss-broker")]
    texts += [help_text.read(build, "rssb", name) for name in help_text.commands(build)]
    lines = [line for text in texts for line in text.splitlines()]
    assert [line for line in lines if len(line) > 80] == []


ASKING = {
    "export": ["-o", "/dev/null"], "info": [],
    "release": ["1"], "run": ["--wait", "0", "--steering", "equal 2", "--", "true"], "status": [],
    "top": ["1"], "update": ["1", "equal 2"],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ASKING))
def test_the_socket_is_said_before_or_after(build, name):
    said = "rssb: " + name + ": no broker: /nowhere does not exist"
    for args in (["--socket", "/nowhere", name, *ASKING[name]], [name, "--socket=/nowhere", *ASKING[name]]):
        assert local(build, *args).stderr.startswith(said)
    done = local(build, "doctor", "--socket", "/nowhere")
    assert "no broker: /nowhere does not exist" in done.stdout


def test_a_socket_behind_the_dashes_is_the_commands(build):
    done = local(build, "run", "--optional", "--wait", "0", "--steering", "equal 2", "--", "echo",
                 "--socket", "x")  # fmt: skip
    assert done.stdout == "--socket x\n"
