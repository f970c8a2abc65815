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
"""

from bzd.cli.entry import main, run

__all__ = ["main", "run"]
