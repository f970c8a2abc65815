# SPDX-License-Identifier: Apache-2.0
"""`bzd replay` on real and simulated recordings: what it gives, and what it says."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from bzd.cli.replay_sink import Lines
from bzd.model import Advertisement
from bzd.traces.writer import JsonlWriter

REAL = ["dp3t-exp25/02.btsnoop", "dp3t-exp25/103.pklg", "dp3t-exp27/06.pklg", "dp3t-exp28/23.btsnoop"]


@pytest.mark.parametrize("name", REAL)
def test_a_real_capture_gives_the_same_twice_and_what_its_store_gives_back(
    bzd: Any, state: Path, shared: Path, name: str, stored: Any
) -> None:
    """A phone's recording: JSON Lines repeat byte for byte, and the store returns exactly those contacts."""
    capture = shared / "data/captures" / name
    first = bzd("replay", capture, "--jsonl")
    assert (first.code, bzd("replay", capture, "--jsonl").raw) == (0, first.raw)
    assert len(first.jsonl) > 0
    kept = bzd("replay", "--state", state, capture)
    assert (kept.code, kept.out) == (0, "")
    assert sorted(stored(state)) == sorted(first.out.splitlines())


def test_the_summary_says_what_was_read_and_taken(bzd: Any, shared: Path) -> None:
    """Reports, sightings, the scan period that was taken and from what, and contacts stand on stderr."""
    err = bzd("replay", shared / "data/captures/dp3t-exp28/23.btsnoop").err
    assert "bzd: 810 reports in " in err
    assert "bzd: 409 sightings of proximity IDs" in err
    assert "one listening every 301.1 s (scan commands" in err
    assert "bzd: 21 contacts shown" in err


def test_rotated_logs_are_one_recording(bzd: Any, heard: list[Advertisement], recording: Path, written: Any) -> None:
    """A log split in three, named in any order, gives the same contacts as the whole."""
    third = len(heard) // 3
    pieces = [heard[:third], heard[third : 2 * third], heard[2 * third :]]
    paths = [written(f"log{index}.btsnoop", piece) for index, piece in enumerate(pieces)]
    whole = bzd("replay", recording, "--jsonl")
    assert len(whole.jsonl) > 20
    split = bzd("replay", paths[2], paths[0], paths[1], "--jsonl")
    assert split.raw == whole.raw
    assert f"bzd: {len(heard):,} reports in " in split.err


def test_many_rotated_logs_need_few_files_open(
    bzd: Any, heard: list[Advertisement], recording: Path, monkeypatch: pytest.MonkeyPatch, written: Any
) -> None:
    """Fifty logs that do not overlap are never all open: at most two and the one that is being looked at."""
    size = len(heard) // 50 + 1
    paths = [written(f"{at}.log", heard[at : at + size]) for at in range(0, len(heard), size)]
    logs, most = set(map(os.path.realpath, paths)), 0
    take = Lines.take

    def counting(self: Lines, contact: Any) -> None:
        nonlocal most
        opened = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
        most = max(most, sum(path in logs for path in opened))
        take(self, contact)

    monkeypatch.setattr(Lines, "take", counting)
    assert bzd("replay", *paths, "--jsonl").raw == bzd("replay", recording, "--jsonl").raw
    assert 1 <= most <= 3


def test_formats_and_compression_do_not_matter(
    bzd: Any, tmp_path: Path, heard: list[Advertisement], recording: Path
) -> None:
    """The same hour as btsnoop, gzipped, and as JSON Lines gives the same contacts."""
    zipped = tmp_path / "hour.gz"
    zipped.write_bytes(gzip.compress(recording.read_bytes()))
    lines = tmp_path / "hour.jsonl"
    with lines.open("wb") as file:
        writer = JsonlWriter(file)
        for advertisement in heard:
            writer.write(advertisement)
    expected = bzd("replay", recording, "--jsonl").raw
    assert bzd("replay", zipped, "--jsonl").raw == expected
    assert bzd("replay", lines, "--jsonl").raw == expected


