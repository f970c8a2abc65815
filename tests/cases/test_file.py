# SPDX-License-Identifier: Apache-2.0
"""Case files: sealed, signed, bound to their recipients, and refused as a whole if anything is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.cases.case import HEAD, ROW_BYTES, ROWS, padded
from bzd.cases.opening import read_case
from bzd.cases.sealing import write_case
from bzd.errors import BzdError, IdentityError, InputError, StoreError
from bzd.store.identity import Identity
from bzd.store.sealing import CASE_FILE, Place, RecordCipher, open_key, seal_key

Send = Callable[..., Path]
OTHER = Identity(bytes(range(1, 97)))


def test_what_was_written_is_read(send: Send, anna: Any, ben: Any, authority: Identity) -> None:
    """Label, times, contacts of any length and keys come back, with the badge's fingerprint and all recipients."""
    heard = (ben.contact(), ben.contact(40_000, scans=60))
    read = read_case(send(anna, *heard, to=(OTHER, authority)), [authority])
    assert read.case == anna.case(*heard)
    assert read.recipients == (OTHER.fingerprint, authority.fingerprint)
    assert read_case(Path(read.name), [OTHER]).case == read.case


def test_nothing_of_it_can_be_read_on_the_way(send: Send, anna: Any, ben: Any, authority: Identity) -> None:
    """Not the label, the store, the signing key, an ID or a key; two files of one case have nothing in common."""
    contact = ben.contact()
    one, two = (send(anna, contact, name=name).read_bytes() for name in ("one", "two"))
    case = anna.case(contact)
    hidden = (b"anna", case.store_id, case.signing_public, contact.rolling_id, anna.key.key, authority.public.raw[:32])
    assert not any(secret in one for secret in hidden)
    begin = HEAD.size
    assert sum(a == b for a, b in zip(one[begin:], two[begin:], strict=True)) < len(one) / 100
    assert one[16:32] != two[16:32]


@pytest.mark.parametrize(("contacts", "rows"), [(0, 1024), (1020, 1024), (1021, 2048)])
def test_the_size_is_one_of_nine(contacts: int, rows: int, anna: Any, ben: Any, authority: Identity) -> None:
    """A file is as long for no contact as for a thousand; then twice as long."""
    out = io.BytesIO()
    heard = [ben.contact(float(number)) for number in range(contacts)]
    write_case(anna.case(*heard), anna.private.private_bytes_raw(), [authority.public], out)
    assert len(out.getvalue()) == HEAD.size + 1168 + rows * ROW_BYTES
    assert rows in ROWS


def test_more_than_fits_is_an_error() -> None:
    """The largest file is full at its last row."""
    assert padded(ROWS[-1]) == ROWS[-1]
    with pytest.raises(InputError, match="more than the 262144"):
        padded(ROWS[-1] + 1)


def test_who_is_no_recipient_learns_nothing(send: Send, anna: Any) -> None:
    """The error names the file and says what to give."""
    with pytest.raises(IdentityError, match=r"anna\.case is sealed to others"):
        read_case(send(anna), [OTHER])


