# SPDX-License-Identifier: Apache-2.0
"""What holds for any sightings: against a plain reference, in any order within a second, however time is advanced."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.model import Contact, Sighting
from bzd.proximity.tracker import Tracker

Sight = Callable[..., Sighting]
Track = Callable[..., list[Contact]]
MakeTracker = Callable[..., Tracker]

MIDNIGHT = 1_600_128_000.0
_GAPS = st.one_of(st.floats(0, 2), st.floats(0, 40), st.floats(0, 400), st.sampled_from([25.0, 60.0, 360.0]))
_PERIODS = st.sampled_from([0.0, 15.0, 150.0, 270.0])
_EXAMPLES = settings(deadline=None, max_examples=150)


@st.composite
def _sightings(draw: st.DrawFn, ids: int = 3) -> list[Sighting]:
    """Sightings in order of time, around a midnight, with gaps of all interesting lengths."""
    time = MIDNIGHT - draw(st.floats(0, 900))
    found = []
    for gap, name, rssi in draw(
        st.lists(st.tuples(_GAPS, st.integers(1, ids), st.integers(-110, -30)), min_size=1, max_size=60)
    ):
        time += gap
        found.append(Sighting(time, "gaen", name.to_bytes(16, "big"), b"meta", rssi))
    return found


def _reference(sightings: Sequence[Sighting], period: float) -> list[tuple[float, float, list[tuple[float, int]]]]:
    """Start, end and (seconds, sightings) of each piece of one ID's runs, straight from the package docstring."""
    beside = max(25_000, int(period * 1500))
    pieces: list[dict[str, list[int]]] = []
    last = None
    for sighting in sightings:
        now = int(sighting.time * 1000 + 0.5)
        if last is None or now - last > 360_000:
            pieces.append({"bounds": [now, now], "first": [now], "last": [now], "since": [-1], "extra": [0], "n": [1]})
        elif now // 86_400_000 != last // 86_400_000:
            cut, near = now // 86_400_000 * 86_400_000, now - last <= beside
            pieces[-1]["bounds"][1] = cut if near else last
            pieces[-1]["extra"][-1] = cut - last if near else 0
            pieces.append(
                {"bounds": [cut if near else now, now], "first": [now], "last": [now], "extra": [0], "n": [1]}
            )
            pieces[-1]["since"] = [cut if near else -1]
        elif now - last > 25_000 or now - pieces[-1]["first"][-1] >= 60_000:
            piece = pieces[-1]
            piece["first"].append(now)
            piece["last"].append(now)
            piece["since"].append(last if now - last <= beside else -1)
            piece["extra"].append(0)
            piece["n"].append(1)
        else:
            pieces[-1]["n"][-1] += 1
        pieces[-1]["last"][-1] = pieces[-1]["bounds"][1] = last = now
    return [
        (
            piece["bounds"][0] / 1000,
            piece["bounds"][1] / 1000,
            [
                (_stands_for(first, end, since, int(period * 1000)) / 1000 + extra / 1000, count)
                for first, end, since, extra, count in zip(
                    piece["first"], piece["last"], piece["since"], piece["extra"], piece["n"], strict=True
                )
            ],
        )
        for piece in pieces
    ]


def _stands_for(first: int, last: int, since: int, period: int) -> int:
    if not period:
        return last - (since if since >= 0 else first)
    return min(last - since if since >= 0 else max(period, last - first), 300_000)


@_EXAMPLES
@given(sightings=_sightings(ids=1), period=_PERIODS)
def test_equals_the_reference(sightings: list[Sighting], period: float, track: Track) -> None:
    """With an open filter, every piece has the bounds, seconds and sightings that the documented rules give."""
    contacts = track(sightings, scan_period_s=period, min_sightings=1, min_rssi_dbm=-126)
    found = [(c.start, c.end, [(s.seconds, s.sightings) for s in c.scans]) for c in contacts]
    expected = _reference(sightings, period)
    for (start, end, scans), (start_, end_, scans_) in zip(found, expected, strict=True):
        assert (start, end) == (start_, end_)
        assert [(round(seconds, 3), count) for seconds, count in scans_] == scans


