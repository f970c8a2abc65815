# SPDX-License-Identifier: Apache-2.0
"""The control socket of the virtual radio: one JSON object per line names a method of `Station` and its arguments."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.e2e.vhci.station import Station

SOCKET = Path("/run/bzd-e2e-radio.sock")
_LINE_MAX = 1 << 26
"""Bytes of an answer: all frames of an hour of rotations fit."""


class RadioError(Exception):
    """The virtual radio could not do what it was asked for; the message says why."""


async def serve(station: Station, socket: Path = SOCKET) -> None:
    """Answer commands until cancelled; the socket appears when this is ready to."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(await _answer(station, line)).encode() + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(converse, socket)
    async with server:
        await server.serve_forever()


async def _answer(station: Station, line: bytes) -> dict[str, Any]:
    try:
        command = json.loads(line)
        return {"result": await getattr(station, command.pop("command"))(**command)}
    except Exception as error:  # noqa: BLE001  the test on the other side is who needs to know
        return {"error": f"{type(error).__name__}: {error}"}


async def call(command: str, *, socket: Path = SOCKET, **arguments: Any) -> dict[str, Any]:
    """Let the radio do something, and wait until it has.

    Args:
        command: name of a method of `Station`.
        socket: the radio's.
        arguments: the method's.

    Raises:
        RadioError: if it failed.
    """
    reader, writer = await asyncio.open_unix_connection(socket, limit=_LINE_MAX)
    try:
        writer.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
        answer = json.loads(await reader.readline())
    finally:
        writer.close()
    if "error" in answer:
        raise RadioError(f"{command}: {answer['error']}")
    result: dict[str, Any] = answer["result"]
    return result
