# SPDX-License-Identifier: Apache-2.0
"""`bzd status`, and asking a badge to pause that is not there."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bzd.daemon import runtime
from bzd.errors import DiskFullError, OutputError

Bzd = Callable[..., Any]
Write = Callable[..., None]

STATUS: dict[str, Any] = {
    "schema": "bzd.status/1",
    "version": "1.0",
    "running": True,
    "pid": 7,
    "words": "listening (full), advertising",
    "updated_boottime": 0.0,
    "uptime_s": 7300.0,
    "radio": {"adapter": "hci0", "protocol": "gaen", "mode": "full", "last_heard_ago_s": 1.2, "troubles": {}},
    "paused": False,
    "paused_until": None,
    "sightings_per_minute": 240,
    "neighbours": [{"rssi": -50, "ago_s": 0.4}, {"rssi": -83, "ago_s": 12.0}],
    "contacts_today": 12,
    "contacts_waiting": 0,
    "store": {"path": "/var/lib/bzd", "bytes": 1_200_000},
    "troubles": {},
    "clock": {"synced": True, "now": "2027-01-15T08:00:00.000Z"},
    "dropped": {"too_few_sightings": 3, "own_ids": 0},
    "config_error": None,
    "matching": {"words": "by itself: 3 key files matched", "refused": {}, "trouble": None},
}
"""What a daemon says of itself."""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a status such as the daemon's, with changes."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))

    def put(**changes: Any) -> None:
        found = STATUS | {"updated_boottime": time.clock_gettime(time.CLOCK_BOOTTIME)}
        runtime.write(tmp_path / "status.json", json.dumps(found | changes))

    return put


@pytest.mark.parametrize("lacking", ["radio", "store", "neighbours", "clock", "dropped", "config_error", "pid"])
def test_a_daemon_that_was_not_restarted_since_an_upgrade(bzd: Bzd, write: Write, tmp_path: Path, lacking: str) -> None:
    """It may lack what this version shows: that is said, with the remedy."""
    write()
    found = json.loads((tmp_path / runtime.STATUS_FILE).read_text(encoding="utf-8"))
    del found[lacking]
    runtime.write(tmp_path / runtime.STATUS_FILE, json.dumps(found))
    result = bzd("status")
    assert (result.code, result.out) == (6, "")
    assert "the running badge is another version of bzd (1.0)" in result.err
    assert "systemctl restart bzd" in result.err


def test_whom_it_is_sealed_to(bzd: Bzd, write: Write) -> None:
    """Every fingerprint, own keys' only where they are others; a change since the store was made is a warning."""
    write(sealed_to={"contacts": ["aaaa", "bbbb"], "own_keys": ["aaaa", "bbbb"], "changed": []})
    result = bzd("status")
    assert (result.code, result.out.count("sealed to"), result.out.count("own keys")) == (0, 2, 0)
    write(
        sealed_to={"contacts": ["aaaa"], "own_keys": ["cccc"], "changed": ["it is sealed to 2 public keys, but to 1"]}
    )
    result = bzd("status")
    assert result.code == 0
    assert "own keys   cccc" in result.out
    assert "warning    it is sealed to 2 public keys, but to 1" in result.out


def test_all_is_well(bzd: Bzd, write: Write) -> None:
    """In words: radio, who is near, contacts, store, clock, what was dropped."""
    write()
    result = bzd("status")
    assert result.code == 0
    for words in (
        "listening (full), advertising",
        "2 badges, the strongest at -50 dBm",
        "12 today",
        "1.2 MB",
        "3 too few sightings",
        "for 2 hours",
    ):
        assert words in result.out
    assert "problem" not in result.out


