# SPDX-License-Identifier: MIT
"""rssb run as a command: what is inherited, what is waited for, how it fails.

The "QEMU" that is executed is mostly a script which reports what it was given;
what it answers to a probe it asks the real one.  The broker follows a script too.
"""
import base64
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

import proc
from fake_broker import BUSY, DENIED, HANG_UP, INTERNAL, LIMIT, NO_OBJECT, FakeBroker
from waiting import wait_for

# Prints its arguments and what each inherited fd above 2 is.
REPORT = """#!/usr/bin/python3
import json, os, sys
if "-machine" in sys.argv and "none" in sys.argv:
    os.execv(os.environ["REAL_QEMU"], sys.argv)
fds = {}
for fd in map(int, os.listdir("/proc/self/fd")):
    try:
        if fd > 2:
            fds[fd] = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        pass
with open(os.environ.get("REPORT_TO", "/dev/stdout"), "w") as out:
    print(json.dumps({"argv": sys.argv[1:], "fds": fds}), file=out)
"""
NET = ["-device", "virtio-net-pci,rss=on"]
NET_JSON = ["-device", '{"driver":"virtio-net-pci","rss":true,"id":"net0"}']
NO_NET = ["-S", "-no-user-config", "-nodefaults", "-machine", "q35", "-daemonize"]