@_EXAMPLES
@given(sightings=_sightings())
def test_duration_never_exceeds_the_span(sightings: list[Sighting], track: Track) -> None:
    """In continuous listening a contact never lasts longer than from its start to its end."""
    for contact in track(sightings, min_sightings=1, min_rssi_dbm=-126):
        assert contact.duration_s <= round(contact.end - contact.start, 3)
        assert 0 <= contact.near_s <= contact.duration_s


@_EXAMPLES
@given(sightings=_sightings(ids=40), capacity=st.sampled_from([16, 4096]))
def test_sightings_are_conserved(sightings: list[Sighting], capacity: int, make_tracker: MakeTracker) -> None:
    """Every sighting is at any time in a contact, dropped with a reason, or still tracked."""
    tracker, handed_out = make_tracker(max_tracked=capacity), 0
    for number, sighting in enumerate(sightings, 1):
        handed_out += sum(contact.sightings for contact in tracker.feed(sighting))
        counts = tracker.counts
        dropped = counts.too_few_sightings + counts.too_weak_sightings + counts.evicted_sightings
        assert number == counts.sightings == handed_out + dropped + tracker.pending
        assert handed_out == counts.contact_sightings
    tracker.finish()
    assert tracker.pending == 0


@_EXAMPLES
@given(sightings=_sightings(ids=40), capacity=st.sampled_from([16, 4096]), data=st.data())
def test_order_within_a_second_changes_nothing(
    sightings: list[Sighting], capacity: int, data: st.DataObject, track: Track
) -> None:
    """Sightings that arrive up to a second late give the same contacts, even while the table overflows."""
    delays = data.draw(st.lists(st.floats(0, 0.99), min_size=len(sightings), max_size=len(sightings)))
    arrival = sorted(zip(sightings, delays, strict=True), key=lambda pair: pair[0].time + pair[1])
    shuffled = [sighting for sighting, _ in arrival]
    assert track(shuffled, max_tracked=capacity) == track(sightings, max_tracked=capacity)


@_EXAMPLES
@given(sightings=_sightings(ids=40), capacity=st.sampled_from([16, 4096]), data=st.data())
def test_advance_changes_nothing(
    sightings: list[Sighting], capacity: int, data: st.DataObject, make_tracker: MakeTracker
) -> None:
    """Timer ticks between sightings, and looking at open contacts, change neither contacts nor counts."""
    quiet, ticked = make_tracker(max_tracked=capacity), make_tracker(max_tracked=capacity)
    plain = [contact for sighting in sightings for contact in quiet.feed(sighting)] + quiet.finish()
    contacts: list[Contact] = []
    for sighting in sightings:
        contacts += ticked.advance(sighting.time + data.draw(st.floats(-500, 1.0)))
        list(ticked.open_contacts())
        contacts += ticked.feed(sighting)
    contacts += ticked.finish()
    assert sorted(contacts, key=lambda contact: contact.key) == sorted(plain, key=lambda contact: contact.key)
    assert ticked.counts == quiet.counts


@_EXAMPLES
@given(sightings=_sightings(ids=5), data=st.data())
def test_any_times_at_all_are_survived(sightings: list[Sighting], data: st.DataObject, track: Track) -> None:
    """Times in any order, impossible ones included, give contacts that are sound in themselves."""
    times = data.draw(st.lists(st.floats(), min_size=len(sightings), max_size=len(sightings)))
    mixed = [s._replace(time=t) if i % 2 else s for i, (s, t) in enumerate(zip(sightings, times, strict=True))]
    for contact in track(mixed, min_sightings=1):
        assert contact.start <= contact.end
        offsets = [scan.offset_s for scan in contact.scans]
        assert offsets == sorted(offsets)
        assert contact.start // 86400 == contact.end // 86400 or contact.end % 86400 == 0
