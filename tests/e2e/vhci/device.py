# SPDX-License-Identifier: Apache-2.0
"""/dev/vhci: where Linux takes a virtual controller's HCI packets for those of hardware (module hci_vhci)."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

from tests.e2e.vhci import wire

_PRIMARY = bytes([wire.VENDOR_PACKET, 0x00])
"""Creates a controller of the primary type (drivers/bluetooth/hci_vhci.c, vhci_get_user)."""
_PACKET_MAX = 4096


class Device:
    """One controller of the kernel, there as long as this is open; the kernel's `hciN` goes when it is closed.

    Attributes:
        index: N of hciN, known when `created` is set.
        created: set when the kernel has made the controller.
    """

    def __init__(self) -> None:
        self.index = -1
        self.created = asyncio.Event()
        self._receive: Callable[[bytes], None] = _nobody
        self._file = os.open("/dev/vhci", os.O_RDWR | os.O_NONBLOCK)
        os.write(self._file, _PRIMARY)
        asyncio.get_running_loop().add_reader(self._file, self._read)

    def connect(self, receive: Callable[[bytes], None]) -> None:
        """Let `receive` have the packets that come from the host."""
        self._receive = receive

    def send(self, packet: bytes) -> None:
        """Hand a packet to the host; lost, as on hardware, while the host has the controller switched off."""
        try:
            os.write(self._file, packet)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise

    def close(self) -> None:
        """Unplug it."""
        asyncio.get_running_loop().remove_reader(self._file)
        os.close(self._file)

    def _read(self) -> None:
        """Take all packets that wait; one read gives one."""
        while True:
            try:
                packet = os.read(self._file, _PACKET_MAX)
            except BlockingIOError:
                return
            if packet[0] == wire.VENDOR_PACKET:
                self.index = int.from_bytes(packet[2:4], "little")
                self.created.set()
            else:
                self._receive(packet)


def _nobody(_: bytes) -> None:
    """A packet for no controller is lost."""
