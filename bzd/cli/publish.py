# SPDX-License-Identifier: Apache-2.0
"""`bzd publish`: what a health authority gives to everybody."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import files, options, output
from bzd.cli.identities import load_signing_key
from bzd.cli.match_files import tell_skipped
from bzd.cli.options import session
from bzd.cli.times import Instant
from bzd.clock import rfc3339
from bzd.errors import InputError, OutputError

if TYPE_CHECKING:  # protobuf and cryptography take 70 ms to load
    from bzd.matching.keyfile import KeyFile
    from bzd.matching.publishing import Published, Publishing
    from bzd.matching.signing import SigningKey, VerifyKey

FILE_KEYS = 500_000
"""The most keys of one file (`bzd.matching.keyfile.MAX_KEYS`, which takes 30 ms to load)."""
PADDED_TO = 1000
"""The fewest (`bzd.matching.publishing.PADDED_TO`)."""


@click.command(
    epilog=options.examples(
        "bzd publish case.zip other.zip -o today.zip --sign-key ha.pem --region CH --key-id 228 --key-version v1",
        "bzd publish yesterday.zip --revoke case.zip -o today.zip --sign-key ha.pem",
    )
)
@click.argument("inputs", nargs=-1, type=options.PATH, metavar="[FILE]...")
@options.output_option
@click.option("--sign-key", type=options.PATH, required=True, metavar="FILE", help="Secret key of `keygen --signing`.")
@click.option("--revoke", type=options.PATH, multiple=True, metavar="FILE", help="Withdraw its keys. Repeatable.")
@click.option("--region", default="", metavar="TEXT", help="Whose keys they are, such as two letters of a country.")
@click.option("--key-id", default="", metavar="TEXT", help="Name of the signing key, such as a mobile country code.")
@click.option("--key-version", default="", metavar="TEXT", help="Its version, such as v1.")
@click.option(
    "--verify-key", "verify", multiple=True, metavar="[ID[:VERSION]=]FILE",
    help="Public key of signed inputs from others than --sign-key. Repeatable.",
)  # fmt: skip
@click.option(
    "--padding", type=click.IntRange(0, FILE_KEYS), default=PADDED_TO, show_default=True,
    help="Add random keys up to so many, and up to so many new ones; 0 adds none, and their number shows.",
)  # fmt: skip
@click.option(
    "--max-keys", type=click.IntRange(1, FILE_KEYS), default=FILE_KEYS, show_default=True,
    help="Most keys of one file; more make FILE-1, FILE-2, ….",
)  # fmt: skip
@click.option("--no-embargo", is_flag=True, help="Also publish keys that ended less than two hours ago.")
@click.option("--now", type=Instant(), metavar="TIME", help="As if it were then.")
@options.force_option
@options.passphrase_option
@click.pass_context
def publish(  # noqa: PLR0913  one argument an option
    ctx: click.Context,
    *,
    inputs: tuple[Path, ...],
    path: Path,
    sign_key: Path,
    revoke: tuple[Path, ...],
    region: str,
    key_id: str,
    key_version: str,
    verify: tuple[str, ...],
    padding: int,
    max_keys: int,
    no_embargo: bool,
    now: float | None,
    force: bool,
) -> None:
    """Merge exports of cases and earlier batches into signed files to publish.

    Keys are sorted, so that their order does not tell which belong together, padded, so that their number does not
    tell how many cases there are, and held back until two hours after they end, because until then whoever has a key
    can pass for its owner. Exports are not signed: take them only from whom you know.
    """
    from bzd.matching.publishing import Publishing  # noqa: PLC0415  see above

    if not inputs and not revoke:
        raise click.UsageError("name the files to publish", ctx)
    signing_key = load_signing_key(ctx, sign_key)
    trusted = _trusted(verify, signing_key)
    how = Publishing(region, key_id, key_version, padding, max_keys, embargo=not no_embargo)
    given, withdrawn = ([_read(name, trusted) for name in names] for names in (inputs, revoke))
    given = [_without_news(file) for file in given]
    done = _published(given, withdrawn, session(ctx).clock.now() if now is None else now, how, signing_key)
    for file in (*given, *withdrawn):
        tell_skipped(file.name, file.skipped)
    if not done.files:
        raise _nothing(done)
    if no_embargo:
        output.warning(
            "without the embargo, whoever has this file can pass for a case until two hours after its keys end"
        )
    _write(done.files, path, force=force)
    _tell(done)


def _trusted(verify: Sequence[str], own: SigningKey) -> list[VerifyKey]:
    from bzd.matching.signing import parse_verify_key  # noqa: PLC0415  see above

    return [*(parse_verify_key(text) for text in verify), own.public]


def _read(path: Path, trusted: Sequence[VerifyKey]) -> KeyFile:
    from bzd.matching.keyfile import read_key_file  # noqa: PLC0415  see above

    return read_key_file(path, trusted, allow_unsigned=True)


def _without_news(file: KeyFile) -> KeyFile:
    """An input, of which only first news counts unless it is signed: anybody could withdraw a published key by it."""
    from bzd.matching.keys import ReportType  # noqa: PLC0415  see above

    keys = tuple(key for key in file.keys if key.report_type != ReportType.REVOKED)
    news = len(file.keys) - len(keys) + len(file.revised)
    if file.verified_by is not None or not news:
        return file
    output.warning(
        f"{file.name} is not signed, so that news of {_counted(news, 'key')} in it is left out; --revoke withdraws keys"
    )
    return replace(file, keys=keys, revised=())


def _published(
    inputs: Sequence[KeyFile], withdrawn: Sequence[KeyFile], now: float, how: Publishing, key: SigningKey
) -> Published:
    from bzd.matching import publishing  # noqa: PLC0415  see above

    revoked = [key for file in withdrawn for key in (*file.keys, *file.revised)]
    try:
        return publishing.publish(inputs, now=now, how=how, revoke=revoked, signing_key=key)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _nothing(done: Published) -> InputError:
    if not done.held_back:
        return InputError("there are no keys to publish", "`bzd match --list FILE` shows what is in a file")
    first = rfc3339(_free_from(done))
    return InputError(
        f"nothing to publish yet: {_counted(len(done.held_back), 'key')} held back, the first until {first}",
        "publish again then; --no-embargo does not wait, and lets whoever has the file pass for the case meanwhile",
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _free_from(done: Published) -> float:
    from bzd.matching.publishing import EMBARGO_S  # noqa: PLC0415  see above

    return min(key.end for key in done.held_back) + EMBARGO_S


def _write(made: Sequence[bytes], path: Path, *, force: bool) -> None:
    """Write the files of a batch, all or none."""
    if str(path) == files.STDIO and (len(made) > 1 or sys.stdout.isatty()):
        raise OutputError("that does not go to stdout: it is binary, and may be several files", "name a file with -o")
    paths = [path] if len(made) == 1 else [path.with_stem(f"{path.stem}-{n}") for n in range(1, len(made) + 1)]
    with ExitStack() as stack:
        for name, data in zip(paths, made, strict=True):
            stack.enter_context(files.output_file(name, force=force)).write(data)
    for name, data in zip(paths, made, strict=True):
        output.note(f"wrote {name} ({len(data):,} bytes)")


def _tell(done: Published) -> None:
    said = [_counted(done.keys, "key"), f"{done.padding:,} added as padding"]
    said += [f"{_counted(done.revised, 'key')} withdrawn or revised"] if done.revised else []
    said += [f"{_counted(done.duplicates, 'duplicate')} left out"] if done.duplicates else []
    said += (
        [f"{done.conflicts:,} of them with other times; what was published, or is shorter, was kept"]
        if done.conflicts
        else []
    )
    output.note("; ".join(said))
    if done.held_back:
        until = rfc3339(_free_from(done))
        output.note(f"{len(done.held_back):,} held back, the first until {until}: publish them in a later batch")
