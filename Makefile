# make             build the four executables into build/bin/
# make demo        show the main job, from a bare Debian on
# make test        everything that can be checked, sanitizers included; make check: the same, and nothing is installed
# make SANITIZE=1  the same with AddressSanitizer and UndefinedBehaviorSanitizer, into build/sanitize/
# make TSAN=1      the same with ThreadSanitizer, into build/tsan/
# make fuzz        every parser under libFuzzer for FUZZ_SECONDS (60) each; make fuzz-long: hours of it, and of peers
# make fuzz-peer   SESSIONS (10000) mutated sessions against a receiver, from SEED on
# make deps        install what a build needs from Debian; make test-deps: what the tests need, too
# make kill-loop   20 minutes of kills under load; SECONDS=… and SEED=… of a run to repeat
# make bench       measure it beside storescp; QUICK=1: in two minutes
# make trace       how often the work for one object passes from file to file; VERBOSE=1: where
# make WERROR=1    warnings are errors, as in make lint and in CI
# make lint        clang-format, clang-tidy, the compilers' warnings, plain words and spelling
# make format      clang-format, in place
# make readme      put the generated tables into SETTINGS.md and the conformance statement
# make pictures    take the documents' pictures of the running program again
# make install     to PREFIX (/usr/local) below DESTDIR
# make deb         a Debian package, into build/deb/
# make dist        the committed tree as a tarball, into build/
# make rootfs      the container image's root file system, into build/rootfs
# make deb-check   does the same package come out of another folder? make rootfs-check: the same root file system?
# make fresh       make demo, and the package built and installed, in a minimal Debian 12 and a minimal Debian 13
# make arm64-check cross-built for arm64, with the demo and those suites under emulation that can run there
# make vm-check    the package under systemd in a Debian 12 that boots, in QEMU: a quarter of an hour without KVM
# make nfs-check   a receiver on NFS and its failures, in user-mode Linux: minutes; make nfs-rates: its rates
# make clean       remove build/
# make help        this list

SHELL := /bin/bash
.DEFAULT_GOAL := all

SANITIZE ?=
TSAN ?=
FUZZ ?=
TRACE ?=
B := build$(if $(FUZZ),/libfuzzer,$(if $(SANITIZE),/sanitize,$(if $(TSAN),/tsan,$(if $(TRACE),/trace))))
PREFIX ?= /usr/local
# For targets that build by themselves, unless make was given a number.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
DESTDIR ?=

