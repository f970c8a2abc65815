# SPDX-License-Identifier: Apache-2.0
"""Key files: those that others published verify, no changed bit does, and bzd's own are like theirs."""

from __future__ import annotations

import subprocess
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.errors import InputError
from bzd.matching import archive, messages
from bzd.matching.keyfile import KeyFile, SignatureInfo, parse_key_file, read_key_file, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.signing import SHA256_OID, SigningKey, VerifyKey, parse_verify_key

if TYPE_CHECKING:
    from tests.matching.conftest import Cases


def example(published: Path) -> tuple[Path, VerifyKey]:
    """The example of Google's server and its public key."""
    folder = published / "google-server-example"
    return folder / "testExport-2-records-1-of-1.zip", parse_verify_key(f"some_id:1={folder / 'public.pem'}")


def sample(published: Path) -> tuple[Path, VerifyKey]:
    """The sample of Google's matcher and its public key."""
    folder = published / "google-internals"
    return folder / "sample_diagnosis_key_file.zip", parse_verify_key(f"310:v1={folder / 'sample_pubkey.b64'}")


def members(data: bytes) -> tuple[bytes, bytes]:
    """export.bin and export.sig of a zip."""
    with zipfile.ZipFile(BytesIO(data)) as opened:
        return opened.read("export.bin"), opened.read("export.sig")


def test_the_servers_example(published: Path) -> None:
    """It verifies, and holds the two keys, times and names that its authors say."""
    path, key = example(published)
    file = read_key_file(path, [key])
    assert file.keys == (
        DiagnosisKey(bytes.fromhex("172fc480e598490c34177604339b1543"), 2649980, 1, transmission_risk=8),
        DiagnosisKey(bytes.fromhex("2b63053ac483238de176169e861f3dcd"), 2649866, 114, transmission_risk=1),
    )
    assert (file.start, file.end, file.region) == (1590159600, 1590246000, "US")
    assert file.signers == (SignatureInfo("some_id", "1", SHA256_OID),)
    assert file.verified_by == key


def test_the_matchers_sample(published: Path) -> None:
    """140 keys, verified by a key that is given as base64 of DER."""
    path, key = sample(published)
    file = read_key_file(path, [key])
    assert (len(file.keys), file.start, file.end, file.skipped) == (140, 1593633600, 1593633900, {})


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("export.bin", 200, ("00068b4d1fb011b9c9ae2744419d4ab3", 2625468, 141)),
        ("raw_export.bin", 110, ("00e484ab69328ecfca4ce547deea3e0d", 2645035, 117)),
    ],
)
def test_unsigned_exports_alone(published: Path, name: str, count: int, first: tuple[str, int, int]) -> None:
    """export.bin without a zip, with a reserved field and odd rolling periods, is read where unsigned is allowed."""
    path = published / "google-internals" / name
    file = read_key_file(path, allow_unsigned=True)
    assert (len(file.keys), file.skipped) == (count, {})
    assert (file.keys[0].key.hex(), file.keys[0].first, file.keys[0].intervals) == first
    with pytest.raises(InputError, match="is not signed"):
        read_key_file(path, [example(published)[1]])


