# rss-broker: everything is built into build/ (SAN=1: build/san).
#
#   make            the broker, the library, the command line tool
#   make check      every test (installs what it needs)
#   make check-abi  librssb is what programs were built against (UPDATE=1: record it)
#   make demo       the main job, shown (installs what it needs)
#   make bench      how fast it is, beside its peers (installs what it needs)
#   make soak       the whole fault suite: every system call, a million requests (an hour or two)
#   make fuzz       libFuzzer on all that reads others' bytes (FUZZ=name, FUZZ_SECONDS=300 each)
#   make coverage   what the unit tests and fuzz corpora run; fails unless all of the request parser
#   make install    PREFIX, DESTDIR, UNITDIR, MANDIR, ...
#   make deb        Debian packages, into build/deb (installs what it needs)
#   make deb-check  those of Debian 12 and 13: built, used, booted, upgraded, removed
#   make check-unit the unit tests that need neither root nor a QEMU
#
# A new source file is picked up by its place; nothing is listed here twice.

VERSION := 0.1.0
SOVERSION := 0

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
LIBEXECDIR ?= $(PREFIX)/libexec
MANDIR ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
# AppArmor reads /etc alone, and a build of one's own changes nothing there by itself.
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
APPARMORDIR ?= $(SYSCONFDIR)/apparmor.d
# Sources: a policy module fits the policy that it was compiled with.
SELINUXDIR ?= $(PREFIX)/share/rss-broker/selinux
# Emulators for libvirt (client/libexec): of which QEMUs, and where those are.
QEMU_ARCHS ?= x86_64 aarch64 ppc64 riscv64 s390x
QEMU_BINDIR ?= /usr/bin

CLANG ?= clang
LLVM_STRIP ?= llvm-strip
PKG_CONFIG ?= pkg-config
PYTEST ?= /usr/bin/pytest-3
INSTALL ?= install
OBJCOPY ?= objcopy
SCDOC ?= scdoc
# WERROR=1 (CI and make lint) turns every warning into an error.
WERROR ?= $(if $(CI),1)

B := build$(if $(COVERAGE),/coverage,$(if $(FUZZING),/fuzz,$(if $(SAN),/san)))

BROKER_PKGS := libbpf libelf zlib libcap-ng libseccomp libmd
CLI_PKGS := json-c libelf libmd
pkg_cflags = $(shell $(PKG_CONFIG) --cflags $(1))
pkg_libs = $(shell $(PKG_CONFIG) --libs $(1))

