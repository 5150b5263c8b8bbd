# make install: executables and what a person needs to read.
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/oxidicom
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 README.md LICENSE proto/PROTOCOL.md deploy/*.md $(DESTDIR)$(PREFIX)/share/doc/oxidicom

.PHONY: install
