# SPDX-License-Identifier: Apache-2.0
"""Bytes of a trace: blocks, gzip, pipes, files that cannot be read."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import resource
import struct
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bzd.errors import InputError, TraceError
from bzd.traces import open_trace
from bzd.traces.source import BLOCK, ByteStream
from bzd.traces.trace import content_sha256

FRAME = struct.Struct(">H")


def _dripping(data: bytes, seed: int) -> ByteStream:
    """A stream that gives its bytes in pieces of chance size, as a pipe may."""
    file, chance = io.BytesIO(data), random.Random(seed)
    return ByteStream(lambda size: file.read(min(size, chance.randint(1, 9))))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30)), st.integers(), st.binary(max_size=1))
def test_frames_do_not_depend_on_the_blocks(bodies: list[bytes], seed: int, rest: bytes) -> None:
    """However the bytes arrive, the same records come out, and half a header behind them is noticed."""
    data = b"".join(FRAME.pack(len(body) + 2) + body for body in bodies)
    stream = _dripping(data + rest, seed)
    assert [body for _, body in stream.framed(FRAME, 0, 2)] == bodies
    assert (stream.problem is not None) == bool(rest)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b""))), st.integers())
def test_lines_do_not_depend_on_the_blocks(lines: list[bytes], seed: int) -> None:
    """However the bytes arrive, the same lines come out, those of more than 8 bytes as None."""
    data = b"".join(line + b"\n" for line in lines)
    assume(not data.startswith(b"\x1f\x8b"))  # that is gzip, not lines
    stream = _dripping(data, seed)
    assert list(stream.lines(8)) == [line if len(line) <= 8 else None for line in lines]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers())
def test_gzip_members_are_one_stream(parts: list[bytes], seed: int) -> None:
    """Several gzip members one after another are read through, padding behind them ignored."""
    stream = _dripping(b"".join(map(gzip.compress, parts)) + bytes(7), seed)
    assert stream.take(10_000) == b"".join(parts)


def test_gzip_is_read_through(build: Any, reads: Any) -> None:
    """A gzipped trace gives what the trace gives."""
    whole = build.btsnoop([build.h4(build.event())] * 100)
    assert reads(gzip.compress(whole)).advertisements == reads(whole).advertisements


def test_cut_gzip_gives_what_it_holds(build: Any, reads: Any) -> None:
    """A gzip stream cut anywhere gives records and a warning, or is refused where it holds nothing; never more."""
    chance = random.Random(1)
    events = [build.h4(build.event(chance.randbytes(31), -60)) for _ in range(50)]
    packed = gzip.compress(build.btsnoop(events))
    most = 0
    for end in range(20, len(packed), 7):
        try:
            read = reads(packed[:end])
        except TraceError:
            continue
        assert "gzip stream is cut off" in read.problem
        assert len(read.advertisements) >= most
        most = len(read.advertisements)
    assert most > 40


def test_damaged_gzip_gives_what_comes_before(build: Any, reads: Any) -> None:
    """Damage in the middle of a gzip stream ends it with a warning; at its start it is refused."""
    chance = random.Random(2)
    whole = build.btsnoop([build.h4(build.event(chance.randbytes(31), -60)) for _ in range(40_000)])
    packed = bytearray(gzip.compress(whole, 1))
    middle = len(packed) // 2
    packed[middle : middle + 64] = bytes(64)
    read = reads(bytes(packed))
    assert "damaged" in read.problem
    assert 0 < len(read.advertisements) < 40_000
    with pytest.raises(TraceError, match="gzip stream is damaged"):
        reads(b"\x1f\x8b\x08\0" + b"\xff" * 100)


def test_a_gzip_bomb_takes_no_memory(reads: Any) -> None:
    """Two gigabytes of zeros from a small file are refused as what they are, without being held."""
    zeros = gzip.compress(bytes(1 << 20), 9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TraceError, match="unknown format"):
        reads(zeros * 2048)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KiB


def test_memory_does_not_grow_with_the_file(build: Any, tmp_path: Path) -> None:
    """Reading 30 MB takes less than 8 MB beyond what a small trace takes."""
    packet = build.h4(build.event())
    record = build.btsnoop([packet])[16:]
    path = tmp_path / "long"
    path.write_bytes(build.btsnoop([]) + record * (30_000_000 // len(record)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open_trace(str(path)) as trace:
        reports = sum(1 for _ in trace)
    assert reports == 30_000_000 // len(record)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024  # KiB


def test_blocks_that_end_anywhere_in_a_record(build: Any, reads: Any) -> None:
    """A file of several blocks gives every record, those across the seams too."""
    packet = build.h4(build.event())
    number = 3 * BLOCK // len(packet)
    assert len(reads(build.btsnoop([packet] * number)).advertisements) == number


def test_a_pipe_is_read_as_it_comes(build: Any, tmp_path: Path) -> None:
    """A record is given while the writer still holds the pipe open."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    whole = build.btsnoop([build.h4(build.event())] * 2)
    half = len(whole) // 2 + 8
    seen = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(whole[:half])
            assert seen.wait(10)
            pipe.write(whole[half:])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with open_trace(str(path)) as trace:
            advertisements = iter(trace)
            next(advertisements)
            seen.set()
            assert len(list(advertisements)) == 1
    finally:
        seen.set()
        writer.join(10)


