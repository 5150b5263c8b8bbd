# make bench: oxidicom beside storescp, see tests/bench/README.md.
$(B)/bench/sender $(B)/bench/bare_ring: $(B)/bench/%: $(B)/obj/tests/bench/%.o $(SUPPORT) $(PROTO)
	@mkdir -p $(@D)
	@echo LINK $@; $(LINK) $(call libraries,tests)

# Passages from file to file for one object.
trace:
	+$(MAKE) $(JOBS) TRACE=1 all build/trace/bench/sender
	/usr/bin/python3 tests/bench/trace.py $(if $(VERBOSE),-v)

bench: test-deps
	+$(MAKE) $(JOBS) all $(B)/bench/sender $(B)/bench/bare_ring $(B)/demo/phantom $(B)/preload.so $(B)/loopback.so
	/usr/bin/python3 tests/bench/bench.py $(if $(QUICK),--quick)

.PHONY: bench trace
