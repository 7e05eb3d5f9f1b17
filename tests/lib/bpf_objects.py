# SPDX-License-Identifier: MIT
"""Which BPF programs and maps in the kernel are one uid's, whoever holds them.

So a broker's are told from those of others that run on the same machine.
"""
import os
import struct

import bpf_fd

PROG_GET_NEXT_ID = 11
CREATED_BY_UID = 48  # in struct bpf_prog_info


def program_ids():
    id_ = 0
    while True:
        try:
            _, attr = bpf_fd.bpf(PROG_GET_NEXT_ID, struct.pack("<I", id_))
        except OSError:
            return
        (id_,) = struct.unpack_from("<I", attr, 4)
        yield id_


def maps_of_program(id_, uid):
    """The ids of its maps; None: it has gone, or another uid loaded it."""
    try:
        fd, _ = bpf_fd.bpf(bpf_fd.PROG_GET_FD_BY_ID, struct.pack("<I", id_))
    except OSError:
        return None
    try:
        (by,) = struct.unpack_from("<I", bpf_fd.info(fd), CREATED_BY_UID)
        return bpf_fd.prog_map_ids(fd) if by == uid else None
    finally:
        os.close(fd)


def of_uid(uid):
    """{id of a program: ids of its maps}"""
    found = {id_: maps_of_program(id_, uid) for id_ in program_ids()}
    return {id_: maps for id_, maps in found.items() if maps is not None}


def count(uid):
    """(programs, maps)"""
    found = of_uid(uid)
    return len(found), sum(map(len, found.values()))
