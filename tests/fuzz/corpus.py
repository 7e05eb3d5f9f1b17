# SPDX-License-Identifier: MIT
"""A harness's corpus: one archive in the tree, files where a harness reads them.

The same inputs give the same bytes of an archive, whoever packs them, where and when.
"""
import io
import shutil
import tarfile

from paths import TESTS

DIRECTORY = TESTS / "fuzz" / "corpus"


def archive(name):
    return DIRECTORY / f"{name}.tar"


def names():
    return sorted(path.stem for path in DIRECTORY.iterdir())


def pack(name, paths):
    """Replaces the archive by one of these files."""
    with tarfile.open(archive(name), "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(paths, key=lambda path: path.name):
            member, data = tarfile.TarInfo(path.name), path.read_bytes()
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def unpack(name, directory):
    """The files, in a directory that holds nothing else; returns their paths."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    if not archive(name).exists():  # of a new harness
        return []
    paths = []
    with tarfile.open(archive(name)) as tar:
        for member in tar:
            path = directory / member.name
            assert path.parent == directory and member.isreg(), member.name
            path.write_bytes(tar.extractfile(member).read())
            paths.append(path)
    return paths
