# SPDX-License-Identifier: Apache-2.0
"""What holds for every protocol, the recognition of adverts, and how a protocol is added."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bzd.model import Advertisement, Identifier, Sighting
from bzd.protocols import ProximityProtocol, ad, bluezone, dp3t, gaen, protocols, recognise, sightings

ALL: tuple[ProximityProtocol, ...] = (bluezone.PROTOCOL, dp3t.PROTOCOL, gaen.PROTOCOL)
"""Named here, where the type checker sees whether each satisfies the interface."""
METADATA_BYTES = {"gaen": 4}
APPLE = bytes.fromhex("02011a020a0c0bff4c001006131a2b3c4d5e")


def identifiers_of(protocol: ProximityProtocol) -> st.SearchStrategy[Identifier]:
    """Identifiers that a protocol can broadcast."""
    size, extra = protocol.id_bytes, METADATA_BYTES.get(protocol.name, 0)
    return st.builds(
        Identifier,
        st.just(protocol.name),
        st.binary(min_size=size, max_size=size),
        st.binary(min_size=extra, max_size=extra),
    )


cases = st.sampled_from(ALL).flatmap(lambda protocol: st.tuples(st.just(protocol), identifiers_of(protocol)))
strangers = st.lists(
    st.builds(ad.structure, st.sampled_from([0x01, 0x09, 0x0A, 0x12, 0x19, 0x2A]), st.binary(max_size=12))
    | st.builds(ad.structure, st.just(0xFF), st.binary(min_size=2, max_size=12).map(lambda raw: b"\x4c\0" + raw))
    | st.builds(ad.structure, st.just(0x16), st.binary(max_size=12).map(lambda raw: b"\x0a\x18" + raw)),
    max_size=4,
).map(b"".join)


def test_three_protocols() -> None:
    """gaen, bluezone and dp3t are found by looking into the package."""
    assert protocols() == {protocol.name: protocol for protocol in ALL}


@pytest.mark.parametrize("protocol", ALL, ids=lambda protocol: protocol.name)
def test_attributes_are_sane(protocol: ProximityProtocol) -> None:
    """Names fit a record, intervals divide a day, and IDs have the stated length."""
    assert re.fullmatch(r"[a-z0-9]{1,16}", protocol.name)
    assert 86400 % protocol.interval_s == 0
    key = bytes(range(protocol.key_bytes))
    per_day = 86400 // protocol.interval_s
    ids = protocol.rolling_ids(key, 20000 * per_day, per_day)
    assert {len(rolling_id) for rolling_id in ids} == {protocol.id_bytes}
    assert len(set(ids)) == per_day


@pytest.mark.parametrize("protocol", ALL, ids=lambda protocol: protocol.name)
def test_a_part_of_a_day_is_that_part(protocol: ProximityProtocol) -> None:
    """Any run of intervals gives the same IDs as the day does at that place."""
    key, per_day = bytes(range(protocol.key_bytes)), 86400 // protocol.interval_s
    day = protocol.rolling_ids(key, 20000 * per_day, per_day)
    for start, count in ((0, 1), (3, 7), (per_day - 1, 1), (per_day // 2, per_day // 2), (5, 0)):
        assert protocol.rolling_ids(key, 20000 * per_day + start, count) == day[start : start + count]


@pytest.mark.parametrize("protocol", ALL, ids=lambda protocol: protocol.name)
def test_own_broadcast_is_read_back(protocol: ProximityProtocol) -> None:
    """Key to rolling ID, metadata, payload and back: the receiver finds ID and metadata, the key's holder the power."""
    key = bytes(range(protocol.key_bytes))
    (rolling_id,) = protocol.rolling_ids(key, 2_000_000, 1)
    metadata = protocol.seal_metadata(key, rolling_id, -18)
    data = protocol.encode(Identifier(protocol.name, rolling_id, metadata), flags=6)
    assert len(data) <= 31
    assert recognise(data) == (Identifier(protocol.name, rolling_id, metadata),)
    assert protocol.open_tx_power(key, rolling_id, metadata) == (-18 if metadata else None)


@given(cases, st.none() | st.integers(0, 255), strangers, strangers)
def test_decode_is_the_inverse_of_encode(
    case: tuple[ProximityProtocol, Identifier], flags: int | None, before: bytes, behind: bytes
) -> None:
    """Every identifier of every protocol survives, whatever other structures stand around it."""
    protocol, identifier = case
    data = protocol.encode(identifier, flags=flags)
    assert len(data) <= 31
    assert identifier in recognise(before + data + behind)
    assert recognise(data) == (identifier,)


@given(cases)
def test_parts_as_bluez_gives_them(case: tuple[ProximityProtocol, Identifier]) -> None:
    """Data taken apart and rebuilt in bzd's own order, as the live path does, is recognised alike."""
    protocol, identifier = case
    parsed = ad.parse(protocol.encode(identifier))
    rebuilt = ad.build(
        service_uuids=parsed.service_uuids,
        service_data=parsed.service_data,
        manufacturer_data=parsed.manufacturer_data,
    )
    assert recognise(rebuilt) == (identifier,)


