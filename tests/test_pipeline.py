# SPDX-License-Identifier: Apache-2.0
"""Advertisements to contacts: what is dropped, and that neither cuts nor repetition change the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.config import Config, ProximityConfig, ScanConfig
from bzd.model import Advertisement, Contact, Identifier
from bzd.pipeline import Pipeline
from bzd.protocols import protocols
from bzd.protocols.ad import build
from bzd.radio.crowd import office_hour
from bzd.traces import open_trace

START = 1_591_788_600.0
"""2020-06-10T11:30:00Z."""
OFFICE = office_hour(START, 1)
HEARD = list(OFFICE.heard_by(OFFICE.members[0]))
FOREIGN = build(manufacturer_data={0x004C: b"\x10\x05\x01"})
"""What an Apple device broadcasts all day; no proximity ID."""


def _payload(rolling_id: bytes) -> bytes:
    return protocols()["gaen"].encode(Identifier("gaen", rolling_id, bytes(4)))


def _advertisement(time: float, rssi: int | None = -60, rolling_id: bytes = bytes(16)) -> Advertisement:
    return Advertisement(START + time, "00:00:00:00:00:01", "random", rssi, _payload(rolling_id))


def _contacts(pieces: Iterable[Sequence[Advertisement]], config: Config | None = None) -> list[Contact]:
    pipeline = Pipeline(config or Config())
    closed = [contact for piece in pieces for contact in pipeline.feed(piece)]
    return closed + pipeline.finish()


WHOLE = _contacts([HEARD])


def test_an_hour_in_the_office_becomes_contacts() -> None:
    """Every report of the crowd is a sighting, everybody becomes contacts, and no sighting is lost on the way."""
    pipeline = Pipeline(Config())
    contacts = [*pipeline.feed(HEARD), *pipeline.finish()]
    assert pipeline.counts.reports == pipeline.counts.sightings == len(HEARD)
    assert pipeline.counts.first == HEARD[0].time
    assert pipeline.counts.last == HEARD[-1].time
    known = {rolling_id: member.name for member in OFFICE.members for rolling_id in member.rolling_ids}
    assert {known[contact.rolling_id] for contact in contacts} == {member.name for member in OFFICE.members[1:]}
    tracked = pipeline.tracker.counts
    assert sum(contact.sightings for contact in contacts) == tracked.contact_sightings
    assert tracked.contact_sightings + tracked.too_few_sightings + tracked.too_weak_sightings == len(HEARD)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, len(HEARD)), max_size=20))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """However the stream is cut into pieces, the contacts are the same in the same order."""
    bounds = [0, *sorted(cuts), len(HEARD)]
    pieces = [HEARD[start:end] for start, end in pairwise(bounds)]
    assert _contacts(pieces) == WHOLE


def test_foreign_advertisements_change_no_contact() -> None:
    """Advertisements without a proximity ID between the others change when contacts come out, not which."""
    mixed = []
    for index, advertisement in enumerate(HEARD):
        mixed.append(advertisement)
        if index % 3 == 0:
            mixed.append(advertisement._replace(data=FOREIGN, rssi=-40))
    pipeline = Pipeline(Config())
    contacts = [*pipeline.feed(mixed), *pipeline.finish()]
    assert sorted(contacts, key=repr) == sorted(WHOLE, key=repr)
    assert pipeline.counts.reports - pipeline.counts.recognised == len(mixed) - len(HEARD)


def test_foreign_advertisements_close_contacts() -> None:
    """When only foreign devices are heard any more, a contact still comes out once its time is over."""
    pipeline = Pipeline(Config())
    stream = [_advertisement(second) for second in range(60)]
    stream += [Advertisement(START + 60 + second, "", None, -50, FOREIGN) for second in range(420)]
    (contact,) = pipeline.feed(stream)
    assert contact.sightings == 60
    assert pipeline.finish() == []


@pytest.mark.parametrize(
    ("rssi", "counter"),
    [
        (None, "unmeasured"),
        (0, "implausible"),
        (127, "implausible"),
        (-127, "implausible"),
        (-4294967234, "implausible"),
    ],
)
def test_what_cannot_be_true_is_dropped_and_counted(rssi: int | None, counter: str) -> None:
    """A sighting whose RSSI is missing or impossible changes no contact, and its counter says so."""
    clean = [_advertisement(second) for second in range(30)]
    pipeline = Pipeline(Config())
    contacts = [*pipeline.feed([*clean[:10], _advertisement(9.5, rssi), *clean[10:]]), *pipeline.finish()]
    assert contacts == _contacts([clean])
    assert getattr(pipeline.counts, counter) == 1
    assert (pipeline.counts.recognised, pipeline.counts.sightings) == (31, 30)


def test_own_ids_are_dropped_and_counted() -> None:
    """What the badge itself broadcasts, echoed by its own controller, is no contact."""
    own = b"o" * 16
    pipeline = Pipeline(Config(), own_ids={own})
    stream = [_advertisement(second, rolling_id=own if second % 2 else bytes(16)) for second in range(30)]
    contacts = [*pipeline.feed(stream), *pipeline.finish()]
    assert {contact.rolling_id for contact in contacts} == {bytes(16)}
    assert pipeline.counts.own == 15


def test_two_protocols_in_one_advertisement_are_two_sightings() -> None:
    """Each protocol that recognises an advertisement gets its sighting."""
    bluezone = protocols()["bluezone"].encode(Identifier("bluezone", b"b" * 12))
    both = protocols()["gaen"].encode(Identifier("gaen", b"g" * 16, bytes(4))) + bluezone
    stream = [Advertisement(START + second, "", None, -60, both) for second in range(5)]
    assert sorted(contact.protocol for contact in _contacts([stream])) == ["bluezone", "gaen"]


def test_the_scan_period_comes_from_the_configuration_or_the_caller() -> None:
    """Bursts every five minutes stand for minutes with a scan period, and for seconds without."""
    stream = [_advertisement(minute * 60 + second) for minute in range(0, 30, 5) for second in range(4)]
    config = replace(Config(), scan=ScanConfig(period_s=300.0))

    def minutes(pipeline: Pipeline) -> float:
        return sum(contact.duration_s for contact in [*pipeline.feed(stream), *pipeline.finish()]) / 60

    assert minutes(Pipeline(config)) == pytest.approx(30, abs=0.1)
    assert minutes(Pipeline(Config(), scan_period_s=300.0)) == pytest.approx(30, abs=0.1)
    assert minutes(Pipeline(config, scan_period_s=0.0)) < 1


def test_thresholds_come_from_the_configuration() -> None:
    """Too few and too weak sightings make no contact, and the tracker says how near they came."""
    config = replace(Config(), proximity=ProximityConfig(min_sightings=3, min_rssi_dbm=-70))
    pipeline = Pipeline(config)
    stream = [_advertisement(0, -60, b"a" * 16), _advertisement(1, -60, b"a" * 16)]
    stream += [_advertisement(second, -75, b"b" * 16) for second in range(2, 6)]
    assert [*pipeline.feed(stream), *pipeline.finish()] == []
    counts = pipeline.tracker.counts
    assert (counts.too_few, counts.too_few_most) == (1, 2)
    assert (counts.too_weak, counts.too_weak_strongest) == (1, -75)


def test_real_captures_give_the_same_contacts_twice(shared: Path) -> None:
    """On a phone's real recording, two runs agree, whole or in pieces."""
    reports = list(open_trace(str(shared / "data/captures/dp3t-exp28/23.btsnoop")))
    whole = _contacts([reports])
    assert len(whole) > 0
    assert _contacts([reports]) == whole
    assert _contacts([reports[start : start + 97] for start in range(0, len(reports), 97)]) == whole


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            Advertisement,
            st.floats(allow_nan=False, allow_infinity=False) | st.floats(START, START + 1000),
            st.just(""),
            st.sampled_from(["public", "random", None]),
            st.none() | st.integers(-200, 200),
            st.binary(max_size=40) | st.sampled_from([_payload(bytes(16)), _payload(b"x" * 16), FOREIGN]),
        )
    )
)
def test_any_advertisements_are_taken(stream: list[Advertisement]) -> None:
    """Whatever comes in, nothing raises, and every identifier is a sighting or counted as dropped."""
    pipeline = Pipeline(Config())
    contacts = [*pipeline.feed(stream), *pipeline.finish()]
    counts, tracked = pipeline.counts, pipeline.tracker.counts
    assert counts.reports == len(stream)
    assert counts.sightings == tracked.sightings
    assert sum(contact.sightings for contact in contacts) == tracked.contact_sightings


