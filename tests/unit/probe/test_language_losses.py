"""Loss of the language head before and after tuning: known answers for masked and causal heads. Needs torch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_encoder import TINY
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import Skipped
from veridical.models._encoder_network import EncoderClassifier, open_encoder
from veridical.models.language_losses import NO_HEAD, NOT_ITS_OWN, LanguageHead, language_head, language_losses
from veridical.models.queries import Queries
from veridical.models.weights import resolve
from veridical.probe._no_evidence import written
from veridical.probe._runner import run_probe
from veridical.probe._subject import Recipe, Subject
from veridical.probe.forgetting import probe
from veridical.train.training import train

FACTS = written()["facts"]["en"]
PLAIN = [*FACTS, *[text for texts in written()["domains"]["en"].values() for text in texts]]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
KINDS = ("bert", "gpt2", "llama")


def _tokenizer(*, ends: bool):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    cut, lower = pre_tokenizers.Whitespace(), normalizers.Lowercase()
    said = {word for text in PLAIN for word, _ in cut.pre_tokenize_str(text.lower())}
    entries = [*SPECIAL, *sorted(said | {"good", "bad"} | {f"w{k}" for k in range(20)})]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(entries)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = lower, cut
    single, pair = ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1") if ends else ("[CLS] $A", "[CLS] $A $B")
    made.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def _model(kind: str, size: int):
    import transformers as hf

    if kind == "gpt2":
        return hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=64))
    common = {"vocab_size": size, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    if kind == "llama":
        return hf.LlamaForCausalLM(hf.LlamaConfig(**common, max_position_embeddings=64, tie_word_embeddings=True, pad_token_id=0))
    head = hf.BertLMHeadModel if kind == "bert, causal by name" else hf.BertForMaskedLM
    return head(hf.BertConfig(**common, max_position_embeddings=64))


def _taught(model, kind: str, tokenizer, *, steps: int):
    """Learns the plain sentences, so that there is something to forget."""
    import torch

    coded = tokenizer(PLAIN, padding=True, padding_side="right", return_tensors="pt")
    ids, mask = coded["input_ids"], coded["attention_mask"]
    step = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(steps):
        labels, asked = ids.masked_fill(mask == 0, -100), ids
        if kind == "bert":
            hidden = (torch.rand(ids.shape) < 0.3) & (ids >= len(SPECIAL))
            labels, asked = ids.masked_fill(~hidden, -100), ids.masked_fill(hidden, tokenizer.mask_token_id)
        step.zero_grad()
        model(input_ids=asked, attention_mask=mask, labels=labels).loss.backward()
        step.step()
    return model.eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    import torch

    made = {}
    for kind in KINDS:
        folder, tokenizer = tmp_path_factory.mktemp(kind), _tokenizer(ends=kind == "bert")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _taught(_model(kind, len(tokenizer)), kind, tokenizer, steps=60).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        made[kind] = folder
    return made


def _head(folder: Path) -> LanguageHead:
    head = language_head(folder)
    assert isinstance(head, LanguageHead)
    return head


def _by_hand(folder: Path, text: str, change=lambda model: None) -> float:
    """From the logits that transformers gives for this text alone, in numpy. change: what is done to the model first."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    tokenizer, causal = AutoTokenizer.from_pretrained(folder), "bert" not in str(folder)
    model = (AutoModelForCausalLM if causal else AutoModelForMaskedLM).from_pretrained(folder).eval()
    change(model)
    ids, losses = tokenizer(text)["input_ids"], []
    for at in range(1, len(ids)):
        if ids[at] < len(SPECIAL):
            continue
        shown = ids[:at] if causal else [*ids[:at], tokenizer.mask_token_id, *ids[at + 1 :]]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([shown])).logits[0, -1 if causal else at].double().numpy()
        losses.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[ids[at]])
    return float(np.mean(losses))


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_the_base_is_the_one_computed_by_hand(folders, kind):
    head, texts = _head(folders[kind]), ["w1 the bridge is long", "Salt dissolves in water.", "zzz qqq"]
    found = head.losses(texts, max_length=32)
    assert head.kind == ("masked" if kind == "bert" else "causal")
    assert found[:2] == pytest.approx([_by_hand(folders[kind], text) for text in texts[:2]], abs=1e-5)
    assert np.isnan(found[2])  # every token is unknown
    assert found[1] < found[0] < 2 * np.log(len(head.tokenizer))  # one was learned, the other was not


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_causal_head_foretells_the_next_token_as_transformers_counts_it_and_padding_counts_for_nothing(folders, kind):
    import torch

    head = _head(folders[kind])
    together = head.losses(PLAIN, max_length=32)
    alone = np.concatenate([head.losses([text], max_length=32) for text in PLAIN])
    assert together == pytest.approx(alone, abs=1e-5)
    ids = torch.tensor([head.tokenizer(PLAIN[0])["input_ids"]])
    with torch.inference_mode():
        given = head.model(input_ids=ids, labels=ids)
    assert together[0] == pytest.approx(float(given.loss), abs=1e-5)
    unshifted = torch.nn.functional.cross_entropy(given.logits[0].float(), ids[0])
    assert abs(together[0] - float(unshifted)) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_unchanged_weights_lose_exactly_nothing_and_damaged_ones_what_the_library_says(folders, kind):
    import torch

    def damaged(network):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(0.7)

    encoder = open_encoder(folders[kind], dropout=0.0, attention="eager")
    same = language_losses(folders[kind], FACTS, encoder=encoder, max_length=32)
    assert not isinstance(same, Skipped)
    assert np.array_equal(same[1], same[2])
    damaged(encoder)
    found = language_losses(folders[kind], FACTS, encoder=encoder, max_length=32)
    assert not isinstance(found, Skipped)
    _, before, after = found
    assert np.array_equal(before, same[1])
    expected = [_by_hand(folders[kind], text, lambda model: damaged(model.base_model)) for text in FACTS[:5]]
    assert after[:5] == pytest.approx(expected, abs=1e-4)
    assert (after - before).mean() > 0.5


