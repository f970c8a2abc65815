# SPDX-License-Identifier: Apache-2.0
"""`bzd keygen`."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.store.identity import Identity, PublicKey

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd, Fill


def test_identity_and_public_key_lie_side_by_side(bzd: Bzd, tmp_path: Path) -> None:
    """The public key belongs to the identity, which only its owner may read; the fingerprint is said."""
    result = bzd("keygen", "-o", tmp_path / "admin.v1.key")
    assert (result.code, result.out) == (0, "")
    key, pub = tmp_path / "admin.v1.key", tmp_path / "admin.v1.pub"
    assert Identity.loads(key.read_bytes()).public == PublicKey.loads(pub.read_bytes())
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert PublicKey.loads(pub.read_bytes()).fingerprint in result.err
    assert set(tmp_path.iterdir()) == {key, pub}


def test_without_a_file_the_secret_is_data(bzd: Bzd) -> None:
    """Then stdout holds the identity and nothing else, and stderr the public key."""
    result = bzd("keygen")
    identity = Identity.loads(result.raw)
    assert identity.public.dumps().decode() in result.err
    assert result.out.strip() not in result.err


@pytest.mark.parametrize("there", ["admin.key", "admin.pub"])
def test_nothing_is_overwritten(bzd: Bzd, tmp_path: Path, there: str) -> None:
    """If either file exists, neither is written."""
    (tmp_path / there).write_bytes(b"precious")
    result = bzd("keygen", "-o", tmp_path / "admin.key")
    assert result.code == 5
    assert f"{tmp_path / there} exists" in result.err
    assert (tmp_path / there).read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [tmp_path / there]


@pytest.mark.parametrize("name", ["/dev/null", ".", "/"])
def test_an_identity_goes_into_a_new_file(bzd: Bzd, name: str) -> None:
    """Devices and directories are refused like any file that exists."""
    assert bzd("keygen", "-o", name).code == 5


def test_the_two_files_need_two_names(bzd: Bzd, tmp_path: Path) -> None:
    """`-o admin.pub` would leave one of them."""
    result = bzd("keygen", "-o", tmp_path / "admin.pub")
    assert result.code == 2
    assert not list(tmp_path.iterdir())


def test_passphrase_from_a_file(bzd: Bzd, tmp_path: Path) -> None:
    """The file's last line break is not part of the passphrase; the identity opens with it alone."""
    (tmp_path / "passphrase").write_text(" correct horse \n")
    assert bzd("keygen", "-o", tmp_path / "a.key", "--passphrase-file", tmp_path / "passphrase").code == 0
    data = (tmp_path / "a.key").read_bytes()
    assert Identity.loads(data, " correct horse ").public == PublicKey.loads((tmp_path / "a.pub").read_bytes())


@pytest.mark.parametrize(("content", "what"), [(b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "not UTF-8")])
def test_a_passphrase_file_that_holds_none(bzd: Bzd, tmp_path: Path, content: bytes, what: str) -> None:
    """An empty passphrase would protect nothing, so it is refused; no file is written."""
    (tmp_path / "passphrase").write_bytes(content)
    result = bzd("keygen", "-o", tmp_path / "a.key", "--passphrase-file", tmp_path / "passphrase")
    assert result.code == 7
    assert what in result.err
    assert not (tmp_path / "a.key").exists()


def test_passphrase_without_a_terminal(bzd: Bzd, tmp_path: Path) -> None:
    """A script is told what to use instead of waiting for a prompt that nobody answers."""
    result = bzd("keygen", "-o", tmp_path / "a.key", "--passphrase")
    assert result.code == 7
    assert "--passphrase-file" in result.err


def test_one_passphrase_on_stdin_opens_several_identities(bzd: Bzd, tmp_path: Path, fill: Fill) -> None:
    """Scripts need no file for it, and what was read from stdin once is used for all."""
    for name in ("a", "b"):
        done = bzd("keygen", "-o", tmp_path / f"{name}.key", "--passphrase-file", "-", stdin=b"correct horse\n")
        assert done.code == 0
    state = fill(recipients=[tmp_path / "b.pub"])
    identities = ["--identity", tmp_path / "a.key", "--identity", tmp_path / "b.key"]
    words = ["contacts", "--state", state, *identities, "--passphrase-file", "-"]
    assert bzd(*words, stdin=b"correct horse").code == 0
    assert bzd(*words, stdin=b"wrong").code == 7


@pytest.mark.parametrize("content", [b"right", b"right\n", b"right\r\n", b"\xef\xbb\xbfright\r\n"])
def test_any_editor_s_passphrase_file_opens(bzd: Bzd, tmp_path: Path, content: bytes) -> None:
    """Line ends and byte order marks of editors are no part of the passphrase."""
    made, used = tmp_path / "made", tmp_path / "used"
    made.write_text("right")
    used.write_bytes(content)
    assert bzd("keygen", "-o", tmp_path / "a.key", "--passphrase-file", made).code == 0
    assert bzd("init", "--state", tmp_path / "s", "--recipient", tmp_path / "a.pub").code == 0
    words = ["contacts", tmp_path / "s", "--identity", tmp_path / "a.key", "--passphrase-file", used]
    assert bzd(*words).code == 0
