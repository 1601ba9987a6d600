"""The one door to Daft: passes over a column of texts, in this process or on a Ray cluster, by the same expressions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from veridical.core.errors import InputError, MissingExtra
from veridical.core.surroundings import opt_out_of_telemetry


@dataclass(frozen=True, slots=True)
class Engine:
    """Where passes run. kind: `local` (this process) or `ray`. address: of the Ray cluster, None = start one here."""

    kind: Literal["local", "ray"] = "local"
    address: str | None = None


LOCAL = Engine()


def minhash(texts: Sequence[str], *, n_hashes: int, ngram: int, seed: int, engine: Engine = LOCAL) -> npt.NDArray[np.uint32]:
    """MinHash signatures (Broder 1997) over white-space n-grams of each text, shape (N, n_hashes). Raises MissingExtra,
    and InputError when this process has used another engine."""
    _use(engine)
    import daft

    table = daft.from_arrow(pa.table({"text": pa.array(texts, pa.large_string())}))
    signed = table.select(daft.col("text").minhash(num_hashes=n_hashes, ngram_size=ngram, seed=seed, hash_function="xxhash"))
    column = signed.to_arrow().column(0).combine_chunks()
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False), dtype=np.uint32).reshape(len(texts), n_hashes)


_chosen: list[Engine] = []


def choose(engine: Engine) -> None:
    """Make `engine` the one that passes use when none is named; a setting of the process, since Daft has one engine in each."""
    _chosen[:] = [engine]


def chosen() -> Engine:
    """The engine that passes use when none is named: this process, unless `choose` said otherwise."""
    return _chosen[0] if _chosen else LOCAL


_active: list[Engine] = []
"""The engine of this process, once a pass has run: Daft's runner cannot be changed afterwards."""


def _use(engine: Engine) -> None:
    if _active and _active[0] == engine:
        return
    if _active:
        raise InputError(
            f"This process already runs its passes on the {_active[0].kind} engine and cannot change to {engine.kind}. "
            "Daft allows one engine in a process; start another one."
        )
    opt_out_of_telemetry()
    if engine.kind == "ray":
        import daft

        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise MissingExtra("--engine ray", "ray") from error
        daft.set_runner_ray(address=engine.address, noop_if_initialized=True)
    _active.append(engine)