class Run:
    """rssb run, with a broker's socket and a QEMU that reports."""

    def __init__(self, directory, build, qemu):
        self.rssb = build / "rssb"
        self.socket = directory / "sock"
        self.qemu = directory / "qemu-system-x86_64"
        self.qemu.write_text(REPORT)
        self.qemu.chmod(0o755)
        self.env = {**os.environ, "RSSB_SOCKET": str(self.socket), "REAL_QEMU": str(qemu)}

    def __call__(self, *options, command=None, **kwargs):
        arguments = [self.rssb, "run", *options, "--", *(command or [])]
        return subprocess.run(
            list(map(str, arguments)), env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=120, check=False, **kwargs,
        )  # fmt: skip

    def reports(self, *options, arguments, prefix=()):
        """Runs it; returns what the QEMU was given, and stderr."""
        done = self(*options, command=[*prefix, self.qemu, *arguments])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    def fails(self, *options, arguments=None, command=None, status=1):
        """Runs it; returns the one line it says."""
        done = self(*options, command=command or [self.qemu, *arguments])
        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr.startswith("rssb: run: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr


@pytest.fixture
def run(tmp_path, build, qemu):
    return Run(tmp_path, build, qemu)


@pytest.fixture
def broker(run):
    with FakeBroker(run.socket) as broker:
        yield broker


def fds_of(report):
    return [int(fd) for fd in json.loads(report["argv"][-1])["ebpf-rss-fds"]]


def test_one_set_is_inherited(run, broker):
    """Four fds in QEMU's order and the lease; nothing else, the connection neither."""
    report, said = run.reports(arguments=NET)
    names = [report["fds"].pop(str(fd)) for fd in fds_of(report)]
    assert names == ["anon_inode:bpf-prog"] + ["anon_inode:bpf-map"] * 3
    assert [target.split(":")[0] for target in report["fds"].values()] == ["pipe"]
    assert said == "" and broker.requests == 1


@pytest.mark.parametrize("options", [[], ["--optional"]])
def test_fds_that_are_no_set(run, options, tmp_path):
    """A front that somebody has taken over can make files and shorten them: QEMU, which maps
    what it gets, would then end at a command of its guest."""
    with FakeBroker(run.socket, make_fd=os.memfd_create):
        done = run(*options, command=[run.qemu, *NET])
    assert "the broker sent fds that are not a program and its maps" in done.stderr
    assert (done.returncode == 0) == bool(options)
    assert "memfd" not in done.stdout


def test_closed_stdio(run, broker, tmp_path):
    """No fd of a set becomes stdin, stdout or stderr."""
    run.env["REPORT_TO"] = str(tmp_path / "report")
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    command = [*closed, run.rssb, "run", "--", run.qemu, *NET]
    assert subprocess.run(command, env=run.env, timeout=120, check=False).returncode == 0
    report = json.loads((tmp_path / "report").read_text())
    assert len(report["fds"]) == 5 and min(fds_of(report)) > 2


def test_each_device_has_its_own(run, broker):
    report, _ = run.reports(arguments=[*NET_JSON, *NET_JSON, *NET_JSON])
    sets = [json.loads(word)["ebpf-rss-fds"] for word in report["argv"] if word[0] == "{"]
    assert len({fd for fds in sets for fd in fds}) == 12
    assert len(report["fds"]) == 15


def test_only_what_needs_fds_gets_them(run, broker):
    given = ["-device", '{"driver":"virtio-net-pci","rss":true,"ebpf-rss-fds":["7","8","9","10"]}']
    report, _ = run.reports(arguments=[*given, "-device", "edu", *NET_JSON])
    assert report["argv"][:4] == [*given, "-device", "edu"]
    assert broker.requests == 1
    report, _ = run.reports(arguments=given)
    assert report["argv"] == given and not report["fds"] and broker.requests == 1


def test_verbose_says_what_is_done(run, broker):
    report, said = run.reports("--verbose", arguments=NET_JSON)
    fds = " ".join(map(str, fds_of(report)))
    assert f"net0: grant 1, fds {fds}, lease " in said and "QEMU 10." in said


def test_stats_says_which_grant(run, broker):
    _, said = run.reports("--stats", arguments=[*NET_JSON, *NET_JSON])
    assert said == "rssb: run: net0: grant 1\nrssb: run: net0: grant 2\n"


def test_rss_for_all(run, broker):
    report, _ = run.reports("--rss", arguments=["-device", "virtio-net-pci,mq=on"])
    device = json.loads(report["argv"][1])
    assert device["rss"] is True and device["mq"] is True and len(device["ebpf-rss-fds"]) == 4


def test_needed_or_not(run, broker):
    """libvirt asks an emulator for its capabilities like this."""
    report, said = run.reports("--if-needed", arguments=NO_NET)
    assert report == {"argv": NO_NET, "fds": {}} and said == ""
    why = run.fails(arguments=NO_NET)
    assert "no virtio-net device has rss on" in why and "--if-needed" in why
    assert "-readconfig" in run.fails(arguments=["-readconfig", "file"])
    assert broker.requests == 0


def test_help_of_qemu(run, broker):
    report, _ = run.reports(arguments=["-device", "virtio-net-pci,rss=on,help"])
    assert report["argv"] == ["-device", "virtio-net-pci,rss=on,help"] and broker.requests == 0


def test_words_before_qemu(run, broker):
    report, _ = run.reports(arguments=NET, prefix=["env", "-u", "HOME", "nice"])
    assert len(report["fds"]) == 5 and len(fds_of(report)) == 4


def test_which_word_is_qemu(run, broker, tmp_path):
    kvm = tmp_path / "qemu-kvm"
    kvm.symlink_to(run.qemu)
    assert json.loads(run(command=[kvm, *NET]).stdout)["fds"]
    other = tmp_path / "other"
    other.symlink_to(run.qemu)
    assert "--qemu" in run.fails(command=[other, *NET])
    assert json.loads(run("--qemu", command=[other, *NET]).stdout)["fds"]


@pytest.mark.parametrize("script", [[BUSY], [LIMIT, LIMIT], [HANG_UP, BUSY, HANG_UP]])
def test_passing_trouble_is_waited_out(run, script):
    with FakeBroker(run.socket, script, retry_ms=20) as broker:
        report, said = run.reports(arguments=NET)
    assert len(report["fds"]) == 5 and said == ""
    assert broker.requests == len(script) + 1


def test_a_restarting_broker_is_waited_for(run):
    command = [run.rssb, "run", "--", run.qemu, *NET_JSON]
    with subprocess.Popen(command, env=run.env, stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: process.poll() is not None or proc.sleeps(process.pid), "it has asked in vain")
        assert process.poll() is None
        with FakeBroker(run.socket):
            report = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0 and len(report["fds"]) == 5


def test_optional_hardly_waits_for_who_is_not_there(run):
    """One second, for no socket and for one that refuses; nobody's VM should start later than that."""
    for bind in (False, True):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as refusing:
            if bind:
                refusing.bind(str(run.socket))
            # Who has to have a set starts first, and still waits then.
            command = [run.rssb, "run", "--no-probe", "--", run.qemu, *NET_JSON]
            with subprocess.Popen(command, env=run.env, stderr=subprocess.PIPE) as patient:
                before = time.monotonic()
                report, said = run.reports("--optional", "--no-probe", arguments=NET_JSON)
                assert time.monotonic() - before >= 1
                assert patient.poll() is None
                patient.kill()
            assert not report["fds"] and "no broker" in said


@pytest.mark.parametrize("options", [["--optional"], ["--optional", "--wait", "60"]])
def test_optional_waits_for_who_is_busy_or_was_asked_for(run, options):
    """Longer than that second; of the two the one that is there, then the one that comes."""
    script = [BUSY] * 30
    command = [run.rssb, "run", *options, "--no-probe", "--", run.qemu, *NET_JSON]
    with contextlib.ExitStack() as stack:
        if "--wait" not in options:
            stack.enter_context(FakeBroker(run.socket, script, retry_ms=50))
        with subprocess.Popen(command, env=run.env, stdout=subprocess.PIPE, text=True) as process:
            if "--wait" in options:
                time.sleep(1.7)  # there is nothing to be seen of who waits
                assert process.poll() is None
                stack.enter_context(FakeBroker(run.socket))
            report = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0 and len(report["fds"]) == 5


@pytest.mark.parametrize("status", [BUSY, LIMIT])
def test_the_wait_ends(run, status):
    with FakeBroker(run.socket, [status] * 1000, retry_ms=30) as broker:
        before = time.monotonic()
        assert "as the script says" in run.fails("--wait", "0.5", arguments=NET)
        assert time.monotonic() - before >= 0.5
        assert 1 <= broker.requests < 30  # of a thousand


def test_no_wait(run):
    with FakeBroker(run.socket, [BUSY] * 1000) as broker:
        run.fails("--wait", "0", arguments=NET)
        assert broker.requests == 1


@pytest.mark.parametrize("status", [DENIED, INTERNAL])
def test_refusals_are_not_waited_out(run, status):
    with FakeBroker(run.socket, [status]) as broker:
        assert "as the script says" in run.fails(arguments=NET)
        assert broker.requests == 1


def test_half_of_the_sets_is_none(run):
    """The second device gets nothing: then the first gives back what it got."""
    with FakeBroker(run.socket, [0, DENIED]):
        report, said = run.reports("--optional", arguments=[*NET_JSON, *NET_JSON])
    assert report == {"argv": [*NET_JSON, *NET_JSON], "fds": {}}
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "options, arguments",
    [
        (["--wait", "0.1"], NET),
        (["--wait", "0.1"], NET_JSON),
        ([], NO_NET),
        (["--no-probe"], NET),
    ],
)
def test_optional_goes_on_unchanged(run, options, arguments):
    report, said = run.reports("--optional", *options, arguments=arguments)
    assert report == {"argv": arguments, "fds": {}}
    assert said.startswith("rssb: run: warning: ") and said.count("\n") == 1


