# SPDX-License-Identifier: Apache-2.0
"""Debian's own kernel for the guest: its image, the few modules that are needed, and an initrd that mounts the disk.

The cloud kernels have no Bluetooth, and the modules of the ordinary kernel are 400 MB; only the needed ones are copied.
"""

from __future__ import annotations

import lzma
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.e2e.host.shell import run

_TO_BOOT = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")
"""What the initrd loads to mount the root file system."""

_IN_GUEST = (
    *("hci_vhci", "uhid"),  # controllers made by a program; uhid, or bluetoothd complains
    *("algif_hash", "algif_skcipher", "cmac", "ecb", "ccm", "ctr", "ecdh_generic"),  # of the Bluetooth core, bluetoothd
    *("drbg", "jitterentropy_rng", "hmac", "sha256_generic", "sha512_generic"),  # else the core's ECDH self-test fails
    *("9p", "9pnet_virtio", "virtio_console", "virtio_rng", "autofs4"),
    *("mac80211_hwsim", "sdhci_pci", "mmc_block"),  # Wi-Fi made by a program, and the SD card
)


class Kernel:
    """A kernel package, unpacked.

    Attributes:
        image: the bootable kernel.
        version: for example `6.1.0-56-amd64`.
    """

    def __init__(self, package: Path, work: Path) -> None:
        """Unpack the package into the folder `work`."""
        run("dpkg-deb", "-x", package, work)
        self.image = next(work.glob("boot/vmlinuz-*"))
        self.version = self.image.name.removeprefix("vmlinuz-")
        # Since trixie a package holds its modules below /usr.
        self._base = work / "usr" if (work / "usr/lib/modules").is_dir() else work
        run("depmod", "-b", self._base, self.version)

    def _files(self, modules: Iterable[str]) -> list[Path]:
        """Files of modules and of what they need, in order of loading, without repetition.

        A name that this kernel has built in, or no longer has, gives none.
        """
        found: dict[Path, None] = {}
        for module in modules:
            text = run("sh", "-c", 'modprobe -d "$1" -S "$2" -D "$3" || true', "sh", self._base, self.version, module)
            found |= dict.fromkeys(Path(name) for name in re.findall(r"^insmod (\S+)", text, re.MULTILINE))
        return list(found)

    def copy_modules(self, root: Path, modules: Sequence[str] = _TO_BOOT + _IN_GUEST) -> list[Path]:
        """Copy modules, uncompressed, into a root file system; gives their paths within it, in order of loading."""
        source, target = self._base / "lib/modules" / self.version, Path("lib/modules") / self.version
        copied = []
        for file in self._files(modules):
            name = target / file.relative_to(source)
            name = name.with_suffix("") if name.suffix == ".xz" else name
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes())
            copied.append(name)
        for listing in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
            shutil.copy(source / listing, root / target)
        run("depmod", "-b", root, self.version)
        return copied

    def make_initrd(self, initrd: Path, work: Path) -> None:
        """Write an initrd of busybox and the modules to boot: it mounts /dev/vda and hands over to systemd."""
        for name in ("bin", "proc", "sys", "dev", "root"):
            (work / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "", work / "bin/busybox")
        loads = "".join(f"$b insmod /{module}\n" for module in self.copy_modules(work, _TO_BOOT))
        (work / "init").write_text(_INIT.format(loads=loads))
        (work / "init").chmod(0o755)
        run("sh", "-c", 'find . | cpio -o -H newc --quiet > "$1"', "sh", initrd, cwd=work)


_INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
{loads}
until [ -b /dev/vda ]; do $b sleep 0.1; done
$b mount -t ext4 -o rw,noatime /dev/vda /root
$b mount -o move /dev /root/dev
$b umount /proc /sys
exec $b switch_root /root /lib/systemd/systemd "$@"
"""
