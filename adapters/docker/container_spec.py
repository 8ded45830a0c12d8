"""The one place that writes what an engine is asked to create: nothing that is not here is sent.

Every key is an allow-list entry: a container gets no mount, device, privilege or host namespace
because there is no way to say so.
"""

from domain.containers.spec import Limits
from domain.ports import EngineContainerSpec

NANO_CPUS_PER_MILLI = 1_000_000
# Logs are read again and again, so the engine must neither rotate nor drop them, whatever its own
# configuration says; it knows no word for "no limit" here, and this is an exabyte.
KEEP_WHOLE_LOG = {"max-size": "1000p", "mode": "blocking"}


def create_body(spec: EngineContainerSpec) -> dict[str, object]:
    return {
        "Image": spec.image,
        "Cmd": spec.command or None,
        "Entrypoint": spec.entrypoint or None,
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "User": spec.user or "",
        "WorkingDir": spec.working_directory or "",
        "Labels": spec.labels,
        "StopTimeout": spec.stop_grace_seconds,
        "HostConfig": _host_config(spec),
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
        "LogConfig": {"Type": "json-file", "Config": KEEP_WHOLE_LOG},
    }