@given(st.lists(cases, min_size=2, max_size=3, unique_by=lambda case: case[0].name))
def test_several_protocols_in_one_advert(found: list[tuple[ProximityProtocol, Identifier]]) -> None:
    """An extended advert that carries several protocols gives an identifier of each."""
    data = b"".join(protocol.encode(identifier) for protocol, identifier in found)
    assert set(recognise(data)) == {identifier for _, identifier in found}


SERVICES = (0xFD6F, 0xFD68, 0x4E56, 0x180A)
KINDS = (0x02, 0x03, 0x05, 0x07, 0x16, 0x20, 0x21, 0xFF)
near_misses = st.lists(
    st.builds(
        lambda kind, number, width, body: ad.structure(kind, number.to_bytes(4, "little")[:width] + body),
        st.sampled_from(KINDS),
        st.sampled_from((*SERVICES, 0x22B5)),
        st.sampled_from((1, 2, 4)),
        st.sampled_from((0, 11, 12, 13, 15, 16, 17, 19, 20, 21)).map(lambda size: bytes(range(100, 100 + size))),
    ),
    max_size=4,
).map(b"".join)


@given(st.binary(max_size=80) | near_misses)
def test_any_bytes_are_recognised_as_parsing_would(data: bytes) -> None:
    """No bytes raise; the search for needles before parsing loses nothing that parsing would find."""
    structures = ad.parse(data)
    expected = [found for protocol in ALL if (found := protocol.decode(structures)) is not None]
    assert set(recognise(data)) == set(expected)
    for identifier in recognise(data):
        assert len(identifier.rolling_id) == protocols()[identifier.protocol].id_bytes


def test_sightings_keep_what_the_report_says() -> None:
    """A sighting has the time, address and RSSI of its advertisement; without an RSSI there is none."""
    identifier = Identifier("dp3t", bytes(16))
    data = protocols()["dp3t"].encode(identifier)
    heard = Advertisement(12.5, "00:00:5E:00:53:01", "random", -60, data)
    assert sightings(heard) == (Sighting(12.5, "dp3t", bytes(16), b"", -60, "00:00:5E:00:53:01", "random"),)
    assert sightings(heard._replace(rssi=None)) == ()
    assert sightings(heard._replace(data=APPLE)) == ()


def test_data_longer_than_any_advert_is_not_kept() -> None:
    """A trace that claims megabytes of advertising data has no identifier in it and leaves nothing in memory."""
    payload = protocols()["gaen"].encode(Identifier("gaen", bytes(16), bytes(4)))
    padded = payload + ad.structure(0x09, bytes(253)) * 6
    assert len(padded) < ad.MAX_DATA
    assert recognise(padded) == recognise(payload)
    tracemalloc.start()
    for number in range(50):
        assert recognise(payload + number.to_bytes(1_000_000, "big")) == ()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


def test_a_protocol_is_added_by_one_file(tmp_path: Path) -> None:
    """A module with a PROTOCOL in the package's path is found, decodes and encodes; no other module changes."""
    (tmp_path / "tcn.py").write_text(
        textwrap.dedent(
            '''
            """TCN: 16 bytes of service data 0xC019 (github.com/TCNCoalition/TCN)."""
            from bzd.model import Identifier
            from bzd.protocols import ad
            from bzd.protocols.interface import WithoutMetadata

            UUID = ad.uuid_16(0xC019)

            class Tcn(WithoutMetadata):
                name, id_bytes, key_bytes, interval_s, shuffled, needle = "tcn", 16, 32, 900, False, b"\\x19\\xc0"
                def decode(self, structures):
                    payload = structures.service_data.get(UUID, b"")
                    return Identifier("tcn", payload) if len(payload) == 16 else None
                def encode(self, identifier, *, flags=None):
                    return ad.build(flags=flags, service_data={UUID: identifier.rolling_id})

            PROTOCOL = Tcn()
            '''
        )
    )
    program = textwrap.dedent(
        """
        import sys
        import bzd.protocols
        bzd.protocols.__path__.append(sys.argv[1])
        from bzd.model import Identifier
        from bzd.protocols import protocols, recognise
        assert set(protocols()) == {"gaen", "bluezone", "dp3t", "tcn"}, protocols()
        identifier = Identifier("tcn", bytes(range(16)))
        assert recognise(protocols()["tcn"].encode(identifier, flags=6)) == (identifier,)
        print("recognised")
        """
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("recognised\n", 0), done.stderr


def test_decoding_does_not_import_cryptography() -> None:
    """Recognising adverts starts without the slow import that only key schedules need."""
    program = "import sys, bzd.protocols as p; p.recognise(b'\\x6f\\xfd'); print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
