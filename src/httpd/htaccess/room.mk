mod_mercure_la_SOURCES += \
	%D%/cache.c %D%/cache.h \
	%D%/file.c %D%/file.h \
	%D%/lookup.c %D%/lookup.h \
	%D%/parse.c %D%/parse.h

# These units do not need httpd. The module is not a library, so the tests compile the units themselves.
unit_tests += \
	tests/unit/httpd/htaccess/test_cache \
	tests/unit/httpd/htaccess/test_file
tests_unit_httpd_htaccess_test_cache_LDFLAGS = $(LINK_FAILING_CALLS)
tests_unit_httpd_htaccess_test_cache_SOURCES = tests/unit/httpd/htaccess/test_cache.c %D%/cache.c
tests_unit_httpd_htaccess_test_file_LDFLAGS = $(LINK_FAILING_CALLS)
tests_unit_httpd_htaccess_test_file_SOURCES = tests/unit/httpd/htaccess/test_file.c %D%/file.c

EXTRA_DIST += %D%/README.md
