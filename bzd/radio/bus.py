# SPDX-License-Identifier: Apache-2.0
"""The system bus: the one module that imports dbus-next.

It calls BlueZ, watches a few of its signals and shows it a few objects (an advertisement, an advertisement monitor).
Nothing hot comes through here, since dbus-next takes some 50 us for a message: reports arrive through bleak, and the
match rules below keep bluetoothd's thousands of signals about other devices away.

Objects are answered for by a plain message handler, not by dbus-next's service classes: those take D-Bus signatures as
annotations, which no type checker understands, and log a traceback whenever BlueZ sets a property that is not there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageFlag, MessageType
from dbus_next.errors import DBusError
from dbus_next.message import Message
from dbus_next.signature import Variant

from bzd.errors import BusError

BLUEZ = "org.bluez"
"""The bus name of bluetoothd."""
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
"""Interfaces of the D-Bus specification, "Standard Interfaces"."""
CALL_TIMEOUT_S = 10.0
"""bluetoothd answers within milliseconds, but waits for the kernel, whose HCI commands time out after 2 s each."""
CONNECT_TIMEOUT_S = 5.0
"""A dbus-daemon that takes longer is being restarted; trying again is quicker than waiting."""

_DBUS, _DBUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_NO_REPLY = f"{_DBUS}.Error.NoReply"
_DISCONNECTED = f"{_DBUS}.Error.Disconnected"
_NO_OWNER = f"{_DBUS}.Error.NameHasNoOwner"


class Signal(NamedTuple):
    """A signal from the bus: interface, member, object path, and arguments with all variants unwrapped."""

    interface: str
    member: str
    path: str
    body: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class BusObject:
    """An object that is shown to BlueZ.

    Attributes:
        interface: the one interface that it has.
        properties: name to (D-Bus signature, value); a value within a value of signature `v` is a pair likewise.
        on_call: told the name of each method that BlueZ calls on it; all are answered with nothing.
        on_set: told name and value of each property that BlueZ sets, for example the tx power that it chose.
    """

    interface: str
    properties: Mapping[str, tuple[str, Any]]
    on_call: Callable[[str], None]
    on_set: Callable[[str, Any], None]


class Bus:
    """A connection to the system bus; not connected until `connect`.

    Args:
        on_signal: called with every signal that `watch` asked for.
    """

    def __init__(self, on_signal: Callable[[Signal], None]) -> None:
        self._on_signal = on_signal
        self._connection: _Connection | None = None
        self._objects: dict[str, BusObject] = {}

    @property
    def connected(self) -> bool:
        """Whether calls can be made."""
        return self._connection is not None and bool(self._connection.connected)

    async def connect(self, on_lost: Callable[[], None]) -> None:
        """Connect, after `close` or the loss of a former connection again.

        Args:
            on_lost: called once when this connection ends, for whatever reason.

        Raises:
            BusError: if there is no bus, or it refuses.
        """
        self.close()
        self._objects.clear()
        try:
            connection = _Connection(bus_type=BusType.SYSTEM)
        except (OSError, ValueError, DBusError) as error:
            why = getattr(error, "strerror", None) or error
            raise BusError(_DISCONNECTED, f"the system bus cannot be reached: {why}") from error
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect()
        except Exception as error:
            connection.release()
            raise BusError(_DISCONNECTED, f"the system bus does not answer: {error}") from error
        except BaseException:
            connection.release()
            raise
        connection.add_message_handler(self._handle)
        connection.ended.add_done_callback(lambda _: on_lost())
        self._connection = connection

    def close(self) -> None:
        """Disconnect; BlueZ then forgets whatever was registered through this connection."""
        if self._connection is not None:
            self._connection.release()
            self._connection = None

    async def call(  # noqa: PLR0913  a D-Bus call has that many parts
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: Any,
        destination: str = BLUEZ,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Any:
        """Call a method and return its first result, None if it has none.

        A service that does not run is not started by it: who stopped bluetoothd would be surprised.

        Raises:
            BusError: if it fails, is not answered within `timeout_s` seconds, or the bus is gone.
        """
        connection = self._connection
        if connection is None or not connection.connected:
            raise BusError(_DISCONNECTED, f"{member} on {path}: the system bus is gone")
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=[_wrapped(value) for value in body],
            flags=MessageFlag.NO_AUTOSTART,
        )
        try:
            async with asyncio.timeout(timeout_s):
                reply = await connection.call(message)
        except TimeoutError as error:
            raise BusError(_NO_REPLY, f"{member} on {path}: no answer within {timeout_s:g} s") from error
        except (OSError, EOFError) as error:
            raise BusError(_DISCONNECTED, f"{member} on {path}: the system bus is gone") from error
        return _result(reply, f"{member} on {path}")

    async def properties(self, path: str, interface: str) -> dict[str, Any]:
        """All properties of an interface of one of BlueZ's objects.

        Raises:
            BusError: as `call`; also if the object or the interface does not exist.
        """
        found = await self.call(path, PROPERTIES, "GetAll", "s", interface)
        return dict(found or {})

    async def set_property(
        self, path: str, interface: str, name: str, value: tuple[str, Any], *, timeout_s: float = CALL_TIMEOUT_S
    ) -> None:
        """Set a property of one of BlueZ's objects.

        Args:
            path: the object's.
            interface: that has the property.
            name: of the property.
            value: D-Bus signature and value.
            timeout_s: longest wait for the answer.

        Raises:
            BusError: as `call`.
        """
        await self.call(path, PROPERTIES, "Set", "ssv", interface, name, Variant(*value), timeout_s=timeout_s)

    async def owner(self, name: str) -> str | None:
        """Who owns a bus name, None if nobody does.

        Raises:
            BusError: as `call`.
        """
        try:
            return str(await self.call(_DBUS_PATH, _DBUS, "GetNameOwner", "s", name, destination=_DBUS))
        except BusError as failure:
            if failure.name == _NO_OWNER:
                return None
            raise

    async def activate(self, name: str) -> None:
        """Ask for a service to be started.

        Raises:
            BusError: as `call`; also if the service is not one that may be started.
        """
        await self.call(_DBUS_PATH, _DBUS, "StartServiceByName", "su", name, 0, destination=_DBUS)

    async def watch(self, **match: str) -> None:
        """Ask for signals, by the keys of a match rule (D-Bus specification, "Match Rules").

        Raises:
            BusError: as `call`.
        """
        rule = ",".join(f"{key}='{value}'" for key, value in {"type": "signal", **match}.items())
        await self.call(_DBUS_PATH, _DBUS, "AddMatch", "s", rule, destination=_DBUS)

    def export(self, path: str, shown: BusObject) -> None:
        """Show an object to whoever asks for its path, until `unexport` or the end of the connection."""
        self._objects[path] = shown

    def unexport(self, path: str) -> None:
        """Show it no longer; harmless if it was not shown."""
        self._objects.pop(path, None)

    def _handle(self, message: Message) -> Message | bool | None:
        """dbus-next's message handler: an answer, True for "needs none", or None for "not mine"."""
        if message.message_type is MessageType.SIGNAL:
            body = tuple(_unwrapped(value) for value in message.body)
            self._on_signal(Signal(message.interface or "", message.member or "", message.path or "", body))
            return None
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        answer = self._answer(message)
        # An answer that nobody waits for is refused by dbus-daemon, which writes that into the journal each time.
        return True if message.flags & MessageFlag.NO_REPLY_EXPECTED else answer

    def _answer(self, message: Message) -> Message | None:
        """Do what a method call asks for; the answer to it, None where dbus-next is to give the usual one."""
        if message.interface == OBJECT_MANAGER and message.member == "GetManagedObjects":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._managed(message.path or "")])
        shown = self._objects.get(message.path or "")
        if shown is None:
            return None
        if message.interface == PROPERTIES:
            return _property(shown, message)
        if message.interface != shown.interface:
            return None
        shown.on_call(message.member or "")
        return Message.new_method_return(message)

    def _managed(self, root: str) -> dict[str, dict[str, dict[str, Variant]]]:
        """The objects below a path, as ObjectManager gives them."""
        below = root.rstrip("/") + "/"
        found = {path: shown for path, shown in self._objects.items() if path.startswith(below)}
        return {path: {shown.interface: _variants(shown.properties)} for path, shown in found.items()}


