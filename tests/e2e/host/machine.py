# SPDX-License-Identifier: Apache-2.0
"""One guest: boot it, run a command in it, pass on what it prints as it comes, and end with its exit status.

Emulated without hardware help (TCG), so that it runs alike everywhere. Run one guest at a time: on two cores two of
them start so slowly that the kernel's 2 s limit for an HCI command is hit.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.host.image import Image

_MEMORY_MIB = 1536
_CPUS = 2

_KERNEL_OPTIONS = (
    *("console=ttyS0", "quiet", "panic=1", "net.ifnames=0", "random.trust_cpu=on"),
    # Each of these would slow down an emulated processor for nothing.
    *("mitigations=off", "nokaslr", "audit=0", "apparmor=0", "selinux=0"),
    *("systemd.show_status=false", "systemd.log_level=notice"),
)

_CARD = "file.driver=null-co,file.size=64M,file.read-zeroes=on,format=raw,if=none,id=card,snapshot=on,cache=unsafe"
"""An SD card that is empty at each boot: /dev/mmcblk0."""

_START_S = 120.0
"""Seconds granted to a boot; it takes 10 to 15 on two ordinary cores."""
_BOOTED = "booted"


class GuestError(Exception):
    """The guest ended without finishing its command, or ran out of time; the message ends with its last words."""


class _Watchdog:
    """Kills a process that does not do in time what it is expected to.

    Attributes:
        bitten: what the process failed to do; empty while it was in time.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._timer: threading.Timer | None = None
        self.bitten = ""

    def expect(self, what: str, seconds: float) -> None:
        """From now on this is expected, within so many seconds."""
        self.rest()
        self._timer = threading.Timer(seconds, self._bite, (f"{what} after {seconds:.0f} s",))
        self._timer.daemon = True
        self._timer.start()

    def rest(self) -> None:
        """Nothing is expected any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _bite(self, why: str) -> None:
        self.bitten = why
        self._process.kill()


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of the guest.

    Attributes:
        file: raw image on the host.
        kept: whether what the guest writes stays in the file; by default it is thrown away.
    """

    file: Path
    kept: bool = False

    def options(self, name: str) -> tuple[str, ...]:
        """The words of qemu's command line for it."""
        # Of a kept disk the host has all that the guest wrote when qemu is killed; what only the guest's own cache
        # held is lost, as when the power fails.
        writing = "cache=writeback" if self.kept else "snapshot=on,cache=unsafe"
        drive = f"file={self.file},format=raw,if=none,id={name},{writing}"
        return ("-drive", drive, "-device", f"virtio-blk-pci,drive={name}")


@dataclass(frozen=True, slots=True)
class Guest:
    """What a guest is made of.

    Attributes:
        image: kernel, initrd and root file system (/dev/vda).
        disks: further disks, /dev/vdb and so on; the first is mounted at /opt.
        shared: folder with captures, readable in the guest beside the checkout; None without one.
    """

    image: Image
    disks: tuple[Disk, ...]
    shared: Path | None = None

    def run(
        self, command: str, output: Path, limit_s: float, line: Callable[[str], None], cut: str | None = None
    ) -> int | None:
        """Boot, run a command as root in the checkout, and power off.

        Args:
            command: a shell script; what it writes to /run/e2e/job is found in `output`.
            output: folder shared with the guest; the console's log is left there too.
            limit_s: seconds after its boot after which the guest is killed.
            line: called with each line that the command prints, as it comes.
            cut: when the command prints this line, the guest is killed at once, as if its power had failed.

        Returns:
            The command's exit status, None if the power was cut.

        Raises:
            GuestError: if the command did not end, by time or by death of the guest.
        """
        (output / "command").write_text(f"echo {_BOOTED}\n{command}")
        (output / "status").unlink(missing_ok=True)
        # A pipe of its own: qemu's stdio would close with our standard input.
        reader, writer = os.pipe()
        words = self._command_line(output, f"/dev/fd/{writer}")
        with (
            open(reader, errors="replace") as lines,  # noqa: PTH123  a descriptor, not a path
            subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=(writer,)) as qemu,
        ):
            os.close(writer)
            watchdog = _Watchdog(qemu)
            watchdog.expect("not booted", _START_S)
            is_cut = False
            try:
                for text in map(str.rstrip, lines):
                    if text == _BOOTED:
                        watchdog.expect("not finished", limit_s)
                    elif text == cut:
                        qemu.kill()
                        is_cut = True
                    line(text)
                qemu.wait()
            finally:
                watchdog.rest()
                qemu.kill()
        if is_cut:
            return None
        try:
            return int((output / "status").read_text())
        except (OSError, ValueError):
            why = watchdog.bitten or "the guest ended by itself"
            raise GuestError(f"{why}; its console ends with\n{_last_words(output / 'console.log')}") from None

    def _command_line(self, output: Path, pipe: str) -> list[str]:
        disks = [Disk(self.image.folder / "root.ext4"), *self.disks]
        words = [
            *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512"),
            *("-cpu", "qemu64", "-smp", str(_CPUS), "-m", str(_MEMORY_MIB)),  # qemu64 boots faster than richer models
            *("-display", "none", "-nodefaults", "-no-user-config", "-no-reboot", "-nic", "none"),
            *("-serial", f"file:{output / 'console.log'}"),
            *("-chardev", f"file,id=out,path={pipe}", "-device", "virtio-serial-pci"),
            *("-device", "virtserialport,chardev=out,name=out", "-device", "virtio-rng-pci"),
            *("-drive", _CARD, "-device", "sdhci-pci", "-device", "sd-card,drive=card"),
            *("-kernel", str(self.image.folder / "vmlinuz"), "-initrd", str(self.image.folder / "initrd")),
            *("-append", " ".join(_KERNEL_OPTIONS)),
            *_share("job", output, "none"),
        ]
        for number, disk in enumerate(disks):
            words += disk.options(f"disk{number}")
        if self.shared is not None:
            words += _share("shared", self.shared, "none,readonly=on")
        return words


def _share(tag: str, folder: Path, security: str) -> tuple[str, ...]:
    filesystem = f"local,id={tag},path={folder},security_model={security},multidevs=remap"
    return ("-fsdev", filesystem, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}")


def _last_words(console: Path, lines: int = 30) -> str:
    try:
        return "\n".join(console.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(nothing)"
