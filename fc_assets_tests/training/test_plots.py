"""The curves are pictures."""

from fc_assets.training.plots import loss_curve, reward_curve
from fc_assets_tests.training.conftest import SIGNAL_WEIGHTS


def test_curves_are_pictures() -> None:
    log = [{"step": i, "loss": 9.0 - i, "mean_token_accuracy": i / 9, "reward": i / 9} for i in range(8)]
    for record in log:
        record.update({f"rewards/{name}/mean": 0.5 for name in SIGNAL_WEIGHTS})
    validation = [{"step": i, "loss": 9.5 - i, "parse_rate": i / 8, "exact_match": i / 10} for i in (3, 7)]
    pictures = [loss_curve(log, []), loss_curve(log, validation), reward_curve(log, list(SIGNAL_WEIGHTS))]
    for png in pictures:
        assert png.startswith(b"\x89PNG")
        assert len(png) > 5000
    assert pictures[0] != pictures[1]