def test_a_terminal_breaks_lines_between_words(bzd: Bzd, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """What continues stands below what was said; a pipe gets it in one line."""
    trouble = "the system bus cannot be reached: No such file or directory; `bzd doctor` says what to do about it"
    write(troubles={"store": trouble})
    assert f"problem    {trouble}\n" in bzd("status").out
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("bzd.cli.output.on_terminal", lambda: True)
    lines = bzd("status").out.splitlines()
    assert max(map(len, lines)) <= 60
    first = next(number for number, line in enumerate(lines) if line.startswith("problem    "))
    assert all(line.startswith(" " * 11) for line in lines[first + 1 :])
    assert " ".join(line[11:] for line in lines[first:]) == trouble


def test_json_is_what_the_daemon_wrote(bzd: Bzd, write: Write) -> None:
    """Nothing is added, nothing left out."""
    write(updated_boottime=1e12)
    assert bzd("status", "--json").json == STATUS | {"updated_boottime": 1e12}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"config_error": "bzd.toml: unknown key"}, "systemctl reload bzd"),
        ({"troubles": {"store": "cannot write: the disk is full"}}, "the disk is full"),
        (
            {"radio": STATUS["radio"] | {"troubles": {"radio": "hci0 is off; turn it on"}}},
            "problem    hci0 is off; turn",
        ),
        ({"updated_boottime": 0.0}, "systemctl restart bzd"),
        ({"matching": {"words": "by itself", "refused": {}, "trouble": "no rule named fair"}}, "cannot match: no rule"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(bzd: Bzd, write: Write, changes: dict[str, Any], words: str) -> None:
    """And the exit code tells, for whoever asks forty badges."""
    write(**changes)
    result = bzd("status")
    assert result.code == 1
    assert words in result.out
    assert bzd("status", "--json").code == 1


def test_how_it_matches(bzd: Bzd, write: Write) -> None:
    """By itself or not, and which key files are not used; that is no fault of the badge."""
    write(matching={"words": "by itself", "refused": {"bad\x1b[2J.zip": "it is no key file"}, "trouble": None})
    result = bzd("status")
    assert result.code == 0
    assert "matching   by itself\n" in result.out
    assert "zip is not used: it is no key file" in result.out
    assert "\x1b" not in result.out


def test_a_pause_is_no_fault(bzd: Bzd, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said until when by the clock on the wall, or how to end it."""
    write(paused=True, paused_until="2027-01-15T09:00:00.000Z")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert "paused until 2027-01-15 09:00:00 UTC" in bzd("status").out
    write(paused=True)
    assert "bzd resume" in bzd("status").out
    assert bzd("status").code == 0


def test_a_clock_that_is_not_right_is_said(bzd: Bzd, write: Write) -> None:
    """With what that means for contacts."""
    write(clock={"synced": False, "now": "1970-01-01T00:00:10.000Z"})
    assert "not known to be right" in bzd("status").out


def test_who_may_not_see_it_is_told_how_to(bzd: Bzd, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group bzd may, without root; others learn which group, and not that no badge runs."""
    write()

    def closed(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(runtime, "read_status", closed)
    for form in ((), ("--json",), ("--watch",)):
        result = bzd("status", *form)
        assert (result.code, result.out) == (6, "")
        assert "join the group bzd" in result.err


@pytest.mark.parametrize("content", ["", "{}", '{"running":false}', '{"running":true,"schema":"bzd.status/9"}'])
def test_no_badge_or_another_version(bzd: Bzd, write: Write, tmp_path: Path, content: str) -> None:
    """Code 6, and how to start it."""
    write()
    (tmp_path / "status.json").write_text(content)
    result = bzd("status")
    assert result.code == 6
    assert "systemctl" in result.err


def test_watch_ends_with_the_badge(bzd: Bzd, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is near, strength as a bar and last heard, again and again, and what is wrong; no names."""
    write(config_error="bzd.toml: unknown key")
    monkeypatch.setattr("bzd.cli.status.time.sleep", lambda _: (tmp_path / "status.json").unlink())
    result = bzd("status", "--watch")
    assert result.code == 6
    near, far = (line for line in result.out.splitlines() if "dBm  " in line)
    assert near.count("#") == 17
    assert far.count("#") == 6
    assert "  0 s ago" in near
    assert " 12 s ago" in far
    assert "problem    bzd.toml: unknown key" in result.out
    assert bzd("status", "--watch", "--json").code == 2


@pytest.mark.parametrize("words", [("pause",), ("pause", "--for", "1h"), ("resume",)])
def test_nobody_to_pause(bzd: Bzd, fill: Any, words: tuple[str, ...]) -> None:
    """Without a daemon there is nothing to silence: code 6, said at once."""
    result = bzd(*words, "--state", fill())
    assert result.code == 6
    assert "no bzd runs" in result.err
    assert bzd("pause", "--for", "soon", "--state", fill(name="other")).code == 2


def test_a_card_that_takes_no_request(bzd: Bzd, fill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wearer who cannot be heard, since the card is full, is told what silences the badge all the same."""
    state = fill()

    def full(*_: object, **__: object) -> str:
        raise DiskFullError("cannot write store.sqlite: the disk is full")

    monkeypatch.setattr("bzd.store.requests.ask", full)
    result = bzd("pause", "--state", state)
    assert result.code == DiskFullError.exit_code
    assert "does not say that it is paused: cannot write store.sqlite: the disk is full" in result.err
    assert "systemctl stop bzd" in result.err


def test_a_wearer_without_sudo_is_told_of_it(bzd: Bzd, fill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not write where the badge looks is no badge that does not answer."""
    state = fill()
    denied = PermissionError(errno.EACCES, "Permission denied")

    def refuse(*_: object, **__: object) -> int:
        raise denied

    monkeypatch.setattr("bzd.store.lock.os.open", refuse)
    for verb in ("pause", "resume"):
        result = bzd(verb, "--state", state)
        assert result.code == OutputError.exit_code
        assert f"cannot write {state / 'store.lock'}: Permission denied" in result.err
        assert "with sudo" in result.err
        assert "systemctl" not in result.err
