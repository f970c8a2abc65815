# SPDX-License-Identifier: Apache-2.0
"""What `bzd doctor` looks at. Each check is a function of facts that judges one thing and says what to do about it.

Facts are gathered first (`bzd.doctor.machine_facts`, `bzd.doctor.bluez_facts`), so that a check neither waits nor
fails, and every fault it knows can be shown to it by a test.
"""
