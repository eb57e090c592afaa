"""How often Ray's processes report their metrics, which is a setting of Ray (`RAY_metrics_report_interval_ms`)."""

from ray._raylet import Config  # type: ignore[attr-defined]  # compiled, and not in its stub


def report_seconds() -> float:
    """Seconds between two reports of this process to the agent of its node; Ray allows no less than one."""
    milliseconds: int = Config.metrics_report_interval_ms()
    return max(milliseconds / 1000, 1.0)
