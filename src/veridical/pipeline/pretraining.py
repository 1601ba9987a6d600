"""`veridical pretrain`: look at the text, set apart what is to be scored, train, and leave a folder that fine-tuning opens."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veridical import __version__
from veridical.core import pretrain_record
from veridical.core.errors import InputError, UnknownName
from veridical.core.pretrain_record import Audited, Measure, PretrainRecord
from veridical.core.progress import Progress, silent
from veridical.core.surroundings import threads, use_threads
from veridical.pipeline import records
from veridical.pipeline.corpus_config import CorpusConfig
from veridical.pipeline.run_folder import RunFolder, claim, content_hash
from veridical.train.pretrain_config import PretrainConfig

if TYPE_CHECKING:
    from veridical.core.bootstrap import IntArray
    from veridical.core.finding import AuditRecord
    from veridical.dataset.rows import Dataset
    from veridical.models.weights import Weights
    from veridical.train._objectives import Lesson
    from veridical.train.held_out import Scores
    from veridical.train.packing import Pieces
    from veridical.train.pretraining import Pretrained

CURVE_POINTS = 100
"""Entries of the loss curve in the record. Ours."""
HALF_SAVED = "half_saved"
"""Where the model is written before its files take their places."""
KEPT_DOCUMENTS = "documents.parquet"


CORPUS, TRAINING = CorpusConfig(), PretrainConfig()


def pretrain(
    sources: Sequence[Path],
    *,
    corpus: CorpusConfig = CORPUS,
    config: PretrainConfig = TRAINING,
    out: Path | None = None,
    fresh: bool = False,
    progress: Progress = silent,
) -> tuple[Path, PretrainRecord]:
    """The folder of the model, and what is known of it. Goes on where it was stopped."""
    job = _checked(sources, corpus, config)
    with claim(out, _identity(sources, corpus, config), threads=threads(), fresh=fresh) as folder:
        use_threads(folder.machine["threads"])
        if not folder.finished:
            _Work(folder, tuple(sources), corpus, config, job, progress).do()
            folder.mark("finished", {})
            shutil.rmtree(folder.path / "checkpoint", ignore_errors=True)
            (folder.path / KEPT_DOCUMENTS).unlink(missing_ok=True)
        return folder.path, pretrain_record.read(folder.path)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What was asked for, looked up before any long work."""

    lesson: "Lesson"
    weights: "Weights | None"


