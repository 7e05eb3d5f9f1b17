# SPDX-License-Identifier: MIT
"""What fuzzing found is not lost: each harness, without libFuzzer, reads its corpus, its past
crashes and its seeds.

It must never pass a harness that has nothing to read, nor files that no harness reads.
"""
import os
import shutil
import signal
import subprocess

import corpus
import pytest
import seeds
from copied_tree import output_of
from paths import TESTS

HERE = TESTS / "fuzz"
HARNESSES = sorted(seeds.MAKERS)
CORPORA_MAX = 2 << 20  # bytes, of all
TIMEOUT_S = 500

CANARY = """
#include "lib/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FUZZ_CHECK(size != 3);
	return 0;
}
"""


def crashes(name):
    return list((HERE / "crashes" / name).glob("*"))


def replay(program, *paths):
    return subprocess.run(
        [program, *paths], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", timeout=TIMEOUT_S, check=False,
        env={**os.environ, "REPLAY_VERBOSE": "1"},
    )  # fmt: skip


def test_every_harness_has_a_corpus_and_every_corpus_a_harness():
    assert sorted(path.stem for path in HERE.glob("*.c")) == HARNESSES
    assert corpus.names() == HARNESSES
    assert {path.name for path in (HERE / "crashes").iterdir()} <= set(HARNESSES)


def test_the_corpora_are_small():
    assert sum(path.stat().st_size for path in corpus.DIRECTORY.iterdir()) < CORPORA_MAX


def test_an_archive_is_its_inputs_alone(tmp_path, monkeypatch):
    """Packed again, from files of another age in another order: the same bytes."""
    monkeypatch.setattr(corpus, "DIRECTORY", tmp_path)
    for name in HARNESSES:
        shutil.copy(HERE / "corpus" / f"{name}.tar", tmp_path)
        inputs = corpus.unpack(name, tmp_path / name)
        corpus.pack(name, reversed(inputs))
        assert corpus.archive(name).read_bytes() == (HERE / "corpus" / f"{name}.tar").read_bytes()


@pytest.mark.parametrize("name", HARNESSES)
def test_replay(build, tmp_path, name):
    """All of it, and the program says how much that was."""
    seeds.write(tmp_path / "seeds", name)
    kept = corpus.unpack(name, build / "tests" / "fuzz" / "corpus" / name)
    assert len(kept) >= 10
    there = [*kept, *crashes(name), *(tmp_path / "seeds").iterdir()]
    done = replay(build / "tests" / "fuzz" / name, *there)
    assert done.returncode == 0, "\n".join(done.stderr.splitlines()[-20:])
    assert done.stdout == f"replayed {len(there)}\n"


def test_a_check_that_fails_ends_the_replay(tmp_path):
    """And what cannot be read does."""
    source, program = tmp_path / "canary.c", tmp_path / "canary"
    source.write_text(CANARY)
    (tmp_path / "good").write_text("four")
    (tmp_path / "bad").write_text("bad")
    output_of("cc", "-D_GNU_SOURCE", f"-I{HERE.parent.parent}", f"-I{HERE}", source, HERE / "lib/replay.c", "-o", program)
    assert replay(program, tmp_path / "good").stdout == "replayed 1\n"
    done = replay(program, tmp_path / "good", tmp_path / "bad")
    assert done.returncode == -signal.SIGABRT
    assert done.stderr.splitlines()[-2] == f"replay: {tmp_path}/bad"
    assert replay(program, tmp_path / "nothing").returncode == 1
