"""How many requests a route takes.

Source: API Gateway Developer Guide, "Throttle requests to your HTTP APIs": a token
bucket, filled at the rate limit, as large as the burst limit. What a stage does not say
is the account's: 10,000 requests per second, bursts of 5,000.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

RATE = 10_000.0
BURST = 5_000


class Bucket:
    """The tokens of one route. Used on one thread."""

    def __init__(
        self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = rate, burst
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens = float(burst)
        self._since = clock()

    def take(self) -> bool:
        """Take a token; False if there is none."""
        now = self._clock()
        filled = self._tokens + (now - self._since) * self._rate
        self._tokens, self._since = min(float(self._burst), filled), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def limits(stage: Mapping[str, Any], route_key: str) -> tuple[float, int]:
    """Rate and burst of a route in a stage."""
    settings = stage["DefaultRouteSettings"] | stage["RouteSettings"].get(route_key, {})
    rate = settings.get("ThrottlingRateLimit", RATE)
    return rate, settings.get("ThrottlingBurstLimit", BURST)