def test_every_bit_of_the_head_and_some_of_each_row(tmp_path: Path, send: Send, anna: Any, authority: Identity) -> None:
    """Whichever bit was changed, the file is refused: all of the head, and in each row nonce, blob and tag."""
    good = send(anna, to=(authority, OTHER)).read_bytes()
    path = tmp_path / "changed.case"
    head = HEAD.size + 2 * 1168
    rows = [head + row * ROW_BYTES + at for row in (0, 1, 2, 3, 4, 1023) for at in (0, 11, 12, 200, 435)]
    for bit in [*range(8 * HEAD.size), *range(8 * HEAD.size, 8 * head, 101), *(8 * at + 3 for at in rows)]:
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(BzdError) as caught:
            read_case(path, [authority])
        assert isinstance(caught.value, InputError | IdentityError), (bit, caught.value)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Cut anywhere, lengthened, a bit flipped anywhere, two rows exchanged: refused as a whole, always."""
    folder = tmp_path_factory.getbasetemp()
    good = _good(folder)
    at = data.draw(st.integers(0, len(good) - 1))
    head = HEAD.size + 1168
    one, two = (head + ROW_BYTES * row for row in data.draw(st.tuples(st.integers(0, 1023), st.integers(0, 1023))))
    flipped = bytearray(good)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    exchanged = bytearray(good)
    exchanged[one : one + ROW_BYTES], exchanged[two : two + ROW_BYTES] = (
        good[two : two + ROW_BYTES],
        good[one : one + ROW_BYTES],
    )
    for damaged in (bytes(flipped), good[:at], good + good[: at + 1], bytes(exchanged) if one != two else b""):
        (folder / "damaged.case").write_bytes(damaged)
        with pytest.raises((InputError, IdentityError)):
            read_case(folder / "damaged.case", [Identity(bytes(range(96)))])


def _good(folder: Path) -> bytes:
    """A sound case file, made once."""
    from .conftest import Badge  # noqa: PLC0415  hypothesis gives no fixtures

    path = folder / "good.case"
    if not path.exists():
        with path.open("wb") as file:
            badge = Badge("anna", 1)
            recipient = Identity(bytes(range(96))).public
            write_case(badge.case(badge.contact()), badge.private.private_bytes_raw(), [recipient], file)
    return path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000), st.booleans())
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes, begun: bool) -> None:  # noqa: FBT001  drawn
    """Whatever a file holds, also after a right beginning, is a clear error."""
    path = tmp_path_factory.getbasetemp() / "any.case"
    path.write_bytes((b"bzd case file\0\0\1" if begun else b"") + data)
    with pytest.raises((InputError, IdentityError)):
        read_case(path, [Identity(bytes(range(96)))])


def test_a_newer_version_is_named_as_such(tmp_path: Path, send: Send, anna: Any, authority: Identity) -> None:
    """So that nobody looks for damage."""
    data = bytearray(send(anna).read_bytes())
    data[14:16] = (2).to_bytes(2, "big")
    (tmp_path / "new.case").write_bytes(data)
    with pytest.raises(InputError, match="newer bzd"):
        read_case(tmp_path / "new.case", [authority])


class Forger:
    """Opens a case file as its recipient, and seals what it likes."""

    def __init__(self, data: bytes, identity: Identity) -> None:
        count = data[38]
        keys = [data[HEAD.size + 1168 * at : HEAD.size + 1168 * (at + 1)] for at in range(count)]
        self.place = Place(data[16:32], CASE_FILE, 1, None)
        data_key = open_key(keys, [identity], self.place)
        assert data_key is not None
        self.data_key = data_key
        cipher, begin = RecordCipher(data_key, self.place), HEAD.size + 1168 * count
        rows = [data[at : at + ROW_BYTES] for at in range(begin, len(data), ROW_BYTES)]
        self.records = [cipher.open(n, row[:12], row[12:]) or b"" for n, row in enumerate(rows, 1)]
        self.head = data[:begin]

    def sealed(self, head: bytes | None = None) -> bytes:
        """The file with the records as they are now."""
        cipher = RecordCipher(self.data_key, self.place)
        rows = (b"".join(cipher.seal(number, record)) for number, record in enumerate(self.records, 1))
        return (head or self.head) + b"".join(rows)


def test_a_recipient_cannot_pass_it_on_as_meant_for_another(
    tmp_path: Path, send: Send, anna: Any, authority: Identity
) -> None:
    """What the badge signed for one authority, sealed by it to another, is no file of the badge for that one."""
    forger = Forger(send(anna).read_bytes(), authority)
    head = forger.head[: HEAD.size] + seal_key(forger.data_key, [OTHER.public], forger.place)[0]
    (tmp_path / "forwarded.case").write_bytes(forger.sealed(head))
    with pytest.raises(InputError, match="not signed by the badge"):
        read_case(tmp_path / "forwarded.case", [OTHER])


def test_a_recipient_cannot_change_it(tmp_path: Path, send: Send, anna: Any, ben: Any, authority: Identity) -> None:
    """Nor take the signature for a label, time or contact of its own making."""
    path, out = send(anna, ben.contact()), tmp_path / "forged.case"
    for row, at in ((0, 60), (1, 5), (2, 70), (3, 30), (4, 0)):
        forger = Forger(path.read_bytes(), authority)
        forger.records[row] = bytes(byte ^ (place == at) for place, byte in enumerate(forger.records[row]))
        out.write_bytes(forger.sealed())
        with pytest.raises(InputError):
            read_case(out, [authority])


@pytest.mark.parametrize(("recipients", "error"), [(0, InputError), (17, InputError)])
def test_too_few_and_too_many_recipients(anna: Any, recipients: int, error: type[Exception]) -> None:
    """One to sixteen."""
    with pytest.raises(error, match="1 to 16"):
        write_case(anna.case(), anna.private.private_bytes_raw(), [OTHER.public] * recipients, io.BytesIO())


def test_a_signing_key_that_is_not_the_badges(anna: Any, ben: Any) -> None:
    """A damaged store signs nothing."""
    with pytest.raises(StoreError, match="does not belong"):
        write_case(anna.case(), ben.private.private_bytes_raw(), [OTHER.public], io.BytesIO())


def test_a_badge_that_signs_nonsense_is_refused(send: Send, anna: Any, authority: Identity) -> None:
    """A time after the year 9999 is no time, whoever signed it."""
    with pytest.raises(InputError, match="makes no sense: a time out of bounds"):
        read_case(send(anna, until=1e12), [authority])


def test_what_is_no_file(tmp_path: Path, authority: Identity) -> None:
    """One that is not there, and a folder, are named."""
    for path in (tmp_path / "none.case", tmp_path):
        with pytest.raises(InputError, match=f"cannot read {path}"):
            read_case(path, [authority])
