# SPDX-License-Identifier: Apache-2.0
"""bzd as a service of the machine: what `bzd install-service` puts where.

::

    /usr/local/lib/systemd/system/bzd.service, bzd-init.service     the units; /etc/systemd/system overrides them
    /usr/local/lib/systemd/system/bzd-warn.path, bzd-warn.service   what the badge does when it warns
    /usr/local/lib/systemd/system/bzd-feed.service, bzd-feed.timer  fetching key files, if match.feed names a feed
    /usr/local/lib/sysusers.d/bzd.conf                              the users and groups bzd and bzd-feed
    /usr/local/lib/tmpfiles.d/bzd.conf                              /etc/bzd, /var/lib/bzd and /var/lib/bzd-feed
    /usr/local/bin/bzd                                              a link into the virtual environment
    /etc/bzd/bzd.toml.example                                       every option and its default
    /etc/bzd/recipients/*.pub, key-recipients/*.pub                 with --recipient and --key-recipient
    /etc/systemd/system/bzd-init.service.d/recipients.conf          ... whom bzd-init.service seals the store to
    /etc/systemd/system/bluetooth.service.d/bzd.conf                with --experimental

Everything is written anew by each run, so that a second run is harmless and an upgrade is the same command. What an
admin wrote is none of these: /etc/bzd/bzd.toml, /etc/bzd/warn, drop-ins of other names. With `--now` the radio is tried
out as well (`bzd doctor --radio`), once the service runs: its verdict, /var/lib/bzd/radio.json, needs the state
directory.
"""
