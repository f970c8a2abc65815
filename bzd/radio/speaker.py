# SPDX-License-Identifier: Apache-2.0
"""The speaking half of the live radio: rotations in the one order that links nothing, and silence where that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from bzd.errors import BusError, BzdError, RadioError
from bzd.radio.advertiser import Advertiser
from bzd.radio.broadcast import Broadcast
from bzd.radio.listener import Listener
from bzd.radio.recovery import QUICK_RETRY_S, Backoff, Troubles
from bzd.radio.reset import STUCK_S, Reset
from bzd.radio.state import RadioState

UNTIL_ASKED_S = 3600.0
"""What it waits for where nothing is due by itself; whoever drives it looks again much sooner."""
SCAN_RENEWALS = round(STUCK_S / QUICK_RETRY_S)
"""With extended advertising a scan that failed is tried again only with another ID, and each costs an interval of the
key. There are as many tries as there is time for before the adapter is switched off and on (`bzd.radio.reset`), so that
the radio is back within 5 s until then; later ones come with that, and with a rotation that is due anyway."""
_NO_PLACE_LEFT = "org.bluez.Error.NotPermitted"
"""What RegisterAdvertisement answers when no instance is left (BlueZ, doc/org.bluez.LEAdvertisingManager.rst)."""
_OTHERS = (
    "another program advertises on adapter {} too, so that the rolling ID is sent less often; a connectable one "
    "shows this adapter's public address; end it, or give the badge an adapter of its own"
)
"""An advertisement that is connectable gets the public address (`hci_update_random_address_sync` of the kernel's
net/bluetooth/hci_sync.c), whatever bzd does."""


class Speaker:
    """Keeps a rolling ID on air, and replaces it when due.

    Args:
        advertiser: registers it.
        broadcast: what to advertise; None is silent.
        listener: scans on the same adapter, and has to stop for each rotation.
        reset: ends scans that an earlier bluetoothd began; nothing is advertised beside such a one.
        troubles: where it says what is wrong.
        state: what it keeps up to date: `rotations`, `refusals`, `active_instances`.
        fit: whether the adapter still is as whoever drives this saw to it, asked after all that a rotation waits for.

    Attributes:
        renew: the advertisement must be replaced before anything else: the adapter was off, or somebody asked.
        stuck: the last registration failed in a way that switching the adapter off and on may mend.
        slot_unknown: who else advertises has to be asked, once there is time for it.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what it is made of
        self,
        advertiser: Advertiser,
        broadcast: Broadcast | None,
        listener: Listener,
        reset: Reset,
        troubles: Troubles,
        state: RadioState,
        fit: Callable[[], bool],
    ) -> None:
        self._advertiser = advertiser
        self._broadcast = broadcast
        self._listener = listener
        self._reset = reset
        self._troubles = troubles
        self._state = state
        self._fit = fit
        self._retry = Backoff()
        self._cleared = False
        """The kernel is known to hold nothing that bluetoothd has forgotten: an advertisement of an earlier run, or one
        that was unregistered while the adapter was off."""
        self._extended: bool | None = None
        """Whether the controller has extended advertising; None where it has to be asked."""
        self._scan_links = False
        """A scan begun now would send its requests under an address that was used beside an earlier ID."""
        self._renewals = 0
        self.renew = self.stuck = self.slot_unknown = False

    @property
    def scan_would_link(self) -> bool:
        """Whether a scan that begins now would link the ID on air to an earlier one."""
        return self._scan_links and self._advertiser.registered

    async def step(self) -> float:
        """Rotate if it is time to; returns seconds until it is."""
        if self._broadcast is None:
            return UNTIL_ASKED_S
        if self._advertiser.registered and not self.renew:
            if (wait := self._broadcast.wait_s()) > 0:
                return wait
            self._renewals = 0
        elif (wait := self._retry.wait_s(self._now())) > 0:
            return wait
        try:
            if not await self._replace(self._broadcast):
                return 0.0
        except BzdError as error:
            self.stuck = isinstance(error, BusError)
            self._state.refusals += 1
            text = f"silent, since advertising fails: {error}; {_remedy(error)}"
            self._troubles.report("advertise", text, self._now())
            self._retry.failed(self._now())
            return self._retry.wait_s(self._now())
        self.stuck = False
        self._state.rotations += 1
        self._retry.reset()
        self._troubles.clear("advertise", self._now(), "advertising")
        self.slot_unknown = True
        return self._broadcast.wait_s()

    def renew_for_scan(self) -> float:
        """Have a scan begin with a rotation; returns seconds until something is to be done."""
        if self._renewals >= SCAN_RENEWALS:
            return UNTIL_ASKED_S
        self._renewals += 1
        self.renew = True
        return 0.0

    def forget(self) -> None:
        """BlueZ holds nothing of ours any more, and may be another one."""
        self._extended = None
        self._state.active_instances = None
        self._advertiser.forget()

    def went_off(self) -> None:
        """The adapter went off; when it comes on, the kernel sends again what it holds."""
        self.renew, self._cleared = True, False

    def hope(self) -> None:
        """Something changed for good: try again at once."""
        self._retry.reset()
        self._renewals = 0

    async def judge_slot(self) -> None:
        """Notice another program's advertisement: a legacy controller then shows each only half of the time."""
        if not (self.slot_unknown and self._advertiser.registered):
            return
        self.slot_unknown = False
        with suppress(BusError):
            self._state.active_instances = await self._advertiser.instances()
        if (self._state.active_instances or 0) > 1:
            self._troubles.report("slot", _OTHERS.format(self._state.adapter), self._now())
        else:
            self._troubles.clear("slot", self._now(), "alone on the air")

    async def _replace(self, broadcast: Broadcast) -> bool:
        """Stop scanning, unregister, register a new object; whoever drives this then scans again, if not done here.

        Returns:
            whether it was done; else nothing is registered, since the adapter is not fit any more.
        """
        self.renew = True
        await self._listener.stop_for_rotation()
        await self._advertiser.unregister()
        if not self._fit():
            return False
        if not self._cleared:
            await self._advertiser.clear()
            self._cleared = True
        if self._extended is None:
            self._extended = await self._advertiser.extended()
        self._scan_links = self._extended and not await self._scans_first()
        if self._scan_links and self._listener.stuck and self._reset.pending:
            raise RadioError("a scan that nobody has asked for goes on, under an address that stays")
        if not self._fit():
            return False
        payload = broadcast.draw()
        self.renew = False  # before it is asked for: if the adapter goes off and on meanwhile, this one is revived
        try:
            await self._advertiser.register(payload.data)
        except BaseException as error:
            self.renew = True
            if isinstance(error, BusError) and error.refused:
                broadcast.take_back(payload)
            raise
        return True

    async def _scans_first(self) -> bool:
        if not await self._listener.try_to_start():
            return False
        self._renewals = 0
        return True

    def _now(self) -> float:
        """Seconds on the event loop's clock."""
        return asyncio.get_running_loop().time()


def _remedy(error: BzdError) -> str:
    """What to do about advertising that fails."""
    if isinstance(error, BusError) and error.name == _NO_PLACE_LEFT:
        return "other programs advertise on this adapter, and left no place; end one, or give the badge its own adapter"
    if isinstance(error, BusError) and error.refused:
        return "`sudo bzd doctor` knows the kernels that refuse (raspberrypi/linux#7473)"
    return error.hint
