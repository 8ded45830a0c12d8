"""The one place that writes what an engine is asked to create: nothing that is not here is sent.

Every key is an allow-list entry: a container gets no mount, device, privilege or host namespace
because there is no way to say so.
"""

from domain.containers.spec import Limits
from domain.ports import EngineContainerSpec

NANO_CPUS_PER_MILLI = 1_000_000
FILE_BYTES_PER_LOG_BYTE = 80
"""An empty line is one byte of log, and 71 of the engine's file with its stream and time."""


def create_body(spec: EngineContainerSpec, *, log_bytes: int) -> dict[str, object]:
    """log_bytes: how much of its log is kept from the first byte on."""
    return {
        "Image": spec.image,
        "Cmd": spec.command or None,
        "Entrypoint": spec.entrypoint or None,
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "User": spec.user or "",
        "WorkingDir": spec.working_directory or "",
        "Labels": spec.labels,
        "StopTimeout": spec.stop_grace_seconds,
        "HostConfig": {**_host_config(spec), "LogConfig": _log_config(log_bytes)},
    }


def update_body(limits: Limits) -> dict[str, object]:
    """Swap is never allowed, so the limit with swap is the limit without."""
    return {
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        "NanoCpus": limits.cpu_millis * NANO_CPUS_PER_MILLI,
        "PidsLimit": limits.pids,
    }


def _host_config(spec: EngineContainerSpec) -> dict[str, object]:
    return {
        **update_body(spec.limits),
        "CapDrop": ["ALL"],
        "CapAdd": spec.capabilities,
        "SecurityOpt": ["no-new-privileges"],
        "NetworkMode": spec.network,
        "IpcMode": "private",
        "ReadonlyRootfs": spec.read_only_root,
        "Tmpfs": dict.fromkeys(spec.tmpfs, "rw,noexec,nosuid,nodev,mode=1777"),
        "Init": spec.init,
        "RestartPolicy": {"Name": "no"},
    }


def _log_config(log_bytes: int) -> dict[str, object]:
    """Whatever the engine's own configuration says. Logs are read from the first byte again and
    again, so none may be dropped that is kept; only beyond that is the one file begun anew."""
    size = log_bytes * FILE_BYTES_PER_LOG_BYTE
    config = {"max-size": str(size), "max-file": "1", "mode": "blocking"}
    return {"Type": "json-file", "Config": config}
