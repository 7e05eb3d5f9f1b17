# SPDX-License-Identifier: MIT
"""bash, zsh and fish complete every command and option that --help lists, and no other."""
import re
import subprocess

import help_text
from paths import ROOT
import pytest

FILES = ROOT / "client" / "completions"

# zsh itself completes at a terminal only: instead this tells what it would be told.
ZSH = """
_arguments() { print -rl -- "$@"; }
_describe() { print -rl -- ${(P)2}; }
_normal() { :; }
state=command
words=(%s)
source %s
%s
"""


def run(shell, *args):
    done = subprocess.run([shell, *args], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.splitlines()


def bash(program, *words):
    """What is offered for the last of the words."""
    function = "_" + program.replace("-", "_")
    script = f"""source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); {function} || true
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    return set(run("bash", "-c", script, FILES / f"{program}.bash", program, *words)) - {""}


def fish(program, *words):
    line = " ".join([program, *words])
    script = f"source {FILES}/{program}.fish; complete -C '{line}'"
    return {offer.split("\t")[0] for offer in run("fish", "--no-config", "-c", script)}


def zsh(program, *words):
    """Of the specifications "(x)--name[what it is]:value" and "name:what it is" the names."""
    wants_command = words == ("",)
    call = "_rssb_commands" if wants_command else ":"
    command = words[0] if len(words) > 1 else "none"
    specs = run("zsh", "-f", "-c", ZSH % (command, FILES / f"_{program}", call))
    name = re.compile(r"([a-z]+):" if wants_command else r"(?:\([^)]*\)|\*)*(--[\w-]+)\[")
    return {match[1] for spec in specs if (match := name.match(spec))}


SHELLS = pytest.mark.parametrize("shell", [bash, zsh, fish], ids=lambda shell: shell.__name__)


def offered_options(shell, program, *words):
    """The long ones."""
    return {word for word in shell(program, *words, "--") if re.match(r"--\w", word)}


@SHELLS
def test_commands(build, shell):
    assert shell("rssb", "") == set(help_text.commands(build))


@SHELLS
def test_options_of_commands(build, shell):
    top = {"--socket", "--version", "--help"}
    assert offered_options(shell, "rssb") == top
    for command in help_text.commands(build):
        expected = help_text.long_options(help_text.read(build, "rssb", command)) | {"--help"}
        # zsh is asked for all that its function says: those before the command, too.
        expected |= top if shell is zsh else set()
        assert offered_options(shell, "rssb", command) == expected, command


@SHELLS
def test_options_of_the_broker(build, shell):
    expected = help_text.long_options(help_text.read(build, "rss-broker"))
    assert offered_options(shell, "rss-broker") == expected


@pytest.mark.parametrize("shell", [bash, fish], ids=["bash", "fish"])
def test_values(shell):
    """A value is offered after its option alone; after -- nothing of rssb's is."""
    assert shell("rssb", "export", "--format", "") == {"elf", "base64", "json"}
    assert shell("rssb", "hash", "--proto", "t") == {"tcp"}
    assert "lo" in shell("rssb", "attach", "")
    assert "lo" in shell("rssb", "hotplug", "--tap", "")
    assert "root" in shell("rss-broker", "--user", "roo")
    assert "--verbose" not in shell("rssb", "run", "--", "--verb")


@pytest.mark.parametrize("shell", [bash, fish], ids=["bash", "fish"])
def test_words_of_steering(shell):
    """Inside its quotes; what is offered is all of it."""
    assert {"weight", '"weight'} & shell("rssb", "update", "web", '"w')
    assert {'"equal 4 hash-types', "equal 4 hash-types"} & shell("rssb", "update", "web", '"equal 4 ha')
    found = {offer.lstrip('"') for offer in shell("rssb", "attach", "tap0", '"equal 4 hash-types tcp4,g')}
    assert found == {f"equal 4 hash-types tcp4,{name}" for name in ("gre", "gre-udp", "geneve")}
    found = {offer.lstrip('"') for offer in shell("rssb", "run", "--steering", '"equal 4 hkey ')}
    assert found == {"equal 4 hkey symmetric"}
    assert not shell("rssb", "update", "web", '"equal ')


def test_bash_is_not_confused_by_a_value():
    assert bash("rssb", "--socket", "run", "ex") == {"export", "extract"}
    assert bash("rssb", "--socket", "/x", "info", "--j") == {"--json"}
