# SPDX-License-Identifier: Apache-2.0
"""bzd: who was near whom, and for how long, on Linux badges.

Data flows one way. A radio or a trace file gives `Advertisement`; a protocol recognises it as a `Sighting`; the
tracker sums sightings into `Contact`; the store seals contacts. An arrow may only point down this list::

    bzd.cli         commands: results into tables, JSON, CSV
    bzd.pipeline    advertisements to contacts: what replay, demo and the live badge have in common
    bzd.radio       the virtual air
    bzd.traces      one reader per capture format, all yielding Advertisement
    bzd.feed        key files from web addresses
    bzd.store       the sealed store; its format is specified in its docstring
    bzd.proximity   ranging and tracking
    bzd.protocols   key schedules, payload encode and decode
    bzd.model bzd.clock bzd.config bzd.errors
"""

__version__ = "0.1.0"
__date__ = "2026-11-23"
"""The day this version was written: a clock that shows an earlier one is wrong."""
