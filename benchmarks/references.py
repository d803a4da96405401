"""Reference renderings of a page: matplotlib in two ways, and the package ecg-plot."""

import numpy as np

from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.layout import INCH, LEADS, Layout, printed_name
from ecgpipe.render.template import page_template


def matplotlib_page(
    signal: np.ndarray, sampling_rate: float, config: RenderConfig, *, ticks: bool = True
) -> np.ndarray:
    """Draw the page of a layout without a frame with matplotlib (Agg), RGBA.

    Args:
        signal: (12, samples) in mV.
        ticks: draw the grid at axis ticks, like ECG-Image-Kit and most scripts; else as four line collections, the
            fastest way in matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layout = page_template(config).layout
    figure = Figure(figsize=(layout.width / INCH, layout.height / INCH), dpi=config.dpi)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, layout.width)
    axes.set_ylim(layout.height, 0)
    _grid(axes, layout, ticks)
    for slot in layout.slots:
        rate = sampling_rate / config.paper_speed
        start, end = round(slot.start * rate), round((slot.start + slot.width) * rate)
        x = slot.x + np.arange(start, end) / rate - slot.start
        y = slot.baseline - config.gain * signal[LEADS.index(slot.lead), start:end]
        axes.plot(x, y, color="black", linewidth=layout.trace_width)
        if slot.pulse:
            left, right, foot, top = (
                slot.pulse.x,
                slot.pulse.x + slot.pulse.width,
                slot.baseline,
                slot.baseline - config.gain,
            )
            axes.plot([left, left, right, right], [foot, top, top, foot], color="black", linewidth=layout.pulse_line)
        if slot.name:
            axes.text(slot.name.x, slot.name.y, slot.name.text, fontsize=slot.name.size)
    for text in layout.texts:
        words = text.text.format(speed=f"{config.paper_speed:g}", gain=f"{config.gain:g}")
        axes.text(text.x, text.y, words, fontsize=text.size)
    for bar in (*layout.bars, *layout.separators):
        axes.fill([bar.x0, bar.x1, bar.x1, bar.x0], [bar.y0, bar.y0, bar.y1, bar.y1], color="black", linewidth=0)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def _grid(axes, layout: Layout, ticks: bool) -> None:
    from matplotlib.ticker import MultipleLocator

    grid = layout.grid
    kinds = (("minor", grid.pitch, grid.minor), ("major", 5 * grid.pitch, grid.major))
    for axis in (axes.xaxis, axes.yaxis) if ticks else ():
        axis.set_minor_locator(MultipleLocator(grid.pitch))
        axis.set_major_locator(MultipleLocator(5 * grid.pitch))
    if ticks:
        axes.tick_params(which="both", left=False, bottom=False, labelleft=False, labelbottom=False)
    else:
        axes.set_axis_off()
    for which, pitch, colour in kinds:
        look = {"color": np.array(colour) / 255, "linewidth": grid.line}
        if ticks:
            axes.grid(True, which=which, **look)
        else:
            axes.vlines(np.arange(grid.x % pitch, layout.width, pitch), 0, layout.height, **look)
            axes.hlines(np.arange(grid.y % pitch, layout.height, pitch), 0, layout.width, **look)


def ecg_plot_page(signal: np.ndarray, sampling_rate: float, size: tuple[int, int], dpi: float) -> np.ndarray:
    """Draw the same leads with the package ecg-plot (0.3), at a size in pixels; RGBA.

    ecg-plot creates vector graphics; here matplotlib turns them into pixels, which does not require Cairo.

    Raises:
        ImportError: not installed, or of another version.
    """
    from ecg_plot import plot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    names = [printed_name(lead) for lead in LEADS]
    try:
        chart = plot(
            signal,
            sample_rate=sampling_rate,
            lead_names=names,
            layout="12lead",
            time_mode="sequential",
            rhythm_lead="II",
        )
    except TypeError as error:
        raise ImportError(f"ecg-plot 0.3 or newer is required ({error})") from error
    figure, _ = chart.to_matplotlib()
    figure.set_dpi(dpi)
    figure.set_size_inches(size[0] / dpi, size[1] / dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())
