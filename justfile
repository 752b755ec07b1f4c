# The loop of work: the same verbs for people and for CI. `just` comes with `pip install -e ".[dev]"`.

set windows-shell := ["powershell.exe", "-NoLogo", "-Command"]
export NO_MKDOCS_2_WARNING := "1"

_verbs:
    @just --list --unsorted

# Style, types and imports: a minute.
check:
    ruff check .
    ruff format --check .
    mypy
    lint-imports

# The unit tests; or all but the slow tests of what is named: just test tests/clips/test_splits.py
test *what:
    python -m pytest {{ if what == "" { "" } else { "-n0 -m 'not slow' " + what } }}

# The unit tests with more examples of each property, and whether they reach the lines that they should.
coverage:
    python -m pytest --cov --cov-report= --hypothesis-profile=thorough

# What takes longer than the unit tests, by its markers: chain, processes, simulation, browser, docs; or slow alone.
stage +names:
    python -m pytest -m "{{ if names == "slow" { names } else { "(" + replace(names, " ", " or ") + ") and not slow" } }}"

# Damaged files for every reader of other people's bytes; what ends one otherwise than in words is kept in faults/.
fuzz seconds="3":
    python -m tools.fuzzing readers --seconds={{ seconds }} --keep=faults

# The documentation site in site/: strictly, without a network; every link is followed and every number must be of today.
docs:
    mkdocs build --strict
