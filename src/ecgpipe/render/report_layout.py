"""The report page of the ECG Images dataset of Cardiac Patients: 2213 x 1572 pixels at 200 dpi.

Measured on the files as published (Khan and Hussain, 10.17632/gwbz3fsgp8): header, double rule, a pink frame around
a dotted grid, three rows of four leads with separators from row to row, a strip below, a line of settings. At
200 dpi signal and pulses are to scale; the grid is printed 0.9% wider. The header's fields stay empty.
"""

from ecgpipe.render.layout import INCH, Bar, Grid, Layout, Pulse, Slot, Text, printed_name

WIDTH, HEIGHT = 2213, 1572
DOT = (101, 89, 88)
PINK = (248, 166, 175)
HEADER = (
    (995, 60.5, 15.8, "ECG REPORT"),
    (68, 92, 9.8, "ID :"),
    (319, 92, 9.8, "Years"),
    (443, 92, 9.8, "Sex"),
    (613, 92, 9.8, "cm"),
    (762, 92, 9.8, "kg"),
    (905, 92, 9.8, "/"),
    (955, 92, 9.8, "mmHg"),
    (1092, 92, 9.8, "Race:"),
    (1331, 92, 9.8, "Room No.:"),
    (1521, 92, 9.8, "Department:"),
    (68, 125, 9.8, "Exam.Room:"),
    (277, 125, 9.8, "Medication:"),
    (68, 169, 9.8, "Diagnosis Information:"),
    (1555, 203, 9.8, "Technician :"),
    (1555, 236, 9.8, "Ref-Phys. :"),
    (1555, 269, 9.8, "Report Confirmed by:"),
    (68, 1553, 8.5, "0.67~25Hz  AC50  {speed}mm/s  {gain}mm/mV  4*2.5s+1r"),
)


def _mm(pixels: float) -> float:
    return pixels / 200 * INCH


def report_layout() -> Layout:
    """The page, with lead II as the strip (the files have II or III)."""
    left, column = 152.5, 62.5
    baselines = (463.5, 763.5, 1065.5)
    columns = (("I", "II", "III"), ("AVR", "AVL", "AVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
    pulse = Pulse(x=_mm(105.5), width=_mm(16.5), foot=_mm(8.5))
    slots, separators = [], []
    for index, leads in enumerate(columns):
        x = _mm(left) + index * column
        for lead, baseline in zip(leads, baselines, strict=True):
            name = Text(x=x, y=_mm(baseline - 7), text=printed_name(lead), size=10.3, font="serif")
            slots.append(
                Slot(
                    lead=lead,
                    x=x,
                    baseline=_mm(baseline),
                    width=column,
                    start=index * column,
                    name=name,
                    pulse=None if index else pulse,
                )
            )
        if index:
            separators.append(Bar(x0=x - _mm(1.5), x1=x + _mm(1.5), y0=_mm(420.5), y1=_mm(1108.5)))
    name = Text(x=_mm(left), y=_mm(1359), text="II", size=10.3, font="serif")
    slots.append(Slot(lead="II", x=_mm(left), baseline=_mm(1366), width=4 * column, name=name, pulse=pulse))
    grid = Grid(
        x=_mm(145.5),
        y=_mm(324.5),
        pitch=1.009,
        box=(_mm(69.5), _mm(285), _mm(2174.5), _mm(1516.5)),
        line=0.36,
        major=DOT,
        minor=DOT,
        dots=1.009,
        major_dots=0.5045,
        frame=1.1,
        frame_colour=PINK,
    )
    rules = tuple(Bar(x0=_mm(68), x1=_mm(2155), y0=_mm(y), y1=_mm(y + 4)) for y in (136, 142))
    texts = tuple(Text(x=_mm(x), y=_mm(y), text=text, size=size, font="serif") for x, y, size, text in HEADER)
    return Layout(
        name="cardiac-images",
        width=_mm(WIDTH),
        height=_mm(HEIGHT),
        slots=tuple(slots),
        grid=grid,
        separators=tuple(separators),
        bars=rules,
        texts=texts,
        pulse_line=1.1,
        trace_width=1.3,
    )
