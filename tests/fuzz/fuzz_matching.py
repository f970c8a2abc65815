# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided fuzzing of the readers of key files, case messages and public keys.

Not collected by pytest; needs `pip install atheris` beside bzd. One target a run, libFuzzer's options behind it::

    python -m tests.fuzz.fuzz_matching export -max_total_time=600 -max_len=400
    python -m tests.fuzz.fuzz_matching           # names the targets

Files named behind the target are run once each, without atheris: that is how a finding is reproduced. What is found
becomes a test in tests/matching.
"""

from __future__ import annotations

import sys

from bzd.errors import BzdError, InputError
from bzd.matching import archive
from bzd.matching.case_message import parse_case_message, write_case_message
from bzd.matching.keyfile import KeyFile, parse_key_file, write_key_file
from bzd.matching.keys import DiagnosisKey
from bzd.matching.matcher import Matcher
from bzd.matching.signing import SigningKey, verify_key
from tests.fuzz.fuzzing import Target, run


def key_file(data: bytes) -> None:
    """Any bytes are a key file or an InputError; what was read can be matched, and written and read again."""
    try:
        file = parse_key_file(data, allow_unsigned=True)
    except InputError:
        return
    Matcher({}).match(file.keys, file.revised)
    file.begun(0.0)
    again = parse_key_file(write_key_file(KeyFile(file.keys, file.revised)), allow_unsigned=True)
    if _plain(again) != _plain(file):
        raise AssertionError("not the same again")


def _plain(file: KeyFile) -> list[DiagnosisKey]:
    """Its keys without the risk level, of which the writer makes one that a file may state."""
    return [key._replace(transmission_risk=None) for key in (*file.keys, *file.revised)]


def export(data: bytes) -> None:
    """The same for what follows the header of export.bin, which is most of what a reader has to get right."""
    key_file(archive.HEADER + data)


def signed(data: bytes) -> None:
    """Any bytes as export.sig verify nothing."""
    key = SigningKey.generate().public
    try:
        parse_key_file(archive.pack(archive.HEADER, data), [key])
    except InputError:
        return
    raise AssertionError("verified")


def case_message(data: bytes) -> None:
    """Any bytes are a case message or an InputError; what was read can be written."""
    try:
        file = parse_case_message(data)
    except InputError:
        return
    if len(file.keys) < 1000:
        write_case_message(file.keys)


def public_key(data: bytes) -> None:
    """Any bytes are a key of this kind or an error of bzd's."""
    for load in (verify_key, SigningKey.loads):
        try:
            load(data)
        except BzdError:
            continue


TARGETS: dict[str, Target] = {
    target.__name__: target for target in (key_file, export, signed, case_message, public_key)
}


if __name__ == "__main__":
    run(sys.argv, TARGETS)
