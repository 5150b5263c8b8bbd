# make vm-check: the package in a Debian 12 that boots, in QEMU, under its systemd. Minutes; VM_ACCEL=kvm where that works.
vm-check: deb
	deploy/deps.sh build vm
	+$(MAKE) $(B)/demo/phantom $(B)/probe.so
	tests/vm/image.sh build/vm build/deb/oxidicom_*.deb
	tests/vm/check.sh build/vm

.PHONY: vm-check
