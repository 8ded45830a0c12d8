"""The SQL that lives beside the read models: files of blocks, each under a line `-- name --`."""

import re
from collections.abc import Mapping
from importlib.resources import files

NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def blocks(file_name: str) -> Mapping[str, str]:
    text = files("projections").joinpath(file_name).read_text()
    _, *parts = NAME.split(text)
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
