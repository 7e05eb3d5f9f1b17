# SPDX-License-Identifier: MIT
"""rssb run and the words of others: which one is QEMU, and devices that are no -device."""
import json
import os
import subprocess

import pytest

from test_run import NET, NET_JSON, NO_NET, broker, fds_of, run  # noqa: F401  (fixtures)

TAP = ["-netdev", "tap,id=n0,ifname=nosuch0"]


@pytest.fixture
def directory(run, tmp_path):
    """A directory of PATH in which there is a program named kvm."""
    path = tmp_path / "bin"
    path.mkdir()
    (path / "kvm").write_text("#!/bin/sh\nexit 99\n")
    (path / "kvm").chmod(0o755)
    run.env["PATH"] = f"{path}:{os.environ['PATH']}"
    return path


# --- which word is QEMU -------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix",
    [
        ["env", "--unset", "kvm"],  # as in setpriv --regid kvm: a value of the prefix
        ["env", "QEMU=/usr/bin/qemu-system-x86_64"],
        ["env", "-u", "qemu-system-ns"],  # a name, and no such program
        ["nice", "-n", "0"],
    ],
)
def test_a_word_of_the_prefix_is_not_qemu(run, broker, directory, prefix):
    report, _ = run.reports(arguments=NET, prefix=prefix)
    assert len(fds_of(report)) == 4


def test_a_bare_kvm_may_be_qemu(run, broker, directory):
    run.qemu.rename(directory / "kvm")
    assert json.loads(run(command=["kvm", *NET]).stdout)["fds"]
    assert json.loads(run(command=["nice", "kvm", *NET]).stdout)["fds"]


def test_in_doubt_it_asks(run, broker, directory, tmp_path):
    """And runs nothing: a group's name, two QEMUs, a QEMU of another name."""
    other = tmp_path / "my-qemu"
    other.symlink_to(run.qemu)
    why = run.fails(command=["env", "-u", "kvm", other, *NET])
    assert "is the word kvm QEMU, or a name in the prefix?" in why and "--qemu WORD" in why
    assert "is the word kvm QEMU" in run.fails(command=["nice", "kvm", other, *NET])
    second = tmp_path / "qemu-kvm"
    second.symlink_to(run.qemu)
    why = run.fails(command=["nice", run.qemu, second, *NET])
    assert f"{run.qemu} or {second}?" in why
    assert "not an executable file here" in run.fails(command=["nice", "/nowhere/qemu-kvm"])
    assert broker.requests == 0


def test_a_script_hides_it(run, broker):
    why = run.fails(command=["sh", "-c", f"exec {run.qemu} -device virtio-net-pci,rss=on"])
    assert why.startswith("rssb: run: sh: no word of this command is an executable file named")
    assert "--on-demand" in why and "--qemu WORD" in why


def test_names_of_a_vm_are_not_qemu(run, broker, directory):
    report, _ = run.reports(arguments=["-name", "kvm", "-runas", "kvm", *NET])
    assert len(fds_of(report)) == 4


@pytest.mark.parametrize("words", [["--qemu=my-qemu"], ["--qemu", "my-qemu"], ["--qemu", "my-qemu", "-v"]])
def test_qemu_is_named_behind_a_prefix(run, broker, directory, tmp_path, words):
    other = tmp_path / "my-qemu"
    other.symlink_to(run.qemu)
    done = run(*words, command=["env", "-u", "kvm", other, *NET])
    assert len(fds_of(json.loads(done.stdout))) == 4, done.stderr
    assert "no word of the command is that" in run.fails("--qemu=nothing", command=[other, *NET])


