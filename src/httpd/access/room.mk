mod_mercure_la_SOURCES += \
	%D%/authorize.c %D%/authorize.h \
	%D%/browser.c %D%/browser.h \
	%D%/challenge.c %D%/challenge.h \
	%D%/client.c %D%/client.h \
	%D%/cors.c %D%/cors.h \
	%D%/credentials.c %D%/credentials.h \
	%D%/identity.c %D%/identity.h

unit_tests += tests/unit/httpd/access/test_browser
tests_unit_httpd_access_test_browser_SOURCES = tests/unit/httpd/access/test_browser.c %D%/browser.c

EXTRA_DIST += %D%/README.md
