# SPDX-License-Identifier: Apache-2.0
"""`bzd record` and `bzd doctor` against the fake BlueZ, as processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from dbus_fast import Variant

from bzd.protocols import ad
from bzd.traces import open_trace

from .conftest import until
from .fake_bluez import FakeBluez

_ROOT = Path(__file__).resolve().parents[2]
_UUID = ad.uuid_16(0xFD6F)
_OTHER = ad.uuid_16(0xFEAA)
_FULL_KIB = {"jsonl": 2, "btsnoop": 1}
"""So large may a file become; a record of btsnoop is a third of one in JSON."""
_NEAR, _BEACON = "4A:00:00:00:00:01", "4A:00:00:00:00:02"


class Call:
    """A running `bzd`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def end(self) -> tuple[int, str, str]:
        """Wait for it; exit code, stdout, stderr."""
        out, err = await asyncio.wait_for(self.process.communicate(), 30)
        return self.process.returncode or 0, out.decode(), err.decode()


async def bzd(*words: object) -> Call:
    """Start a command line."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "bzd", *map(str, words)]
    return Call(await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, cwd=_ROOT))


@asynccontextmanager
async def bluez(**settings: bool) -> AsyncIterator[FakeBluez]:
    """A fake BlueZ on the private bus."""
    fake = FakeBluez(**settings)
    await fake.start()
    try:
        yield fake
    finally:
        await fake.stop()


async def _speak(fake: FakeBluez, seconds: float) -> None:
    """A neighbour and a beacon of another kind, ten times a second."""
    for number in range(int(seconds * 10)):
        fake.report(_NEAR, -60 - number % 3, {_UUID: bytes(range(20))})
        fake.report(_BEACON, -70, {_OTHER: b"\x10\x00" + bytes([number % 256])})
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("system_bus")
@pytest.mark.parametrize("kind", ["jsonl", "btsnoop"])
def test_what_is_heard_is_a_trace(tmp_path: Path, kind: str) -> None:
    """Only proximity IDs are kept, with time, address and RSSI; the file is its owner's alone, and Ctrl-C ends it."""
    path = tmp_path / f"walk.{kind}"

    async def scenario() -> tuple[int, str, str]:
        async with bluez() as fake:
            call = await bzd("record", "-o", path)
            await until(lambda: fake.discovering, 10)
            await _speak(fake, 2.0)
            call.process.send_signal(signal.SIGINT)
            return await call.end()

    code, out, err = asyncio.run(scenario())
    assert (code, out) == (0, ""), err
    heard = list(open_trace(str(path)))
    assert {each.address for each in heard} == {_NEAR}
    assert {each.rssi for each in heard} == {-60, -61, -62}
    assert all(ad.parse(each.data).service_data == {_UUID: bytes(range(20))} for each in heard)
    assert f"recorded {len(heard)} advertisements" in err
    assert path.stat().st_mode & 0o777 == 0o600
    again = asyncio.run(_end("record", "-o", path))
    assert (again[0], "exists" in again[2]) == (5, True)


@pytest.mark.usefixtures("system_bus")
def test_both_formats_keep_the_same(tmp_path: Path) -> None:
    """Recorded at once, they hold what was sent, replay to the same contacts, and convert into each other and back."""
    paths, sent = [tmp_path / f"walk.{kind}" for kind in ("jsonl", "btsnoop")], []

    async def scenario() -> list[tuple[int, str, str]]:
        async with bluez() as fake:
            calls = [await bzd("record", "--all", "-o", path) for path in paths]
            await until(lambda: len(fake.discovering) == len(calls), 20)
            for number in range(20):
                fake.report(_NEAR, -60 - number, {_UUID: bytes(range(20))})
                company = Variant("a{qv}", {76: Variant("ay", bytes([number]) * 250)})  # takes several reports
                fake.report(_BEACON, -70, {_OTHER: b"\x10"}, ManufacturerData=company, TxPower=Variant("n", -7))
                sent.extend([(_NEAR, -60 - number, None), (_BEACON, -70, -7)])
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)
            for call in calls:
                call.process.send_signal(signal.SIGTERM)
            return [await call.end() for call in calls]

    for code, _, err in asyncio.run(scenario()):
        assert code == 0, err
    contacts = []
    for path, other in (paths, paths[::-1]):
        there, back = tmp_path / f"there{other.suffix}", tmp_path / f"back{path.suffix}"
        for words in ((path, there), (there, back)):
            assert asyncio.run(_end("trace", "convert", *words))[0] == 0
        heard = list(open_trace(str(path)))
        assert [(each.address, each.rssi, each.tx_power) for each in heard] == sent
        assert (heard, path.read_bytes()) == (list(open_trace(str(there))), back.read_bytes())
        code, out, err = asyncio.run(_end("replay", "--jsonl", path))
        assert code == 0, err
        contacts.append(json.loads(out) | {"start": "", "end": "", "duration_s": 0, "near_s": 0, "scans": []})
    assert contacts[0] == contacts[1]


