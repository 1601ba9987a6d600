"""What the configuration of a run is refused for before any work: unknown names, and settings that do not go together."""

from pathlib import Path

from veridical.core.errors import InputError, UnknownName
from veridical.core.surroundings import place_among_processes
from veridical.models.callable_name import is_callable_name
from veridical.models.calls import header_values, is_address
from veridical.pipeline.config import RunConfig
from veridical.pipeline.groups_needed import refuse_no_group_column
from veridical.pipeline.searching import check_search


def refuse_unfit(source: Path, config: RunConfig) -> None:
    """Raises InputError for the first thing that cannot be done on the rows of `source`; of these only the header is read."""
    _check_names(config)
    refuse_no_group_column(source, config)


def _check_names(config: RunConfig) -> None:
    """Refuse unknown names before any long work."""
    from veridical.core.plugins import get, names
    from veridical.train._knobs import files_named

    task = get("veridical.tasks", "task", config.task)
    for metric in (config.metric, *(() if task.structure else (config.training.select_by,))):
        if metric not in task.metrics:
            raise UnknownName("metric", metric, task.metrics)
    if config.order and not task.ordered:
        raise InputError(f"--order is for tasks whose labels are grades, and task {config.task} has none. Leave it out.")
    for name in config.repairs:
        if name not in names("veridical.repair"):
            raise UnknownName("repair", name, names("veridical.repair"), "See: veridical list repairs")
    files_named(config.countermeasures)
    if config.probes:
        from veridical.probe._runner import chosen_probes

        chosen_probes(config.probes)
    _check_untrained(config)
    if task.structure is not None:
        _check_structured(config)
    elif config.countermeasures or config.training.tuning != "full":
        from veridical.train._contract import refuse_many_processes
        from veridical.train.training import fitting

        named = fitting(config.countermeasures, model=config.model, config=config.training)
        refuse_many_processes(named, place_among_processes()[1])
    if config.contract:
        from veridical.ledger.contract import read_contract

        read_contract(Path(config.contract))
    if not config.predictions:
        _check_model(config)
    _check_steps(config)
    check_search(config)


def _check_untrained(config: RunConfig) -> None:
    """Refuse to change a training that does not take place; only then what a training has no place for is worth saying."""
    if config.predictions and config.model != "linear":
        raise InputError(f"--predictions and --model {config.model} exclude each other; give one of them.")
    if not _brought(config):
        return
    for option, given in (("countermeasures", config.countermeasures), ("tuning", config.training.tuning != "full")):
        if given:
            raise InputError(f"{_what(config)} is not trained here, so --{option} cannot apply; leave it out.")


def _brought(config: RunConfig) -> bool:
    """Whether the model comes trained."""
    return bool(config.predictions) or is_callable_name(config.model) or is_address(config.model)


def _what(config: RunConfig) -> str:
    return "--predictions" if config.predictions else f"--model {config.model}"


def _check_steps(config: RunConfig) -> None:
    """Refuse what needs a model that is trained here in steps."""
    in_steps = not _brought(config) and config.model != "linear" and config.training.tuning != "head"
    what = f"--tuning {config.training.tuning}" if config.training.tuning == "head" else _what(config)
    if config.track and not in_steps:
        raise InputError(f"--track shows the steps of a training, and {what} takes none. Leave --track out.")
    if place_among_processes()[1] > 1 and not in_steps:
        raise InputError(
            f"Many processes share the steps of a training, and {what} takes none. Start veridical without torchrun."
        )
    if config.track:
        from veridical.train.tracking import require_trackers

        require_trackers(config.track)


def _check_model(config: RunConfig) -> None:
    """Find the model before any long work: import the function, or look up the weights."""
    from veridical.models.external import callable_model

    if is_callable_name(config.model):
        callable_model(config.model, labels=())
    elif is_address(config.model):
        header_values(config.model_header)
    elif config.model != "linear":
        from veridical.models.weights import require_neural, resolve

        require_neural(f"--model {config.model}")
        from veridical.models._encoder_network import refuse_no_encoder

        refuse_no_encoder(resolve(config.model).folder)


def _check_structured(config: RunConfig) -> None:
    """Refuse what tasks whose answers are structures do not have."""
    from veridical.train._contract import refuse_many_processes
    from veridical.train.answer_training import fitting_answers

    if config.contract:
        from veridical.ledger.contract import read_contract, refuse_of_structures

        refuse_of_structures(read_contract(Path(config.contract)), task=config.task)
    if config.split == "folds":
        raise InputError(f"--split folds needs one label a row, which task {config.task} does not have. Use clusters or --test.")
    if is_callable_name(config.model) or is_address(config.model):
        raise InputError(
            f"--model {config.model} gives one label a row, which task {config.task} does not have. Give its answers with "
            "--predictions FILE."
        )
    if not config.predictions:
        named = fitting_answers(config.countermeasures, task=config.task, model=config.model, config=config.training)
        refuse_many_processes(named, place_among_processes()[1])
