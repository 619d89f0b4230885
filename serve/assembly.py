"""Assembles the parts of one ingress replica."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import SecretStr

from pipeline.color.words import known_words
from pipeline.types import PhaseName
from serve.decode.pool import DecodePool
from serve.keys.keyring import KeyRing, KeyStore
from serve.keys.limits import Limiter
from serve.keys.peppers import Peppers
from serve.keys.records import KeyFile
from serve.observe.metrics import Metrics
from serve.readiness import Readiness
from serve.service import Service
from serve.settings import AdviceConfig, Environment, Settings
from serve.stores.cache import Cache
from serve.stores.redis import NoStore, Pool, RedisStore, state_pool
from serve.uploads.idempotency import Idempotency
from serve.uploads.remote import RemotePhotos
from serve.walk.advisor import Advisor
from serve.walk.breaker import Breaker
from serve.walk.canary import CanaryPhases
from serve.walk.phase_call import CanaryHandles, Phase, PhaseHandle, Translate
from serve.walk.phases import Phases

if TYPE_CHECKING:
    # It loads the client of the object store, which an application without one never needs.
    from serve.uploads.uploads import Uploads


def assemble(
    settings: Settings,
    environment: Environment,
    peppers: Peppers,
    *,
    handles: Mapping[PhaseName, PhaseHandle],
    translate: Translate,
    metrics: Metrics | None = None,
    canary: CanaryHandles | None = None,
) -> Service:
    """The service of one ingress replica. Raises ValueError when required keys have no configured place.

    canary: the second network, where the application has one.
    peppers: API keys that were made with the previous one stay valid; values that were cached under it do not.
    """
    # The words of colours are loaded now, and not while the first request waits.
    known_words()
    metrics = metrics or Metrics()
    cache_url, state_url = _revealed(environment.redis_url), _revealed(environment.state_redis_url)
    state = state_pool(state_url, ca_file=environment.ca_file) if state_url else None
    cache = Cache(
        RedisStore.of_cache(cache_url, ca_file=environment.ca_file) if cache_url else NoStore(),
        secret=peppers.current,
        memory_bytes=settings.memory_cache_bytes,
        count_lookup=metrics.counts_lookup,
        count_write=metrics.counts_write,
    )
    decoder = DecodePool(workers=settings.decode_workers, memory_bytes=settings.decode_memory_bytes)
    phases = Phases(**{name: _phase(name, handle, translate, metrics) for name, handle in handles.items()})
    advisor = Advisor(
        decoder=decoder,
        phases=phases,
        cache=cache,
        config=AdviceConfig(),
        metrics=metrics,
        canary=None if canary is None else canary_phases(canary, translate, metrics),
    )
    keys = _keys(environment, peppers, state) if settings.require_keys else None
    limiter = Limiter(state, replicas=settings.limit_replicas, count_event=metrics.counts_limit)
    uploads = _uploads(settings, environment, peppers.current, state)
    describe = {name: handle.describe for name, handle in handles.items()}
    readiness = Readiness(advisor, cache, uploads, describe, None if canary is None else canary.segment.describe)
    remote = RemotePhotos(
        settings.image_url_hosts, max_bytes=settings.max_image_bytes, timeout_s=settings.image_url_timeout_s
    )
    return Service(settings, advisor, decoder, cache, keys, limiter, readiness, remote, uploads, metrics)


def _phase(name: PhaseName, handle: PhaseHandle, translate: Translate, metrics: Metrics) -> Phase:
    breaker = Breaker(on_change=lambda state: metrics.breaker_changes.labels(name, state).inc())
    count = metrics.counts_call(name)
    return Phase(name, handle.start, translate, breaker=breaker, count_outcome=count, replicas=handle.replicas)


def canary_phases(canary: CanaryHandles, translate: Translate, metrics: Metrics) -> CanaryPhases:
    """The ways to the second network. Their outcomes are counted as the canary's, apart from those of the phases."""

    def way(name: PhaseName, mode: str, handle: PhaseHandle) -> Phase:
        def count(outcome: str) -> None:
            metrics.canary_calls.labels(mode, outcome).inc()

        return Phase(name, handle.start, translate, count_outcome=count, replicas=handle.replicas)

    return CanaryPhases(
        split=way("segmentation", "split", canary.segment),
        shadow=way("segmentation", "shadow", canary.segment),
        extraction=way("extraction", "shadow_extraction", canary.extract),
    )


def _revealed(url: SecretStr | None) -> str | None:
    return url.get_secret_value() if url else None


def _keys(environment: Environment, peppers: Peppers, state: Pool | None) -> KeyRing:
    path = environment.stylesync_keys_file
    if (path is None or not path.is_file()) and (path is not None or state is None):
        raise ValueError(
            f"STYLESYNC_KEYS_FILE is {str(path)!r}; it must name the file of API keys, or STATE_REDIS_URL their store "
            "(or set require_keys: false in the application's args)."
        )
    return KeyRing(
        peppers.current,
        previous=peppers.previous,
        file=KeyFile(path) if path else None,
        store=KeyStore(state, peppers.current, previous=peppers.previous) if state else None,
    )


def _uploads(settings: Settings, environment: Environment, secret: bytes, state: Pool | None) -> "Uploads | None":
    if environment.s3.bucket is None:
        return None
    from serve.uploads.object_store import ObjectStore
    from serve.uploads.uploads import Uploads

    memory = RedisStore.of_state(state) if state else NoStore()
    return Uploads(
        ObjectStore(environment.s3, timeout_s=settings.object_timeout_s, ca_file=environment.ca_file),
        Idempotency(memory, secret=secret, ttl_s=settings.upload_expiry_s),
        max_bytes=settings.max_object_bytes,
        bytes_in_flight=settings.object_bytes_in_flight,
        expiry_s=settings.upload_expiry_s,
    )