def test_optional_without_a_qemu(run):
    done = run("--optional", command=["echo", "-device", "x"])
    assert (done.returncode, done.stdout) == (0, "-device x\n")
    assert done.stderr.count("\n") == 1


def test_no_probe(run, broker, tmp_path):
    """JSON needs none, k=v does."""
    run.env["REAL_QEMU"] = "/bin/false"
    report, _ = run.reports("--no-probe", arguments=NET_JSON)
    assert len(report["fds"]) == 5
    assert "--no-probe" in run.fails("--no-probe", arguments=NET)
    assert "cannot be asked" in run.fails(arguments=NET_JSON)


def test_a_qemu_that_cannot_be_asked(run, broker):
    for real, why in (("/bin/false", "ended without an answer"), ("/bin/cat", "invalid option")):
        run.env["REAL_QEMU"] = real
        assert why in run.fails(arguments=NET)
    assert broker.requests == 0


def test_a_qemu_that_never_answers(run, broker):
    run.qemu.write_text("#!/bin/sh\nexec sleep 1000\n")
    assert "does not answer" in run.fails(arguments=NET)


def real_object():
    """Of a real QEMU."""
    return Path(os.environ["RSSB_QEMU_OBJECT"]).read_bytes()


def answers_as(run, major, minor, *properties, elf=None):
    """Makes the QEMU answer a probe like that version, and else report as usual."""
    encoded = base64.b64encode(elf or real_object()).decode()
    listed = json.dumps([{"name": name, "type": "bool"} for name in ("rss", "mq", *properties)])
    answers = [
        json.dumps({"QMP": {"version": {"qemu": {"micro": 0, "minor": minor, "major": major},
                                        "package": ""}, "capabilities": []}}),
        '{"return":{}}', '{"return":{"arch":"x86_64"}}', f'{{"return":{listed}}}',
    ]  # fmt: skip
    rest = f"""while read line; do
        case $line in *request-ebpf*) echo '{{"return":{{"object":"{encoded}"}}}}' ;;
        *) echo '{{"return":{{}}}}' ;; esac; done
    """
    real = run.qemu.with_name("answers")
    shown = "read line\n".join(f"echo '{line}'\n" for line in answers)
    real.write_text("#!/bin/sh\n" + shown + rest)
    real.chmod(0o755)
    run.env["REAL_QEMU"] = str(real)


