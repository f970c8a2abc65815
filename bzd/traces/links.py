# SPDX-License-Identifier: Apache-2.0
"""Link types: what the packets of a pcap or pcapng file are, and who decodes them.

Source of the numbers: libpcap's list of link-layer header types (tcpdump.org/linktypes.html).
"""

from __future__ import annotations

from bzd.errors import TraceError
from bzd.traces.counts import TraceCounts
from bzd.traces.hci import Decoder, HciDecoder
from bzd.traces.linklayer import LinkLayerDecoder
from bzd.traces.listening import ScanLog
from bzd.traces.monitor import MonitorDecoder

Record = tuple[float, Decoder, bytes]
"""One record of a trace: unix seconds, what decodes it, and its packet."""

LATEST = 253_402_300_799.0
"""The last second of the year 9999, beyond which Python's dates, and sense, end."""

NAMES = {
    187: "HCI H4",
    201: "HCI H4 with direction",
    251: "BLE link layer",
    254: "Linux monitor",
    256: "BLE link layer with RF header",
    272: "nRF Sniffer",
}
"""Link types that are read."""

_READ = "link types " + ", ".join(f"{number} ({name})" for number, name in NAMES.items()) + " are read"
_USB = (
    "record the adapter with `btmon -w FILE` instead, or convert it: `tshark -r IN --disable-protocol hci_usb "
    "-Y 'usb.transfer_type==1 && usb.capdata' -T fields -e frame.time_epoch -e usb.capdata | sed 's/\\t/ 04/' > TEXT; "
    "text2pcap -l 187 -t %s.%f -r '^(?<time>\\S+) (?<data>\\S+)$' TEXT OUT`"
)
"""HCI events are what a Bluetooth adapter sends in interrupt transfers (Core specification Vol 4 Part B 2.1); to each
goes the H4 indicator of an event. tshark and text2pcap come with Wireshark 4."""
_PPI = (
    "record again with `ubertooth-btle -n -r FILE`, which writes pcapng with an RF header (256); what was recorded can "
    "be looked at, but has no RSSI and so makes no contacts, after `editcap -F pcap -C 24 -L -T bluetooth-le-ll IN OUT`"
)
"""Ubertooth's PPI header has 24 bytes: 8, and one field of 4 and 12 (libbtbb, pcap.c)."""
_UNREAD = {
    1: ("Ethernet", _READ),
    105: ("802.11", _READ),
    147: ("USER0, which old nRF Sniffers used", "convert it: `editcap -F pcap -T nordic_ble IN OUT`"),
    161: ("Bluetooth baseband", _READ),
    189: ("Linux usbmon", _USB),
    192: ("PPI", _PPI),
    220: ("Linux usbmon with padding", _USB),
    249: ("USBPcap", _USB),
    255: ("Bluetooth BR/EDR baseband", "classic Bluetooth has no BLE advertising; record with a BLE sniffer"),
}
"""Link types that testers meet and that are not read: name and what to do."""


class Decoders:
    """The decoders of one trace, with the counters and the scan log that they share."""

    def __init__(self, counts: TraceCounts) -> None:
        self.counts = counts
        self.scans = ScanLog()
        self.hci = HciDecoder(counts, self.scans)
        self.monitor = MonitorDecoder(self.hci)
        self.link_layer = LinkLayerDecoder(counts)
        self._by_link: dict[int, Decoder] = {
            187: self.hci.h4,
            201: self.hci.pseudo_headed,
            251: self.link_layer.bare,
            254: self.monitor.headed,
            256: self.link_layer.with_rf_header,
            272: self.link_layer.nordic,
        }

    def of_link(self, link_type: int) -> Decoder | None:
        """The decoder of a link type, None if it carries no advertising that is read."""
        return self._by_link.get(link_type)

    def skip_foreign(self, _time: float, _packet: bytes) -> tuple[()]:
        """A packet of an interface that carries no advertising; counted."""
        self.counts.foreign += 1
        return ()

    def damaged(self) -> None:
        """Count a record that contradicts its own lengths and is passed over."""
        self.counts.records += 1
        self.counts.malformed += 1

    def finish(self) -> None:
        """The trace has ended: count what stayed incomplete."""
        self.hci.finish()
        self.link_layer.finish()


def unread(link_type: int) -> TraceError:
    """The error that names a link type and says what to do."""
    name, hint = _UNREAD.get(link_type, ("no Bluetooth that bzd knows", _READ))
    return TraceError(f"link type {link_type} ({name}) holds no advertising reports that bzd reads", hint=hint)