CFLAGS ?= -O2 -g
# clang lost the option between Debian 12 and 13.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null || gcc -print-multiarch 2>/dev/null)
# A distribution has flags of its own; a level of fortification is said once.
HARDENING := -fstack-protector-strong -fstack-clash-protection \
	$(if $(filter x86_64-% i%86-%,$(shell $(CC) -dumpmachine)),-fcf-protection) \
	$(if $(SAN)$(COVERAGE)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# GCC 15 and later zero the named member of a union alone, unless told; a message is all of it.
WHOLE_UNIONS := $(shell echo | $(CC) -fzero-init-padding-bits=unions -x c -c - -o /dev/null \
	2>/dev/null && echo -fzero-init-padding-bits=unions)
ALL_CFLAGS = -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla -Wformat=2 -Wno-unused-parameter \
	-Wno-missing-field-initializers \
	$(if $(WERROR),-Werror) -fPIC -fvisibility=hidden $(WHOLE_UNIONS) -I. \
	-D_GNU_SOURCE -DPACKAGE_VERSION='"$(VERSION)"' \
	$(if $(MULTIARCH),-DMULTIARCH='"$(MULTIARCH)"') \
	$(HARDENING) $(if $(SAN),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DRSSB_SANITIZED) \
	$(if $(FUZZING),-fsanitize=fuzzer-no-link) $(CPPFLAGS) $(CFLAGS) $(if $(COVERAGE),--coverage -O0)
# What goes into another's process has neither sanitizers nor coverage of its own.
PRELOAD_CFLAGS = $(filter-out -fsanitize% -fno-sanitize% -DRSSB_SANITIZED --coverage,$(ALL_CFLAGS))
PRELOAD_LDFLAGS = $(filter-out -fsanitize% --coverage,$(ALL_LDFLAGS))
ALL_LDFLAGS = -Wl,-z,relro,-z,now -Wl,--as-needed \
	$(if $(SAN),-fsanitize=address -fsanitize=undefined) $(if $(COVERAGE),--coverage) $(LDFLAGS)

PROTO_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard proto/*.c))
BROKER_OBJS := $(patsubst %,$(B)/%.o,$(basename $(wildcard broker/*.c broker/*/*.c broker/*/*.S)))
LIB_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard client/lib/*.c))
# Built anew for it: librssb, and what answers QEMU.
PRELOAD_OBJS := $(patsubst %.c,$(B)/preload/%.o,$(wildcard client/preload/*.c client/lib/*.c proto/*.c))
CLI_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard client/cli/*.c client/cli/*/*.c client/cli/*/*/*.c))
# What an object must look like: checked by the broker, and without privilege by rssb.
OBJECT_CHECK_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard bpf/object_check/*.c))
MAN := $(patsubst docs/man/%.scd,$(B)/man/%,$(wildcard docs/man/*.scd))
BPF_OBJS := $(patsubst bpf/%.bpf.c,$(B)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/*.c))
TEST_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/bpf/*.c tests/tools/*.c tests/bench/*.c))

.DELETE_ON_ERROR:
.PHONY: all check check-unit check-abi deb deb-check demo bench soak fuzz coverage lint valgrind format \
	deps install clean test-programs fuzz-programs coverage-programs FORCE

all: $(B)/rss-broker $(B)/rssb $(B)/librssb.so $(B)/librssb.a $(B)/librssb-qemu.so \
	$(B)/rssb.pc $(BPF_OBJS) $(MAN)

# Another compiler or other flags rebuild everything; the same ones nothing.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))' > $@

# --- the steering objects -------------------------------------------------

BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror -I. \
	-I/usr/include/$(MULTIARCH) -ffile-prefix-map=$(CURDIR)=.

$(B)/bpf/%.bpf.o: bpf/%.bpf.c Makefile
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@
	$(LLVM_STRIP) -g $@

# --- programs and libraries -----------------------------------------------

$(B)/broker/%.o $(B)/bpf/object_check/%.o: PKG_CFLAGS = $(call pkg_cflags,$(BROKER_PKGS))
$(B)/client/cli/%.o: PKG_CFLAGS = $(call pkg_cflags,$(CLI_PKGS))
$(B)/tests/%: PKG_CFLAGS = $(call pkg_cflags,$(BROKER_PKGS) $(CLI_PKGS) cmocka)

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -c $< -o $@

# What seccomp allows, collected from the comments beside the calls.
$(B)/broker/common/syscalls.h: broker/common/syscalls.sh $(wildcard broker/*.c broker/*/*.c proto/*.c)
	@mkdir -p $(@D)
	broker/common/syscalls.sh $(filter %.c,$^) > $@

$(B)/broker/common/seccomp.o: $(B)/broker/common/syscalls.h
$(B)/broker/common/seccomp.o: PKG_CFLAGS += -I$(B)

# The embedded objects: assembled from the very bytes of build/bpf/*.bpf.o.
$(B)/%.o: %.S $(BPF_OBJS) $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -I$(B)/bpf -c $< -o $@

$(B)/libproto.a: $(PROTO_OBJS)
# The program's own: neither tests nor fuzzers start by it, nor allocate by it.
BROKER_MAIN := $(B)/broker/main.o $(B)/broker/allocate.o
$(B)/libbroker.a: $(filter-out $(BROKER_MAIN),$(BROKER_OBJS)) $(OBJECT_CHECK_OBJS)
$(B)/libcli.a: $(filter-out $(B)/client/cli/main.o,$(CLI_OBJS)) $(OBJECT_CHECK_OBJS)
$(B)/libclient.a: $(LIB_OBJS) $(PROTO_OBJS)
$(B)/librssb.a: $(B)/librssb.o
%.a:
	rm -f $@
	$(AR) qcs $@ $^

$(B)/rss-broker: $(BROKER_MAIN) $(B)/libbroker.a $(B)/libproto.a
	$(CC) -pie $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(BROKER_PKGS))

# The static library is one object: what is internal clashes with nobody's names.
$(B)/librssb.o: $(LIB_OBJS) $(PROTO_OBJS)
	$(CC) -r -nostdlib -o $@ $^
	$(OBJCOPY) --localize-hidden $@

$(B)/rssb: $(B)/client/cli/main.o $(B)/libcli.a $(B)/librssb.a $(B)/libproto.a
	$(CC) -pie $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(CLI_PKGS))

$(B)/librssb.so.$(SOVERSION): $(LIB_OBJS) $(PROTO_OBJS) client/lib/librssb.map
	$(CC) -shared $(ALL_LDFLAGS) -Wl,-soname,librssb.so.$(SOVERSION) \
		-Wl,--version-script=client/lib/librssb.map -o $@ $(filter %.o,$^)

# It is loaded into every program between rssb run and QEMU, so its TLS is static.
$(B)/preload/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(PRELOAD_CFLAGS) -ftls-model=initial-exec -MMD -MP -c $< -o $@

$(B)/librssb-qemu.so: $(PRELOAD_OBJS) client/preload/librssb-qemu.map
	$(CC) -shared $(PRELOAD_LDFLAGS) -Wl,-soname,$(@F) -Wl,--no-undefined \
		-Wl,--version-script=client/preload/librssb-qemu.map -o $@ $(filter %.o,$^)

$(B)/librssb.so: $(B)/librssb.so.$(SOVERSION)
	ln -sf $(<F) $@

# make install may be given another PREFIX than make was.
PC_EDIT = -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|'
$(B)/rssb.pc: client/lib/rssb.pc.in FORCE
	@mkdir -p $(@D)
	@sed $(PC_EDIT) $< | cmp -s - $@ || sed $(PC_EDIT) $< > $@

# The day of the build is left out: the same sources give the same bytes.
$(B)/man/%: docs/man/%.scd Makefile
	@mkdir -p $(@D)
	SOURCE_DATE_EPOCH=0 $(SCDOC) < $< > $@
	@sed -i '/^\.TH/s/"1970-01-01" "rss-broker"/"" "rss-broker $(VERSION)"/' $@

# --- tests ----------------------------------------------------------------

test-programs: $(UNIT_TESTS) $(TEST_TOOLS) $(FUZZERS)

# One program a file; the archives give each what it uses and no more.
$(B)/tests/%: tests/%.c $(B)/libcli.a $(B)/libbroker.a $(B)/libclient.a $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -pie $(ALL_LDFLAGS) -o $@ $< \
		$(filter %.a,$^) $(call pkg_libs,$(BROKER_PKGS) $(CLI_PKGS) cmocka)

# The tests of the steering programs share nothing with what they test but its headers.
$(B)/libsteering.a: $(patsubst %.c,$(B)/%.o,$(wildcard tests/bpf/lib/*.c))
STEERING_LINK = $(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -pie $(ALL_LDFLAGS) -o $@ $< \
	$(filter %.a,$^) $(call pkg_libs,libbpf libelf libcap-ng cmocka) -pthread
$(B)/tests/bpf/%: tests/bpf/%.c $(B)/libsteering.a $(B)/flags
	@mkdir -p $(@D)
	$(STEERING_LINK)
$(B)/tests/bench/steering: tests/bench/steering.c $(B)/libsteering.a $(B)/flags
	@mkdir -p $(@D)
	$(STEERING_LINK)

# A harness replays what it is given; FUZZING=1 (make fuzz): libFuzzer searches with it.
comma := ,
wrap = $(patsubst %,-Wl$(comma)--wrap=%,$(1))
$(B)/tests/fuzz/conversation: FUZZ_WRAP = \
	$(call wrap,clock_gettime accept4 getsockopt setsockopt write)
$(B)/tests/fuzz/qmp: FUZZ_WRAP = $(call wrap,qmp_source_get read write)
$(B)/libreplay.a: $(if $(FUZZING),,$(B)/tests/fuzz/lib/replay.o)
$(B)/tests/fuzz/%: tests/fuzz/%.c $(B)/libcli.a $(B)/libbroker.a $(B)/libclient.a $(B)/libreplay.a \
		$(B)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -pie $(ALL_LDFLAGS) $(FUZZ_WRAP) -o $@ $< \
		$(filter %.a,$^) $(call pkg_libs,$(BROKER_PKGS) $(CLI_PKGS)) $(if $(FUZZING),-fsanitize=fuzzer)
fuzz-programs: $(FUZZERS) $(BPF_OBJS)

# For builders of packages, who are nobody and have no network: some need root, one a QEMU.
ROOTLESS_TESTS := $(filter-out %/test_policy %/test_verify %/test_object_check,$(UNIT_TESTS))
check-unit: $(ROOTLESS_TESTS) $(BPF_OBJS)
	@set -e; for test in $(ROOTLESS_TESTS); do RSSB_BUILD=$(B) $$test; done

deps:
	tests/setup/deps.sh

check: deps
	+tests/run/check.sh $(if $(SAN),SAN=1)

# UPDATE=1 records what was added.
ABI := tests/abi/librssb.so.$(SOVERSION) $(if $(UPDATE),--update)
check-abi: $(B)/librssb.so.$(SOVERSION)
	@tests/abi/check_abi.py client/include/rssb.h $< $(ABI)

demo: deps
	+$(MAKE) all $(B)/tests/tools/demo_client
	tests/run/demo.sh $(B)

# What make check takes samples of; its figures are in docs/security.md.
soak: deps
	+$(MAKE) all test-programs
	tests/setup/qemu.sh 10.0
	RSSB_SOAK=1 RSSB_BUILD=$(B) $(PYTEST) -rP $(SOAK_ARGS) tests/faults </dev/null

bench: deps
	+$(MAKE) all $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
	tests/setup/qemu.sh 10.0
	/usr/bin/python3 -B tests/bench/run.py --build $(B) $(BENCH_ARGS)

# FUZZ: names of harnesses, all by default.  ADOPT=1: what was found goes, minimised, into the tree.
FUZZ_SECONDS ?= 300
fuzz: deps
	+$(MAKE) -s CC=$(CLANG) SAN=1 FUZZING=1 fuzz-programs
	/usr/bin/python3 -B tests/fuzz/run.py --seconds $(FUZZ_SECONDS) $(if $(ADOPT),--adopt) $(FUZZ)

coverage: deps
	+$(MAKE) -s CC=gcc COVERAGE=1 coverage-programs
	tests/setup/qemu.sh 10.0
	tests/run/coverage.py build/coverage
coverage-programs: $(UNIT_TESTS) $(FUZZERS) $(BPF_OBJS)

# --- the rest ---------------------------------------------------------------

lint: deps
	tests/lint/lint.sh

valgrind: deps
	+$(MAKE) all test-programs
	tests/run/valgrind.sh $(B)

format:
	clang-format -i $$(git ls-files '*.[ch]')

UNITS := $(patsubst %,$(B)/%,$(wildcard broker/systemd/*.service broker/systemd/*.socket \
	client/systemd/*.service client/systemd/*.socket))
APPARMOR := $(patsubst %,$(B)/%,$(wildcard broker/apparmor/*))

# Units and profiles name the programs where they are installed, which only make install knows.
PLACES = -e 's|@SBINDIR@|$(SBINDIR)|' -e 's|@BINDIR@|$(BINDIR)|' -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|'
$(UNITS) $(APPARMOR): $(B)/%: % FORCE
	@mkdir -p $(@D)
	@sed $(PLACES) $< | cmp -s - $@ || sed $(PLACES) $< > $@

# A page that names several commands is found by the name of each.
install_man = set -e; for page in $(notdir $(MAN)); do \
	section=$${page\#\#*.}; dir=$(DESTDIR)$(MANDIR)/man$$section; \
	$(INSTALL) -D -m 644 $(B)/man/$$page $$dir/$$page; \
	for name in $$(sed -n '/^\# NAME/{n;n;s/ - .*//;s/,//g;p}' docs/man/$$page.scd); do \
		[ $$name.$$section = $$page ] || ln -sf $$page $$dir/$$name.$$section; \
	done; done

