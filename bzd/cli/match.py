# SPDX-License-Identifier: Apache-2.0
"""`bzd match`: who was near a case, from published keys and what the badges heard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bzd.cli import match_feed, match_files, options
from bzd.cli.match_files import Source
from bzd.config import Config

if TYPE_CHECKING:  # protobuf and cryptography take 70 ms to load
    from bzd.cli.match_run import Wanted
    from bzd.matching.risk import Risk

HIGH, LOW = 10, 11
"""Exit codes of `--exit-code`, reserved for that (`bzd.errors`)."""


@click.command(
    epilog=options.examples(
        "bzd match today.zip --verify-key ha.pub",
        "bzd match keys/ --verify-key ha.pub --state ward3-01.bzd --state ward3-02.bzd --identity admin.key --json",
        "bzd match --list today.zip --verify-key ha.pub",
        "bzd match --graph --state cases --identity ha-store.key",
        "bzd match --feed https://keys.example.org/index.txt --verify-key ha.pub",
    )
)
@click.argument("inputs", nargs=-1, type=options.PATH, metavar="[FILE|FOLDER]...")
@click.option(
    "--verify-key", "verify", multiple=True, metavar="[ID[:VERSION]=]FILE",
    help="Public key that FILE must verify with; else those of match.verify_keys. Repeatable.",
)  # fmt: skip
@click.option("--allow-unsigned", is_flag=True, help="Take files without a signature, or without a key to check it.")
@click.option(
    "--bluezone", type=options.PATH, multiple=True, metavar="FILE",
    help="Bluezone's case message (JSON; never signed). Repeatable.",
)  # fmt: skip
@click.option(
    "--feed", "feeds", multiple=True, metavar="URL",
    help="Fetch key files: a .zip, or an index of them. Without any FILE, else those of match.feed. Repeatable.",
)  # fmt: skip
@click.option("--download", type=options.PATH, metavar="DIR", help="Only fetch the feeds, into DIR; no store.")
@click.option("--list", "listing", is_flag=True, help="Show what is in the files and whether they verify; no store.")
@click.option("--rule", metavar="NAME|FILE", help="When a day's risk is high; else match.rule.")
@click.option("--exit-code", is_flag=True, help=f"Exit with {HIGH} for high risk, {LOW} for low, 0 for no encounter.")
@options.form_options(
    json="One JSON object.",
    jsonl="JSON Lines, one encounter a line.",
    graph="CSV: which case was near which badge; without FILE the badges are the cases. With --rule: only where met.",
)
@options.states_option
@options.identity_options
@options.config_options
@click.pass_context
def match(  # noqa: PLR0913  one argument an option
    ctx: click.Context,
    *,
    inputs: tuple[Path, ...],
    verify: tuple[str, ...],
    allow_unsigned: bool,
    bluezone: tuple[Path, ...],
    feeds: tuple[str, ...],
    download: Path | None,
    listing: bool,
    rule: str | None,
    exit_code: bool,
    form: str | None,
) -> None:
    """Find out from published keys who was near a case, when, how close and for how long.

    FILE is a key file as health authorities publish it; a FOLDER stands for its .zip and .bin files. Without --feed
    nothing is written and nothing leaves this machine. The rules are near (15 minutes within 2 m in a day), narrow-v1,
    narrow-v2, wide, swisscovid, cwa, or a TOML file. IDs are not authenticated: somebody who relays them makes
    encounters that were none.
    """
    config = options.load_config(ctx).config
    feeds = feeds or (() if inputs or bluezone or form == "graph" else config.match.feed)
    if download is not None:
        if inputs or bluezone or listing or form or exit_code:
            raise click.UsageError("--download only fetches: it takes --feed, and nothing to match", ctx)
        match_feed.download(ctx, feeds, download, config)
        return
    if not inputs and not bluezone and not feeds and form != "graph":
        raise click.UsageError("name the key files to match, a folder of them, or a --feed", ctx)
    if form == "graph" and listing:
        raise click.UsageError("--graph and --list exclude each other", ctx)
    named = match_files.named(inputs, bluezone)
    trusted = match_files.trusted(verify or config.match.verify_keys)
    if feeds and not allow_unsigned and not listing:
        match_files.require_trust(trusted)
    with match_feed.fetched(ctx, feeds, config, stores=not listing) as fetched:
        if listing:
            from bzd.cli import match_list  # noqa: PLC0415  see above

            match_list.show(
                [*named, *map(Source, fetched.files if fetched else ())],
                trusted,
                options.session(ctx).clock.now(),
                form,
            )
            return
        from bzd.cli.match_run import Wanted  # noqa: PLC0415  see above

        risk = _run(ctx, Wanted(named, fetched, trusted, allow_unsigned), config, rule, form)
    if exit_code:
        ctx.exit((0, LOW, HIGH)[risk])


def _run(ctx: click.Context, wanted: Wanted, config: Config, rule_name: str | None, form: str | None) -> Risk:
    """Match, and show what was found in the form asked for; gives the highest risk."""
    from bzd.cli import match_data, match_graph, match_run, match_text  # noqa: PLC0415  see above
    from bzd.cli.match_result import result as judged  # noqa: PLC0415  see above
    from bzd.matching.configured import configured_joining  # noqa: PLC0415  see above
    from bzd.matching.rules import load_rule  # noqa: PLC0415  see above

    name, of = rule_name or config.match.rule, config.match
    # Before the work, which may take long: a mistake in them must not show at its end.
    load_rule(name)
    configured_joining(config)
    state = match_feed.keeping(ctx, wanted) if form != "graph" else None
    if wanted.fetched is None or state is None:
        tried = match_run.try_anew(ctx, wanted, config, graph=form == "graph")
    else:
        tried = match_run.try_kept(ctx, state, wanted, wanted.fetched, config)
    result = judged(tried.matcher, config, name, stores=tried.stores, files=tried.files, earlier=tried.earlier)
    if form == "graph":
        match_graph.write(result, tried.owned, only_high=rule_name is not None, day_offset_s=of.day_offset_s)
    elif form:
        match_data.write(form, result)
    else:
        match_text.show(result, of.day_offset_s)
    match_text.tell(result)
    tried.require_all()
    return result.risk
