"""The container engine port on a Docker Engine."""

from adapters.docker.address import EngineAddress
from adapters.docker.engine import DockerEngine

__all__ = ["DockerEngine", "EngineAddress"]
