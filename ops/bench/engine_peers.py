"""The same container as ours, made by hand: what the service is compared with."""

from typing import cast

import docker
from docker import APIClient
from docker.types import LogConfig

from domain.containers.spec import Limits

LABEL = "io.eulermaker.bench"
CALL_SECONDS = 120


def sdk() -> APIClient:
    return docker.from_env(timeout=CALL_SECONDS).api


def create(client: APIClient, image: str, command: tuple[str, ...], limits: Limits) -> str:
    """The engine's id of a container with our restrictions and limits."""
    host = client.create_host_config(
        mem_limit=limits.memory_bytes,
        memswap_limit=limits.memory_bytes,
        nano_cpus=limits.cpu_millis * 1_000_000,
        pids_limit=limits.pids,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode="none",
        ipc_mode="private",
        init=True,
        log_config=LogConfig(type="json-file", config={"max-size": "5g", "mode": "blocking"}),
    )
    created = cast(
        "dict[str, str]",
        client.create_container(  # pyright: ignore[reportUnknownMemberType]  # its stubs are partial
            image, list(command), host_config=host, labels={LABEL: "1"}, stop_signal="KILL"
        ),
    )
    return created["Id"]


def remove(client: APIClient, container: str) -> None:
    client.remove_container(container, force=True, v=True)
