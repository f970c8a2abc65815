# SPDX-License-Identifier: Apache-2.0
"""The folder that feeds are fetched into: the files, and what is known of each.

::

    NAME.0123456789abcdef.zip   a key file; the digits are of its address, so that no server writes over another's
    .feed.jsonl                 what is known of each address (`bzd.feed.notes`)
    .part                       what is being fetched

A file appears under its name when it is whole and on the disk. What is known is written right after: if the power goes
between, the file is fetched once more and is the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from bzd.errors import BusyError, DiskFullError, FeedError
from bzd.feed import notes
from bzd.feed.address import Address
from bzd.feed.notes import Note
from bzd.matching.archive import MAX_FILE
from bzd.store.state import adopt, output_error, sync_directory

NOTES = ".feed.jsonl"
"""What is known of each address."""
PART = ".part"
"""What is being fetched; one at a time."""
MAX_FOLDER = 512 << 20
"""Bytes of all files: twice what a full archive a day, 500,000 keys in 19 MB, takes in 14 days. Each feed has its
share, so that one that fills it costs the others nothing."""
RESERVE = 256 << 20
"""Bytes that stay free on the disk, for the store is there too: five crowded days of it, of 50 MB each."""

_MODE = 0o644
"""Key files are public, and the badge's daemon reads them as another user."""
_FOLDER_MODE = 0o755
_STEM = re.compile(r"[^A-Za-z0-9_]+")
_STEM_LENGTH = 64
_DIGITS = 16


class Folder:
    """A folder that is fetched into; `opened` gives one.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        notes: what is known, by address.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes, self._lines = notes.read(path / NOTES)
        self._confirmed = False

    @staticmethod
    def name(address: Address) -> str:
        """What the file of an address is called."""
        stem = _STEM.sub("-", address.path.partition("?")[0].rpartition("/")[2][:-4])[-_STEM_LENGTH:].lstrip(
            "-"
        )  # no option of whoever writes `*`
        return f"{stem or 'keys'}.{hashlib.sha256(str(address).encode()).hexdigest()[:_DIGITS]}.zip"

    def note(self, address: Address) -> Note | None:
        """What is known of an address; None if nothing is, or somebody took its file away."""
        note = self.notes.get(str(address))
        if note is None or note.removed:
            return note
        try:
            return note if (self.path / note.file).stat().st_size == note.size else None
        except OSError:
            return None

    def require_room(self, feed: Address, share: int) -> None:
        """Refuse to fetch if the largest of all files would not fit.

        Args:
            feed: whose file it is.
            share: bytes that the files of its server may take.

        Raises:
            DiskFullError: if it is the disk's fault.
            FeedError: if its share is used up.
        """
        if shutil.disk_usage(self.path).free < RESERVE + MAX_FILE:
            raise DiskFullError(f"{self.path} takes no more key files: less than {RESERVE >> 20} MB would stay free")
        server = str(replace(feed, path="/"))
        taken = sum(note.size for note in self.notes.values() if not note.removed and note.url.startswith(server))
        if taken > share - MAX_FILE:
            raise FeedError(f"{feed}: no more is taken of it: its files take {taken >> 20} MB", "ask fewer feeds")

    @contextmanager
    def part(self) -> Iterator[Part]:
        """Something to receive into; `keep` gives it its name, and otherwise it goes when the block ends."""
        part = Part(self.path)
        try:
            yield part
        finally:
            part.drop()

    def keep(self, part: Part, note: Note) -> None:
        """Give what was received its name, and remember what is known of it.

        Raises:
            OutputError: if it cannot be written.
        """
        part.place(note.file)
        self._remember(note)

    def confirm(self, note: Note) -> None:
        """Remember of a file that is there already what was said of it now; `tidy` writes it."""
        self._confirmed |= self.notes[note.url] != note
        self.notes[note.url] = note

    def _remember(self, note: Note) -> None:
        path = self.path / NOTES
        try:
            with os.fdopen(self._appended(path), "ab") as file:
                file.write(note.line())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise output_error(path, error) from error
        self.notes[note.url] = note
        self._lines += 1

    def _appended(self, path: Path) -> int:
        """A file to append to, never by a link: root, too, may fetch into a folder that a service owns."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileExistsError):
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, _MODE)
            adopt(descriptor, self.path)
            return descriptor
        return os.open(path, flags)

    def tidy(self, named: Iterable[str], before: float | None) -> int:
        """Remove files that are old, and forget addresses that are of no use any more.

        An address that a feed still names is not forgotten with its file, or the file would come back for ever.

        Args:
            named: addresses that feeds name now.
            before: files that came before this go, unix seconds; None while no clock is known to be right.

        Returns:
            the number of files removed.

        Raises:
            OutputError: if one cannot be removed, or the notes cannot be written.
        """
        gone = [] if before is None else [*self._old(before)]
        for file in gone:
            self._remove(file)
        still = set(named)
        kept = {
            url: note.without_file() if note.file in gone else note
            for url, note in self.notes.items()
            if url in still or not (note.removed or note.file in gone)
        }
        if self._confirmed or kept != self.notes or self._lines > 2 * len(kept):
            self.notes, self._lines, self._confirmed = kept, len(kept), False
            with self.part() as part:
                part.write(b"".join(note.line() for note in kept.values()))
                part.place(NOTES)
        return len(gone)

    def _old(self, before: float) -> Iterator[str]:
        """Names of files that came before an instant: as noted, else by their own time if nothing is known of them."""
        noted = {note.file: note for note in self.notes.values()}
        for entry in os.scandir(self.path):
            if notes.FILE.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                note = noted.get(entry.name)
                came = entry.stat(follow_symlinks=False).st_mtime if note is None else note.fetched
                if came is not None and came < before:
                    yield entry.name

    def _remove(self, file: str) -> None:
        try:
            (self.path / file).unlink(missing_ok=True)
        except OSError as error:
            raise output_error(self.path / file, error) from error


class Part:
    """What is being received: a file as soon as there is a byte of it, so that asking in vain writes nothing.

    Args:
        folder: where it will be.

    Attributes:
        size: bytes received.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / PART
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of what was received, hex."""
        return self._digest.hexdigest()

    def write(self, piece: bytes | memoryview) -> None:
        """Receive some bytes.

        Raises:
            OutputError: if they cannot be written.
        """
        try:
            self._opened().write(piece)
        except OSError as error:
            raise output_error(self._path, error) from error
        self._digest.update(piece)
        self.size += len(piece)

    def place(self, name: str) -> None:
        """Give it its name, whole and onto the disk.

        Raises:
            OutputError: if it cannot be written.
        """
        try:
            file = self._opened()
            os.fchmod(file.fileno(), _MODE)
            adopt(file.fileno(), self._folder)
            file.flush()
            os.fsync(file.fileno())
            self._path.replace(self._folder / name)
            sync_directory(self._folder)
        except OSError as error:
            raise output_error(self._folder / name, error) from error

    def drop(self) -> None:
        """Let go of it; what has its name stays."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._path.unlink()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._path.unlink(missing_ok=True)  # left when the power went
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._path, flags, _MODE), "wb")
        return self._file


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """A folder to fetch into, which is made if it is not there; for one process at a time.

    Raises:
        OutputError: if it cannot be made or entered, or is a link.
        BusyError: if another process fetches into it.
    """
    try:
        new = not os.path.lexists(path)
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        # No link, by which root could be led out of a directory that is a service's.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise output_error(path, error) from error
    try:
        if new:
            adopt(descriptor, path.parent)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError(f"another bzd fetches into {path}") from error
        yield Folder(path)
    finally:
        os.close(descriptor)
