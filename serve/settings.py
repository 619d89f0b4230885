"""Everything that can be configured, as frozen pydantic models, and the environment variables that are read."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.limits import MAX_OBJECT_BYTES
from pipeline.types import PhaseName

MIB = 1024 * 1024
# `localhost`: pages of this machine, on every port.
Origin = Annotated[str, Field(pattern=r"^(\*|localhost|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$")]
ImageHost = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?$")]
Network = Annotated[str, AfterValidator(lambda text: str(ip_network(text)))]
# A model card by its address: an object of any bucket, or an absolute path.
CARD = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^?#]+|/[^?#]+)\.json$"
PositiveMs = Annotated[float, Field(gt=0, le=60_000)]


class Frozen(BaseModel):
    """An immutable model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Budgets(Frozen):
    """The time budget of each step, ms. The total is the request's deadline."""

    decode_ms: PositiveMs = 400
    # HEIC and AVIF take longer. Fitted: python tests/bench/decode_speed.py FILES; 24 MP of HEIC take 1.2 s of a core.
    heif_decode_ms: PositiveMs = 2000
    segmentation_ms: PositiveMs = 1200
    extraction_ms: PositiveMs = 300
    harmony_ms: PositiveMs = 100
    total_ms: PositiveMs = 2500

    def of(self, phase: PhaseName) -> float:
        """A phase's budget, ms."""
        budgets = {"segmentation": self.segmentation_ms, "extraction": self.extraction_ms, "harmony": self.harmony_ms}
        return budgets[phase]


class BreakerConfig(Frozen):
    """When a phase's circuit breaker opens and closes (serve/walk/breaker.py). slow_call_s: longer calls are slow."""

    window_calls: Annotated[int, Field(ge=1, le=10_000)] = 50
    minimum_calls: Annotated[int, Field(ge=1)] = 10
    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    slow_call_s: Annotated[float, Field(gt=0)] = 60.0
    slow_call_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    open_s: Annotated[float, Field(gt=0)] = 5.0
    half_open_calls: Annotated[int, Field(ge=1)] = 3


