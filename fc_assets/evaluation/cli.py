"""Score a file of predictions without the asset graph: `fc-assets score`, with --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.embedding import similarity
from fc_assets.evaluation.prediction_files import read_data, read_predictions, scoring_rows
from fc_assets.evaluation.report.build import build_report
from fc_assets.evaluation.report.model import Table
from fc_assets.evaluation.report.origin import origin_of_files
from fc_assets.evaluation.report.render import summary
from fc_assets.evaluation.report.write import write_report
from fc_assets.evaluation.scoring import score_rows, unreadable
from fc_assets.names import REPORT_HTML
from fc_assets.profiles import RewardWeights


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `score ...`; returns 1 with one sentence on standard error where the input is at fault."""
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    score = commands.add_parser("score", help="score predictions against data and write the report")
    score.add_argument(
        "--predictions",
        type=Path,
        required=True,
        help="JSONL, CSV or Parquet with id, an answer (text, or OpenAI's message or tool_calls) and, for several "
        "models, variant",
    )
    score.add_argument(
        "--data",
        type=Path,
        required=True,
        help="rows in ShareGPT's or xLAM's form (JSON, JSONL, CSV) or a normalised table (Parquet)",
    )
    score.add_argument("--out", type=Path, default=Path("report"), help="folder of the report (default: %(default)s)")
    score.add_argument(
        "--embedding-model", default="", help="folder or hub name of a sentence-embedding model: adds its similarity"
    )
    options = parser.parse_args(arguments)
    try:
        _score(options.predictions, options.data, options.out, options.embedding_model)
    except FcAssetsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _score(predictions: Path, data: Path, out: Path, model: str) -> None:
    turns, weights = read_data(data), RewardWeights().model_dump()
    frames = {
        variant: score_rows(scoring_rows(turns, found), weights)
        for variant, found in read_predictions(predictions).items()
    }
    further: dict[str, Table] = {}
    if model:
        pairs = {variant: similarity.string_pairs(frame) for variant, frame in frames.items()}
        cosines = similarity.embed(model, "main", similarity.to_embed(pairs))
        further[similarity.TITLE] = similarity.similarity_table(frames, pairs, cosines)
    report = build_report(frames, weights, extra_tables=further, extra_texts={similarity.TITLE: similarity.TEXT})
    out.mkdir(parents=True, exist_ok=True)
    files = write_report(report, out, origin_of_files({"predictions": predictions, "data": data}))
    print("\n".join(summary(report)))
    for variant, frame in frames.items():
        if warning := unreadable(frame):
            print(f"warning: {variant}: {warning}", file=sys.stderr)
    print(f"The report is {files[REPORT_HTML]}")


if __name__ == "__main__":
    sys.exit(main())
