# SPDX-License-Identifier: Apache-2.0
"""Import: what is kept of a case, in which order ever its file and those of others come, and what is never changed."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from bzd.cases.importing import Import, _alone, import_cases
from bzd.cases.known import FILE
from bzd.cli.entry import run
from bzd.errors import BusyError, IdentityError, InputError, OutputError
from bzd.model import Contact, DailyKey
from bzd.store import composing, create, open_reader
from bzd.store.identity import Identity
from bzd.store.state import stores_in

Send = Callable[..., Path]
Take = Callable[..., Import]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the imported cases go; not there yet."""
    return tmp_path / "cases"


@pytest.fixture
def take(folder: Path, authority: Identity) -> Take:
    """Import files into the folder with the authority's identity."""

    def run(*paths: Path, **how: Any) -> Import:
        return import_cases(paths, folder, [authority], **how)

    return run


@pytest.fixture
def files(send: Send, anna: Any, ben: Any, third: Any) -> tuple[Path, Path]:
    """Case files of anna and ben, who met each other and both met a third."""
    return send(anna, ben.contact(), third.contact()), send(ben, anna.contact(), third.contact(37_000))


def stored(folder: Path, identity: Identity) -> dict[str, set[Contact]]:
    """The contacts in all stores of a folder, by label."""
    found: dict[str, set[Contact]] = {}
    for path in folder.glob("*.bzd"):
        with open_reader(path, [identity]) as reader:
            found.setdefault(reader.label, set()).update(reader.contacts())
            assert reader.problems == []
    return found


Kept = Callable[[], dict[str, set[Contact]]]


