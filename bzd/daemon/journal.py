# SPDX-License-Identifier: Apache-2.0
"""Logging to stderr: with priorities and without times under the journal, which has its own; with times elsewhere.

Above debug nothing says who was met: device addresses and what looks like an ID or a key are blotted out, whichever
library wrote them.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TextIO

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""sd-daemon(3): 3 error, 4 warning, 6 informational, 7 debug."""
_ADDRESS = re.compile(r"(?i)\b(?:dev_)?(?:[0-9a-f]{2}[:_-]){5}[0-9a-f]{2}\b")
_HEX = re.compile(r"(?i)\b[0-9a-f]{24,}\b")
"""Twelve bytes or more: the shortest rolling ID. Fingerprints have a hyphen after four digits."""
_NOISY = ("bleak", "dbus_next", "dbus_fast", "asyncio")
"""Libraries whose informational messages are of interest to nobody who looks after a badge."""


class _Formatter(logging.Formatter):
    """One line for each record, also for one with a traceback, unless debugging."""

    def __init__(self, *, journal: bool, debug: bool) -> None:
        super().__init__("%(message)s" if journal else "%(asctime)s %(levelname)s %(message)s")
        self._journal = journal
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        """A line; with its priority first under the journal."""
        if record.exc_info and not self._debug:
            error = record.exc_info[1]
            record = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None})
            record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}: {error}", None
        text = super().format(record)
        if record.levelno > logging.DEBUG:
            text = blotted(text)
        if not self._debug:
            text = text.replace("\n", " ")
        if not self._journal:
            return text
        prefix = f"<{next((priority for level, priority in _PRIORITIES if record.levelno >= level), 7)}>"
        return prefix + text.replace("\n", f"\n{prefix}")


def blotted(text: str) -> str:
    """A text without device addresses and long hexadecimal numbers."""
    return _HEX.sub("(hidden)", _ADDRESS.sub("(address)", text))


def under_journal(stream: TextIO) -> bool:
    """Whether a stream goes to the journal: systemd.exec(5) has JOURNAL_STREAM name its device and inode."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def start(*, debug: bool = False, stream: TextIO | None = None) -> logging.Handler:
    """Begin logging to stderr, or another stream; gives the handler.

    Args:
        debug: log IDs, addresses and tracebacks too.
        stream: where to.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(journal=under_journal(stream), debug=debug))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.WARNING)
    return handler


def stop(handler: logging.Handler) -> None:
    """End what `start` began."""
    logging.getLogger().removeHandler(handler)
    handler.close()
