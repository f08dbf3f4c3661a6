import json
import re
from pathlib import Path

import pytest

from recue import __version__
from recue.core import Moment, Query, SearchResult, Segment, SimilarityCurve
from recue.export.json_document import dumps, to_document
from support.results import make_result

DOCS = Path(__file__).resolve().parents[3] / "docs" / "json.md"


def test_document_carries_every_field() -> None:
    moment = Moment(
        video="/v/a.mp4",
        video_id="a9",
        segment=Segment(1.25, 3.5),
        score=2.5,
        confidence=0.75,
        query_segment=Segment(0.5, 2.0),
        is_query=True,
        metadata={"year": 2020, "tags": ["x"]},
        curve=SimilarityCurve((0.5, 1.5), (0.25, -1.0)),
    )
    miss = Moment(video="/v/b.mp4", video_id="b9", segment=Segment(0, 1), score=-0.5, confidence=0.125)
    result = SearchResult(
        query=Query("range", "q.mp4", Segment(0.5, 2.0), "c9"),
        moments=(moment,),
        near_misses=(miss,),
        min_confidence=0.5,
        n_videos=3,
        searched_s=60.5,
        elapsed_s=0.25,
        localizer="align",
        backbone="i3d",
        warnings=("w",),
    )

    assert to_document(result, clips={1: "/c/1.mp4"}) == {
        "schema": 1,
        "recue": __version__,
        "query": {"kind": "range", "source": "q.mp4", "start_s": 0.5, "end_s": 2.0, "video_id": "c9"},
        "no_match": False,
        "min_confidence": 0.5,
        "n_videos": 3,
        "searched_s": 60.5,
        "elapsed_s": 0.25,
        "localizer": "align",
        "backbone": "i3d",
        "warnings": ["w"],
        "moments": [
            {
                "rank": 1,
                "video": "/v/a.mp4",
                "name": "a.mp4",
                "video_id": "a9",
                "start_s": 1.25,
                "end_s": 3.5,
                "duration_s": 2.25,
                "score": 2.5,
                "confidence": 0.75,
                "query_start_s": 0.5,
                "query_end_s": 2.0,
                "is_query": True,
                "metadata": {"year": 2020, "tags": ["x"]},
                "clip": "/c/1.mp4",
                "curve": {"times_s": [0.5, 1.5], "values": [0.25, -1.0]},
            }
        ],
        "near_misses": [
            {
                "rank": 1,
                "video": "/v/b.mp4",
                "name": "b.mp4",
                "video_id": "b9",
                "start_s": 0.0,
                "end_s": 1.0,
                "duration_s": 1.0,
                "score": -0.5,
                "confidence": 0.125,
                "query_start_s": None,
                "query_end_s": None,
                "is_query": False,
                "metadata": {},
            }
        ],
    }


def test_no_match_and_an_image_without_times() -> None:
    document = to_document(make_result(query=Query("image", "q.png"), moments=()))

    assert document["no_match"] is True
    assert document["moments"] == []
    assert document["query"] == {
        "kind": "image",
        "source": "q.png",
        "start_s": None,
        "end_s": None,
        "video_id": None,
    }


def test_order_is_kept_and_ranks_count_from_one() -> None:
    moments = [Moment(f"/v/{k}.mp4", str(k), Segment(k, k + 1), score=-k, confidence=0.9) for k in range(12)]

    entries = to_document(make_result(moments=moments))["moments"]

    assert [entry["video_id"] for entry in entries] == [str(k) for k in range(12)]
    assert [entry["rank"] for entry in entries] == list(range(1, 13))


def test_text_is_strict_json_whatever_the_numbers_and_names() -> None:
    moment = Moment(
        video='/v/"ünï"\n\udcff.mp4',
        video_id="a9",
        segment=Segment(0, 1 / 3),
        score=float("inf"),
        confidence=0.9,
        curve=SimilarityCurve((0.0, 1.0), (float("nan"), 0.5)),
    )

    text = dumps(to_document(make_result(moments=[moment])))
    back = json.loads(text.encode("utf-8"), parse_constant=pytest.fail)

    (entry,) = back["moments"]
    assert entry["video"] == moment.video
    assert entry["score"] is None
    assert entry["curve"]["values"] == [None, 0.5]
    assert entry["end_s"] == 0.333333
    assert "ünï" in text  # letters stay readable


def test_every_field_is_documented() -> None:
    result = make_result(moments=[make_result().moments[0]])
    document = to_document(result, clips={1: "x"})
    (entry,) = document["moments"]
    entry["curve"] = {"times_s": [], "values": []}
    documented = set(re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), flags=re.MULTILINE))

    names = {*document, *document["query"], *entry, *entry["curve"]}
    assert len(names) > 30
    assert names == documented