@pytest.fixture
def kept(folder: Path, authority: Identity) -> Kept:
    """Gives the contacts in all stores of the folder, by label."""
    return lambda: stored(folder, authority) if folder.exists() else {}


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything in a folder but its lock."""
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.name != "import.lock"}


def test_together(take: Take, files: tuple[Path, Path], people: Any, authority: Identity, kept: Kept) -> None:
    """Each keeps the contacts with the other; the third whom both heard is in neither. Keys and badge are there."""
    anna, ben = people
    done = take(*files)
    assert kept() == {"anna": {ben.contact()}, "ben": {anna.contact()}}
    assert [(item.kept, item.left_out, item.new) for item in done.files] == [(1, 1, True), (1, 1, True)]
    with open_reader(done.files[0].path, [authority]) as reader:
        case = anna.case()
        assert (reader.store_id, reader.signing_public) == (case.store_id, case.signing_public)
        assert list(reader.keys()) == [anna.key]
    folder = done.files[0].path.parent
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_alone(take: Take, files: tuple[Path, Path], kept: Kept) -> None:
    """One case alone met no other case; all its contacts are left out, and its keys are there."""
    done = take(files[0])
    assert kept() == {"anna": set()}
    assert (done.files[0].left_out, done.incomplete) == (2, [])


def test_one_after_the_other(take: Take, files: tuple[Path, Path], anna: Any, ben: Any, kept: Kept) -> None:
    """What came first lacks the second until its file is imported again; the import says so by name."""
    take(files[0])
    done = take(files[1])
    assert (kept(), done.incomplete) == ({"anna": set(), "ben": {anna.contact()}}, ["anna"])
    done = take(files[0])
    assert kept() == {"anna": {ben.contact()}, "ben": {anna.contact()}}
    assert not done.files[0].new


def test_keep_all(take: Take, files: tuple[Path, Path], kept: Kept) -> None:
    """Keeps the third too."""
    take(*files, keep_all=True)
    assert {label: len(contacts) for label, contacts in kept().items()} == {"anna": 2, "ben": 2}


def test_again(take: Take, files: tuple[Path, Path], folder: Path, kept: Kept) -> None:
    """Repeating an import, or naming a file twice, changes nothing that can be read, and adds no store."""
    take(*files)
    before, names = kept(), set(snapshot(folder))
    assert len(take(*files, files[0]).files) == 2
    assert (kept(), set(snapshot(folder))) == (before, names)


def test_two_files_of_one_badge(take: Take, send: Send, anna: Any, ben: Any, kept: Kept) -> None:
    """A later file of a badge is a copy of the same store; one key with two ends ends early."""
    cut = replace(anna.key, end=anna.key.start + 3600)
    first, second = send(anna, ben.contact(), name="1"), send(anna, ben.contact(40_000), name="2", keys=(cut,))
    done = take(first, second, send(ben))
    assert len({item.path for item in done.files}) == 3
    assert len(kept()["anna"]) == 2
    assert done.disputed == []


def test_a_contact_of_a_wrong_clock(take: Take, send: Send, anna: Any, ben: Any, kept: Kept) -> None:
    """Keeps its guess of a time, and that it is one."""
    guess = replace(ben.contact(), synced=False)
    take(send(anna, guess), send(ben))
    assert kept()["anna"] == {guess}


def test_keys_that_no_badge_can_have(take: Take, send: Send, anna: Any, ben: Any, folder: Path) -> None:
    """A key of years, of a wrong length or of no protocol is left out and counted; it would take for ever to try."""
    odd = (
        DailyKey("gaen", bytes(16), 0.0, 2e9),
        DailyKey("gaen", bytes(15), anna.key.start, anna.key.end),
        DailyKey("other", bytes(16), anna.key.start, anna.key.end),
        DailyKey("gaen", bytes(16), anna.key.end, anna.key.start),
    )
    done = take(send(anna, keys=(anna.key, *odd)), send(ben))
    assert [item.odd_keys for item in done.files] == [4, 0]
    assert folder.exists()


def test_two_badges_that_claim_one_key(take: Take, send: Send, anna: Any, ben: Any) -> None:
    """One of them says what is not so; both are named, once."""
    done = take(send(anna), send(ben, keys=(ben.key, anna.key)))
    assert done.disputed == [("anna", "ben")]
    assert take(send(ben, keys=(ben.key, anna.key))).disputed == [("anna", "ben")]


class TestWhoSigned:
    """The first file of a badge is believed, and no other afterwards."""

    def test_it_is_remembered(self, take: Take, send: Send, anna: Any, folder: Path) -> None:
        """By label and store, in a line that people can read; also when its stores were deleted."""
        take(send(anna))
        case = anna.case()
        assert (folder / FILE).read_text() == f"{case.fingerprint} {case.store_id.hex()} anna\n"
        for path in folder.glob("*.bzd"):
            path.unlink()
        assert [item.new for item in take(send(anna)).files] == [False]

    @pytest.mark.parametrize("changes", [{"label": "anna"}, {"store_id": bytes([1] * 16)}])
    def test_another_key_is_refused_loudly(
        self, take: Take, send: Send, people: Any, folder: Path, changes: dict[str, Any]
    ) -> None:
        """Whether it says to be the same badge or the same store; nothing is changed, by no file beside it."""
        anna, ben = people
        take(send(anna))
        before = snapshot(folder)
        with pytest.raises(IdentityError, match="THE SIGNING KEY OF anna HAS CHANGED"):
            take(send(ben, name="forged", **changes), send(anna, name="good"))
        assert snapshot(folder) == before

    def test_a_badge_that_was_set_up_anew(self, take: Take, send: Send, anna: Any, ben: Any) -> None:
        """Its new fingerprint, told by another way, takes the place of the old one."""
        before = [item.path for item in take(send(anna)).files]
        anew = send(ben, name="anew", label="anna")
        done = take(anew, fingerprints=[ben.case().fingerprint])
        (first,) = before
        assert done.problems == [
            f"{first.name} is still there, of anna by another key: delete it unless the badge was set up anew"
        ]
        assert [item.new for item in take(anew).files] == [False]
        with pytest.raises(IdentityError, match="CHANGED"):
            take(send(anna))

    def test_a_badge_that_gives_the_name_of_another(self, take: Take, send: Send, anna: Any, ben: Any) -> None:
        """Is refused even where its own fingerprint was asked for: both files at once, and one after the other."""
        both = [anna.case().fingerprint, ben.case().fingerprint]
        forged = send(ben, name="forged", label="anna")
        with pytest.raises(IdentityError, match="CHANGED"):
            take(send(anna), forged, fingerprints=both)
        take(send(ben))
        forged = send(ben, name="forged", label="anna", store_id=bytes(16))
        with pytest.raises(IdentityError, match="says that it is of anna, but its signing key is that of ben"):
            take(forged, fingerprints=both)

    def test_a_badge_under_two_labels(self, take: Take, send: Send, anna: Any, ben: Any) -> None:
        """One that could not open its label when it wrote a file is the same badge still; no other gets either name."""
        take(send(anna, name="unnamed", label="store 01010101"))
        assert take(send(anna)).files[0].new
        for label in ("anna", "store 01010101"):
            with pytest.raises(IdentityError, match="CHANGED"):
                take(send(ben, name="other", label=label))

    def test_one_that_is_required(self, take: Take, send: Send, anna: Any, ben: Any, folder: Path) -> None:
        """Nothing is taken of who has another."""
        with pytest.raises(IdentityError, match="not by the key you named"):
            take(send(anna), fingerprints=[ben.case().fingerprint])
        assert snapshot(folder) == {}
        assert take(send(anna), fingerprints=[anna.case().fingerprint]).files[0].new

    @pytest.mark.parametrize("content", [b"\xff\xfe\n", b"nonsense\n", b"x" * (5 << 20)])
    def test_a_damaged_memory_is_named(self, take: Take, send: Send, anna: Any, folder: Path, content: bytes) -> None:
        """Nobody is believed anew in silence."""
        folder.mkdir()
        (folder / FILE).write_bytes(content)
        with pytest.raises(InputError, match="known-badges"):
            take(send(anna))


def test_one_bad_file_of_several(take: Take, files: tuple[Path, Path], folder: Path) -> None:
    """Nothing is changed, nor is the folder made."""
    files[1].write_bytes(files[1].read_bytes()[:-1])
    with pytest.raises(InputError, match=r"ben\.case was cut short"):
        take(*files)
    assert not folder.exists()


def test_what_stays_when_it_cannot_be_written(
    take: Take, files: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full at the second store leaves what was there before, and no parts."""
    take(files[0])
    before, written = snapshot(folder), []

    def compose(path: Path, *rest: Any) -> None:
        written.append(path)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        real(path, *rest)

    real = composing.compose
    monkeypatch.setattr("bzd.cases.importing.compose", compose)
    with pytest.raises(OutputError, match="No space left"):
        take(*files)
    assert snapshot(folder) == before


