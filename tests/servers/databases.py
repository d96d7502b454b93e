"""The two kinds of databases of the archive, as parameters of fixtures."""

import pytest

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.broker))
