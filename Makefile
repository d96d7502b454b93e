.DEFAULT_GOAL := help
.PHONY: help demo services test fast test-gpu check docs format protos bench broker clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SERVE := .venv-serve/bin
DEV := .venv/bin
PROTOS := $(wildcard protos/inspection/v1/*.proto)
# Processes of the tests: some tests wait more than they compute, so three fill two cores.
PROCESSES ?= 3
# Two cores are shared by several numeric libraries: none of them may take all for itself.
export OMP_NUM_THREADS ?= 1
# Tests start hundreds of Python processes: what they import is compiled once, also where the shell forbids it.
export PYTHONDONTWRITEBYTECODE :=

help:  ## shows this text
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(SERVE)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python here; install Python 3.11 (apt-get install python3.11-venv) or name yours: make PYTHON=/path/to/python3 demo"; exit 1; }
	$(PYTHON) -m venv .venv-serve
	$(SERVE)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(DEV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python here; install Python 3.11 (apt-get install python3.11-venv) or name yours: make PYTHON=/path/to/python3 test"; exit 1; }
	$(PYTHON) -m venv .venv
	$(DEV)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,openvino,compile,tensorrt-rtx,s3,parquet,postgresql,mqtt,oidc,agreement,dev]'
	@touch $@

demo: $(SERVE)/.installed  ## installs the serving half and runs 600 simulated pieces through the service
	$(SERVE)/inspector demo

test: $(DEV)/.installed services  ## installs everything and passes all tests, with real servers and a browser; ARGS="-m 'not broker and not train'" needs Python only
	$(DEV)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

fast: $(DEV)/.installed  ## the inner loop: lint and the quick tests, without others' servers, training, compiling and whole services
	$(DEV)/ruff check .
	$(DEV)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 -m "not broker and not train and not slow" $(ARGS)

test-gpu: $(DEV)/.installed  ## passes the engines' tests on the GPU of this machine in place of the stand-in for one
	@$(DEV)/python -m tests.standins.gpus || { echo "make: the engines' tests need a GPU, its driver and TensorRT (see above); without one, make test runs them on a stand-in"; exit 1; }
	INSPECTOR_TEST_GPU=1 $(DEV)/pytest tests/inspector/engines/tensorrt/test_runtime.py tests/inspector/engines/test_standin.py

check: $(DEV)/.installed docs  ## format, lint, strict types, arrows between packages, generated code in step, documentation
	$(DEV)/ruff format --check .
	$(DEV)/ruff check .
	$(DEV)/mypy
	$(DEV)/lint-imports --no-cache
	$(DEV)/python tests/generated_code.py

docs: $(DEV)/.installed  ## builds the documentation into build/site (index.html), strictly and without the network
	NO_MKDOCS_2_WARNING=1 $(DEV)/python -m mkdocs build --quiet --strict

format: $(DEV)/.installed  ## formats the code
	$(DEV)/ruff format .
	$(DEV)/ruff check --fix .

protos: $(DEV)/.installed  ## generates the protobuf and gRPC code
	$(DEV)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. $(PROTOS)
	$(DEV)/python -m grpc_tools.protoc -I. --grpc_python_out=. protos/inspection/v1/service.proto

bench: $(DEV)/.installed  ## measures every claim of RESULTS.md; ARGS="--quick", "--all", "--only TABLE" or "--help"
	$(DEV)/python -m tests.benchmarks.evidence $(ARGS)

broker: needs-java  ## runs Apache Kafka on loopback, port 9092 (fetched from Maven Central)
	$(PYTHON) deploy/kafka/run.py

services:  ## installs the servers and the browser that the tests start (apt or brew; without a password only)
	@$(PYTHON) tests/servers/programs.py

.PHONY: needs-java
needs-java:
	@command -v java >/dev/null && command -v mvn >/dev/null || { echo "The broker needs Java 17 and Maven: apt-get install openjdk-17-jre-headless maven (or brew install openjdk@17 maven)"; exit 1; }