@pytest.mark.parametrize("delay", [number / 250 for number in range(12)])
def test_killed(take: Take, send: Send, people: Any, delay: float, kept: Kept) -> None:
    """At any instant: each store is there as a whole or not at all, and the import repeats as if nothing had been."""
    anna, ben = people
    heard = [ben.contact(float(30_000 + number)) for number in range(300)]
    files = send(anna, *heard), send(ben, anna.contact())
    child = os.fork()
    if child == 0:
        take(*files)
        os._exit(0)
    sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = kept()
    assert all(len(found.get(label, ())) in {0, size} for label, size in (("anna", 300), ("ben", 1)))
    assert all(found.values())
    (path, _) = (item.path for item in take(*files).files)
    assert {label: len(contacts) for label, contacts in kept().items()} == {"anna": 300, "ben": 1}
    assert not list(path.parent.glob(".*.part"))


def test_a_badges_own_directory_is_no_folder_for_cases(
    send: Send, anna: Any, tmp_path: Path, authority: Identity
) -> None:
    """Its stores are not mixed with others'."""
    create(tmp_path / "badge", recipients=[authority.public], label="badge", now=0.0)
    with pytest.raises(OutputError, match="state directory of a badge"):
        import_cases([send(anna)], tmp_path / "badge", [authority])


def test_the_folder_is_taken_for_no_badges_own(take: Take, send: Send, anna: Any, folder: Path) -> None:
    """A slip of `bzd init --state cases` would hide what is there."""
    done = take(send(anna))
    assert run(["init", "--state", str(folder)]) == OutputError.exit_code
    assert stores_in(folder) == [done.files[0].path]


def test_one_import_at_a_time(take: Take, send: Send, anna: Any, folder: Path) -> None:
    """Two would forget what the other learnt."""
    with _alone(folder), pytest.raises(BusyError, match=f"another bzd is importing into {folder}"):
        take(send(anna))
    take(send(anna))


def test_another_identity_opens_nothing_there(take: Take, files: tuple[Path, Path], folder: Path) -> None:
    """Each store is sealed to the identities of the import, and to nobody else."""
    take(*files)
    for path in folder.glob("*.bzd"):
        with pytest.raises(IdentityError), open_reader(path, [Identity(bytes(96))]):
            pass


@pytest.mark.parametrize("label", ["../../etc/passwd", ".hidden", "Bệnh viện 7", "x" * 200, "?", "a/b"])
def test_any_label_names_a_file_in_the_folder(take: Take, send: Send, anna: Any, label: str, kept: Kept) -> None:
    """Whatever a badge calls itself."""
    done = take(send(anna, name="odd", label=label))
    assert done.files[0].path.parent.name == "cases"
    assert list(kept()) == [label]
    assert not take(send(anna, name="odd", label=label)).files[0].new


class TestLabels:
    """A badge says of itself what its owner likes."""

    @pytest.mark.parametrize("label", ["", " ", "unknown", " Unknown", "=HYPERLINK(1)", "@x", "-1", "\uff1d1"])
    def test_one_that_misleads(self, take: Take, send: Send, people: Any, folder: Path, label: str) -> None:
        """Is not taken: the badge goes by its store, this is told, and the next import still works."""
        anna, ben = people
        files = send(anna, ben.contact(), label=label), send(ben, anna.contact())
        assert take(*files).renamed == [(label, "store 01010101")]
        done = take(*files)
        assert [(item.new, item.file.case.label) for item in done.files] == [(False, "store 01010101"), (False, "ben")]
        with open_reader(done.files[0].path, [Identity(bytes(range(96)))]) as reader:
            assert reader.label == "store 01010101"
        assert " 01010101010101010101010101010101 store 01010101\n" in (folder / FILE).read_text()

    @pytest.mark.parametrize("label", ["Anna", "anna ", "  anna", "\uff41nna"])
    def test_one_that_looks_like_that_of_another(self, take: Take, send: Send, people: Any, label: str) -> None:
        """Is refused like the same one."""
        anna, ben = people
        take(send(anna))
        with pytest.raises(IdentityError, match="THE SIGNING KEY OF anna HAS CHANGED"):
            take(send(ben, label=label))

    def test_one_of_another_by_a_known_badge(self, take: Take, send: Send, people: Any, folder: Path) -> None:
        """Is refused in whatever order they came, though the fingerprint of the liar was asked for."""
        anna, ben = people
        take(send(ben))
        take(send(anna))
        before = snapshot(folder)
        for changes in ({"store_id": bytes(16)}, {}):
            with pytest.raises(IdentityError, match="says that it is of ben, but its signing key is that of anna"):
                take(send(anna, label="ben", name="lie", **changes), fingerprints=[anna.case().fingerprint])
            assert snapshot(folder) == before