def test_what_lets_no_fds_through_is_warned_of(run, broker, directory):
    (directory / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (directory / "sudo").chmod(0o755)
    _, said = run.reports(arguments=NET, prefix=["sudo"])
    assert said.startswith("rssb: run: warning: sudo does not let inherited fds through")


def test_a_script_may_use_low_fds(run, broker, tmp_path):
    """exec 6<FILE is an old habit: fds of a set have numbers from 100 on."""
    script = tmp_path / "script"
    script.write_text('#!/bin/bash\nexec 4>&- 6</dev/null\nexec "$@"\n')
    script.chmod(0o755)
    report, _ = run.reports(arguments=NET, prefix=[script])
    assert min(fds_of(report)) >= 100 and len(report["fds"]) == 6
    done = subprocess.run(["prlimit", "--nofile=64", run.rssb, "run", "--", run.qemu, *NET],
                          env=run.env, capture_output=True, text=True, timeout=120, check=True)  # fmt: skip
    assert len(fds_of(json.loads(done.stdout))) == 4


# --- devices that are no -device ----------------------------------------------------------

CONFIG = """# made by hand
[netdev "n0"]
  type = "tap"
  ifname = "nosuch0"

[device "net0"]
  driver = "virtio-net-pci"
  netdev = "n0"
  mq = "on"
  rss = "{rss}"
"""
GLOBAL = ["-global", "virtio-net-pci.rss=on"]


@pytest.fixture
def config(tmp_path):
    def write(text):
        (tmp_path / "vm.cfg").write_text(text)
        return ["-readconfig", str(tmp_path / "vm.cfg")]

    return write


@pytest.mark.parametrize("options", [[], ["--if-needed"]])
@pytest.mark.parametrize("arguments, what", [
    (["-nic", "tap,model=virtio-net-pci", *GLOBAL], "the device virtio-net-pci of -nic"),
    (["-nic", "tap,model=virtio", *GLOBAL], "the device virtio-net of -nic"),
    (["-nic", "tap", *GLOBAL], "the device of -nic"),
    (["-nic", "tap,model=virtio-net-pci,rss=on"], "the device virtio-net-pci of -nic"),
    (["-net", "nic,model=virtio-net-pci", "-net", "tap", *GLOBAL], "of -net nic"),
])  # fmt: skip
def test_a_nic_with_rss_is_never_passed_over(run, broker, options, arguments, what):
    why = run.fails(*options, arguments=arguments)
    assert f"{what} has rss on" in why and "--on-demand" in why
    report, said = run.reports("--optional", *options, arguments=arguments)
    assert report["argv"] == arguments and "has rss on" in said


def test_a_nic_without_rss_is_none(run, broker):
    for arguments in (["-nic", "none", *GLOBAL], ["-net", "user", *GLOBAL],
                      ["-nic", "tap,model=virtio-net-pci"], ["-nic", "tap,model=e1000", *GLOBAL]):
        assert "no virtio-net device has rss on" in run.fails(arguments=arguments)


def test_readconfig_is_read(run, broker, config):
    arguments = config(CONFIG.format(rss="on"))
    for options in ([], ["--if-needed"]):
        why = run.fails(*options, arguments=arguments)
        assert f"the device net0 of {' '.join(arguments)} has rss on" in why and "--on-demand" in why
    assert "has rss on" in run.fails(arguments=[*config(CONFIG.format(rss="off")), "-set", "device.net0.rss=on"])
    why = run.fails(arguments=config(CONFIG.format(rss="off")))
    assert "no virtio-net device has rss on" in why and "(" not in why
    arguments = config('[global]\n driver = "virtio-net-pci"\n property = "rss"\n value = "on"\n')
    report, _ = run.reports(arguments=[*arguments, "-device", "virtio-net-pci"])
    assert len(fds_of(report)) == 4


def test_readconfig_that_is_not_read(run, broker, tmp_path):
    """A pipe's bytes are QEMU's; a file may be missing."""
    os.mkfifo(tmp_path / "pipe")
    why = run.fails(arguments=["-readconfig", str(tmp_path / "pipe")])
    assert "is not read: it is not a regular file" in why
    assert "is not read: No such file" in run.fails(arguments=["-readconfig", "/nowhere"])


def test_one_is_served_and_of_the_other_is_warned(run, broker, config):
    report, said = run.reports(arguments=[*config(CONFIG.format(rss="on")), *NET_JSON])
    assert len(fds_of(report)) == 4
    assert said.startswith("rssb: run: warning: the device net0 of -readconfig ")


def test_readconfig_without_devices_is_no_obstacle(run, broker, config):
    report, _ = run.reports(arguments=[*config("[netdev \"n0\"]\n  type = \"user\"\n"), *NET])
    assert len(fds_of(report)) == 4


@pytest.mark.parametrize("name, asked", [
    ("virtio-pci", True), ("pci-device", True), ("virtio-device", True), ("virtio-net-device", True),
    ("virtio-net-ccw", False), ("virtio-blk-pci", False), ("virtio-ccw-device", False),
])  # fmt: skip
def test_globals_of_what_it_derives_from(run, broker, name, asked):
    arguments = ["-global", f"{name}.rss=on", "-device", '{"driver":"virtio-net-pci"}']
    if asked:
        assert len(fds_of(run.reports(arguments=arguments)[0])) == 4
    else:
        assert "no virtio-net device has rss on" in run.fails(arguments=arguments)


def test_the_last_global_wins(run, broker):
    both = ["-global", "virtio-net-pci.rss=off", "-global", "virtio-pci.rss=on"]
    device = ["-device", '{"driver":"virtio-net-pci"}']
    assert run.reports(arguments=[*both, *device])[0]["fds"]
    assert "no virtio-net" in run.fails(arguments=[*both[2:], *both[:2], *device])


# --- values that QEMU refuses -------------------------------------------------------------


@pytest.mark.parametrize("arguments, what", [
    (["-device", "virtio-net-pci,id=a,rss=1"], "a: rss=1, and QEMU takes on or off"),
    (["-device", "virtio-net-pci,id=a,rss=ON"], "a: rss=ON, and QEMU takes on or off"),
    (["-device", "virtio-net-pci,id=a,rss=on,mq=2"], "a: mq=2, and QEMU takes on or off"),
    (["-device", '{"driver":"virtio-net-pci","id":"a","rss":"on"}'],
     'a: "rss" is on, a JSON string, and QEMU takes true or false'),
    (["-device", '{"driver":"virtio-net-pci","id":"a","rss":1}'], '"rss" is 1, a JSON int'),
    (["-global", "virtio-net-pci.rss=1", "-device", "virtio-net-pci,id=a"], "a: -global says rss=1"),
    (["-device", '{"driver":"virtio-net-pci","rss":true'], '"rss":true... is no JSON object'),
])  # fmt: skip
def test_a_value_that_is_none(run, broker, arguments, what):
    assert what in run.fails(arguments=arguments)
    report, said = run.reports("--optional", arguments=arguments)
    assert report["argv"] == arguments and what in said
    assert broker.requests == 0


# --- what QEMU only prints ----------------------------------------------------------------


@pytest.mark.parametrize("words", [
    ["-version"], ["--version"], ["-h"], ["-help"], ["--help"], ["-machine", "help"], ["-M", "?"],
    ["-cpu", "help"], ["-netdev", "help"], ["-accel", "help"], ["-object", "help"],
    ["-nic", "user,model=help"], ["-net", "nic,model=?"], ["-device", "help"],
    ["-device", "virtio-net-pci,help"], ["-audio-help"], ["-chardev", "help"],
])  # fmt: skip
@pytest.mark.parametrize("options", [[], ["--host-steering", "equal 2"]])
def test_help_passes_through(run, words, options):
    for arguments in (words, [*NET, *words]):
        report, said = run.reports(*options, arguments=arguments)
        assert report == {"argv": arguments, "fds": {}} and said == ""


# --- aliases ------------------------------------------------------------------------------


def test_every_alias_is_known(run, broker, qemu):
    """multifunction is a bool of every PCI device: in JSON it is one, if QEMU told the type."""
    asked = (b'{"execute":"qmp_capabilities"}{"execute":"human-monitor-command","arguments":'
             b'{"command-line":"info qdm"}}{"execute":"quit"}')  # fmt: skip
    args = [qemu, "-machine", "none", "-nodefaults", "-display", "none", "-qmp", "stdio"]
    said = subprocess.run(args, input=asked, capture_output=True, timeout=120, check=True).stdout
    text = next(answer["return"] for answer in map(json.loads, said.splitlines())
                if isinstance(answer.get("return"), str))  # fmt: skip
    aliases = [part.split('"')[0] for part in text.split(', alias "')[1:]]
    assert "virtio-net" in aliases and len(aliases) > 15
    devices = [word for alias in aliases for word in ("-device", alias + ",multifunction=on")]
    report, _ = run.reports(arguments=[*devices, *NET])
    made = [json.loads(word) for word in report["argv"][1::2]]
    assert {device["driver"] for device in made if device.get("multifunction") is True} == set(aliases)


RELAY = """#!/usr/bin/python3
import subprocess, sys, threading
pipe = subprocess.PIPE
qemu = subprocess.Popen(["{qemu}", *sys.argv[1:]], stdin=pipe, stdout=pipe, bufsize=0)
def answers():
    while data := qemu.stdout.read(65536):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
threading.Thread(target=answers, daemon=True).start()
with open("{asked}", "wb") as asked:
    for line in sys.stdin.buffer:
        asked.write(line)
        asked.flush()
        qemu.stdin.write(line)
qemu.stdin.close()
qemu.wait()
"""


def test_a_qemu_with_a_broken_module_runs(run, broker, qemu, tmp_path):
    """Loading every module would end it; it is asked for nothing that does."""
    asked = tmp_path / "asked"
    fragile = tmp_path / "fragile"
    fragile.write_text(RELAY.format(qemu=qemu, asked=asked))
    fragile.chmod(0o755)
    run.env["REAL_QEMU"] = str(fragile)
    report, _ = run.reports(arguments=["-device", "virtio-net,rss=on", "-device", "nosuch,x=1"])
    assert len(report["fds"]) == 5
    commands = {json.loads(line)["execute"] for line in asked.read_text().splitlines()}
    assert commands == {"qmp_capabilities", "query-target", "device-list-properties",
                        "request-ebpf", "quit"}  # fmt: skip


# --- host steering ------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, why", [
    (["-nic", "tap,model=virtio-net-pci"], "the device virtio-net-pci of -nic cannot be steered"),
    (["-device", "virtio-net-pci,id=a,mq=on"], "a: it has no netdev=ID"),
    (["-device", "virtio-net-pci,id=a,mq=on,netdev=n9"], "a: netdev n9 is neither a -netdev nor in"),
    (["-netdev", "user,id=n9", "-device", "virtio-net-pci,id=a,mq=on,netdev=n9"],
     "a: netdev n9 is of type user"),
    (NO_NET, "no virtio-net device has mq on"),
])  # fmt: skip
def test_why_the_host_cannot_steer(run, broker, arguments, why):
    assert why in run.fails("--host-steering", "equal 2", arguments=arguments)


def test_a_netdev_in_readconfig_is_steered(run, broker, config):
    """As far as a tap that is not there lets it."""
    arguments = [*config(CONFIG.format(rss="off").split("[device")[0] + '  queues = "4"\n'),
                 "-device", "virtio-net-pci,mq=on,netdev=n0"]  # fmt: skip
    assert "nosuch0: there is no such interface" in run.fails("--host-steering", "equal 2", arguments=arguments)
