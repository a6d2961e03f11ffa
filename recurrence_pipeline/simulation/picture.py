"""How many tasks are open over the years, as a picture; what draws it is an extra."""

from collections.abc import Mapping, Sequence

from recurrence_pipeline.domain.errors import ConfigurationError
from recurrence_pipeline.simulation.scenarios import FIRST_DAY
from recurrence_pipeline.simulation.simulator import PERIODS_A_YEAR


def picture(lines: Mapping[str, Sequence[float]], file_format: str) -> bytes:
    """Return a picture, `png` or `svg`, with a line for each series.

    Raises:
        ConfigurationError: what draws pictures is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - pandas and matplotlib take seconds

        from recurrence_pipeline.monitoring.plots import line_plot  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "plot: pictures need matplotlib, which is not installed: pip install 'recurrence-pipeline[report]', "
            "or name a file that ends in .txt"
        ) from error
    most = max(map(len, lines.values()), default=0)
    quarters = pd.date_range(FIRST_DAY, periods=most, freq=pd.DateOffset(months=12 // PERIODS_A_YEAR))
    series = {name: pd.Series(list(values), index=quarters[: len(values)]) for name, values in lines.items()}
    return line_plot("Tasks open at once", "tasks", series, file_format=file_format)
