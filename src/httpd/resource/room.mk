mod_mercure_la_SOURCES += \
	%D%/debugger.c %D%/debugger.h \
	%D%/debugger_files.h \
	%D%/matchers.c %D%/matchers.h \
	%D%/metadata.c %D%/metadata.h \
	%D%/playground.c %D%/playground.h \
	%D%/publish.c %D%/publish.h \
	%D%/request.c %D%/request.h \
	%D%/subscribe.c %D%/subscribe.h \
	%D%/subscriptions.c %D%/subscriptions.h

# The module is not a library, so the test compiles the unit itself.
unit_tests += tests/unit/httpd/resource/test_matchers
tests_unit_httpd_resource_test_matchers_LDFLAGS = $(LINK_FAILING_CALLS)
tests_unit_httpd_resource_test_matchers_SOURCES = tests/unit/httpd/resource/test_matchers.c %D%/matchers.c

# The debugger's pages are part of the module.
DEBUGGER_FILES = \
	src/debugger/index.html \
	src/debugger/debugger.css \
	src/debugger/live.css \
	src/debugger/chart.js \
	src/debugger/code.js \
	src/debugger/debugger.js \
	src/debugger/filter.js \
	src/debugger/json.js \
	src/debugger/live.js \
	src/debugger/log.js \
	src/debugger/presence.js \
	src/debugger/publications.js \
	src/debugger/stream.js \
	src/debugger/streams.js \
	src/debugger/token.js
nodist_mod_mercure_la_SOURCES = %D%/debugger_files.c
%D%/debugger_files.c: $(DEBUGGER_FILES) src/debugger/embed
	$(AM_V_GEN)$(MKDIR_P) %D%
	$(AM_V_at)abs=`pwd` && cd $(srcdir) && src/debugger/embed $(DEBUGGER_FILES) >$$abs/$@.new
	$(AM_V_at)mv $@.new $@
CLEANFILES += %D%/debugger_files.c
EXTRA_DIST += $(DEBUGGER_FILES) src/debugger/README.md src/debugger/embed

EXTRA_DIST += %D%/README.md
