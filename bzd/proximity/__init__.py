# SPDX-License-Identifier: Apache-2.0
"""Ranging (RSSI to closeness) and tracking (sightings to contacts); pure: time comes in with the sightings.

Modules
-------
`rules`     the configured times in whole milliseconds, and what an instance stands for
`run`       one rolling ID while it is followed
`places`    the bounded table of runs, and who goes when it is full
`filter`    which runs become contacts, and the counts with their reasons
`tracker`   puts sightings in order of time and drives the four above
`ranging`   RSSI to metres and near seconds; the one unit to replace when accuracy is worked on
`quota`     how many contacts of one hour are stored

Time
----
All times are taken as whole milliseconds before anything is decided, so that no decision hangs on a digit that the
store does not keep.

Sightings may come out of order within one second: they wait until the data is a second past them and are then taken in
order of (time, protocol, rolling ID, metadata, RSSI), so that the order of arrival within a second changes nothing.
At most 4096 wait; beyond that (a recorder that stamps thousands of reports with one instant) the oldest is taken
early, and what comes after it with an older time is taken as of that time.
A sighting more than a second before the newest means that the clock stepped back: every run ends, which is counted, and
tracking begins anew. Times before 1970 or after 9999 are dropped and counted.

`Tracker.advance(t)` says that no sighting older than `t` less one second will follow. It hands out what is closed by
then, the same contacts that later sightings or `finish()` would have handed out. It promises for the caller: a
sighting that breaks the promise is a clock that stepped back.

Scan instances
--------------
A sighting continues the open instance of its rolling ID if it comes at most `instance_gap_s` (25 s) after the last one,
less than `instance_max_s` (60 s) after the instance's first, and on the same UTC day. Otherwise it opens another.

An instance stands for the time from a reference point to its last sighting:

* If the radio can be said to have listened without a break since the previous instance of the run, the reference is
  the last sighting of that instance, so that the seconds of a run add up without a gap however it is split. In
  continuous listening that is so when the gap is at most `instance_gap_s`; with a scan period, when it is at
  most one and a half periods (or `instance_gap_s` if that is longer), since GAEN's periods vary from 210 to 300 s.
* Otherwise, in continuous listening, the reference is its own first sighting: absence while the radio listened is
  never presence, and a lone sighting stands for 0 s, which is all that it proves.
* Otherwise, with a scan period, it stands for one period (or for its own length if that is longer), as GAEN's
  instances stand for the time since the last scan, during which nobody listened. A period is the time between the
  ends of two listenings. At most `instance_stands_for_max_s` (300 s, GAEN's five minutes).

So with a scan period a contact's `duration_s` may exceed `end - start` by up to one period: the time before its first
sighting. In continuous listening it never does.

Contacts
--------
Two instances more than `max_gap_s` apart belong to two contacts. A contact is cut at UTC midnight: if its presence ran
through (the gap was no absence), the seconds before midnight are added to the last instance of the old day, the
others to the first instance of the new one, and both contacts have midnight as their end and start; the instance
before the cut may by that exceed `instance_stands_for_max_s`. If the gap over midnight was absence, they end and start
with their sightings. A run that reaches 180 instances (three hours at one a minute; a rolling ID lives 10 to 20
minutes, so it is a beacon that does not rotate) is cut in the same way at its last sighting, which bounds memory.

A midnight that was not known while it passed, because the clock was set right later, is cut at then (`midnight`), with
the same seconds and sightings in all.

A contact passes if its run, cuts or not, had `min_sightings` and its strongest sighting reached `min_rssi_dbm`. A piece
that was cut off before its run passed waits until the run passes, ends or is cut again.

Memory
------
At most `max_tracked` runs. See `places` for who goes beyond that; a run that must go is closed, and is a contact if it
passes. A closed instance takes 20 bytes, so that the worst an attacker can fill, 4096 runs of 180 instances each, was
measured to be 22 MB; a flood of IDs that come and go takes 3 MB, and 200 neighbours 0.4 MB.
"""
