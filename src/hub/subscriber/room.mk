libmrchub_la_SOURCES += \
	%D%/pages.c %D%/pages.h \
	%D%/reader.c %D%/reader.h \
	%D%/subscriber.c %D%/subscriber.h

unit_tests += tests/unit/hub/subscriber/test_pages

EXTRA_DIST += %D%/README.md
