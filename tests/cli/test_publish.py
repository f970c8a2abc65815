# SPDX-License-Identifier: Apache-2.0
"""`bzd keygen --signing` and `bzd publish`."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from bzd.errors import PassphraseError
from bzd.matching.archive import HEADER
from bzd.matching.keyfile import KeyFile, SignatureInfo, read_key_file, write_key_file
from bzd.matching.keys import DiagnosisKey, ReportType
from bzd.matching.messages import export_message, parse, signature_list_message
from bzd.matching.signing import SigningKey, load_verify_key

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd

NOW = 1_800_000_000.0
"""The clock of the tests: 2027-01-15T08:00:00Z."""
TODAY = int(NOW) // 86400 * 144
"""The first interval of its day."""

Case = Callable[..., Path]


def key(number: int, ago: int = 1, **other: object) -> DiagnosisKey:
    """The key of a day so many days ago."""
    return DiagnosisKey(number.to_bytes(16, "big"), TODAY - 144 * ago, 144, **other)  # type: ignore[arg-type]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Make an unsigned export, as `bzd export keys` does."""

    def make(name: str, *keys: DiagnosisKey, signing_key: SigningKey | None = None) -> Path:
        (tmp_path / name).write_bytes(write_key_file(KeyFile(keys), signing_key))
        return tmp_path / name

    return make


@pytest.fixture
def authority(bzd: Bzd, tmp_path: Path) -> Path:
    """The secret key of a health authority, beside which `ha.pub` lies."""
    assert bzd("keygen", "--signing", "-o", tmp_path / "ha.pem").code == 0
    return tmp_path / "ha.pem"


def test_a_signing_key_and_its_public_half(authority: Path, tmp_path: Path) -> None:
    """Both are PEM of one P-256 key; only its owner may read the secret one."""
    secret, public = SigningKey.loads(authority.read_bytes()), load_verify_key(tmp_path / "ha.pub")
    assert secret.public.fingerprint == public.fingerprint
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ha.pem", "ha.pub")] == [0o600, 0o644]


def test_the_fingerprint_and_stdout(bzd: Bzd) -> None:
    """Without -o the secret key is stdout's, the public one and the fingerprint of both are stderr's."""
    done = bzd("keygen", "--signing")
    assert f"fingerprint {SigningKey.loads(done.raw).public.fingerprint}" in done.err
    assert "BEGIN PUBLIC KEY" in done.err
    assert "PRIVATE" not in done.err


def test_a_signing_key_under_a_passphrase(bzd: Bzd, case: Case, tmp_path: Path) -> None:
    """It signs with the passphrase, and not with another one or with none."""
    for name, text in (("right", "correct horse\n"), ("wrong", "battery staple\n")):
        (tmp_path / name).write_text(text)
    pem = tmp_path / "ha.pem"
    assert bzd("keygen", "--signing", "-o", pem, "--passphrase-file", tmp_path / "right").code == 0
    with pytest.raises(PassphraseError):
        SigningKey.loads(pem.read_bytes())
    words = ["publish", case("a.zip", key(1)), "-o", tmp_path / "out.zip", "--sign-key", pem]
    assert [bzd(*words).code, bzd(*words, "--passphrase-file", tmp_path / "wrong").code] == [7, 7]
    assert bzd(*words, "--passphrase-file", tmp_path / "right").code == 0


