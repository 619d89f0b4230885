"""The segmentation networks: cards, weights, architectures, inference, training and evaluation.

`from models import advise` gives colour advice in this process. The import itself loads no network.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.advice import advise as advise

__all__ = ["advise"]


def __getattr__(name: str) -> object:
    """Loads `advise` when it is first asked for."""
    if name != "advise":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from models.advice import advise

    globals()["advise"] = advise
    return advise
