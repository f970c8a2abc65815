# SPDX-License-Identifier: Apache-2.0
"""Files that are written completely or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bzd.cli import files
from bzd.errors import DiskFullError, InputError, OutputError


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    """Until the block ends there is no file under the name, afterwards it is there, for its owner alone."""
    path = tmp_path / "out"
    with files.output_file(path) as stream:
        stream.write(b"half")
        assert not path.exists()
        stream.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(28, "No space left on device"), InputError("bad")])
def test_a_failure_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    """Neither a part nor a changed older file remains, whatever went wrong."""
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def write() -> None:
        with files.output_file(path, force=True) as stream:
            stream.write(b"new")
            raise failure

    with pytest.raises((DiskFullError, KeyboardInterrupt, InputError)):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    """The hint names --force exactly where there is one."""
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="exists") as refused, files.output_file(path, force=False):
        pass
    assert "--force" in refused.value.hint
    with pytest.raises(OutputError, match="exists") as refused, files.output_file(path):
        pass
    assert "--force" not in refused.value.hint
    with files.output_file(path, force=True) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"


def test_devices_and_pipes_are_written_in_place(tmp_path: Path) -> None:
    """A pipe stays a pipe: it is not replaced by a file of its name."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with files.output_file(path) as stream:
        stream.write(b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What a link names is written; the link stays."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with files.output_file(link, force=True) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "what"), [(".", "is a directory"), ("no/such", "No such file"), ("x" * 300, "too long")]
)
def test_where_nothing_can_be_written(tmp_path: Path, name: str, what: str) -> None:
    """The error names the path and the reason."""
    with pytest.raises(OutputError, match=what), files.output_file(tmp_path / name):
        pass


def test_a_full_disk() -> None:
    """What does not fit is reported as that, not as success."""
    with pytest.raises(DiskFullError, match="/dev/full"), files.output_file(Path("/dev/full")) as stream:
        stream.write(b"x")


def test_text_is_utf8_and_its_line_ends_are_kept(tmp_path: Path) -> None:
    """Text files have the same guarantees and hold what was written, byte for byte."""
    with files.text_file(tmp_path / "text") as stream:
        stream.write("Tür\r\n\n")
    assert (tmp_path / "text").read_bytes() == b"T\xc3\xbcr\r\n\n"


def test_small_files_are_small(tmp_path: Path) -> None:
    """A file that cannot be what it should be is not read into memory; what cannot be read is named."""
    path = tmp_path / "big"
    path.write_bytes(bytes(files.SMALL_BYTES))
    assert files.read_small(path, "passphrase file") == bytes(files.SMALL_BYTES)
    path.write_bytes(bytes(files.SMALL_BYTES + 1))
    with pytest.raises(InputError, match="is no passphrase file"):
        files.read_small(path, "passphrase file")
    with pytest.raises(InputError, match=r"cannot read the passphrase file .*: Is a directory"):
        files.read_small(tmp_path, "passphrase file")
