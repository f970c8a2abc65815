# SPDX-License-Identifier: Apache-2.0
"""Cutting a contact at a UTC midnight that nobody knew of while it was heard, because the clock was not right yet.

What is known of a scan instance by then is its first sighting and how much time it stands for. That time is taken to
begin with the first sighting, or, where there was no absence before that, with the end of the instance before. An
instance that midnight falls into becomes two, which share its sightings in proportion. So the seconds and sightings of
the parts are those of the whole, and with continuous listening each second is on the day it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from bzd.model import Contact, ScanInstance
from bzd.proximity.rules import midnight_after

NO_ABSENCE_MS = 25_000
"""Silence between two instances that is none where the configuration of then is not known: `proximity.instance_gap_s`
as it comes."""


class _Span(NamedTuple):
    """An instance and when it was, in unix milliseconds.

    Attributes:
        scan: the instance.
        begin: when the time begins that it stands for.
        first: its first sighting.
        last: its last sighting, or as near to that as can be known.
    """

    scan: ScanInstance
    begin: int
    first: int
    last: int


def cut(contact: Contact, beside_ms: int = NO_ABSENCE_MS) -> list[Contact]:
    """A contact in pieces that each lie within one UTC day; itself where it does.

    Args:
        contact: its times are those of the right clock.
        beside_ms: longest silence between two instances that is no absence, in milliseconds.

    Returns:
        Its pieces in order. `near_s` is shared in proportion to their seconds, and `distance_m` is that of the whole.
        A contact that is not one as `bzd.model` promises it stays as it is: anybody who has a store's public key can
        seal a record into it.
    """
    if not _sound(contact):
        return [contact]
    pieces, rest = [], contact
    while (midnight := midnight_after(_ms(rest.start))) < _ms(rest.end) or _last_first(rest) >= midnight:
        *early, rest = _cut_at(rest, midnight, beside_ms)
        pieces += early
    return [*pieces, rest]


def _sound(contact: Contact) -> bool:
    """Whether its scan instances are there, in order, and within it."""
    times = [0, *(_ms(scan.offset_s) for scan in contact.scans), _ms(contact.end) - _ms(contact.start)]
    return len(contact.scans) > 0 and times == sorted(times)


def _last_first(contact: Contact) -> int:
    """The first sighting of the last instance; on the stroke of midnight it is the new day's, as in the tracker."""
    return _ms(contact.start) + _ms(contact.scans[-1].offset_s)


def _cut_at(contact: Contact, midnight: int, beside_ms: int) -> list[Contact]:
    """What is before midnight, and what is after it; one of them if in the other nothing was heard."""
    early: list[_Span] = []
    late: list[_Span] = []
    present = False
    for span in _spans(contact, beside_ms):
        if span.last < midnight:
            early.append(span)
        elif span.begin >= midnight or (span.first >= midnight and not early):
            late.append(span)
        else:
            present = True
            _divide(span, midnight, early, late)
    # A cut that was there already may have given it presence at either end without a sighting; that is not cut up.
    if not late:
        return [_piece(contact, early, _ms(contact.start), midnight)]
    if not early:
        return [_piece(contact, late, midnight, _ms(contact.end))]
    end, start = (midnight, midnight) if present else (early[-1].last, late[0].first)
    pieces = [_piece(contact, early, _ms(contact.start), end), _piece(contact, late, start, _ms(contact.end))]
    return _sharing_near(contact, pieces)


def _spans(contact: Contact, beside_ms: int) -> Iterator[_Span]:
    start, end = _ms(contact.start), _ms(contact.end)
    firsts = [start + _ms(scan.offset_s) for scan in contact.scans]
    accounted = start
    for scan, first, following in zip(contact.scans, firsts, [*firsts[1:], None], strict=True):
        seconds, silence = _ms(scan.seconds), first - accounted
        begin = accounted if silence <= min(beside_ms, seconds) else first
        last = end if following is None else max(first, min(begin + seconds, following))
        yield _Span(scan, begin, first, last)
        accounted = last


def _divide(span: _Span, midnight: int, early: list[_Span], late: list[_Span]) -> None:
    """Share an instance out that was going on at midnight, or before which presence was."""
    scan, begin, first, last = span
    seconds = _ms(scan.seconds)
    before = min(midnight - begin, seconds)
    if first >= midnight:
        whole = early[-1].scan
        early[-1] = early[-1]._replace(scan=replace(whole, seconds=(_ms(whole.seconds) + before) / 1000))
        late.append(_Span(replace(scan, seconds=(seconds - before) / 1000), midnight, first, last))
    elif scan.sightings == 1:
        early.append(span)
    else:
        share = round(scan.sightings * (midnight - first) / (last - first))
        count = min(max(share, 1), scan.sightings - 1)
        early.append(_Span(replace(scan, seconds=before / 1000, sightings=count), begin, first, midnight))
        rest = replace(scan, seconds=(seconds - before) / 1000, sightings=scan.sightings - count)
        late.append(_Span(rest, midnight, midnight, last))


def _piece(contact: Contact, spans: list[_Span], start: int, end: int) -> Contact:
    scans = tuple(replace(span.scan, offset_s=(span.first - start) / 1000) for span in spans)
    return replace(contact, start=start / 1000, end=end / 1000, scans=scans)


def _sharing_near(whole: Contact, pieces: list[Contact]) -> list[Contact]:
    near, seconds = _ms(whole.near_s), _ms(whole.duration_s)
    early = near * _ms(pieces[0].duration_s) // max(seconds, 1)
    return [replace(piece, near_s=part / 1000) for piece, part in zip(pieces, (early, near - early), strict=True)]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
