"""What can be configured, as frozen pydantic models; the environment is read in one place, when asked."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.types import MAX_OBJECT_BYTES, PhaseName

MIB = 1024 * 1024
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$")]
Network = Annotated[str, AfterValidator(lambda text: str(ip_network(text)))]
PositiveMs = Annotated[float, Field(gt=0, le=60_000)]


class Frozen(BaseModel):
    """Immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Budgets(Frozen):
    """The time each step may take, ms; the total is the request's absolute deadline."""

    decode_ms: PositiveMs = 400
    segmentation_ms: PositiveMs = 1200
    extraction_ms: PositiveMs = 300
    harmony_ms: PositiveMs = 100
    total_ms: PositiveMs = 2500

    def of(self, phase: PhaseName) -> float:
        """A phase's budget, ms."""
        return {"segmentation": self.segmentation_ms, "extraction": self.extraction_ms, "harmony": self.harmony_ms}[
            phase
        ]


class BreakerConfig(Frozen):
    """When a phase's breaker opens and closes (serve/walk/breaker.py). A call of slow_call_s or longer is slow."""

    window_calls: Annotated[int, Field(ge=1, le=10_000)] = 50
    minimum_calls: Annotated[int, Field(ge=1)] = 10
    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    slow_call_s: Annotated[float, Field(gt=0)] = 60.0
    slow_call_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    open_s: Annotated[float, Field(gt=0)] = 5.0
    half_open_calls: Annotated[int, Field(ge=1)] = 3


class AdviceConfig(Frozen):
    """`Advice`'s user_config: all of it can be changed live with `serve deploy`."""

    budgets: Budgets = Budgets()
    breaker: BreakerConfig = BreakerConfig()
    max_photos_in_flight: Annotated[int, Field(ge=1)] = 16


class Settings(Frozen):
    """The arguments of `serve.app:build`; a change restarts the application."""

    max_image_bytes: int = 10 * MIB
    max_mask_bytes: int = 2 * MIB
    max_json_bytes: int = 1 * MIB
    max_object_bytes: int = MAX_OBJECT_BYTES
    object_bytes_in_flight: int = 200 * MIB  # of all objects that a replica works on; beyond it 503
    object_timeout_s: Annotated[float, Field(gt=0)] = 5.0  # of one call to the object store
    upload_expiry_s: Annotated[int, Field(ge=10, le=3600)] = 600
    body_timeout_s: float = 10.0
    decode_workers: Annotated[int, Field(ge=1)] = 2
    decode_memory_bytes: int = 1024 * MIB
    memory_cache_bytes: int = 32 * MIB
    require_keys: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    limit_replicas: Annotated[int, Field(ge=1)] = 2  # share a key's limits while the state store is away
    cors_origins: tuple[Origin, ...] = ()  # whose pages may read answers; none: CORS is off
    require_https: bool = False  # all but probes
    trusted_proxies: tuple[Network, ...] = ()  # such as ["10.0.0.0/8"]: they set X-Forwarded-Proto themselves
    allowed_hosts: tuple[str, ...] = ()  # such as ["api.example.com", "*.example.com"]; none: any


class SegmentationSettings(BaseSettings):
    """The network of a `Segmentation` replica, from its own environment (`SEGMENTATION_MODEL=…`).

    It stands in the deployment's runtime_env, so that a change of model rolls that deployment alone. compile_mode:
    torch.compile's; every batch size is then compiled before the replica is ready.
    """

    model_config = SettingsConfigDict(env_prefix="SEGMENTATION_", frozen=True, extra="ignore")

    model: str = "lite0-parse-320"
    device: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    threads: Annotated[int, Field(ge=1)] = 2
    compile_mode: Literal["off", "default", "reduce-overhead", "max-autotune"] = "off"
    allow_non_commercial: bool = False  # of the network's licence


class BatchConfig(Frozen):
    """`Segmentation`'s user_config: applies live. What is None is what suits the device.

    max_photos, max_px: of one batch; a photo's pixels are its network's input and its label map. in_flight: batches
    between copy and answer. stall_s: a batch at work for longer means that the device hangs, and the replica is
    replaced. On a CPU one photo at a time is quickest, and its answer does not depend on its neighbours.
    """

    max_photos: Annotated[int, Field(ge=1, le=128)] | None = None
    max_px: Annotated[int, Field(ge=1)] = 16_000_000
    in_flight: Annotated[int, Field(ge=1, le=4)] | None = None
    stall_s: Annotated[float, Field(gt=0)] = 60.0


class TracingSettings(BaseSettings):
    """Where traces go, from every replica's own environment (`TRACING_EXPORTER=otlp`).

    sample_ratio: of the traces that begin here; for one that a client began, its own sampled flag decides.
    """

    model_config = SettingsConfigDict(env_prefix="TRACING_", frozen=True, extra="ignore")

    exporter: Literal["off", "console", "otlp"] = "off"
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0


class S3Environment(BaseSettings):
    """The object store of uploads, from the environment (`S3_BUCKET=…`); without a bucket there are no uploads.

    endpoint_url: of any S3-compatible store, none: AWS in the region. public_endpoint_url: where clients reach it, when
    not there. Without keys botocore's own chain (roles, profiles) finds them. addressing: path, or the bucket as host.
    """

    model_config = SettingsConfigDict(env_prefix="S3_", frozen=True, extra="ignore")

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    endpoint_url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+/?$")] | None = None
    public_endpoint_url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+/?$")] | None = None
    region: str = "us-east-1"
    addressing: Literal["path", "virtual"] = "path"
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None

    @property
    def url(self) -> str:
        """Where the service reaches the store."""
        return self.endpoint_url or f"https://s3.{self.region}.amazonaws.com"

    @property
    def public_url(self) -> str:
        """Where clients reach it."""
        return self.public_endpoint_url or self.url


class Environment(BaseSettings):
    """Where the stores and secrets are, from the environment of the process that builds the application."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    redis_url: SecretStr | None = None  # the cache: may be lost; without it every lookup is a miss
    state_redis_url: SecretStr | None = None  # keys, limits, leases: never evicted
    stylesync_keys_file: Path | None = None
    stylesync_secret_file: Path | None = None
    s3: S3Environment = Field(default_factory=S3Environment)
