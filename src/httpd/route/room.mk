mod_mercure_la_SOURCES += \
	%D%/claim.c %D%/claim.h \
	%D%/page.c %D%/page.h \
	%D%/paths.c %D%/paths.h \
	%D%/route.c %D%/route.h \
	%D%/url_token.c %D%/url_token.h

# This unit does not need httpd. The module is not a library, so the test compiles the unit itself.
unit_tests += tests/unit/httpd/route/test_paths
tests_unit_httpd_route_test_paths_SOURCES = tests/unit/httpd/route/test_paths.c %D%/paths.c

EXTRA_DIST += %D%/README.md
