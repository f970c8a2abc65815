# SPDX-License-Identifier: Apache-2.0
"""Whether a state directory is on the machine that it was made for.

A card that is copied after its badge first started carries the same store, identity and signing key to every copy, and
so does its machine-id. What a copy does not carry is the board: a Raspberry Pi states its serial number in the device
tree. So the state directory keeps a file, `machine`, that tells board and machine-id by hashes which only this store
has, and whoever starts on another board is told.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from pathlib import Path

from bzd.digest import sha256
from bzd.store.state import write_new

MACHINE_FILE = "machine"
"""In the state directory."""
BOARD = "sys/firmware/devicetree/base/serial-number"
"""The board's serial number (Devicetree Specification 0.4 section 2.3, root node); absent on PCs."""
MACHINE_ID = "etc/machine-id"
"""Of the installation (machine-id(5), which asks that it be shown by keyed hashes only)."""

_LONGEST = 4096


class Home(Enum):
    """Where a state directory finds itself."""

    OWN = "the machine it was made on"
    OTHER = "another machine"
    UNKNOWN = "nobody noted on which machine it was made"


def note(state: Path, store_id: bytes, root: Path = Path("/")) -> Home:
    """Compare with what was noted; where nothing was, note this machine, if it tells anything.

    Args:
        state: the state directory.
        store_id: of its store.
        root: where the machine's files are found.

    Raises:
        OutputError: if it cannot be noted.
    """
    found = compare(state, store_id, root)
    marks = _marks(store_id, root)
    if found is not Home.UNKNOWN or not marks or (state / MACHINE_FILE).exists():
        return found
    write_new(state / MACHINE_FILE, "".join(f"{line}\n" for line in marks).encode())
    return Home.OWN


def compare(state: Path, store_id: bytes, root: Path = Path("/")) -> Home:
    """Compare this machine with what was noted; the board decides, the machine-id only where no board has a number."""
    try:
        noted = (state / MACHINE_FILE).read_text(encoding="ascii")[:_LONGEST].split("\n")
    except (OSError, ValueError):
        return Home.UNKNOWN
    before = dict(line.split(" ", 1) for line in noted if " " in line)
    now = dict(line.split(" ", 1) for line in _marks(store_id, root))
    for kind in ("board", "machine-id"):
        if kind in before or kind in now:
            return Home.OWN if before.get(kind) == now.get(kind) else Home.OTHER
    return Home.UNKNOWN


def _marks(store_id: bytes, root: Path) -> list[str]:
    """A line `kind hash` for each thing that tells this machine."""
    lines = []
    for kind, path in (("board", BOARD), ("machine-id", MACHINE_ID)):
        with suppress(OSError):
            with (root / path).open("rb") as file:
                told = file.read(_LONGEST).strip(b"\0\n ")
            if told:
                digest = sha256(b"bzd machine\0" + store_id + kind.encode() + b"\0" + told)
                lines.append(f"{kind} {digest.hex()}")
    return lines
