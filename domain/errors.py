"""What the domain refuses, and what its ports may raise. Each error says what to do about it."""


class DomainError(Exception):
    """Anything the domain or a port refuses on purpose."""


class Refusal(DomainError):
    """A rule of an aggregate forbids the command in its present state.

    `rule` is a stable name that clients may match on, `state` the state that forbade it.
    """

    def __init__(self, *, rule: str, state: str, advice: str) -> None:
        super().__init__(f"{advice} (rule {rule}, state {state})")
        self.rule = rule
        self.state = state
        self.advice = advice


class UnknownStream(DomainError):
    """No event was ever recorded for this aggregate."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"There is no {stream}. Check the id, or list what exists.")
        self.stream = stream


class ConcurrencyConflict(DomainError):
    """Somebody else changed the aggregate first."""

    def __init__(self, stream: str, expected: int, actual: int | None = None) -> None:
        found = "another version" if actual is None else f"version {actual}"
        super().__init__(f"{stream} is at {found}, not {expected}. Read it again, then retry.")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class CommandIdReused(DomainError):
    """The command id was used before, for another request."""

    def __init__(self, command_id: str) -> None:
        super().__init__(
            f"Command id {command_id} was used for another request. Choose a new one for this one."
        )
        self.command_id = command_id


class StoreUnavailable(DomainError):
    """The event store cannot be reached now; the outcome of an append is not known."""


class StoreOverloaded(DomainError):
    """Too many commands are waiting already; nothing was recorded."""


class BlobMissing(DomainError):
    """The content-addressed store does not hold this digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"There is no content {digest}. Upload it first.")
        self.digest = digest


class BlobDamaged(DomainError):
    """Stored bytes no longer match their digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"The stored content {digest} is damaged. Restore it from a backup.")
        self.digest = digest


class BlobTooLarge(DomainError):
    """More bytes than are allowed were offered."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The content is larger than the allowed {limit_bytes} bytes.")
        self.limit_bytes = limit_bytes


class BlobsOfAnother(DomainError):
    """The log that is at hand cannot say what is needed of this content."""

    def __init__(self) -> None:
        super().__init__(
            "The stored content belongs to another installation's log, so nothing is deleted. Name"
            " the right directory or database; where that log is gone for good, remove the file"
            " `.installation` from the directory of the content."
        )


class EngineError(DomainError):
    """A call to the container engine did not succeed."""


class EngineUnavailable(EngineError):
    """The engine could not be reached, so the call was certainly not made."""


class ForeignEngine(EngineUnavailable):
    """Another engine answers than the one that the installation is bound to: nothing was done."""

    def __init__(self, bound: str, found: str) -> None:
        super().__init__(
            f"The engine that answers is {found}, but this installation is bound to {bound}. "
            "Correct DOCKER_HOST, or rebind: eulermaker engine show"
        )
        self.bound = bound
        self.found = found


class EngineOutcomeUnknown(EngineError):
    """The call may or may not have taken effect: look before trying again."""


class LeaseExpired(EngineOutcomeUnknown):
    """The right to act for an effect ran out in the middle of it: somebody else may act by now."""


class EngineRefused(EngineError):
    """The engine said no, and will say so again: trying again is useless."""


class ImageNotFound(EngineRefused):
    """The engine has no such image and cannot pull it."""

    def __init__(self, reference: str, reason: str = "") -> None:
        detail = f": {reason}" if reason else ""
        super().__init__(f"Image {reference} is neither here nor can it be pulled{detail}")
        self.reference = reference


class ContainerNotFound(EngineRefused):
    """The engine has no such container."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The engine has no container {name}")
        self.name = name


class NetworkNotFound(EngineRefused):
    """The engine has the container, but no longer the network that it belongs to."""


class EngineConflict(EngineRefused):
    """The name is taken by something that is not ours, or the object's state forbids the call."""


class LogClosed(DomainError):
    """New chunks were offered for a log that was closed."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"The log {subject} is closed. Nothing can be added to it.")
        self.subject = subject


class LogIncomplete(DomainError):
    """A container has ended, and the engine does not give the rest of its log."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The engine does not give the rest of the log of {name}.")
        self.name = name


class SecretMissing(DomainError):
    """No secret of this reference is kept."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"There is no secret {reference}. Store it again.")
        self.reference = reference


class SecretUnreadable(DomainError):
    """A secret is kept, but was changed or its key is not here."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"Secret {reference} cannot be decrypted. Restore the key file, or store it again."
        )
        self.reference = reference
