# SPDX-License-Identifier: Apache-2.0
"""Sniffed link-layer packets to advertisements.

Source: Core specification Vol 6 Part B, sections 2.1 (packet), 2.3 (advertising PDUs), 2.3.4 (extended advertising) and
3.1.1 (CRC); libpcap's LINKTYPE_BLUETOOTH_LE_LL (251) and LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR (256); Nordic
Semiconductor's nRF Sniffer description (LINKTYPE_NORDIC_BLE, 272).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from bzd.model import Advertisement
from bzd.traces.counts import TraceCounts
from bzd.traces.fragments import COMPLETE, INCOMPLETE, Fragments
from bzd.traces.hci import NO_TX_POWER, address_text, tx_power_in

ADVERTISING_ACCESS = 0x8E89BED6.to_bytes(4, "little")
"""Access address of all advertising packets; others belong to connections."""
CRC_INIT = 0x555555
"""Preset of the CRC's register for advertising packets."""
_CRC_POLYNOMIAL = 0xDA6000
"""x^24 + x^10 + x^9 + x^6 + x^4 + x^3 + x + 1, lowest bit first, as the bits travel."""
_CRC_SIZE = 3

ADV_IND, ADV_DIRECT_IND, ADV_NONCONN_IND, SCAN_RSP, ADV_SCAN_IND, ADV_EXTENDED = 0, 1, 2, 4, 6, 7
"""PDU types; requests and connection set-up (3, 5, 8) carry no advertising data."""
_WITH_DATA = frozenset({ADV_IND, ADV_NONCONN_IND, SCAN_RSP, ADV_SCAN_IND})
_TX_RANDOM = 0x40
"""TxAdd, bit 6 of the PDU header's first octet: the advertiser's address is random."""
_ADDRESS = 6
_KNOWN_SETS = 64
"""Advertising sets whose address is remembered from the pointer that announces their data."""

_RF_HEADER = struct.Struct("<BbbB4xH")  # channel, signal, noise, errors, reference address, flags
_DEWHITENED, _SIGNAL_VALID, _CRC_CHECKED, _CRC_VALID = 0x0001, 0x0002, 0x0400, 0x0800
_RF_CODED = 0x8000
"""Flags of link type 256; PHY is its two highest bits, 2 meaning LE Coded."""

