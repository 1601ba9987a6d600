"""The encoder as a torch module: mean of the last hidden states over real tokens, then one linear layer. Needs torch."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from veridical.core.atomic_write import write_json, write_with
from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models.instances import Instances, marks_for
from veridical.models.tokens import Tokens, cut_by_tokens

Float32 = npt.NDArray[np.float32]
PREDICT_TOKENS = 1024
"""Tokens in a batch when nothing is learned. Ours: 16,100 tokens/s at 1,024 and 12,300 at 4,096, whose states leave the cache."""


class EncoderClassifier(nn.Module):
    """encoder: a transformers encoder of width D. head: (C, D)."""

    def __init__(self, encoder: Any, *, n_classes: int, seed: int, joined: int = 1) -> None:
        """joined: how many states the head reads at once."""
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(joined * encoder.config.hidden_size, n_classes)
        start = stream(seed, "head").normal(0.0, 0.02, self.head.weight.shape).astype(np.float32)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(start))
            self.head.bias.zero_()

    def states(self, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
        """Last hidden states, (B, T, D)."""
        segments = {} if types is None else {"token_type_ids": types}
        hidden: Tensor = self.encoder(input_ids=ids, attention_mask=mask, **segments).last_hidden_state
        return hidden

    def pooled(self, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
        hidden = self.states(ids, mask, types)
        real = mask.to(torch.float32)
        total: Tensor = (hidden.float() * real.unsqueeze(-1)).sum(1)  # in float32: a bfloat16 sum of 256 tokens keeps 8 bits
        return total / real.sum(1, keepdim=True).clamp(min=1.0)  # (B, D)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, *marks: Tensor) -> Tensor:
        """Logits (B, C). marks: what heads inside a row need to know of the batch, one logit row for each mark."""
        return self.headed(self.pooled(ids, mask, types))

    def headed(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = self.head(features.float())
            return logits


class MarkedStates(EncoderClassifier):
    """Answers from the states at the marks that open two entities, side by side (Baldini Soares et al., ACL 2019). head: (C,
    2 D). opening: ids of these marks. Where one is missing (cut off), the mean over the text stands in for it."""

    def __init__(self, encoder: Any, *, n_classes: int, seed: int, opening: tuple[int, ...]) -> None:
        super().__init__(encoder, n_classes=n_classes, seed=seed, joined=len(opening))
        self.opening = opening

    def pooled(self, ids: Tensor, mask: Tensor, types: Tensor | None) -> Tensor:
        hidden = self.states(ids, mask, types).float()
        real = mask.to(torch.float32).unsqueeze(-1)
        mean = (hidden * real).sum(1) / real.sum(1).clamp(min=1.0)
        found = []
        for mark in self.opening:
            at = ids == mark  # (B, T)
            state = hidden[torch.arange(len(ids), device=ids.device), at.int().argmax(1)]
            found.append(torch.where(at.any(1, keepdim=True), state, mean))
        return torch.cat(found, dim=1)


def classifier(tokenizer: Any, markers: tuple[str, ...]) -> Callable[..., EncoderClassifier]:
    """What builds a network of an encoder: with marks, one that learns them as tokens and answers from those that open."""
    if not markers:
        return EncoderClassifier
    ids = tokenizer.convert_tokens_to_ids(list(markers))

    def built(encoder: Any, *, n_classes: int, seed: int) -> EncoderClassifier:
        _widen(encoder, tokenizer, markers)
        return MarkedStates(encoder, n_classes=n_classes, seed=seed, opening=tuple(ids[::2]))

    return built


def _widen(encoder: Any, tokenizer: Any, markers: tuple[str, ...]) -> None:
    """Rows of the embedding table for the marks; each starts as one of SIGNS."""
    known = encoder.get_input_embeddings().weight.shape[0]
    with quiet_transformers(), torch.no_grad():
        if known < len(tokenizer):
            encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        table = encoder.get_input_embeddings().weight
        for mark, sign in zip(markers, SIGNS, strict=True):
            place = int(tokenizer.convert_tokens_to_ids(mark))
            if place >= known:  # what an earlier training learned of a mark is kept
                pieces = tokenizer(sign, add_special_tokens=False)["input_ids"]
                table[place] = table[pieces].mean(0) + MARK_NOISE * table[:known].std() * _noise(mark, table)


MARK_NOISE = 0.1
"""Share of the spread of all embeddings by which marks differ at the start: a vocabulary may lack their signs. Ours."""


def _noise(mark: str, table: Tensor) -> Tensor:
    drawn = stream(0, f"mark/{mark}").standard_normal(table.shape[1]).astype(np.float32)
    return torch.from_numpy(drawn).to(table.device)


class WordTagger(EncoderClassifier):
    """A class for every marked token. head: (C, D)."""

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, *marks: Tensor) -> Tensor:
        """Logits (M, C). marks: row and place of each marked token, both (M,)."""
        row, at = marks
        return self.headed(self.states(ids, mask, types)[row, at])


class LabelSets(EncoderClassifier):
    """Yes or no for every name. head: (C, D)."""

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, *marks: Tensor) -> Tensor:
        """Logits (B * C, 2) of no and yes; that of no is 0."""
        yes = self.headed(self.pooled(ids, mask, types)).reshape(-1)
        return torch.stack([torch.zeros_like(yes), yes], dim=1)


class SpanFinder(EncoderClassifier):
    """Where an answer begins and ends. head: (2, D)."""

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None, *marks: Tensor) -> Tensor:
        """Logits (2 B, T): the start of row 0, its end, the start of row 1 and so on. marks: where an end may stand, (B, T)."""
        (allowed,) = marks
        logits = self.headed(self.states(ids, mask, types))  # (B, T, 2)
        shut = logits.masked_fill(allowed.unsqueeze(-1) == 0, SHUT)
        return shut.permute(0, 2, 1).reshape(-1, ids.shape[1])


SIGNS = ("@", "*", "#", "^")
"""What marks start as: signs that the encoder knows, as in Zhou and Chen 2021 (arXiv:2102.01373); the embedding table usually
stays as it is while the encoder is tuned, so new tokens would stay noise."""
SHUT = -1e4
"""Logit of a place where no answer can stand: probability 0, and still a number."""
HEADS: dict[str, type[EncoderClassifier]] = {"words": WordTagger, "labels": LabelSets, "span": SpanFinder}
"""Networks for tasks whose answer is more than one label, by `Structure.head`."""


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars or load reports from transformers while a model is opened."""
    from transformers.utils import logging as of_transformers

    logging: Any = of_transformers
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def open_tokenizer(folder: Path, *, markers: tuple[str, ...] = ()) -> Any:
    """markers: marks that are read as one token each."""
    from transformers import AutoTokenizer

    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"The tokenizer in {folder} has no padding token, so it is none of an encoder. Give an encoder, or linear."
        )
    if markers:
        tokenizer.add_tokens(list(markers), special_tokens=True)
    return tokenizer


