"""A comparison as a page of its own: the regret of each strategy against the number of evaluations."""

from collections.abc import Sequence
from typing import Any

from .figures import Result

LEAST = 1e-2
"""Points of accuracy that regret is drawn at where it is less: a logarithmic axis has no zero."""


def page(results: Sequence[Result], title: str) -> str:
    """HTML with all that it needs inside: for each of `results` a line, the median, in a band, the quartiles."""
    import plotly.graph_objects as go  # slow to import, and only the `search` extra brings it
    from plotly.colors import qualitative

    figure = go.Figure()
    colours = qualitative.Dark24
    for index, result in enumerate(results):
        for trace in _traces(result, colours[index % len(colours)]):
            figure.add_trace(trace)
    figure.update_layout(title=title, template="plotly_white", hovermode="x unified", legend_title="strategy")
    figure.update_xaxes(title="evaluations")
    figure.update_yaxes(title=f"regret in points of accuracy ({LEAST:g} or less is drawn as {LEAST:g})", type="log")
    return str(figure.to_html(include_plotlyjs=True, full_html=True))


def _traces(result: Result, colour: str) -> list[Any]:
    """The band and the line of a strategy, shown and hidden together."""
    import plotly.graph_objects as go

    together: dict[str, Any] = {"x": list(range(1, len(result.regret) + 1)), "legendgroup": result.strategy}
    edge = {**together, "line": {"width": 0, "shape": "hv"}, "mode": "lines", "hoverinfo": "skip", "showlegend": False}
    line = {"color": colour, "shape": "hv"}
    return [
        go.Scatter(y=_points(result.low), **edge),
        go.Scatter(y=_points(result.high), fill="tonexty", fillcolor=_faint(colour), **edge),
        go.Scatter(y=_points(result.regret), name=result.strategy, mode="lines", line=line, **together),
    ]


def _points(regret: Sequence[float]) -> list[float]:
    return [max(100 * value, LEAST) for value in regret]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.12)"
