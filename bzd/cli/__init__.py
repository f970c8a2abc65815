# SPDX-License-Identifier: Apache-2.0
"""The command line: click commands, one module per group, that turn results into tables, JSON and CSV.

stdout carries data, stderr messages: `bzd: error: …`, then `bzd: hint: …`. Exit codes are those of `bzd.errors`; 2 is
wrong usage, 130 an interrupt, 141 that whoever read the output went away. A command is imported when it is called and
not before, so that `bzd --help` starts at once::

    entry     main(): runs a command line, turns whatever is raised into messages and an exit code
    group     the table of commands, help and completion
    failure   exceptions into messages
    options   options that commands share: state, configuration, identities, times
    output    messages, JSON, CSV, tables

A contact in JSON (`bzd.contact/1` as a line of JSON Lines, in the list `contacts` of `bzd.contacts/1`) has::

    protocol     name, such as gaen
    rolling_id   hex
    metadata     hex, or ""
    start, end   first and last sighting, RFC 3339 UTC with milliseconds and Z
    duration_s   seconds of presence, absences left out
    near_s       seconds within the configured distance
    sightings    how many
    rssi_max     strongest, dBm
    rssi_mean    mean of the scan instances' means weighted by sightings, dBm
    distance_m   estimated typical distance in metres, or null
    synced       whether the clock was known to be right
    scans        list of [offset_s, seconds, sightings, mean RSSI, strongest RSSI]; not in CSV
    store        label of the store; only where several stores are read

Encounters (`bzd.encounter/1`, `bzd.encounters/1`) are in `bzd.cli.match_data`, what is in key files (`bzd.keyfile/1`,
`bzd.keyfiles/1`) in `bzd.cli.match_list`, and the edge list of `match --graph` in `bzd.cli.match_graph`.

`bzd config --json` is `bzd.config/1`: `settings`, a list of objects with `name`, `value`, `origin` and `meaning`.
"""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Entry point of `bzd`: run the process's command line and exit."""
    try:
        from bzd.cli import entry  # noqa: PLC0415  so that Ctrl-C while it loads is no traceback either
    except KeyboardInterrupt:
        sys.exit(130)
    entry.main()
