# SPDX-License-Identifier: MIT
"""bpf(2) on fds that one has been given, by ctypes alone."""
import ctypes
import errno
import os
import struct

SYS_BPF = 321  # x86_64
MAP_LOOKUP, MAP_UPDATE, PROG_TEST_RUN = 1, 2, 10
PROG_GET_FD_BY_ID, MAP_GET_FD_BY_ID, OBJ_GET_INFO, MAP_FREEZE = 13, 14, 15, 22

LIBC = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    """Returns what the kernel returns, and the attributes as it left them."""
    buffer = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    result = LIBC.syscall(SYS_BPF, command, buffer, len(buffer))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result, buffer.raw


def address(buffer):
    return ctypes.addressof(buffer)


def info(fd, size=232):
    buffer = ctypes.create_string_buffer(size)
    bpf(OBJ_GET_INFO, struct.pack("<IIQ", fd, size, address(buffer)))
    return buffer.raw


def prog_id(fd):
    return struct.unpack_from("<I", info(fd), 4)[0]


def is_gpl(prog):
    return bool(info(prog)[84] & 1)


def map_types(fd):
    """Its BTF, and in that the types of its keys and values; 0: none."""
    return struct.unpack_from("<III", info(fd, 80), 64)


def map_id(fd):
    return struct.unpack_from("<I", info(fd, 88), 4)[0]


def prog_map_ids(fd):
    """The ids of the maps that the program uses."""
    ids = (ctypes.c_uint32 * 8)()
    buffer = ctypes.create_string_buffer(232)
    # nr_map_ids and map_ids stand behind created_by_uid, at 52 and 56.
    struct.pack_into("<IQ", buffer, 52, 8, ctypes.addressof(ids))
    bpf(OBJ_GET_INFO, struct.pack("<IIQ", fd, 232, address(buffer)))
    return list(ids[: struct.unpack_from("<I", buffer, 52)[0]])


def prog_exists(id_):
    return _exists(PROG_GET_FD_BY_ID, id_)


def map_exists(id_):
    return _exists(MAP_GET_FD_BY_ID, id_)


def _exists(command, id_):
    try:
        fd, _ = bpf(command, struct.pack("<I", id_))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    os.close(fd)
    return True


def lookup(fd, index, value_size):
    key = ctypes.create_string_buffer(struct.pack("<I", index), 4)
    value = ctypes.create_string_buffer(value_size)
    bpf(MAP_LOOKUP, struct.pack("<I4xQQ", fd, address(key), address(value)))
    return value.raw


def update(fd, index, value):
    key = ctypes.create_string_buffer(struct.pack("<I", index), 4)
    data = ctypes.create_string_buffer(value, len(value))
    bpf(MAP_UPDATE, struct.pack("<I4xQQQ", fd, address(key), address(data), 0))


def freeze(fd):
    bpf(MAP_FREEZE, struct.pack("<I", fd))


def test_run(fd, frame):
    """What the program returns for this Ethernet frame."""
    data = ctypes.create_string_buffer(frame, len(frame))
    attr = struct.pack("<IIIIQQII", fd, 0, len(frame), 0, address(data), 0, 1, 0)
    return struct.unpack_from("<I", bpf(PROG_TEST_RUN, attr)[1], 4)[0]


test_run.__test__ = False  # no test of pytest's