def test_every_bit_flip_is_refused(published: Path) -> None:
    """No bit of export.bin, nor of the signature's own bytes, can be turned."""
    path, key = example(published)
    export, signed = members(path.read_bytes())
    signature = messages.parse(messages.signature_list_message(), signed).signatures[0].signature
    at = signed.index(signature)
    flips = [(export, signed, place) for place in range(8 * len(export))]
    flips += [(signed, export, place) for place in range(8 * at, 8 * (at + len(signature)))]
    for changed, other, place in flips:
        mutable = bytearray(changed)
        mutable[place // 8] ^= 1 << place % 8
        pair = (bytes(mutable), other) if changed is export else (other, bytes(mutable))
        with pytest.raises(InputError):
            parse_key_file(archive.pack(*pair), [key])


def test_every_bit_flip_of_a_larger_file_is_refused(published: Path) -> None:
    """Of the 140 keys of the sample likewise: each bit by the key itself, and a bit of each octet by the reader."""
    path, key = sample(published)
    export, signed = members(path.read_bytes())
    (entry,) = messages.parse(messages.signature_list_message(), signed).signatures
    mutable = bytearray(export)
    assert key.verifies(export, entry.signature)
    for place in range(8 * len(export)):
        mutable[place // 8] ^= 1 << place % 8
        assert not key.verifies(bytes(mutable), entry.signature), place
        if place % 8 == place // 8 % 8:
            with pytest.raises(InputError):
                parse_key_file(archive.pack(bytes(mutable), signed), [key])
        mutable[place // 8] ^= 1 << place % 8


def test_who_may_not_be_verified(published: Path, signing_key: SigningKey) -> None:
    """Another key, a key of another ID or version, and no key at all are refused, each with its reason."""
    path, right = example(published)
    with pytest.raises(InputError, match="does not verify"):
        read_key_file(path, [signing_key.public], allow_unsigned=True)
    with pytest.raises(InputError, match="signed by key some_id version 1"):
        read_key_file(path, [VerifyKey(right.key, "some_id", "2")])
    with pytest.raises(InputError, match="no key to verify it with"):
        read_key_file(path)
    assert len(read_key_file(path, allow_unsigned=True).keys) == 2
    assert read_key_file(path, [signing_key.public, right]).verified_by == right


def test_the_same_export_as_the_servers_own(published: Path) -> None:
    """What bzd writes of the server's example with its private key is the server's export.bin, byte for byte."""
    path, key = example(published)
    private = SigningKey.loads((published / "google-server-example" / "private.pem").read_bytes())
    again = write_key_file(read_key_file(path, [key]), private)
    assert members(again)[0] == members(path.read_bytes())[0]
    assert parse_key_file(again, [key]).verified_by == key
    assert again == write_key_file(read_key_file(path, [key]), private), "deterministic"


KEYS = st.builds(
    DiagnosisKey,
    key=st.binary(min_size=16, max_size=16),
    first=st.integers(0, 400_000_000),
    intervals=st.integers(1, 144),
    protocol=st.just("gaen"),
    report_type=st.sampled_from(ReportType),
    days_since_onset=st.none() | st.integers(-14, 14),
    transmission_risk=st.none() | st.integers(0, 8),
)


@settings(deadline=None)
@given(st.lists(KEYS, max_size=5), st.lists(KEYS, max_size=3), st.text(max_size=5))
def test_what_is_written_is_read(
    signing_key: SigningKey, keys: list[DiagnosisKey], revised: list[DiagnosisKey], region: str
) -> None:
    """Keys, revised keys and all that is said of them come back."""
    written = KeyFile(tuple(keys), tuple(revised), 5.0, 6.0, region, 2, 3, (SignatureInfo("452", "v2"),))
    read = parse_key_file(write_key_file(written, signing_key), [signing_key.public])
    assert (read.keys, read.revised, read.region) == (written.keys, written.revised, region)
    assert (read.start, read.end, read.batch_num, read.batch_size) == (5, 6, 2, 3)
    assert read.signers == written.signers


def test_openssl_verifies_what_bzd_signs(tmp_path: Path, cases: type[Cases], signing_key: SigningKey) -> None:
    """An independent program accepts the signature over export.bin."""
    file = KeyFile((cases.key(1),), signers=(SignatureInfo("452", "v1"),))
    export, signed = members(write_key_file(file, signing_key))
    parsed = messages.parse(messages.signature_list_message(), signed)
    for name, data in {
        "export.bin": export,
        "signature": parsed.signatures[0].signature,
        "ha.pub": signing_key.public_pem(),
    }.items():
        (tmp_path / name).write_bytes(data)
    command = ["openssl", "dgst", "-sha256", "-verify", "ha.pub", "-signature", "signature", "export.bin"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "Verified OK")


def raw_export(**fields: object) -> bytes:
    """export.bin with one key of these fields."""
    message = messages.export_message()
    message.keys.add(**fields)
    return archive.HEADER + bytes(message.SerializeToString())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"key_data": b"k" * 15}, "key of wrong length"),
        ({"key_data": b"k" * 17}, "key of wrong length"),
        ({}, "key of wrong length"),
        ({"key_data": b"k" * 16, "rolling_period": 0}, "rolling period not 1 to 144"),
        ({"key_data": b"k" * 16, "rolling_period": 145}, "rolling period not 1 to 144"),
        ({"key_data": b"k" * 16, "rolling_start_interval_number": -1}, "interval out of range"),
        ({"key_data": b"k" * 16, "rolling_start_interval_number": (1 << 31) - 1}, "interval out of range"),
    ],
)
def test_senseless_entries_are_counted(fields: dict[str, object], reason: str) -> None:
    """They are left out, with the reason; the rest of a file is still good."""
    file = parse_key_file(raw_export(**fields), allow_unsigned=True)
    assert (file.keys, file.skipped) == ((), {reason: 1})


