# SPDX-License-Identifier: Apache-2.0
"""The sealed store: what a badge heard, kept so that a thief of the card cannot read it.

A store is an SQLite file used as a container of sealed blobs. Every stretch of it, a segment, has a random data key;
the data key is sealed to the public keys of the recipients and otherwise lives only in the memory of the process that
appends. So a badge that holds only public keys writes a history that it cannot read itself.

What is promised, and held by tests: nothing on the disk opens without an identity; a purged segment does not even open
with one; what was committed survives SIGKILL and power cuts without repair; damage is told and costs no more than what
it hit; a file made to harm whoever opens it does no more than be refused.

What a thief of the card learns. In clear are the store's ID, its format version and the badge's public Ed25519 key; for
each segment its purpose, its UTC day, how many can open it and whether a replay that wrote it is unfinished; the number
and order of rows of each segment; the SHA-256 of replayed traces; requests to the daemon; the recipients' public keys;
that and until when the wearer has paused the badge; when the files were last written. The log beside the store (`-wal`)
also holds the last few MB that were written, flush by flush, and the recent rows (`-recent`) the last two flushes, so
that they tell how many contacts were in progress, and for how long, since the log began. All that tells how much was
heard on which day, how often the daemon was started and how many key files a badge that matches by itself has read
when, and nothing of who was met or where. Nor does it tell whether one of them was a case: each time that something is
kept of matching, that is written anew for every day that there are contacts of, one row for up to five cases met that
day and one also for none. Where the identity lies beside the store (`bzd init` without `--recipient`), the thief reads
everything.

What nobody promises:

- *Who can write to the card* is trusted. The recipients are what `recipients/*.pub` holds whenever a segment begins: a
  key put there opens all that is sealed from then on, never what was sealed before. One more than at `bzd init` shows
  as a sealed key more (`bzd.store.openers`), one in the place of another does not: compare the fingerprints that `bzd
  init` and `bzd status` show. Such a person can also delete rows or put back older copies of them, or of the whole
  store, and seldom be noticed, and can seal a history of their own, since that takes public keys only. Whoever opens a
  store should know the fingerprint of its signing key from elsewhere.
- *Erasure* reaches what the file system shows. Flash memory keeps overwritten pages as long as it likes, and so do
  snapshots, backups and exported files:
  purge them likewise. Inside the file, SQLite may leave a copy of a sealed record where it moved one between pages; it
  opens no more once its key is gone. Keys, all of one length and only ever appended, leave none: 10,465 deletions in
  any order left not a byte run of 24.
- *Memory* holds data keys, and the own daily keys that are in use, while a process appends: swap and core dumps belong
  switched off where the card is to stay silent.

Measured with `tests/bench/bench_store.py --hours 6` (20 neighbours, 20 sightings a second, an ext4 of its own; bytes
sent to the disk, checkpoints included):

    ====================================  ======================  =================
    way of storing                        KiB per 1000 sightings  at 20/s for 24 h
    ====================================  ======================  =================
    peer: clear row and commit each                       8151.1         13755 MiB
    `bzd run`: in progress every 50 s                       25.3            43 MiB
    the same without recent rows                            34.9            59 MiB
    that every 300 s                                         8.2            14 MiB
    `bzd replay`: contacts once they end                    17.4            29 MiB
    ====================================  ======================  =================

The daemon leaves out contacts that did not change: `pydoc bzd.daemon` has what that makes.
10,000 contacts of 5 scan instances are sealed in 0.13 s and opened in 0.18 s of CPU time on that machine.


Format, version 1
=================
All numbers are big-endian unless SQLite stores them. `u8 u16 u32 u64` are unsigned, `i8 i16 i32 i64` signed. A *short
string of n* is a length byte and n bytes, of which those after the length are zero: n + 1 bytes. Times are `i64`
milliseconds since 1970-01-01T00:00Z, from 0 to 253402300800000. Days are whole days since 1970-01-01.

The file
--------
`store.sqlite` of a state directory, or an exported file of any name; page size 4096, `application_id` 0x627A6401,
`user_version` 1. A reader refuses a larger `user_version` and any schema but this one, to the letter of each
statement (`bzd.store.container.SCHEMA`):

    store       one (always 1), id (16 random bytes), signing_key (32 bytes, Ed25519 public key)
    segment     id (from 1, in the order in which segments began), purpose, day or NULL, provisional (0 to 2)
    sealed_key  id (segment id << 8 | slot), suite (6 bytes), sealed (1168 bytes); slots count recipients from 0
    record      id (segment id << 32 | row number), nonce (12 bytes), sealed (424 bytes)
    trace       sha256 (32 bytes) of each trace that was replayed to its end
    request     id, verb, answer or NULL: what the command line wants of a running daemon, and what the daemon said

Purposes: 1 contacts and clock anchors; 2 the badge's own daily keys; 3 the label; 4 the badge's private signing key; 6
what matching found. Purposes 1 and 6 are sealed to `recipients/*.pub`, 2 and 4 to `key-recipients/*.pub`, 3 to both;
those of 3 and 4 are the recipients at the time of `bzd init`. A segment of purpose 1 or 2 holds what started on its UTC
day; without a day it holds what belongs to a clock that was not known to be right, of one boot, and begins with an
anchor that names the boot. There the times of contacts are CLOCK_BOOTTIME: add wall clock less boottime of the last
right anchor of that boot in any segment; where there is none, of the last anchor of that boot, which gives the best
guess. The times of daily keys are those of the wrong clock, and a key is of use only if that differs from the right one
by less than two hours. A segment whose `provisional` is not 0 was written by a replay that has not ended: it is kept as
a whole or not at all, and the next appender removes what a replay left that never finished. Readers leave it out if
`provisional` is 1; 2 lets them watch a replay in real time. A segment without sealed keys was purged, and its rows go
with the next appender. A segment of purpose 6 holds the keys of cases that explain contacts of its UTC day, and the key
files that were read on it; without a day, those that explain contacts in segments without one. It is never added
to: what was found is written anew as a whole, in one transaction with the files that it was found in.

Sealing
-------
*Place*, 31 bytes: u16 1 (format version), u8 purpose, the store's id (16), u64 segment id, i32 day (-2**31 where NULL).

A *data key*, 32 random bytes, is sealed to each recipient with HPKE (RFC 9180, base mode, one message, empty associated
data): enc followed by ciphertext, 1120 + 48 bytes. The suite column is KEM, KDF and AEAD as u16 each: 647a 0001 0003,
which is MLKEM768-X25519 (draft-ietf-hpke-pq; X-Wing), HKDF-SHA256, ChaCha20-Poly1305.
`info` = the 18 characters `bzd store data key`, a zero byte, place, the 6 bytes of the suite.

A *record*, 408 bytes, is sealed with ChaCha20-Poly1305 (RFC 8439) under the data key and a nonce that is random at
every write, rewrites included: ciphertext and tag, 424 bytes.
Associated data = the 16 characters `bzd store record`, a zero byte, place, u64 row id (the whole `record.id`).

Records
-------
Each begins with u8 1 (record version) and u8 kind; what follows the fields is zero. A reader reports a record whose
version or kind it does not know.

    kind 0, end of segment: u32 number of rows that the segment had beside the two of this kind
    kind 1, contact:        at   2  u8 flags: 1 the wall clock was known to be right
                            at   3  short string of 16, protocol
                            at  20  short string of 24, rolling ID
                            at  45  short string of 16, metadata
                            at  62  i64 start, i64 end, u32 near_s in ms, u32 distance_m in cm (2**32 - 1: none)
                            at  86  u32 head, u16 part, u8 number of scan instances, 1 to 24
                            at  93  scan instances of 13 bytes: u32 offset_s in ms, u32 seconds in ms, u16 sightings
                                    (65535: so many or more), i16 mean RSSI in 1/8 dB, i8 strongest RSSI in dBm
    kind 2, daily key:      short string of 16, protocol; short string of 64, key; i64 start; i64 end (a key that is
                            there twice with one start was ended early: the earlier end holds)
    kind 3, clock anchor:   boot id (16 bytes), i64 CLOCK_BOOTTIME in ms, i64 wall clock, u8 whether it was right
    kind 4, label:          short string of 200, UTF-8; i64 when the store was made; signing_key of table store
    kind 5, signing key:    Ed25519 private key, 32 bytes
    kind 6, files read:     at   2  u8 number of files, 1 to 7
                            at   3  files of 52 bytes: SHA-256 (32), i64 when it was read, i64 the time after which no
                                    contact can begin that is with one of its keys, u32 id of the last segment of
                                    purpose 1 then
    kind 7, matched keys:   at   2  u8 number of keys, 0 to 5
                            at   3  keys of 71 bytes: short string of 16, protocol; short string of 32, key; u32 first
                                    interval; u16 number of intervals; u8 report type (5: revoked); i8 days since onset;
                                    i32 transmission risk; u8 flags: 1 it came as news of a key, 2 days since onset are
                                    known, 4 transmission risk is known; i64 when it was found

A contact of more than 24 scan instances takes several records, in rows of any numbers: all have the row number of the
first as `head`, and `part` counts from 0. The scan instances of all parts in order make the contact; all else is taken
from the last part, because a contact that grows has only its last record rewritten. A contact whose first or middle
part is missing is left out and reported; if its last part is lost, that row is reported and the rest is read.

Rows count from 1 within a segment. When a segment ends, its appender writes the end-of-segment record twice, at row
numbers 0 and 2**32 - 1; fewer rows than it says means that some were lost. A segment without one was cut off by a kill
or a power cut, which is normal. It notices accidents; somebody who deletes rows on purpose can delete both as well.

Recent rows
-----------
`store.sqlite-recent`, only while a badge appends or after it was cut off: what it flushed since it last wrote to the
store, about ten minutes. 262,144 bytes in two halves of 131,072. A half is

    16 characters `bzd recent rows`, u8 1 (format version); the store's id (16); u64 sequence; u64 merges;
    u32 number of segments; u32 number of rows; u32 number of deleted rows
    for each segment u32 id and the first 16 bytes of its sealed key in slot 0
    for each row u64 id, nonce (12), sealed record (424)
    for each deleted row u64 id
    SHA-256 of all that (32)

and zeros. Each flush writes all that is recent into the older half, with the next sequence; of the halves whose SHA-256
is right the higher sequence counts. Its rows stand before those of table `record` with the same id, and deleted rows
count as not there; those of a segment whose sealed key begins otherwise, or which has none, are passed over: it was
purged. A new file begins with one half that is empty, `sequence` and `merges` between 1 and 2**32 at random; without a
file `merges` counts as 0. What goes into the store empties the half and adds one to `merges`: a reader that finds
another number of merges after it has read the table than before begins anew.

Key files
---------
Text, UTF-8, lines that begin with # and blank lines skipped; a first line of words, then base64 in lines.

    bzd-public-key 1 FINGERPRINT            ML-KEM-768 encapsulation key (1184 bytes), X25519 public key (32)
    bzd-identity 1 plain FINGERPRINT        ML-KEM seed d, z (64 bytes), X25519 private key (32)
    bzd-identity 1 argon2id FINGERPRINT     u32 memory in KiB, u32 passes, u8 lanes, salt (16), nonce (12), sealed (112)

Sealed are the 96 bytes of the plain form, with ChaCha20-Poly1305 under Argon2id (RFC 9106, 32 bytes) of the passphrase
in NFC and UTF-8; associated data = the first line without its line end, then the 37 bytes before `sealed`.
FINGERPRINT = the first 16 bytes of SHA-256 of `bzd public key`, a zero byte and the 1216 bytes of the public key, as
eight groups of four hex digits with hyphens between. It must match the key. That of a badge's signing key is made alike
from `bzd signing key`, a zero byte and its 32 bytes.

`tests/store/vectors/store-1.bzd` is sealed to the identity of the bytes 0 to 95; `tests/store/test_vector.py` reads it
with a reader that was written from this page alone.

In Python
---------
`create` and `inspect`; `open_appender` gives an `Appender`, `open_reader` a `Reader`; `days`, `backup`, `purge`,
`salvage`. What matching found is read by `Reader.findings` and kept by `bzd.store.findings`.
Identities and public keys are in `bzd.store.identity`, where their files lie in `bzd.store.state`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bzd.store.appender import Appender, open_appender
    from bzd.store.copying import backup
    from bzd.store.creating import StoreInfo, create, inspect
    from bzd.store.draft import Handle
    from bzd.store.purging import PurgeResult, days, purge
    from bzd.store.reader import Reader, open_reader
    from bzd.store.salvaging import SalvageResult, salvage

_HOME = {
    "Appender": "appender",
    "open_appender": "appender",
    "StoreInfo": "creating",
    "create": "creating",
    "inspect": "creating",
    "Handle": "draft",
    "Reader": "reader",
    "open_reader": "reader",
    "backup": "copying",
    "PurgeResult": "purging",
    "days": "purging",
    "purge": "purging",
    "SalvageResult": "salvaging",
    "salvage": "salvaging",
}
"""Where each public name lives; imported at first use, so that `bzd --help` loads neither SQLite nor OpenSSL."""

__all__ = [
    "Appender",
    "Handle",
    "PurgeResult",
    "Reader",
    "SalvageResult",
    "StoreInfo",
    "backup",
    "create",
    "days",
    "inspect",
    "open_appender",
    "open_reader",
    "purge",
    "salvage",
]

if not TYPE_CHECKING:  # so that a type checker knows the names above and no others

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
