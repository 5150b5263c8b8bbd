# make fresh: the first steps of a new site, in a minimal Debian 12 that has nothing else: `make demo`, and the package.
fresh: deb $(B)/demo/phantom
	deploy/deps.sh build test
	tests/environments/fresh.sh build/fresh build/deb/oxidicom_*.deb

.PHONY: fresh
