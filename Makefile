# rss-broker: everything is built into build/ (SAN=1: build/san).
#
#   make                the broker, the libraries, the command line tool, the man pages
#   make install        PREFIX, DESTDIR, UNITDIR, MANDIR, ...
#   make deb            Debian packages, into build/deb (installs what it needs)
#   make deb-check      those of Debian 12 and 13: built, used, booted, upgraded, removed
#   make check          every test (installs what it needs)
#   make check-unit     the unit tests that need neither root nor a QEMU
#   make check-hosts    the tests in emulated hosts with Debian's own kernels (HOSTS, PARTS)
#   make check-abi      librssb is what programs were built against (UPDATE=1: record it)
#   make demo           the main job, shown (installs what it needs)
#   make bench          how fast it is, beside its peers (installs what it needs)
#   make soak           the whole fault suite: every system call, a million requests (hours)
#   make fuzz           libFuzzer on all that reads others' bytes (FUZZ=name, FUZZ_SECONDS=300 each)
#   make coverage       what the unit tests and fuzz corpora run; all of the request parser, or 1
#   make lint           what finds fault without running the program
#   make mutants        breaks each rule of tests/mutants, and names the breaks that no test notices
#   make valgrind       the unit suite under memcheck
#   make format         clang-format on every C file
#   make test-programs  the programs of the tests
#   make deps           installs what building and testing need
#   make clean          removes build/
#   make help           this list
#
#   V=1 shows each command.  WERROR=1: a warning is an error.  SAN=1: with ASan and UBSan.
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
# CI and make lint.
WERROR ?= $(if $(CI),1)

B := build$(if $(COVERAGE),/coverage,$(if $(FUZZING),/fuzz,$(if $(SAN),/san)))

# Of all programs: the linker leaves out what one does not use.
PKGS := libbpf libelf zlib libcap-ng libmd json-c
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS))
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS))

# A command is one line of what it makes; V=1: as it is; make -s: nothing.
SILENT := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
Q := $(if $(V),,@)
MAKEFLAGS += $(if $(V),,--no-print-directory)
run = $(if $(V),,@$(if $(SILENT),,echo '$(1) $(2)'; ))

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
	$(if $(WERROR),-Werror) -fPIC -fvisibility=hidden $(WHOLE_UNIONS) -I. -I$(B) $(PKG_CFLAGS) \
	-D_GNU_SOURCE -DPACKAGE_VERSION='"$(VERSION)"' \
	$(if $(MULTIARCH),-DMULTIARCH='"$(MULTIARCH)"') \
	$(HARDENING) $(if $(SAN),-fsanitize=address -fsanitize=undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer -DRSSB_SANITIZED) \
	$(if $(FUZZING),-fsanitize=fuzzer-no-link) $(CPPFLAGS) $(CFLAGS) $(if $(COVERAGE),--coverage -O0)
# What goes into another's process has neither sanitizers nor coverage of its own.
PRELOAD_CFLAGS = $(filter-out -fsanitize% -fno-sanitize% -DRSSB_SANITIZED --coverage,$(ALL_CFLAGS))
PRELOAD_LDFLAGS = $(filter-out -fsanitize% --coverage,$(ALL_LDFLAGS))
ALL_LDFLAGS = -Wl,-z,relro,-z,now -Wl,--as-needed \
	$(if $(SAN),-fsanitize=address -fsanitize=undefined) $(if $(COVERAGE),--coverage) $(LDFLAGS)

