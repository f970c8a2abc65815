# SPDX-License-Identifier: Apache-2.0
"""Case files of a badge that lies: rightly sealed and signed, and holding anything that fits a record."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from bzd.cases.importing import import_cases
from bzd.cases.sealing import write_case
from bzd.cli.entry import run
from bzd.matching.keyfile import KeyFile, write_key_file
from bzd.matching.keys import diagnosis_key
from bzd.model import Contact, DailyKey, ScanInstance
from bzd.store import open_reader
from bzd.store.identity import Identity

from .conftest import MIDNIGHT, Badge

AUTHORITY = Identity(bytes(range(96)))
TIMES = st.one_of(
    st.sampled_from([0.0, MIDNIGHT, MIDNIGHT + 300, MIDNIGHT + 86400, 253_402_300_799.0, 253_402_300_800.0]),
    st.integers(0, 253_402_300_800_000).map(lambda ticks: ticks / 1000),
)
NAMES = st.sampled_from(["gaen", "bluezone", "dp3t", "other", "x" * 16])
MS = st.integers(0, 2**32 - 1).map(lambda ticks: ticks / 1000)
SCANS = st.builds(
    ScanInstance,
    offset_s=MS,
    seconds=MS,
    sightings=st.integers(1, 65535),
    rssi_mean=st.integers(-(2**15), 2**15 - 1).map(lambda eighths: eighths / 8),
    rssi_max=st.integers(-128, 127),
)
CONTACTS = st.builds(
    Contact,
    protocol=NAMES,
    rolling_id=st.one_of(st.binary(max_size=24), st.just(Badge("ben", 2).contact().rolling_id)),
    metadata=st.binary(max_size=16),
    start=TIMES,
    end=TIMES,
    near_s=MS,
    distance_m=st.none() | st.integers(0, 2**32 - 2).map(lambda cm: cm / 100),
    synced=st.booleans(),
    scans=st.lists(SCANS, min_size=1, max_size=30).map(tuple),
)
KEYS = st.builds(
    DailyKey,
    protocol=NAMES,
    key=st.sampled_from([b"", bytes([2] * 16), bytes(16), bytes(32), bytes(64)]),
    start=TIMES,
    end=TIMES,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CONTACTS, max_size=5), st.lists(KEYS, max_size=5), st.booleans())
def test_whatever_it_says(contacts: list[Contact], keys: list[DailyKey], keep_all: bool) -> None:  # noqa: FBT001  drawn
    """The import ends, and what it leaves is a sound store; what the other file says is as if it had come alone."""
    liar, ben = Badge("liar", 1), Badge("ben", 2)
    with TemporaryDirectory() as made:
        folder = Path(made)
        for badge, case in ((liar, liar.case(*contacts, keys=tuple(keys))), (ben, ben.case(liar.contact()))):
            with (folder / badge.label).open("wb") as file:
                write_case(case, badge.private.private_bytes_raw(), [AUTHORITY.public], file)
        paths = [folder / "liar", folder / "ben"]
        done = import_cases(paths, folder / "cases", [AUTHORITY], keep_all=keep_all)
        for imported in done.files:
            with open_reader(imported.path, [AUTHORITY]) as reader:
                assert len(list(reader.contacts())) <= imported.kept
                assert len(list(reader.keys())) <= len(imported.file.case.keys)
        with open_reader(done.files[1].path, [AUTHORITY]) as reader:
            assert (list(reader.keys()), reader.problems) == ([ben.key], [])
        assert [_shown(folder, *words) for words in (("--graph",), ("--graph", "--rule", "cwa"))] == [0, 0]
        assert _shown(folder, "--json", "--allow-unsigned", "ben.zip") == 0


def _shown(folder: Path, *words: str) -> int:
    """Match what is in the folder; gives the exit code."""
    (folder / "ha.key").write_bytes(AUTHORITY.dumps())
    if "ben.zip" in words:
        (folder / "ben.zip").write_bytes(write_key_file(KeyFile((diagnosis_key(Badge("ben", 2).key),))))
        words = (*words[:-1], str(folder / "ben.zip"))
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        return run(["match", *words, "--state", str(folder / "cases"), "--identity", str(folder / "ha.key")])
