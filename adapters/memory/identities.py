"""What ids are called, in memory, for tests."""

from collections.abc import Collection, Mapping


class InMemoryIdentities:
    def __init__(self) -> None:
        self._labels: dict[tuple[str, str], str] = {}

    async def put(self, tenant: str, subject: str, label: str) -> None:
        self._labels[tenant, subject] = label

    async def labels(self, tenant: str, subjects: Collection[str]) -> Mapping[str, str]:
        wanted = ((subject, self._labels.get((tenant, subject))) for subject in subjects)
        return {subject: label for subject, label in wanted if label is not None}

    async def erase(self, tenant: str, subject: str) -> None:
        self._labels.pop((tenant, subject), None)