def _checked(sources: Sequence[Path], corpus: CorpusConfig, config: PretrainConfig) -> _Checked:
    """Refuse what cannot be done before any long work."""
    from veridical.audit._corpus import all_checks
    from veridical.dataset.corpus import Cut
    from veridical.models.weights import require_neural, resolve
    from veridical.train._objectives import lesson

    if not sources:
        raise InputError("No text was given; name one or more files or folders: veridical pretrain TEXT")
    Cut(corpus.text, corpus.documents, corpus.join)
    for name in corpus.set_aside:
        if name not in all_checks():
            raise UnknownName("check for --set-aside", name, all_checks())
    chosen = lesson(config.objective, config.objective_knobs)
    require_neural("veridical pretrain")
    weights = None if config.model is None else resolve(config.model)
    from veridical.models._pretraining_network import refuse_architecture
    from veridical.train.pretraining import architecture_of

    pair = chosen.has_head("pair")
    if weights is None:
        refuse_architecture(architecture_of(config, chosen), trunk=chosen.trunk, pair_head=pair, where="--architecture")
        _check_tokenizer_name(config)
    else:
        if config.tokenizer != "auto" or config.vocabulary:
            raise InputError(f"--model {config.model} keeps its own tokenizer; leave --tokenizer and --vocabulary out.")
        kind = json.loads((weights.folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        refuse_architecture(kind, trunk=chosen.trunk, pair_head=pair, where=f"--model {config.model}")
    return _Checked(chosen, weights)


def _check_tokenizer_name(config: PretrainConfig) -> None:
    from veridical.models.tokenizer_training import KINDS

    name = config.tokenizer
    if name in ("auto", *KINDS):
        return
    if not (Path(name) / "tokenizer.json").is_file():
        raise UnknownName("tokenizer", name, ("auto", *KINDS), "Or give a folder that holds a tokenizer.json.")
    if config.vocabulary:
        raise InputError(f"--tokenizer {name} is trained already; leave --vocabulary out.")


def _identity(sources: Sequence[Path], corpus: CorpusConfig, config: PretrainConfig) -> dict[str, Any]:
    """What makes two pre-trainings the same: our version, the settings, and the content of every file named."""
    named = {f"TEXT {number}": path for number, path in enumerate(sources, start=1)}
    if corpus.valid:
        named["--valid"] = Path(corpus.valid)
    for option, value in (("--model", config.model), ("--tokenizer", config.tokenizer)):
        if value and Path(value).is_dir():
            named[option] = Path(value)
    settings = {**asdict(corpus), **asdict(config)}
    for left_out in ("valid", "lang", "checkpoint_seconds"):
        del settings[left_out]
    return {
        "verb": "pretrain",
        "veridical": __version__,
        "config": settings,
        "data": {name: content_hash(path) for name, path in named.items()},
    }


@dataclass(frozen=True, eq=False, slots=True)
class _Parted:
    """data: train and test (held out) documents that are used. clusters: (N,) of near-duplicates. leaked: ids of held-out
    documents with a twin in train. n_loaded, n_aside: documents before repairs, and those that these took out."""

    data: "Dataset"
    clusters: "IntArray"
    leaked: frozenset[str]
    n_loaded: int
    n_aside: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Work:
    """One pre-training in one folder."""

    folder: RunFolder
    sources: tuple[Path, ...]
    corpus: CorpusConfig
    config: PretrainConfig
    job: _Checked
    progress: Progress

    @property
    def path(self) -> Path:
        return self.folder.path

    def do(self) -> None:
        """All of it: audit, tokenizer, training, scores, model, record."""
        seconds: dict[str, float] = {}
        began = time.monotonic()
        parted, found = self._parted()
        seconds["audit"] = round(time.monotonic() - began, 3)
        began = time.monotonic()
        tokenizer = self._tokenizer(parted)
        pieces = self._pieces(tokenizer, parted, "train"), self._pieces(tokenizer, parted, "test")
        self._refuse_empty(*pieces)
        if not self.folder.done("prepared"):  # only now: what is refused until here leaves no trace of itself
            self.folder.mark("prepared", found)
        seconds["tokenizer"] = round(time.monotonic() - began, 3)
        from veridical.train.pretraining import PretrainRequest
        from veridical.train.pretraining import pretrain as train

        made = train(
            PretrainRequest(
                self.job.lesson,
                pieces[0],
                tokenizer,
                self.job.weights,
                self.config,
                self.corpus.seed,
                self.path / "checkpoint",
                self.progress,
            )
        )
        seconds["train"] = round(made.seconds, 3)
        began = time.monotonic()
        measures = self._measures(made, tokenizer, parted, *pieces)
        seconds["measure"] = round(time.monotonic() - began, 3)
        self._save_model(made, tokenizer)
        pretrain_record.save(self._record(made, tokenizer, parted, pieces[0], measures, seconds), self.path)

    def _parted(self) -> tuple[_Parted, dict[str, Any]]:
        """The documents, audited, split and repaired: as stored where that is done; and what is to be marked of them."""
        from veridical.dataset import storage

        place = self.path / KEPT_DOCUMENTS
        done = self.folder.marked("prepared") if self.folder.done("prepared") else self._audited(place)
        data = storage.read(place)
        warnings = (*data.warnings, *done["warnings"])
        clusters, leaked = np.asarray(done["clusters"], np.int64), frozenset(done["leaked"])
        return _Parted(data, clusters, leaked, done["n_loaded"], done["n_aside"], warnings), done

    def _audited(self, place: Path) -> dict[str, Any]:
        """Load, split, look, repair; leaves audit.json, findings.parquet, edits.parquet and the documents that are used."""
        from veridical.audit._corpus import audit_corpus
        from veridical.audit._evidence import Evidence
        from veridical.dataset import storage
        from veridical.dataset.corpus import Cut, load_corpus
        from veridical.repair._edit_log import write_edits
        from veridical.repair._edits import apply_edits
        from veridical.repair._found_aside import set_aside_found

        corpus, seed = self.corpus, self.corpus.seed
        held = [Path(corpus.valid)] if corpus.valid else []
        loaded = load_corpus(
            self.sources, cut=Cut(corpus.text, corpus.documents, corpus.join), held_out=held, progress=self.progress
        )
        data, warnings = (loaded, ()) if held else split_off(loaded, share=corpus.valid_share, seed=seed, progress=self.progress)
        for split, what in (("train", "to train on"), ("test", "to hold out")):
            if not len(data.rows(split)):
                raise InputError(f"There is no document {what} among {len(data)}; 2 or more are needed in all. Give more text.")
        evidence = Evidence(data, seed=seed, progress=self.progress)
        audit = audit_corpus(evidence, seed=seed, progress=self.progress)
        records.write_audit(self.path, audit)
        edits = set_aside_found(data, audit, corpus.set_aside)
        kept = apply_edits(data, edits)
        if edits:
            write_edits(edits, self.path / "edits.parquet")
        place_of = {row: at for at, row in enumerate(data.ids)}
        clusters = [int(evidence.clusters[place_of[row]]) for row in kept.ids]
        gone = {edit.row for edit in edits}
        leaked = sorted(_still_leaked(audit, gone))
        storage.save(kept, place)
        return {"clusters": clusters, "leaked": leaked, "n_loaded": len(data), "n_aside": len(edits), "warnings": list(warnings)}

    def _tokenizer(self, parted: _Parted) -> Any:
        """That of the weights, of a folder, or one trained on the train documents; written to the folder once."""
        from veridical.models._encoder_network import open_tokenizer
        from veridical.models.tokenizer_training import TokenizerPlan, train_tokenizer

        if not self.folder.done("prepared"):
            config, decoder = self.config, self.job.lesson.trunk == "decoder"
            self.progress("tokenizer", 0, 1)
            if self.job.weights is not None:
                tokenizer = open_tokenizer(self.job.weights.folder)
            elif Path(config.tokenizer).is_dir() and config.tokenizer not in ("auto", "wordpiece", "bpe", "unigram"):
                tokenizer = open_tokenizer(Path(config.tokenizer))
            else:
                kind = ("bpe" if decoder else "wordpiece") if config.tokenizer == "auto" else config.tokenizer
                plan = TokenizerPlan(kind, config.vocabulary, config.lowercase, not decoder, config.max_length)
                texts = [parted.data.texts[i] for i in parted.data.rows("train")]
                tokenizer = train_tokenizer(texts, plan)
            if any(part.objective.needs_mask for part in self.job.lesson.parts) and tokenizer.mask_token_id is None:
                raise InputError(f"The tokenizer has no mask token, which {self.job.lesson.name} needs. Choose another.")
            self._placed(lambda place: tokenizer.save_pretrained(place))
            self.progress("tokenizer", 1, 1)
        return open_tokenizer(self.path)

    def _placed(self, write: Any) -> None:
        """Files written into a folder beside, then moved to their places one by one."""
        place = self.path / HALF_SAVED
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            write(place)
            for file in sorted(place.iterdir()):
                file.replace(self.path / file.name)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _pieces(self, tokenizer: Any, parted: _Parted, split: str) -> "Pieces":
        from veridical.train.packing import tokenised

        texts = [parted.data.texts[i] for i in parted.data.rows(split)]
        self.progress("tokenise", 0, len(texts))
        found = tokenised(tokenizer, texts, by_sentence=self.job.lesson.by_sentence)
        self.progress("tokenise", len(texts), len(texts))
        return found

    def _refuse_empty(self, train: "Pieces", held: "Pieces") -> None:
        for pieces, what in ((train, "train on"), (held, "hold out")):
            if not len(pieces.document):
                raise InputError(f"The documents to {what} hold no word that the tokenizer knows. Give more text.")
            if not self.job.lesson.by_sentence:
                continue
            n_pairs = int((np.unique(pieces.document, return_counts=True)[1] > 1).sum())
            if n_pairs < 2:
                raise InputError(
                    f"{n_pairs} documents to {what} have two sentences or more; {self.job.lesson.name} needs 2, since it asks "
                    "whether one passage follows another. Make longer documents with --join, or use --objective mlm."
                )

    def _measures(
        self, made: "Pretrained", tokenizer: Any, parted: _Parted, train: "Pieces", held: "Pieces"
    ) -> tuple[Measure, ...]:
        """Scores on held-out documents, and on as many of those trained on."""
        from veridical.core.randomness import stream
        from veridical.train.held_out import answer_frequencies, scores
        from veridical.train.packing import Special, tokenised

        data, special = parted.data, Special.of(tokenizer)
        train_rows, held_rows = data.rows("train"), data.rows("test")
        chosen = train_rows
        if len(chosen) > len(held_rows):
            drawn = stream(0, "train sample").choice(len(train_rows), len(held_rows), replace=False)
            chosen = train_rows[np.sort(drawn)]
        sample = tokenised(tokenizer, [data.texts[i] for i in chosen], by_sentence=self.job.lesson.by_sentence)
        found = []
        frequencies = answer_frequencies(train, special)
        for number, (pieces, rows) in enumerate(((held, held_rows), (sample, chosen))):
            self.progress("held-out text", number, 2)
            found.append(
                scores(
                    made.network,
                    self.job.lesson,
                    pieces,
                    special,
                    n_documents=len(rows),
                    frequencies=frequencies,
                    max_length=self.config.max_length,
                    dtype=made.choices.dtype,
                )
            )
        self.progress("held-out text", 2, 2)
        lossless = _is_lossless(tokenizer, [data.texts[i] for i in held_rows[:50]])
        return tuple(
            _measure(
                part.name,
                found[0][part.name],
                found[1][part.name],
                parted,
                held_rows,
                chosen,
                is_pair=part.objective.head == "pair",
                whole=part.objective.counts_all and lossless,
            )
            for part in self.job.lesson.parts
            if found[0][part.name].wanted.any() and found[1][part.name].wanted.any()
        )

    def _save_model(self, made: "Pretrained", tokenizer: Any) -> None:
        """config.json, model.safetensors and the tokenizer, as transformers opens them."""

        from veridical.models._encoder_network import quiet_transformers

        def write(place: Path) -> None:
            made.network.model.save_pretrained(place)
            tokenizer.save_pretrained(place)

        with quiet_transformers():
            self._placed(write)

    def _record(
        self,
        made: "Pretrained",
        tokenizer: Any,
        parted: _Parted,
        pieces: "Pieces",
        measures: tuple[Measure, ...],
        seconds: dict[str, float],
    ) -> PretrainRecord:
        audit, weights = records.read_audit(self.path), self.job.weights
        return PretrainRecord(
            veridical=__version__,
            objective=self.job.lesson.name,
            architecture=made.network.kind,
            base="" if weights is None else f"{weights.name} {weights.sha256}",
            seed=self.corpus.seed,
            n_documents=parted.n_loaded,
            n_train=len(parted.data.rows("train")),
            n_held_out=len(parted.data.rows("test")),
            n_set_aside=parted.n_aside,
            n_leaked=len(parted.leaked),
            n_tokens=len(pieces.ids),
            vocabulary=len(tokenizer),
            n_parameters=sum(parameter.numel() for parameter in made.network.model.parameters()),
            steps=len(made.losses),
            epochs=round(made.epochs, 3),
            padding=round(made.padding, 6),
            measures=measures,
            audit=tuple(Audited(c.check, c.status, c.n_rows, c.n_found, c.summary, c.why) for c in audit.checks),
            repairs=self.corpus.set_aside,
            curve=_curve(made.losses),
            config={**asdict(self.corpus), **asdict(self.config)},
            fingerprints={"documents": parted.data.fingerprint, **self.folder.identity["data"]},
            choices=made.choices.to_json(),
            seconds=seconds,
            warnings=(*parted.warnings, *made.warnings),
        )


def split_off(data: "Dataset", *, share: float, seed: int, progress: Progress) -> tuple["Dataset", tuple[str, ...]]:
    """About a share of the documents as split test, whole families of near-duplicates; warnings."""
    from veridical.dataset.similarity import clusters, similar_pairs
    from veridical.dataset.splitting import drawn_test

    if len(data) < 2:
        raise InputError(
            f"The text holds {len(data)} document; 2 or more are needed, since one is held out. Give more text, --valid FILE, or "
            "cut it finer with --documents line."
        )
    together, alike = clusters(data, similar_pairs(data, progress=progress)), np.zeros(len(data), np.int64)
    warnings: tuple[str, ...] = ()
    test = drawn_test(together, alike, share, seed)
    if test.all() or not test.any():
        test = drawn_test(np.arange(len(data), dtype=np.int64), alike, share, seed)
        if not test.any() or test.all():
            test = np.arange(len(data)) == len(data) - 1
        if len(np.unique(together)) == 1:
            warnings = (
                f"All {len(data)} documents are one family of near-equal texts, so the held-out ones stand in train too.",
            )
    splits = np.where(test, "test", "train").tolist()
    return data.with_column("split", splits), warnings


def _still_leaked(audit: "AuditRecord", gone: set[str]) -> set[str]:
    """Held-out documents whose twin in train was not set aside, themselves still there. A twin that was set aside as a duplicate
    leaves the one it repeats, so only documents that are gone themselves are taken off."""
    return {finding.row for finding in audit.findings("train_test_overlap") if finding.row not in gone}


def _is_lossless(tokenizer: Any, texts: Sequence[str]) -> bool:
    """Whether these texts can be told from their tokens to the letter: else bits per character would leave something out."""
    coded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return all(tokenizer.decode(ids) == text for ids, text in zip(coded, texts, strict=True))


def _measure(
    name: str,
    held: "Scores",
    train: "Scores",
    parted: _Parted,
    held_rows: "IntArray",
    train_rows: "IntArray",
    *,
    is_pair: bool,
    whole: bool,
) -> Measure:
    from veridical.train import held_out as of

    clusters, others = parted.clusters[held_rows], parted.clusters[train_rows]
    pure = np.array([parted.data.ids[row] not in parted.leaked for row in held_rows])
    some = bool(parted.leaked) and bool(held.wanted[pure].any())
    if is_pair:
        return Measure(
            name,
            "accuracy",
            held_out=of.share(held.right, held.wanted, clusters, name=name),
            unleaked=of.share(held.right[pure], held.wanted[pure], clusters[pure], name=name) if some else None,
            train=of.share(train.right, train.wanted, others, name=name),
            ratio=None,
            floor=of.share(held.floor_right, held.wanted, clusters, name=name),
            bits_per_character=None,
        )
    characters = np.array([len(parted.data.texts[row]) for row in held_rows], dtype=np.float64)
    return Measure(
        name,
        "perplexity",
        held_out=of.perplexity(held.loss, held.wanted, clusters, name=name),
        unleaked=of.perplexity(held.loss[pure], held.wanted[pure], clusters[pure], name=name) if some else None,
        train=of.perplexity(train.loss, train.wanted, others, name=name),
        ratio=of.perplexity_ratio((held.loss, held.wanted, clusters), (train.loss, train.wanted, others), name=name),
        floor=of.perplexity(held.floor_loss, held.wanted, clusters, name=name),
        bits_per_character=of.bits(held.loss, characters, clusters, name=name) if whole else None,
    )


def _curve(losses: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """(step, mean loss since the entry before), at most CURVE_POINTS of them."""
    cuts = np.unique(np.linspace(0, len(losses), min(CURVE_POINTS, len(losses)) + 1).round().astype(int))
    pairs = zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
    return tuple((end, round(float(np.mean(losses[start:end])), 6)) for start, end in pairs)
