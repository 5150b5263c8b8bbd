# make install: where the Filesystem Hierarchy Standard has things, below DESTDIR.
# make deb: a Debian package in build/deb/. make dist: the committed tree as build/oxidicom-VERSION.tar.gz.
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
VERSION := $(shell sed -n 's/^.define OXIDICOM_VERSION "\(.*\)"/\1/p' common/version.h)

# --- pages and a configuration file from the table of settings -----------------------------------------------

PAGES := $(patsubst deploy/man/%.in,$(B)/man/%,$(wildcard deploy/man/*.in))

man: $(PAGES) $(B)/man/oxidicom.conf

$(B)/man/oxidicom.conf.5: deploy/man/oxidicom.conf.5.in deploy/man/settings.awk $(B)/bin/oxidicom
	@mkdir -p $(@D)
	@echo MAN $@; $(B)/bin/oxidicom --settings | awk -f deploy/man/settings.awk >$(B)/man/settings
	@sed -e '/^@SETTINGS@$$/{r $(B)/man/settings' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< >$@

$(B)/man/%.1: deploy/man/%.1.in $(B)/bin/%
	@mkdir -p $(@D)
	@echo MAN $@; $(B)/bin/$* --help | sed -n 's/^  \([A-Z][A-Z_]*\).*/\1/p' >$(B)/man/$*.variables
	@sed -e '/^@VARIABLES@$$/{r $(B)/man/$*.variables' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< >$@

$(B)/man/oxidicom.conf: deploy/man/settings.awk $(B)/bin/oxidicom
	@mkdir -p $(@D)
	@echo CONF $@; { echo '# Settings of oxidicom, see oxidicom.conf(5). What is commented out is the default.'; echo; \
		$(B)/bin/oxidicom --settings | awk -v form=conf -f deploy/man/settings.awk; } >$@

# --- install ----------------------------------------------------------------------------------------------------

TO := $(DESTDIR)$(PREFIX)
COMPLETIONS := $(TO)/share/bash-completion/completions

install: all man
	install -d $(TO)/bin $(TO)/share/man/man1 $(TO)/share/man/man5 $(TO)/share/doc/oxidicom $(TO)/share/oxidicom \
		$(COMPLETIONS) $(TO)/lib/sysusers.d $(TO)/lib/tmpfiles.d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/oxidicom
	install -m 755 $(PROGRAMS) $(TO)/bin
	install -m 644 $(filter %.1,$(PAGES)) $(TO)/share/man/man1
	install -m 644 $(filter %.5,$(PAGES)) $(TO)/share/man/man5
	install -m 644 README.md LICENSE $(TO)/share/doc/oxidicom
	install -D -m 644 -t $(TO)/share/doc/oxidicom/proto proto/PROTOCOL.md
	install -D -m 644 -t $(TO)/share/doc/oxidicom/deploy deploy/*.md
	install -m 644 deploy/completion/oxidicom.bash $(COMPLETIONS)/oxidicom
	for stage in $(STAGES); do ln -sf oxidicom $(COMPLETIONS)/oxidicom-$$stage; done
	for unit in deploy/systemd/*.service deploy/systemd/*.socket deploy/systemd/*.target; do \
		sed 's|/usr/local/bin/|$(PREFIX)/bin/|' $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; done
	install -m 644 deploy/systemd/oxidicom.sysusers $(TO)/lib/sysusers.d/oxidicom.conf
	install -m 644 deploy/systemd/oxidicom.tmpfiles $(TO)/lib/tmpfiles.d/oxidicom.conf
	cp -r deploy/s6 deploy/supervisord $(TO)/share/oxidicom
	[ -e $(DESTDIR)$(SYSCONFDIR)/oxidicom/oxidicom.conf ] || \
		install -m 640 $(B)/man/oxidicom.conf $(DESTDIR)$(SYSCONFDIR)/oxidicom/oxidicom.conf

# --- packages ---------------------------------------------------------------------------------------------------

# Debian takes these for given; a package must not name them.
ESSENTIAL := "^(gcc|g\+\+|make|libc6-dev)$$"
# Who answers for the package: a site that builds its own names itself.
MAINTAINER ?= oxidicom developers <oxidicom@chrisproject.org>
DEB := build/deb/oxidicom-$(VERSION)

deb:
	deploy/deps.sh build package
	rm -rf build/deb
	mkdir -p $(DEB)
	tar -c --exclude=./build --exclude=./.git . | tar -x -C $(DEB)
	cp -r deploy/debian $(DEB)/debian
	sed -e 's/@VERSION@/$(VERSION)/' -e 's/@MAINTAINER@/$(MAINTAINER)/' deploy/debian/changelog.in \
		>$(DEB)/debian/changelog
	sed "s/@BUILD@/$$(deploy/deps.sh --list build | grep -vE $(ESSENTIAL) | paste -sd,)/; s/@MAINTAINER@/$(MAINTAINER)/" deploy/debian/control.in \
		>$(DEB)/debian/control
	rm $(DEB)/debian/*.in
	cd $(DEB) && env -u MAKEFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS="parallel=$(shell nproc) $(DEB_BUILD_OPTIONS)" \
		dpkg-buildpackage --build=binary --no-sign
	ls build/deb/*.deb

dist:
	mkdir -p build
	git archive --format=tar --prefix=oxidicom-$(VERSION)/ HEAD | gzip -n9 >build/oxidicom-$(VERSION).tar.gz

.PHONY: man install deb dist
