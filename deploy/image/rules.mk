# make rootfs: the image's root file system in build/rootfs, without a container engine; deploy/image/run.sh starts it.
# make demo ROOTFS=build/rootfs: the demo with the receiver in it.
IMAGE_FILES := deploy/image/packages deploy/image/finish.sh deploy/image/rootfs.sh
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)

rootfs: build/rootfs/usr/share/doc/oxidicom/packages

build/rootfs/usr/share/doc/oxidicom/packages: $(PROGRAMS) $(IMAGE_FILES)
	rm -rf build/install
	+$(MAKE) install PREFIX=/usr DESTDIR=build/install
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) deploy/image/rootfs.sh build/rootfs build/install
	@touch $@

.PHONY: rootfs
