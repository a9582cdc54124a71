# Every target sets up what it needs. `make demo` and `make test` are the two a newcomer runs.
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready

.PHONY: demo test test-image bench pictures lint format lock clean

demo: $(READY)
	$(BIN)/python -m tests.demo

test: $(READY)
	$(BIN)/python -m pytest -m "not image" --numprocesses auto --dist loadfile

# On the Docker Engine that answers; where none does, root on Debian gets one (`.ci/engine stop` ends it).
test-image: $(READY)
	eval "$$(.ci/engine start)" && PUBLISH_ACTION_REQUIRE_ENGINE=1 $(BIN)/python -m pytest -m image

# Installs twine and uv from PyPI into .cache/bench, and this program with its locked requirements.
bench: $(READY)
	$(BIN)/python -m bench

# Real runs, rendered: needs Chromium and fonts (`apt-get install chromium fonts-liberation fonts-noto-color-emoji`).
pictures: $(READY)
	$(BIN)/python -m tests.pictures

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/actionlint
	$(BIN)/zizmor --offline --no-progress --persona=pedantic .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.ci/lint-recipes
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/yamllint --strict .
	$(BIN)/hadolint Dockerfile tests/action/peers.Dockerfile
	$(BIN)/shellcheck .ci/* .github/scripts/*

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Needs uv on PATH. The lock files are for every platform and Python from 3.11 on.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade pyproject.toml
lock:
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --group dev --output-file requirements-dev.txt

clean:
	rm -rf .venv .cache build dist

$(READY): requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
