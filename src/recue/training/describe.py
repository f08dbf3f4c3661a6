"""What a training is: in its checkpoint's config, and in a sentence."""

import shlex
import sys

import recue
from recue.datasets.task import RelocalizationDataset
from recue.models.saved import CheckpointConfig
from recue.training.config import TrainConfig
from recue.training.sampler import PairSampler

#: A window is never shorter than this, so that a model trained on very short references is not cut to pieces.
_LEAST_WINDOW = 128


def describe(
    config: TrainConfig,
    dataset: RelocalizationDataset,
    sampler: PairSampler,
    *,
    n_questions: int,
    command: str | None = None,
) -> CheckpointConfig:
    """The config of a checkpoint, with those options of the model that were given.

    Args:
        config: Of the training.
        dataset: On what.
        sampler: What draws from it.
        n_questions: Asked in validation.
        command: What to run to make it again; default: the command line of this process.
    """
    store = dataset.store
    window = max(_LEAST_WINDOW, sampler.longest_reference)
    return CheckpointConfig(
        model=config.model.name,
        options=dict(config.model.options),
        dim=store.dim,
        features={"name": store.name, "fingerprint": store.fingerprint},
        inputs={"normalise": config.data.normalise, "pca": config.data.pca},
        window_steps=window,
        overlap_steps=min(window // 2, max(window // 4, sampler.longest_truth)),
        training={
            "recue": recue.__version__,
            "command": command if command is not None else shlex.join(["recue", *sys.argv[1:]]),
            "data": {
                "dataset": dataset.name,
                "classes": len(dataset.classes("train")),
                "queries": len(sampler.queries),
                "queries left out": sampler.left_out,
                "longest reference, steps": sampler.longest_reference,
                "validation questions": n_questions,
                "fingerprint": sampler.fingerprint,
            },
            "config": config.document(),
        },
    )


def opening(described: CheckpointConfig, *, n_weights: int, n_steps: int, batch: int, done: int) -> str:
    """A training in a sentence, before it begins.

    Args:
        described: Its checkpoint's config.
        n_weights: Of the network.
        n_steps: In all.
        batch: Pairs a step.
        done: Steps that an earlier sitting did.
    """
    data = described.training["data"]
    left_out, n_questions = data["queries left out"], data["validation questions"]
    return (
        f"{described.model}, {n_weights:,} weights, on {data['dataset']}: {data['queries']} queries"
        + (f" ({left_out} without a reference left out)" if left_out else "")
        + f", {n_steps} steps of {batch} pairs"
        + (f", validated on {n_questions} questions" if n_questions else ", never validated")
        + (f"; going on after step {done}" if done else "")
    )
