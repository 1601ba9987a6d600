"""What a run is asked to do: one flat record, derived into the options of `veridical run` and the keys of run.yaml."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veridical.core import plugins
from veridical.core.allowed import refuse_below
from veridical.core.errors import InputError, UnknownName
from veridical.core.field_docs import plain_type
from veridical.models.calls import Calls, is_address, refuse_address
from veridical.train.config import TrainConfig

CHOICES = {
    "split": ("clusters", "random", "folds"),
    "budget": ("quick", "standard", "thorough"),
    "lang": ("en", "zh"),
    "engine": ("local", "ray"),
}
FILES = ("test", "valid", "predictions", "contract")
"""Fields that name a file: its content, not its path, belongs to the identity of a run."""
CALLS = ("model_header", "requests_per_second", "timeout", "retries", "texts_per_request")
"""Fields that say how a model at an address is called."""
PRESENTATION = ("lang", "engine", "engine_address", "track", *CALLS)
"""Fields that do not change what is computed."""
POWER_OF_TEN = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
"""Numbers such as 1e-4, which YAML 1.1 reads as texts where they lack the point."""


@dataclass(frozen=True)
class RunConfig:
    """Options of one run. None means: not given, guessed or not used."""

    test: str | None = None
    """File with the test rows. Without it, TRAIN is split by its split column, else as --split says."""
    valid: str | None = None
    """File with validation rows; without it, training cuts its validation part from train."""
    text: str | None = None
    """Column with the text."""
    second: str | None = None
    """Column with the second text of a pair."""
    label: str | None = None
    """Column with the label."""
    id: str | None = None
    """Column with a unique id; without it, rows are numbered by file and position."""
    group: str | None = None
    """Column naming what belongs together (author, document); its rows are kept on one side of a split."""
    source: str | None = None
    """Column naming where a row came from."""
    time: str | None = None
    """Column with the time of a row."""
    split_column: str | None = None
    """Column that says train, valid or test."""
    split: str = "clusters"
    """How one file is split: clusters (near-duplicates on one side), random, or folds."""
    test_share: float = 0.2
    """Share of the rows that become the test set when one file is split, 0..1."""
    task: str = "classification"
    """The task: classification, ordinal, relation, ner, multilabel or qa."""
    tokens: str | None = None
    """Column with the tokens of a text: a list, or a text with spaces between them (task ner)."""
    tags: str | None = None
    """Column with one tag for every token (task ner)."""
    tag_scheme: str | None = None
    """How the tags are written: iob2, iob1, bioes or bilou; guessed from the tags when not given (task ner)."""
    context: str | None = None
    """Column with the text that holds the answer (task qa)."""
    question: str | None = None
    """Column with the question (task qa)."""
    answers: str | None = None
    """Column with the answers: a text, a list of texts, or records as SQuAD has them; empty where there is none (task qa)."""
    first_entity: str | None = None
    """Column with the first entity as it stands in the text, where the text does not mark it as <e1>...</e1> (task relation)."""
    second_entity: str | None = None
    """Column with the second entity, where the text does not mark it as <e2>...</e2> (task relation)."""
    order: tuple[str, ...] = ()
    """The labels from the lowest grade to the highest, separated by commas; not needed where they are numbers (task ordinal)."""
    metric: str = "accuracy"
    """The score that is reported: accuracy, macro_f1, weighted_f1, balanced_accuracy or mcc; those of other tasks are in
    docs/guide/tasks.md. When not given, the one that the task declares."""
    model: str = "linear"
    """linear, minilm, a folder, a hub id, pkg.module:function, or the http(s) address of an endpoint."""
    model_header: tuple[str, ...] = ()
    """Names of headers for --model http(s)://..., separated by commas; the value of Authorization is read from the environment
    variable VERIDICAL_HEADER_AUTHORIZATION and never stored."""
    requests_per_second: float = 0.0
    """Most requests to --model http(s)://... a second, retries included; 0: no limit."""
    timeout: float = 30.0
    """Seconds one request to --model http(s)://... may take."""
    retries: int = 3
    """Times a request to --model http(s)://... is sent again after a timeout, a failed connection, HTTP 429 or 5xx."""
    texts_per_request: int = 32
    """Texts in one request to --model http(s)://..."""
    predictions: str | None = None
    """JSON lines of id, label, probabilities: judge these instead of training a model."""
    contract: str | None = None
    """YAML file saying where the model will be used."""
    seed: int = 0
    """Seed of every random choice."""
    probes: tuple[str, ...] = ("cheap",)
    """Probes to run, separated by commas: names, or the sets none, cheap (those that ask the model nothing), quick (with those of
    some thousand questions) and all. See: veridical list probes. They look as long as --budget says."""
    no_repair: bool = False
    """Stop after the ledger: try no repairs."""
    repairs: tuple[str, ...] = ()
    """Repairs to try, separated by commas; all when not given. See: veridical list repairs."""
    budget: str = "quick"
    """quick: one retraining of the winner and a quick look by the probes; standard: every arm of an encoder is a full training,
    and up to 4 countermeasures are tried for each diagnosed component; thorough: all that are known to answer it."""
    no_text: bool = False
    """Write no texts into the run folder."""
    lang: str = "en"
    """Language of the summary and the reports: en or zh."""
    engine: str = "local"
    """Where passes over the texts run: local (this process) or ray (needs the extra [ray])."""
    engine_address: str | None = None
    """Address of a running Ray cluster; without it, --engine ray starts one on this machine."""
    countermeasures: tuple[str, ...] = ()
    """Countermeasures to train with, separated by commas, each with knobs where wanted: gce:power=0.5,fgm. See: veridical list
    countermeasures."""
    search: int = 0
    """Trainings with other settings, scored on validation rows, of which the best settings train the model; 0: none."""
    search_over: tuple[str, ...] = ()
    """Settings that --search changes, separated by commas, as NAME or NAME=LOW:HIGH; when not given, learning_rate, epochs,
    weight_decay and warmup_share of an encoder, linear_c of a linear model."""
    track: tuple[str, ...] = ()
    """Where the steps of training are shown beside training.jsonl, separated by commas: tensorboard, mlflow, wandb (offline),
    trackio. All write into the run folder; nothing is sent anywhere."""
    training: TrainConfig = field(default_factory=TrainConfig)
    """How an encoder is trained; its fields are options of their own."""


