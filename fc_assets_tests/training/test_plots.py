"""The curves are pictures."""

from fc_assets.training.plots import loss_curve, policy_curve, reward_curve
from fc_assets_tests.training.conftest import SIGNAL_WEIGHTS


def test_curves_are_pictures() -> None:
    log = [{"step": i, "loss": 9.0 - i, "mean_token_accuracy": i / 9, "reward": i / 9} for i in range(8)]
    for record in log:
        record.update({f"rewards/{name}/mean": 0.5 for name in SIGNAL_WEIGHTS})
        record.update({"entropy": 0.4, "completions/clipped_ratio": 0.1, "frac_reward_zero_std": 0.6})
    for png in (loss_curve(log), reward_curve(log, list(SIGNAL_WEIGHTS)), policy_curve(log)):
        assert png.startswith(b"\x89PNG")
        assert len(png) > 5000
