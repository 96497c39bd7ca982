# SPDX-License-Identifier: GPL-2.0-or-later
# make install [PREFIX=/usr/local] [DESTDIR=], make uninstall

DESTDIR ?=
INSTALL ?= install
BINDIR := $(DESTDIR)$(PREFIX)/bin
MANDIR := $(DESTDIR)$(PREFIX)/share/man

.PHONY: install uninstall
install: $(B)/diptych
	$(INSTALL) -d '$(BINDIR)' '$(MANDIR)/man1'
	$(INSTALL) -m 755 $(B)/diptych '$(BINDIR)/diptych'
	$(INSTALL) -m 644 docs/diptych.1 '$(MANDIR)/man1/diptych.1'

uninstall:
	rm -f '$(BINDIR)/diptych' '$(MANDIR)/man1/diptych.1'
