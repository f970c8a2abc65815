# SPDX-License-Identifier: Apache-2.0
"""Traces: recordings of what a Bluetooth radio heard, one reader per format, all yielding `Advertisement`.

::

    with open_trace("capture.btsnoop", time_offset=7200.0) as trace:
        for advertisement in trace: ...
    trace.counts, trace.problem

Read are btsnoop (HCI, H4 and Linux monitor), pcap and pcapng (`bzd.traces.links` lists the link types), Apple's
PacketLogger and bzd's own JSON Lines (`bzd.traces.jsonl`), each also gzipped. A format is recognised by content.
Everything is streamed: memory does not grow with the file, and standard input is read as it comes.

bzd's own format is JSON Lines. The first line is `{"schema": "bzd.trace/1"}`, each further line an advertisement:

===================  ====================================================================================
`time`               unix seconds, UTC, to the microsecond
`address`            `AA:BB:CC:DD:EE:FF`, or "" where the advertiser gave none
`address_type`       `public`, `random` or null
`rssi`               dBm, -128 to 127, or null where the capture has none
`tx_power`           dBm, or null
`service_uuids`      list of 128-bit UUIDs
`service_data`       object: UUID to hex
`manufacturer_data`  object: decimal company identifier to hex
`data`               the advertising data itself, hex; if absent it is rebuilt from the three fields above
===================  ====================================================================================
"""

from __future__ import annotations

from bzd.traces.counts import TraceCounts
from bzd.traces.trace import Trace, open_trace

__all__ = ["Trace", "TraceCounts", "open_trace"]
