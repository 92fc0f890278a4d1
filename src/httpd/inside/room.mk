mod_mercure_la_SOURCES += \
	%D%/api.c %D%/api.h \
	%D%/header.c %D%/header.h \
	%D%/interim.c %D%/interim.h \
	%D%/interim_text.c %D%/interim_text.h \
	%D%/link.c %D%/link.h \
	%D%/lua.c %D%/lua.h \
	%D%/publisher.c %D%/publisher.h \
	%D%/site_response.c %D%/site_response.h

# The module is not a library, so the test compiles the unit itself.
unit_tests += tests/unit/httpd/inside/test_interim_text
tests_unit_httpd_inside_test_interim_text_SOURCES = tests/unit/httpd/inside/test_interim_text.c %D%/interim_text.c

EXTRA_DIST += %D%/README.md
