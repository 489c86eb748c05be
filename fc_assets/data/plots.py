"""Pictures of the splits: plain numbers in, PNG bytes out. How figures look is in `foundation.presentation.figures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fc_assets.foundation.presentation.figures import COLOURS, FAINT, INK, WIDEST, new_figure, to_png

_BARS = 12


def split_picture(
    name: str, lengths: Sequence[int], limits: Mapping[str, int], counts: Mapping[str, Mapping[int, int]]
) -> bytes:
    """Left: histogram of the token lengths of the split `name`, the `limits` marked. Right: rows by a small number.

    `counts` maps a label ("calls", "tools") to {number in a row: rows}; the first `_BARS` numbers are drawn.
    """
    figure, (left, right) = new_figure(WIDEST, 3.4, columns=2)
    longest = max(lengths, default=0)
    left.hist(lengths, bins=40, range=(0, longest), density=True, alpha=0.55, color=COLOURS[0], label=name)
    for limit_name, limit in limits.items():
        if limit <= 1.5 * longest:
            left.axvline(limit, linestyle="--", linewidth=1.2, color=FAINT)
            left.text(limit, left.get_ylim()[1], f" {limit_name}", va="top", fontsize="small", color=INK)
    left.set_xlabel("tokens in a row, prompt and answer")
    left.set_yticks([])
    left.legend(frameon=False, loc="upper right")
    width = 0.8 / max(1, len(counts))
    for index, (label, rows) in enumerate(counts.items()):
        numbers = sorted(rows)[:_BARS]
        places = [number + (index - (len(counts) - 1) / 2) * width for number in numbers]
        right.bar(places, [rows[number] for number in numbers], width=width, label=label)
    right.set_xlabel("in a row")
    right.set_ylabel("rows")
    right.legend(frameon=False)
    return to_png(figure)
