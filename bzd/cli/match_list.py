# SPDX-License-Identifier: Apache-2.0
"""`bzd match --list`: what is in key files, and whether they verify.

A file in JSON (`bzd.keyfile/1` as a line, in the list `files` of `bzd.keyfiles/1`) has::

    file                  its path
    keys, revised         numbers of keys, and of keys of which news is published; padding is among them
    skipped               entries that were left out: reason to number
    first, last           when the first key begins and the last one ends, RFC 3339, or null without keys
    report_types          report type to number of keys
    region                whose keys they are
    start, end            when they were uploaded, RFC 3339
    batch_num, batch_size which file of its batch it is
    signers               list of key_id, version and algorithm that its signatures name
    verified              true, false, or null where no key was given or there is no signature
    verified_by           the file of the key that it verifies with, or null
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from bzd.cli import match_files, output, table
from bzd.cli.match_files import Source
from bzd.cli.table import Column
from bzd.clock import rfc3339
from bzd.errors import InputError
from bzd.matching.keyfile import KeyFile
from bzd.matching.signing import VerifyKey

FILE_SCHEMA = "bzd.keyfile/1"
"""`schema` of one file in JSON Lines."""
FILES_SCHEMA = "bzd.keyfiles/1"
"""`schema` of the object that `--json` prints."""


class Listed(NamedTuple):
    """What is shown of a file, which itself may be large: as JSON, and the cells of the table.

    Attributes:
        data: see above.
        row: the cells.
    """

    data: dict[str, Any]
    row: list[str]


def show(sources: Sequence[Source], keys: Sequence[VerifyKey], now: float, form: str | None) -> None:
    """Write what is in the files to stdout.

    Raises:
        InputError: once all is written, if a file cannot be read or does not verify with the keys given.
    """
    reading = match_files.Reading(sources, lambda source: _listed(source, keys, now))
    found = list(reading)
    reading.require_some()
    if form == "json":
        output.json_list(FILES_SCHEMA, "files", (item.data for item in found))
    elif form == "jsonl":
        for item in found:
            output.jsonl(FILE_SCHEMA, item.data)
    else:
        _table(found)
    reading.require_all()
    wrong = [item.data["file"] for item in found if item.data["verified"] is False]
    if wrong:
        names = ", ".join(wrong[:3]) + (", …" if len(wrong) > 3 else "")
        raise InputError(f"{len(wrong)} of {len(found)} files do not verify: {names}", "do not use them")


def _listed(source: Source, keys: Sequence[VerifyKey], now: float) -> Listed:
    try:
        file = match_files.read(source, keys, now, allow_unsigned=True)
        verified = True if file.verified_by else None
    except InputError:
        # Damaged, which the second reading says, or not verified.
        file = match_files.read(source, (), now, allow_unsigned=True)
        verified = False
    data = _data(file, verified=verified)
    return Listed(data, _row(file, data))


def _data(file: KeyFile, *, verified: bool | None) -> dict[str, Any]:
    together = (*file.keys, *file.revised)
    return {
        "file": file.name,
        "keys": len(file.keys),
        "revised": len(file.revised),
        "skipped": dict(file.skipped),
        "first": rfc3339(min(key.start for key in together)) if together else None,
        "last": rfc3339(max(key.end for key in together)) if together else None,
        "report_types": dict(sorted(Counter(key.report_type.name.lower() for key in together).items())),
        "region": file.region,
        "start": _time(file.start),
        "end": _time(file.end),
        "batch_num": file.batch_num,
        "batch_size": file.batch_size,
        "signers": [
            {"key_id": signer.key_id, "version": signer.version, "algorithm": signer.algorithm}
            for signer in file.signers
        ],
        "verified": verified,
        "verified_by": None if file.verified_by is None else file.verified_by.name,
    }


_YEAR_10000 = 253_402_300_800
"""Where RFC 3339 ends (section 1: years 0000 to 9999), unix seconds. The file may claim any 64-bit number."""


def _time(seconds: float) -> str | None:
    return rfc3339(seconds) if 0 <= seconds < _YEAR_10000 else None


def _table(found: Sequence[Listed]) -> None:
    numbers = ("keys", "revised", "skipped")
    titles = ("file", *numbers, "first day", "last day", "region", "batch", "signed by", "verifies")
    table.show([Column(title, right=title in numbers) for title in titles], [item.row for item in found])


def _row(file: KeyFile, data: dict[str, Any]) -> list[str]:
    unknown = "not checked" if file.signers else "unsigned"
    verifies = {True: f"yes, with {data['verified_by']}", False: "NO", None: unknown}
    return [
        file.name,
        str(data["keys"]),
        str(data["revised"]),
        str(sum(file.skipped.values())),
        (data["first"] or "-")[:10],
        # The day of the last instant that a key holds for, not the midnight that ends it.
        rfc3339(max(key.end for key in (*file.keys, *file.revised)) - 1)[:10] if data["last"] else "-",
        file.region or "-",
        f"{file.batch_num} of {file.batch_size}",
        "; ".join(map(str, file.signers)) or "-",
        verifies[data["verified"]],
    ]
