# Fuzz targets, tests/fuzz/STAGE_WHAT.c: each linked with all of its stage but main(), into $(B)/fuzz/. Under FUZZ
# with libFuzzer, by clang; otherwise with replay.c, which runs it over the files of a corpus.

FUZZ_SECONDS ?= 60
SESSIONS ?= 10000
SEED ?= $(shell date +%s)

FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*_*.c))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(B)/fuzz/%)
stage_of = $(firstword $(subst _, ,$(notdir $(1))))

ifdef FUZZ
OUR_CFLAGS += -fsanitize=fuzzer-no-link
OUR_CXXFLAGS += -fsanitize=fuzzer-no-link
FUZZ_LINK := -fsanitize=fuzzer
else
FUZZ_MAIN := $(B)/obj/tests/fuzz/replay.o
endif

$(foreach t,$(FUZZ_TARGETS),$(eval $(B)/fuzz/$(t): $(B)/obj/tests/fuzz/$(t).o $(PARTS_$(call stage_of,$(t)))))
$(FUZZ_PROGRAMS): $(B)/obj/tests/fuzz/scratch.o $(FUZZ_MAIN)
	@mkdir -p $(@D)
	@echo LINK $@; $(LINK) $(FUZZ_LINK) $(call libraries,$(call stage_of,$@))

fuzz-targets: $(FUZZ_PROGRAMS)

$(B)/fuzz/seed: $(B)/obj/tests/fuzz/seed.o $(SUPPORT) $(PROTO)
	@mkdir -p $(@D)
	@echo LINK $@; $(LINK) $(call libraries,tests)

# --- hostile peers ---

$(B)/fuzz/peer: $(B)/obj/tests/fuzz/peer.o $(SUPPORT) $(PROTO)
	@mkdir -p $(@D)
	@echo LINK $@; $(LINK) $(call libraries,tests)

fuzz-peer: test-deps
	+$(MAKE) $(JOBS) all $(B)/fuzz/peer
	$(B)/fuzz/peer mutated $(SESSIONS) $(SEED)
	$(B)/fuzz/peer bad-ends $(SESSIONS) 0

# Everything at length: half an hour of each target, 100,000 sessions of each kind, plain and sanitized.
fuzz-long:
	+$(MAKE) fuzz FUZZ_SECONDS=1800
	+$(MAKE) fuzz-peer SESSIONS=100000
	+$(MAKE) fuzz-peer SESSIONS=100000 SANITIZE=1

# --- libFuzzer ---

LIBFUZZER = FUZZ=1 CC=clang CXX=clang++

fuzz-build:
	deploy/deps.sh build fuzz
	+$(MAKE) $(JOBS) fuzz-targets $(LIBFUZZER)

# New inputs are kept in build/fuzz/corpus/, failing ones in build/fuzz/findings/.
fuzz: fuzz-build
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Puts the useful inputs of it, of the seeds and of the findings into tests/fuzz/corpus/.
fuzz-corpus: fuzz-build $(B)/fuzz/seed
	tests/fuzz/merge $(FUZZ_TARGETS)

.PHONY: fuzz-targets fuzz-build fuzz fuzz-corpus fuzz-peer fuzz-long
