mod_mercure_la_SOURCES += \
	%D%/accepting.c %D%/accepting.h \
	%D%/keys.c %D%/keys.h \
	%D%/links.c %D%/links.h \
	%D%/start.c %D%/start.h \
	%D%/this_child.c %D%/this_child.h

# The module is not a library, so the test compiles the unit itself.
unit_tests += tests/unit/httpd/child/test_accepting
tests_unit_httpd_child_test_accepting_SOURCES = tests/unit/httpd/child/test_accepting.c %D%/accepting.c
tests_unit_httpd_child_test_accepting_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)

EXTRA_DIST += %D%/README.md