def test_a_cut_off_file_gives_what_it_holds(bzd: Any, recording: Path) -> None:
    """A recorder that died leaves contacts, a warning, and exit status 0."""
    data = recording.read_bytes()
    recording.write_bytes(data[: len(data) // 2 + 5])
    done = bzd("replay", recording, "--jsonl")
    assert done.code == 0
    assert len(done.jsonl) > 5
    assert "bzd: warning: " in done.err
    assert "cut off" in done.err


def test_a_clock_that_steps_back_is_said(bzd: Any, written: Any, sent: Any) -> None:
    """A step of the recorder's clock ends contacts and is counted."""
    path = written("t", sent([*range(100, 130), *range(30)]))
    done = bzd("replay", path, "--jsonl")
    assert len(done.jsonl) == 2
    assert "the clock stepped back 1 time" in done.err


@pytest.mark.parametrize(
    ("badges", "expected"),
    [
        ([], "no contact: there is no advertising report"),
        ([([0, 1], 127)], "no sighting has an RSSI that can be true"),
        ([([0], -60)], "1 ID had too few sightings, 1 sighting at most; --set proximity.min_sightings=1"),
        (
            [([0, 1], -97), ([2, 3], -99)],
            "2 IDs never came close enough, -97 dBm at best; --set proximity.min_rssi_dbm=-97",
        ),
    ],
)
def test_where_there_is_no_contact_it_says_why(
    bzd: Any, written: Any, sent: Any, badges: list[tuple[list[int], int]], expected: str
) -> None:
    """No contact is explained by the filter that took the IDs and the nearest miss."""
    heard = [report for index, (times, rssi) in enumerate(badges) for report in sent(times, rssi, bytes([index] * 16))]
    done = bzd("replay", written("t", heard))
    assert (done.code, done.out) == (0, "")
    assert expected in done.err


def test_where_no_proximity_id_is_heard_it_says_so(bzd: Any, written: Any) -> None:
    """A recording of other devices alone."""
    path = written("t", [Advertisement(1.6e9, "", None, -60, b"\x02\x01\x06")])
    assert "no contact: no report carries a proximity ID" in bzd("replay", path).err


def test_the_advice_for_no_contact_works(bzd: Any, written: Any, sent: Any) -> None:
    """What the explanation proposes with --set does give a contact."""
    path = written("t", [*sent([0, 1], -97)])
    assert bzd("replay", path, "--jsonl").out == ""
    assert len(bzd("replay", path, "--jsonl", "--set", "proximity.min_rssi_dbm=-97").jsonl) == 1


def test_dropped_sightings_are_counted_with_their_reason(bzd: Any, written: Any, sent: Any) -> None:
    """RSSI that cannot be true is dropped and the summary says how often."""
    path = written("t", [*sent(range(10)), *sent(range(10, 13), rssi=127)])
    assert "10 sightings of proximity IDs; dropped 3 with an RSSI that cannot be true" in bzd("replay", path).err


def test_time_offset_moves_every_time(bzd: Any, recording: Path) -> None:
    """A recorder two hours ahead is set right with -02:00."""
    plain, moved = (bzd("replay", recording, "--jsonl", *more).jsonl for more in ([], ["--time-offset", "-02:00"]))
    assert [contact["start"].replace("T09:", "T11:").replace("T10:", "T12:") for contact in moved] == [
        contact["start"] for contact in plain
    ]


@pytest.mark.parametrize("offset", ["2", "02:00", "+2h", "+02:99x", ""])
def test_a_wrong_offset_is_a_usage_error(bzd: Any, recording: Path, offset: str) -> None:
    """What is no ±HH:MM is refused with an example."""
    refused = bzd("replay", recording, "--time-offset", offset)
    assert (refused.code, "-02:00 or +05:30" in refused.err) == (2, True)


def test_scan_period_is_given_found_or_configured(bzd: Any, written: Any, sent: Any) -> None:
    """Bursts every five minutes: found in the trace, overridden by the option, else taken from the configuration."""
    bursts = sent([minute * 60 + second for minute in range(0, 60, 5) for second in range(4)])
    path = written("t", bursts)

    def minutes(*more: str) -> tuple[float, str]:
        done = bzd("replay", path, "--jsonl", *more)
        return sum(contact["duration_s"] for contact in done.jsonl) / 60, done.err

    found, said = minutes()
    assert found == pytest.approx(60, abs=1)
    assert "one listening every 300 s (gaps between 12 bursts of reports)" in said
    given, said = minutes("--scan-period", "0")
    assert given < 1
    assert "continuous listening (--scan-period)" in said
    configured, said = minutes("--set", "scan.period_s=60")
    assert 10 < configured < 20
    assert "one listening every 60 s (--set)" in said


@pytest.mark.parametrize("period", ["often", "-1", "nan", "3601"])
def test_a_wrong_scan_period_is_a_usage_error(bzd: Any, recording: Path, period: str) -> None:
    """Anything but auto and seconds is refused."""
    refused = bzd("replay", recording, "--scan-period", period)
    assert (refused.code, "write auto, or seconds" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], 2), (["-", "-"], 2), (["nowhere"], 4), (["."], 4), (["x", "--speed", "0"], 2), (["x", "--speed", "-1"], 2)],
)
def test_wrong_command_lines_are_refused(bzd: Any, arguments: list[str], code: int) -> None:
    """One error, one hint, the documented exit code."""
    refused = bzd("replay", *arguments)
    assert refused.code == code
    assert refused.err.count("bzd: error: ") == refused.err.count("bzd: hint: ") == 1


def test_a_trace_that_holds_the_same_twice_says_how_much(bzd: Any, state: Path, written: Any, heard: Any) -> None:
    """When the clock steps back to what was heard before, table, store and summary agree on the contacts."""
    once = len(bzd("replay", written("once", heard), "--jsonl").out.splitlines())
    path = written("twice", [*heard, *heard])
    shown = bzd("replay", path)
    assert f"{once} contacts shown; --state DIR keeps them; dropped " in shown.err
    assert f"{once} heard twice, from the same instant on" in shown.err
    assert "the clock stepped back 1 time" in shown.err
    assert len(shown.out.splitlines()) == 1 + once
    assert f"{once} contacts sealed" in bzd("replay", "--state", state, path).err
    assert len(bzd("contacts", "--state", state, "--jsonl").out.splitlines()) == once
