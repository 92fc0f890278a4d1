mod_mercure_la_SOURCES += \
	%D%/limits.c %D%/limits.h \
	%D%/pace.c %D%/pace.h \
	%D%/publication.c %D%/publication.h \
	%D%/stay.c %D%/stay.h

# The module is not a library, so the tests compile the units themselves.
unit_tests += tests/unit/httpd/publish/test_pace
tests_unit_httpd_publish_test_pace_SOURCES = tests/unit/httpd/publish/test_pace.c %D%/pace.c

unit_tests += tests/unit/httpd/publish/test_publication
tests_unit_httpd_publish_test_publication_LDFLAGS = $(LINK_FAILING_CALLS)
tests_unit_httpd_publish_test_publication_SOURCES = tests/unit/httpd/publish/test_publication.c \
	%D%/publication.c

EXTRA_DIST += %D%/README.md
