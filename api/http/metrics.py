"""What the HTTP face measures."""

from prometheus_client import CollectorRegistry, Counter, Histogram


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

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
