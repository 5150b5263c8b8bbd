# make             build the four executables into build/bin/
# make demo        show the main job, from a bare Debian 12 on
# make test        everything that can be checked, sanitizers included
# make SANITIZE=1  the same with AddressSanitizer and UndefinedBehaviorSanitizer, into build/sanitize/
# make TSAN=1      the same with ThreadSanitizer, into build/tsan/
# make fuzz        every parser under libFuzzer for FUZZ_SECONDS (60) each; make fuzz-long: hours of it, and of peers
# make fuzz-peer   SESSIONS (10000) mutated sessions against a receiver, from SEED on
# make deps        install what a build needs from Debian; make test-deps: what the tests need, too
# make kill-loop   20 minutes of kills under load; SECONDS=… and SEED=… of a run to repeat
# make bench       measure it beside storescp; QUICK=1: in two minutes
# make lint        clang-format and clang-tidy
# make format      clang-format, in place
# make readme      put the generated tables into the README and the conformance statement
# make install     to PREFIX (/usr/local) below DESTDIR
# make deb         a Debian package, into build/deb/
# make dist        the committed tree as a tarball, into build/
# make rootfs      the container image's root file system, into build/rootfs
# make deb-check   does the same package come out of another folder? make rootfs-check: the same root file system?
# make fresh       make demo, and the package installed, in a minimal Debian 12 each
# make clean       remove build/
# make help        this list

SHELL := /bin/bash
.DEFAULT_GOAL := all

SANITIZE ?=
TSAN ?=
FUZZ ?=
B := build$(if $(FUZZ),/libfuzzer,$(if $(SANITIZE),/sanitize,$(if $(TSAN),/tsan)))
PREFIX ?= /usr/local
# For targets that build by themselves, unless make was given a number.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
DESTDIR ?=

