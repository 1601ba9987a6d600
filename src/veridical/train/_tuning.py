"""What a tuning method is: which tensors of the encoder learn, what is added to it, and what becomes of that afterwards.

docs/decisions/0007-tuning-methods.md says why a method is a record of these few functions.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from veridical.core import plugins
from veridical.core.allowed import refuse_outside
from veridical.core.errors import InputError, MissingExtra, UnknownName
from veridical.core.field_docs import plain_type

if TYPE_CHECKING:
    from torch import nn

    from veridical.train._contract import Countermeasure, Toy

PACKAGE = "veridical.train.tuning"


@dataclass(frozen=True, slots=True)
class Given:
    """What the training settings say that a method must heed. frozen_embeddings: the tables stay as they
    are. frozen_layers: so do the lowest layers. max_length: tokens a text has at most."""

    frozen_embeddings: bool
    frozen_layers: int
    max_length: int


@dataclass(frozen=True, slots=True)
class Tuning:
    """The record a file in train/tuning ends with. The head learns with every method.

    params: a frozen dataclass with a field `rate`, the factor on learning_rate. prepare: (EncoderClassifier, params, Given) makes
    what learns ask for gradients, after adding it where it is new; all else of the encoder asks for none before. It draws from
    torch's random stream alone. merge: (EncoderClassifier) writes what was added into the encoder's own tensors and takes it out.
    beside: what was added stays, and is saved with the encoder. cached: the encoder never changes, so the head is fitted on
    features computed once. through_peft: PEFT must be installed. penalty, after_step: as a countermeasure's; gradients are still
    there in after_step.
    """

    params: Any
    prepare: Callable[[Any, Any, Given], None]
    merge: Callable[[Any], None] | None = None
    beside: bool = False
    cached: bool = False
    through_peft: bool = False
    penalty: Callable[[Mapping[str, Any], Mapping[str, Any], Any], Any] | None = None
    after_step: Callable[[Mapping[str, Any], dict[str, Any], float, Any], None] | None = None

    def require(self, name: str) -> None:
        """Raises MissingExtra where the method's library is absent."""
        if self.through_peft and importlib.util.find_spec("peft") is None:
            raise MissingExtra(f"tuning {name}", "neural")

    def prepare_saved(self, network: Any, params: Mapping[str, Any], max_length: int) -> None:
        """Add to an empty network what the tensors of a saved model are to be put into."""
        self.require(type(self.params).__module__.rpartition(".")[2])
        frozen_layers = int(params.get("frozen_layers", 0))
        own = {name: value for name, value in params.items() if name != "frozen_layers"}
        unknown = sorted(own.keys() - {field.name for field in fields(self.params)})
        if unknown:
            raise InputError(f"The model was saved with the tuning knob {unknown[0]!r}, which is unknown here. Train it again.")
        given = Given(frozen_embeddings=True, frozen_layers=frozen_layers, max_length=max_length)
        self.prepare(network, replace(self.params, **own), given)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A method by name, with the params it is used with."""

    name: str
    tuning: Tuning
    params: Any

    @property
    def joints(self) -> "tuple[tuple[str, Countermeasure], ...]":
        """What the method does within steps, in the loop's own terms."""
        from veridical.train._contract import Countermeasure

        tuning = self.tuning
        if not (tuning.penalty or tuning.after_step):
            return ()
        joints = Countermeasure(self.params, _no_toy, penalty=tuning.penalty, after_step=tuning.after_step)
        return ((f"tuning {self.name}", joints),)


def _no_toy() -> "Toy":
    raise AssertionError("a tuning method is no countermeasure, so it has no toy")


def chosen(name: str, knobs: Sequence[str] = ()) -> Chosen:
    """The method `name` with its knobs set as `NAME=VALUE` says. Raises UnknownName and InputError."""
    if name not in plugins.names(PACKAGE):
        raise UnknownName("tuning", name, plugins.names(PACKAGE), "See: veridical list tuning")
    tuning: Tuning = plugins.get(PACKAGE, "tuning", name)
    known = {field.name: field for field in fields(tuning.params)}
    changes = {}
    for knob in knobs:
        key, equals, value = (part.strip() for part in knob.partition("="))
        if not equals:
            raise InputError(f"tuning_knobs has {knob!r}; write NAME=VALUE, for example {next(iter(known))}=1.")
        if key not in known:
            raise UnknownName(f"knob of tuning {name}", key, known, "See: docs/catalogue/tuning.md")
        changes[key] = _value(name, key, value, plain_type(known[key]))
    return Chosen(name, tuning, replace(tuning.params, **changes))


def _value(method: str, key: str, value: str, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        wanted = {int: "a whole number", float: "a number"}.get(kind, kind.__name__)
        raise InputError(f"The knob {key} of tuning {method} is {value!r}; it must be {wanted}.") from error


def check(name: str, value: float, low: float, high: float) -> None:
    """Refuse a knob outside its range."""
    refuse_outside(f"The tuning knob {name}", value, low=low, high=high)


@dataclass(frozen=True, slots=True)
class Linears:
    """The linear maps of one layer, as (name within the encoder, module). attention: all of the attention, the last is
    attention_out. feedforward_out: the map back to the encoder's width."""

    attention: tuple[tuple[str, "nn.Module"], ...]
    feedforward: tuple[tuple[str, "nn.Module"], ...]

    @property
    def attention_out(self) -> "nn.Module":
        return self.attention[-1][1]

    @property
    def feedforward_out(self) -> "nn.Module":
        return self.feedforward[-1][1]

    @property
    def all(self) -> tuple[tuple[str, "nn.Module"], ...]:
        return (*self.attention, *self.feedforward)


def linears(network: Any, *, frozen_layers: int) -> Iterator[Linears]:
    """Those of each layer that may change, told by shape: the last square map ends the attention, feed-forward follows."""
    from torch import nn

    from veridical.models._encoder_network import layers

    encoder = network.encoder
    width = encoder.config.hidden_size
    named = {id(module): name for name, module in encoder.named_modules()}
    for layer in layers(encoder)[frozen_layers:]:
        found = [(named[id(module)], module) for module in layer.modules() if isinstance(module, nn.Linear)]
        square = [at for at, (_, module) in enumerate(found) if module.in_features == module.out_features == width]
        cut = square[-1] + 1 if square else 0
        back = found[-1][1] if found else None
        if not 0 < cut < len(found) or back is None or back.out_features != width:
            raise InputError(
                f"The layers of this encoder ({encoder.config.model_type}) are not made of attention and feed-forward maps as "
                "those of BERT are, so nothing can be added there. Use --tuning full, bitfit, last_layers or head."
            )
        yield Linears(tuple(found[:cut]), tuple(found[cut:]))


def refuse_positions(network: Any, n_added: int, given: Given) -> None:
    """Virtual tokens take positions of the encoder's table. Two are left out, since some encoders count from 2."""
    limit = getattr(network.encoder.config, "max_position_embeddings", None)
    if limit is not None and given.max_length + n_added > limit - 2:
        raise InputError(
            f"max_length {given.max_length} and {n_added} virtual tokens exceed the {limit - 2} positions of this encoder. "
            f"Give max_length of at most {limit - 2 - n_added}."
        )


def refuse_frozen_layers(name: str, given: Given) -> None:
    """For methods that change what every layer reads."""
    if given.frozen_layers:
        raise InputError(
            f"frozen_layers = {given.frozen_layers} has no meaning with tuning {name}, which changes what all layers read and "
            "no layer itself. Leave frozen_layers out."
        )
