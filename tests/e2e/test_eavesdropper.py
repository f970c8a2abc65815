# SPDX-License-Identifier: Apache-2.0
"""The proof of a clean rotation would notice an unclean one."""

from __future__ import annotations

from typing import Any

from tests.e2e.guest.eavesdropper import Intercept


def _frame(address: str, data: str, first: float, last: float, kind: str = "random") -> dict[str, Any]:
    return {"hci": 0, "address": address, "address_type": kind, "data": data, "first": first, "last": last, "count": 1}


def _request(own: str, first: float, last: float, kind: str = "random") -> dict[str, Any]:
    return {"hci": 0, "own": own, "own_type": kind, "target": "", "first": first, "last": last, "count": 1}


def _intercept(frames: list[dict[str, Any]], requests: list[dict[str, Any]]) -> Intercept:
    return Intercept.of({"frames": frames, "scan_requests": requests}, 0)


CLEAN = [_frame("01:00:00:00:00:00", "aaaaaaaa", 0.0, 1.0), _frame("02:00:00:00:00:00", "bbbbbbbb", 2.0, 3.0)]


def test_a_clean_rotation() -> None:
    """IDs and addresses that change together, scan requests included, link nothing."""
    caught = _intercept(CLEAN, [_request("01:00:00:00:00:00", 0.1, 1.5), _request("02:00:00:00:00:00", 2.1, 3.0)])
    assert not caught.linked()
    assert not caught.followed()
    assert not caught.resolvable()
    assert caught.types == {"random"}


def test_an_address_that_stays() -> None:
    """One address under two IDs links them."""
    frames = [CLEAN[0], CLEAN[1] | {"address": CLEAN[0]["address"]}]
    assert _intercept(frames, []).linked() == ["01:00:00:00:00:00"]


def test_an_id_that_stays() -> None:
    """One ID under two addresses lets the badge be followed."""
    assert _intercept([CLEAN[0], CLEAN[1] | {"data": "aaaaaaaa"}], []).followed() == ["aaaaaaaa"]


def test_a_scan_request_that_outlives_its_id() -> None:
    """A scan request under the old address while the new ID is on air links the two, and so does one under a third."""
    for own in ("01:00:00:00:00:00", "03:00:00:00:00:00"):
        assert _intercept(CLEAN, [_request(own, 0.5, 2.5)]).linked() == [own]
    assert _intercept(CLEAN, [_request("01:00:00:00:00:00", 2.5, 2.5)]).linked() == ["01:00:00:00:00:00"]


def test_a_public_address() -> None:
    """The public address shows, in an advert or in a scan request alone, and so does a resolvable one."""
    assert "public" in _intercept([_frame("00:AA:00:00:00:00", "aaaaaaaa", 0, 1, "public")], []).types
    assert "public" in _intercept(CLEAN, [_request("00:AA:00:00:00:00", 0, 1, "public")]).types
    assert _intercept([_frame("7F:AA:00:00:00:00", "aaaaaaaa", 0, 1)], []).resolvable() == ["7F:AA:00:00:00:00"]


def test_other_controllers_are_left_out() -> None:
    """Only the controller in question counts."""
    assert not _intercept([frame | {"hci": 1} for frame in CLEAN], []).payloads


def test_an_empty_advertisement_is_no_id() -> None:
    """Neither without flags nor with them; its address counts all the same."""
    empty = [_frame("03:00:00:00:00:00", "", 0.0, 0.1), _frame("01:00:00:00:00:00", "020104", 0.0, 0.1)]
    ids = ["02010403", "02010404"]
    caught = _intercept([*empty, *(frame | {"data": data} for frame, data in zip(CLEAN, ids, strict=True))], [])
    assert caught.ids == ids
    assert caught.linked() == ["01:00:00:00:00:00"]


def test_an_empty_advertisement_before_each_id_links_nothing() -> None:
    """Its data is always the same, so that it is no ID that would be beside all others; nor by scan requests."""
    empty = [_frame(f"0{number}:00:00:00:00:00", "020104", at, at) for number, at in ((8, 0.0), (9, 1.5))]
    frames = [frame | {"data": data} for frame, data in zip(CLEAN, ["02010403", "02010404"], strict=True)]
    requests = [_request("01:00:00:00:00:00", 0.1, 1.0), _request("02:00:00:00:00:00", 2.1, 3.0)]
    assert not _intercept([*empty, *frames], requests).linked()
    assert _intercept([*empty, *frames], [_request("01:00:00:00:00:00", 0.1, 2.5)]).linked()


def test_an_id_that_is_revived() -> None:
    """How long it was on air under another address, whichever came first in the journal."""
    again = _frame("03:00:00:00:00:00", "aaaaaaaa", 4.0, 4.25)
    assert _intercept([again, *CLEAN], []).revived_s() == 0.25
    assert _intercept(CLEAN, []).revived_s() == 0.0