def test_merged_sorted_padded_and_signed(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """Two cases become one file of 1000 keys in order, signed, that says the region and the key that signed."""
    one, two = case("one.zip", key(9), key(8, 2)), case("two.zip", key(7), key(9))
    words = ["--region", "CH", "--key-id", "228", "--key-version", "v1"]
    done = bzd("publish", one, two, "-o", tmp_path / "today.zip", "--sign-key", authority, *words)
    assert (done.code, done.out) == (0, "")
    assert "3 keys; 997 added as padding; 1 duplicate left out" in done.err
    file = read_key_file(tmp_path / "today.zip", [load_verify_key(tmp_path / "ha.pub", "228", "v1")])
    assert {key(7), key(8, 2), key(9)} <= set(file.keys)
    assert (len(file.keys), list(file.keys)) == (1000, sorted(file.keys))
    assert (file.region, file.signers[0]) == ("CH", SignatureInfo("228", "v1"))


def test_others_verify_it(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """Openssl says that the signature is that of ha.pub over export.bin."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    assert bzd("publish", case("a.zip", key(1)), "-o", tmp_path / "out.zip", "--sign-key", authority).code == 0
    with ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(tmp_path)
    signed = parse(signature_list_message(), (tmp_path / "export.sig").read_bytes())
    (tmp_path / "signature").write_bytes(signed.signatures[0].signature)
    words = ["-sha256", "-verify", tmp_path / "ha.pub", "-signature", tmp_path / "signature", tmp_path / "export.bin"]
    done = subprocess.run(["openssl", "dgst", *map(str, words)], capture_output=True, check=False)
    assert done.stdout == b"Verified OK\n"


def test_the_same_input_gives_the_same_file(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """With --padding 0 and --now; with padding they differ, since it is random."""
    words = ["publish", case("a.zip", key(1)), "--sign-key", authority, "--now", "2027-01-15T08:00:00Z"]
    made: list[bytes] = []
    for name, padding in (("1", 0), ("2", 0), ("3", 1000), ("4", 1000)):
        out = tmp_path / f"{name}.zip"
        assert bzd(*words, "-o", out, "--padding", padding, now=NOW + len(made)).code == 0
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert made[2] != made[3]


def test_the_embargo(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """A key waits until two hours after its end: it is held back and named, or lets nothing be written at all."""
    midnight, out = NOW // 86400 * 86400, tmp_path / "out.zip"
    words = ["publish", case("a.zip", key(1), key(2, 2)), "--sign-key", authority, "--padding", 0, "-o", out]
    part = bzd(*words, now=midnight + 7199)
    assert (part.code, [of.key for of in read_key_file(out, allow_unsigned=True).keys]) == (0, [key(2).key])
    assert "1 held back, the first until 2027-01-15T02:00:00.000Z" in part.err
    alone = ["publish", case("b.zip", key(1)), "--sign-key", authority, "-o", tmp_path / "b-out.zip"]
    refused = bzd(*alone, now=midnight + 7199)
    assert (refused.code, "nothing to publish yet" in refused.err, (tmp_path / "b-out.zip").exists()) == (
        4,
        True,
        False,
    )
    assert bzd(*alone, now=midnight + 7200).code == 0


def test_no_embargo_says_what_it_allows(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """Then the key of a moment ago is published, with a warning."""
    words = ["publish", case("a.zip", key(1)), "--sign-key", authority, "-o", tmp_path / "out.zip", "--no-embargo"]
    done = bzd(*words, now=NOW // 86400 * 86400)
    assert done.code == 0
    assert "warning: without the embargo, whoever has this file can pass for a case" in done.err


def test_a_batch_of_several_files(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """More keys than --max-keys make numbered files, all or none."""
    given = case("a.zip", *(key(number) for number in range(5)))
    words = ["publish", given, "--sign-key", authority, "--padding", 0, "--max-keys", 2, "-o", tmp_path / "out.zip"]
    (tmp_path / "out-3.zip").write_bytes(b"precious")
    assert bzd(*words).code == 5
    assert [(tmp_path / name).exists() for name in ("out-1.zip", "out-2.zip", "out.zip")] == [False] * 3
    assert bzd(*words, "--force").code == 0
    read = [read_key_file(tmp_path / f"out-{n}.zip", allow_unsigned=True) for n in (1, 2, 3)]
    assert [(file.batch_num, file.batch_size, len(file.keys)) for file in read] == [(1, 3, 2), (2, 3, 2), (3, 3, 1)]
    assert bzd(*words[:-1], "-").code == 5


def test_revoking(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """The keys of the file named are published as withdrawn, and no longer as keys; alone as well."""
    batch, wrong = case("batch.zip", key(1), key(2)), case("wrong.zip", key(2))
    words = ["--sign-key", authority, "--padding", 0]
    assert bzd("publish", batch, "--revoke", wrong, *words, "-o", tmp_path / "out.zip").code == 0
    file = read_key_file(tmp_path / "out.zip", allow_unsigned=True)
    assert [of.key for of in file.keys] == [key(1).key]
    assert [(of.key, of.report_type) for of in file.revised] == [(key(2).key, ReportType.REVOKED)]
    done = bzd("publish", "--revoke", wrong, *words, "-o", tmp_path / "alone.zip")
    assert (done.code, "1 key withdrawn or revised" in done.err) == (0, True)


def test_an_export_changes_nothing_that_was_published(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """Everybody has published keys: nobody withdraws one, or takes its time, by what they bring as their own."""
    own = case("own.zip", *map(key, range(4)), signing_key=SigningKey.loads(authority.read_bytes()))
    revoked = [key(number, report_type=ReportType.REVOKED) for number in (0, 1)]
    lie = KeyFile((revoked[0], key(2)._replace(intervals=1), key(3, days_since_onset=9), key(4)), (revoked[1],))
    (tmp_path / "lie.zip").write_bytes(write_key_file(lie))
    words = ["--sign-key", authority, "--padding", 0, "-o", tmp_path / "out.zip"]
    done = bzd("publish", tmp_path / "lie.zip", own, *words)
    assert (done.code, "lie.zip is not signed, so that news of 2 keys in it is left out" in done.err) == (0, True)
    out = read_key_file(tmp_path / "out.zip", allow_unsigned=True)
    assert (out.keys, out.revised) == (tuple(map(key, range(5))), ())


def test_a_signed_input_must_verify(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """An earlier batch of one's own does; that of another authority needs its public key."""
    other = SigningKey.generate()
    (tmp_path / "other.pub").write_bytes(other.public_pem())
    own = case("own.zip", key(1), signing_key=SigningKey.loads(authority.read_bytes()))
    foreign = case("foreign.zip", key(2), signing_key=other)
    words = ["--sign-key", authority, "-o", tmp_path / "out.zip"]
    refused = bzd("publish", own, foreign, *words)
    assert (refused.code, f"the signature of {foreign} does not verify" in refused.err) == (4, True)
    assert bzd("publish", own, foreign, *words, "--verify-key", tmp_path / "other.pub").code == 0


@pytest.mark.parametrize("what", ["", "\0", "{}", "PK\3\4"])
def test_what_is_no_key_file(bzd: Bzd, authority: Path, tmp_path: Path, what: str) -> None:
    """Is refused by name, and nothing is written."""
    (tmp_path / "case.zip").write_text(what)
    refused = bzd("publish", tmp_path / "case.zip", "--sign-key", authority, "-o", tmp_path / "out.zip")
    assert (refused.code, "case.zip" in refused.err, (tmp_path / "out.zip").exists()) == (4, True, False)


def test_what_is_left_out_is_said(bzd: Bzd, authority: Path, tmp_path: Path) -> None:
    """A key that no file may hold is not published, and not in silence."""
    message = export_message()
    message.keys.add(key_data=b"short")
    message.keys.add(key_data=key(1).key, rolling_start_interval_number=key(1).first)
    (tmp_path / "case.bin").write_bytes(HEADER + message.SerializeToString())
    done = bzd("publish", tmp_path / "case.bin", "--sign-key", authority, "-o", tmp_path / "out.zip")
    assert (done.code, "case.bin: 1 left out: key of wrong length" in done.err) == (0, True)
    assert "1 key; 999 added as padding" in done.err


def test_the_wrong_key_to_sign_with(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """The public key, an identity, or nothing at all is named as what it is not."""
    del authority
    assert bzd("keygen", "-o", tmp_path / "admin.key").code == 0
    for name in ("ha.pub", "admin.key", "absent.pem"):
        refused = bzd("publish", case("a.zip", key(1)), "--sign-key", tmp_path / name, "-o", tmp_path / "out.zip")
        assert (refused.code, name in refused.err) == (4, True)


def test_wrong_usage(bzd: Bzd, case: Case, authority: Path) -> None:
    """No input, no key to sign with, and a region that does not fit are usage errors."""
    given = case("a.zip", key(1))
    assert bzd("publish", "--sign-key", authority, "-o", "-").code == 2
    assert bzd("publish", given, "-o", "-").code == 2
    assert bzd("publish", given, "--sign-key", authority, "-o", "-", "--region", "x" * 300).code == 2


def test_through_a_pipe(bzd: Bzd, case: Case, authority: Path, tmp_path: Path) -> None:
    """`-o -` gives the bytes of the file and nothing else."""
    done = bzd("publish", case("a.zip", key(1)), "--sign-key", authority, "-o", "-")
    (tmp_path / "piped.zip").write_bytes(done.raw)
    assert len(read_key_file(tmp_path / "piped.zip", [load_verify_key(tmp_path / "ha.pub")]).keys) == 1000
