# make test       everything that tests, on the samples in the repository
# make corpus     the tests that want the recorded corpus too: make corpus DIR=folder-with-corpus-and-samples
# make soak       kill -9, power cuts and comparisons with kube-apiserver's own code, many times over
# make bench      what it costs, in figures: make bench CORPUS=folder-with-the-recorded-logs
#                 or a part: make bench-ledger BENCH="-only search", make bench-capture BENCH="-only decide"
# make fuzz       every parser for FUZZTIME each

GO       ?= go
FUZZTIME ?= 60s
CUTS     ?= 10000
KILLS    ?= 200
ASKS     ?= 60
CASES    ?= 1000000
DIR      ?=
CORPUS   ?=
BENCH    ?=

# The web UI is built with Node and looked at by a real browser; answers over the corpus are held against jq.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

# DuckDB comes as a static library written in C++: the linker wants a compiler for both languages.
HAVE_CC    = command -v gcc >/dev/null 2>&1 && command -v g++ >/dev/null 2>&1
HAVE_TOOLS = command -v npm >/dev/null 2>&1 && command -v jq >/dev/null 2>&1 && [ -n "$(CHROMIUM)" ]

.PHONY: test web browser deps ready ready-tools corpus soak bench bench-ledger bench-capture bench-baseline fuzz build

build: ready
	$(GO) build -o annals ./cmd/annals

test: ready web browser
	$(GO) vet ./...
	$(GO) test ./...
	cd test/diff && $(GO) vet ./... && $(GO) test -count=1 -timeout 30m ./...
	cd test/e2e && $(GO) vet ./... && $(GO) test -count=1 -timeout 30m ./...

# web builds the UI anew, and fails if that is not what the repository has in web/dist, byte for byte.
web: web/node_modules
	cd web && npm run check
	rm -rf web/.cache/dist && cd web && npm run build -- --outDir .cache/dist --emptyOutDir
	@diff -r web/.cache/dist web/dist >&2 || { echo "web/dist is not what web/src makes: cd web && npm run build, and commit it" >&2; exit 1; }
	cd web && npm run size

# browser walks every screen in a real Chromium, on a real server.
browser: build web/node_modules
	cd web && ANNALS="$(CURDIR)/annals" CHROMIUM="$(CHROMIUM)" npm test

web/node_modules: web/package.json web/package-lock.json | ready-tools
	cd web && npm ci --no-audit --no-fund
	@touch $@

# ready and ready-tools install nothing if nothing is missing.
ready:
	@if ! command -v $(GO) >/dev/null 2>&1; then echo "Go 1.26 or newer is missing: https://go.dev/dl/" >&2; exit 1; fi
	@if ! { $(HAVE_CC); }; then $(MAKE) --no-print-directory deps; fi

ready-tools:
	@if ! { $(HAVE_TOOLS); }; then $(MAKE) --no-print-directory deps; fi

deps:
	@if $(HAVE_CC) && $(HAVE_TOOLS); then echo "nothing is missing"; \
	elif command -v apt-get >/dev/null 2>&1; then \
		want="gcc g++ libc6-dev chromium jq"; command -v npm >/dev/null 2>&1 || want="$$want nodejs npm"; \
		if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
		$$sudo apt-get update && $$sudo apt-get install -y --no-install-recommends $$want; \
	elif command -v dnf >/dev/null 2>&1; then sudo dnf install -y gcc gcc-c++ nodejs chromium jq; \
	elif command -v apk >/dev/null 2>&1; then sudo apk add gcc g++ musl-dev nodejs npm chromium jq; \
	else echo "gcc, g++, Node 20.19 or newer, Chromium or jq is missing: install them (the compilers on macOS: xcode-select --install)" >&2; exit 1; fi

corpus: ready ready-tools
	@if [ ! -d "$(DIR)/corpus" ]; then echo "make corpus DIR=FOLDER: the folder that holds corpus/ and samples/" >&2; exit 2; fi
	ANNALS_CORPUS="$(abspath $(DIR))" $(GO) test -count=1 -timeout 60m ./...
	cd test/diff && ANNALS_CORPUS="$(abspath $(DIR))" $(GO) test -count=1 -timeout 60m ./...

soak: ready
	ANNALS_CUTS=$(CUTS) $(GO) test -count=1 -timeout 6h -run 'TestPowerCuts|TestEveryFault' ./internal/wal ./internal/ledger ./internal/alert ./sink/spool
	ANNALS_ASKS=$(ASKS) $(GO) test -count=1 -timeout 6h -run 'TestScope|TestBodies' ./internal/query
	ANNALS_KILLS=$(KILLS) $(GO) test -count=1 -timeout 6h -v -run 'TestKills?$$' ./internal/ledger ./internal/cli ./internal/alert ./internal/detect ./sink/spool
	cd test/diff && ANNALS_CASES=$(CASES) $(GO) test -count=1 -timeout 6h ./...
	cd test/e2e && ANNALS_OUTAGE=2m $(GO) test -count=1 -timeout 30m -v -run TestProxyOutage .

bench: bench-ledger bench-capture bench-baseline

bench-ledger bench-capture: ready
	@if [ ! -f "$(CORPUS)/normal-full.log.gz" ]; then echo "make $@ CORPUS=FOLDER: the folder that holds normal-full.log.gz, normal-gce.log.gz, normal-metadata.log.gz and policies/" >&2; exit 2; fi
	cd $(if $(filter %ledger,$@),test/bench,test/diff/bench) && $(GO) run . -corpus "$(abspath $(CORPUS))" $(BENCH)

# bench-baseline is the labelled benchmark of baselines: what docs/baselines.md publishes.
bench-baseline: ready
	$(GO) test -count=1 -timeout 30m -v -run TestFigures ./internal/detect/baseline/trial -seeds 20

fuzz: ready
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done
