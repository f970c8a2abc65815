# SPDX-License-Identifier: Apache-2.0
"""Radios: where advertisements come from and where payloads go. Without hardware: a virtual air and crowd.

What follows was measured by `tests/e2e` with the kernels and BlueZ of Debian 12 (Linux 6.1, BlueZ 5.66) and Debian 13
(Linux 6.12, BlueZ 5.82) on virtual controllers; what a real radio adds to that, it cannot tell.

Ways to scan (`bzd.radio.scanner`; 20 badges, each every 250 ms, +-3 dB, for 21 s; legacy controller; processor time of
bzd, bluetoothd and dbus-daemon in per cent of one core of an emulated machine, to be compared, not taken at face value;
`--only scan_modes` makes the table, with bare bleak beside it):

| mode, BlueZ | arrived of those heard | a minute, of a known badge | bzd, bluetoothd, dbus-daemon | heard by others |
|---|---|---|---|---|
| full, 5.66 | 1847 of 1854 | 232 of 240 | 28, 36, 30 % | that it listens |
| full, 5.82 | 1844 of 1844 | 234 of 240 | 13, 19, 15 % | that it listens |
| active, 5.66 | 139 of 5039 in 65 s | 5.8: one in 10.24 s | 1, 1, 1 % | that it listens |
| active, 5.82 | 140 of 5055 in 65 s | 5.9: one in 10.24 s | 1, 1, 0 % | that it listens |
| passive, 5.66 | 20 of 5079 in 65 s, each badge once | 0 without a move of 8 dB | 20, 29, 28 % | nothing |
| passive, 5.82 | 20 of 5061 in 65 s, each badge once | 0 without a move of 8 dB | 13, 23, 23 % | nothing |

`auto` is full where bluetoothd offers advertisement monitors, else active; where the verdict on this radio forbids that
mode, the next of full, active, passive.

The rows of 5.66 are of a host that had much else to do: bluetoothd signals a device once a turn of its main loop, so
that reports which come together are one. The virtual controller listens without a break. A real one does so in the full
and active modes; in the passive mode it listens half of the time, 30 of 60 ms, unless main.conf of bluetoothd has
`ScanIntervalAdvMonitor` and `ScanWindowAdvMonitor` in its section `[LE]`. A duty cycle (`scan.period_s`) shortens
each distance from one listening to the next by a random 0 to 30 %, so that no two badges listen and pause in step.

The last column is what an eavesdropper learns beside the rolling IDs themselves: the passive mode sends nothing, the
others send scan requests. These carry an address, so whether they link two rolling IDs depends on the controller. A
legacy one has a single random address: that of the advertisement, which changes with the ID. One with extended
advertising has an address for the scan alone, and the kernel renews it only where a scan begins while nothing is
advertised; that is why `bzd.radio.radio` rotates in another order there (before, one address stayed over 8 IDs; no
issue is known, and no version that does without). It holds for the scans of bzd: if another program scans or advertises
on the same adapter, the address of the requests stays over a rotation, and nothing that bzd may do changes it.

A hundred rotations in each mode, while scanning on the same adapter (Linux 6.1 and 6.12, each with a legacy controller
and with one that has extended advertising): 101 IDs, no address under two IDs and no ID under two addresses, scan
requests included, the public address never on air. That held as well for an ID that was on air for 25 s, beside which
the kernel's discovery, which lasts 10.24 s, began anew twice, and for the ID after it (Linux 6.1 with the legacy
controller, 6.12 with the other). For each rotation nothing is listened to for so long, in ms:

| mode | 6.1 legacy: median, greatest | 6.12 legacy | 6.1 extended | 6.12 extended | scan request addresses |
|---|---|---|---|---|---|
| full | 180, 456 | 212, 545 | 163, 531 | 170, 546 | 101, each beside one ID |
| active | 94, 272 | 106, 327 | 66, 221 | 79, 238 | 101, the same |
| passive | 99, 226 | 106, 317 | 91, 250 | 66, 277 | none |

Back after a fault (legacy controller, BlueZ 5.66 / 5.82; seconds from the end of its cause to a report heard and a new
ID on air; at most 5 is checked, also with extended advertising, where it was 3.3 at most with 5.66):

| fault | seconds |
|---|---|
| bluetoothd restarted; stopped for 4 s; stopped for a minute | 0.2 / 0.3; 0.2 / 0.3; 0.2 / 0.2 |
| bluetoothd killed, gone for 4 s | 0.5 / 0.3 |
| adapter off and on; unplugged and back; blocked by rfkill | 0.4 / 0.4; 0.4 / 0.3; 0.4 / 0.3 |
| another program's discovery ends; one past bluetoothd, by the kernel's management, for 4 s | 0.3 / 0.3; 0.3 / 0.3 |
| advertising refused for 4 s; scanning refused for 4 s | 2.6 / 2.6; 3.0 / 3.0 |
| advertising refused for some minutes, when tries have become rare (at most 60 s) | 2.8 / 0.6 |
| dbus-daemon restarted | 0.9 / 0.7 |

Without what `bzd.radio.reset` does it was 8.5 s and more after a kill and after a restart of dbus-daemon: the kernel
goes on with the scan of a bluetoothd that died without a word, up to 10.24 s from its start, and refuses the next as
busy until then. So the adapter is switched off and on, if nobody else uses it: no device is connected, no other program
advertises or scans. The same is the last resort after minutes of refusals and hours of silence.

Whether this very radio keeps its address to itself is not known before somebody has looked: `bzd doctor --radio`
(`bzd.doctor.trial`) tries every way of using it and leaves a verdict for this kernel, BlueZ and controller
(`bzd.radio.verdict`). Without one the radio does as if it were clean, and says so; with one it takes no way that leaks
or cannot rotate, and is silent where advertising alone does.

What bzd cannot prevent:

- When bluetoothd starts it resets the adapter, and a user or rfkill may switch it off and on. The kernel then sends the
  advertisement that it still holds, the old ID under a new address, for some 100 ms (one frame) until bluetoothd, or
  bzd, takes it away. That shows the one ID under two addresses; the next ID comes with a third, so that no two IDs are
  linked by it.
- Whoever makes the adapter discoverable or connectable while a rolling ID is on air has the kernel send that ID under
  the public address at once. The badge leaves the air as soon as it is told, which was after one or two frames, 0.2 s,
  and with BlueZ before 5.73, which would die of it, half a second later (`bzd.radio.advertiser`); that ID then belongs
  to the adapter, those before and after do not. That it stays connectable afterwards is mended (`bzd.radio.leftover`).
- `btmgmt connectable on` goes past bluetoothd. BlueZ 5.82 shows it, and the badge leaves the air; 5.66 does not, the
  sandboxed service may not ask the kernel, and IDs are sent under the public address until `sudo bzd doctor` finds it
  or the badge is started again.
- A connectable advertisement of another program shows the public address beside the badge's own (`bzd doctor`).
"""