define install_completions
	$(INSTALL) -D -m 644 client/completions/$(1).bash $(DESTDIR)$(BASHCOMPDIR)/$(1)
	$(INSTALL) -D -m 644 client/completions/_$(1) $(DESTDIR)$(ZSHCOMPDIR)/_$(1)
	$(INSTALL) -D -m 644 client/completions/$(1).fish $(DESTDIR)$(FISHCOMPDIR)/$(1).fish

endef

define install_emulator
	$(INSTALL) -D -m 755 client/libexec/qemu-system.in $(DESTDIR)$(LIBEXECDIR)/rss-broker/$(1)
	sed -i -e 's|@BINDIR@|$(BINDIR)|' -e 's|@QEMU_BINDIR@|$(QEMU_BINDIR)|' \
		$(DESTDIR)$(LIBEXECDIR)/rss-broker/$(1)

endef

install: all $(UNITS) $(APPARMOR)
	$(INSTALL) -D -m 755 $(B)/rss-broker $(DESTDIR)$(SBINDIR)/rss-broker
	$(INSTALL) -D -m 755 $(B)/rssb $(DESTDIR)$(BINDIR)/rssb
	$(INSTALL) -D -m 755 $(B)/librssb.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/librssb.so.$(SOVERSION)
	ln -sf librssb.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/librssb.so
	$(INSTALL) -D -m 644 $(B)/librssb-qemu.so $(DESTDIR)$(LIBDIR)/rss-broker/librssb-qemu.so
	$(INSTALL) -D -m 644 $(B)/librssb.a $(DESTDIR)$(LIBDIR)/librssb.a
	$(INSTALL) -D -m 644 $(B)/rssb.pc $(DESTDIR)$(LIBDIR)/pkgconfig/rssb.pc
	$(INSTALL) -d $(DESTDIR)$(UNITDIR)
	$(INSTALL) -m 644 $(UNITS) $(DESTDIR)$(UNITDIR)
	$(INSTALL) -D -m 644 broker/systemd/rss-broker.sysusers $(DESTDIR)$(SYSUSERSDIR)/rss-broker.conf
	$(INSTALL) -D -m 644 broker/systemd/rss-broker.tmpfiles $(DESTDIR)$(TMPFILESDIR)/rss-broker.conf
	$(INSTALL) -d $(DESTDIR)$(APPARMORDIR)/abstractions $(DESTDIR)$(SELINUXDIR)
	$(INSTALL) -m 644 $(filter %/usr.sbin.rss-broker,$(APPARMOR)) $(DESTDIR)$(APPARMORDIR)
	$(INSTALL) -m 644 $(filter-out %/usr.sbin.rss-broker,$(APPARMOR)) $(DESTDIR)$(APPARMORDIR)/abstractions
	$(INSTALL) -m 644 $(wildcard broker/selinux/rss_broker.*) $(DESTDIR)$(SELINUXDIR)
	$(INSTALL) -D -m 644 client/include/rssb.h $(DESTDIR)$(INCLUDEDIR)/rssb.h
	$(install_man)
	$(call install_completions,rssb)
	$(call install_completions,rss-broker)
	$(foreach arch,$(QEMU_ARCHS),$(call install_emulator,qemu-system-$(arch)))

