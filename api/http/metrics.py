"""What the HTTP face measures."""

from prometheus_client import CollectorRegistry, Counter, Histogram

METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})


class HttpMetrics:
    """route: the template, so that ids never become labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "eulermaker_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "eulermaker_http_request_seconds",
            "From the request's headers to the end of the answer.",
            ("method", "route"),
            registry=registry,
        )
        self.denied = Counter(
            "eulermaker_http_denied",
            "Requests turned away at the door.",
            ("reason",),
            registry=registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Methods, routes and statuses are few, so what they stand for is kept."""
        method = method if method in METHODS else "other"
        found = self._children.get((method, route, status))
        if found is None:
            found = self._children[method, route, status] = (
                self._requests.labels(method, route, str(status)),
                self._seconds.labels(method, route),
            )
        requests, histogram = found
        requests.inc()
        histogram.observe(seconds)