@settings(max_examples=50, deadline=None)
@given(
    wild=st.dictionaries(st.integers(1, len(HEARD) - 1), st.floats(0.0, 1e10), max_size=8),
    together=st.integers(1, 3),
    one_by_one=st.booleans(),
)
def test_wild_times_of_foreign_devices_change_no_contact(
    wild: dict[int, float], together: int, *, one_by_one: bool
) -> None:
    """A foreign report of any time between the others, or several of one time, ends and splits nothing."""
    mixed: list[Advertisement] = []
    for index, advertisement in enumerate(HEARD):
        mixed += [Advertisement(wild[index], "", None, -50, FOREIGN)] * together if index in wild else []
        mixed.append(advertisement)
    pipeline = Pipeline(Config())
    pieces = ([each] for each in mixed) if one_by_one else [mixed]
    contacts = [contact for piece in pieces for contact in pipeline.feed(piece)] + pipeline.finish()
    assert sorted(contacts, key=repr) == sorted(WHOLE, key=repr)
    assert pipeline.tracker.counts.clock_steps_back == 0


def test_a_wild_time_does_not_keep_contacts_from_closing() -> None:
    """After a foreign report from far in the future, the foreign reports of the present close contacts as before."""
    pipeline = Pipeline(Config())
    stream = [_advertisement(second) for second in range(60)]
    stream.append(Advertisement(START + 1e9, "", None, -50, FOREIGN))
    stream += [Advertisement(START + 60 + second, "", None, -50, FOREIGN) for second in range(420)]
    assert [contact.sightings for contact in pipeline.feed(stream)] == [60]
