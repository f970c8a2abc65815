# SPDX-License-Identifier: Apache-2.0
"""bzd as a user installs it, on a disk of its own: a wheel of the checkout in a virtual environment at /opt/bzd.

The installation runs in the guest's root file system by chroot, offline, from wheels that pip downloaded for the
guest's Python: the same steps as in the guest, without the emulation that makes them slow.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

from tests.e2e.host import cache
from tests.e2e.host.image import Image
from tests.e2e.host.shell import fetch, make_disk, run, step
from tests.e2e.host.suites import Suite

_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""Wheels for glibc 2.28 and older: bookworm has 2.36, trixie 2.41."""

_BY_MARKER = ("typing-extensions>=4.7",)
"""What bleak asks for on Python before 3.12 alone: pip judges that by its own Python, not by --python-version."""

_SPARE_MIB = 200
_PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def build(image: Image) -> Path:
    """Make the disk that the guest mounts at /opt, with bzd and the scenarios of this checkout, or take the last one.

    Returns:
        The disk: `bzd/` is the virtual environment, `e2e/checkout/tests/e2e` is what runs in the guest.

    Raises:
        UnavailableError: if pip's index does not answer.
        BuildError: if the wheel cannot be built, or a dependency not be downloaded or installed.
    """
    wheelhouse = _wheelhouse(image.suite)
    code = cache.sources(cache.ROOT / "bzd", cache.ROOT / "systemd", cache.ROOT / "tests/e2e")
    mark = cache.fingerprint([*code, *_METADATA], (wheelhouse / "fingerprint").read_text(), image.versions)
    target = cache.folder() / f"{image.suite.name}-program"
    return cache.keep(target, mark, lambda folder: _fill(folder, image, wheelhouse)) / "opt.ext4"


_METADATA = [cache.ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE")]


def _wheelhouse(suite: Suite) -> Path:
    """The wheels of bzd's dependencies for a suite; downloaded again when what pyproject.toml asks for changes."""
    target = cache.folder() / f"{suite.name}-wheels"
    wanted = tomllib.loads(_METADATA[0].read_text())["project"]["dependencies"]
    return cache.keep(target, cache.fingerprint([], suite.python, *wanted), lambda folder: _download(folder, suite))


def _download(folder: Path, suite: Suite) -> None:
    step(f"{suite.name}: wheels of the dependencies")
    bzd = _wheel(folder / "own")
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    python = ("--implementation", "cp", "--python-version", suite.python)
    fetch(*_PIP, "download", "--only-binary=:all:", *platforms, *python, "--dest", folder, bzd, *_BY_MARKER)
    for wheel in (folder / bzd.name, bzd):
        wheel.unlink(missing_ok=True)


def _wheel(folder: Path) -> Path:
    """Build the wheel of the checkout into a folder."""
    fetch(*_PIP, "wheel", "--no-deps", "--wheel-dir", folder, cache.ROOT)
    return next(folder.glob("bzd-*.whl"))


def _fill(folder: Path, image: Image, wheelhouse: Path) -> None:
    step(f"{image.suite.name}: bzd into a virtual environment")
    opt = image.root / "opt"
    shutil.rmtree(opt)
    shutil.copytree(wheelhouse, opt / "wheels")
    wheel = _wheel(opt / "wheels")
    run("chroot", image.root, "python3", "-m", "venv", "/opt/bzd")
    offline = ("--no-index", "--find-links", "/opt/wheels", "--quiet", "--disable-pip-version-check")
    run("chroot", image.root, "/opt/bzd/bin/pip", "install", *offline, f"/opt/wheels/{wheel.name}")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(cache.ROOT / "tests/e2e", opt / "e2e/checkout/tests/e2e", ignore=ignored)
    run("chroot", image.root, "/opt/bzd/bin/python", "-m", "compileall", "-q", "/opt/e2e/checkout")
    make_disk(folder / "opt.ext4", opt, spare_mib=_SPARE_MIB)
