# SPDX-License-Identifier: Apache-2.0
"""What `bzd trace info` gathers."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.model import Advertisement
from bzd.protocols import recognise
from bzd.traces.formats import recognise as recognise_format
from bzd.traces.listening import ScanLog, bursts_of, estimate
from bzd.traces.source import ByteStream
from bzd.traces.statistics import Distinct, Statistics, gather
from bzd.traces.trace import Trace
from bzd.traces.writer import JsonlWriter

IDENTIFIED = [bytes.fromhex("03036ffd17166ffd") + bytes([number]) * 20 for number in range(3)]


def _gathered(advertisements: list[Advertisement]) -> Statistics:
    file = io.BytesIO()
    writer = JsonlWriter(file)
    for advertisement in advertisements:
        writer.write(advertisement)
    stream = ByteStream(io.BytesIO(file.getvalue()).read)
    return gather(Trace("test", stream, recognise_format(stream)))


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Advertisement,
            st.integers(0, 4000).map(float),
            st.sampled_from(["", "11:22:33:44:55:66", "11:22:33:44:55:67"]),
            st.none(),
            st.none() | st.integers(-128, 127),
            st.sampled_from([b"", b"\2\1\6", *IDENTIFIED]),
            st.none(),
        )
    )
)
def test_the_fast_way_equals_the_plain_one(advertisements: list[Advertisement]) -> None:
    """Whatever the order of times, the numbers equal those of counting one thing after another."""
    found = _gathered(advertisements)
    times = [advertisement.time for advertisement in advertisements]
    identifiers = [identifier for advertisement in advertisements for identifier in recognise(advertisement.data)]
    assert (found.first, found.last) == ((min(times), max(times)) if times else (None, None))
    assert found.rssi == Counter(advertisement.rssi for advertisement in advertisements)
    assert len(found.addresses) == len({advertisement.address for advertisement in advertisements} - {""})
    gaen = found.protocols.get("gaen")
    assert (gaen.sightings if gaen else 0) == len(identifiers)
    assert (len(gaen.ids) if gaen else 0) == len({identifier.rolling_id for identifier in identifiers})
    if times:
        assert found.scan_period == estimate(ScanLog(), bursts_of(times))


def test_distinct_values_are_bounded() -> None:
    """Beyond its limit a count says that it is a lower bound; a value seen before changes nothing."""
    distinct = Distinct(2)
    for value in ("a", "b", "a"):
        distinct.add(value)
    assert (len(distinct), distinct.exact) == (2, True)
    distinct.add("c")
    assert (len(distinct), distinct.exact) == (2, False)


def test_more_payloads_than_are_kept_at_once(build: Any) -> None:
    """20,000 different payloads are all counted."""
    head = bytes.fromhex("03036ffd17166ffd")
    advertisements = [
        Advertisement(build.time, "", None, -60, head + number.to_bytes(20, "little")) for number in range(20_000)
    ]
    found = _gathered(advertisements).protocols["gaen"]
    assert (found.sightings, len(found.ids), found.ids.exact) == (20_000, 20_000, True)