def refuse_no_encoder(folder: Path) -> None:
    """Raises InputError for weights that no classifier here can be made of, as far as their config.json and tokenizer tell; what
    veridical wrote is looked at where it is opened."""
    if (folder / "model.json").is_file():
        return
    with quiet_transformers():
        config = _config(folder, dropout=0.0)
    _refuse_beyond_table(folder, open_tokenizer(folder), size=getattr(config, "vocab_size", None))


def _refuse_beyond_table(folder: Path, tokenizer: Any, *, size: int | None) -> None:
    """A token without a row in the encoder's table would stop the first text that holds it, in the midst of training."""
    token, last = max(tokenizer.get_vocab().items(), key=lambda item: item[1], default=("", -1))
    if size is not None and last >= size:
        raise InputError(
            f"The tokenizer in {folder} has the token {token!r} with number {last}, and the table of its weights has {size} "
            "rows. Give the tokenizer that the weights were saved with."
        )


def open_encoder(folder: Path, *, dropout: float, attention: str) -> Any:
    """The pre-trained encoder in float32, without its pooling layer. Only safetensors are opened."""
    from transformers import AutoModel

    if (folder / "model.json").is_file():
        return _of_earlier_run(folder, dropout=dropout, attention=attention)
    with quiet_transformers():
        config = _config(folder, dropout)
        encoder, loaded = AutoModel.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation=attention,
            ignore_mismatched_sizes=True,  # refused below, in a sentence
            output_loading_info=True,
        )
    encoder = _without_pooler(encoder)
    _refuse_others_weights(folder, encoder, loaded)
    refuse_no_numbers(folder, encoder)
    return encoder


