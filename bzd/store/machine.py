# SPDX-License-Identifier: Apache-2.0
"""Whether a state directory is on the machine that it was made for.

A card that is copied after its badge first started carries the same store, identity and signing key to every copy, and
so does its machine-id. What a copy does not carry is the board: a Raspberry Pi states its serial number in the device
tree. So the state directory keeps a file, `machine`, that tells board and machine-id by hashes which only this store
has, and whoever starts on another board is told. It also tells which of several copies on one machine is the badge's
own: the one whose store file was made, or opened by a daemon, under this very inode number. `bzd init` makes the note
in the state directory of its machine, so that a card is told also if it is copied before the badge first runs; of any
other directory, which may be on another badge's card, the daemon does.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from pathlib import Path

from bzd.digest import sha256
from bzd.store.state import STORE_FILE, output_error, write_new

MACHINE_FILE = "machine"
"""In the state directory."""
BOARD = "sys/firmware/devicetree/base/serial-number"
"""The board's serial number (Devicetree Specification 0.4 section 2.3, root node); absent on PCs."""
MACHINE_ID = "etc/machine-id"
"""Of the installation (machine-id(5), which asks that it be shown by keyed hashes only)."""

_LONGEST = 4096
_PLACE = "place"


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
    if found is Home.OTHER or not marks or (found is Home.UNKNOWN and (state / MACHINE_FILE).exists()):
        return found
    place = _place(state, store_id)
    if found is Home.UNKNOWN:
        _write(state, [*marks, *place])
    elif place != [line for line in _noted(state) if line.startswith(f"{_PLACE} ")]:
        _write(state, [line for line in _noted(state) if line and not line.startswith(f"{_PLACE} ")] + place)
    return Home.OWN


def is_original(state: Path, store_id: bytes, root: Path = Path("/")) -> bool:
    """Whether this very directory was noted on this machine: neither a copy from elsewhere nor one made here.

    Where nothing tells that, the answer is no.
    """
    own = compare(state, store_id, root) is Home.OWN
    return own and any(line in _noted(state) for line in _place(state, store_id))


def compare(state: Path, store_id: bytes, root: Path = Path("/")) -> Home:
    """Compare this machine with what was noted; the board decides, the machine-id only where no board has a number."""
    if not _noted(state):
        return Home.UNKNOWN
    before = dict(line.split(" ", 1) for line in _noted(state) if " " in line)
    now = dict(line.split(" ", 1) for line in _marks(store_id, root))
    for kind in ("board", "machine-id"):
        if kind in before or kind in now:
            return Home.OWN if before.get(kind) == now.get(kind) else Home.OTHER
    return Home.UNKNOWN


def _noted(state: Path) -> list[str]:
    """The lines of the note; none where there is none that can be read."""
    try:
        return (state / MACHINE_FILE).read_text(encoding="ascii")[:_LONGEST].split("\n")
    except (OSError, ValueError):
        return []


def _write(state: Path, lines: list[str]) -> None:
    new = state / f".{MACHINE_FILE}.new"
    try:
        new.unlink(missing_ok=True)
        write_new(new, "".join(f"{line}\n" for line in lines).encode())
        new.replace(state / MACHINE_FILE)
    except OSError as error:
        raise output_error(state / MACHINE_FILE, error) from error


def _place(state: Path, store_id: bytes) -> list[str]:
    """A line that tells the store file from its copies; none where there is no store."""
    try:
        inode = (state / STORE_FILE).stat().st_ino
    except OSError:
        return []
    return [_line(_PLACE, store_id, str(inode).encode())]


def _line(kind: str, store_id: bytes, told: bytes) -> str:
    digest = sha256(b"bzd machine\0" + store_id + kind.encode() + b"\0" + told)
    return f"{kind} {digest.hex()}"


def _marks(store_id: bytes, root: Path) -> list[str]:
    """A line `kind hash` for each thing that tells this machine."""
    lines = []
    for kind, path in (("board", BOARD), ("machine-id", MACHINE_ID)):
        with suppress(OSError):
            with (root / path).open("rb") as file:
                told = file.read(_LONGEST).strip(b"\0\n ")
            if told:
                lines.append(_line(kind, store_id, told))
    return lines