# librssb is put into others' programs: it has nothing of command lines and start-up.
WIRE_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard proto/*.c))
PROTO_OBJS := $(WIRE_OBJS) $(patsubst %.c,$(B)/%.o,$(wildcard proto/util/*.c))
BROKER_OBJS := $(patsubst %,$(B)/%.o,$(basename $(wildcard broker/*.c broker/*/*.c broker/*/*.S)))
LIB_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard client/lib/*.c))
# Built anew for it: librssb, and what answers QEMU.
PRELOAD_OBJS := $(patsubst %.c,$(B)/preload/%.o,$(wildcard client/preload/*.c client/lib/*.c)) \
	$(WIRE_OBJS:$(B)/%=$(B)/preload/%)
CLI_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard client/cli/*.c client/cli/*/*.c client/cli/*/*/*.c))
# What an object must look like: checked by the broker, and without privilege by rssb.
OBJECT_CHECK_OBJS := $(patsubst %.c,$(B)/%.o,bpf/object_check.c bpf/object_confine.c)
MAN := $(patsubst docs/man/%.scd,$(B)/man/%,$(wildcard docs/man/*.scd))
BPF_OBJS := $(patsubst bpf/%.bpf.c,$(B)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
TEST_BPF_OBJS := $(patsubst %.bpf.c,$(B)/%.bpf.o,$(wildcard tests/bpf/objects/*.bpf.c))

.DELETE_ON_ERROR:
.PHONY: all help install deb format clean FORCE

all: $(B)/rss-broker $(B)/rssb $(B)/librssb.so $(B)/librssb.a $(B)/librssb-qemu.so \
	$(B)/rssb.pc $(BPF_OBJS) $(MAN)

help:
	@sed -n '/^#  /s/^# *//p' Makefile

# Another compiler or other flags rebuild everything; the same ones nothing.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))' > $@

# --- the steering objects -------------------------------------------------

BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror -I. \
	-I/usr/include/$(MULTIARCH) -ffile-prefix-map=$(CURDIR)=.

$(BPF_OBJS) $(TEST_BPF_OBJS): $(B)/%.bpf.o: %.bpf.c Makefile
	@mkdir -p $(@D)
	$(call run,BPF,$<)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

# --- programs and libraries -----------------------------------------------

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call run,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# What seccomp allows, collected from the comments beside the calls.
$(B)/broker/common/syscalls.h: broker/common/syscalls.sh $(wildcard broker/*.c broker/*/*.c proto/*.c proto/util/*.c)
	@mkdir -p $(@D)
	$(call run,GEN,$@)broker/common/syscalls.sh $(filter %.c,$^) > $@

$(B)/broker/common/seccomp.o: $(B)/broker/common/syscalls.h

# The embedded objects: assembled from the very bytes of build/bpf/*.bpf.o.
$(B)/%.o: %.S $(BPF_OBJS) $(B)/flags
	@mkdir -p $(@D)
	$(call run,AS,$<)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(B)/libproto.a: $(PROTO_OBJS)
# The program's own: neither tests nor fuzzers start by it.
BROKER_MAIN := $(B)/broker/main.o
$(B)/libbroker.a: $(filter-out $(BROKER_MAIN),$(BROKER_OBJS)) $(OBJECT_CHECK_OBJS)
$(B)/libcli.a: $(filter-out $(B)/client/cli/main.o,$(CLI_OBJS)) $(OBJECT_CHECK_OBJS)
$(B)/libclient.a: $(LIB_OBJS) $(PROTO_OBJS)
$(B)/librssb.a: $(B)/librssb.o
%.a:
	@rm -f $@
	$(call run,AR,$@)$(AR) qcs $@ $^

$(B)/rss-broker: $(BROKER_MAIN) $(B)/libbroker.a $(B)/libproto.a
	$(call run,LD,$@)$(CC) -pie $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The static library is one object: what is internal clashes with nobody's names.
$(B)/librssb.o: $(LIB_OBJS) $(WIRE_OBJS)
	$(call run,LD,$@)$(CC) -r -nostdlib -o $@ $^
	$(Q)$(OBJCOPY) --localize-hidden $@

$(B)/rssb: $(B)/client/cli/main.o $(B)/libcli.a $(B)/librssb.a $(B)/libproto.a
	$(call run,LD,$@)$(CC) -pie $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(B)/librssb.so.$(SOVERSION): $(LIB_OBJS) $(WIRE_OBJS) client/lib/librssb.map
	$(call run,LD,$@)$(CC) -shared $(ALL_LDFLAGS) -Wl,-soname,librssb.so.$(SOVERSION) \
		-Wl,--version-script=client/lib/librssb.map -o $@ $(filter %.o,$^)

# It is loaded into every program between rssb run and QEMU, so its TLS is static.
$(B)/preload/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call run,CC,$<)$(CC) $(PRELOAD_CFLAGS) -ftls-model=initial-exec -MMD -MP -c $< -o $@

$(B)/librssb-qemu.so: $(PRELOAD_OBJS) client/preload/librssb-qemu.map
	$(call run,LD,$@)$(CC) -shared $(PRELOAD_LDFLAGS) -Wl,-soname,$(@F) -Wl,--no-undefined \
		-Wl,--version-script=client/preload/librssb-qemu.map -o $@ $(filter %.o,$^)

$(B)/librssb.so: $(B)/librssb.so.$(SOVERSION)
	$(Q)ln -sf $(<F) $@

# make install may be given another PREFIX than make was.
PC_EDIT = -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|'
$(B)/rssb.pc: client/lib/rssb.pc.in FORCE
	@mkdir -p $(@D)
	@sed $(PC_EDIT) $< | cmp -s - $@ || sed $(PC_EDIT) $< > $@

# The day of the build is left out: the same sources give the same bytes.
$(B)/man/%: docs/man/%.scd Makefile
	@mkdir -p $(@D)
	$(call run,MAN,$<)SOURCE_DATE_EPOCH=0 $(SCDOC) < $< > $@
	@sed -i '/^\.TH/s/"1970-01-01" "rss-broker"/"" "rss-broker $(VERSION)"/' $@

include tests/tests.mk

# --- installation -----------------------------------------------------------

format:
	$(Q)clang-format -i $$(git ls-files '*.[ch]')

UNITS := $(patsubst %,$(B)/%,$(wildcard broker/systemd/*.service broker/systemd/*.socket \
	client/systemd/*.service client/systemd/*.socket))
APPARMOR := $(patsubst %,$(B)/%,$(wildcard broker/apparmor/*))

# Units and profiles name the programs where they are installed, which only make install knows.
PLACES = -e 's|@SBINDIR@|$(SBINDIR)|' -e 's|@BINDIR@|$(BINDIR)|' -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|' \
	-e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|' -e 's|@QEMU_BINDIR@|$(QEMU_BINDIR)|'
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
	$(Q)$(INSTALL) -D -m 644 client/completions/$(1).bash $(DESTDIR)$(BASHCOMPDIR)/$(1)
	$(Q)$(INSTALL) -D -m 644 client/completions/_$(1) $(DESTDIR)$(ZSHCOMPDIR)/_$(1)
	$(Q)$(INSTALL) -D -m 644 client/completions/$(1).fish $(DESTDIR)$(FISHCOMPDIR)/$(1).fish

endef

define install_emulator
	$(Q)$(INSTALL) -D -m 755 client/libexec/qemu-system.in $(DESTDIR)$(LIBEXECDIR)/rss-broker/$(1)
	$(Q)sed -i $(PLACES) $(DESTDIR)$(LIBEXECDIR)/rss-broker/$(1)

endef

# The administrator's, who may have changed it.
EMULATOR_CONF = $(DESTDIR)$(SYSCONFDIR)/rss-broker/emulator.conf

install: all $(UNITS) $(APPARMOR)
	$(call run,INSTALL,$(DESTDIR)$(PREFIX))$(INSTALL) -D -m 755 $(B)/rss-broker \
		$(DESTDIR)$(SBINDIR)/rss-broker
	$(Q)$(INSTALL) -D -m 755 $(B)/rssb $(DESTDIR)$(BINDIR)/rssb
	$(Q)$(INSTALL) -D -m 755 $(B)/librssb.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/librssb.so.$(SOVERSION)
	$(Q)ln -sf librssb.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/librssb.so
	$(Q)$(INSTALL) -D -m 644 $(B)/librssb-qemu.so $(DESTDIR)$(LIBDIR)/rss-broker/librssb-qemu.so
	$(Q)$(INSTALL) -D -m 644 $(B)/librssb.a $(DESTDIR)$(LIBDIR)/librssb.a
	$(Q)$(INSTALL) -D -m 644 $(B)/rssb.pc $(DESTDIR)$(LIBDIR)/pkgconfig/rssb.pc
	$(Q)$(INSTALL) -d $(DESTDIR)$(UNITDIR)
	$(Q)$(INSTALL) -m 644 $(UNITS) $(DESTDIR)$(UNITDIR)
	$(Q)$(INSTALL) -D -m 644 broker/systemd/rss-broker.sysusers $(DESTDIR)$(SYSUSERSDIR)/rss-broker.conf
	$(Q)$(INSTALL) -D -m 644 broker/systemd/rss-broker.tmpfiles $(DESTDIR)$(TMPFILESDIR)/rss-broker.conf
	$(Q)$(INSTALL) -d $(DESTDIR)$(APPARMORDIR)/abstractions $(DESTDIR)$(SELINUXDIR)
	$(Q)$(INSTALL) -m 644 $(filter %/usr.sbin.rss-broker,$(APPARMOR)) $(DESTDIR)$(APPARMORDIR)
	$(Q)$(INSTALL) -m 644 $(filter-out %/usr.sbin.rss-broker,$(APPARMOR)) $(DESTDIR)$(APPARMORDIR)/abstractions
	$(Q)$(INSTALL) -m 644 $(wildcard broker/selinux/rss_broker.*) $(DESTDIR)$(SELINUXDIR)
	$(Q)$(INSTALL) -D -m 644 client/include/rssb.h $(DESTDIR)$(INCLUDEDIR)/rssb.h
	$(Q)$(install_man)
	$(call install_completions,rssb)
	$(call install_completions,rss-broker)
	$(Q)[ -e $(EMULATOR_CONF) ] || $(INSTALL) -D -m 644 client/libexec/emulator.conf $(EMULATOR_CONF)
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
	$(Q)tests/setup/deps.sh build package
	$(Q)rm -rf $(DEB)
	$(Q)mkdir -p $(DEB)
	$(Q)$(DEB_TAR) -c . | gzip -9n > $(DEB)/rss-broker_$(VERSION).orig.tar.gz
	$(Q)tar -x -C $(DEB) -f $(DEB)/rss-broker_$(VERSION).orig.tar.gz
	$(Q)cp -r $(PACKAGING) $(DEB_TREE)/debian
	$(Q)cd $(DEB_TREE) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CI \
		dpkg-buildpackage --unsigned-source --unsigned-changes --jobs=auto

clean:
	$(Q)rm -rf build

BUILT := $(wildcard $(addprefix $(B)/,bpf broker client preload proto tests))
-include $(if $(BUILT),$(shell find $(BUILT) -name '*.d' -type f -print))
