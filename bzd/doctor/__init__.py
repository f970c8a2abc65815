# SPDX-License-Identifier: Apache-2.0
"""What `bzd doctor` looks at. Each check is a function of facts that judges one thing and says what to do about it.

Facts are gathered first (`bzd.doctor.machine_facts`, `bzd.doctor.bluez_facts`; `bzd.doctor.management` asks the kernel
what bluetoothd does not tell), so that a check neither waits nor fails, and every fault it knows can be shown to it by
a test.

`bzd doctor --radio` is another thing, which takes a minute and root: `bzd.doctor.trial` uses the radio in every way,
`bzd.doctor.recorder` has btmon record what the kernel makes of that, and `bzd.doctor.airwaves` works out what must have
been on air. The verdict goes into the state directory (`bzd.radio.verdict`), for the daemon and for the check `leaks`.
A badge that runs is paused for it (`bzd.doctor.quiet`).
"""
