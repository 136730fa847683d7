"""Fixtures over packages.py: an index, a project."""
import pytest

from requirements.packages import Index, Project


@pytest.fixture
def new_index():
    made = []

    def make(**kw):
        made.append(Index(**kw))
        return made[-1]
    yield make
    for i in made:
        i.stop()


@pytest.fixture
def index(new_index):
    return new_index()


@pytest.fixture
def project(aicert, index):
    return Project(aicert, index)
