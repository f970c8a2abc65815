# SPDX-License-Identifier: Apache-2.0
"""What the hints for other link types say is done here, with Wireshark's own tools, and gives the advertisements."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bzd.errors import TraceError
from bzd.model import Advertisement
from bzd.traces import open_trace

RSSI = (-60, -61, -62)

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("tshark", "editcap", "text2pcap"))), reason="tshark, editcap or text2pcap is missing"
)


def _converted(folder: Path, content: bytes) -> list[Advertisement]:
    """Refuse a trace, do what the last command of the hint says, and read what it gives."""
    given, made = folder / "given.pcap", folder / "made.pcap"
    given.write_bytes(content)
    with pytest.raises(TraceError) as caught:
        open_trace(str(given))
    command = re.findall(r"`([^`]*)`", caught.value.hint)[-1]
    for word, path in {"IN": given, "OUT": made, "TEXT": folder / "text"}.items():
        command = re.sub(rf"\b{word}\b", str(path), command)
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], check=True, capture_output=True, timeout=60)
    with open_trace(str(made)) as trace:
        return list(trace)


def _usbmon(events: Iterable[bytes], *, padding: bool) -> list[bytes]:
    """Linux usbmon packets: for each event the request that waits for it, and its completion (Linux, usbmon.rst)."""
    packets = []
    for event in events:
        for kind, body in ((b"S", b""), (b"C", event)):
            flag = b"\0" if body else b"<"
            head = struct.pack("<QcBBBHcc", 1, kind, 1, 0x81, 3, 1, b"-", flag) + struct.pack("<qii", 1, 1, 0)
            head += struct.pack("<II8x", len(body), len(body)) + (bytes(16) if padding else b"")
            packets.append(head + body)
    return packets


def _usbpcap(events: Iterable[bytes]) -> list[bytes]:
    """USBPcap packets, completions of interrupt transfers (desowin.org/usbpcap/captureformat.html)."""
    return [struct.pack("<HQIHBHHBBI", 27, 1, 0, 9, 1, 1, 3, 0x81, 1, len(event)) + event for event in events]


@pytest.mark.parametrize("link_type", [189, 220, 249])
def test_usb_captures(build: Any, tmp_path: Path, link_type: int) -> None:
    """The events in USB frames become the same advertisements, with their times and RSSI."""
    events = [build.event(rssi=rssi) for rssi in RSSI]
    packets = _usbpcap(events) if link_type == 249 else _usbmon(events, padding=link_type == 220)
    found = _converted(tmp_path, build.pcap(packets, link_type))
    step = 1 if link_type == 249 else 2
    assert [(each.time, each.rssi, each.data) for each in found] == [
        (build.time + step * number + step - 1, rssi, build.data) for number, rssi in enumerate(RSSI)
    ]


def test_ppi_of_ubertooth(build: Any, tmp_path: Path) -> None:
    """The packets behind PPI headers can be looked at; their RSSI is lost, as the hint says."""
    head = struct.pack("<BBHI", 0, 0, 24, 251) + struct.pack("<HHBHBIbbbB", 30006, 12, 0, 2402, 0, 0, -60, -60, -60, 1)
    found = _converted(tmp_path, build.pcap([head + build.link_packet()] * 3, 192))
    assert [(each.rssi, each.data) for each in found] == [(None, build.data)] * 3


def test_old_captures_of_nordic(shared: Path, tmp_path: Path) -> None:
    """A real capture of an nRF Sniffer under the link type of old ones gives what it gives under its own."""
    original = shared / "data/captures/misc/opendroneid-nordic.pcapng"
    old = tmp_path / "old.pcap"
    subprocess.run(["editcap", "-T", "user0", "-F", "pcap", original, old], check=True, timeout=60)
    with open_trace(str(original)) as trace:
        assert _converted(tmp_path, old.read_bytes()) == list(trace)
