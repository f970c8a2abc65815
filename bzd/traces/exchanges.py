# SPDX-License-Identifier: Apache-2.0
"""What the host asked of its controller and what that answered, from a recording of the Linux monitor (`btmon -w`).

The readers of `bzd.traces` give out what was heard; this one gives out what a radio was told to do, which is how one
sees what it sent itself. Source: Core specification Vol 4 Part E 5.4.1 (commands), 7.7.14 (Command Complete), 7.7.15
(Command Status); BlueZ, doc/btsnoop-protocol (opcodes of the monitor).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from bzd.errors import TraceError
from bzd.traces import btsnoop, monitor
from bzd.traces.source import ByteStream

GONE = -1
"""In place of an opcode: the controller was switched off or taken away, and does nothing any more."""

_DELETED, _CLOSED = 1, 9
"""Opcodes of the monitor: the adapter is gone; it was switched off."""
_COMMAND_COMPLETE, _COMMAND_STATUS = 0x0E, 0x0F
_COMMAND = struct.Struct("<HB")
_COMPLETE = struct.Struct("<BBBHB")  # event, length, number of commands, opcode, status
_STATUS = struct.Struct("<BBBBH")  # event, length, status, number of commands, opcode
_MICRO = 1e6


class Exchange(NamedTuple):
    """A command and its answer, or `GONE`.

    Attributes:
        time: of the answer, unix seconds by the host's clock.
        opcode: of the command; `GONE` for none.
        parameters: of the command.
        status: of the answer: 0 for success (Core specification Vol 1 Part F 1.3).
        returned: return parameters after the status.
    """

    time: float
    opcode: int
    parameters: bytes = b""
    status: int = 0
    returned: bytes = b""


def exchanges(stream: ByteStream, adapter: int) -> Iterator[Exchange]:
    """The exchanges of one adapter, in order of the answers; commands without one are left out.

    Args:
        stream: the recording; one that ends in the middle of a record ends there.
        adapter: number of it, 0 for hci0.

    Raises:
        TraceError: if it is no recording of the Linux monitor.
    """
    header = stream.take(btsnoop.FILE_HEADER.size)
    if len(header) < btsnoop.FILE_HEADER.size or not header.startswith(btsnoop.MAGIC):
        raise TraceError("what btmon wrote is no btsnoop file")
    if btsnoop.FILE_HEADER.unpack(header)[2] != btsnoop.MONITOR:
        raise TraceError("what btmon wrote is no recording of the Linux monitor")
    asked: dict[int, bytes] = {}
    for (_, _, flags, _, stamp), packet in stream.framed(btsnoop.RECORD_HEADER, 1):
        if flags >> 16 != adapter:
            continue
        time, kind = (stamp - btsnoop.EPOCH_US) / _MICRO, flags & 0xFFFF
        if kind == monitor.COMMAND and len(packet) >= _COMMAND.size:
            asked[_COMMAND.unpack_from(packet)[0]] = packet[_COMMAND.size :]
        elif kind == monitor.EVENT and (answer := _answer(packet)) is not None:
            opcode, status, returned = answer
            if opcode in asked:
                yield Exchange(time, opcode, asked.pop(opcode), status, returned)
        elif kind in {_DELETED, _CLOSED}:
            asked.clear()
            yield Exchange(time, GONE)


def _answer(event: bytes) -> tuple[int, int, bytes] | None:
    """Opcode, status and return parameters of the command that an event answers; None if it answers none."""
    if len(event) >= _COMPLETE.size and event[0] == _COMMAND_COMPLETE:
        _, _, _, opcode, status = _COMPLETE.unpack_from(event)
        return opcode, status, event[_COMPLETE.size :]
    if len(event) >= _STATUS.size and event[0] == _COMMAND_STATUS:
        _, _, status, _, opcode = _STATUS.unpack_from(event)
        return opcode, status, b""
    return None
