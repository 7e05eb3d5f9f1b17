# SPDX-License-Identifier: MIT
"""The AppArmor profile and the SELinux module, as make install leaves them: do they compile?

The compilers are the real ones, and no kernel is asked: it enforces neither here.  AppArmor
does in the guest of tests/e2e/test_systemd.py, SELinux in the host of tests/hosts/selinux_run.py.
"""
import re
import shutil
import subprocess

from paths import ROOT
import pytest

BASE = "/etc/apparmor.d"
INTERFACES = ROOT / "build" / "selinux" / "include"

CLIENT_PROFILE = """
abi <abi/3.0>,
include <tunables/global>
profile vm /usr/bin/vmm {
  include <abstractions/%s>
}
"""

CLIENT_MODULE = """
policy_module(client, 1.0.0)
type client_t;
domain_type(client_t)
rss_broker_client(client_t)
"""


# --- AppArmor ---------------------------------------------------------------------


def apparmor(destdir, profile, *more):
    """apparmor_parser on a profile; the abstractions are those of the host and our own."""
    include = ["--base", BASE, "--Include", destdir / "etc/apparmor.d"]
    command = ["apparmor_parser", "--skip-kernel-load", "--skip-cache", *include, *more, profile]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def profile(destdir):
    return destdir / "etc/apparmor.d/usr.sbin.rss-broker"


def test_the_profile_compiles(destdir, profile):
    status, _, words = apparmor(destdir, profile)
    assert status == 0 and "error" not in words.lower()
    status, names, _ = apparmor(destdir, profile, "--names")
    assert (status, names) == (0, "rss-broker\n")


def test_a_wrong_profile_does_not(destdir, profile, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text(profile.read_text().replace("capability bpf,", "capability bpg,"))
    assert apparmor(destdir, wrong)[0] != 0


@pytest.mark.parametrize("abstraction", ["rss-broker-client", "rss-broker-emulator",
                                         "rss-broker-libvirtd"])  # fmt: skip
def test_profiles_of_clients_compile(destdir, tmp_path, abstraction):
    client = tmp_path / "client"
    client.write_text(CLIENT_PROFILE % abstraction)
    status, _, words = apparmor(destdir, client)
    assert status == 0, words


def test_the_profile_is_of_the_installed_program(destdir, profile):
    assert "profile rss-broker /usr/sbin/rss-broker {" in profile.read_text()
    emulator = (destdir / "etc/apparmor.d/abstractions/rss-broker-emulator").read_text()
    assert "/usr/libexec/rss-broker/qemu-system-* rmix," in emulator
    assert "/usr/bin/rssb rmix," in emulator
    assert "/usr/lib/rss-broker/librssb-qemu.so mr," in emulator
    assert "/etc/rss-broker/emulator.conf r," in emulator
    libvirtd = (destdir / "etc/apparmor.d/abstractions/rss-broker-libvirtd").read_text()
    assert "/usr/libexec/rss-broker/qemu-system-* PUx," in libvirtd


def test_the_profile_executes_nothing(destdir, profile):
    """Nor is a capability in it that the unit's bounding set and a start as root do not need."""
    _, rules, _ = apparmor(destdir, profile, "--preprocess")
    own = re.sub(r"(?m)^\s*#.*", "", profile.read_text())
    assert not re.search(r"\b[rwmk]*[PpCcUui]?x[,\s]", own.split("{", 1)[1])
    wanted = {"bpf", "perfmon", "setuid", "setgid", "setpcap", "chown"}
    assert set(re.findall(r"^\s*capability (\w+),", rules, re.MULTILINE)) == wanted


# --- SELinux ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def selinux(destdir, tmp_path_factory):
    """The installed sources, in a directory to compile in."""
    directory = tmp_path_factory.mktemp("selinux")
    for source in (destdir / "usr/share/rss-broker/selinux").iterdir():
        shutil.copy(source, directory)
    return directory


def selinux_compile(directory, module):
    """With the makefile that the policy has for modules; returns status and output."""
    policy = [f"HEADERDIR={INTERFACES}", "NAME=default", "TYPE=mcs", "AWK=awk"]
    done = subprocess.run(
        ["make", "-f", INTERFACES / "Makefile", *policy, f"{module}.pp"], cwd=directory, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    return done.returncode, done.stdout


def test_the_module_compiles(selinux):
    """Rules and file contexts."""
    status, words = selinux_compile(selinux, "rss_broker")
    assert status == 0, words
    package = (selinux / "rss_broker.pp").read_bytes()
    assert b"rss_broker_runtime_t" in package
    for path in (b"/usr/sbin/rss-broker", b"/run/rss-broker(/.*)?", b"/etc/rss-broker(/.*)?"):
        assert path in package


@pytest.mark.parametrize(
    "right, wrong", [("map_create", "map_craete"), ("rss_broker_client(v", "no_such_interface(v")]
)
def test_a_wrong_module_does_not(selinux, tmp_path, right, wrong):
    for source in selinux.glob("rss_broker.[tfi]*"):
        shutil.copy(source, tmp_path)
    module = tmp_path / "rss_broker.te"
    assert right in module.read_text()
    module.write_text(module.read_text().replace(right, wrong))
    assert selinux_compile(tmp_path, "rss_broker")[0] != 0


def test_the_interface_is_what_a_client_needs(selinux, tmp_path):
    for source in selinux.glob("rss_broker.[tfi]*"):
        shutil.copy(source, tmp_path)
    (tmp_path / "client.te").write_text(CLIENT_MODULE)
    status, words = selinux_compile(tmp_path, "client")
    assert status == 0, words
    assert b"client_t" in (tmp_path / "client.pp").read_bytes()
    expanded = (tmp_path / "tmp/client.tmp").read_text()  # what checkmodule read
    rules = re.sub(r"\s+", " ", re.sub(r"(?m)^\s*#.*", "", expanded))
    for rule in (
        "allow client_t rss_broker_t:fd use;",
        "allow client_t rss_broker_t:bpf { map_read map_write prog_run };",
        "allow client_t rss_broker_t:unix_stream_socket connectto;",
        "allow client_t rss_broker_t:fifo_file { getattr read };",
    ):
        assert rule in rules, rule
