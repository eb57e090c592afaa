"""Why a schedule cannot be made or used as a person asks: whose fault, in the type; a sentence for people."""


class ScheduleError(Exception):
    """The base of the errors of this package."""


class UnknownSchedule(ScheduleError):
    """There is none with this id."""

    def __init__(self, schedule_id: str) -> None:
        super().__init__(schedule_id)
        self.schedule_id = schedule_id

    def __str__(self) -> str:
        return f"there is no schedule {self.schedule_id}"


class TooManySchedules(ScheduleError):
    """Its owner has as many as one may have."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"you have {self.most} schedules already: delete one first"


class TooManyRuns(ScheduleError):
    """As many runs of the schedule are not over as may be."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"{self.most} runs of this schedule are not over: cancel one first"


class NotRunnable(ScheduleError):
    """What a schedule is to run cannot be run, and another try would not help. The sentence is for people."""