def test_standard_input(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(build.btsnoop([build.h4(build.event())]))))
    with open_trace("-") as trace:
        assert len(list(trace)) == 1
        assert trace.name == "-"


def test_a_terminal_is_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` on a terminal would wait for ever and is refused."""

    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))
    with pytest.raises(InputError, match="terminal"):
        open_trace("-")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing files, directories, empty files and impossible names are errors that name them."""
    (tmp_path / "empty").touch()
    (tmp_path / "empty.gz").write_bytes(gzip.compress(b""))
    for name, said in (("none", "No such file"), ("", "is a directory"), ("empty", "empty"), ("empty.gz", "empty")):
        with pytest.raises(InputError, match=said) as caught:
            open_trace(str(tmp_path / name))
        assert str(tmp_path) in str(caught.value)
    with pytest.raises(InputError):
        open_trace("a\0b")


def test_an_error_of_the_disk_is_an_input_error(tmp_path: Path) -> None:
    """What the operating system says while reading becomes an error that names the file."""
    path = tmp_path / "unreadable"
    path.symlink_to("/proc/self/mem")  # whose first page cannot be read: EIO
    with pytest.raises(InputError, match="unreadable"):
        open_trace(str(path))


def test_a_trace_is_named_by_its_content(build: Any, tmp_path: Path) -> None:
    """The hash is that of all bytes, gzipped or not, those behind damage too, whether the trace is decoded or not."""
    whole = build.btsnoop([build.h4(build.event())] * 9000) + b"\xff" * 3 * BLOCK
    for name, content in (("plain", whole), ("packed", gzip.compress(whole))):
        path = tmp_path / name
        path.write_bytes(content)
        assert content_sha256(str(path)) == hashlib.sha256(whole).digest()
        with open_trace(str(path), hashed=True) as trace:
            assert sum(1 for _ in trace) == 9000
            assert trace.problem is not None
            assert trace.sha256() == hashlib.sha256(whole).digest()


def test_progress_counts_stored_bytes(build: Any, tmp_path: Path) -> None:
    """It grows from nearly nothing to all of the file, gzipped or not; a pipe has none."""
    chance = random.Random(3)
    whole = build.btsnoop([build.h4(build.event(chance.randbytes(31))) for _ in range(20_000)])
    for name, content in (("plain", whole), ("packed", gzip.compress(whole))):
        path = tmp_path / name
        path.write_bytes(content)
        with open_trace(str(path)) as trace:
            seen = [trace.progress or (-1, -1) for _ in trace]
        assert seen == sorted(seen)
        assert seen[0][0] < len(content) // 2
        assert seen[-1] == (len(content), len(content))
    os.mkfifo(tmp_path / "pipe")
    feeder = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(whole,))
    feeder.start()
    with open_trace(str(tmp_path / "pipe")) as trace:
        assert {trace.progress for _ in trace} == {None}
    feeder.join()
