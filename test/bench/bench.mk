# The Makefile includes this. CORPUS is a directory with normal-full.log.gz, normal-gce.log.gz and normal-metadata.log.gz.
.PHONY: bench
bench: ## measure ingest, disk, search and growth: make bench CORPUS=DIR (BENCH=-help for its flags)
	@test -n "$(CORPUS)" || { echo 'say where the recorded logs are: make bench CORPUS=DIR' >&2; exit 2; }
	go run ./test/bench -corpus '$(CORPUS)' $(BENCH)
