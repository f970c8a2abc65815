# SPDX-License-Identifier: Apache-2.0
"""Case files: what the badge of a case gives to the health authority instead of publishing its keys.

::

    a badge's store ──► sealing.write_case ──► FILE ──► opening.read_case ──► importing ──► a store of the authority's

`bzd export case` writes one, at the explicit command of whoever can open the badge's own keys; `bzd import case` makes
an exported store of each (`bzd.store.composing`), which `contacts`, `match` and `export` read like any other.

What is promised, and held by tests: only a recipient opens it; whoever carries it learns a size from a list of nine and
how many can open it, not the badge, the days, the wearer or what was heard; a file of which any bit was changed,
or that was cut short, is refused as a whole; and it is one badge's, for these recipients.

Why it is signed as it is
-------------------------
The signature is inside the sealing, because outside it would tell everybody on the way which badge this is, and anybody
could take it off and claim the sealed contents with a signature of their own. A signature inside alone would let a
recipient seal the same signed words to somebody else, who would take them for a file that the wearer meant for them
(surreptitious forwarding). So what is signed names the recipients, the file and every byte before the first sealed row:
a recipient who opens a file looks for its own fingerprint among those that the badge signed, and whatever is sealed
anew has another beginning than the one that was signed. What stays possible: a recipient can show others what it
opened, and prove by the signature that the badge said it; and an old file can be sent again, which shows by its time.

That the key is the badge's is told by its fingerprint: `bzd init` prints it, `bzd import case` shows it, remembers it
by label and store (`bzd.cases.known`), and refuses a label or store that comes with another.

The folder of imported cases tells without any identity which badges are cases, by the names of its files, and their
fingerprints. It belongs where the identity is safe, too.

What the recipients learn is all: every contact of the days (also third people, as random IDs), and the badge's own
keys of whole past days, which recognise its IDs wherever they were recorded. Import keeps only the contacts with other
cases, unless told otherwise.


Format, version 1
=================
All numbers are big-endian, times `i64` milliseconds since 1970-01-01T00:00Z, as in `bzd.store`, whose terms are used.

    head    at  0  the 13 characters `bzd case file`, a zero byte, u16 1 (version)
            at 16  file ID, 16 random bytes
            at 32  suite, 6 bytes (647a 0001 0003), as of a store's sealed keys
            at 38  u8 number of recipients, 1 to 16
            at 39  for each recipient the data key, sealed as in a store: 1168 bytes
    rows    436 bytes each: nonce (12 bytes), sealed record (424 bytes), sealed as in a store under the data key

*Place* of the data key and of the rows is that of a store's segment with the file ID for the store's, purpose 5,
segment 1 and no day. Rows count from 1, and the row ID in the associated data is this number. Their records are

    row 1                   u8 1 (record version), store's ID (16 bytes), public Ed25519 key (32 bytes), i64 when it was
                            made, i64 start and i64 end of the time that it is about, u32 rows of contacts, u32 of keys,
                            then for each recipient, in order, the 16 bytes of its fingerprint
    row 2                   label (kind 4 of a store's records), with the same public key; its time is that of row 1
    contacts, then keys     kinds 1 and 2 of a store's records; `head` of a contact is the number of its first row
    the row after these     Ed25519 signature, 64 bytes
    the rest                zero bytes

Records are 408 bytes, zeros after what is said here. The number of rows is the least of 1024, 2048, 4096, up to
262,144 that holds them, so that a file tells by its size no more than which of these nine it is.

The signature is made with the badge's key (RFC 8032) over the 13 characters `bzd case file`, a zero byte and the
SHA-512 of the head and the records of all rows before it. A contact whose `synced` is 0 has the best guess of its time.
"""