def test_an_absent_rolling_period_is_a_day() -> None:
    """Servers leave 144 out."""
    file = parse_key_file(raw_export(key_data=b"k" * 16, rolling_start_interval_number=7), allow_unsigned=True)
    assert file.keys == (DiagnosisKey(b"k" * 16, 7, 144),)


def test_too_many_keys_are_refused_before_they_take_memory() -> None:
    """A million empty keys, two bytes each, are counted and refused, not parsed."""
    with pytest.raises(InputError, match="more than 500000 keys"):
        parse_key_file(archive.HEADER + b"\x3a\x00" * 1_000_000, allow_unsigned=True)


@pytest.mark.parametrize("revised", [0, 1])
def test_the_most_keys_that_a_file_may_hold(revised: int) -> None:
    """500,000 are read, one more is refused, also if it is among the revised ones."""
    # The bytes of many keys are those of one repeated: a field is its tag, its length and its content.
    one = raw_export(key_data=b"k" * 16, rolling_start_interval_number=7)[len(archive.HEADER) :]
    most = archive.HEADER + one * 500_000
    assert len(parse_key_file(most, allow_unsigned=True).keys) == 500_000
    message = messages.export_message()
    message.keys.add(key_data=b"k" * 16)
    message.revised_keys.add(key_data=b"k" * 16)
    more = one if not revised else bytes(message.SerializeToString())
    fewer = most if not revised else most[: -len(one)]
    with pytest.raises(InputError, match="more than 500000 keys"):
        parse_key_file(fewer + more, allow_unsigned=True)


@pytest.mark.parametrize(("end", "kept"), [(0.0, 2), (86_399.0, 2), (86_400.0, 3), (3 * 86_400.0, 3)])
def test_keys_of_the_future_are_counted(cases: type[Cases], end: float, kept: int) -> None:
    """A key that begins over two hours from now is left out, unless the file itself says that it is from later."""
    later = cases.key(3, day=1)
    keys = (cases.key(1), cases.key(2, day=1)._replace(first=cases.day + 12), later)
    file = KeyFile(keys, (later,), end=cases.midnight + end - 7200 if end else 0.0, skipped={"other": 1})
    seen = file.begun(cases.midnight)
    assert (len(seen.keys), seen.keys) == (kept, keys[:kept])
    assert seen.skipped == {"other": 1, **({"interval in the future": 2} if kept == 2 else {})}


