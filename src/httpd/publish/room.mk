mod_mercure_la_SOURCES += \
	%D%/limits.c %D%/limits.h \
	%D%/publication.c %D%/publication.h

# The module is no library, so the test compiles the unit itself.
unit_tests += tests/unit/httpd/publish/test_publication
tests_unit_httpd_publish_test_publication_SOURCES = tests/unit/httpd/publish/test_publication.c \
	%D%/publication.c

EXTRA_DIST += %D%/README.md
