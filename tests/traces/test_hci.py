# SPDX-License-Identifier: Apache-2.0
"""HCI packets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.model import Advertisement
from bzd.protocols import recognise
from bzd.traces.counts import TraceCounts
from bzd.traces.hci import HciDecoder
from bzd.traces.listening import ScanLog


@pytest.fixture
def counts() -> TraceCounts:
    """Fresh counters."""
    return TraceCounts()


@pytest.fixture
def hci(counts: TraceCounts) -> HciDecoder:
    """A fresh decoder."""
    return HciDecoder(counts, ScanLog())


def _data(found: Sequence[Advertisement]) -> list[bytes]:
    return [advertisement.data for advertisement in found]


@pytest.mark.parametrize(("kind", "name"), [(0, "public"), (1, "random"), (2, "public"), (3, "random"), (9, None)])
def test_address_types(build: Any, hci: HciDecoder, kind: int, name: str | None) -> None:
    """Identity addresses count as what they are; unknown types are None. Legacy and extended reports agree."""
    assert hci.event(1.0, build.event(kind=kind))[0].address_type == name
    assert hci.event(1.0, build.extended(kind=kind))[0].address_type == name


@pytest.mark.parametrize("rssi", [-128, -127, -1, 0, 20, 127])
def test_rssi_arrives_as_it_is(build: Any, hci: HciDecoder, rssi: int) -> None:
    """No RSSI is dropped or changed here, true or not."""
    assert hci.event(1.0, build.event(rssi=rssi))[0].rssi == rssi
    assert hci.event(1.0, build.extended(rssi=rssi))[0].rssi == rssi


def test_several_reports_in_one_event(build: Any, hci: HciDecoder) -> None:
    """Each report of an event is given, in order."""
    one, other = build.event(b"\2\1\6", -50)[4:], build.event(b"", -70)[4:]
    event = bytes((0x3E, 2 + len(one + other), 2, 2)) + one + other
    assert [(found.data, found.rssi) for found in hci.event(1.0, event)] == [(b"\2\1\6", -50), (b"", -70)]


def test_what_is_whole_in_a_broken_event_is_given(build: Any, hci: HciDecoder, counts: TraceCounts) -> None:
    """An event that claims more reports than it holds gives those it holds, and counts once as malformed."""
    report = build.event(b"\2\1\6", -50)[4:]
    event = bytes((0x3E, 2 + len(report), 2, 3)) + report
    assert _data(hci.event(1.0, event)) == [b"\2\1\6"]
    assert counts.malformed == 1


@pytest.mark.parametrize("cut", range(1, 45))
def test_a_cut_event_is_malformed(build: Any, hci: HciDecoder, counts: TraceCounts, cut: int) -> None:
    """An event shorter than its length says gives nothing and is counted."""
    event = build.event()
    assert len(event) == 45
    assert hci.event(1.0, event[:cut]) in ((), [])
    assert counts.malformed == 1


def test_bytes_behind_an_event_are_left_alone(build: Any, hci: HciDecoder) -> None:
    """Padding behind the length does not disturb."""
    assert hci.event(1.0, build.event() + b"\0\0\0")[0].data == build.data
    assert hci.event(1.0, build.event() + b"\0\0\0")[0].rssi == -60


def test_directed_reports_have_no_data(build: Any, hci: HciDecoder) -> None:
    """An LE Directed Advertising Report is an advertisement without data."""
    report = b"\x01\x01" + build.raw_address + b"\x01" + bytes(6) + b"\xc0"
    event = bytes((0x3E, 2 + len(report), 0x0B, 1)) + report
    assert hci.event(1.0, event) == [Advertisement(1.0, build.address, "random", -64, b"")]


def test_anonymous_advertisers_have_no_address(build: Any, hci: HciDecoder) -> None:
    """Address type 0xFF means that there is no address."""
    found = hci.event(1.0, build.extended(kind=0xFF, address=bytes(6)))[0]
    assert (found.address, found.address_type) == ("", None)


def test_tx_power(build: Any, hci: HciDecoder) -> None:
    """The report's own tx power comes first, then that of the AD structure; 127 is none."""
    stated = b"\x02\x0a\xf4"
    assert hci.event(1.0, build.extended(tx_power=8))[0].tx_power == 8
    assert hci.event(1.0, build.extended(stated, tx_power=8))[0].tx_power == 8
    assert hci.event(1.0, build.extended(stated))[0].tx_power == -12
    assert hci.event(1.0, build.event(stated))[0].tx_power == -12
    assert hci.event(1.0, build.event(b"\x04\x09\x02\x0a\x05"))[0].tx_power is None