STAGES := listener writer notifier
PROGRAMS := $(STAGES:%=$(B)/bin/oxidicom-%) $(B)/bin/oxidicom
SUITES := $(patsubst tests/%/,%,$(filter-out tests/support/ tests/preload/ tests/bench/ tests/fuzz/ tests/tsan/,$(sort $(dir $(wildcard tests/*/*.c)))))

CC ?= gcc
CXX ?= g++
CPPFLAGS += -D_GNU_SOURCE -I. -isystem $(B)/gen -MMD -MP
# The same executables come out of any folder.
CPPFLAGS += -ffile-prefix-map=$(CURDIR)=.
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings
CFLAGS += -std=gnu11 -g -O2 -fno-strict-aliasing -fstack-protector-strong $(WARNINGS) -Wstrict-prototypes \
	-Wmissing-prototypes
CXXFLAGS += -std=c++17 -g -O2 -fstack-protector-strong $(filter-out -Wundef,$(WARNINGS))
ifneq ($(SANITIZE)$(FUZZ),)
CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CXXFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else ifneq ($(TSAN),)
CFLAGS += -fsanitize=thread
CXXFLAGS += -fsanitize=thread
LDFLAGS += -fsanitize=thread
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif

LIBS_common := -lczmq -lzmq -luuid -ljansson -lseccomp
LIBS_proto := -lprotobuf-c -lcurl -lpthread $(LIBS_common)
LIBS_listener := -lssl -lcrypto $(LIBS_proto)
LIBS_writer := -ldcmdata -lofstd -loflog -lz -ljansson $(LIBS_proto)
LIBS_notifier := -lmicrohttpd -lsqlite3 -lnats -lrabbitmq -lhiredis -ljansson -lssl -lcrypto $(LIBS_proto)
LIBS_launcher := $(LIBS_proto) -ljansson
LIBS_tool := $(LIBS_launcher)
LIBS_deploy := $(LIBS_proto)
LIBS_interop := -ldcmdata -lofstd $(LIBS_listener)
LIBS_tests := $(if $(TSAN),,-lcriterion) -lnats -lrabbitmq -lhiredis -ljansson -lsqlite3 -lssl -lcrypto -lz $(LIBS_proto) -lpthread

objects = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)/*.c)) $(patsubst %.cc,$(B)/obj/%.o,$(wildcard $(1)/*.cc))
COMMON := $(call objects,common) $(if $(TSAN),$(B)/obj/tests/tsan/zeromq.o)
PROTO := $(B)/obj/gen/proto/ring.pb-c.o $(B)/obj/gen/proto/otlp.pb-c.o $(call objects,proto) $(COMMON)
# What a test of a folder is linked with: all of it but main().
PARTS_common := $(COMMON)
PARTS_proto := $(PROTO)
$(foreach s,$(STAGES),$(eval PARTS_$(s) := $(filter-out %/main.o,$(call objects,$(s))) $(PROTO)))
PARTS_notifier += $(B)/obj/notifier/page.html.o
LAUNCHER := $(call objects,deploy/launcher) $(call objects,deploy/tool) $(PROTO)
PARTS_launcher := $(filter-out %/main.o,$(LAUNCHER))
# Its tests use the ring that the tests of the ring set up.
PARTS_tool := $(PARTS_launcher) $(B)/obj/tests/ring/ring.o
PARTS_environments := $(PROTO) $(B)/obj/tests/ring/ring.o
PARTS_ring := $(PROTO)
PARTS_http := $(PROTO) $(B)/obj/tests/ring/ring.o
PARTS_deploy := $(PROTO)
PARTS_otel := $(PROTO) $(B)/obj/tests/ring/ring.o
PARTS_page := $(PARTS_http) $(B)/obj/tests/http/endpoint.o
PARTS_interop = $(PARTS_listener)
PARTS_hostile := $(PROTO)
# With the same servers.
PARTS_faults := $(PROTO) $(B)/obj/tests/ring/ring.o
PARTS_sandbox := $(PROTO)

all: $(PROGRAMS)

$(STAGES:%=$(B)/bin/oxidicom-%): $(B)/bin/oxidicom-%: $(B)/obj/%/main.o
$(foreach s,$(STAGES),$(eval $(B)/bin/oxidicom-$(s): $(PARTS_$(s))))
$(STAGES:%=$(B)/bin/oxidicom-%):
	@mkdir -p $(@D)
	@echo LINK $@; $(CXX) $(LDFLAGS) -o $@ $^ $(LIBS_$(@:$(B)/bin/oxidicom-%=%))

$(B)/bin/oxidicom: $(LAUNCHER)
	@mkdir -p $(@D)
	@echo LINK $@; $(CC) $(LDFLAGS) -o $@ $^ $(LIBS_launcher)

$(B)/gen/proto/%.pb-c.c $(B)/gen/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	@echo PROTOC $<; protoc-c --c_out=$(B)/gen $<

# Everything that includes them needs the generated headers first; -MMD takes over after the first build.
GENERATED := $(B)/gen/proto/ring.pb-c.h $(B)/gen/proto/otlp.pb-c.h
.SECONDARY: $(GENERATED) $(GENERATED:.h=.c)

$(B)/obj/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	@echo CC $<; $(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/obj/%.o: %.cc | $(GENERATED)
	@mkdir -p $(@D)
	@echo CXX $<; $(CXX) $(CPPFLAGS) $(CXXFLAGS) -c -o $@ $<

# Linked in as it is, under a name that begins with _binary_.
$(B)/obj/%.html.o: %.html
	@mkdir -p $(@D)
	@echo EMBED $<; ld -r -b binary -z noexecstack -o $@ $<

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	@echo CC $<; $(CC) $(CPPFLAGS) $(filter-out $(WARNINGS),$(CFLAGS)) -c -o $@ $<

# --- tests: one Criterion program per folder of tests/ ---

SUPPORT := $(call objects,tests/support) $(if $(TSAN),$(B)/obj/tests/tsan/criterion.o)
$(foreach s,$(SUITES),$(eval $(B)/tests/$(s): $(call objects,tests/$(s)) $(SUPPORT) $(PARTS_$(s))))
$(SUITES:%=$(B)/tests/%):
	@mkdir -p $(@D)
	@echo LINK $@; $(CXX) $(LDFLAGS) -o $@ $^ $(LIBS_$(@:$(B)/tests/%=%)) $(LIBS_tests)

$(B)/tests/sandbox: | $(B)/probe.so $(PROGRAMS)
$(B)/tests/interop: | $(B)/demo/phantom $(B)/loopback.so
$(B)/tests/environments: | $(B)/demo/phantom $(B)/demo/progress

# Preloaded into stages and servers by tests that bend system calls.
$(B)/%.so: tests/preload/%.c
	@mkdir -p $(@D)
	@echo CC $<; $(CC) -D_GNU_SOURCE -shared -fPIC -O1 $(WARNINGS) -o $@ $< -ldl

PRELOADED := calls faults messages record
# Preloaded into stages by tests that count, spoil or record what they do, and kill them at chosen points.
$(B)/preload.so: $(PRELOADED:%=tests/preload/%.c) tests/preload/preload.h $(B)/gen/proto/ring.pb-c.c
	@mkdir -p $(@D)
	@echo CC $@; $(CC) -D_GNU_SOURCE -I. -isystem $(B)/gen -shared -fPIC -O1 $(WARNINGS) \
		-o $@ $(filter %.c,$^) -lprotobuf-c -ldl

# Those that have threads.
THREADED := common notifier proto writer
threaded-tests: $(PROGRAMS) $(THREADED:%=$(B)/tests/%)

tests: $(PROGRAMS) $(SUITES:%=$(B)/tests/%) $(B)/preload.so fuzz-targets man

# A failed build of one kind must not hide the tests of another, so all are built first.
test: test-deps
	+$(MAKE) $(JOBS) tests
	+$(MAKE) $(JOBS) tests SANITIZE=1
	+$(MAKE) $(JOBS) threaded-tests TSAN=1
	tests/run

kill-loop: test-deps
	+$(MAKE) $(JOBS) all $(B)/tests/faults
	OXIDICOM_TEST_SECONDS=$(or $(SECONDS),1200) OXIDICOM_TEST_SEED=$(SEED) $(B)/tests/faults --filter 'kill_loop/*'

# --- tools ---

deps:
	deploy/deps.sh build

test-deps:
	deploy/deps.sh build test package
	@deploy/deps.sh browser || echo "There is no Chromium: the tests of the live page in a browser will be skipped."

SOURCES = $(shell git ls-files '*.c' '*.h' '*.cc')

lint:
	deploy/deps.sh build test lint
	clang-format --dry-run --Werror $(SOURCES)
	+$(MAKE) $(GENERATED)
	deploy/lint.sh

format:
	clang-format -i $(SOURCES)

readme: $(PROGRAMS)
	$(B)/bin/oxidicom --settings | \
		sed -i -e '/<!-- settings:/,/<!-- \/settings/{//!d}' -e '/<!-- settings:/r /dev/stdin' README.md
	{ $(B)/bin/oxidicom-listener --conformance && $(B)/bin/oxidicom-writer --conformance; } | \
		awk -f deploy/conformance.awk - deploy/CONFORMANCE.md >$(B)/CONFORMANCE.md
	mv $(B)/CONFORMANCE.md deploy/CONFORMANCE.md

clean:
	rm -rf build

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

-include deploy/demo/rules.mk deploy/install.mk deploy/image/rules.mk tests/bench/rules.mk tests/environments/rules.mk \
	tests/fuzz/rules.mk

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

.PHONY: all tests threaded-tests test kill-loop deps test-deps lint format readme clean help
