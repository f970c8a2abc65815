# SPDX-License-Identifier: Apache-2.0
"""From a case to a warning: key files, the matcher, encounters and risk.

::

    keyfile, case_message ──► DiagnosisKey ─┐
                                            ├─► Matcher ──► Hit ──► encounters ──► assess, daily_summaries
    a store's contacts ────► Contact ───────┘
    publishing ◄── KeyFile

==================================  ====================================================================================
`keyfile.read_key_file`             reads and verifies an archive of keys; `keyfile.write_key_file` writes and signs one
`case_message.read_case_message`    the same for Bluezone's case message; `case_message.write_case_message`
`signing.parse_verify_key`          `[ID[:VERSION]=]FILE` as the command line has it; `signing.SigningKey`
`keys.diagnosis_key`                a badge's own daily key as it is published
`matcher.Matcher`                   contacts of many stores against batches of keys; revocations
`encounters.encounters`             hits joined across rolling IDs, with attenuation, metres and minutes
`windows.windows`                   exposure windows of version 2
`rules.load_rule`                   a named rule or one from a file; `rules.daily_summaries`, `rules.assess`
`publishing.publish`                merges, pads, holds back, splits and signs what an authority publishes
`calibration.read_calibration`      RSSI corrections per device model
`configured.configured`             how to match under a configuration
`kept.open_kept`                    matching that is remembered in a store: nothing is read twice, nothing skipped
`findings`                          what is remembered, and when a file must be matched again
==================================  ====================================================================================

The format of the archives is in `bzd.matching.archive` and `bzd.matching.messages`.

What matching cannot tell. Rolling IDs are not authenticated: whoever records one and broadcasts it elsewhere makes a
contact of those who hear it. The tolerance bounds for how long that works after the ID's interval, and `Hit.offset_s`
shows it; a relay that passes IDs on at once cannot be seen at all. Nor can it be proven that the tx power in GAEN's
metadata is what was sent; it is only checked to be possible. A published key makes every ID of its day recognisable to
all who recorded them, also the case's way through the places where somebody listened.
"""
