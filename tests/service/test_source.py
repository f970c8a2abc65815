# SPDX-License-Identifier: Apache-2.0
"""Where the units come from, and from where the service can run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bzd.errors import InputError
from bzd.service import source


def test_units_are_found_and_name_the_virtual_environment() -> None:
    """Each path of /opt/bzd becomes one of the given place, and no other is left."""
    text = source.unit("bzd.service", "/srv/badge")
    assert "ExecStart=/srv/badge/bin/bzd run\n" in text
    assert "ExecPaths=/usr /lib /srv/badge\n" in text
    assert "/opt/bzd" not in text


def test_units_within_the_package_win_over_those_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a wheel they lie in the package; without any, the error says what is missing."""
    package = tmp_path / "bzd"
    package.mkdir()
    monkeypatch.setattr("bzd.service.source.bzd.__file__", str(package / "__init__.py"))
    with pytest.raises(InputError, match="units of the service are missing"):
        source.folder()
    for place in (tmp_path / "systemd", package / "systemd"):
        place.mkdir()
        (place / "bzd.service").touch()
        assert source.folder() == place


@pytest.mark.parametrize("prefix", ["/home/pi/venv", "/root/x", "/run/x", "/sys/x"])
def test_places_that_the_sandbox_hides_are_refused(prefix: str) -> None:
    """A virtual environment in a home could not be seen by the service, which would fail at each boot."""
    with pytest.raises(InputError, match="hides"):
        source.check_prefix(prefix)


@pytest.mark.parametrize("prefix", ["opt/bzd", "/opt/my bzd", "/opt/100%", "/opt/a\nUser=root", "/opt/$x"])
def test_paths_that_a_unit_would_read_otherwise_are_refused(prefix: str) -> None:
    """Blanks, specifiers, variables and new lines have a meaning in units."""
    with pytest.raises(InputError, match="named in a unit"):
        source.check_prefix(prefix)


def test_a_python_outside_of_the_sandbox_is_refused(tmp_path: Path) -> None:
    """A virtual environment made with a Python in somebody's home would not start."""
    source.check_prefix("/opt/bzd")
    python = tmp_path / "venv/bin/python3"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/env")
    source.check_interpreter(str(tmp_path / "venv"))
    python.unlink()
    python.symlink_to(tmp_path / "elsewhere/python3")
    with pytest.raises(InputError, match="elsewhere/python3"):
        source.check_interpreter(str(tmp_path / "venv"))
