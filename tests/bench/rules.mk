# make bench: figures beside those of storescp, see tests/bench/README.md.
$(B)/bench/sender: $(call objects,tests/bench) $(SUPPORT) $(PROTO)
	@mkdir -p $(@D)
	@echo LINK $@; $(CXX) $(LDFLAGS) -o $@ $^ $(LIBS_tests)

bench: test-deps
	+$(MAKE) $(JOBS) all $(B)/bench/sender $(B)/demo/phantom $(B)/preload.so
	/usr/bin/python3 tests/bench/bench.py $(if $(QUICK),--quick)

.PHONY: bench