def test_fragments_are_joined(build: Any, hci: HciDecoder) -> None:
    """Data in three pieces is given once, whole, with the last piece's time and RSSI."""
    assert hci.event(1.0, build.extended(b"\1" * 229, status=1)) == []
    assert hci.event(1.1, build.extended(b"\2" * 229, status=1)) == []
    found = hci.event(1.2, build.extended(b"\3", -40, status=0))
    assert _data(found) == [b"\1" * 229 + b"\2" * 229 + b"\3"]
    assert (found[0].time, found[0].rssi) == (1.2, -40)


def test_data_truncated_by_the_controller_is_given(build: Any, hci: HciDecoder, counts: TraceCounts) -> None:
    """Status 2 means that nothing more comes: what came is used and counted."""
    hci.event(1.0, build.extended(b"\1\2", status=1))
    assert _data(hci.event(1.0, build.extended(b"\3", status=2))) == [b"\1\2\3"]
    assert counts.truncated_data == 1


def test_scan_commands_are_noted(counts: TraceCounts) -> None:
    """Starts of both kinds are noted; stops, and scans that listen 2 % of the time, are no starts."""
    scans = ScanLog()
    hci = HciDecoder(counts, scans)
    for time, command in enumerate(
        [
            "010c200201" + "00",  # LE Set Scan Enable, on
            "010c200200" + "00",  # off
            "0142200601" + "0000000000",  # LE Set Extended Scan Enable, on
            "0142200600" + "0000000000",  # off
            "014120080300" + "01" + "01" + "8013" + "5800",  # LE Set Extended Scan Parameters: window 88, interval 4992
            "0142200601" + "0000000000",
            "010b200701" + "1000" + "1000" + "0000",  # LE Set Scan Parameters: window as long as interval
            "010c200201" + "00",
        ]
    ):
        assert hci.h4(float(time), bytes.fromhex(command)) == ()
    assert scans.starts == [0.0, 2.0, 7.0]


def test_events_posted_by_others(shared: Path) -> None:
    """Two real events, of an Android phone and an iPhone, give their published RSSI and one identifier each."""
    lines = (shared / "data/captures/misc/en_hci_hexdumps.txt").read_text().splitlines()
    events = [bytes.fromhex(line) for line in lines if line.startswith("04 3E")]
    hci = HciDecoder(TraceCounts(), ScanLog())
    found = [hci.h4(0.0, event)[0] for event in events]
    assert [advertisement.rssi for advertisement in found] == [-72, -70]
    assert [recognise(advertisement.data)[0].protocol for advertisement in found] == ["gaen", "gaen"]


@settings(deadline=None)
@given(st.data())
def test_the_short_way_equals_the_long_one(build: Any, data: st.DataObject) -> None:
    """Events of one report, sound or damaged, give the same whether recognised from memory or taken apart."""
    payload = data.draw(st.binary(max_size=40) | st.just(b"\x02\x0a\x04"))
    rssi, kind = data.draw(st.integers(-128, 127)), data.draw(st.sampled_from([0, 1, 2, 9, 0xFF]))
    power, status = data.draw(st.sampled_from([127, 4, -4])), data.draw(st.integers(0, 3))
    events = [build.event(payload, rssi, kind=kind)]
    events.append(build.extended(payload, rssi, kind=kind, tx_power=power, status=status))
    event = bytearray(data.draw(st.sampled_from(events)))
    if data.draw(st.booleans()):
        event[data.draw(st.integers(0, len(event) - 1))] = data.draw(st.integers(0, 255))
    short, long = HciDecoder(TraceCounts(), ScanLog()), HciDecoder(TraceCounts(), ScanLog())
    assert list(short.event(1.0, bytes(event))) == list(long._event(1.0, bytes(event), 0, 0))
    assert short._counts == long._counts
