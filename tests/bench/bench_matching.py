# SPDX-License-Identifier: Apache-2.0
"""Diagnosis keys per second: `python tests/bench/bench_matching.py`. Needs a C compiler and OpenSSL's headers.

Keys over 14 days against stores of 10,000 and 100,000 IDs, 20 keys of which are in the store. The floor is
`matching_floor.c`, which derives all 144 intervals; bzd's matcher is shown for a badge worn 9 hours a day with the
tolerance of 2 hours on either side (78 to 79 intervals of a day), and for undated contacts, which want all 144. CPU
seconds of one process; the C program runs as long for one measurement as bzd does, since the best of short ones
would be better. A search counts only if it found exactly the 20. Then whole files: reading and verifying them, the
matcher in one process and on all cores, and how much memory one file and several take.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bzd.matching.intervals import Wanted, around
from bzd.matching.keyfile import KeyFile, parse_key_file, read_key_file, write_key_file
from bzd.matching.keys import DiagnosisKey
from bzd.matching.parallel import search_all
from bzd.matching.search import Haystack, Search, groups
from bzd.matching.signing import SigningKey
from bzd.protocols import gaen

_KEYS, _PLANTED, _DAYS, _ROUNDS = 10_000, 20, 14, 40
_C = "C on OpenSSL, all 144 intervals"
_FIRST = 2_656_080
"""2 July 2020, 00:00 UTC, as an interval."""
_WORN = (8 * 3600, 17 * 3600)
_SOURCE = Path(__file__).with_name("matching_floor.c")


def _keys(rng: random.Random, number: int) -> list[DiagnosisKey]:
    return [DiagnosisKey(rng.randbytes(16), _FIRST + 144 * rng.randrange(_DAYS), 144) for _ in range(number)]


def _ids(rng: random.Random, number: int, keys: list[DiagnosisKey]) -> frozenset[bytes]:
    planted = [gaen.PROTOCOL.rolling_ids(key.key, key.first + 70, 1)[0] for key in keys[:_PLANTED]]
    return frozenset([*planted, *(rng.randbytes(16) for _ in range(number - len(planted)))])


def _worn() -> Wanted:
    days = [(_FIRST + 144 * day) * 600 for day in range(_DAYS)]
    return Wanted(around(day + _WORN[0], day + _WORN[1], 600, 7200) for day in days)


def _floor(program: Path, folder: Path, ids: frozenset[bytes], keys: list[DiagnosisKey], intervals: int) -> float:
    """Keys per second of the C program."""
    (folder / "ids").write_bytes(b"".join(ids))
    (folder / "keys").write_bytes(b"".join(key.key for key in keys))
    command = [str(program), str(folder / "ids"), str(folder / "keys"), str(_FIRST), str(intervals)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return len(keys) / float(done.stdout.split()[0])


def _rates(program: Path, folder: Path, ids: frozenset[bytes], keys: list[DiagnosisKey]) -> dict[str, float]:
    """Keys per second of each way.

    Other work on the machine slows all of them, at different times: they take turns in short rounds, and the best
    round of each counts.
    """
    searches = {
        f"bzd, {wearing}, {'numpy' if fast else 'no optional package'}": Search(
            {gaen.NAME: Haystack(ids, wanted)}, fast=fast
        )
        for wearing, wanted in (("worn 9 h a day", _worn()), ("undated", Wanted(everything=True)))
        for fast in ((False, True) if importlib.util.find_spec("numpy") else (False,))
    }
    rates: dict[str, float] = {}
    for _ in range(_ROUNDS):
        now = {
            _C: _floor(program, folder, ids, keys, 144),
            "(C on OpenSSL, 79 intervals)": _floor(program, folder, ids, keys, 79),
        }
        now |= {name: len(keys) / _seconds(search, keys) for name, search in searches.items()}
        rates = {name: max(rate, rates.get(name, 0.0)) for name, rate in now.items()}
    return rates


def _seconds(search: Search, keys: list[DiagnosisKey]) -> float:
    """CPU seconds of a search that finds the planted keys."""
    before = time.process_time()
    found = sum(1 for group in groups(keys) for _ in search.search(group))
    seconds = time.process_time() - before
    if found != _PLANTED:
        raise AssertionError("other keys found than were planted")
    return seconds


def _one_process(program: Path, folder: Path) -> None:
    rng = random.Random(1)
    keys = _keys(rng, _KEYS)
    few, many = (_rates(program, folder, _ids(rng, number, keys), keys) for number in (10_000, 100_000))
    print(f"{'one process, keys per second':48}{'10k IDs':>10}{'ratio':>7}{'100k IDs':>14}{'ratio':>7}")
    for name in few:
        cells = [f"{rates[name]:10,.0f}{rates[name] / rates[_C]:7.2f}" for rates in (few, many)]
        print(f"{name:48}" + "    ".join(cells))


def _whole(folder: Path) -> None:
    rng = random.Random(2)
    signing_key = SigningKey.generate()
    print(f"\n{'whole files, CPU seconds':>24}{'read':>8}{'one process':>14}{'all cores':>12}{'longest core':>15}")
    for number in (125_000, 250_000, 500_000):
        keys = _keys(rng, number)
        haystacks = {gaen.NAME: Haystack(_ids(rng, 10_000, keys), _worn())}
        data = write_key_file(KeyFile(tuple(keys)), signing_key)
        (folder / f"{number}.zip").write_bytes(data)
        before = os.times()
        file = parse_key_file(data, [signing_key.public])
        read, _ = _cpu_since(before)
        spent = []
        for processes in (1, None):
            before = os.times()
            if len(search_all(haystacks, file.keys, processes=processes)) != _PLANTED:
                raise AssertionError("other keys found than were planted")
            spent.append(_cpu_since(before))
        (one, _), (own, children) = spent
        longest = own + children / len(os.sched_getaffinity(0))
        print(f"{number:18,} keys{read:9.2f}{one:14.2f}{own + children:12.2f}{longest:15.2f}")
    for name, count in ((250_000, 1), (250_000, 4), (500_000, 1), (500_000, 2)):
        peak = subprocess.run(
            [sys.executable, __file__, str(folder / f"{name}.zip"), str(count)],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        print(f"{count} of {name:,} keys, which all miss, one after the other: at most {float(peak):,.0f} MB")


def _cpu_since(before: os.times_result) -> tuple[float, float]:
    """CPU seconds of this process, and of workers that ended, since `before`."""
    now = os.times()
    own = now.user + now.system - before.user - before.system
    return own, now.children_user + now.children_system - before.children_user - before.children_system


def _peak(path: Path, count: int) -> float:
    """MB that a process takes at most to read and match a file so many times."""
    haystacks = {gaen.NAME: Haystack(_ids(random.Random(3), 10_000, []), _worn())}
    for _ in range(count):
        file = read_key_file(path, allow_unsigned=True)
        if search_all(haystacks, file.keys, processes=1):
            raise AssertionError("a key that nobody heard was found")
        del file
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def main() -> None:
    """Print the tables."""
    if len(sys.argv) == 3:
        print(_peak(Path(sys.argv[1]), int(sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as name:
        program = Path(name) / "matching_floor"
        subprocess.run(["cc", "-O2", "-o", str(program), str(_SOURCE), "-lcrypto"], check=True)
        _one_process(program, Path(name))
        _whole(Path(name))


if __name__ == "__main__":
    main()
