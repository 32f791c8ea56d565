"""People, groups, posts, in any order, with answers of COMMIT lost and processes killed, against a model.

The model knows for each person what is in INBOX and Archive, and for each of their groups what is still to be carried.
After every step that looks, the store must have exactly that; UIDs ascend and none ever shows another post.
``OPOSTD_TEST_EXAMPLES=250`` is 10,000 steps.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from opostd.config import StoreSettings
from opostd.model.flags import FLAGGED, SEEN
from opostd.model.records import Withdraw
from opostd.store import run as store_run
from opostd.store import schema
from opostd.store.run import Store
from tests.store.crashing import CrashingTx
from tests.store.machine import Model
from tests.store.test_run import Faults
from tests.store.world import World

EXAMPLES = int(os.environ.get("OPOSTD_TEST_EXAMPLES", "6"))
STEPS = 50

who = st.sampled_from(("anna", "bob", "cara"))
group = st.sampled_from(("team", "crew", "company"))
source = st.sampled_from(("team", "crew", "company", "everyone"))
number = st.integers(0, 9)
crash = st.sampled_from((None, 0, 1, 2, 3, 4, 6, 8, 11, 15, 20))  # before which statement


class Machine(RuleBasedStateMachine):
    """A store that is empty at the beginning."""

    def __init__(self, store_settings: StoreSettings, counted: dict[str, int]) -> None:
        super().__init__()
        self.faults = Faults(7, 0.05, sa.make_url(store_settings.url).get_backend_name())
        self.store_settings = store_settings
        self.counted = counted
        self.runner = asyncio.Runner()
        self.store = Store(store_settings, self.faults)
        with_nobody(store_settings)

    def step(self, work: Coroutine[Any, Any, None], at: int | None) -> None:
        self.model.crash = at
        self.runner.run(work)
        self.counted["steps"] += 1
        self.model.crash = None

    @initialize()
    def begin(self) -> None:
        async def main() -> Model:
            model = Model(World(self.store))
            for name in ("anna", "bob", "cara"):
                await model.add_person(name)
            for name in ("team", "crew"):
                await model.add_group(name)
            for name, to in (("anna", "team"), ("anna", "crew"), ("bob", "team")):
                await model.join(name, to)
            return model

        self.model = self.runner.run(main())
        self.faults.on = True

    @rule(names=st.sets(source, min_size=1), at=crash)
    def post(self, names: set[str], at: int | None) -> None:
        self.step(self.model.post(names), at)

    @rule(who=who, at=crash)
    def direct(self, who: str, at: int | None) -> None:
        self.step(self.model.direct(who), at)

    @rule(who=who, how=st.sampled_from(("open", "idle", "agent")), at=crash)
    def look(self, who: str, how: str, at: int | None) -> None:
        self.step(self.model.look(who, how), at)

    @rule(who=who, number=number, bit=st.sampled_from((SEEN, FLAGGED)), at=crash)
    def mark(self, who: str, number: int, bit: int, at: int | None) -> None:
        self.step(self.model.mark(who, number, bit), at)

    @rule(who=who, number=number, at=crash)
    def delete(self, who: str, number: int, at: int | None) -> None:
        self.step(self.model.delete(who, number), at)

    @rule(who=who, number=number, at=crash)
    def move(self, who: str, number: int, at: int | None) -> None:
        self.step(self.model.move(who, number), at)

    @rule(who=who, group=group, at=crash)
    def join(self, who: str, group: str, at: int | None) -> None:
        self.step(self.model.join(who, group), at)

    @rule(who=who, group=source, at=crash)
    def leave(self, who: str, group: str, at: int | None) -> None:
        self.step(self.model.leave(who, group), at)

    @rule(who=who, group=group, at=crash)
    def history(self, who: str, group: str, at: int | None) -> None:
        self.step(self.model.history(who, group), at)

    @rule(group=source, from_start=st.booleans(), at=crash)
    def policy(self, group: str, from_start: bool, at: int | None) -> None:
        self.step(self.model.policy(group, from_start), at)

    @rule(number=number, policy=st.sampled_from(list(Withdraw)), at=crash)
    def recall(self, number: int, policy: Withdraw, at: int | None) -> None:
        self.step(self.model.recall(number, policy), at)

    @rule(number=number, at=crash)
    def expire(self, number: int, at: int | None) -> None:
        self.step(self.model.expire(number), at)

    @rule(group=source, number=number, at=crash)
    def pin(self, group: str, number: int, at: int | None) -> None:
        self.step(self.model.pin(group, number), at)

    @rule(outer=group, inner=group, at=crash)
    def nest(self, outer: str, inner: str, at: int | None) -> None:
        self.step(self.model.nest(outer, inner), at)

    @rule(group=group, at=crash)
    def add_group(self, group: str, at: int | None) -> None:
        self.step(self.model.add_group(group), at)

    @rule(group=group, yes=st.integers(0, 3), at=crash)
    def remove_group(self, group: str, yes: int, at: int | None) -> None:
        if not yes:  # seldom, or there would be nothing to look at
            self.step(self.model.remove_group(group), at)

    @rule(who=who, yes=st.integers(0, 3), at=crash)
    def remove_person(self, who: str, yes: int, at: int | None) -> None:
        if not yes:
            self.step(self.model.remove_person(who), at)

    @rule(who=who, at=crash)
    def add_person(self, who: str, at: int | None) -> None:
        self.step(self.model.add_person(who), at)

    @rule(at=crash)
    def reap(self, at: int | None) -> None:
        self.step(self.model.reap(), at)

    def teardown(self) -> None:
        try:
            if hasattr(self, "model"):
                self.counted["crashes"] += self.model.crashes
                for name in self.model.people:
                    self.runner.run(self.model.look(name, "open"))
        finally:
            self.runner.run(self.store.close())
            self.runner.close()


def with_nobody(store_settings: StoreSettings) -> None:
    """The tables are emptied: a store for each example would take longer than all its steps."""
    engine = sa.create_engine(store_settings.url, execution_options={"outside": True})
    with engine.begin() as connection:
        for metadata in schema.metadata.values():
            for table in metadata.tables:
                connection.execute(sa.text(f"DELETE FROM {table}"))
    engine.dispose()


@pytest.mark.timeout(120 + 10 * EXAMPLES)
def test_any_order(store_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_run, "Tx", CrashingTx)
    counted = {"steps": 0, "crashes": 0}
    # No shrinking: it takes minutes, and the steps that failed are printed as they are.
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Machine(store_settings, counted),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(counted)
    assert counted["crashes"] > EXAMPLES