class _Connection(MessageBus):
    """dbus-next's connection, without its leaks and its endless loop.

    It never closes its socket, and when the daemon goes away during authentication it reads nothing for ever without
    yielding to the event loop.
    """

    @property
    def ended(self) -> asyncio.Future[None]:
        """Done when the connection ended."""
        return self._disconnect_future

    def release(self) -> None:
        """Close everything at once. Harmless again."""
        self._user_disconnect = True
        self._finalize()

    def _setup_socket(self) -> None:
        try:
            super()._setup_socket()  # type: ignore[no-untyped-call]  # half of the library is annotated
        except BaseException:
            self._close_socket()
            raise

    async def _auth_readline(self) -> str:
        line = b""
        while not line.endswith(b"\r\n"):
            received = await self._loop.sock_recv(self._sock, 1)
            if not received:
                raise EOFError("closed during authentication")
            line += received
        return line[:-2].decode()

    def _finalize(self, err: Exception | None = None) -> None:
        super()._finalize(err)  # type: ignore[no-untyped-call]
        with contextlib.suppress(asyncio.CancelledError):
            if self.ended.done():
                self.ended.exception()  # looked at, or asyncio complains that nobody did
        self._close_socket()

    def _close_socket(self) -> None:
        for closing in (getattr(self, "_stream", None), getattr(self, "_sock", None)):
            if closing is not None:
                with contextlib.suppress(OSError):
                    closing.close()


def _property(shown: BusObject, message: Message) -> Message:
    """The answer to a call of the Properties interface."""
    if message.member == "GetAll":
        return Message.new_method_return(message, "a{sv}", [_variants(shown.properties)])
    name = message.body[1]
    if message.member == "Set":
        shown.on_set(name, _unwrapped(message.body[2]))
        return Message.new_method_return(message)
    if name not in shown.properties:
        return Message.new_error(message, f"{_DBUS}.Error.UnknownProperty", f"no property {name}")
    return Message.new_method_return(message, "v", [Variant(*_wrapped(shown.properties[name]))])


def _result(reply: Message | None, what: str) -> Any:
    if reply is None:
        raise BusError(_DISCONNECTED, f"{what}: the system bus is gone")
    if reply.message_type is MessageType.ERROR:
        text = str(reply.body[0]).strip() if reply.body else "it failed"
        raise BusError(reply.error_name or "", f"{what}: {text}")
    return _unwrapped(reply.body[0]) if reply.body else None


def _variants(properties: Mapping[str, tuple[str, Any]]) -> dict[str, Variant]:
    return {name: Variant(signature, _wrapped(value)) for name, (signature, value) in properties.items()}


def _wrapped(value: Any) -> Any:
    """Mappings from anything to (signature, value) become mappings to variants; all else stays."""
    if isinstance(value, Mapping):
        return {key: Variant(*inner) if isinstance(inner, tuple) else _wrapped(inner) for key, inner in value.items()}
    return value


def _unwrapped(value: Any) -> Any:
    """A value without variants, at any depth."""
    if isinstance(value, Variant):
        return _unwrapped(value.value)
    if isinstance(value, dict):
        return {key: _unwrapped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unwrapped(inner) for inner in value]
    return value
