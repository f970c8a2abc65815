# SPDX-License-Identifier: Apache-2.0
"""The hourly quota: the longest contacts of each hour, at most so many."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.model import Contact, ContactKey, ScanInstance
from bzd.proximity.quota import HourlyQuota

HOUR = 1_600_084_800.0


def _contact(number: int, seconds: float, start: float = HOUR) -> Contact:
    scan = ScanInstance(0.0, seconds, 2, -60.0, -60)
    return Contact("gaen", number.to_bytes(16, "big"), b"", start, start + seconds, 0.0, None, True, (scan,))


def test_longest_are_kept() -> None:
    """Beyond the limit a longer contact pushes the shortest out, and one that is no longer is refused."""
    quota = HourlyQuota(2)
    short, middle, long = (_contact(number, seconds) for number, seconds in ((1, 10), (2, 20), (3, 30)))
    assert quota.offer(middle).admitted
    assert quota.offer(short).admitted
    assert quota.offer(long) == (True, short.key)
    assert quota.offer(_contact(4, 20)) == (False, None)
    assert (quota.pushed_out, quota.refused) == (1, 1)


def test_hours_are_apart() -> None:
    """Each hour of the contacts' start has its own quota."""
    quota = HourlyQuota(1)
    assert all(quota.offer(_contact(1, 5, HOUR + 3600 * hour)).admitted for hour in range(5))
    assert not quota.offer(_contact(2, 5, HOUR + 3599.999)).admitted


def test_growing_contact_keeps_its_place() -> None:
    """A contact in progress that is offered again counts once, with its newest length."""
    quota = HourlyQuota(2)
    for seconds in range(1, 100):
        assert quota.offer(_contact(1, seconds)) == (True, None)
    quota.offer(_contact(2, 50))
    assert quota.offer(_contact(3, 60)).pushed_out == _contact(2, 50).key
    assert all(len(hour.heap) <= 2 * len(hour.seconds) + 1 for hour in quota._hours.values())


def test_hours_remembered_are_bounded() -> None:
    """A recording of many years keeps no more than 48 hours in memory."""
    quota = HourlyQuota(3)
    for hour in range(10000):
        quota.offer(_contact(1, 5, HOUR + 3600 * hour))
    assert len(quota._hours) == 48


@settings(deadline=None, max_examples=100)
@given(
    offers=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20), st.integers(0, 2)), max_size=80),
    limit=st.integers(1, 5),
)
def test_equals_sorting(offers: list[tuple[int, int, int]], limit: int) -> None:
    """Whatever comes in whatever order, what is kept of an hour is as long as the longest `limit` of it."""
    quota, kept = HourlyQuota(limit), dict[ContactKey, float]()
    contacts = {(number, hour): _contact(number, seconds, HOUR + hour * 3600) for number, seconds, hour in offers}
    for contact in contacts.values():
        verdict = quota.offer(contact)
        if verdict.pushed_out is not None:
            del kept[verdict.pushed_out]
        if verdict.admitted:
            kept[contact.key] = contact.duration_s
    for hour in range(3):
        lengths = sorted((c.duration_s for (_, h), c in contacts.items() if h == hour), reverse=True)
        mine = sorted((seconds for key, seconds in kept.items() if key[2] == HOUR + hour * 3600), reverse=True)
        assert mine == lengths[:limit]


def test_growing_contact_keeps_its_place_in_a_full_hour() -> None:
    """A contact that grows in an hour that is full neither pushes itself out nor is refused."""
    quota = HourlyQuota(1)
    assert [quota.offer(_contact(1, seconds)) for seconds in (5, 6, 6, 7)] == [(True, None)] * 4
    assert not quota.offer(_contact(2, 6)).admitted
    assert (quota.refused, quota.pushed_out) == (1, 0)
