import re
from pathlib import Path

import pytest

from recue.core.errors import ConfigError
from recue.models import MODELS
from recue.models.pairs import build_model
from recue.training.config import TrainConfig, differences, load_config, make_config

CONFIGS = sorted((Path(__file__).parents[3] / "configs").rglob("*.toml"))


def test_every_config_loads_and_its_model_can_be_made() -> None:
    assert len(CONFIGS) == 12
    for path in CONFIGS:
        config = load_config(path)
        build_model(config.model.name, dim=8, options=config.model.options)
        assert path.stem.startswith(config.model.name)
        assert config.data.spec == ""


def test_the_published_values() -> None:
    config = load_config(next(path for path in CONFIGS if path.name == "cross-gated.toml"))
    training = config.training
    assert (training.optimizer, training.learning_rate, training.batch) == ("adam", 1e-3, 128)
    assert (training.steps, training.clip, config.data.crop) == (1000, 5.0, 0.9)


def test_nothing_said_is_the_defaults() -> None:
    assert make_config({}) == TrainConfig()


def test_values_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[model]\nname = "sst"\n[model.options]\nn_hidden = 4\n[training]\nsteps = 5\n')
    config = load_config(
        path,
        ["training.steps=0", "training.epochs=2", "model.options.n_anchors=3", "data.spec=a:b,c=d", "training.clip=2"],
        data=None,
    )
    assert (config.training.steps, config.training.epochs) == (0, 2)
    assert config.model.options == {"n_hidden": 4, "n_anchors": 3}
    assert config.data.spec == "a:b,c=d"
    assert config.training.clip == 2.0
    assert load_config(path, ["data.spec=a:b"], data="x:y").data.spec == "x:y"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["training.step=5"], "no setting 'training.step'; did you mean 'training.steps'?"),
        (["trainings.steps=5"], "no setting 'trainings'; did you mean 'training'?"),
        (["training.steps"], "'training.steps' sets nothing"),
        (["steps=3"], "'steps=3' sets nothing"),
        (["training.steps.x=3"], "'steps' is a value, not a section"),
        (["training.steps=many"], "training.steps is a whole number, got 'many'"),
        (["training.steps=true"], "training.steps is a whole number, got True"),
        (["training.learning_rate=fast"], "training.learning_rate is a number, got 'fast'"),
        (["training.learning_rate=0"], "above 0"),
        (["training.optimizer=adm"], "one of adam, adamw, sgd, got 'adm'"),
        (["training.batch=0"], "training.batch is 1 or more"),
        (["training.epochs=1"], "either training.steps or training.epochs"),
        (["training.steps=0"], "either training.steps or training.epochs"),
        (["data.crop=1.5"], "data.crop is a share"),
        (["data.pca=-1"], "data.pca is 0 or more"),
        (["data.one_truth=1"], "data.one_truth is true or false"),
        (["model.options=3"], "model.options is a section"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        make_config({"training": {"steps": 3}}, overrides)


def test_a_section_that_is_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"write \[training\]"):
        make_config({"training": 3})


def test_a_file_that_is_no_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no config"):
        load_config(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("[training\n")
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        load_config(tmp_path / "bad.toml")


def test_what_was_given_is_not_changed() -> None:
    document = {"training": {"steps": 3}}
    make_config(document, ["training.steps=4"])
    assert document == {"training": {"steps": 3}}


def test_a_resolved_config_reads_back() -> None:
    config = make_config({}, ["training.seed=4", "model.options.gate=false"])
    assert make_config(config.document()) == config
    assert differences(config, make_config(config.document())) == []


def test_the_documentation_names_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
    defaults = TrainConfig().document()
    for section in ("model", "data", "training"):
        for name, value in defaults[section].items():
            (line,) = (line for line in page.splitlines() if line.startswith("| ") and f"`{section}.{name}`" in line)
            said = [word.strip("` ") for word in line.split("|")[2].split(",")]
            names = [word.strip("` ") for word in line.split("|")[1].split(",")]
            shown = said[names.index(f"{section}.{name}")]
            if isinstance(value, bool):
                assert shown == str(value).lower(), line
            elif isinstance(value, int | float):
                assert float(shown) == value, line
            else:
                assert shown == (value or ""), line


def test_every_model_has_a_config() -> None:
    assert {load_config(path).model.name for path in CONFIGS} == {"cross-gated", "sst", "video-level"}
    assert {"cross-gated", "sst", "video-level"} <= set(MODELS.names())
