mod_mercure_la_SOURCES += \
	%D%/sites.c %D%/sites.h \
	%D%/virtual_root.c %D%/virtual_root.h

# This unit does not need httpd. The module is not a library, so the test compiles the unit itself.
unit_tests += tests/unit/httpd/sites/test_virtual_root
tests_unit_httpd_sites_test_virtual_root_LDFLAGS = $(LINK_FAILING_CALLS)
tests_unit_httpd_sites_test_virtual_root_SOURCES = tests/unit/httpd/sites/test_virtual_root.c \
	%D%/virtual_root.c

EXTRA_DIST += %D%/README.md
