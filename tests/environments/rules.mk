# make fresh: the first steps of a new site, in a minimal Debian of each release that has nothing else: `make demo`, and the
# package. RELEASES=trixie: of that alone.
RELEASES ?= bookworm trixie

fresh: $(B)/demo/phantom
	deploy/deps.sh build test
	for release in $(RELEASES); do tests/environments/fresh.sh build/fresh/$$release $$release || exit 1; done

# make arm64-check: cross-built for arm64, the demo and the suites that can run under emulation.
arm64-check:
	deploy/deps.sh build test
	tests/environments/arm64.sh build/arm64

.PHONY: fresh arm64-check
