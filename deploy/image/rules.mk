# make rootfs: the image's root file system in build/rootfs, without a container engine; deploy/image/run.sh starts it.
# make rootfs-check: whether it comes out the same a second time. make demo ROOTFS=build/rootfs: the demo in it.
IMAGE_FILES := deploy/image/packages $(addprefix deploy/image/,libraries.sh finish.sh age.sh rootfs.sh)

# The time of the root file system's source.
ROOTFS_MADE := build/rootfs.made
rootfs_time := $(if $(wildcard build/rootfs/usr),$(if $(wildcard $(ROOTFS_MADE)),$(file <$(ROOTFS_MADE))))

rootfs: $(ROOTFS_MADE)

$(ROOTFS_MADE): $(PROGRAMS) $(IMAGE_FILES) $(if $(filter $(SOURCE_DATE_EPOCH),$(rootfs_time)),,make-it)
	rm -rf build/install
	+$(MAKE) install PREFIX=/usr DESTDIR=build/install
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) deploy/image/rootfs.sh build/rootfs build/install
	@echo $(SOURCE_DATE_EPOCH) >$@

# Every name with its type, mode, owner, time, and content.
MANIFEST = cd $(1) && { find . -xdev -type d -printf '%P %M %U:%G %T@\n'; \
	find . -xdev ! -type d -printf '%P %M %U:%G %T@ %s %l\n'; find . -xdev -type f -exec sha256sum {} +; } | sort

rootfs-check: rootfs again
	+$(MAKE) -C build/again rootfs SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH)
	@diff <($(call MANIFEST,build/rootfs)) <($(call MANIFEST,build/again/build/rootfs))
	@echo "The root file system is the same from another folder."

.PHONY: rootfs rootfs-check make-it
