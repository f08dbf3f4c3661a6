"""The seam to Lightning Fabric: devices, precision, and the one module that it wraps."""

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from recue.core.errors import ConfigError, MissingExtraError
from recue.models.pairs import PairBatch, PairTargets
from recue.models.saved import TrainedModel
from recue.training.config import TrainingSettings
from recue.training.optimizers import brings_its_own

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class LossModule(nn.Module):
    """What Fabric wraps: from features and truths to one loss, so that precision and gradients are its business."""

    def __init__(self, trained: TrainedModel) -> None:
        super().__init__()
        self.trained = trained

    def forward(self, batch: PairBatch, targets: PairTargets, name: str) -> Tensor:
        """The loss that the optimizer of that name follows."""
        batch = self.trained.inputs.batch(batch)
        model: Any = self.trained.model
        if brings_its_own(model):
            loss: Tensor = model.training_step(batch, targets, name)
            return loss
        return self.trained.model.loss(model(batch), batch, targets)


def make_fabric(settings: TrainingSettings, *, partial: bool) -> "Fabric":
    """Lightning Fabric for the devices and the precision of a config; other devices get processes of their own.

    Args:
        settings: Of the training.
        partial: A pass leaves some parameters without a gradient, as with several optimizers.

    Raises:
        ConfigError: this machine has no such devices, or they no such precision.
        MissingExtraError: Lightning Fabric is not installed.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingExtraError("lightning-fabric", "research", "training") from error
    strategy = "auto" if settings.devices == 1 else "ddp_find_unused_parameters_true" if partial else "ddp"
    try:
        fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=settings.precision,
            strategy=strategy,
        )
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"no training with accelerator={settings.accelerator}, devices={settings.devices}, "
            f"precision={settings.precision} on this machine: {error}"
        ) from error
    fabric.launch()
    return fabric
