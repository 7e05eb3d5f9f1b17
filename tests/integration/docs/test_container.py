# SPDX-License-Identifier: MIT
"""The container and Kubernetes examples: read as they are, and emulated with what a container is.

No container engine runs here.  The uid, capabilities, read-only root, shared directory,
arguments and probes of the DaemonSet are taken from its YAML and put in force by setpriv(1)
and mount(8); the image is not built.
"""
import re
import shutil
import subprocess
from pathlib import Path

from broker import Process
from paths import ROOT
import pytest
from waiting import wait_for
import yaml

KUBERNETES = ROOT / "docs/examples/kubernetes"
CONTAINERFILE = (ROOT / "docs/examples/container/Containerfile").read_text()
SOCKET = "/run/rss-broker/rss-broker.sock"

# A root that nobody can write to, and in it the one directory that the host shares.
CONTAINER = """
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/rss-broker
mount --bind "$1" /run/rss-broker
mount -o remount,bind,ro /run
mount -o remount,bind,ro /
shift
exec "$@"
"""


def documents(name):
    text = (KUBERNETES / f"{name}.yaml").read_text()
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def pod():
    """The pod that the DaemonSet makes."""
    return documents("rss-broker")["DaemonSet"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (container,) = pod["containers"]
    return container


@pytest.fixture(scope="module")
def client():
    return documents("vm-pod")["Pod"]["spec"]


def privileges(container):
    """setpriv(1) for a container's securityContext."""
    context = container["securityContext"]
    assert context["capabilities"]["drop"] == ["ALL"]
    added = [f"+{name.lower()}" for name in context["capabilities"].get("add", [])]
    assert context["allowPrivilegeEscalation"] is False
    bounding = ",".join(["-all", *added])
    return ["setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set={bounding}"]


@pytest.fixture(scope="module")
def programs(destdir, tmp_path_factory):
    """The programs of the image, where every uid can reach them."""
    directory = tmp_path_factory.mktemp("image")
    for parent in [directory, *directory.parents]:
        if parent != Path("/tmp") and parent.is_relative_to("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    for program in ("usr/sbin/rss-broker", "usr/bin/rssb"):
        shutil.copy(destdir / program, directory)
    return directory


@pytest.fixture(scope="module")
def running(programs, container, tmp_path_factory):
    """The DaemonSet's container: its process."""
    shared, log = tmp_path_factory.mktemp("node"), tmp_path_factory.mktemp("log") / "log"
    shared.chmod(0o755)
    isolate = ["unshare", "--mount", "--propagation=private", "sh", "-c", CONTAINER, "sh", shared]
    command = [*isolate, *privileges(container), programs / "rss-broker", *container["args"]]
    with open(log, "w") as out:
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=out)  # fmt: skip
    try:
        wait_for(lambda: process.poll() is not None or "ready: " in log.read_text(), "READY")
        assert process.poll() is None, log.read_text()
        yield process, log.read_text()
    finally:
        process.kill()
        process.wait()


def run_in(running, *command):
    """A command in the container's mounts."""
    enter = ["nsenter", "-t", str(running[0].pid), "-m"]
    return subprocess.run(
        [*enter, *map(str, command)], capture_output=True, text=True, check=False, timeout=120
    )


# --- what the examples say -------------------------------------------------------------


def test_exactly_two_capabilities(container):
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["BPF", "PERFMON"]}
    assert context["readOnlyRootFilesystem"] is True
    assert context.get("privileged") is None


def test_resources_and_probes(container):
    assert container["resources"]["limits"]["memory"] == "1Gi"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == ["/usr/bin/rssb", "info"]


def test_both_pods_share_the_directory(pod, container, client):
    """The directory, not the socket, which each start of a broker makes anew."""
    for spec in (pod, client):
        (volume,) = spec["volumes"]
        (mount,) = spec["containers"][0]["volumeMounts"]
        assert volume["hostPath"]["path"] == mount["mountPath"] == str(Path(SOCKET).parent)
        assert volume["name"] == mount["name"]


def test_the_client_has_nothing_but_a_group(client, container):
    (group,) = client["securityContext"]["supplementalGroups"]
    assert container["args"] == [f"--allow-group={group}"]
    assert client["securityContext"]["runAsNonRoot"] is True
    assert client["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


# --- emulated ----------------------------------------------------------------------------


def test_the_container_starts(running):
    process, log = running
    assert "no CAP_SETUID, so --user is not used: staying uid 0, without its capabilities" in log
    front = Process(process.pid)
    assert int(front.status()["CapEff"], 16) == 0
    caps = {child.status()["Name"]: int(child.status()["CapEff"], 16) for child in front.children()}
    assert caps["rss-loader"] == 1 << 38 | 1 << 39


def test_its_root_is_read_only(running):
    for path in ("/here", "/run/here"):
        done = run_in(running, "touch", path)
        assert "Read-only file system" in done.stderr


def test_the_probes_succeed(running, programs, container):
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        name, *words = container[probe]["exec"]["command"]
        done = run_in(running, *privileges(container), programs / Path(name).name, *words)
        assert (done.returncode, done.stderr) == (0, "")


def as_pod(client, groups):
    uid = client["securityContext"]["runAsUser"]
    return [*privileges(client["containers"][0]), f"--reuid={uid}", f"--regid={uid}", groups]


def test_a_pod_gets_a_set(running, programs, client):
    """Any uid, with the group and the directory."""
    (group,) = client["securityContext"]["supplementalGroups"]
    rssb = [programs / "rssb", "run", "--steering", "equal 4", "--", "sh", "-c", "echo $RSSB_FDS"]
    done = run_in(running, *as_pod(client, f"--groups={group}"), *rssb)
    assert re.match(r"program=\d+,config=\d+", done.stdout), done.stderr
    done = run_in(running, *as_pod(client, "--clear-groups"), *rssb)
    assert done.returncode == 1 and "uid 107 is not allowed here" in done.stderr


# --- the Containerfile -----------------------------------------------------------------


def stages():
    """The packages that each stage installs."""
    text = CONTAINERFILE.replace("\\\n", " ")
    found = re.findall(r"--no-install-recommends ([\w\s.+-]+?)(?:&&|\n)", text)
    return [set(names.split()) for names in found]


def test_the_build_stage_has_what_a_build_needs():
    deps = (ROOT / "tests/setup/deps.sh").read_text()
    build = set(re.search(r"^build='([^']*)'", deps, re.MULTILINE)[1].split())
    assert stages()[0] == build - {"bpftool"}  # which only those who debug want


def test_the_image_has_the_libraries(programs):
    """By Debian's package of each library that is linked; 13 appends t64 to some names."""
    wanted = set()
    for program in ("rss-broker", "rssb"):
        listing = subprocess.run(
            ["readelf", "-dW", programs / program], capture_output=True, text=True, check=True
        ).stdout
        for library in re.findall(r"\(NEEDED\).*\[(.*)\]", listing):
            if library.startswith(("libc.so", "ld-linux")):
                continue
            owner = subprocess.run(
                ["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=True
            ).stdout
            wanted.add(owner.split(":")[0].removesuffix("t64"))
    assert stages()[1] == wanted


def test_the_entry_point_is_installed(destdir):
    (entry,) = re.findall(r'^ENTRYPOINT \["(.*)"\]$', CONTAINERFILE, re.MULTILINE)
    assert (destdir / entry.lstrip("/")).exists()
    for source in re.findall(r"^COPY --from=build /out/(\S+)", CONTAINERFILE, re.MULTILINE):
        assert (destdir / source).exists()