STAGES := listener writer notifier
PROGRAMS := $(STAGES:%=$(B)/bin/oxidicom-%) $(B)/bin/oxidicom
SUITES := $(patsubst tests/%/,%,$(filter-out tests/support/ tests/preload/ tests/bench/ tests/fuzz/ tests/tsan/,$(sort $(dir $(wildcard tests/*/*.c)))))

CC ?= gcc
CXX ?= g++
# Of the machine that builds: it makes the pages, and does not run the result.
CC_FOR_BUILD ?= cc
# The compiler's own, which may be for another machine.
ifeq ($(origin AR),default)
AR = $(or $(ARCHIVER),$(eval ARCHIVER := $(shell $(CC) -print-prog-name=ar))$(ARCHIVER))
endif
# Runs programs of another machine, for `make readme`: qemu-aarch64, say.
EMULATOR ?=
# CPPFLAGS, CFLAGS, CXXFLAGS and LDFLAGS from outside come behind these, so that they win.
OUR_CPPFLAGS := -D_GNU_SOURCE -I. -isystem $(B)/gen -MD -MP
# The same executables come out of any folder.
OUR_CPPFLAGS += '-ffile-prefix-map=$(CURDIR)=.'
# Where a pointer has four bytes, files and times have eight all the same.
ifeq ($(shell echo __SIZEOF_POINTER__ | $(CC) $(CFLAGS) -E -P -),4)
OUR_CPPFLAGS += -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
endif
# Warnings are errors for those who develop it, not for those who build it with a later compiler.
WERROR ?=
WARNINGS := -Wall -Wextra $(if $(WERROR),-Werror) -Wshadow -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings
# For sanitizers so, which halves the time that they take to compile.
OPTIMIZED := $(if $(SANITIZE)$(TSAN),-g1 -O1,-g -O2)
# Aliasing: sys/queue.h's TAILQ_LAST and TAILQ_PREV read an entry as the head of a list.
OUR_CFLAGS := -std=gnu11 $(OPTIMIZED) -fno-strict-aliasing -fstack-protector-strong $(WARNINGS) -Wstrict-prototypes \
	-Wmissing-prototypes
OUR_CXXFLAGS := -std=c++17 $(OPTIMIZED) -fstack-protector-strong $(filter-out -Wundef,$(WARNINGS))
# Guards of the stack and of jumps, as far as the compiler has them for its target.
HARDENING := $(foreach flag,-fstack-clash-protection -fcf-protection -mbranch-protection=standard,$(shell \
	$(CC) -Werror $(flag) -x c -c /dev/null -o /dev/null 2>/dev/null && echo $(flag)))
OUR_CFLAGS += $(HARDENING)
OUR_CXXFLAGS += $(HARDENING)
# A program is linked with the libraries that it uses; nothing can write to its tables of addresses once it runs.
OUR_LDFLAGS := -Wl,--as-needed -Wl,-z,relro -Wl,-z,now
ifneq ($(SANITIZE)$(FUZZ),)
SANITIZER := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OUR_CPPFLAGS += -DSANITIZED
else ifneq ($(TSAN),)
SANITIZER := -fsanitize=thread
else ifeq ($(findstring _FORTIFY_SOURCE,$(CC) $(CPPFLAGS) $(CFLAGS) $(CXXFLAGS))$(filter -O0,$(CFLAGS) $(CXXFLAGS)),)
# It needs optimization. Some compilers define it by themselves.
OUR_CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
ifneq ($(TRACE),)
# Functions of headers are part of the files that use them.
OUR_CFLAGS += -finstrument-functions -finstrument-functions-exclude-file-list=.h,gen/
OUR_CXXFLAGS += -finstrument-functions -finstrument-functions-exclude-file-list=.h,/usr/include
$(PROGRAMS): $(B)/obj/tests/bench/tracer.o
endif
OUR_CFLAGS += $(SANITIZER)
OUR_CXXFLAGS += $(SANITIZER)
OUR_LDFLAGS += $(SANITIZER)
COMPILE_C = $(CC) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(CFLAGS)
COMPILE_CXX = $(CXX) $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CXXFLAGS) $(CXXFLAGS)

# --- libraries, by their names in pkg-config -----------------------------------------------------------

PKG_CONFIG ?= pkg-config
MODULES_common := libczmq libzmq jansson libseccomp libcap libprotobuf-c
MODULES_proto := $(MODULES_common)
MODULES_listener := $(MODULES_common) openssl libcurl
MODULES_writer := $(MODULES_common) dcmtk zlib
MODULES_notifier := $(MODULES_common) libmicrohttpd sqlite3 libnats librabbitmq hiredis openssl libcurl uuid
MODULES_tests := $(sort $(if $(TSAN),,criterion) libnats librabbitmq hiredis sqlite3 openssl zlib dcmtk $(MODULES_notifier))
# Asked once for each, when it is first used.
libraries = $(or $(LIBS_$(1)),$(eval LIBS_$(1) := $(shell $(PKG_CONFIG) --libs $(MODULES_$(1))) -lpthread)$(LIBS_$(1)))

# --- archives: one per folder, of all in it but main() -------------------------------------------------

folders = $(patsubst %/,%,$(sort $(dir $(wildcard $(1)/*.c $(1)/*.cc $(1)/*/*.c $(1)/*/*.cc))))
objects = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)/*.c)) $(patsubst %.cc,$(B)/obj/%.o,$(wildcard $(1)/*.cc))
archives = $(patsubst %,$(B)/lib/%.a,$(call folders,$(1)))
COMMON := $(call archives,common) $(if $(TSAN),$(B)/obj/tests/tsan/zeromq.o)
PROTO := $(call archives,proto) $(COMMON)
LAUNCHER := $(call archives,deploy/launcher) $(call archives,deploy/tool) $(PROTO)
PARTS_common := $(COMMON)
PARTS_proto := $(PROTO)
$(foreach s,$(STAGES),$(eval PARTS_$(s) := $(call archives,$(s)) $(PROTO)))
PARTS_launcher := $(LAUNCHER)

# What belongs to a folder besides its sources.
MORE_common/telemetry := $(B)/obj/gen/common/telemetry/otlp.pb-c.o
MORE_proto := $(B)/obj/gen/proto/ring.pb-c.o
MORE_notifier/http := $(B)/obj/notifier/http/page.html.o
$(foreach f,common proto $(STAGES) deploy/launcher deploy/tool,$(foreach g,$(call folders,$(f)),$(eval \
	$(B)/lib/$(g).a: $(filter-out %/main.o,$(call objects,$(g))) $(MORE_$(g)))))
$(B)/lib/%.a:
	@mkdir -p $(@D)
	@echo AR $@; rm -f $@; $(AR) rcs $@ $^

# Archives that name one another are searched until nothing is missing.
LINK = $(CXX) $(OUR_LDFLAGS) $(LDFLAGS) -o $@ $(filter-out %.a,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

# What tests of a folder are linked with besides tests/support: some use fixtures of others.
PARTS_hostile := $(PROTO)
PARTS_ring := $(PROTO)
PARTS_sandbox := $(PROTO)
PARTS_interop := $(PARTS_listener)
PARTS_environments := $(PROTO) $(B)/obj/tests/ring/ring.o
PARTS_deploy := $(PARTS_environments)
PARTS_faults := $(PARTS_environments)
PARTS_http := $(PARTS_environments)
PARTS_otel := $(PARTS_environments)
PARTS_page := $(PARTS_http) $(B)/obj/tests/http/endpoint.o
PARTS_tool := $(PARTS_launcher) $(B)/obj/tests/ring/ring.o

all: $(PROGRAMS)

$(foreach s,$(STAGES),$(eval $(B)/bin/oxidicom-$(s): $(B)/obj/$(s)/main.o $(PARTS_$(s))))
$(STAGES:%=$(B)/bin/oxidicom-%):
	@mkdir -p $(@D)
	@echo LINK $@; $(LINK) $(call libraries,$(@:$(B)/bin/oxidicom-%=%))

$(B)/bin/oxidicom: $(B)/obj/deploy/launcher/main.o $(LAUNCHER)
	@mkdir -p $(@D)
	@echo LINK $@; $(LINK) $(call libraries,common)

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: %.proto
	@mkdir -p $(@D)
	@echo PROTOC $<; protoc --c_out=$(B)/gen $<

# Everything that includes them needs the generated headers first; -MD takes over after the first build.
GENERATED := $(B)/gen/proto/ring.pb-c.h $(B)/gen/common/telemetry/otlp.pb-c.h
.SECONDARY: $(GENERATED) $(GENERATED:.h=.c)

$(B)/obj/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	@echo CC $<; $(COMPILE_C) -c -o $@ $<

$(B)/obj/%.o: %.cc | $(GENERATED)
	@mkdir -p $(@D)
	@echo CXX $<; $(COMPILE_CXX) -c -o $@ $<

# Linked in unchanged, under a name that begins with _binary_. By the compiler, which knows the machine that it is for.
$(B)/obj/%.html.o: %.html deploy/embed.s.in
	@mkdir -p $(@D)
	@echo EMBED $<; sed 's|NAME|_binary_$(subst /,_,$(subst .,_,$<))|g; s|FILE|$<|' deploy/embed.s.in | \
		$(CC) $(filter -m%,$(CFLAGS)) -x assembler -c -o $@ -

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	@echo CC $<; $(CC) $(OUR_CPPFLAGS) $(CPPFLAGS) $(filter-out $(WARNINGS),$(OUR_CFLAGS)) $(CFLAGS) -c -o $@ $<

# --- tests: one Criterion program per folder of tests/, with a folder for each folder of the code ---

SUPPORT := $(call objects,tests/support) $(if $(TSAN),$(B)/obj/tests/tsan/criterion.o)
$(foreach s,$(SUITES),$(eval $(B)/tests/$(s): $(foreach f,$(call folders,tests/$(s)),$(call objects,$(f))) $(SUPPORT) $(PARTS_$(s))))
$(SUITES:%=$(B)/tests/%):
	@mkdir -p $(@D)
	@echo LINK $@; $(LINK) $(call libraries,tests)

$(B)/tests/sandbox $(B)/tests/deploy: | $(B)/probe.so $(PROGRAMS)
$(B)/tests/deploy: | $(B)/demo/phantom
$(B)/tests/interop: | $(B)/demo/phantom $(B)/loopback.so
$(B)/tests/environments: | $(B)/demo/phantom $(B)/demo/show_progress

# Preloaded into stages and servers by tests that bend system calls.
$(B)/%.so: tests/preload/%.c
	@mkdir -p $(@D)
	@echo CC $<; $(CC) -D_GNU_SOURCE -shared -fPIC -O1 $(WARNINGS) -o $@ $< -ldl

PRELOADED := host calls envelopes faults looks record
# Preloaded into stages by tests that count, spoil or record their calls, and kill them at chosen points.
$(B)/preload.so: $(PRELOADED:%=tests/preload/%.c) tests/preload/preload.h $(B)/gen/proto/ring.pb-c.c
	@mkdir -p $(@D)
	@echo CC $@; $(CC) -D_GNU_SOURCE -I. -isystem $(B)/gen -shared -fPIC -O1 $(WARNINGS) \
		-o $@ $(filter %.c,$^) -lprotobuf-c -ldl

# Suites of code with threads.
THREADED := common notifier writer
threaded-tests: $(PROGRAMS) $(THREADED:%=$(B)/tests/%)

tests: $(PROGRAMS) $(SUITES:%=$(B)/tests/%) $(B)/preload.so fuzz-targets man

# A failed build of one kind must not hide the tests of another, so all are built first.
check:
	+$(MAKE) $(JOBS) tests
	+$(MAKE) $(JOBS) tests SANITIZE=1
	+$(MAKE) $(JOBS) threaded-tests TSAN=1
	tests/run

# Somebody's own machine is asked first.
test:
	+$(MAKE) test-deps $(if $(CI)$(filter 0,$(shell id -u)),,ASK=--ask)
	+$(MAKE) check

kill-loop: test-deps
	+$(MAKE) $(JOBS) all $(B)/tests/faults
	OXIDICOM_TEST_SECONDS=$(or $(SECONDS),1200) OXIDICOM_TEST_SEED=$(SEED) $(B)/tests/faults --filter 'kill_loop/*'

# --- tools ---

deps:
	deploy/deps.sh build

test-deps:
	deploy/deps.sh $(ASK) build test package
	@deploy/deps.sh $(ASK) browser || echo "There is no Chromium: the tests of the live page in a browser will be skipped."

SOURCES = $(shell git ls-files '*.c' '*.h' '*.cc')

lint:
	deploy/deps.sh build test lint
	clang-format --dry-run --Werror $(SOURCES)
	+$(MAKE) $(GENERATED)
	deploy/lint.sh
	+$(MAKE) $(JOBS) all
	deploy/layers.sh
	+$(MAKE) $(JOBS) tests B=build/lint WERROR=1

format:
	clang-format -i $(SOURCES)

readme: $(PROGRAMS) $(B)/man/settings-printer
	$(B)/man/settings-printer | \
		sed -i -e '/<!-- settings:/,/<!-- \/settings/{//!d}' -e '/<!-- settings:/r /dev/stdin' deploy/SETTINGS.md
	{ $(EMULATOR) $(B)/bin/oxidicom-listener --conformance && $(EMULATOR) $(B)/bin/oxidicom-writer --conformance; } | \
		awk -f deploy/conformance.awk - deploy/CONFORMANCE.md >$(B)/CONFORMANCE.md
	mv $(B)/CONFORMANCE.md deploy/CONFORMANCE.md

# The live page's own tests take them, of a whole receiver.
pictures:
	deploy/deps.sh build test browser pictures
	+$(MAKE) $(JOBS) all $(B)/tests/page
	$(B)/tests/page --filter 'page/shows_a_reception*'
	mkdir -p deploy/pictures
	for picture in page ring; do pngquant --force --strip --output deploy/pictures/$$picture.png build/page/$$picture.png || exit 1; done

clean:
	rm -rf build

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

include deploy/demo/rules.mk deploy/install.mk deploy/image/rules.mk tests/bench/rules.mk tests/environments/rules.mk \
	tests/fuzz/rules.mk tests/nfs/rules.mk tests/vm/rules.mk

-include $(shell find $(B)/obj $(B)/demo -name '*.d' 2>/dev/null)

.PHONY: all tests threaded-tests test check kill-loop deps test-deps lint format readme pictures clean help
