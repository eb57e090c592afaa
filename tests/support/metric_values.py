"""What a recorder has, as tests compare it."""

from deployments.metrics.recorder import Recorder


def values(recorder: Recorder) -> dict[tuple[str, ...], float]:
    """Each series by its name and labels."""
    return {
        (f"{metric.name}{suffix}", *labels, *((le,) if le else ())): value
        for metric, labels, value, suffix, le in recorder.samples()
    }
