"""Labels tell whose a container is: nobody's request or image can claim ours, or blind us."""

from adapters.memory.container_engine import InMemoryContainerEngine, Program
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.event import DEFAULT_TENANT
from domain.ports import EngineContainerSpec
from domain.processes import naming
from tests.support.installation import INSTALLATION, Installation, run
from tests.support.waiting import until

STREAM, NAME = "container-a", "em-a-1"
STRANGE = "em-strange-1"
SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))


async def _running(at: Installation, spec: ContainerSpec = SPEC) -> None:
    await at.send(c.RequestContainer(container_id="a", spec=spec))
    await at.recorded(STREAM, e.ContainerStarted)


async def _a_stranger(engine: InMemoryContainerEngine, name: str, labels: dict[str, str]) -> None:
    engine.programs["strange",] = Program(exit_code=7)
    ours = {naming.INSTALLATION: INSTALLATION, **labels}
    await engine.create(
        EngineContainerSpec(name=name, image="alpine:3", command=("strange",), labels=ours)
    )
    await engine.start(name)


def test_labels_of_a_request_do_not_replace_ours() -> None:
    """A request that was recorded before such labels were refused may still bear them."""
    claims = {naming.AGGREGATE: "container-other", naming.GENERATION: "9", "mine": "kept"}
    spec = ContainerSpec(image="alpine:3", name="web", command=("serve",), labels=claims)

    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await _running(at, spec)
        (container,) = (await at.engine.list({})).containers
        assert container.labels[naming.AGGREGATE] == STREAM
        assert container.labels[naming.GENERATION] == "1"
        assert container.labels["mine"] == "kept"

    run(body)


def test_an_image_with_the_labels_of_a_step_does_not_make_its_container_one() -> None:
    async def body(at: Installation) -> None:
        at.engine.images.add("alpine:3", {naming.STEP: "rpmbuild", naming.ROUND: "x"}, {})
        async with at.at_work():
            await _running(at)
            at.engine.end(NAME, 3)
            await at.recorded(STREAM, e.ContainerExited)

    run(body)


def test_a_container_without_all_our_labels_blinds_nobody_for_the_others() -> None:
    async def body(at: Installation) -> None:
        await _a_stranger(at.engine, STRANGE, {naming.AGGREGATE: "build-strange"})
        async with at.at_work():
            await _running(at)
            at.engine.end(NAME, 3)
            await at.recorded(STREAM, e.ContainerExited)

    run(body)


def test_a_container_of_another_name_does_not_speak_for_the_one_it_claims_to_be() -> None:
    claims = {
        naming.AGGREGATE: STREAM,
        naming.GENERATION: "1",
        naming.TENANT: DEFAULT_TENANT,
    }

    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
            await _a_stranger(at.engine, STRANGE, claims)
            await until(lambda: STRANGE in at.calls("inspect"))
            at.engine.end(NAME, 3)
            *_, exited = await at.recorded(STREAM, e.ContainerExited)
        assert isinstance(exited, e.ContainerExited)
        assert exited.exit_code == 3

    run(body)
