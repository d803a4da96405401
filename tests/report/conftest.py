"""Reports that several test modules share: they take long to build."""

import pytest

from ecgpipe.config.analysis import ReportConfig
from ecgpipe.report.build import build_report
from tests.report.made import EVIL_CLASS, EVIL_ID, make_results


def _build(inputs, pictures):
    build_report(inputs, ReportConfig(title="A | B", explorer_pictures=pictures), inputs.results / "report")
    return inputs


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The inputs of a report that is built in their folder."""
    return _build(make_results(tmp_path_factory.mktemp("results")), 9)


@pytest.fixture(scope="session")
def evil(tmp_path_factory):
    """The same with names that try to inject HTML and Markdown."""
    folder = tmp_path_factory.mktemp("evil")
    return _build(make_results(folder, hearts=("a|b*c*", EVIL_CLASS), first_id=EVIL_ID), 0)
