# The one door. `make` alone lists what there is.

CARGO ?= cargo
# Third-party test data beside this repository, where it exists and nothing else is said.
MAILWARD_SUITES ?= $(realpath ../shared/suites)
ifneq ($(MAILWARD_SUITES),)
export MAILWARD_SUITES
endif
# Tests write here what they could not run, one line each.
export MAILWARD_NOT_RUN ?= $(CURDIR)/.not-run

say = @printf '== %s\n' '$(1)'
nextest := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

# One after another, so that each has the machine for itself.
ifeq ($(nextest),yes)
thorough = $(CARGO) nextest run --no-fail-fast --test-threads 1 $(1)
else
thorough = $(CARGO) test --no-fail-fast -- --test-threads 1 $(1)
endif

.PHONY: help run demo test lint bless bench bench-peers faults soak malformed doc deb install build

help:
	@printf '%s\n' \
	  'make run    build, start mailward behind a private Postfix, send seven mails, stay up until Ctrl-C' \
	  'make demo   the same, ends by itself' \
	  'make test   format, lints, every test' \
	  'make lint   format and lints' \
	  'make deb    the Debian package, in target/debian/' \
  'make bless  accept the golden files as they come out now; read the diff' \
	  'make faults every fault that is known, at length: remotes, DNS, disk, descriptors, clock, kill -9, database' \
	  'make soak   10,000 idle connections, 500 busy, a million messages, reloads all the while' \
	  'make malformed  a million seeded mutations of all that comes from outside' \
	  'make bench  measure against the same Postfix without a filter and with the floor' \
	  'make bench-peers  measure beside opendkim, opendmarc, clamav-milter, rspamd, amavis and mimedefang' \
	  'make doc    the documentation of the code'

install:
	@tests/mta/install.sh

build: install
	$(call say,building mailward; the first time takes some minutes)
	@$(CARGO) build --quiet --bin mailward --example demo

run: build
	$(call say,mailward behind a private Postfix; Ctrl-C ends it)
	@$(CARGO) run --quiet --example demo -- --stay

demo: build
	$(call say,mailward behind a private Postfix)
	@$(CARGO) run --quiet --example demo

lint: install
	$(call say,format)
	@$(CARGO) fmt --check
	$(call say,clippy; warnings are errors)
	@$(CARGO) clippy --quiet --all-targets -- -D warnings

test: lint
	@rm -f '$(MAILWARD_NOT_RUN)'
	$(call say,building the tests; the first time takes some minutes)
	@$(CARGO) build --quiet --all-targets
	$(call say,links and examples in the documentation)
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --no-deps --document-private-items
	@$(CARGO) test --quiet --doc
	$(call say,tests of units and of the whole behind a real Postfix)
ifeq ($(nextest),yes)
	@$(CARGO) nextest run --no-fail-fast
else
	@$(CARGO) test --no-fail-fast
endif
	@if [ -s '$(MAILWARD_NOT_RUN)' ]; then \
	  printf '== %s could not run:\n' "$$(wc -l < '$(MAILWARD_NOT_RUN)')"; cat '$(MAILWARD_NOT_RUN)'; fi

# The same tests as in `make test`, at full length.
faults soak malformed: export MAILWARD_THOROUGH = 1
faults: install
	$(call say,building the tests)
	@$(CARGO) build --quiet --all-targets
	$(call say,faults: some ten minutes)
	@$(call thorough,faults::)

soak: install
	$(call say,building the tests)
	@$(CARGO) build --quiet --all-targets
	$(call say,soak: some ten minutes)
	@$(call thorough,soak::)

malformed: install
	$(call say,building the tests)
	@$(CARGO) build --quiet --all-targets
	$(call say,malformed input: some ten minutes)
	@$(call thorough,malformed::)

bless:
	$(call say,writing the golden files anew)
	@MAILWARD_BLESS=1 $(CARGO) test --quiet
	@git --no-pager diff --stat -- tests

# What is measured is what is shipped.
bench: install
	$(call say,building for release; the first time takes half an hour and more)
	@$(CARGO) build --quiet --release --bin mailward --example bench
	$(call say,measuring; some ten minutes: leave the machine alone)
	@$(CARGO) run --quiet --release --example bench -- $(BENCH)

# Rows beside mailward need Debian's packages and root; see benches/peers/mod.rs. PEERS='--rounds 3 --only rspamd,amavis'
bench-peers: install
	@benches/peers/install.sh
	$(call say,building for release; the first time takes half an hour and more)
	@$(CARGO) build --quiet --release --bin mailward --example bench
	$(call say,measuring; some thirty minutes: leave the machine alone)
	@$(CARGO) run --quiet --release --example bench -- --peers $(PEERS)

deb: install
	$(call say,the Debian package; the first time takes half an hour and more)
	@debian/build

doc:
	$(call say,documentation)
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --no-deps --document-private-items
