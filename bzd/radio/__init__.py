# SPDX-License-Identifier: Apache-2.0
"""Radios: where advertisements come from and where payloads go. Without hardware: a virtual air and crowd.

What follows was measured by `tests/e2e` with the kernels and BlueZ of Debian 12 (Linux 6.1, BlueZ 5.66) and Debian 13
(Linux 6.12, BlueZ 5.82) on virtual controllers; what a real radio adds to that, it cannot tell.

Ways to scan (`bzd.radio.scanner`; 20 badges, each every 250 ms, +-3 dB; BlueZ 5.82, legacy controller; processor time
of bzd, bluetoothd and dbus-daemon in per cent of one core of an emulated machine, to be compared, not taken at face
value):

| mode | arrived of those heard | per badge and minute | bzd | bluetoothd | dbus-daemon | an eavesdropper learns |
|---|---|---|---|---|---|---|
| full | 1655 of 1655 | 234 | 13 % | 18 % | 12 % | scan requests: somebody listens here |
| active | 60 of 1644 | 8.5 | 1 % | 1 % | 1 % | the same |
| passive | 20 of 1653, each badge once | 2.8 | 15 % | 26 % | 23 % | nothing: it sends nothing |

With BlueZ 5.66, 1688 of 1692 arrived in the full mode. Scan requests carry an address, so whether they link two rolling
IDs depends on the controller. A legacy one has a single random address: that of the advertisement, which changes with
the ID. One with extended advertising has an address for the scan alone, and the kernel renews it only where a scan
begins while nothing is advertised; that is why `bzd.radio.radio` rotates in another order there (before, one address
stayed over 8 IDs). It holds for the scans of bzd: if another program scans or advertises on the same adapter, the
address of the requests stays over a rotation, and nothing that bzd may do changes it.

A hundred rotations in each mode, while scanning on the same adapter (Linux 6.1 with a legacy controller / Linux 6.12
with extended advertising): 101 IDs under 101 addresses, no address under two IDs and no ID under two addresses, scan
requests included, the public address never on air. For each rotation nothing is listened to for so long, in ms:

| mode | median | greatest | scan request addresses |
|---|---|---|---|
| full | 385 / 316 | 776 / 655 | 101 / 101, each beside one ID |
| active | 403 / 110 | 629 / 344 | 101 / 101, the same |
| passive | 363 / 150 | 764 / 282 | none |

Back after a fault (legacy controller, BlueZ 5.66 / 5.82; seconds from the end of its cause to a report heard and a new
ID on air):

| fault | seconds |
|---|---|
| bluetoothd restarted; stopped for 4 s | 0.2 / 0.3; 0.3 / 0.4 |
| bluetoothd killed, gone for 4 s | 8.7 / 0.4 |
| adapter off and on; unplugged and back; blocked by rfkill | 0.4 / 0.5; 0.3 / 0.3; 0.3 / 0.4 |
| advertising refused for 4 s; scanning refused for 4 s | 0.5 / 0.8; 4.1 / 0.6 |
| dbus-daemon restarted | 8.5 / 9.1 |

Those of 8 s and more are the kernel's: it goes on with the scan of a bluetoothd that died without a word, up to 10.24 s
from its start, and refuses the next as busy until then.

What bzd cannot prevent: when bluetoothd starts it resets the adapter, and the kernel then sends the advertisement that
it still holds, the old ID under a new address, for some 100 ms (one frame) until bluetoothd takes it away. That shows
the one ID under two addresses; the next ID comes with a third, so that no two IDs are linked by it.
"""
