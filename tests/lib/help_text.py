# SPDX-License-Identifier: MIT
"""What the programs say of themselves by --help: what man pages and completions must say, too."""
import re
import subprocess

# "  -o, --output F  what it is"
OPTION = re.compile(r"^  ((?:-\w, )?--[\w-]+(?:\[=\w+\]| (?!  )\S+)?)(?:  .*)?$", re.MULTILINE)


def read(build, program, *words):
    command = [build / program, *words, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def options(text):
    """Such as {"-o, --output F", "--json"}."""
    return set(OPTION.findall(text))


def long_options(text):
    """Such as {"--output", "--json"}."""
    return {re.search(r"--[\w-]+", option)[0] for option in options(text)}


def commands(build):
    """The commands of rssb."""
    _, listing = read(build, "rssb").split("\nCommands ")
    return re.findall(r"^  (\w+) ", listing, re.MULTILINE)


def usages(text):
    """The lines that begin with "usage:", one for each way to call it."""
    lines = re.match(r"[Uu]sage: (.*?)\n\n", text, re.DOTALL)[1]
    return [" ".join(usage.split()) for usage in re.split(r"\n {7}(?=\S)", lines)]