async def _end(*words: object) -> tuple[int, str, str]:
    return await (await bzd(*words)).end()


@pytest.mark.usefixtures("system_bus")
def test_all_keeps_the_others_too_and_says_what_that_means() -> None:
    """To a pipe, for a given time."""

    async def scenario() -> tuple[int, str, str]:
        async with bluez() as fake:
            call = await bzd("record", "-o", "-", "--all", "--duration", "4s")
            await until(lambda: fake.discovering, 10)
            await _speak(fake, 2.0)
            return await call.end()

    code, out, err = asyncio.run(scenario())
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[0] == {"schema": "bzd.trace/1"}
    assert {line["address"] for line in lines[1:]} == {_NEAR, _BEACON}
    assert "everybody's devices" in err


@pytest.mark.usefixtures("system_bus")
def test_a_terminal_sees_it_grow(tmp_path: Path) -> None:
    """One line, written over and over, on standard error; the recording itself may be a pipe's."""

    async def scenario() -> tuple[int, str]:
        near, far = os.openpty()
        words = (sys.executable, "-m", "bzd", "record", "-o", tmp_path / "walk.jsonl", "--duration", "5s")
        async with bluez() as fake:
            process = await asyncio.create_subprocess_exec(*words, stderr=far, cwd=_ROOT)
            os.close(far)
            await until(lambda: fake.discovering, 10)
            await _speak(fake, 2.0)
            code = await asyncio.wait_for(process.wait(), 30)
        shown = os.read(near, 65536).decode()
        os.close(near)
        return code, shown

    code, shown = asyncio.run(scenario())
    counts = [int(number) for number in re.findall(r"\r +\d+ s +(\d+) kept", shown)]
    assert code == 0, shown
    assert len(counts) >= 3
    assert counts == sorted(counts)
    assert counts[-1] > 0


@pytest.mark.usefixtures("system_bus")
def test_on_a_terminal_all_that_is_said_has_a_line_of_its_own(tmp_path: Path) -> None:
    """Warnings and the end are not written behind the counts."""

    async def scenario() -> tuple[int, str]:
        near, far = os.openpty()
        words = (sys.executable, "-m", "bzd", "record", "-o", tmp_path / "walk.jsonl")
        async with bluez() as fake:
            process = await asyncio.create_subprocess_exec(*words, stderr=far, cwd=_ROOT)
            os.close(far)
            await until(lambda: fake.discovering, 10)
            await _speak(fake, 2.0)
            await fake.stop()
            await asyncio.sleep(2.0)
            process.send_signal(signal.SIGINT)
            code = await asyncio.wait_for(process.wait(), 30)
            await fake.start()
        shown = os.read(near, 65536).decode()
        os.close(near)
        return code, shown

    code, shown = asyncio.run(scenario())
    assert code == 0, shown
    assert shown.count("bzd: warning: bluetoothd is not running") == 1
    assert re.search(r"\r +\d+ s +\d+ kept", shown)
    assert len(re.findall("^bzd: ", shown.replace("\r\n", "\n"), re.MULTILINE)) == shown.count("bzd: ")


@pytest.mark.usefixtures("system_bus")
def test_a_radio_that_is_lost_is_waited_for(tmp_path: Path) -> None:
    """Bluetoothd goes and comes back: the recording goes on, and its replay gives the one contact that it was."""
    path = tmp_path / "walk.jsonl"

    async def scenario() -> tuple[int, str, str]:
        async with bluez() as fake:
            call = await bzd("record", "-o", path)
            await until(lambda: fake.discovering, 10)
            await _speak(fake, 2.0)
            await fake.stop()
            await asyncio.sleep(2.0)
            assert call.process.returncode is None
            await fake.start()
            await until(lambda: fake.discovering, 10)
            await _speak(fake, 2.0)
            call.process.send_signal(signal.SIGINT)
            return await call.end()

    code, _, err = asyncio.run(scenario())
    assert code == 0, err
    assert err.count("bluetoothd is not running") == 1
    times = [each.time for each in open_trace(str(path))]
    assert max(later - earlier for earlier, later in pairwise(times)) > 2.0
    code, out, err = asyncio.run(_end("replay", "--jsonl", path))
    assert code == 0, err
    (contact,) = [json.loads(line) for line in out.splitlines()]
    assert (contact["rolling_id"], contact["sightings"]) == (bytes(range(16)).hex(), len(times))
    assert contact["duration_s"] == pytest.approx(times[-1] - times[0], abs=0.002)


