"""The one error of this package: a sentence that says what to do."""


class EmbeddedServerError(Exception):
    pass
