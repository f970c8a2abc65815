# SPDX-License-Identifier: Apache-2.0
"""The daemon: a badge that can be left alone.

    service         from start to SIGTERM: store, signals, systemd, reloading, status files
    badge           radio, pipeline and store put together; one tick a second drives it
    surroundings    what it runs on
    keeper          contacts, also those in progress, own keys and clock anchors into the store
    retiring        ends a daily key that is going to be exported
    recipients      whom it seals to, and telling when that changes
    retention       deletes what is old, by a clock that can be believed
    timekeeping     what sightings are dated by, and what happens when the clock is set
    synchronised    asks whether the clock is right
    neighbours      who is near now, without saying who
    warnings        looks for key files, has them matched, and warns
    folder          which key files there are, and which are to be looked at
    errand          runs the matching process and hears it
    match_worker    that process
    report          status and metrics
    pausing         the wearer's silence, which outlives a reboot
    answers         what was asked of it, and what is answered when
    runtime         the files in /run/bzd
    one_openssl     keeps a second copy of OpenSSL out of the memory
    notify          systemd's readiness and watchdog
    journal         logging

What the command line wants of a running daemon are rows in the store (`bzd.store.requests`), answered within 5 s:
`pause [SECONDS]`, `resume`, `end-segment` (what comes next has a new data key), `retire-key [WORD]`, and of who tries
the radio out `lend SECONDS` and `give-back`: a pause that neither shortens nor ends one of the wearer's. What takes the
badge, or its daily key, off the air is answered once it is off the air.

Time
----
Sightings are dated by CLOCK_BOOTTIME plus an offset that stands until the wall clock is set (`timekeeping`). While the
wall clock is not known to be right the offset is 0, and contacts are kept without a day, each stretch of them beginning
with an anchor (boot, boottime, wall clock). When the clock becomes right, what is in progress is moved to its right
time with durations unchanged, and an anchor is kept that dates everything else of that boot when it is read.

Whether it is right the kernel says, by the error that a time server states; in the sandbox, which may not ask it,
systemd-timedated asks for the badge (`synchronised`). A clock that was set by hand is not right until a time server has
set it again.

What is kept when
-----------------
Contacts in progress are written every 50 s and on SIGTERM; a contact that did not change is not written again. Own
daily keys are sealed before anything of them goes on air. A power cut loses at most the last minute. On SIGTERM the
radio has 1.5 s to leave the air; then everything is written whether it has or not.

Written are 37.0 MB a day where 20 others, who change their IDs every 10 to 20 minutes, are heard 20 times a second
(`tests/bench/bench_daemon.py --hours 6`, MB of 10**6 bytes sent to the disk, checkpoints included); the disk, an ext4
of its own, took 42.6 with its journal. Of the first two hours it is 40.8 and 47.7; with all of it in SQLite it was 58.3
and 76.9, since the index of SQLite's log goes to the disk at each flush as well (`bzd.store.recent`).

Memory
------
Measured with `tests/bench/bench_memory.py`: 38.0 MiB resident with Python 3.11 and 38.9 with 3.13 (x86-64, nobody
near), of which 20.9 and 21.2 are its own and the rest pages of libraries. An empty Python has 8.5 of it, asyncio 6.7,
`cryptography` 6.6, the two D-Bus libraries with bleak 4.7, click and the command line 2.8, bzd's own modules some 4.
Matching is done by a process of its own, and what that takes is given back.

Among others
------------
A hurried week (`tests/bench/bench_week.py`: the real process on a dbus-daemon with a fake BlueZ; 20 others whose IDs
change every half hour, some 800 rotations of its own, days older than two deleted; Python 3.11, MB of 10**6 bytes):

| day | resident MB | proportional MB | open files | threads | store MB |
|---|---|---|---|---|---|
| 1 | 42.2 | 30.1 | 15 | 2 | 0.8 |
| 3 | 43.4 | 31.2 | 15 | 2 | 1.8 |
| 5 | 43.4 | 31.2 | 15 | 2 | 1.8 |
| 9 | 43.6 | 31.4 | 15 | 2 | 1.8 |

What grows are resident pages, most of them in the first three days, until something was deleted for the first time.
With SQLite's own page cache, which a store of that size fills, it was 0.9 MB more; a single arena of malloc and
malloc_trim(3) change nothing of it, collecting garbage at every flush takes 0.4 MB off. Below 45 MB is the aim
(`tests/e2e/guest/memory.py`). In the test bed, where a day passes in 86 s (`--only week`), the eighth day ended with
44.0 MB on Debian 12 and 44.2 on Debian 13. With 10 and 100 badges around, in both (`--only load`), it held 39.7 to 41.5
and 40.3 to 42.5 MB after 20 s; with 500, which saturate the emulated guest, 43.4 to 45.5.

What a report costs is bleak's: at 400 a second (`tests/bench/bench_report.py`,
x86-64, least of four rounds on a machine with other work) 110 us of processor time in a bare bleak scanner that is sent
RSSI alone, 114 in one that is sent the payload as well, as bzd has to ask for, and 122 here: 1.11 and 1.08 times.
"""
