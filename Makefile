# Two commands are enough for a newcomer: `make demo` and `make test`. Everything honours CARGO_TARGET_DIR.
SHELL := /bin/bash
CARGO ?= cargo
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: help setup setup-build setup-test setup-packets setup-extra demo test test-packets test-extra test-long simulate check bench fuzz fmt lab-eline lab-l3vpn clean-lab

help:
	@echo "make demo          build, then the whole story on three simulated elements, told as it runs"
	@echo "make test          all tests, real servers (netconfd, FRR, OpenSSH) included"
	@echo "make test-packets  the packet tests alone: E-Lines on NETCONF and on FRR elements, MPLS L3VPN in User-Mode Linux (root)"
	@echo "make lab-eline     brings the E-Line lab up for you to play with, until Ctrl-C (root); make lab-l3vpn the other"
	@echo "make simulate      transactions under seeded faults: SEEDS=n (2000), or one story told whole: SEED=n"
	@echo "make test-extra    the candidate commit of FRR 10.3 (root; fetches some 150 MB of Debian trixie once, by debootstrap)"
	@echo "make check         format, lints, documentation, dependencies, layering"
	@echo "make setup         what both commands need from the system, and nothing else (they do it themselves)"
	@echo "make fuzz          every parser against random input, ten minutes each (FUZZ_SECONDS=n, FUZZ=\"xml json\")"
	@echo "make test-long     the tests with many more cases (docs/figures.md)"
	@echo "make bench         benchmarks      make fmt   format the code      make clean-lab   remove left-over test folders"

setup: setup-build setup-test

setup-build:
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh test

setup-packets:
	@scripts/setup.sh packets

setup-extra:
	@scripts/setup.sh extra

demo: setup-build
	$(CARGO) build --release
	@scripts/demo.sh

# One profile only (dev). The closing lines count what was skipped: a skip is never silent.
test: setup-test setup-packets
	@scripts/test.sh

test-packets: setup-test setup-packets
	ANDANTE_PACKETS=1 $(CARGO) test --test packets -- --nocapture --test-threads=1

# The same tests with many more cases: what docs/figures.md says was run. Some two hours.
test-long: setup-test
	ANDANTE_LAB=required PAIRS=200 EDITS=1000 CONFIGURATIONS=200 $(CARGO) test --test live -- --nocapture --test-threads=1
	ANDANTE_CASES=5 $(CARGO) test --test laws --test oracle --test grammars
	ANDANTE_LAB=required ANDANTE_MATRIX=all $(CARGO) test --test recovery --test peers -- --nocapture matrix struck
	$(MAKE) simulate SEEDS=100000

# A lab for a person: docs/lab.md. Everything it made ends with it, however it ends.
lab-eline lab-l3vpn: lab-%: setup-test setup-packets
	@ANDANTE_LAB=required $(CARGO) test --test packets -- --ignored --exact --nocapture $*::lab_for_a_person

# The seeds of the ordinary test are the first of these. A seed that breaks a law prints its story, and the smallest one.
SEEDS ?= 2000
simulate: setup-build
	@if [ -n "$(SEED)" ]; then \
	  SEED=$(SEED) $(CARGO) test --release --test simulation -- --nocapture one_seed; \
	else \
	  SEEDS=$(SEEDS) $(CARGO) test --release --test simulation -- --nocapture seeds_of; \
	fi

# Nothing here is skipped: what cannot start fails.
test-extra: setup-test setup-extra
	ANDANTE_EXTRA=1 ANDANTE_LAB=required $(CARGO) test --test extra -- --nocapture --test-threads=2

check:
	@scripts/check.sh

# Tables beside libyang's figures on the same data, then instruction counts where valgrind and its runner are installed.
bench: setup-build
	$(CARGO) bench --bench tree --bench services --bench commit --bench yang
	@scripts/instructions.sh

fuzz: setup-build
	@SECONDS_EACH=$(or $(FUZZ_SECONDS),600) scripts/fuzz.sh $(FUZZ)

fmt:
	$(CARGO) fmt

# The tests remove their folders and processes themselves, whatever happens to them; this is for a machine that lost
# power or ran out of memory. Folders that a living process still uses are left alone.
clean-lab:
	@for folder in /tmp/andante-lab-*; do \
	  [ -d "$$folder" ] || continue; \
	  if grep -lqs -- "$$folder" /proc/[0-9]*/cmdline; then echo "in use: $$folder"; else rm -rf "$$folder"; echo "removed $$folder"; fi; \
	done
	@rm -f $(TARGET)/tmp/skipped
