# SPDX-License-Identifier: Apache-2.0
"""What the host asked of its controller, from recordings of the Linux monitor."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.errors import TraceError
from bzd.traces import btsnoop
from bzd.traces.exchanges import GONE, Exchange, exchanges
from bzd.traces.source import ByteStream
from tests.doctor.snoop import Snoop

RESET, SET_RANDOM_ADDRESS = 0x0C03, 0x2005


def test_commands_come_with_their_answers() -> None:
    """In order of the answers, each with status and what it returned; other adapters' are another matter."""
    snoop = Snoop(1000.0)
    snoop.ask(RESET, b"")
    snoop.ask(SET_RANDOM_ADDRESS, b"abcdef", status=0x0C, adapter=1)
    snoop.ask(SET_RANDOM_ADDRESS, b"ABCDEF", status=0x0C)
    snoop.ask(0x1001, b"", returned=b"version")
    assert list(exchanges(snoop.stream(), 0)) == [
        Exchange(1001.0, RESET),
        Exchange(1003.0, SET_RANDOM_ADDRESS, b"ABCDEF", 0x0C),
        Exchange(1004.0, 0x1001, b"", 0, b"version"),
    ]
    assert [each.status for each in exchanges(snoop.stream(), 1)] == [0x0C]


def test_an_answer_may_be_a_status() -> None:
    """Command Status, as refusals often come; an answer to nothing, and a command without an answer, are left out."""
    snoop = Snoop()
    snoop.record(2, struct.pack("<HB", 0x2042, 0))
    snoop.record(3, struct.pack("<BBBBH", 0x0F, 4, 0x0C, 1, 0x2042))
    snoop.record(3, struct.pack("<BBBBH", 0x0F, 4, 0x00, 1, 0x2042))
    snoop.record(2, struct.pack("<HB", RESET, 0))
    snoop.record(3, bytes.fromhex("3e02ff00"))
    assert [(each.opcode, each.status) for each in exchanges(snoop.stream(), 0)] == [(0x2042, 0x0C)]


@pytest.mark.parametrize("kind", [1, 9])
def test_a_controller_that_went_is_told(kind: int) -> None:
    """Switched off or unplugged: what it was asked before is answered no more."""
    snoop = Snoop()
    snoop.record(2, struct.pack("<HB", RESET, 0))
    snoop.record(kind, b"")
    snoop.record(3, struct.pack("<BBBHB", 0x0E, 4, 1, RESET, 0))
    assert [each.opcode for each in exchanges(snoop.stream(), 0)] == [GONE]


def test_other_files_are_refused() -> None:
    """An HCI log without a monitor's opcodes, and what is no btsnoop at all."""
    with pytest.raises(TraceError, match="monitor"):
        list(exchanges(Snoop(datalink=btsnoop.HCI).stream(), 0))
    with pytest.raises(TraceError, match="no btsnoop"):
        list(exchanges(ByteStream(lambda _: b""), 0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.binary(max_size=12))), st.binary(max_size=30))
def test_any_records_do(records: list[tuple[int, bytes]], tail: bytes) -> None:
    """Whatever the packets hold, and wherever the file ends, there is no traceback."""
    snoop = Snoop()
    for kind, packet in records:
        snoop.record(kind, packet)
    blocks = [tail, snoop.stream().peek(1 << 16)]
    found = list(exchanges(ByteStream(lambda _: blocks.pop() if blocks else b""), 0))
    assert all(each.opcode >= GONE for each in found)