def refuse_no_numbers(folder: Path, network: Any) -> None:
    """Raise InputError for weights with values that are no finite numbers, which no learning rate would mend."""
    for name, tensor in network.named_parameters():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"The weights in {folder} hold values that are no finite numbers, in {name} first. Fetch them again."
            )


def _refuse_others_weights(folder: Path, encoder: Any, loaded: dict[str, Any]) -> None:
    """What the file does not hold would start from random numbers, and only look pre-trained."""
    wanted = {name for name, _ in encoder.named_parameters()}
    amiss = sorted(wanted & ({str(name) for name in loaded["missing_keys"]} | {str(key[0]) for key in loaded["mismatched_keys"]}))
    if amiss:
        raise InputError(
            f"The weights in {folder} are not those of the architecture in its config.json ({encoder.config.model_type}): "
            f"{len(amiss)} of {len(wanted)} tensors are missing or of another size, {amiss[0]} first. Give the folder in which "
            "they were saved."
        )


def _of_earlier_run(folder: Path, *, dropout: float, attention: str) -> Any:
    """The encoder of a model that veridical wrote; its file holds a head beside it."""
    from safetensors.torch import load_file

    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if about.get("tuning"):
        raise InputError(
            f"{folder} was tuned with {about['tuning']['method']}, whose tensors stay beside the encoder, so training cannot "
            "start from it. Give the weights it was tuned from."
        )
    if about.get("normalisers"):
        raise InputError(
            f"{folder} reads texts through normalisers.json, which training on from its weights would leave out. "
            "Give the weights it was tuned from, with the same --countermeasures."
        )
    tensors = load_file(str(folder / "model.safetensors"))
    encoder = empty_encoder(folder, attention=attention, dropout=dropout)
    try:
        encoder.load_state_dict({n.removeprefix("encoder."): t for n, t in tensors.items() if n.startswith("encoder.")})
    except RuntimeError as error:
        raise InputError(f"{folder}: its files do not belong to one encoder model. Train it again.") from error
    refuse_no_numbers(folder, encoder)
    return encoder


def empty_encoder(folder: Path, *, attention: str, dropout: float = 0.0) -> Any:
    """An encoder of the architecture in folder/config.json whose weights are yet to be filled in."""
    from transformers import AutoModel

    anything: Any = AutoModel
    with quiet_transformers():
        encoder = anything.from_config(_config(folder, dropout), attn_implementation=attention, trust_remote_code=False)
    return _without_pooler(encoder.float())


def _config(folder: Path, dropout: float) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if getattr(config, "is_encoder_decoder", False) or not hasattr(config, "hidden_size"):
        raise InputError(f"{folder} ({config.model_type}) is not a plain encoder. Give one such as BERT, RoBERTa or ModernBERT.")
    _refuse_another_architecture(folder, config)
    for name in (
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "dropout",
        "attention_dropout",
        "embedding_dropout",
        "mlp_dropout",
    ):
        if hasattr(config, name):
            setattr(config, name, dropout)
    return config


