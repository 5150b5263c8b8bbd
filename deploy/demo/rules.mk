# make demo: everything it needs and nothing more.
$(B)/demo/phantom: deploy/demo/phantom.cc
	@mkdir -p $(@D)
	@echo CXX $<; $(COMPILE_CXX) -o $@ $< -ldcmdata -lofstd

$(B)/demo/show_progress: deploy/demo/show_progress.c
	@mkdir -p $(@D)
	@echo CC $<; $(COMPILE_C) -o $@ $< -lnats

demo:
	deploy/deps.sh build demo
	+$(MAKE) $(JOBS) all $(B)/demo/phantom $(B)/demo/show_progress
	KEEP=$(KEEP) ROOTFS=$(ROOTFS) deploy/demo/demo.sh

.PHONY: demo
