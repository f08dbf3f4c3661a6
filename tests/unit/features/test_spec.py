"""Specs: what is written comes back shortest, what is wrong is named."""

import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import pytest

from recue.core.errors import ConfigError, UnknownNameError
from recue.features import PROFILES, load_backbone, load_source, weights_needed
from recue.features.spec import build_config, format_spec, split_spec


@dataclass(frozen=True)
class Toy:
    rate: Fraction = Fraction(25)
    size: int = 224
    stride: Literal[4, 8] = 8
    runtime: Literal["torch", "onnx"] = "torch"
    weight: float = 0.3
    fast: bool = False
    word: str = ""


@pytest.mark.parametrize(
    ("written", "shortest"),
    [
        ("toy", "toy"),
        ("toy:", "toy"),
        (" toy : size = 160 ,rate=12.5", "toy:rate=25/2,size=160"),
        ("toy:stride=8,fast=no", "toy"),
        ("toy:fast=true,stride=4,runtime=onnx", "toy:stride=4,runtime=onnx,fast=yes"),
        ("toy:weight=0.25,word=a b", "toy:weight=0.25,word=a b"),
    ],
)
def test_there_and_back(written: str, shortest: str) -> None:
    name, options = split_spec(written)
    config = build_config(Toy, name, options)
    assert format_spec(name, config) == shortest
    assert build_config(Toy, *split_spec(shortest)) == config


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("toy:size", r"'size' in 'toy:size' is not an option"),
        ("toy:=3", r"is not an option"),
        ("toy:size=", r"is not an option"),
        ("toy:size=1,size=2", r"gives size twice"),
        ("toy:sze=1", r"no option 'sze'; did you mean 'size'"),
        ("toy:size=big", r"toy:size is a whole number, got 'big'"),
        ("toy:rate=1/0", r"toy:rate is a number or a fraction"),
        ("toy:stride=2", r"toy:stride is one of 4, 8, got '2'"),
        ("toy:fast=maybe", r"toy:fast is yes or no"),
        ("toy:weight=x", r"toy:weight is a number"),
    ],
)
def test_what_is_wrong_is_named(spec: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_config(Toy, *split_spec(spec))


def test_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'i3d'"):
        load_backbone("i3")
    with pytest.raises(ConfigError, match="cannot encode video itself"):
        load_backbone("precomputed:step_s=1")
    assert load_source("precomputed:step_s=1").step_s == 1


@pytest.mark.parametrize(
    "spec",
    [
        "i3d:size=100",
        "i3d:size=0",
        "i3d:rate=0",
        "efficientnet-lite:size=16",
        "efficientnet-lite:per_step=0",
        "efficientnet-lite:rate=-1",
        "i3d+efficientnet-lite:weight=2",
        "i3d+efficientnet-lite:per_step=9",
        "i3d+efficientnet-lite:size=100",
        "precomputed",
        "precomputed:step_s=-1",
        "precomputed:step_s=1,dim=-1",
    ],
)
def test_settings_that_make_no_sense(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"got|needs"):
        load_source(spec)


def test_weights_needed() -> None:
    assert weights_needed("i3d") == ("i3d-kinetics400",)
    assert weights_needed("i3d+efficientnet-lite:variant=2") == ("i3d-kinetics400", "efficientnet-lite2-imagenet")
    assert weights_needed("precomputed:step_s=1") == ()


def test_profiles() -> None:
    assert list(PROFILES) == ["fast", "balanced", "accurate"]
    for name, profile in PROFILES.items():
        backbone = load_backbone(name)
        assert backbone.name == load_backbone(profile.spec).name
        assert backbone.name == load_backbone(backbone.name).name
        assert weights_needed(name) == weights_needed(profile.spec)
        assert profile.summary
    assert len({load_backbone(name).fingerprint for name in PROFILES}) == 3


def test_asking_for_a_backbone_loads_no_engine() -> None:
    asks = "import sys, recue.features as f; f.load_backbone('accurate').fingerprint; f.weights_needed('fast')"
    loaded = "print([name for name in ('torch', 'openvino', 'onnxruntime', 'av') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{asks}; {loaded}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
