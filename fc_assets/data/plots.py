"""Pictures of the splits. Takes plain numbers, gives PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence


def split_picture(
    lengths: Mapping[str, Sequence[int]], limits: Mapping[str, int], counts: Mapping[str, Mapping[int, int]]
) -> bytes:
    """Left: histogram of token lengths of each split, the `limits` marked. Right: rows by a small number.

    `counts` maps a label ("calls", "tools") to {number in a row: rows}.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 3.4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    longest = max((max(values, default=0) for values in lengths.values()), default=0)
    for (name, values), colour in zip(lengths.items(), ("#4c6ef5", "#e8590c"), strict=False):
        left.hist(values, bins=40, range=(0, longest), density=True, alpha=0.55, color=colour, label=name)
    for name, limit in limits.items():
        if limit <= 1.5 * longest:
            left.axvline(limit, linestyle="--", linewidth=1.2, color="#868e96")
            left.text(limit, left.get_ylim()[1], f" {name}", va="top", fontsize="small", color="#495057")
    left.set_xlabel("tokens in a row, prompt and answer")
    left.set_yticks([])
    left.legend(frameon=False, loc="upper right")
    width = 0.8 / max(1, len(counts))
    for index, (label, rows) in enumerate(counts.items()):
        numbers = sorted(rows)[:12]
        places = [number + (index - (len(counts) - 1) / 2) * width for number in numbers]
        right.bar(places, [rows[number] for number in numbers], width=width, label=label)
    right.set_xlabel("in a row")
    right.set_ylabel("rows")
    right.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
