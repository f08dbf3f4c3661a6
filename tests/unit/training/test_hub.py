import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from recue.core.errors import ConfigError, MissingExtraError, WeightsError
from recue.models.saved import CheckpointConfig, build_trained, load_trained, write_config, write_weights
from recue.training import hub
from recue.training.card import write_card


class FakeHub(ModuleType):
    """Repositories as folders, one a revision, with the calls and arguments of the real package."""

    def __init__(self, root: Path) -> None:
        super().__init__("huggingface_hub")
        self.root = root
        self.private: dict[str, bool] = {}
        self.HfApi = lambda: self

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool, repo_type: str) -> SimpleNamespace:
        assert exist_ok
        assert repo_type == "model"
        repo_id = repo_id if "/" in repo_id else f"me/{repo_id}"
        self.private.setdefault(repo_id, private)
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(
        self, *, repo_id: str, folder_path: str, allow_patterns: list[str], revision: str | None, commit_message: str
    ) -> SimpleNamespace:
        target = self.root / repo_id / (revision or "main")
        target.mkdir(parents=True, exist_ok=True)
        for name in allow_patterns:
            shutil.copy(Path(folder_path) / name, target / name)
        return SimpleNamespace(oid="c0ffee")

    def snapshot_download(
        self, repo_id: str, *, revision: str | None, allow_patterns: list[str], local_dir: str
    ) -> str:
        source = self.root / repo_id / (revision or "main")
        if not source.is_dir():
            raise OSError(f"404: no repository {repo_id}\nmore words")
        (Path(local_dir) / ".cache").mkdir(parents=True)
        for name in allow_patterns:
            shutil.copy(source / name, Path(local_dir) / name)
        return local_dir


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    made = FakeHub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", made)
    return made


@pytest.fixture
def net(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = CheckpointConfig("stepwise", {}, 4, {"name": "made", "fingerprint": "made"})
    directory = tmp_path / "net"
    (directory / "training").mkdir(parents=True)
    (directory / "training" / "log.csv").write_text("step\n")
    write_config(directory, config)
    write_weights(directory, build_trained(config), {"step": 3, "figures": {}})
    write_card(directory)
    return directory


def test_what_is_pushed_can_be_pulled(fake: FakeHub, net: Path, tmp_path: Path) -> None:
    pushed = hub.push(net, "net", private=True)
    assert (pushed.repo, pushed.revision, fake.private) == ("me/net", "c0ffee", {"me/net": True})
    pulled = hub.pull("me/net", tmp_path / "got" / "it", sha256=pushed.sha256.upper())
    assert (pulled.directory, pulled.sha256) == (tmp_path / "got" / "it", pushed.sha256)
    names = sorted(path.name for path in pulled.directory.iterdir())
    assert names == ["README.md", "config.json", "model.safetensors"], "the log and the optimizers stay at home"
    assert [path.name for path in pulled.directory.parent.iterdir()] == ["it"]
    one, other = load_trained(net).state_dict(), load_trained(pulled.directory).state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_other_weights_than_asked_for_are_not_kept(fake: FakeHub, net: Path, tmp_path: Path) -> None:
    hub.push(net, "me/net")
    with pytest.raises(WeightsError, match="expected 00; nothing was kept"):
        hub.pull("me/net", tmp_path / "got", sha256="00")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hub", "net"]


def test_damage_on_the_way_is_seen_and_not_kept(fake: FakeHub, net: Path, tmp_path: Path) -> None:
    hub.push(net, "me/net")
    (fake.root / "me/net/main/model.safetensors").write_bytes(b"damage")
    with pytest.raises(WeightsError, match="is damaged"):
        hub.pull("me/net", tmp_path / "got")
    (fake.root / "me/net/main/config.json").write_text("{}")
    with pytest.raises(ConfigError, match="no checkpoint of recue"):
        hub.pull("me/net", tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_what_is_there_is_replaced_only_when_asked_and_only_a_checkpoint(
    fake: FakeHub, net: Path, tmp_path: Path
) -> None:
    hub.push(net, "me/net", revision="v1")
    with pytest.raises(WeightsError, match=r"could not be pulled: 404: no repository me/net$"):
        hub.pull("me/net", tmp_path / "got")
    (tmp_path / "got").mkdir(exist_ok=True)
    hub.pull("me/net", tmp_path / "got", revision="v1")
    with pytest.raises(ConfigError, match="exists; choose another place"):
        hub.pull("me/net", tmp_path / "got", revision="v1")
    hub.pull("me/net", tmp_path / "got", revision="v1", force=True)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "mine.txt").touch()
    with pytest.raises(ConfigError, match="exists; choose another place"):
        hub.pull("me/net", tmp_path / "papers", revision="v1", force=True)
    assert (tmp_path / "papers" / "mine.txt").exists()


def test_a_refusal_of_the_hub_is_one_line(fake: FakeHub, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise RuntimeError("401: log in first\ntrace")

    monkeypatch.setattr(FakeHub, "upload_folder", refuse)
    with pytest.raises(WeightsError, match=r"could not be pushed to 'me/net': 401: log in first$"):
        hub.push(net, "me/net")


def test_what_is_no_checkpoint_is_not_pushed(fake: FakeHub, net: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no checkpoint"):
        hub.push(tmp_path, "me/net")
    (net / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="not whole"):
        hub.push(net, "me/net")
    with pytest.raises(WeightsError, match="not whole"):
        hub.weights_sha256(net)


def test_without_the_package_the_way_to_it_is_told(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: hub.push(net, "me/net"), lambda: hub.pull("me/net", tmp_path / "got")):
        with pytest.raises(MissingExtraError, match=r"pip install 'recue\[hub\]'"):
            call()
