"""The optimizer of a config, or those that a model brings, in their order."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from recue.core.errors import ConfigError
from recue.training.config import TrainingSettings


def brings_its_own(model: object) -> bool:
    """Whether a model, or a class of models, has a training step and optimizers of its own."""
    return hasattr(model, "optimizers")


def make_optimizers(model: nn.Module, settings: TrainingSettings) -> dict[str, Optimizer]:
    """Optimizers by name, in the order in which they step; the one of a config has an empty name.

    Raises:
        ConfigError: the model brings none at all.
    """
    if brings_its_own(model):
        own: Any = model
        made = dict(own.optimizers(settings))
        if not made:
            raise ConfigError(f"the model {type(model).__name__} names no optimizer; it needs one or more")
        return made
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "sgd":
        return {"": torch.optim.SGD(parameters, lr=rate, weight_decay=decay, momentum=0.9)}
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    return {"": kind(parameters, lr=rate, weight_decay=decay)}
