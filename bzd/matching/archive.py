# SPDX-License-Identifier: Apache-2.0
"""The outer form of a key file: a zip of `export.bin` and `export.sig`, or `export.bin` alone.

`export.bin` is a header of 16 bytes and a protocol buffer; `export.sig` is another protocol buffer with the signatures.
Source: google/exposure-notifications-server, internal/export/exportfile.go. Whoever sends a file chooses every byte of
it, so each size is bounded before memory is spent on it.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from bzd.errors import InputError

HEADER = b"EK Export v1    "
"""What export.bin begins with: 12 characters and 4 spaces (exportfile.go)."""
EXPORT_NAME, SIGNATURE_NAME = "export.bin", "export.sig"
MAX_FILE = 32 << 20
"""Bytes of a file: 500,000 keys, the most that servers put in one, take at most 19 MB even if nothing compresses."""
MAX_EXPORT = 64 << 20
"""Bytes of export.bin when decompressed: the same with room for fields that are not known here."""
MAX_SIGNATURES = 64 << 10
"""Bytes of export.sig when decompressed: one signature takes about 110."""

_MAX_MEMBERS = 64
_CENTRAL_ENTRY = b"PK\x01\x02"
"""What each entry of a zip's directory begins with (APPNOTE.TXT section 4.3.12)."""
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError, KeyError)
"""What `zipfile` raises on bytes that are no zip."""
_OTHER = (NotImplementedError, RuntimeError)
"""What `zipfile` raises on features that it does not have."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first instant that a zip can state: a file must not depend on when it was written."""
_HINT = "a key file is a zip of export.bin and export.sig, or export.bin alone"


def read_bytes(path: Path) -> bytes:
    """The bytes of a key file.

    Raises:
        InputError: if it cannot be read, or is larger than any key file.
    """
    try:
        with path.open("rb") as file:
            return limited_bytes(file, str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def limited_bytes(file: BinaryIO, name: str) -> bytes:
    """The bytes of an open key file.

    Raises:
        InputError: if it is larger than any key file.
    """
    data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise InputError(f"{name} is larger than {MAX_FILE >> 20} MB", "no key file is that large")
    return data


def unpack(data: bytes, name: str) -> tuple[bytes, bytes | None]:
    """export.bin and export.sig of a key file; None where it has no signatures.

    Args:
        data: the file.
        name: what to call it in errors.

    Raises:
        InputError: if it is no key file, or a zip bomb.
    """
    if data.startswith(HEADER):
        return _limited(data, name, EXPORT_NAME, MAX_EXPORT), None
    if data.count(_CENTRAL_ENTRY) > _MAX_MEMBERS:
        raise InputError(f"{name} holds more than {_MAX_MEMBERS} files", _HINT)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            export = _member(archive, name, EXPORT_NAME, MAX_EXPORT)
            signatures = _member(archive, name, SIGNATURE_NAME, MAX_SIGNATURES)
    except _DAMAGE as error:
        raise InputError(f"{name} is no key file: it is no zip, or a damaged one", _HINT) from error
    except _OTHER as error:
        raise InputError(f"{name} is a zip of a kind that no key file is", _HINT) from error
    if export is None:
        raise InputError(f"{name} is a zip without {EXPORT_NAME}", _HINT)
    if not export.startswith(HEADER):
        raise InputError(f"{EXPORT_NAME} in {name} does not begin with {HEADER.decode()!r}", _HINT)
    return export, signatures


def _member(archive: zipfile.ZipFile, name: str, member: str, limit: int) -> bytes | None:
    found = [info for info in archive.infolist() if info.filename == member]
    if not found:
        return None
    # Two of one name are read differently by different programs: one would verify what another matches.
    if len(found) > 1:
        raise InputError(f"{name} holds {member} more than once", _HINT)
    if found[0].compress_type not in _METHODS or found[0].flag_bits & _ENCRYPTED:
        raise InputError(f"{member} in {name} is encrypted, or packed in a way that no key file is", _HINT)
    with archive.open(found[0]) as stream:
        return _limited(stream.read(limit + 1), name, member, limit)


def _limited(data: bytes, name: str, member: str, limit: int) -> bytes:
    if len(data) > limit:
        raise InputError(f"{member} in {name} is larger than {limit >> 10} kB", "no key file is that large")
    return data


def pack(export: bytes, signatures: bytes | None) -> bytes:
    """A key file from export.bin and export.sig; the same bytes for the same input and version of zlib."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in ((EXPORT_NAME, export), (SIGNATURE_NAME, signatures)):
            if data is not None:
                info = zipfile.ZipInfo(name, _EPOCH)
                info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 0, 0
                archive.writestr(info, data)
    return buffer.getvalue()
