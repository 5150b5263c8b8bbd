# make fresh: the first steps of a new site, in a minimal Debian of each release that has nothing else: `make demo`, and the
# package. RELEASES=trixie: of that alone.
RELEASES ?= bookworm trixie

fresh: $(B)/demo/phantom
	deploy/deps.sh build test
	for release in $(RELEASES); do tests/environments/fresh.sh build/fresh/$$release $$release || exit 1; done

.PHONY: fresh
