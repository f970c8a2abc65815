# SPDX-License-Identifier: Apache-2.0
"""`bzd config`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bzd.config import load

if TYPE_CHECKING:
    from tests.cli.conftest import Bzd


def test_every_option_is_shown_with_value_origin_and_meaning(bzd: Bzd) -> None:
    """The prose names all settings that there are, and where no file is read says so."""
    result = bzd("config")
    assert result.code == 0
    for setting in load().settings():
        assert f"{setting.name} = " in result.out
        assert " ".join(setting.doc.split()) in " ".join(result.out.split())
    assert result.out.count("(default)") == len(list(load().settings()))
    assert "configuration file: none" in result.err


def test_a_byte_order_mark_is_no_setting(bzd: Bzd, tmp_path: Path) -> None:
    """A file that was saved on Windows is read as any other."""
    path = tmp_path / "bzd.toml"
    path.write_text("[proximity]\r\nmax_gap_s = 400\r\n", encoding="utf-8-sig")
    assert "max_gap_s = 400.0" in bzd("config", "--config", path).out


def test_origins(bzd: Bzd, tmp_path: Path) -> None:
    """A value says whether it is the default, the file's or the command line's."""
    path = tmp_path / "bzd.toml"
    path.write_text("[proximity]\nmax_gap_s = 400\nmin_sightings = 3\n")
    result = bzd("config", "--config", path, "--set", "proximity.max_gap_s=500", "--json")
    assert result.json["schema"] == "bzd.config/1"
    found = {setting["name"]: setting for setting in result.json["settings"]}
    assert (found["proximity.max_gap_s"]["value"], found["proximity.max_gap_s"]["origin"]) == (500.0, "--set")
    assert (found["proximity.min_sightings"]["value"], found["proximity.min_sightings"]["origin"]) == (3, str(path))
    assert found["scan.period_s"]["origin"] == "default"
    assert set(found["scan.period_s"]) == {"name", "value", "origin", "meaning"}


def test_toml_loads_back_to_the_same_values(bzd: Bzd, tmp_path: Path) -> None:
    """The file that --toml prints is complete, and gives the configuration that it was printed from."""
    overrides = ["proximity.max_gap_s=601.5", "ranging.exponent=2.25", "store.retention_days=7"]
    result = bzd("config", "--toml", *(word for override in overrides for word in ("--set", override)))
    path = tmp_path / "bzd.toml"
    path.write_text(result.out)
    assert load(path).config == load(overrides=overrides).config
    written = {f"{section}.{key}" for section, table in tomllib.loads(result.out).items() for key in table}
    assert written == {setting.name for setting in load().settings()}


def test_where_the_file_comes_from(bzd: Bzd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config wins over $BZD_CONFIG, that over a service's folder, the system's file and the user's own."""

    def days() -> int:
        return int(next(s["value"] for s in bzd("config", "--json").json["settings"] if s["name"].startswith("store.")))

    def file(path: Path, days: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[store]\nretention_days = {days}\n")
        return path

    file(tmp_path / "home/.config/bzd/bzd.toml", 1)
    assert days() == 1
    monkeypatch.setattr("bzd.cli.options.SYSTEM_CONFIG", file(tmp_path / "etc.toml", 2))
    assert days() == 2
    (tmp_path / "service").mkdir()
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", f"{tmp_path / 'service'}:/elsewhere")
    assert days() == 14
    file(tmp_path / "service/bzd.toml", 5)
    assert days() == 5
    monkeypatch.setenv("BZD_CONFIG", str(file(tmp_path / "env.toml", 3)))
    assert days() == 3
    named = file(tmp_path / "named.toml", 4)
    for words in (["--config", named, "config"], ["config", "--config", named]):
        assert "store.retention_days = 4" in bzd(*words).out


def test_options_before_and_after_the_command(bzd: Bzd) -> None:
    """A --set before the command holds, and one after it wins."""
    result = bzd("--set", "store.retention_days=5", "--set", "scan.period_s=7", "config", "--set", "scan.period_s=8")
    assert "store.retention_days = 5 " in result.out
    assert "scan.period_s = 8.0 " in result.out
