"""Random histories of commands, conflicts and repeated deliveries against a model of the log."""

import asyncio
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from adapters.memory.event_store import InMemoryEventStore
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.hashing import GENESIS, chain_hash, micros
from adapters.postgres.verify import verify_log
from domain.errors import CommandIdReused, ConcurrencyConflict
from domain.event import ANY_VERSION, Append, Receipt
from tests.support.appends import an_append, an_event
from tests.support.event_stores import Store
from tests.support.postgres import Database

TENANTS = ("one", "two")
STREAMS = ("a", "b", "c")
EXAMPLES = {"memory": 60, "postgres": 12}
STEPS = 15


def _command(  # noqa: PLR0913, PLR0917 - one parameter a strategy
    tenant: str, stream: str, events: int, expected: int, number: int, fingerprint: bytes
) -> Append:
    return an_append(
        stream,
        *(an_event(f"{number}-{index}") for index in range(events)),
        expected=expected,
        tenant=tenant,
        command_id=f"c-{number}",
        fingerprint=fingerprint,
    )


commands = st.builds(
    _command,
    st.sampled_from(TENANTS),
    st.sampled_from(STREAMS),
    st.integers(1, 3),
    st.integers(ANY_VERSION, 4),
    st.integers(0, 20),
    st.sampled_from((b"f", b"f", b"g")),
)

Answer = Receipt | ConcurrencyConflict | CommandIdReused


class LogMachine(RuleBasedStateMachine):
    """The model is one dictionary of versions and one of receipts."""

    store: ClassVar[Store]
    runner: ClassVar[asyncio.Runner]
    number: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        # The store outlives the example: its tenants are new, and the log goes on.
        LogMachine.number += 1
        self.begin = self.runner.run(self.store.head()).position
        self.position = self.begin
        self.versions: dict[tuple[str, str], int] = {}
        self.receipts: dict[tuple[str, str], tuple[bytes, Receipt]] = {}

    @rule(append=commands)
    def append_one(self, append: Append) -> None:
        append = self._of_this_example(append)
        assert _told(self._answer(append)) == _told(self._expected(append))

    @rule(batch=st.lists(commands, min_size=2, max_size=8))
    def append_at_once(self, batch: list[Append]) -> None:
        """The answers are those of one order of the commands: the order of positions."""
        batch = [self._of_this_example(append) for append in batch]

        async def all_at_once() -> list[Receipt | BaseException]:
            return await asyncio.gather(
                *(self.store.append(append) for append in batch), return_exceptions=True
            )

        answered = list(zip(batch, self.runner.run(all_at_once()), strict=True))
        recorded = [(a, r) for a, r in answered if isinstance(r, Receipt) and not r.replayed]
        for append, receipt in sorted(recorded, key=lambda pair: pair[1].first_position):
            assert _told(receipt) == _told(self._expected(append))
        for append, answer in answered:
            self._check_not_recorded(append, answer)

    def _check_not_recorded(self, append: Append, answer: Receipt | BaseException) -> None:
        known = self.receipts.get((append.context.tenant, append.context.command_id))
        match answer:
            case Receipt():
                assert known is not None
                assert known[0] == append.fingerprint
                assert _told(answer) == _told(known[1])
            case CommandIdReused():
                assert known is not None
                assert known[0] != append.fingerprint
            case _:
                assert isinstance(answer, ConcurrencyConflict)
                assert answer.actual != append.expected_version != ANY_VERSION

    @invariant()
    def receipts_map_to_exactly_their_events(self) -> None:
        events = self.runner.run(self.store.read_log(self.begin))
        owners = [(event.tenant, event.command_id) for event in events]
        for (tenant, command_id), (_, receipt) in self.receipts.items():
            span = range(receipt.first_position, receipt.last_position + 1)
            mine = [
                event.position
                for event, owner in zip(events, owners, strict=True)
                if owner == (tenant, command_id)
            ]
            assert mine == list(span)
        assert set(owners) == set(self.receipts)

    @invariant()
    def positions_and_versions_have_no_gaps_and_the_chain_holds(self) -> None:
        events = self.runner.run(self.store.read_log(self.begin))
        positions = [event.position for event in events]
        assert positions == list(range(self.begin + 1, self.position + 1))
        seen: dict[tuple[str, str], int] = {}
        chain = events[0].chain if events else GENESIS
        for index, event in enumerate(events):
            key = (event.tenant, event.stream)
            seen[key] = seen.get(key, 0) + 1
            assert event.version == seen[key]
            moment = micros(event.recorded_at)
            if index > 0:
                chain = chain_hash(chain, event.position, event.version, moment, event.leaf)
            assert event.chain == chain
        assert seen == {key: version for key, version in self.versions.items() if version}

    def _expected(self, append: Append) -> Answer:
        tenant, command_id = append.context.tenant, append.context.command_id
        if (tenant, command_id) in self.receipts:
            fingerprint, receipt = self.receipts[tenant, command_id]
            return receipt if fingerprint == append.fingerprint else CommandIdReused(command_id)
        version = self.versions.get((tenant, append.stream), 0)
        if append.expected_version not in (ANY_VERSION, version):
            return ConcurrencyConflict(append.stream, append.expected_version, version)
        first = self.position + 1
        self.position += len(append.events)
        self.versions[tenant, append.stream] = version + len(append.events)
        receipt = Receipt(
            command_id=command_id,
            status=append.status,
            stream=append.stream,
            version=version + len(append.events),
            first_position=first,
            last_position=self.position,
        )
        self.receipts[tenant, command_id] = (append.fingerprint, receipt)
        return receipt

    def _answer(self, append: Append) -> Answer:
        try:
            return self.runner.run(self.store.append(append))
        except (ConcurrencyConflict, CommandIdReused) as refusal:
            return refusal

    def _of_this_example(self, append: Append) -> Append:
        context = append.context
        tenant = f"{context.tenant}-{self.number}"
        return replace(append, context=replace(context, tenant=tenant))


def _told(answer: Answer) -> object:
    match answer:
        case Receipt():
            return replace(answer, replayed=False)
        case ConcurrencyConflict():
            return answer.actual
        case CommandIdReused():
            return answer.command_id


def _run_histories(store: Store, examples: int) -> None:
    """One store for all examples: a fresh database for each would be most of the time."""
    with asyncio.Runner() as runner:
        LogMachine.store, LogMachine.runner = store, runner
        runner.run(store.start())
        try:
            run_state_machine_as_test(
                LogMachine,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=STEPS,
                    deadline=None,
                    phases=[Phase.explicit, Phase.reuse, Phase.generate],
                    database=None,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
        finally:
            runner.run(store.stop())


def test_random_histories_in_memory() -> None:
    _run_histories(InMemoryEventStore(), EXAMPLES["memory"])


def test_random_histories_on_postgresql(database: Database) -> None:
    _run_histories(PostgresEventStore(database.service_url), EXAMPLES["postgres"])
    assert asyncio.run(verify_log(database.service_url)).damage is None