_NORDIC_HEADER = struct.Struct(
    "<BHBHBBBBBHI"
)  # board, size, version, counter, id, size, flags, channel, RSSI, event, time
_NORDIC_CRC_OK = 0x01
_NORDIC_CODED = 2
"""PHY (bits 4 to 6 of the flags): 0 is 1M, 1 is 2M, 2 is LE Coded."""
_NORDIC_VERSIONS = (1, 2, 3)
"""Protocol versions of the nRF Sniffer whose packet header has the ten octets above."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        register = value
        for _ in range(8):
            register = register >> 1 ^ (_CRC_POLYNOMIAL if register & 1 else 0)
        table.append(register)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc24(data: bytes, preset: int = CRC_INIT) -> bytes:
    """The three CRC octets that follow a PDU, in the order of the air."""
    register = int(f"{preset:024b}"[::-1], 2)
    for octet in data:
        register = register >> 8 ^ _CRC_TABLE[(register ^ octet) & 0xFF]
    return register.to_bytes(3, "little")


class LinkLayerDecoder:
    """Decodes the packets of a sniffer."""

    def __init__(self, counts: TraceCounts) -> None:
        self._counts = counts
        self._fragments = Fragments(counts)
        self._sets: dict[bytes, tuple[str, str]] = {}

    def bare(self, time: float, packet: bytes) -> Sequence[Advertisement]:
        """A packet that begins with its access address (link type 251)."""
        return self._packet(time, packet, rssi=None, crc_ok=None, coded=False)

    def with_rf_header(self, time: float, packet: bytes) -> Sequence[Advertisement]:
        """A packet behind ten octets of radio information (link type 256)."""
        if len(packet) < _RF_HEADER.size:
            return self._malformed()
        _, signal, _, _, flags = _RF_HEADER.unpack_from(packet)
        if not flags & _DEWHITENED:
            return self._other()
        crc_ok = bool(flags & _CRC_VALID) if flags & _CRC_CHECKED else None
        rssi = signal if flags & _SIGNAL_VALID else None
        coded = flags & 0xC000 == _RF_CODED
        return self._packet(time, packet[_RF_HEADER.size :], rssi=rssi, crc_ok=crc_ok, coded=coded)

    def nordic(self, time: float, packet: bytes) -> Sequence[Advertisement]:
        """A packet behind the nRF Sniffer's header (link type 272)."""
        if len(packet) < _NORDIC_HEADER.size:
            return self._malformed()
        _, _, version, _, _, _, flags, _, minus_rssi, _, _ = _NORDIC_HEADER.unpack_from(packet)
        if version not in _NORDIC_VERSIONS:
            return self._malformed()
        coded = flags >> 4 & 7 == _NORDIC_CODED
        crc_ok = bool(flags & _NORDIC_CRC_OK)
        return self._packet(time, packet[_NORDIC_HEADER.size :], rssi=-minus_rssi, crc_ok=crc_ok, coded=coded)

    def finish(self) -> None:
        """The trace has ended: count what stayed incomplete."""
        self._fragments.finish()

    def _malformed(self) -> Sequence[Advertisement]:
        self._counts.malformed += 1
        return ()

    def _other(self) -> Sequence[Advertisement]:
        self._counts.other += 1
        return ()

    def _packet(
        self, time: float, packet: bytes, *, rssi: int | None, crc_ok: bool | None, coded: bool
    ) -> Sequence[Advertisement]:
        """A packet from its access address on; `crc_ok` is None where nobody has checked it."""
        if packet[:4] != ADVERTISING_ACCESS:
            return self._other()
        # On the coded PHY one octet, the coding indicator, follows the access address.
        pdu = packet[5 if coded else 4 :]
        end = 2 + pdu[1] if len(pdu) > 1 else 2
        if crc_ok is None and len(pdu) >= end + _CRC_SIZE:
            crc_ok = pdu[end : end + _CRC_SIZE] == crc24(pdu[:end])
        if crc_ok is False:
            self._counts.bad_crc += 1
            return ()
        if len(pdu) < end or (crc_ok is None and len(pdu) != end):
            return self._malformed()
        kind = pdu[0] & 0x0F
        if kind == ADV_EXTENDED:
            return self._extended(time, pdu[:end], rssi)
        if kind not in _WITH_DATA and kind != ADV_DIRECT_IND:
            return self._other()
        return self._legacy(time, pdu[:end], rssi)

    def _legacy(self, time: float, pdu: bytes, rssi: int | None) -> Sequence[Advertisement]:
        """The advertiser's address, then its data (a directed advertisement has its target's address instead)."""
        start = 2 + _ADDRESS
        if len(pdu) < start:
            return self._malformed()
        data = b"" if pdu[0] & 0x0F == ADV_DIRECT_IND else pdu[start:]
        return (Advertisement(time, address_text(pdu[2:start]), _type(pdu[0]), rssi, data, tx_power_in(data)),)

    def _extended(self, time: float, pdu: bytes, rssi: int | None) -> Sequence[Advertisement]:
        """A PDU with the common extended advertising payload: ADV_EXT_IND, AUX_ADV_IND, AUX_CHAIN_IND, AUX_SCAN_RSP."""
        header = _extended_header(pdu)
        if header is None:
            return self._malformed()
        address, set_info, more, power, data = header
        if address:
            named = (address_text(address), _type(pdu[0]))
            self._remember(set_info, named)
        else:
            named = self._sets.get(set_info, ("", ""))
        if more and not data:
            return self._other()  # it only points to the packet that has the data
        whole = self._fragments.join(set_info, time, data, INCOMPLETE if more else COMPLETE)
        if whole is None:
            return ()
        tx_power = tx_power_in(whole) if power in (None, NO_TX_POWER) else power
        return (Advertisement(time, named[0], named[1] or None, rssi, whole, tx_power),)

    def _remember(self, set_info: bytes, named: tuple[str, str]) -> None:
        """Which address an advertising set has: it may stand in the announcement only, not beside the data."""
        if not set_info:
            return
        self._sets.pop(set_info, None)
        if len(self._sets) >= _KNOWN_SETS:
            del self._sets[next(iter(self._sets))]
        self._sets[set_info] = named


def _type(header: int) -> str:
    return "random" if header & _TX_RANDOM else "public"


_FIELDS = ((0x01, 6), (0x02, 6), (0x04, 1), (0x08, 2), (0x10, 3), (0x20, 18), (0x40, 1))
"""Flag and octets of AdvA, TargetA, CTEInfo, AdvDataInfo, AuxPtr, SyncInfo and TxPower, in the order of the header."""


def _extended_header(pdu: bytes) -> tuple[bytes, bytes, bool, int | None, bytes] | None:
    """(AdvA, AdvDataInfo, whether an AuxPtr announces more, TxPower, AdvData); None if the lengths do not fit."""
    length = pdu[2] & 0x3F if len(pdu) > 2 else 0
    end = 3 + length
    if len(pdu) < 3 or end > len(pdu):
        return None
    found: dict[int, bytes] = {}
    at, flags = 4, pdu[3] if length else 0
    for flag, size in _FIELDS:
        if flags & flag:
            found[flag] = pdu[at : at + size]
            at += size
    if at > max(end, 4):
        return None
    power = int.from_bytes(found[0x40], "little", signed=True) if 0x40 in found else None
    return found.get(0x01, b""), found.get(0x08, b""), 0x10 in found, power, pdu[end:]