@pytest.mark.parametrize("where", ["region", "key_id", "version", "algorithm"])
def test_a_name_without_an_end_is_refused(cases: type[Cases], signing_key: SigningKey, where: str) -> None:
    """Sixty kilobytes of zip can hold a name of sixty megabytes, for whoever lists what is in the file."""
    for length, accepted in ((256, True), (257, False)):
        name = "x" * length
        info = SignatureInfo() if where == "region" else SignatureInfo(**{where: name})
        file = KeyFile((cases.key(1),), region=name if where == "region" else "", signers=(info,))
        data = write_key_file(file, signing_key)
        if accepted:
            assert parse_key_file(data, allow_unsigned=True).keys == file.keys
        else:
            with pytest.raises(InputError, match="more than 256 characters"):
                parse_key_file(data, allow_unsigned=True)


def test_a_zip_bomb_is_refused() -> None:
    """65 MB of zeros in 64 kB are not unpacked further than the limit."""
    bomb = archive.pack(archive.HEADER + bytes(archive.MAX_EXPORT), None)
    assert len(bomb) < 100_000
    with pytest.raises(InputError, match="larger than"):
        parse_key_file(bomb, allow_unsigned=True)


def zipped(*names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with an empty export under each name."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        for name in names:
            opened.writestr(zipfile.ZipInfo(name), archive.HEADER, method)
    return buffer.getvalue()


def encrypted() -> bytes:
    """A zip whose entry says, in both of its headers, that it is encrypted (APPNOTE.TXT section 4.4.4, bit 0)."""
    data = bytearray(zipped("export.bin"))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no zip"),
        (b"PK\x03\x04" + bytes(40), "is no zip"),
        (zipped("other.bin"), "without export.bin"),
        (zipped("export.bin", "export.bim").replace(b"bim", b"bin"), "more than once"),
        (zipped("export.bin", method=zipfile.ZIP_BZIP2), "packed in a way"),
        (encrypted(), "encrypted"),
        (zipped(*(f"{number}.bin" for number in range(70))), "more than 64 files"),
        (archive.pack(b"EK Export v2    ", None), "does not begin with"),
        (archive.HEADER + b"\x3a\x05ab", "is damaged"),
        (archive.HEADER + b"\xff" * 20, "is damaged"),
        (archive.pack(archive.HEADER, b"\x0a\x05ab"), "export.sig in key file is damaged"),
    ],
    ids=range(11),
)
def test_what_is_no_key_file_is_refused(data: bytes, message: str) -> None:
    """Each with its own reason."""
    with pytest.raises(InputError, match=message):
        parse_key_file(data, allow_unsigned=True)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_damage_gives_a_clear_error_or_a_file(cases: type[Cases], data: st.DataObject) -> None:
    """A zip with bytes changed, cut or put in, and an export of any bytes: never anything but InputError."""
    whole = bytearray(write_key_file(KeyFile((cases.key(1), cases.key(2)))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole)))
        whole[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    for damaged in (bytes(whole), archive.HEADER + data.draw(st.binary(max_size=60))):
        try:
            parse_key_file(damaged, allow_unsigned=True)
        except InputError as error:
            assert error.hint  # noqa: PT017  not raising is right as well


def test_an_unreadable_file_is_said(tmp_path: Path) -> None:
    """A file that is not there, a folder, and one that is larger than any key file."""
    (tmp_path / "large").write_bytes(bytes(archive.MAX_FILE + 1))
    for name, message in (("absent", "No such file"), (".", "Is a directory"), ("large", "larger than 32 MB")):
        with pytest.raises(InputError, match=message):
            read_key_file(tmp_path / name, allow_unsigned=True)


@pytest.mark.parametrize("wrong", [{"key": b"k"}, {"intervals": 0}, {"protocol": "bluezone"}, {"days_since_onset": 15}])
def test_what_the_format_cannot_say_is_not_written(cases: type[Cases], wrong: dict[str, object]) -> None:
    """Nothing is clipped or left out in silence."""
    with pytest.raises(ValueError, match=r"key|onset"):
        write_key_file(KeyFile((cases.key(1)._replace(**wrong),)))  # type: ignore[arg-type]  # on purpose