def as_declared(declared: dataclasses.Field[Any], value: Any) -> Any:
    """`value` as the type the field declares. Raises InputError when it is another."""
    wanted = plain_type(declared)
    if value is None and declared.default is None:
        return None
    if wanted is tuple:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{declared.name} is {value!r}; it must be names separated by commas.")
        return tuple(name.strip() for name in names if name.strip())
    if wanted is float and (type(value) is int or (isinstance(value, str) and POWER_OF_TEN.fullmatch(value))):
        return float(value)
    if type(value) is not wanted:
        raise InputError(
            f"{declared.name} is {value!r}; it must be of type {wanted.__name__}. Change it in the configuration file."
        )
    return value


def configured(given: dict[str, Any]) -> RunConfig:
    """A RunConfig with the `given` values; unknown names, wrong types and unknown choices are refused."""
    own = {entry.name: entry for entry in dataclasses.fields(RunConfig) if entry.name != "training"}
    training = {entry.name: entry for entry in dataclasses.fields(TrainConfig)}
    for name in given:
        if name not in own and name not in training:
            raise UnknownName("setting", name, [*own, *training], "See: veridical run --help")
    chosen = {name: as_declared((own | training)[name], value) for name, value in given.items()}
    task = chosen.get("task", RunConfig.task)
    if task in plugins.names("veridical.tasks"):  # an unknown one is refused below
        record = plugins.get("veridical.tasks", "task", task)
        metric = chosen.setdefault("metric", record.declared)
        if record.structure is None and metric in record.metrics:  # an unknown one is refused by its own name
            chosen.setdefault("select_by", metric)
    config = RunConfig(
        **{name: value for name, value in chosen.items() if name in own},
        training=TrainConfig(**{name: value for name, value in chosen.items() if name in training}),
    )
    if config.task not in plugins.names("veridical.tasks"):
        raise UnknownName("task", config.task, plugins.names("veridical.tasks"))
    for name, allowed in CHOICES.items():
        if getattr(config, name) not in allowed:
            raise UnknownName(f"value for --{name}", getattr(config, name), allowed)
    if not 0 < config.test_share < 1:
        raise InputError(f"--test-share is {config.test_share}; it must lie between 0 and 1, for example 0.2.")
    refuse_below("--seed", config.seed, low=0, example=1)
    calls_of(config)
    return config


def calls_of(config: RunConfig) -> Calls:
    """How a model at an address is called. Raises InputError for an address or a header that must not be stored."""
    if is_address(config.model):
        refuse_address(config.model)
    elif config.model_header:
        raise InputError(f"--model-header is for --model http(s)://..., not for --model {config.model}; leave it out.")
    return Calls(config.model_header, config.requests_per_second, config.timeout, config.retries, config.texts_per_request)


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, keys with - or _; or those of an earlier run, given as its folder or its run.json."""
    import yaml

    file = path / "run.json" if path.is_dir() else path
    try:
        settings = yaml.load(file.read_text(encoding="utf-8"), _settings_loader())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The configuration {file} cannot be read ({error}). Check --config.") from error
    except yaml.YAMLError as error:
        place = " ".join(str(error).split())
        raise InputError(f"{file} is not valid YAML ({place}). Write lines like: seed: 1") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise InputError(f"{file} holds a {type(settings).__name__}; it must hold lines like: seed: 1")
    if {"format", "veridical", "config"} <= settings.keys():
        settings = settings["config"]
    nested = settings.get("training", {})
    if not isinstance(nested, dict):
        raise InputError(f"training in {file} is {nested!r}; it must hold settings of training, such as epochs: 3.")
    given: dict[str, Any] = {}
    for name, value in [*((n, v) for n, v in settings.items() if n != "training"), *nested.items()]:
        known = str(name).replace("-", "_")
        if known in given:
            raise InputError(f"{known} stands twice in {file}. Keep one of its lines.")
        given[known] = value
    return given


def _settings_loader() -> Any:
    """PyYAML's safe loader, which keeps the last of two equal keys without a word; this one refuses them."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's shape
            names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
            if twice is not None:
                raise yaml.constructor.ConstructorError(None, None, f"{twice} stands twice", node.start_mark)
            return super().construct_mapping(node, deep)

    return Loader


def identity(config: RunConfig) -> dict[str, Any]:
    """What of the configuration decides the result; files are left out, their content is hashed instead."""
    settings = dataclasses.asdict(config)
    return {name: value for name, value in settings.items() if name not in (*FILES, *PRESENTATION)}
