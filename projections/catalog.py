"""Every read model there is."""

from typing import Any

from projections.audit import AUDIT
from projections.builds import BUILDS
from projections.containers import CONTAINERS
from projections.errors import UnknownProjection
from projections.keys import KEYS
from projections.model import ReadModel
from projections.statistics import STATISTICS

READ_MODELS: tuple[ReadModel[Any], ...] = (CONTAINERS, BUILDS, AUDIT, STATISTICS, KEYS)

_BY_NAME = {model.name: model for model in READ_MODELS}


def read_model(name: str) -> ReadModel[Any]:
    """Raises UnknownProjection."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownProjection(name, known=_BY_NAME) from None