def test_a_qemu_too_old(run, broker):
    answers_as(run, 7, 2)
    for arguments in (NET, NET_JSON):
        why = run.fails(arguments=arguments)
        assert "7.2" in why and "9.0" in why and "ebpf-rss-fds" in why and "--on-demand" in why
    assert broker.requests == 0


def test_the_object_is_the_brokers_own(run, broker):
    _, said = run.reports("--verbose", arguments=NET)
    own = hashlib.sha256(real_object())
    assert f"the broker's own object, of the same ABI as QEMU's {own.hexdigest()[:12]}" in said
    assert own.digest() not in broker.last_request


def test_exact(run, broker):
    _, said = run.reports("--exact", "--verbose", arguments=NET)
    own = hashlib.sha256(real_object())
    assert f"QEMU's own object, {own.hexdigest()[:12]}" in said
    assert own.digest() in broker.last_request


def test_exact_is_not_there(run, broker):
    broker.script += [NO_OBJECT]
    why = run.fails("--exact", arguments=NET)
    assert "does not have QEMU's own object" in why and "rssb extract" in why


@pytest.mark.parametrize("change", ["renamed", "cut"])
def test_an_object_of_another_abi(run, broker, change):
    """Whatever QEMU is told it would map them wrong."""
    elf = real_object()
    changed = {"renamed": elf.replace(b"rss_map_toeplitz_key", b"rss_map_toeplitz_kex"),
               "cut": elf[: len(elf) // 2]}[change]  # fmt: skip
    answers_as(run, 13, 0, "ebpf-rss-fds", elf=changed)
    why = run.fails(arguments=NET)
    assert "not of the ABI qemu-rss-1" in why
    assert broker.requests == 0
    report, said = run.reports("--optional", arguments=NET)
    assert report["argv"] == NET and said.count("\n") == 1


@pytest.mark.parametrize("other", [["--no-probe"], ["--stats"], ["--host-steering", "equal 2"]])
def test_exact_contradicts(run, other):
    assert "--exact and " in run.fails("--exact", *other, arguments=NET, status=2)


VHOST_NET = ["-device", '{"driver":"virtio-net-pci","rss":true,"netdev":"n0","id":"net0"}']
OTHER_NET = ["-device", '{"driver":"virtio-net-pci","rss":true,"netdev":"n1"}']


def tap(words):
    return ["-netdev", f"tap,id=n0,{words}"]


@pytest.mark.parametrize(
    "version, vhost",
    [((10, 0), "vhost=on"), ((9, 2), "vhostforce=on"), ((10, 1), "vhost=off"), ((11, 1), "script=no"),
     ((11, 1), "vhost=off,vhostforce=on")],
)  # fmt: skip
def test_a_qemu_that_uses_the_set(run, broker, version, vhost):
    """--no-vhost changes nothing there."""
    answers_as(run, *version, "ebpf-rss-fds")
    for options in ([], ["--no-vhost"]):
        report, said = run.reports(*options, arguments=[*tap(vhost), *VHOST_NET])
        assert len(report["fds"]) == 5 and said == ""
        assert report["argv"][:2] == tap(vhost)


@pytest.mark.parametrize(
    "version, vhost",
    [((10, 1), "vhost=on"), ((10, 2), "vhostfds=9:10"), ((11, 0), "vhostforce=on"),
     ((11, 1), "vhost"), ((12, 0), "vhost=on")],
)  # fmt: skip
def test_a_qemu_that_uses_no_set_with_vhost(run, broker, version, vhost):
    """It stops and names three ways out; with --optional the other device gets its set."""
    answers_as(run, *version, "ebpf-rss-fds")
    command = [*tap(vhost), "-netdev", "user,id=n1", *VHOST_NET, *OTHER_NET]
    why = run.fails(arguments=command)
    assert broker.requests == 0
    for words in ("net0: ", f"QEMU {version[0]}.{version[1]} ", "11.1.3", "vhost=off at netdev n0",
                  "--no-vhost", "--host-steering"):  # fmt: skip
        assert words in why
    report, said = run.reports("--optional", arguments=command)
    assert report["argv"][:-1] == command[:-1] and len(fds_of(report)) == 4
    assert len(report["fds"]) == 5 and broker.requests == 1
    assert said.startswith("rssb: run: warning: net0: ") and said.count("\n") == 1
    for words in (f"QEMU {version[0]}.{version[1]} ", "11.1.3", "--no-vhost", "--host-steering"):
        assert words in said


def test_optional_where_only_vhost_is(run, broker):
    answers_as(run, 11, 1, "ebpf-rss-fds")
    command = [*tap("vhost=on"), "-device", "virtio-net-pci,netdev=n0,mq=on"]
    report, said = run.reports("--optional", "--rss", arguments=command)
    assert report == {"argv": command, "fds": {}} and said.count("\n") == 1
    assert broker.requests == 0


@pytest.mark.parametrize(
    "given, turned",
    [
        ("tap,id=n0,vhost=on", "tap,id=n0,vhost=off"),
        ("tap,vhost,id=n0,queues=4", "tap,id=n0,queues=4,vhost=off"),
        ("tap,id=n0,fds=5:6,vhostfds=7:8", "tap,id=n0,fds=5:6,vhost=off"),
        ("type=tap,id=n0,ifname=a,,b,vhostfd=7,vhost=on", "tap,id=n0,ifname=a,,b,vhost=off"),
        ("tap,id=n0,vhostforce=on,vnet_hdr=on", "tap,id=n0,vnet_hdr=on,vhost=off"),
        ('{"type":"tap","id":"n0","vhost":true,"fds":"5:6","vhostfds":"7:8","queues":2}',
         '{"type":"tap","id":"n0","fds":"5:6","queues":2,"vhost":false}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("device", [VHOST_NET, ["-device", "virtio-net-pci,rss=on,netdev=n0,id=net0"]],
                         ids=["JSON", "k=v"])  # fmt: skip
def test_no_vhost(run, broker, given, turned, device):
    answers_as(run, 11, 1, "ebpf-rss-fds")
    other = ["-netdev", "tap,id=n1,vhost=on", "-device", "virtio-net-pci,netdev=n1"]
    command = [*other, *device, "-netdev", given, "-S"]
    report, said = run.reports("--no-vhost", "--verbose", arguments=command)
    argv = report["argv"]
    assert argv[:2] == other[:2] and argv[-3:] == ["-netdev", turned, "-S"]
    assert len(json.loads(argv[5])["ebpf-rss-fds"]) == 4 and len(report["fds"]) == 5
    assert "net0: vhost=off at netdev n0\n" in said


@pytest.mark.parametrize("device", [VHOST_NET, ["-device", "virtio-net-pci,rss=on,netdev=n0,id=net0"]],
                         ids=["JSON", "k=v"])  # fmt: skip
def test_vhost_by_set(run, broker, device):
    """-set changes what -netdev said: seen, and left out where vhost is to be off."""
    answers_as(run, 11, 1, "ebpf-rss-fds")
    turns_on = ["-set", "netdev.n0.vhost=on"]
    other = [*tap("script=no"), "-set", "netdev.n0.ifname=tap0", "-set", "netdev.n1.vhost=on"]
    assert "vhost=off at netdev n0" in run.fails(arguments=[*other, *turns_on, *device])
    assert broker.requests == 0
    report, said = run.reports("--no-vhost", arguments=[*other, *turns_on, *device, "-S"])
    turned = [*tap("script=no,ifname=tap0,vhost=off"), *other[2:]]
    assert report["argv"][:6] == turned and report["argv"][8:] == ["-S"] and said == ""
    assert len(report["fds"]) == 5
    turns_off = [*tap("vhost=on"), "-set", "netdev.n0.vhost=off"]
    report, said = run.reports(arguments=[*turns_off, *device])
    assert report["argv"][:4] == turns_off and len(report["fds"]) == 5 and said == ""


def test_vhost_at_a_qemu_that_was_not_asked(run, broker):
    command = [*VHOST_NET, *tap("vhost=on")]
    report, said = run.reports("--no-probe", arguments=command)
    assert report["argv"][2:] == command[2:] and said.count("\n") == 1
    assert "warning: net0: has vhost=on" in said and "10.1" in said
    report, said = run.reports("--no-probe", "--no-vhost", arguments=command)
    assert report["argv"][2:] == tap("vhost=off") and said == ""


def test_order_that_cannot_be_kept(run, broker):
    why = run.fails(arguments=[*NET, "-readconfig", "file"])
    assert "-readconfig" in why and "JSON" not in why and "-device '{" in why
    report, _ = run.reports(arguments=[*NET_JSON, "-readconfig", "file"])
    assert len(report["fds"]) == 5


def test_exec_fails(run, broker, tmp_path):
    missing = tmp_path / "missing" / "qemu-system-x86_64"
    assert "No such file" in run.fails(command=[missing, *NET])
    assert "No such file" in run.fails("--if-needed", command=[missing])
    assert "No such file" in run.fails("--no-probe", command=[missing, *NET_JSON])


def test_killed_while_it_probes(run, tmp_path):
    """The QEMU that it asked goes with it."""
    silent = tmp_path / "silent"
    silent.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid.new\n"
                      f"mv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 60\n")  # fmt: skip
    silent.chmod(0o755)
    run.env["REAL_QEMU"] = str(silent)
    process = subprocess.Popen([run.rssb, "run", "--", run.qemu, *NET], env=run.env)
    wait_for((tmp_path / "pid").exists, "the probe")
    process.kill()
    process.wait()
    probed = Path("/proc") / (tmp_path / "pid").read_text().strip()
    wait_for(lambda: not probed.exists(), "its end")


@pytest.mark.parametrize("options", [["--wait", "x"], ["--wait", "-1"], ["--wait"], ["--nope"]])
def test_usage(run, options):
    assert "--help" in run.fails(*options, command=["qemu-kvm"], status=2)


def test_no_command(run):
    done = run()
    assert done.returncode == 2 and "no command given" in done.stderr


def test_help(run):
    done = run("--help")
    assert done.returncode == 0 and "--optional" in done.stdout and done.stderr == ""
