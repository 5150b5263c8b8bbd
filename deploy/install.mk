# make install: where the Filesystem Hierarchy Standard has things, below DESTDIR.
# make deb: a Debian package in build/deb/. make dist: the committed tree as build/oxidicom-VERSION.tar.gz.
# make deb-check, make rootfs-check: whether they come out the same from another folder.
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
VERSION := $(shell sed -n 's/^.define OXIDICOM_VERSION "\(.*\)"/\1/p' common/version.h)

# Nothing that is built for others is younger than this: the commit's time, which a tarball's files have, too.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y deploy/install.mk)
# Copies the source into a folder: Git's files in their present state, or all of an unpacked tarball.
COPY = set -o pipefail; { if git ls-files --error-unmatch Makefile >/dev/null 2>&1; then git ls-files -z; else \
	find . -path ./build -prune -o -type f -print0; fi; } | tar -c --null -T - | tar -x -C

# --- pages and a configuration file from the table of settings -----------------------------------------------

PAGES := $(patsubst deploy/man/%.in,$(B)/man/%,$(wildcard deploy/man/*.in))

man: $(PAGES) $(B)/man/oxidicom.conf

# Compiled for the machine that builds, of what needs no library.
PRINTER := deploy/man/print_settings.c $(patsubst %,common/%.c,settings settings_checks settings_table duration secret \
	broker_schemes comma_list network plain_path utf8 memory valid)
$(B)/man/settings-printer: $(PRINTER) $(wildcard common/*.h)
	@mkdir -p $(@D)
	@echo CC deploy/man/print_settings.c; $(CC_FOR_BUILD) -std=gnu11 -D_GNU_SOURCE -I. -o $@ $(PRINTER)

$(B)/man/oxidicom.conf.5: deploy/man/oxidicom.conf.5.in deploy/man/settings.awk $(B)/man/settings-printer
	@echo MAN $@; $(B)/man/settings-printer | awk -f deploy/man/settings.awk >$(B)/man/settings
	@sed -e '/^@SETTINGS@$$/{r $(B)/man/settings' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< >$@

$(B)/man/%.1: deploy/man/%.1.in $(B)/man/settings-printer
	@echo MAN $@; $(B)/man/settings-printer $* >$(B)/man/$*.variables
	@sed -e '/^@VARIABLES@$$/{r $(B)/man/$*.variables' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< >$@

$(B)/man/oxidicom.conf: deploy/man/settings.awk $(B)/man/settings-printer
	@echo CONF $@; { echo '# Settings of oxidicom, see oxidicom.conf(5). Commented values are the defaults.'; echo; \
		$(B)/man/settings-printer | awk -v form=conf -f deploy/man/settings.awk; } >$@

# --- install ----------------------------------------------------------------------------------------------------

TO := $(DESTDIR)$(PREFIX)
COMPLETIONS := $(TO)/share/bash-completion/completions
# Where the files of deploy/ have our executables and the configuration, and where they are installed.
PLACES = sed -e 's|/usr/local/|$(PREFIX)/|g' -e 's|/etc/oxidicom|$(SYSCONFDIR)/oxidicom|g'
# FILES FOLDER: puts them there.
INSTALL_TEXTS = for text in $(1); do $(PLACES) "$$text" >"$(2)/$${text\#\#*/}" && \
	chmod 644 "$(2)/$${text\#\#*/}" || exit 1; done

install: all man
	install -d "$(TO)/bin" "$(TO)/share/man/man1" "$(TO)/share/man/man5" "$(TO)/share/doc/oxidicom" \
		"$(TO)/share/oxidicom" "$(COMPLETIONS)" "$(TO)/lib/sysusers.d" "$(TO)/lib/tmpfiles.d" "$(DESTDIR)$(UNITDIR)" \
		"$(DESTDIR)$(SYSCONFDIR)/oxidicom"
	install -m 755 $(PROGRAMS) "$(TO)/bin"
	$(call INSTALL_TEXTS,$(filter %.1,$(PAGES)),$(TO)/share/man/man1)
	$(call INSTALL_TEXTS,$(filter %.5,$(PAGES)),$(TO)/share/man/man5)
	install -m 644 README.md LICENSE "$(TO)/share/doc/oxidicom"
	install -D -m 644 -t "$(TO)/share/doc/oxidicom/proto" proto/PROTOCOL.md
	install -D -m 644 -t "$(TO)/share/doc/oxidicom/deploy" deploy/*.md
	install -D -m 644 -t "$(TO)/share/doc/oxidicom/deploy/pictures" deploy/pictures/*.png
	install -m 644 deploy/completion/oxidicom.bash "$(COMPLETIONS)/oxidicom"
	for stage in $(STAGES); do ln -sf oxidicom "$(COMPLETIONS)/oxidicom-$$stage"; done
	$(call INSTALL_TEXTS,deploy/systemd/*.service deploy/systemd/*.socket deploy/systemd/*.target,$(DESTDIR)$(UNITDIR))
	install -m 644 deploy/systemd/oxidicom.sysusers "$(TO)/lib/sysusers.d/oxidicom.conf"
	install -m 644 deploy/systemd/oxidicom.tmpfiles "$(TO)/lib/tmpfiles.d/oxidicom.conf"
	cp -r deploy/s6 deploy/supervisord "$(TO)/share/oxidicom"
	find "$(TO)/share/oxidicom" -type f \( -name run -o -name .site -o -name '*.conf' \) -exec $(PLACES) -i \
		-e 's|^oxidicom-[a-z]*$$|$(PREFIX)/bin/&|' {} +
	chmod -R u=rwX,go=rX "$(TO)/share/oxidicom"
	[ -e "$(DESTDIR)$(SYSCONFDIR)/oxidicom/oxidicom.conf" ] || \
		install -m 640 $(B)/man/oxidicom.conf "$(DESTDIR)$(SYSCONFDIR)/oxidicom/oxidicom.conf"

# --- packages ---------------------------------------------------------------------------------------------------

# Debian takes these for given; a package must not name them.
ESSENTIAL := "^(gcc|g\+\+|make|libc6-dev)$$"
# Who answers for the package, in the variables of Debian's own tools: name yourself if you build it for others. The domain
# belongs to nobody (RFC 2606).
DEBFULLNAME ?= oxidicom maintainers
DEBEMAIL ?= oxidicom@example.org
MAINTAINER ?= $(DEBFULLNAME) <$(DEBEMAIL)>
DEB := build/deb/oxidicom-$(VERSION)

deb: export SOURCE_DATE_EPOCH := $(SOURCE_DATE_EPOCH)
deb:
	deploy/deps.sh build package
	rm -rf build/deb
	mkdir -p $(DEB)
	$(COPY) $(DEB)
	cp -r deploy/debian $(DEB)/debian
	date=$$(date -uR -d @$(SOURCE_DATE_EPOCH)) && \
		sed -e 's/@VERSION@/$(VERSION)/' -e 's/@MAINTAINER@/$(MAINTAINER)/' -e "s/@DATE@/$$date/" \
		deploy/debian/changelog.in >$(DEB)/debian/changelog
	sed "s/@BUILD@/$$(deploy/deps.sh --list build | grep -vE $(ESSENTIAL) | paste -sd,)/; s/@MAINTAINER@/$(MAINTAINER)/" deploy/debian/control.in \
		>$(DEB)/debian/control
	rm $(DEB)/debian/*.in
	cd $(DEB) && env -u MAKEFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS="parallel=$(shell nproc) $(DEB_BUILD_OPTIONS)" \
		dpkg-buildpackage --build=binary --no-sign
	ls build/deb/*.deb

deb-check: export SOURCE_DATE_EPOCH := $(SOURCE_DATE_EPOCH)
deb-check: deb again
	+$(MAKE) -C build/again deb
	cd build/again/build/deb && for deb in *.deb; do cmp "$$deb" "$(CURDIR)/build/deb/$$deb" || exit 1; done
	@echo "The package is the same from another folder."

# The same tree in another folder, to be built a second time.
again:
	rm -rf build/again
	mkdir -p build/again
	$(COPY) build/again

dist:
	mkdir -p build
	git archive --format=tar --prefix=oxidicom-$(VERSION)/ HEAD | gzip -n9 >build/oxidicom-$(VERSION).$$$$.new && \
		mv build/oxidicom-$(VERSION).$$$$.new build/oxidicom-$(VERSION).tar.gz

.PHONY: man install deb deb-check again dist