@pytest.mark.usefixtures("system_bus")
@pytest.mark.parametrize("kind", ["jsonl", "btsnoop"])
def test_a_full_disk_ends_it_cleanly(tmp_path: Path, kind: str) -> None:
    """The file holds whole records up to there; the error says how many."""
    path = tmp_path / f"walk.{kind}"

    async def scenario() -> tuple[int, str, str]:
        async with bluez() as fake:
            limited = f"ulimit -f {_FULL_KIB[kind]}; exec {sys.executable} -m bzd record -o {path} --duration 20s"
            pipe = asyncio.subprocess.PIPE
            words = ("bash", "-c", f"trap '' XFSZ; {limited}")
            call = Call(await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe, cwd=_ROOT))
            await until(lambda: fake.discovering, 10)
            await _speak(fake, 4.0)
            return await call.end()

    code, _, err = asyncio.run(scenario())
    assert code == 5, err
    held = len(list(open_trace(str(path))))
    assert f"holds the {held} advertisements" in err
    assert held > 0
    assert kind == "btsnoop" or path.read_bytes().endswith(b"}\n")


@pytest.mark.usefixtures("system_bus")
def test_a_disk_that_is_full_at_once_gives_no_file(tmp_path: Path) -> None:
    """Nothing is promised of a file that is not there."""
    path = tmp_path / "walk.jsonl"

    async def scenario() -> tuple[int, str, str]:
        async with bluez():
            pipe = asyncio.subprocess.PIPE
            words = ("bash", "-c", f"trap '' XFSZ; ulimit -f 0; exec {sys.executable} -m bzd record -o {path}")
            return await Call(await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe, cwd=_ROOT)).end()

    code, _, err = asyncio.run(scenario())
    assert (code, "nothing was recorded" in err, path.exists()) == (5, True, False), err


@pytest.mark.usefixtures("system_bus")
@pytest.mark.parametrize("for_how_long", [(), ("--duration", "1s")])
def test_without_a_bluetoothd_nothing_is_left(tmp_path: Path, for_how_long: tuple[str, ...]) -> None:
    """A radio that cannot be had at the beginning is an error, and no file; also where it would soon have ended."""
    code, _, err = asyncio.run(_end("record", "-o", tmp_path / "walk.jsonl", *for_how_long))
    assert (code, err.count("bluetoothd is not running")) == (12, 1)
    assert not (tmp_path / "walk.jsonl").exists()


def _checks(words: str) -> dict[str, dict[str, str]]:
    return {check["check"]: check for check in json.loads(words)["checks"]}


@pytest.mark.usefixtures("system_bus")
def test_doctor_asks_bluetoothd(tmp_path: Path) -> None:
    """Adapter, monitors and advertisements as BlueZ states them, a try to advertise, and faults that are made."""

    async def scenario() -> list[dict[str, dict[str, str]]]:
        found = []
        async with bluez() as fake:
            fake.adapter["Connectable"] = ("b", False)  # which not every bluetoothd tells
            words = ("doctor", "--json", "--state", tmp_path)
            found.append(_checks((await _end(*words, "--advertise"))[1]))
            fake.set_adapter(Discoverable=True)
            fake.other_advertises(1)
            found.append(_checks((await _end(*words, "--set", "scan.mode=active"))[1]))
            fake.unplug()
            found.append(_checks((await _end(*words))[1]))
        return found

    good, bad, gone = asyncio.run(scenario())
    for name in ("bluetoothd", "adapter", "address privacy", "advertising", "other advertisers", "sampling"):
        assert good[name]["verdict"] == "ok", good[name]
    assert good["advertising"]["text"] == "an advertisement was taken"
    assert (bad["address privacy"]["verdict"], bad["other advertisers"]["verdict"]) == ("problem", "warning")
    assert "scan.mode is active" in bad["sampling"]["text"]
    assert gone["adapter"]["verdict"] == "problem"
