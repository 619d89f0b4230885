"""Words that several parts of the service share: cache layers and statuses, breaker states, health."""

from typing import Final, Literal, get_args

CacheStatus = Literal["hit", "miss", "bypass", "refresh", "coalesced", "unavailable", "skipped"]
Layer = Literal["advice", "segmentation", "extraction", "harmony"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
BreakerState = Literal["closed", "open", "half_open"]
BREAKER_STATES: tuple[BreakerState, ...] = get_args(BreakerState)
CacheHealth = Literal["up", "down"]
ObjectsHealth = Literal["up", "down", "none"]
# A tenant's name, as a pattern.
TENANT: Final = "[a-z0-9][a-z0-9-]{0,62}"