class CanaryConfig(Frozen):
    """What the second network, `SegmentationCanary`, does, for which share of the photos.

    split: it answers them. shadow: the main network answers, and the two are compared afterwards. The share is by the
    hash of client and photo, so a client's photo always meets the same network.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    mode: Literal["split", "shadow"] = "split"


class AdviceConfig(Frozen):
    """The user_config of `Advice`; `serve deploy` changes all of it live."""

    budgets: Budgets = Budgets()
    breaker: BreakerConfig = BreakerConfig()
    max_photos_in_flight: Annotated[int, Field(ge=1)] = 16
    canary: CanaryConfig = CanaryConfig()


class Settings(Frozen):
    """The arguments of `serve.app:build`; a change restarts the application.

    Limits are per replica unless they say otherwise.
    """

    max_image_bytes: int = 10 * MIB
    max_mask_bytes: int = 2 * MIB
    max_json_bytes: int = 1 * MIB
    max_object_bytes: int = MAX_OBJECT_BYTES
    # The bytes of all uploaded objects in progress; beyond this the answer is 503.
    object_bytes_in_flight: int = 200 * MIB
    # The timeout of one call to the object store.
    object_timeout_s: Annotated[float, Field(gt=0)] = 5.0
    upload_expiry_s: Annotated[int, Field(ge=10, le=3600)] = 600
    body_timeout_s: float = 10.0
    decode_workers: Annotated[int, Field(ge=1)] = 2
    decode_memory_bytes: int = 1024 * MIB
    memory_cache_bytes: int = 32 * MIB
    require_keys: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # How many ingress replicas share a key's limits while the state store is away.
    limit_replicas: Annotated[int, Field(ge=1)] = 2
    # The hosts from which photos are fetched by URL, over HTTPS, such as ["images.example.com", "*.example.net"]. Only
    # public addresses are asked. Without any, no photo is fetched.
    image_url_hosts: tuple[ImageHost, ...] = ()
    # The time for fetching one photo, redirects included.
    image_url_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    # The origins whose pages may read answers, such as "https://shop.example", "localhost" for pages of this machine,
    # or "*". Without any, CORS is off.
    cors_origins: tuple[Origin, ...] = ()
    # Refuses plain HTTP, except for probes.
    require_https: bool = False
    # Networks such as ["10.0.0.0/8"], whose X-Forwarded-Proto is believed.
    trusted_proxies: tuple[Network, ...] = ()
    # Patterns such as ["api.example.com", "*.example.com"]. Without any, every host is allowed.
    allowed_hosts: tuple[str, ...] = ()
    # Adds the deployment SegmentationCanary, a second network. `canary` in Advice's user_config gives it photos.
    canary: bool = False


class SegmentationSettings(BaseSettings):
    """The network of a `Segmentation` replica, from its own environment (`SEGMENTATION_MODEL=…`).

    The deployment's runtime_env sets these, so that a change of model restarts that deployment alone. model, engine,
    dtype, threads: None means the default network, the fastest engine and dtype for the device, and on a CPU
    `models.engines.choice.default_threads`. compile_mode: torch.compile's mode; a replica then compiles every batch
    size before it is ready. allow_non_commercial: accepts a network whose licence is non-commercial.

    card: a model card in a bucket or on a volume, instead of a model of the image, so that a new network needs no new
    image. Its files lie beside it. card_sha256: that of the card, which holds those of the files. A replica verifies
    them when it starts.
    """

    model_config = SettingsConfigDict(env_prefix="SEGMENTATION_", frozen=True, extra="ignore")

    model: str | None = None
    card: Annotated[str, Field(pattern=CARD)] | None = None
    card_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    engine: Literal["torch", "openvino"] | None = None
    dtype: Literal["fp32", "bf16", "fp16"] | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    compile_mode: Literal["off", "default", "reduce-overhead", "max-autotune"] = "off"
    allow_non_commercial: bool = False
    # How far a replica gives way to other processes on its cores, as `nice` counts. It cannot be taken back.
    nice: Annotated[int, Field(ge=0, le=19)] = 0

    @model_validator(mode="after")
    def _check_card(self) -> Self:
        """Raises ValueError for a card without its sha256, or beside a model."""
        if (self.card is None) != (self.card_sha256 is None):
            raise ValueError("SEGMENTATION_CARD and SEGMENTATION_CARD_SHA256 go together; set both, or neither.")
        if self.card is not None and self.model is not None:
            raise ValueError("SEGMENTATION_CARD and SEGMENTATION_MODEL name one network each; set one of them.")
        return self


class BatchConfig(Frozen):
    """The user_config of `Segmentation`, which applies live. None means the value that suits the device.

    max_photos, max_px: the largest batch; a photo counts the pixels of its network input and of its label map.
    in_flight: batches between copy and answer. stall_s: a batch that takes longer means that the device hangs, and the
    replica is replaced. On a CPU one photo at a time is fastest, and its answer does not depend on other photos.
    """

    max_photos: Annotated[int, Field(ge=1, le=128)] | None = None
    max_px: Annotated[int, Field(ge=1)] = 16_000_000
    in_flight: Annotated[int, Field(ge=1, le=4)] | None = None
    stall_s: Annotated[float, Field(gt=0)] = 60.0


class TracingSettings(BaseSettings):
    """Where traces go, from every replica's own environment (`TRACING_EXPORTER=otlp`).

    sample_ratio: the share of new traces that are recorded. A client's own trace carries its sampled flag.
    """

    model_config = SettingsConfigDict(env_prefix="TRACING_", frozen=True, extra="ignore")

    exporter: Literal["off", "console", "otlp"] = "off"
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0


class S3Environment(BaseSettings):
    """The object store of uploads, from the environment (`S3_BUCKET=…`); without a bucket there are no uploads.

    endpoint_url: any S3-compatible store, also one below a path; None: AWS in the region. public_endpoint_url: the URL
    for clients, when it is another one. addressing: the bucket in the path, or as a virtual host. Without keys,
    botocore's own chain (roles, profiles) finds them.
    """

    model_config = SettingsConfigDict(env_prefix="S3_", frozen=True, extra="ignore")

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    endpoint_url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+(/[^?#@]*)?$")] | None = None
    public_endpoint_url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+(/[^?#@]*)?$")] | None = None
    region: str = "us-east-1"
    addressing: Literal["path", "virtual"] = "path"
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None

    @property
    def url(self) -> str:
        """The URL at which the service reaches the store."""
        return self.endpoint_url or f"https://s3.{self.region}.amazonaws.com"

    @property
    def public_url(self) -> str:
        """The URL at which clients reach the store."""
        return self.public_endpoint_url or self.url


class Environment(BaseSettings):
    """The stores and secrets, from the environment of each `Advice` replica.

    They are never arguments of a deployment, because Serve keeps those in Ray's own store in clear.

    stylesync_previous_secret_file: the pepper before the present one, whose keys stay valid.

    ssl_cert_file: PEM certificates of a private CA, which are trusted beside the public ones by the clients of S3 and
    Redis (STYLESYNC_CA_FILE, or SSL_CERT_FILE as other tools have it).

    redis_url: the cache, which may be lost; without it every lookup misses. state_redis_url: API keys, limits and
    idempotency keys, which must never be evicted.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    redis_url: SecretStr | None = None
    state_redis_url: SecretStr | None = None
    stylesync_keys_file: Path | None = None
    stylesync_secret_file: Path | None = None
    stylesync_previous_secret_file: Path | None = None
    stylesync_ca_file: Path | None = None
    ssl_cert_file: Path | None = None
    s3: S3Environment = Field(default_factory=S3Environment)

    @property
    def ca_file(self) -> Path | None:
        """The certificates of a private CA."""
        return self.stylesync_ca_file or self.ssl_cert_file