FROM_PADDING = frozenset({"camembert", "data2vec-text", "longformer", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl"})
"""Model types that count positions from behind the padding token's number, where BERT and its kin count from 0."""


def _refuse_another_architecture(folder: Path, config: Any) -> None:
    """Weights of BERT fit into RoBERTa and the reverse by names and sizes of tensors, and mean other places of a text there."""
    from transformers.models.auto import modeling_auto

    saved = next(iter(getattr(config, "architectures", None) or ()), "")
    tables = [table for name, table in vars(modeling_auto).items() if name.endswith("_MAPPING_NAMES")]
    types = {kind for table in tables for kind, named in table.items() if saved == named or saved in tuple(named)}
    if {kind in FROM_PADDING for kind in types} == {config.model_type not in FROM_PADDING}:
        raise InputError(
            f"The config.json in {folder} names the architecture {saved} and the model type {config.model_type}, whose weights "
            "are read another way. Give the folder in which they were saved, with its own config.json."
        )


def _without_pooler(encoder: Any) -> Any:
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def layers(encoder: Any) -> list[nn.Module]:
    """The encoder's layers, lowest first: its longest list of modules."""
    lists = [module for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    found: list[list[nn.Module]] = [list(modules) for modules in lists]
    return max(found, key=len) if found else []


def keep_layers(encoder: Any, kept: Sequence[int]) -> None:
    """Drop every layer but these, in place; the configuration says so too, so that the encoder can be saved and opened."""
    stack = max((module for module in encoder.modules() if isinstance(module, nn.ModuleList)), key=len)
    chosen = set(kept)
    for number in reversed(range(len(stack))):
        if number not in chosen:
            del stack[number]
    if isinstance(getattr(encoder.config, "layer_types", None), list):
        raise InputError(
            f"The layers of this encoder ({encoder.config.model_type}) differ in kind, so none can be left out. "
            "Use one like BERT, or leave the countermeasure out."
        )
    encoder.config.num_hidden_layers = len(stack)


def batch_tensors(tokens: Tokens, rows: IntArray, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
    ids, mask, types = tokens.padded(rows)
    kinds = None if types is None else torch.from_numpy(types).to(device)
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device), kinds


@contextmanager
def reading(network: nn.Module, *, dtype: str) -> Iterator[None]:
    """For as long as this is open nothing is learned and the weights do not change, so bfloat16 copies of them are made once.

    Not torch.inference_mode: in it autocast copies every weight again for every batch, about 3 ms for MiniLM: a quarter of the
    time of four short texts. What is opened inside another one shares its copies.
    """
    device = next(network.parameters()).device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
        yield


def predict_logits(
    network: EncoderClassifier, tokens: Tokens, rows: IntArray, *, dtype: str, progress: Progress = silent, features: bool = False
) -> Float32:
    """Logits (n, C) of these rows, or with `features` the pooled states (n, D). Batches sorted by length, longest first."""
    device = next(network.parameters()).device
    part = network.pooled if features else network
    was_training = network.training
    network.eval()
    lengths = tokens.lengths[rows]
    order = np.argsort(-lengths, kind="stable")
    outputs, done, total = [], 0, int(lengths.sum())
    with reading(network, dtype=dtype):
        for run in cut_by_tokens(order, lengths[order], token_budget=PREDICT_TOKENS):
            outputs.append(part(*batch_tensors(tokens, rows[run], device)).float().cpu().numpy())
            done += int(lengths[run].sum())
            progress("predict", done, total)
    network.train(was_training)
    width = network.head.in_features if features else network.head.out_features
    result = np.empty((len(rows), width), np.float32)
    if outputs:
        result[order] = np.concatenate(outputs)
    return result


def predict_marks(
    network: EncoderClassifier, instances: Instances, rows: IntArray, *, dtype: str, progress: Progress = silent
) -> list[npt.NDArray[np.float64]]:
    """Logits of every mark of these windows, (marks, classes) each, in the order of `rows`. Batches sorted by length, longest
    first."""
    device, head = next(network.parameters()).device, head_of(network)
    was_training = network.training
    network.eval()
    lengths = instances.tokens.lengths[rows]
    order = np.argsort(-lengths, kind="stable")
    found: list[npt.NDArray[np.float64]] = [np.zeros((0, 0))] * len(rows)
    done, total = 0, int(lengths.sum())
    with reading(network, dtype=dtype):
        for run in cut_by_tokens(order, lengths[order], token_budget=PREDICT_TOKENS):
            chosen = rows[run]
            marks = [torch.from_numpy(array).to(device) for array in marks_for(instances, chosen, head)]
            logits = network(*batch_tensors(instances.tokens, chosen, device), *marks).float().cpu().numpy().astype(np.float64)
            if head == "words":
                each = np.diff(instances.starts)[chosen]
            else:
                each = np.full(len(chosen), 2 if head == "span" else network.head.out_features)
            for place, part in zip(run, np.split(logits, np.cumsum(each)[:-1]), strict=True):
                found[place] = part
            done += int(lengths[run].sum())
            progress("predict", done, total)
    network.train(was_training)
    return found


def save_network(folder: Path, network: Any, tokenizer: Any) -> None:
    """model.safetensors of an encoder and its head, config.json of the encoder, and the tokenizer's files; the folder is made."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_with(folder / "model.safetensors", lambda path: save_file(tensors, str(path)))
    write_json(folder / "config.json", json.loads(network.encoder.config.to_json_string(use_diff=False)))
    tokenizer.save_pretrained(folder)


def head_of(network: EncoderClassifier) -> str:
    """Its name in HEADS."""
    return next(name for name, kind in HEADS.items() if isinstance(network, kind))
