# SPDX-License-Identifier: Apache-2.0
"""The virtual crowd: what its badges broadcast, and that the script plays as it says."""

from itertools import pairwise

import pytest

from bzd.protocols import protocols, recognise
from bzd.radio.crowd import ROTATION_S, Crowd, office_hour
from bzd.radio.office import HOUR_S

START = 1_591_788_600.0
"""2020-06-10T11:30:00Z."""
NEAR_M = 2.0


@pytest.fixture(scope="module", params=range(12))
def crowd(request: pytest.FixtureRequest) -> Crowd:
    """The hour for a dozen seeds."""
    return office_hour(START, request.param)


def test_badges_broadcast_ids_of_their_own_key(crowd: Crowd) -> None:
    """Every payload decodes to an ID that derives from the member's daily key at the time."""
    for member in crowd.members:
        protocol = protocols()[member.key.protocol]
        day = set(protocol.rolling_ids(member.key.key, int(member.key.start // protocol.interval_s), 144))
        for sent, rolling_id in zip(member.station.transmissions, member.rolling_ids, strict=True):
            assert [found.rolling_id for found in recognise(sent.data)] == [rolling_id]
            assert rolling_id in day
            assert len(sent.data) <= 31


def test_no_id_and_no_address_is_used_twice(crowd: Crowd) -> None:
    """A new ID comes with a new, non-resolvable address, and neither ever returns."""
    sent = [transmission for member in crowd.members for transmission in member.station.transmissions]
    assert len({transmission.data for transmission in sent}) == len(sent)
    assert len({transmission.address for transmission in sent}) == len(sent)
    assert all(int(transmission.address[:2], 16) < 0x40 for transmission in sent)


def test_ids_live_ten_to_twenty_minutes_without_a_gap(crowd: Crowd) -> None:
    """All rotations but the ones that the hour cuts are within GAEN's bounds, one after the other."""
    for member in crowd.members:
        sent = member.station.transmissions
        assert sent[0].start == crowd.start
        assert sent[-1].end == crowd.end
        assert all(earlier.end == later.start for earlier, later in pairwise(sent))
        assert all(ROTATION_S[0] <= whole.end - whole.start <= ROTATION_S[1] for whole in sent[1:-1])


def test_the_script_plays(crowd: Crowd) -> None:
    """Who should be near is, for about as long as the script says; who should not be never is."""
    you = crowd.members[0]
    near = {other.name: crowd.truth(you, other, NEAR_M).near_s / 60 for other in crowd.members[1:]}
    assert 35 <= near["anna"] <= 39
    assert 18 <= near["ben"] <= 24
    assert near["dara"] > 30
    assert near["farah"] == pytest.approx(4, abs=0.1)
    assert near["emil"] < 0.2
    assert near["chloe"] == near["goran"] == 0


def test_farahs_id_changes_during_the_talk(crowd: Crowd) -> None:
    """The talk spans a rotation, for every seed."""
    farah = crowd.member("farah")
    (talk,) = farah.station.path.legs
    assert any(talk.start < sent.start < talk.end for sent in farah.station.transmissions)


def test_everybody_is_heard(crowd: Crowd) -> None:
    """All seven others reach the first badge, each under at least one ID."""
    you, *others = crowd.members
    heard = {found.rolling_id for report in crowd.heard_by(you) for found in recognise(report.data)}
    assert all(heard & set(other.rolling_ids) for other in others)
    assert not heard & set(you.rolling_ids)


def test_the_same_seed_and_start_give_the_same_hour() -> None:
    """Keys, addresses, paths and receptions repeat; another seed shares no key."""
    one, again, other = office_hour(START, 7), office_hour(START, 7), office_hour(START, 8)
    assert list(one.heard_by(one.members[0])) == list(again.heard_by(again.members[0]))
    assert [member.key for member in one.members] == [member.key for member in again.members]
    assert not {member.key.key for member in one.members} & {member.key.key for member in other.members}


@pytest.mark.parametrize("protocol", ["gaen", "bluezone"])
def test_every_protocol_can_be_on_the_air(protocol: str) -> None:
    """The crowd speaks whatever protocol it is given."""
    crowd = office_hour(START, 1, protocol)
    heard = {found.protocol for report in crowd.heard_by(crowd.members[0]) for found in recognise(report.data)}
    assert heard == {protocol}


def test_an_unknown_name_is_nobody() -> None:
    """Asking for a stranger is a KeyError."""
    with pytest.raises(KeyError):
        office_hour(START, 1).member("zoe")


def test_the_hour_is_an_hour(crowd: Crowd) -> None:
    """Start and end are an hour apart, and who stays all hour is there until the end."""
    assert crowd.end - crowd.start == HOUR_S
    assert crowd.member("anna").station.path.at(crowd.end - 1) is not None
