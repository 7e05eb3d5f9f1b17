# The tests: their programs, and what starts them.  Part of the Makefile at the top, whose
# variables it uses; the help is there.

.PHONY: test-programs fuzz-programs coverage-programs deps check check-unit check-hosts check-abi demo soak \
	bench fuzz coverage lint mutants valgrind deb-check

UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/*.c))
TEST_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/bpf/*.c tests/tools/*.c tests/bench/*.c))
# Who builds without tests needs none.
CMOCKA := $(shell $(PKG_CONFIG) --silence-errors --cflags --libs cmocka)

test-programs: $(UNIT_TESTS) $(TEST_TOOLS) $(TEST_BPF_OBJS) $(FUZZERS)

comma := ,
LINK_TEST = $(call run,LD,$@)$(CC) $(ALL_CFLAGS) -MMD -MP -pie $(ALL_LDFLAGS) -o $@ $< $(filter %.a,$^)

# One program a file; the archives give each what it uses and no more.
$(B)/tests/%: tests/%.c $(B)/libcli.a $(B)/libbroker.a $(B)/libclient.a $(B)/flags
	@mkdir -p $(@D)
	$(LINK_TEST) $(PKG_LIBS) $(CMOCKA)

# The tests of the steering programs share nothing with what they test but its headers.
$(B)/libsteering.a: $(patsubst %.c,$(B)/%.o,$(wildcard tests/bpf/lib/*.c))
$(B)/tests/bpf/%: tests/bpf/%.c $(B)/libsteering.a $(B)/flags
	@mkdir -p $(@D)
	$(LINK_TEST) $(PKG_LIBS) $(CMOCKA) -pthread
$(B)/tests/bench/steering: tests/bench/steering.c $(B)/libsteering.a $(B)/flags
	@mkdir -p $(@D)
	$(LINK_TEST) $(PKG_LIBS) -pthread

# A harness replays what it is given; FUZZING=1 (make fuzz): libFuzzer searches with it.
wrapped_conversation := clock_gettime accept4 getsockopt setsockopt write
wrapped_qmp := qmp_object_get read write
$(B)/libreplay.a: $(if $(FUZZING),,$(B)/tests/fuzz/lib/replay.o)
$(B)/tests/fuzz/%: tests/fuzz/%.c $(B)/libcli.a $(B)/libbroker.a $(B)/libclient.a $(B)/libreplay.a \
		$(B)/flags
	@mkdir -p $(@D)
	$(LINK_TEST) $(PKG_LIBS) $(addprefix -Wl$(comma)--wrap=,$(wrapped_$(*F))) \
		$(if $(FUZZING),-fsanitize=fuzzer)
fuzz-programs: $(FUZZERS) $(BPF_OBJS)

# For builders of packages, who are nobody and have no network: some need root, one a QEMU.
ROOTLESS_TESTS := $(filter-out %/test_policy %/test_verify %/test_object_check,$(UNIT_TESTS))
check-unit: $(ROOTLESS_TESTS) $(BPF_OBJS)
	@set -e; for test in $(ROOTLESS_TESTS); do RSSB_BUILD=$(B) $$test; done

deps:
	$(Q)tests/setup/deps.sh

check: deps
	+$(Q)tests/run/check.sh $(if $(SAN),SAN=1)

# Debian's own kernels, each in an emulated host; PARTS: some of what runs there.
HOSTS ?= bullseye bookworm trixie newest arm64
check-hosts: deps
	+$(Q)$(MAKE) all test-programs
	$(Q)tests/setup/qemu.sh 10.0 sid
	$(Q)tests/setup/guest.sh
	$(Q)tests/setup/host.sh $(HOSTS)
	$(Q)tests/setup/libvirt.sh
	$(Q)tests/setup/selinux.sh host
	+$(Q)$(MAKE) install DESTDIR=$(CURDIR)/build/hosts/installed PREFIX=/usr
ifneq ($(filter bullseye,$(HOSTS)),)
	+$(Q)tests/setup/bullseye_build.sh
endif
ifneq ($(filter arm64,$(HOSTS)),)
	$(Q)tests/setup/deps.sh arm64
	$(Q)tests/setup/qemu.sh 10.0-arm
	$(Q)tests/setup/arm64_root.sh
endif
	$(Q)tests/run/check_hosts.py --build $(B) $(PARTS:%=--part=%) $(HOSTS)

# UPDATE=1 records what was added.
ABI := tests/abi/librssb.so.$(SOVERSION) $(if $(UPDATE),--update)
check-abi: $(B)/librssb.so.$(SOVERSION)
	$(Q)tests/abi/check_abi.py client/include/rssb.h $< $(ABI)

demo: deps
	+$(Q)$(MAKE) all $(B)/tests/tools/demo_client
	$(Q)tests/run/demo.sh $(B)

# What make check takes samples of; its figures are in docs/security.md.
soak: deps
	+$(Q)$(MAKE) all test-programs
	$(Q)tests/setup/qemu.sh 10.0
	$(Q)RSSB_SOAK=1 RSSB_BUILD=$(B) $(B)/tests/unit/test_object_check
	$(Q)RSSB_SOAK=1 RSSB_BUILD=$(B) $(PYTEST) -rP $(SOAK_ARGS) tests/faults \
		tests/integration/broker/test_objects.py </dev/null

bench: deps
	+$(Q)$(MAKE) all $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
	$(Q)tests/setup/qemu.sh 10.0
	$(Q)/usr/bin/python3 -B tests/bench/run.py --build $(B) $(BENCH_ARGS)

# FUZZ: names of harnesses, all by default.  ADOPT=1: what was found goes, minimised, into the tree.
FUZZ_SECONDS ?= 300
fuzz: deps
	+$(Q)$(MAKE) -s CC=$(CLANG) SAN=1 FUZZING=1 fuzz-programs
	$(Q)/usr/bin/python3 -B tests/fuzz/run.py --seconds $(FUZZ_SECONDS) $(if $(ADOPT),--adopt) $(FUZZ)

coverage: deps
	+$(Q)$(MAKE) -s CC=gcc COVERAGE=1 coverage-programs
	$(Q)tests/setup/qemu.sh 10.0
	$(Q)tests/run/coverage.py build/coverage
coverage-programs: $(UNIT_TESTS) $(FUZZERS) $(BPF_OBJS)

lint: deps
	$(Q)tests/lint/lint.sh

# Breaks each rule in tests/mutants/*.txt; MUTANTS: words, to try the rows that match one of them.
mutants: deps
	+$(Q)$(MAKE) all test-programs
	$(Q)tests/setup/qemu.sh 10.0
	$(Q)tests/mutants/run.py $(MUTANTS)

valgrind: deps
	+$(Q)$(MAKE) all test-programs
	$(Q)tests/run/valgrind.sh $(B)

deb-check: deps
	$(Q)tests/setup/qemu.sh 10.0
	$(Q)tests/setup/guest.sh
	$(Q)tests/setup/chroot.sh bookworm trixie
	$(Q)RSSB_DEB_CHECK=1 $(PYTEST) $(PYTEST_ARGS) tests/packages/debian_releases.py
