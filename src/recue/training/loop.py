"""The training itself: any pair model on any re-localization dataset, on the CPU or on GPUs.

A training that was stopped, by Ctrl-C, a full disk or a power cut, is resumed from its last saved state and ends with
the weights that it would have had: a step's pairs and its random numbers follow from the seed and the step alone, and
the state of the optimizers is saved bit for bit. (On a GPU, as far as its kernels repeat themselves.)

A model is trained on `loss(forward(batch), batch, targets)` with one optimizer, unless it brings its own way:

    optimizers(settings) -> Mapping[str, Optimizer]     by name, in the order in which they step
    training_step(batch, targets, name) -> Tensor       the loss whose gradient the optimizer of that name follows

Then each step asks for the losses in that order, each computed after the optimizers before it have stepped; each
optimizer touches its own parameters alone.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from recue.core.errors import ConfigError
from recue.datasets.task import Question, RelocalizationDataset
from recue.models import MODELS
from recue.models.pairs import PairBatch, PairTargets
from recue.models.saved import CONFIG, WEIGHTS, build_trained, write_config, write_weights
from recue.search.interrupt import StopSignals
from recue.training.card import write_card
from recue.training.checkpoint import (
    FOLDER,
    Origin,
    Progressed,
    load_state,
    read_progress,
    save_state,
    state_path,
)
from recue.training.config import FREE_TO_CHANGE, TrainConfig, differences, make_config
from recue.training.describe import describe, opening
from recue.training.devices import LossModule, make_fabric
from recue.training.logs import TrainingLog
from recue.training.news import EventKind, TrainingEvent, TrainingReport
from recue.training.optimizers import brings_its_own, make_optimizers
from recue.training.sampler import PairSampler
from recue.training.validate import FIGURES, MEAN, validate, validation_questions

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: A stream of random numbers apart from the sampler's.
_STEP = 4


def train(
    config: TrainConfig,
    dataset: RelocalizationDataset,
    out: Path,
    *,
    resume: bool = False,
    force: bool = False,
    progress: Callable[[TrainingEvent], None] | None = None,
    command: str | None = None,
) -> TrainingReport:
    """Train a network and keep the weights that validate best, or the last ones where nothing is validated.

    Ctrl-C and SIGTERM end it after the step that is running; what it leaves is whole and can be resumed.

    Args:
        config: What and how.
        dataset: On what; with features.
        out: Where the checkpoint goes.
        resume: Go on where a training in `out` stopped; one that has saved nothing yet starts anew.
        force: Start anew over an older training in `out`.
        progress: Called with the news.
        command: For the card; default: the command line of this process.

    Raises:
        ConfigError: settings that make no sense, an `out` that holds a training already, or one to resume that was
            made with other settings or data.
        UnknownNameError: no model has that name.
        MissingExtraError: Lightning Fabric or tensorboardX is not installed.
        WeightsError: the state to go on from is damaged.
    """
    settings = config.training
    fabric = make_fabric(settings, partial=brings_its_own(MODELS.load(config.model.name)))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        with torch.random.fork_rng(), StopSignals() as stop:
            run = _Run(config, dataset, out, fabric, resume=resume, force=force, command=command)
            tell = progress if progress and fabric.is_global_zero else lambda event: None
            return run.go(tell, stop)
    finally:
        torch.set_num_threads(n_threads)


class _Run:
    def __init__(
        self,
        config: TrainConfig,
        dataset: RelocalizationDataset,
        out: Path,
        fabric: "Fabric",
        *,
        resume: bool,
        force: bool,
        command: str | None,
    ) -> None:
        self.config, self.dataset, self.out, self.fabric = config, dataset, out, fabric
        self.settings = settings = config.training
        going_on = resume and state_path(out).is_file()
        if not (resume or force) and (state_path(out).exists() or (out / CONFIG).exists()):
            raise ConfigError(f"'{out}' holds a training; resume it (--resume), or choose another place (--out)")
        data = config.data
        self.sampler = PairSampler.of(
            dataset,
            seed=settings.seed,
            batch=settings.batch,
            crop=data.crop,
            one_truth=data.one_truth,
            max_query_steps=data.max_query_steps,
            max_reference_steps=data.max_reference_steps,
        )
        if settings.batch % fabric.world_size:
            raise ConfigError(f"a batch of {settings.batch} cannot be shared evenly by {fabric.world_size} devices")
        self.n_steps = settings.steps or int(np.ceil(settings.epochs * self.sampler.steps_per_epoch))
        self.questions: tuple[Question, ...] = ()
        if settings.validate_every:
            self.questions = validation_questions(dataset, n=settings.n_validation)
        self.origin = Origin(config.document(), self.sampler.fingerprint)
        if going_on:
            self.progressed = self._resumable()
        else:
            self.progressed = Progressed()
            if force and fabric.is_global_zero:
                for name in (state_path(out), out / WEIGHTS):
                    name.unlink(missing_ok=True)
        described = describe(config, dataset, self.sampler, n_questions=len(self.questions), command=command)
        torch.manual_seed(settings.seed)
        self.trained = build_trained(described)
        # With all options: a checkpoint stays what it is when a default changes.
        self.described = replace(described, options=asdict(self.trained.model.options))
        if self.trained.inputs.options.measured and not going_on:
            self.trained.inputs.fit(self.sampler.vectors())
        self.optimizers = make_optimizers(self.trained.model, settings)
        self.trained.train()
        self.module, *optimizers = fabric.setup(LossModule(self.trained), *self.optimizers.values())
        self.stepping = dict(zip(self.optimizers, optimizers, strict=True))
        if going_on:  # once the parameters lie where they are trained, so that the optimizers' state goes there too
            fabric.strategy.precision.load_state_dict(load_state(out, self.trained, self.optimizers))
        self._losses: list[dict[str, Tensor]] = []
        self._finite = torch.tensor(True, device=fabric.device)
        self.started, self.waiting_s = time.monotonic(), 0.0
        self.saved_step = self.progressed.step if going_on else -1

    def go(self, tell: Callable[[TrainingEvent], None], stop: StopSignals) -> TrainingReport:
        settings, fabric = self.settings, self.fabric
        if fabric.is_global_zero:
            (self.out / FOLDER).mkdir(parents=True, exist_ok=True)
            write_config(self.out, self.described)
        said = opening(
            self.described,
            n_weights=sum(parameter.numel() for parameter in self.trained.parameters()),
            n_steps=self.n_steps,
            batch=settings.batch,
            done=self.progressed.step,
        )
        tell(self._event("started", {}, said))
        ended: Literal["done", "early", "interrupted"] = "early" if self._exhausted() else "done"
        batches = self.sampler.batches(
            self.progressed.step,
            self.n_steps,
            rank=fabric.global_rank,
            world=fabric.world_size,
            prefetch=settings.prefetch,
        )
        with contextlib.closing(batches), self._log() as log:  # type: ignore[type-var]
            while ended == "done" and self.progressed.step < self.n_steps:
                asked = time.monotonic()
                batch, targets = next(batches)
                self.waiting_s += time.monotonic() - asked
                self._step(fabric.to_device(batch), fabric.to_device(targets))
                step = self.progressed.step
                figures: dict[str, float] = {}
                if step % settings.log_every == 0 or step == self.n_steps:
                    figures = self._logged()
                    tell(self._event("step", figures))
                if self.questions and (step % settings.validate_every == 0 or step == self.n_steps):
                    shares = self._validated()
                    figures.update(shares)
                    tell(self._event("validated", shares))
                    ended = "early" if self._exhausted() else ended
                if log is not None and figures:
                    log.add(step, figures)
                if (self.questions and MEAN in figures) or (settings.save_every and step % settings.save_every == 0):
                    self._save()
                if self._everyone(stop.asked()):
                    ended = "interrupted"
            self._save()
        tell(self._event("ended", self.progressed.figures, ended))
        return TrainingReport(
            directory=self.out,
            step=self.progressed.step,
            n_steps=self.n_steps,
            ended=ended,
            best_step=self.progressed.best_step,
            figures=self.progressed.figures,
            elapsed_s=time.monotonic() - self.started,
            waiting_s=self.waiting_s,
            rank=fabric.global_rank,
        )

    def _step(self, batch: PairBatch, targets: PairTargets) -> None:
        # Whatever draws random numbers within a step (dropout, triplets) draws the same ones when it comes again.
        seeds = np.random.SeedSequence((self.settings.seed, _STEP, self.progressed.step, self.fabric.global_rank))
        torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> 1))
        figures: dict[str, Tensor] = {}
        for name, optimizer in self.stepping.items():
            self.module.zero_grad(set_to_none=True)
            loss = self.module(batch, targets, name)
            self.fabric.backward(loss)
            if self.settings.clip:
                # A loss scaler steps over infinite gradients; what stays infinite, `_require_finite` finds.
                norm = self.fabric.clip_gradients(
                    self.module, optimizer, max_norm=self.settings.clip, error_if_nonfinite=False
                )
                assert norm is not None
                figures[_column("gradient", name)] = norm
            optimizer.step()
            figures[_column("loss", name)] = loss.detach()
            self._finite = self._finite & loss.detach().isfinite()
        self._losses.append(figures)
        self.progressed = replace(self.progressed, step=self.progressed.step + 1)

    def _logged(self) -> dict[str, float]:
        """Means since the last row."""
        self._require_finite()
        taken, self._losses = self._losses, []
        return {name: float(torch.stack([one[name].float() for one in taken]).mean()) for name in taken[0]}

    def _require_finite(self) -> None:
        if not bool(self._finite):
            raise ConfigError(
                f"the loss is no finite number any more by step {self.progressed.step}; lower "
                f"training.learning_rate, or training.clip, or use training.precision=32-true. "
                f"'{self.out}' holds the training as it was last saved"
            )

    def _validated(self) -> dict[str, float]:
        figures: dict[str, float] = {}
        if self.fabric.is_global_zero:
            figures = validate(
                self.trained,
                self.dataset,
                self.questions,
                window_steps=self.described.window_steps,
                overlap_steps=self.described.overlap_steps,
            )
        figures = self.fabric.broadcast(figures)
        before = self.progressed
        if figures[MEAN] > before.best:
            self.progressed = replace(
                before, best=figures[MEAN], best_step=before.step, figures=figures, n_since_best=0
            )
            self._write_weights()
        else:
            self.progressed = replace(before, n_since_best=before.n_since_best + 1)
        return figures

    def _exhausted(self) -> bool:
        return bool(self.settings.patience) and self.progressed.n_since_best >= self.settings.patience

    def _save(self) -> None:
        """Save what is needed to go on; the weights too where no validation chooses them."""
        if self.saved_step == self.progressed.step:
            return
        self._require_finite()
        self.saved_step = self.progressed.step
        if not self.fabric.is_global_zero:
            return
        if self.progressed.best_step < 0:
            self._write_weights()
        before = self.progressed.elapsed_s
        now = replace(self.progressed, elapsed_s=before + time.monotonic() - self.started)
        save_state(
            self.out,
            self.trained,
            self.optimizers,
            progressed=now,
            origin=self.origin,
            precision=self.fabric.strategy.precision.state_dict(),
        )

    def _write_weights(self) -> None:
        if self.fabric.is_global_zero:
            state = {"step": self.progressed.step, "figures": dict(self.progressed.figures)}
            write_weights(self.out, self.trained, state)
            write_card(self.out)

    def _resumable(self) -> Progressed:
        progressed, origin = read_progress(self.out)
        changed = differences(make_config(origin.config), self.config)
        if locked := [name for name in changed if name not in FREE_TO_CHANGE]:
            raise ConfigError(
                f"the training in '{self.out}' was started with another {', '.join(locked)}; resume it with the same "
                f"config, or start another with another --out"
            )
        if origin.data != self.origin.data:
            raise ConfigError(
                f"the training in '{self.out}' was started on other data than '{self.config.data.spec}' gives now; "
                f"start another with another --out"
            )
        return progressed

    def _event(self, kind: EventKind, figures: Mapping[str, float], note: str = "") -> TrainingEvent:
        return TrainingEvent(kind, self.progressed.step, self.n_steps, figures, self.progressed.best, note)

    def _log(self) -> Any:
        if not self.fabric.is_global_zero:
            return contextlib.nullcontext(None)
        losses = [_column(kind, name) for name in self.optimizers for kind in ("loss", "gradient")]
        return TrainingLog(self.out / FOLDER, (*losses, *FIGURES), step=self.progressed.step)

    def _everyone(self, asked: bool) -> bool:
        """Whether the first device was asked to stop: all stop after the same step."""
        return bool(self.fabric.broadcast(asked)) if self.fabric.world_size > 1 else asked


def _column(kind: str, name: str) -> str:
    return f"{kind}/{name}" if name else kind