def test_where_there_is_no_such_head_or_it_does_not_fit_that_is_said(folders, tiny_bert, tmp_path):
    encoder = open_encoder(folders["llama"], dropout=0.0, attention="eager")
    assert language_head(resolve(tiny_bert).folder) is NO_HEAD
    assert language_losses(folders["gpt2"], FACTS, encoder=encoder, max_length=32) is NOT_ITS_OWN
    encoder.resize_token_embeddings(encoder.config.vocab_size + 4)
    assert language_losses(folders["llama"], FACTS, encoder=encoder, max_length=32) is NOT_ITS_OWN
    # A head that is causal by name alone sees the token that it is asked for.
    tokenizer = _tokenizer(ends=True)
    tokenizer.save_pretrained(tmp_path)
    _model("bert, causal by name", len(tokenizer)).save_pretrained(tmp_path)
    assert language_head(tmp_path) is NO_HEAD


@pytest.fixture(scope="module")
def rows():
    rng, found = np.random.default_rng(0), []
    for i in range(320):
        good = bool(rng.random() < 0.5)
        text = " ".join([*[f"w{k}" for k in rng.integers(0, 20, 8)], "good" if good else "bad"])
        found.append((str(i), "train" if i < 200 else "test", text, "pos" if good else "neg"))
    return dataset(found)


def _subject(rows, folder: Path) -> Subject:
    config = replace(TINY, epochs=1)
    trained = train(rows, model=str(folder), config=config, seed=0)
    return Subject(trained, Evidence(rows, seed=0), Queries(trained.model), Recipe(str(folder), (), config), budget="quick")


def _with(subject: Subject, encoder) -> Subject:
    model = replace(subject.model, network=EncoderClassifier(encoder, n_classes=2, seed=0))
    return replace(subject, trained=replace(subject.trained, model=model))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_forgotten_of_language_is_found_at_its_size_and_an_unchanged_encoder_is_silent(folders, rows, kind):
    import torch

    folder = folders[kind]
    tuned, head = _subject(rows, folder), _head(folder)
    encoder = open_encoder(folder, dropout=0.0, attention="eager")
    silent = run_probe("forgetting", probe, subject=_with(tuned, encoder)).measure("language_loss_rise")
    assert silent is not None
    assert (silent.estimate.value, silent.estimate.low, silent.estimate.high) == (0.0, 0.0, 0.0)
    assert silent.status == "not_detected"
    # Planted: the last layer says nothing, so that the head gives every text the same odds.
    last = {
        "bert": lambda: encoder.encoder.layer[-1].output.LayerNorm,
        "gpt2": lambda: encoder.ln_f,
        "llama": lambda: encoder.norm,
    }
    with torch.no_grad():
        for parameter in last[kind]().parameters():
            parameter.zero_()
    found = run_probe("forgetting", probe, subject=_with(tuned, encoder)).measure("language_loss_rise")
    assert found is not None
    before = head.losses(PLAIN, max_length=TINY.max_length).mean()
    assert head.takes(encoder)
    after = np.log(len(head.tokenizer)) if kind != "bert" else head.losses(PLAIN, max_length=TINY.max_length).mean()
    assert found.estimate.value == pytest.approx(after - before, abs=1e-4)
    assert found.status == "found"
    assert found.estimate.low > 1
    assert ("those before it" in found.about) == (kind != "bert")


def test_a_decoder_that_pretrain_made_is_read_after_tuning(rows, tmp_path):
    from veridical.pipeline.pretraining import pretrain
    from veridical.train.pretrain_config import PretrainConfig

    (tmp_path / "plain.txt").write_text("\n\n".join(PLAIN * 3), encoding="utf-8")
    small = PretrainConfig(
        objective="clm", layers=1, width=16, heads=2, max_length=32, token_budget=256, steps=30, dtype="float32",
        attention="eager", threads=1, checkpoint_seconds=0.0, learning_rate=1e-2,
    )  # fmt: skip
    folder, _ = pretrain([tmp_path / "plain.txt"], config=small, out=tmp_path / "model")
    found = run_probe("forgetting", probe, subject=_subject(rows, folder)).measure("language_loss_rise")
    assert found is not None
    assert "those before it" in found.about
    assert found.estimate.n == len(PLAIN)
    assert np.isfinite(found.estimate.value)
    assert found.estimate.value != 0
