"""Rows hold all of the text, once; segments of a row know nothing of each other: by gradient, and by the loss itself."""

import random

import numpy as np
import pytest
import torch

from veridical.core.randomness import stream
from veridical.models._pretraining_network import ARCHITECTURES, PretrainingNetwork, Shape, from_scratch, mask_of, tensors
from veridical.train._objectives import lesson
from veridical.train.packing import Pieces, Segment, Special, packed, rows_of, shown, steps_of, tokenised
from veridical.train.pretraining import asked_of, loss_of

SPECIAL = Special(pad=0, open=2, close=3, mask=4, ordinary=np.arange(5, 40), size=40)


def pieces_of(lengths: list[int]) -> Pieces:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.arange(starts[-1]) % 35 + 5
    return Pieces(ids, np.concatenate([np.arange(n) // 2 for n in lengths]), starts, np.arange(len(lengths)))


def a_network(kind: str) -> PretrainingNetwork:
    """A random one of each architecture that pre-training knows."""
    import transformers as hf

    torch.manual_seed(0)
    if kind in ("bert", "gpt2", "llama"):
        return from_scratch(Shape(kind, 2, 16, 2, 64, 40, 0, 2, 3, 0.0), pair_head=False, token_head=True).eval()
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    common = {"vocab_size": 40, "pad_token_id": 0, **sizes}
    if kind == "qwen2":
        config = hf.Qwen2Config(**common, num_key_value_heads=2)
        return PretrainingNetwork(hf.AutoModelForCausalLM.from_config(config), kind=kind).eval()
    config = hf.AutoConfig.for_model(kind, **common, max_position_embeddings=70)
    return PretrainingNetwork(hf.AutoModelForMaskedLM.from_config(config), kind=kind).eval()


def test_all_of_the_text_stands_in_the_rows_once():
    rng = random.Random(0)
    pieces = pieces_of([rng.randint(1, 50) for _ in range(200)])
    rows = rows_of(pieces, "packed", max_length=24, rng=stream(0, "test"))
    spans = sorted(span for row in rows for segment in row for span in segment.spans)
    assert [start for start, _ in spans][1:] == [end for _, end in spans][:-1]
    assert (spans[0][0], spans[-1][1]) == (0, len(pieces.ids))
    assert all(sum(segment.length for segment in row) <= 24 for row in rows)
    documents = [segment.document for row in rows for segment in row]
    assert set(documents) == set(range(200))


def test_little_is_padded():
    rng = random.Random(1)
    pieces = pieces_of([rng.randint(2, 40) for _ in range(600)])
    rows = rows_of(pieces, "packed", max_length=64, rng=stream(0, "test"))
    given = shown(rows, pieces, SPECIAL)
    assert given.n_tokens / given.ids.size > 0.97


def test_positions_restart_and_words_do_not_run_together():
    pieces = pieces_of([3, 2])
    given = shown([(Segment(((0, 3),), 0), Segment(((3, 5),), 1))], pieces, SPECIAL)
    assert given.ids.tolist() == [[2, 5, 6, 7, 3, 2, 8, 9, 3]]
    assert given.segment.tolist() == [[1, 1, 1, 1, 1, 2, 2, 2, 2]]
    assert given.positions.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2, 3]]
    assert given.words.tolist() == [[-1, 0, 0, 1, -1, -1, 2, 2, -1]]
    assert given.owner.tolist() == [[0] * 5 + [1] * 4]


def leak(network: PretrainingNetwork, given, name: str, *, mask=None) -> tuple[float, float]:
    """Largest gradient of the first document's losses at the embeddings of the second, and at its own."""
    chosen = lesson(name)
    left, asked = asked_of(given, chosen.turns[0], SPECIAL, lambda part: stream(1, part))
    table, kept = network.trunk.get_input_embeddings(), []
    hook = table.register_forward_hook(lambda _m, _a, output: kept.append(output.detach().requires_grad_()) or kept[-1])
    try:
        losses = loss_of(network, left, asked)
    finally:
        hook.remove()
    (_, wanted), loss = asked[0], losses[0]
    first = torch.from_numpy(wanted.owner == 0)
    assert first.any()
    loss[first].sum().backward()
    size = kept[0].grad.abs().amax(-1)
    owner = torch.from_numpy(left.owner)
    return float(size[owner == 1].max()), float(size[owner == 0].max())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_no_loss_depends_on_another_documents_embeddings(kind, attention):
    network = a_network(kind)
    network.set_attention(attention)
    pieces = pieces_of([9, 8])
    given = shown([(Segment(((9, 17),), 1), Segment(((0, 9),), 0))], pieces, SPECIAL)
    name = "clm" if ARCHITECTURES[kind].decoder else "mlm"
    other, own = leak(network, given, name)
    assert other == 0.0
    assert own > 0.0


def test_the_gradient_does_see_a_mask_that_leaks(monkeypatch):
    """The same, with the mask of a row that is one document: the test above can fail."""
    import veridical.models._pretraining_network as module

    network = a_network("bert")
    monkeypatch.setattr(module, "mask_of", lambda segment, *, sees: mask_of((segment > 0).long(), sees=sees))
    given = shown([(Segment(((9, 17),), 1), Segment(((0, 9),), 0))], pieces_of([9, 8]), SPECIAL)
    assert leak(network, given, "mlm")[0] > 0.0


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_packed_is_as_alone(kind):
    """A document has the same states in a packed row as in a row of its own that transformers masks by itself."""
    network, pieces = a_network(kind), pieces_of([9, 6, 4])
    segments = [Segment(((0, 9),), 0), Segment(((9, 15),), 1), Segment(((15, 19),), 2)]
    (row,) = packed(segments, 64)
    given = shown([row], pieces, SPECIAL)
    sees = "left" if ARCHITECTURES[kind].decoder else "both"
    with torch.no_grad():
        arrays = (given.ids, given.segment, given.positions, given.types)
        together = network.states(*tensors(arrays, network.device), sees=sees)[0]
        for document in range(3):
            at = torch.from_numpy(given.owner[0] == document)
            ids = torch.from_numpy(given.ids)[:, at]
            alone = network.trunk(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
            assert torch.allclose(together[at], alone, atol=1e-5)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_bfloat16_says_nearly_the_same(kind, attention):
    """Both kernels take the float32 mask under autocast."""
    network, given = a_network(kind), shown([(Segment(((9, 17),), 1), Segment(((0, 9),), 0))], pieces_of([9, 8]), SPECIAL)
    network.set_attention(attention)
    chosen = lesson("clm" if ARCHITECTURES[kind].decoder else "mlm")
    left, asked = asked_of(given, chosen.turns[0], SPECIAL, lambda part: stream(1, part))
    losses = []
    for enabled in (False, True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(loss_of(network, left, asked)[0])
    assert torch.allclose(losses[0], losses[1], atol=0.05)
    assert not torch.equal(losses[0], losses[1])


def test_padding_changes_nothing():
    network, pieces = a_network("bert"), pieces_of([9, 3])
    short, long = (Segment(((9, 12),), 1),), (Segment(((0, 9),), 0),)
    with torch.no_grad():
        both, alone = (shown(rows, pieces, SPECIAL) for rows in ([short, long], [short]))
        a, b = (
            network.states(*tensors((g.ids, g.segment, g.positions, g.types), network.device), sees="both") for g in (both, alone)
        )
    assert torch.allclose(a[0, :5], b[0], atol=1e-6)


def test_steps_hold_all_rows_and_keep_the_budget():
    pieces = pieces_of([5] * 100)
    rows = rows_of(pieces, "single", max_length=16, rng=stream(0, "x"))
    steps = steps_of(rows, token_budget=64, seed=0, epoch=0)
    assert sum(len(step) for step in steps) == 100
    assert max(sum(s.length for row in step for s in row) for step in steps) <= 64
    assert steps != steps_of(rows, token_budget=64, seed=0, epoch=1)


def test_pairs_follow_as_often_as_not_and_say_so_rightly(tokenizer, stories):
    pieces = tokenised(tokenizer, stories * 20, by_sentence=True)
    rows = rows_of(pieces, "pairs", max_length=32, rng=stream(2, "pairs"))
    segments = [row[0] for row in rows]
    n = len(segments)
    following = np.array([segment.follows for segment in segments])
    assert n > 1500
    assert abs(following.mean() - 0.5) < 4 * 0.5 / np.sqrt(n)
    of_token = np.repeat(pieces.document, pieces.lengths)
    for segment in segments:
        (a, b), (c, _) = segment.spans
        assert of_token[a] == segment.document
        assert (segment.follows == 1) == (c == b or of_token[c] == of_token[a])
        assert segment.length <= 32


def test_words_are_the_tokenizers_and_chinese_ones_are_jiebas(tokenizer):
    from veridical.models.tokenizer_training import TokenizerPlan, train_tokenizer

    chinese = train_tokenizer(
        ["我们喜欢北京的冬天", "北京冬天的风", "我们的天"] * 3,
        TokenizerPlan("wordpiece", 0, lowercase=True, ends=True, max_length=32),
    )
    pieces = tokenised(chinese, ["我们喜欢 abc 北京"], by_sentence=False)
    tokens = chinese.convert_ids_to_tokens(pieces.ids.tolist())
    words = dict(zip(tokens, pieces.words.tolist(), strict=True))
    assert words["我"] == words["们"] != words["北"] == words["京"]
    rare = tokenised(tokenizer, ["kingwentgold old"], by_sentence=False)
    assert len(set(rare.words.tolist())) == 2 < len(rare.ids)
