"""How good a network is while it is trained: mAP@1 on the validation questions that have an answer."""

from collections.abc import Sequence

import numpy as np

from recue.datasets.abilities import ExactTruths
from recue.datasets.task import Question, RelocalizationDataset, Split
from recue.evaluation.metrics import THRESHOLDS, share_above, top_tiou
from recue.localize.learned import find_steps
from recue.models.saved import TrainedModel

#: The figure that early stopping and the choice of the best weights go by.
MEAN = "map@1"

#: Names of all figures, in the order of the published tables.
FIGURES = (*(f"map@1/{threshold:g}" for threshold in THRESHOLDS), MEAN)


def validation_questions(
    dataset: RelocalizationDataset, *, n: int = 0, seed: int = 0, split: Split = "val"
) -> tuple[Question, ...]:
    """The questions of a split that have an answer; `n` of them, evenly spread, where there are more.

    Args:
        dataset: What asks.
        n: At most this many; 0 for all.
        seed: Of the dataset's own pairing.
        split: Which part.
    """
    questions = [question for question in dataset.questions(split, seed=seed) if question.present]
    if n and len(questions) > n:
        questions = [questions[k] for k in np.linspace(0, len(questions) - 1, n).round().astype(int)]
    return tuple(questions)


def validate(
    trained: TrainedModel,
    dataset: RelocalizationDataset,
    questions: Sequence[Question],
    *,
    window_steps: int,
    overlap_steps: int,
) -> dict[str, float]:
    """mAP@1 at each published threshold and their mean, in seconds of the reference's clock.

    The network is in evaluation mode meanwhile, and as it was afterwards.

    Args:
        trained: The network.
        dataset: With features.
        questions: One or more, each with an answer.
        window_steps: See `recue.localize.learned.find_steps`.
        overlap_steps: See `recue.localize.learned.find_steps`.
    """
    store = dataset.store
    was_training = trained.training
    trained.eval()
    try:
        found = find_steps(
            trained,
            [
                (
                    store.read(question.query.video, question.query.first, question.query.stop),
                    store.read(question.video, *question.location),
                )
                for question in questions
            ],
            window_steps=window_steps,
            overlap_steps=overlap_steps,
            n=1,
        )
    finally:
        trained.train(was_training)
    predictions, truths = [], []
    for question, answers in zip(questions, found, strict=True):
        times_s = store.times_s(question.video)
        offset = question.location[0]
        steps = [(offset + one.first, offset + one.stop) for one in answers[:1]]
        predictions.append(np.array([[times_s[first], times_s[stop]] for first, stop in steps]).reshape(-1, 2))
        if isinstance(dataset, ExactTruths):
            exact = dataset.truths_s(question)
            truths.append(np.array([[one.start_s, one.end_s] for one in exact]).reshape(-1, 2))
        else:
            truths.append(np.array([[times_s[first], times_s[stop]] for first, stop in question.truths]).reshape(-1, 2))
    shares = share_above(top_tiou(predictions, truths, n=1), THRESHOLDS)
    return dict(zip(FIGURES, (*map(float, shares), float(shares.mean())), strict=True))
