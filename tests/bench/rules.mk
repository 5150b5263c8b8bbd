# make bench: figures beside those of storescp, see tests/bench/README.md.
$(B)/bench/sender $(B)/bench/bare_ring: $(B)/bench/%: $(B)/obj/tests/bench/%.o $(SUPPORT) $(PROTO)
	@mkdir -p $(@D)
	@echo LINK $@; $(CXX) $(LDFLAGS) -o $@ $^ $(LIBS_tests)

bench: test-deps
	+$(MAKE) $(JOBS) all $(B)/bench/sender $(B)/bench/bare_ring $(B)/demo/phantom $(B)/preload.so
	/usr/bin/python3 tests/bench/bench.py $(if $(QUICK),--quick)

.PHONY: bench
