# SPDX-License-Identifier: Apache-2.0
"""The stream of a replay: pace, early end, digest, look ahead."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bzd.cli.replay_source import UntilStopped, paced, peek
from bzd.model import Advertisement


def _stream(*times: float, rssi: int | None = -60, data: bytes = b"x") -> list[Advertisement]:
    return [Advertisement(time, "", None, rssi, data) for time in times]


class Wall:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(("speed", "expected"), [(1.0, [2, 3]), (60.0, [2 / 60, 3 / 60]), (0.5, [4, 6])])
def test_pace_follows_the_recorded_times(speed: float, expected: list[float]) -> None:
    """The waits between reports are those of the recording, divided by the speed."""
    wall = Wall()
    stream = _stream(100, 102, 105)
    assert list(paced(stream, speed, lambda: wall.now, wall.sleep)) == stream
    assert wall.slept == pytest.approx(expected)


def test_pace_makes_up_for_slow_consumers_and_steps_back() -> None:
    """Time that the consumer takes is not waited for again, and a clock that stepped back does not stop the stream."""
    wall = Wall()
    stream = _stream(100, 102, 50, 105)
    for _ in paced(stream, 1.0, lambda: wall.now, wall.sleep):
        wall.now += 2
    assert wall.slept == []
    assert wall.now == 1008


@given(st.lists(st.floats(0, 1e9), max_size=30), st.integers(0, 40))
def test_looking_ahead_loses_nothing(times: list[float], most: int) -> None:
    """The first so many, and then all of them once more from the beginning."""
    stream = _stream(*times)
    first, whole = peek(iter(stream), most)
    assert first == stream[:most]
    assert list(whole) == stream


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_between_two_reports_ends_after_the_one_in_hand(number: signal.Signals) -> None:
    """The consumer's work is not cut off; the signal is noted, and handled as before afterwards."""
    before = signal.getsignal(number)
    done = []
    with UntilStopped(_stream(1, 2, 3)) as stream:
        for advertisement in stream:
            if advertisement.time == 2:
                os.kill(os.getpid(), number)
            done.append(advertisement.time)
    assert done == [1, 2]
    assert stream.signal == number
    assert signal.getsignal(number) == before


def test_a_signal_while_waiting_ends_at_once() -> None:
    """A source that would wait for ever is left."""

    def source() -> Iterator[Advertisement]:
        yield from _stream(1)
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()

    with UntilStopped(source()) as stream:
        assert [advertisement.time for advertisement in stream] == [1]
    assert stream.signal == signal.SIGINT


def test_a_second_signal_is_not_held_back() -> None:
    """Whoever presses Ctrl-C again means it."""

    def impatient() -> None:
        with UntilStopped(_stream(1, 2)) as stream:
            for _ in stream:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        impatient()


def test_other_threads_only_pass_through() -> None:
    """Where no signals can be handled, the stream is the same."""
    seen: list[Advertisement] = []

    def run() -> None:
        with UntilStopped(_stream(1, 2)) as stream:
            seen.extend(stream)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == _stream(1, 2)


@pytest.mark.parametrize("busy", [False, True])
def test_something_is_done_regularly_whether_reports_come_or_not(*, busy: bool) -> None:
    """Both while the next report is waited for and between reports that come all the time; never within the work."""
    working = threading.Event()
    done: list[bool] = []

    def source() -> Iterator[Advertisement]:
        deadline = time.monotonic() + 20
        while len(done) < 3 and time.monotonic() < deadline:
            if busy:
                yield from _stream(1)
            else:
                time.sleep(0.01)

    before = signal.getsignal(signal.SIGALRM)
    with UntilStopped(source(), lambda: done.append(working.is_set()), 0.02) as stream:
        for _ in stream:
            working.set()
            time.sleep(0.005)
            working.clear()
    assert done[:3] == [False] * 3
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_signal_while_something_is_done_waits_for_it() -> None:
    """What is done regularly is not cut off by a signal that ends the stream."""
    done: list[str] = []

    def meanwhile() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        done.append("whole")

    def source() -> Iterator[Advertisement]:
        time.sleep(20)
        yield from _stream(1)

    with UntilStopped(source(), meanwhile, 0.02) as stream:
        assert list(stream) == []
    assert (done, stream.signal) == (["whole"], signal.SIGTERM)