# --- Debian packages ----------------------------------------------------------

PACKAGING := docs/packaging/debian
DEB := build/deb
DEB_TREE := $(DEB)/rss-broker-$(VERSION)
# The date of the newest entry of the changelog is that of every file.
DEB_EPOCH = $(shell dpkg-parsechangelog -l $(PACKAGING)/changelog -S Timestamp)
# The tree alone, however it came here: no git is needed.
DEB_TAR = tar --exclude-vcs --exclude=./build --exclude=__pycache__ --exclude=.pytest_cache \
	--sort=name --mtime=@$(DEB_EPOCH) --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
	--transform='s,^\.,rss-broker-$(VERSION),'

# A source package, and what is built from it; of this make it takes over nothing.
deb:
	tests/setup/deps.sh build package
	rm -rf $(DEB)
	mkdir -p $(DEB)
	$(DEB_TAR) -c . | gzip -9n > $(DEB)/rss-broker_$(VERSION).orig.tar.gz
	tar -x -C $(DEB) -f $(DEB)/rss-broker_$(VERSION).orig.tar.gz
	cp -r $(PACKAGING) $(DEB_TREE)/debian
	cd $(DEB_TREE) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CI \
		dpkg-buildpackage --unsigned-source --unsigned-changes --jobs=auto

deb-check: deps
	tests/setup/qemu.sh 10.0
	tests/setup/guest.sh
	tests/setup/chroot.sh bookworm trixie
	RSSB_DEB_CHECK=1 $(PYTEST) $(PYTEST_ARGS) tests/packages/debian_releases.py

clean:
	rm -rf build

# Not those of what is unpacked there.
UNPACKED := apt chroot deb guest qemu qmp_client
-include $(shell find $(B) $(UNPACKED:%=-path $(B)/% -prune -o) -name '*.d' -type f -print 2>/dev/null)
