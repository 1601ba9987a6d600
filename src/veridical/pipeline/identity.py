"""What makes two runs the same."""

from pathlib import Path
from typing import Any

from veridical import __version__
from veridical.models.callable_name import source_of
from veridical.pipeline.config import FILES, RunConfig, calls_of, identity
from veridical.pipeline.run_folder import content_hash


def identity_of(verb: str, source: Path, config: RunConfig) -> dict[str, Any]:
    """What makes two runs the same: the verb, our version, the settings, and the content of every file named.

    Raises InputError for what cannot be read, and for an address or a header that must not be written down.
    """
    from veridical.train._knobs import files_named, surroundings_of

    calls_of(config)
    named = {"TRAIN": source, **{f"--{name}": Path(getattr(config, name)) for name in FILES if getattr(config, name)}}
    named |= {f"--countermeasures {what}": path for what, path in files_named(config.countermeasures).items()}
    if config.model not in ("linear", "minilm") and Path(config.model).is_dir():
        named["--model"] = Path(config.model)
    if config.contract:
        from veridical.ledger.contract import read_contract

        target = read_contract(Path(config.contract)).target
        if target:
            named["the contract's target"] = target
    module = source_of(config.model)
    if module is not None:
        named["--model"] = module  # the file of the function; what it imports is not looked at
    data = {name: content_hash(path) for name, path in named.items()}
    data |= {f"what {name} uses of this machine": said for name, said in surroundings_of(config.countermeasures).items()}
    return {"verb": verb, "veridical": __version__, "config": identity(config), "data": data}
