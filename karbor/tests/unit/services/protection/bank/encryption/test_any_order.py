# SPDX-License-Identifier: Apache-2.0
"""Whatever services and administrators do, in any order, no key in use is lost."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from karbor import exception
from karbor.services.protection.bank.encryption.bank_keyring import (
    LOOK_SECONDS,
    BankKeyring,
)
from karbor.services.protection.bank.encryption.rotation import KeyRotation
from karbor.services.protection.bank.sections import Bank
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.decorated_bank import FakeClock
from karbor.tests.fakes.faulty_bank import faulty_bank
from karbor.tests.fakes.master_keys import MemoryMasterKeys

PROJECTS = st.sampled_from(["p", "q"])
SERVICES = st.integers(min_value=0, max_value=2)


class KeysInAnyOrder(RuleBasedStateMachine):
    """Three services and an administrator on a bank that fails now and then.

    ``used`` has every key that a service was given to encrypt with.
    """

    @initialize(seed=st.integers(min_value=0, max_value=1000))
    def start(self, seed):
        self.plugin = MemoryBankPlugin()
        self.failing = faulty_bank(
            self.plugin, seed=seed, fail_before=0.1, fail_after=0.1, time_out=0.1
        )
        self.master = MemoryMasterKeys("m0")
        self.made = 1
        self.clock = FakeClock()
        self.services = [self._service() for _ in range(3)]
        self.used = {}

    def _service(self):
        return BankKeyring(Bank(self.failing), self.master, self.clock.monotonic)

    @rule(number=SERVICES, project=PROJECTS)
    def encrypt(self, number, project):
        try:
            key = self.services[number].active(project)
        except exception.DataKeyUnavailable:
            return
        self.used[project, key.id] = key

    @rule(number=SERVICES)
    def restart(self, number):
        self.services[number] = self._service()

    @rule()
    def let_time_pass(self):
        self.clock.sleep(LOOK_SECONDS)

    @rule()
    def make_master_key(self):
        self.master.make(f"m{self.made}")
        self.made += 1

    @rule(project=st.none() | PROJECTS)
    def rotate(self, project):
        try:
            KeyRotation(Bank(self.failing), self.master).run(project)
        except exception.BankListObjectsFailed:
            return

    @precondition(lambda self: len(self.master.keys) > 1)
    @rule()
    def retire_old_master_keys(self):
        try:
            done = KeyRotation(Bank(self.failing), self.master).run()
        except exception.BankListObjectsFailed:
            return
        if not done.rewrapped and not done.failed:
            for name in set(self.master.keys) - {done.master_key_id}:
                del self.master.keys[name]

    @invariant()
    def every_key_in_use_is_readable_by_a_service_that_starts_now(self):
        if not hasattr(self, "used"):
            return
        fresh = BankKeyring(Bank(self.plugin), self.master)
        for (project, key_id), key in self.used.items():
            assert fresh.get(project, key_id) == key


TestKeysInAnyOrder = KeysInAnyOrder.TestCase
TestKeysInAnyOrder.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
