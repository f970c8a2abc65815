# SPDX-License-Identifier: Apache-2.0
"""What commands print: messages on stderr, data on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from bzd.clock import rfc3339

if TYPE_CHECKING:  # its dataclasses take 4 ms of `bzd --help`
    from bzd.model import Contact

CONTACT_SCHEMA = "bzd.contact/1"
"""`schema` of one contact in JSON Lines."""
CONTACTS_SCHEMA = "bzd.contacts/1"
"""`schema` of the object that `--json` prints for contacts."""


def error(message: str) -> None:
    """Print `bzd: error: message` on stderr."""
    _message("error: ", message)


def hint(message: str) -> None:
    """Print `bzd: hint: message` on stderr."""
    _message("hint: ", message)


def warning(message: str) -> None:
    """Print `bzd: warning: message` on stderr."""
    _message("warning: ", message)


def note(message: str) -> None:
    """Print `bzd: message` on stderr."""
    _message("", message)


def plain(text: str) -> None:
    """Print text of several lines, such as help, on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  this is how bzd speaks


def _message(kind: str, message: str) -> None:
    # After the data: on a terminal, and where both go to one file, the order then is that of the program.
    sys.stdout.flush()
    print(f"bzd: {kind}{printable(message)}", file=sys.stderr, flush=True)  # noqa: T201  this is how bzd speaks


def printable(text: str) -> str:
    r"""Text from outside (file names, labels) on one line and without control characters: those become `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def line(text: str = "") -> None:
    """Write one line to stdout."""
    sys.stdout.write(text + "\n")


def on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def local(seconds: float) -> str:
    """UTC unix seconds as local time with its zone, for tables and sentences."""
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))


def json_text(value: Any) -> str:
    """A value as JSON on one line that does nothing to a terminal: JSON itself would escape only the oldest codes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text if text.isprintable() else json.dumps(value, separators=(",", ":"), allow_nan=False)


def contact_json(contact: Contact) -> dict[str, Any]:
    """A contact with the field names of the JSON contract; times RFC 3339, durations in seconds, RSSI in dBm."""
    return {
        "protocol": contact.protocol,
        "rolling_id": contact.rolling_id.hex(),
        "metadata": contact.metadata.hex(),
        "start": rfc3339(contact.start),
        "end": rfc3339(contact.end),
        "duration_s": round(contact.duration_s, 3),
        "near_s": round(contact.near_s, 3),
        "sightings": contact.sightings,
        "rssi_max": contact.rssi_max,
        "rssi_mean": round(contact.rssi_mean, 3),
        "distance_m": None if contact.distance_m is None else round(contact.distance_m, 2),
        "synced": contact.synced,
        "scans": [
            [round(scan.offset_s, 3), round(scan.seconds, 3), scan.sightings, scan.rssi_mean, scan.rssi_max]
            for scan in contact.scans
        ],
    }


def jsonl(schema: str, value: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """Write one object as a line of JSON Lines, its `schema` first, to stdout or another stream."""
    (stream or sys.stdout).write(json_text({"schema": schema, **value}) + "\n")


def json_list(schema: str, name: str, values: Iterable[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """Write `{"schema":…,name:[…]}` as it comes, one element a line, to stdout or another stream."""
    stream = stream or sys.stdout
    stream.write(f"{{{json_text('schema')}:{json_text(schema)},{json_text(name)}:[")
    separator = "\n"
    for value in values:
        stream.write(separator + json_text(value))
        separator = ",\n"
    stream.write("\n]}\n")
